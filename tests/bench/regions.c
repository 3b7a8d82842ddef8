/*
 * regions.c - parallel regions and a computing loop: nanoseconds per round.
 *
 *   regions parallel COUNT    empty regions of two threads (libgomp)
 *   regions compute COUNT     a loop that calls nothing
 */
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void parallel(int count) {
    static volatile int team;
    for (int i = 0; i < count; i++) {
#pragma omp parallel num_threads(2)
        if (omp_get_thread_num() == 0) team = omp_get_num_threads();
    }
    if (team != 2) exit(1);
}

static void compute(int count) {
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < count; i++)
        for (int step = 0; step < 1000; step++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
    if (state == 0) exit(1); /* never: but the loop must be run to know */
}

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 0;
    void (*work)(int) = argc > 1 && strcmp(argv[1], "parallel") == 0 ? parallel : compute;
    if (count < 1) {
        fprintf(stderr, "usage: regions parallel|compute COUNT\n");
        return 2;
    }
    work(count / 10 + 1);
    double begin = now_ns();
    work(count);
    printf("%.1f\n", (now_ns() - begin) / count);
    return 0;
}
