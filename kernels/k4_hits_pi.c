/*
 * K4 in C: pi by counting hits on a pool of forked workers that take their tasks
 * from one pipe and answer on another.
 *
 * usage: k4_hits_pi [trials, default 10000000] [tasks, default one per worker]
 *
 * Equal tasks, the last one with the remainder. Workers: NUM_PROCS, then
 * SLURM_CPUS_PER_TASK, else the CPUs that the process may use. To expect: no finding.
 */
#include <err.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct task {
    long trials, stream;
};

static long worker_count(void) {
    const char *names[] = {"NUM_PROCS", "SLURM_CPUS_PER_TASK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && atol(value) > 0) return atol(value);
    }
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed);
}

static long hit_count(struct task task) {
    unsigned short state[3] = {0x330e, (unsigned short)task.stream, 0x1234};
    long hits = 0;
    for (long i = 0; i < task.trials; i++)
        hits += hypot(erand48(state), erand48(state)) < 1.0;
    return hits;
}

static void serve(int tasks, int results) {
    struct task task;
    while (read(tasks, &task, sizeof task) == sizeof task) {
        const long hits = hit_count(task);
        if (write(results, &hits, sizeof hits) != sizeof hits) _exit(1);
    }
    _exit(0);
}

int main(int argc, char **argv) {
    const long workers = worker_count();
    const long trials = argc > 1 ? atol(argv[1]) : 10000000;
    const long tasks = argc > 2 ? atol(argv[2]) : workers;
    int task_pipe[2], result_pipe[2];
    if (trials < 1 || tasks < 1 || tasks > 1000 || pipe(task_pipe) || pipe(result_pipe))
        errx(2, "cannot count %ld trials in %ld tasks", trials, tasks);
    for (long w = 0; w < workers; w++) {
        const pid_t child = fork();
        if (child < 0) err(1, "fork");
        if (child == 0) {
            close(task_pipe[1]); /* or the end of the tasks is never seen */
            serve(task_pipe[0], result_pipe[1]);
        }
    }
    for (long i = 0; i < tasks; i++) { /* at most 1000: they fit the pipe */
        const long each = trials / tasks;
        const struct task task = {i + 1 < tasks ? each : trials - each * (tasks - 1), i};
        if (write(task_pipe[1], &task, sizeof task) != sizeof task) err(1, "write");
    }
    close(task_pipe[1]);
    long hits = 0, part;
    for (long i = 0; i < tasks && read(result_pipe[0], &part, sizeof part) == sizeof part; i++)
        hits += part;
    while (wait(NULL) > 0) {}
    printf("%.6f\n", 4.0 * (double)hits / (double)trials);
    return 0;
}
