/*
 * Asks whether there is an MPI, in all ways that libraries do: by weak references of its own
 * and of a library loaded at its start or, with a path as argument, later; by a word of data;
 * by dlsym. Also for other libraries, by weak references. Prints the answers, which the shim
 * must not change.
 */
#include <dlfcn.h>
#include <stdio.h>

#pragma weak MPI_Init
#pragma weak MPI_Abort
#pragma weak mpi_finalize_
extern int MPI_Init(int *argc, char ***argv);
extern int MPI_Abort(void *communicator, int code);
extern void mpi_finalize_(int *error);
extern void ask(const char *when);

#pragma weak ibv_fork_init
#pragma weak GOMP_parallel
#pragma weak cuInit
#pragma weak hipInit
#pragma weak XOpenDisplay
extern int ibv_fork_init(void);
extern void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
extern int cuInit(unsigned flags);
extern int hipInit(unsigned flags);
extern void *XOpenDisplay(const char *name);

static int (*const abort_word)(void *, int) = MPI_Abort;
int (*const *volatile abort_address)(void *, int) = &abort_word;

int main(int argc, char **argv) {
    static const char *const names[] = {"MPI_Init",   "PMPI_Init",     "MPI_Init_thread",
                                        "mpi_init_",  "MPI_Finalize",  "MPI_Send",
                                        "PMPI_Abort", "pmpi_finalize_"};

    printf("program: MPI_Init %s, mpi_finalize_ %s, word of MPI_Abort %s\n",
           MPI_Init ? "there" : "missing", mpi_finalize_ ? "there" : "missing",
           *abort_address ? "there" : "missing");
    printf("program: ibv_fork_init %s, GOMP_parallel %s, cuInit %s, hipInit %s, XOpenDisplay %s\n",
           ibv_fork_init ? "there" : "missing", GOMP_parallel ? "there" : "missing",
           cuInit ? "there" : "missing", hipInit ? "there" : "missing",
           XOpenDisplay ? "there" : "missing");
    ask("at start");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        printf("dlsym: %s %s\n", names[i], dlsym(RTLD_DEFAULT, names[i]) ? "there" : "missing");
    if (argc > 1) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        void (*late)(const char *) = NULL;

        if (library) *(void **)&late = dlsym(library, "ask");
        if (late) late("later");
    }
    return 0;
}
