/*
 * thr07_team_size.c - an integral by OpenMP, summed up again and again.
 *
 *   thr07_team_size ROUNDS [THREADS]
 *
 * A batch job gives the task SLURM_CPUS_PER_TASK CPUs; the OpenMP runtime does not read
 * that variable. OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK makes the team fit. With more
 * threads, they share CPUs, and at the end of every loop the quick ones wait for those
 * that had to wait for a CPU. THREADS overrules the environment, as programs do.
 *
 * forksight: THR-07 (and OVS-06 where the team is larger than its CPUs); with as many
 * threads as CPUs, nothing.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 2000000 };

static double integral(void) {
    double sum = 0;

#pragma omp parallel for reduction(+ : sum)
    for (int i = 0; i < STEPS; i++) {
        const double x = (i + 0.5) / STEPS;
        sum += 4 / (1 + x * x) / STEPS;
    }
    return sum;
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? atoi(argv[1]) : 100;
    double sum = 0;

    if (argc > 2) omp_set_num_threads(atoi(argv[2]));
    for (int i = 0; i < rounds; i++)
        sum += integral();
    printf("%.6f by %d threads\n", sum / rounds, omp_get_max_threads());
    return 0;
}
