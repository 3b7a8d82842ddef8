/*
 * K3 in C: pi by throwing darts, a forked worker for each share, results by pipe.
 *
 * usage: k3_darts_pi [throws, default 10000000]
 *
 * The remainder is spread over the first workers. NUM_PROCS sets the number of
 * workers, then SLURM_CPUS_PER_TASK, else the CPUs that the process may use. To
 * expect: no finding; AFF-01 with NUM_PROCS=4 under `taskset -c 0`.
 */
#include <err.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static long worker_count(void) {
    const char *names[] = {"NUM_PROCS", "SLURM_CPUS_PER_TASK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && atol(value) > 0) return atol(value);
    }
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed);
}

static double uniform(uint64_t *state) { /* xorshift64*, upper 53 bits */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545f4914f6cdd1dull) >> 11) * 0x1.0p-53;
}

static long darts_in_circle(long throws, uint64_t seed) {
    uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15ull;
    long inside = 0;
    for (long i = 0; i < throws; i++) {
        const double x = uniform(&state), y = uniform(&state);
        inside += x * x + y * y <= 1.0;
    }
    return inside;
}

int main(int argc, char **argv) {
    const long throws = argc > 1 ? atol(argv[1]) : 10000000, workers = worker_count();
    int channel[2];
    if (throws < 1 || pipe(channel)) errx(2, "cannot throw %ld darts", throws);
    for (long w = 0; w < workers; w++) {
        const pid_t child = fork();
        if (child < 0) err(1, "fork");
        if (child == 0) {
            const long share = throws / workers + (w < throws % workers);
            const long inside = darts_in_circle(share, (uint64_t)w);
            _exit(write(channel[1], &inside, sizeof inside) != sizeof inside);
        }
    }
    long inside = 0, part;
    for (long w = 0; w < workers; w++) {
        if (read(channel[0], &part, sizeof part) != sizeof part) err(1, "read");
        inside += part;
    }
    while (wait(NULL) > 0) {}
    printf("ncpus=%ld\n%.6f\n", workers, 4.0 * (double)inside / (double)throws);
    return 0;
}
