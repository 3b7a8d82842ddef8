/*
 * Calls of MPI from other threads and processes than the one that initialised it:
 *   mpi_callers LEVEL thread    a second thread asks for messages (LEVEL: init, funneled,
 *                               multiple)
 *   mpi_callers LEVEL compute   a second thread computes, the first one calls MPI
 *   mpi_callers LEVEL child     a forked child asks for messages
 */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void probe(void) {
    int flag;

    MPI_Iprobe(MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
}

static void *probing_thread(void *unused) {
    probe();
    return unused;
}

static void *computing_thread(void *unused) {
    for (volatile int i = 0; i < 1000000; i++)
        continue;
    return unused;
}

static void with_thread(void *(*routine)(void *)) {
    pthread_t thread;

    if (pthread_create(&thread, NULL, routine, NULL) == 0) pthread_join(thread, NULL);
    probe();
}

static void with_child(void) {
    const pid_t pid = fork();

    if (pid == 0) {
        probe();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
    const char *level = argc > 2 ? argv[1] : "init", *what = argc > 2 ? argv[2] : "";
    int provided;

    if (strcmp(level, "init") == 0)
        MPI_Init(&argc, &argv);
    else
        MPI_Init_thread(&argc, &argv, level[0] == 'f' ? MPI_THREAD_FUNNELED : MPI_THREAD_MULTIPLE,
                        &provided);
    if (strcmp(what, "thread") == 0) with_thread(probing_thread);
    if (strcmp(what, "compute") == 0) with_thread(computing_thread);
    if (strcmp(what, "child") == 0) with_child();
    MPI_Finalize();
    return 0;
}
