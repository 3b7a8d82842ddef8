/*
 * Two ranks on one node, each call as often as argv[2] says; rank 0 prints nanoseconds:
 *   mpi pingpong N    of a round trip of 8 bytes, the median of many rounds
 *   mpi ends 1        of MPI_Init and MPI_Finalize
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 31 };

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double round_trip(int rank, long count) {
    const int other = 1 - rank;
    char message[8] = {0};
    const double begin = now();

    for (long i = 0; i < count; i++) {
        if (rank == 0) MPI_Send(message, 8, MPI_BYTE, other, 0, MPI_COMM_WORLD);
        MPI_Recv(message, 8, MPI_BYTE, other, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (rank != 0) MPI_Send(message, 8, MPI_BYTE, other, 0, MPI_COMM_WORLD);
    }
    return (now() - begin) / (double)count;
}

int main(int argc, char **argv) {
    const double begin = now();
    double rounds[ROUNDS];
    int rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc < 3 || size != 2) MPI_Abort(MPI_COMM_WORLD, 2);
    const int pingpong = strcmp(argv[1], "pingpong") == 0;
    for (int i = 0; pingpong && i < ROUNDS; i++)
        rounds[i] = round_trip(rank, strtol(argv[2], NULL, 10));
    MPI_Finalize();
    qsort(rounds, pingpong ? ROUNDS : 0, sizeof *rounds, compare);
    if (rank == 0) printf("%.1f\n", pingpong ? rounds[ROUNDS / 2] : now() - begin);
    return 0;
}
