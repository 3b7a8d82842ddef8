/*
 * frk07_openmp_fork.c - a sum by OpenMP in a parent and in the children that it forks.
 *
 *   frk07_openmp_fork [fork-first]
 *
 * GCC's OpenMP runtime keeps the threads of its first region for the next one. A child
 * that is forked after that region waits in its own for threads that fork did not copy;
 * here a watchdog ends it after 4 seconds. Forked first, parent and children each start
 * their threads: all is well. Compiled for LLVM's runtime, both ways are.
 *
 * forksight: FRK-07; with fork-first, or OMP_NUM_THREADS=1, nothing.
 */
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, WATCHDOG = 4 };

static double sum(long count) {
    double total = 0;

#pragma omp parallel for reduction(+ : total)
    for (long i = 1; i <= count; i++)
        total += 1.0 / (double)i;
    return total;
}

static void work(void) {
    alarm(WATCHDOG);
    printf("worker: %.6f\n", sum(20000000));
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv) {
    const int fork_first = argc > 1 && strcmp(argv[1], "fork-first") == 0;
    int failed = 0, status;

    if (!fork_first) printf("parent: %.6f with %d threads\n", sum(1000000), omp_get_max_threads());
    fflush(stdout);
    for (int i = 0; i < WORKERS; i++)
        if (fork() == 0) work();
    if (fork_first) printf("parent: %.6f with %d threads\n", sum(1000000), omp_get_max_threads());
    while (wait(&status) > 0)
        failed += status != 0;
    if (failed) printf("%d of %d workers did not come back\n", failed, WORKERS);
    return 0;
}
