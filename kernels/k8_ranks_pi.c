/*
 * Behaviour: darts at a circle, thrown by every rank; rank 0 adds up what fell into it.
 * Started with more ranks than the machine has cores: "mpirun -n 3" on two.
 * Expected: Open MPI refuses to start them (MPI-05: not enough slots); with --oversubscribe
 * they start and wait for each other's CPU (OVS-05). With a rank for each core: nothing.
 *
 *   k8_ranks_pi [DARTS]   of each rank
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static double next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

int main(int argc, char **argv) {
    const long darts = argc > 1 ? atol(argv[1]) : 100000000;
    long hits = 0, sum = 0;
    int rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    uint64_t state = 88172645463325252u + (uint64_t)rank * 2654435761u;
    for (long i = 0; i < darts; i++) {
        const double x = next(&state), y = next(&state);
        hits += x * x + y * y <= 1;
    }
    MPI_Reduce(&hits, &sum, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%d ranks threw %ld darts each: pi is about %.4f\n", size, darts,
               4.0 * (double)sum / ((double)darts * size));
    MPI_Finalize();
    return 0;
}
