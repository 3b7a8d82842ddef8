/*
 * k10_fork.c - K10 in C: each rank of MPI forks workers that throw darts for pi.
 *
 *   mpirun -n 2 k10_fork before|after|one
 *
 * before: as it should be, the workers are there before MPI_Init. after: they are forked
 * while MPI is in use. one: after it, but there is only one rank.
 *
 * forksight: FRK-01 with after; else nothing.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, DARTS = 1000000 };

static long throw_darts(unsigned seed) {
    long hits = 0;

    for (int i = 0; i < DARTS; i++) {
        const double x = rand_r(&seed) / (double)RAND_MAX, y = rand_r(&seed) / (double)RAND_MAX;
        hits += x * x + y * y < 1;
    }
    return hits;
}

/* Each worker writes its hits into the pipe. */
static void fork_workers(int to) {
    for (unsigned i = 0; i < WORKERS; i++) {
        if (fork() != 0) continue;
        const long hits = throw_darts((unsigned)getpid());
        _exit(write(to, &hits, sizeof hits) == sizeof hits ? 0 : 1);
    }
}

static long collect(int from) {
    long sum = 0, hits;

    for (int i = 0; i < WORKERS; i++)
        if (read(from, &hits, sizeof hits) == sizeof hits) sum += hits;
    while (wait(NULL) > 0) {}
    return sum;
}

int main(int argc, char **argv) {
    const int before = argc > 1 && strcmp(argv[1], "before") == 0;
    long mine, every = 0;
    int ends[2], rank, size;

    if (pipe(ends) != 0) return 1;
    if (before) fork_workers(ends[1]);
    MPI_Init(&argc, &argv);
    if (!before) fork_workers(ends[1]);
    mine = collect(ends[0]);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Reduce(&mine, &every, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) printf("pi %.4f\n", 4.0 * (double)every / ((double)size * WORKERS * DARTS));
    MPI_Finalize();
    return 0;
}
