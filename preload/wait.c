/*
 * wait.c - who ended, how, and what it used.
 *
 * Normal code and signal handlers (SIGCHLD). All forms but waitid go through
 * wait4, which gives the usage in the same call. A wait that reaps nobody, as a
 * pool makes after every task, costs nothing but the call.
 */
#include <errno.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"

/* /dev/shm was full? Asked when a child died of SIGBUS, while it still is. */
static void note_sigbus(pid_t pid) {
    struct fsp_event event = {.kind = FSP_EVENT_SIGBUS_SHM, .a = pid};
    struct statfs status = {0};

    if (fsp_call(SYS_statfs, (long)"/dev/shm", (long)&status, 0, 0) != 0) return;
    event.u[0] = (uint64_t)status.f_bavail * (uint64_t)status.f_frsize;
    event.u[1] = (uint64_t)status.f_blocks * (uint64_t)status.f_frsize;
    fsp_event(event);
}

static void note(pid_t pid, int status, const struct rusage *usage) {
    struct fsp_process *self = fsp_self();
    struct fsp_process *slot;

    if (self == NULL) return;
    atomic_fetch_add_explicit(&self->reaps, 1, memory_order_relaxed);
    slot = fsp_process_child(pid, self->pid);
    if (slot != NULL) {
        if (slot->pid == 0) { /* killed before it came to store anything */
            slot->pid = pid;
            atomic_store_explicit(&slot->state, FSP_PROCESS_LIVE, memory_order_release);
        }
        slot->reaper = self->pid;
        slot->status = status;
        slot->t_reap = fsp_now();
        fsp_usage_condense(&slot->reap, usage);
        atomic_store_explicit(&slot->reaped, 1, memory_order_release);
    } else {
        struct fsp_event event = {.kind = FSP_EVENT_REAPED, .a = pid, .b = status};
        struct fsp_usage condensed;

        fsp_usage_condense(&condensed, usage);
        event.u[0] = condensed.user_us;
        event.u[1] = condensed.system_us;
        event.u[2] = condensed.maxrss_kib;
        fsp_event(event);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) note_sigbus(pid);
}

static pid_t hooked(pid_t pid, int *status, int options, struct rusage *usage) {
    struct rusage local_usage;
    struct rusage *used = usage != NULL ? usage : &local_usage;
    int local_status = 0;
    int *state = status != NULL ? status : &local_status;
    const pid_t ended = FSP_REAL(wait4)(pid, state, options, used);

    if (ended > 0 && (WIFEXITED(*state) || WIFSIGNALED(*state))) {
        const int error = errno;

        note(ended, *state, used);
        fsp_keep_errno(error);
    }
    return ended;
}

/* The exported names are only called from outside: within, they would be symbols that
 * every program looks up at its start. */
static pid_t any_wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    if (!fsp_ready()) return FSP_REAL(wait4)(pid, status, options, usage);
    return hooked(pid, status, options, usage);
}

static pid_t any_waitpid(pid_t pid, int *status, int options) {
    if (!fsp_ready()) return FSP_REAL(waitpid)(pid, status, options);
    return hooked(pid, status, options, NULL);
}

FSP_EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    return any_wait4(pid, status, options, usage);
}

FSP_EXPORT pid_t waitpid(pid_t pid, int *status, int options) {
    return any_waitpid(pid, status, options);
}

FSP_ALIAS(__waitpid, waitpid);

FSP_EXPORT pid_t wait(int *status) {
    return any_waitpid(-1, status, 0);
}

FSP_ALIAS(__wait, wait);

FSP_EXPORT pid_t wait3(int *status, int options, struct rusage *usage) {
    return any_wait4(-1, status, options, usage);
}

static int status_of(const siginfo_t *info) {
    if (info->si_code == CLD_EXITED) return (info->si_status & 0xff) << 8;
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* libc's waitid gives no usage, and by a bare system call it would be no point of
 * cancellation any more: the usage stays unknown (zero). */
FSP_EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    siginfo_t local = {0};
    siginfo_t *filled = info != NULL ? info : &local;
    int result;

    if (!fsp_ready()) return FSP_REAL(waitid)(type, id, info, options);
    /* When it succeeds the kernel has filled it, with zeros where there is nobody to tell of. */
    result = FSP_REAL(waitid)(type, id, filled, options);
    if (result == 0 && filled->si_pid > 0 && (options & WNOWAIT) == 0 &&
        (filled->si_code == CLD_EXITED || filled->si_code == CLD_KILLED ||
         filled->si_code == CLD_DUMPED)) {
        const int error = errno;

        note(filled->si_pid, status_of(filled), &(struct rusage){0});
        fsp_keep_errno(error);
    }
    return result;
}
