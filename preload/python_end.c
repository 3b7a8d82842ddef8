/*
 * python_end.c - a Python that initialised MPI: does an exception end it?
 *
 * Interposes sigaction. An interpreter that begins to end gives SIGINT its default action
 * back, and that is the last time that it calls anybody outside while everything of it is
 * there: sys.last_type, too, which it set when it printed an exception that nobody caught.
 * mpi4py calls MPI_Finalize from a function of Py_AtExit, when nothing is left to be asked.
 * Where SIGINT was ignored from the beginning the interpreter has nothing to give back, and
 * its end is not seen.
 *
 * Any context; all but the end of such an interpreter is passed on at once.
 */
#include <signal.h>

#include "preload/shim.h"

/* Of the process that initialised MPI and has not finalized it? */
static struct fsp_mpi *running_mpi(void) {
    struct fsp_mpi *mpi;
    const struct fsp_process *self;

    if (!fsp_ready()) return NULL;
    mpi = &fsp_segment(0)->mpi;
    if (atomic_load_explicit(&mpi->t_ready, memory_order_acquire) == 0 ||
        atomic_load_explicit(&mpi->t_finalize, memory_order_relaxed) != 0)
        return NULL;
    self = fsp_self();
    return self != NULL && self->pid == atomic_load_explicit(&mpi->pid, memory_order_relaxed)
               ? mpi
               : NULL;
}

static void look(const void *return_address) {
    const int error = errno;
    struct fsp_mpi *mpi = running_mpi();
    enum fsp_mpi_ending ending;

    if (mpi != NULL && fsp_python_ends() && fsp_python_called(return_address)) {
        ending = fsp_python_ending(mpi->exception, sizeof mpi->exception);
        if (ending == FSP_MPI_ENDING_EXCEPTION) mpi->raised = fsp_site_failure();
        atomic_store_explicit(&mpi->ending, ending, memory_order_release);
    }
    fsp_keep_errno(error);
}

FSP_EXPORT int sigaction(int signal, const struct sigaction *action, struct sigaction *old) {
    if (signal == SIGINT && action != NULL && action->sa_handler == SIG_DFL && fsp_python_there())
        look(__builtin_return_address(0));
    return FSP_REAL(sigaction)(signal, action, old);
}

/* Handlers call it, too: then it must be known already. */
void fsp_python_end_prepare(void) {
    (void)FSP_REAL(sigaction);
}
