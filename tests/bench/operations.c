/*
 * operations.c - one operation, many times: prints nanoseconds per operation.
 *
 *   operations NAME COUNT [cpu]   measures NAME: the mean of COUNT times; cpu: in
 *                             CPU time of the process and its children
 *   operations event COUNT    one recorded setenv: the median of COUNT, at most 64
 *   operations nothing        returns at once
 *   operations crowd COUNT SECONDS   COUNT processes that are a little busy
 *
 * Runs on one CPU (the last it may use): where the scheduler puts a child
 * changes the cost of a fork by more than any recorder does. The collector has
 * the other CPUs.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { WARM_UP = 8, GIBIBYTE = 1 << 30 };
static const char *const tiny_program[] = {"/bin/true", NULL};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Of this process and the children it waited for: what is left to measure by on
 * a machine that others use, too. */
static int64_t cpu_ns(void) {
    struct timespec t;
    struct rusage children;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    getrusage(RUSAGE_CHILDREN, &children);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec +
           (int64_t)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000000 +
           (int64_t)(children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1000;
}

static void fail(const char *what) {
    fprintf(stderr, "operations: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void stay_on_one_cpu(void) {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return;
    int last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &mask))
        last--;
    CPU_ZERO(&mask);
    CPU_SET(last, &mask);
    sched_setaffinity(0, sizeof mask, &mask);
}

static void reap(pid_t pid) {
    int status;
    if (pid < 0) fail("no child");
    if (waitpid(pid, &status, 0) != pid || status != 0) fail("child failed");
}

static void do_fork(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    reap(pid);
}

static void do_vfork_exec(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        execv(tiny_program[0], (char **)tiny_program);
        _exit(127);
    }
    reap(pid);
}

static void do_fork_exec(void) {
    pid_t pid = fork();
    if (pid == 0) {
        execv(tiny_program[0], (char **)tiny_program);
        _exit(127);
    }
    reap(pid);
}

static void do_spawn(void) {
    pid_t pid;
    errno = posix_spawn(&pid, tiny_program[0], NULL, NULL, (char **)tiny_program, environ);
    if (errno != 0) fail("posix_spawn");
    reap(pid);
}

static void *thread_main(void *argument) {
    return argument;
}

static void do_thread(void) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, thread_main, NULL);
    if (errno != 0) fail("pthread_create");
    pthread_join(thread, NULL);
}

static sem_t semaphore;
static void do_semaphore(void) {
    sem_post(&semaphore);
    sem_wait(&semaphore);
}

static void do_malloc(void) {
    static void *volatile block; /* volatile: or the compiler drops the pair */
    static size_t size;
    size = size % 4096 + 24;
    block = malloc(size);
    free(block);
}

static void do_setenv(void) {
    setenv("OMP_NUM_THREADS", "1", 1);
}

static void fill_memory(void) {
    char *memory = mmap(NULL, GIBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("1 GiB of memory");
    /* Small pages: page tables are what a fork copies. */
    madvise(memory, GIBIBYTE, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < GIBIBYTE; at += 4096)
        memory[at] = 1;
}

static void *sleep_for_ever(void *argument) {
    for (;;)
        pause();
    return argument;
}

static void start_sleeper(void) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, sleep_for_ever, NULL);
    if (errno != 0) fail("pthread_create");
}

static void make_semaphore(void) {
    sem_init(&semaphore, 1, 0);
}

static const struct operation {
    const char *name;
    void (*once)(void);
    void (*prepare)(void);
} operations[] = {
    {"fork", do_fork, NULL},
    {"fork_beside", do_fork, start_sleeper},
    {"fork_1gib", do_fork, fill_memory},
    {"fork_exec", do_fork_exec, NULL},
    {"vfork_exec", do_vfork_exec, NULL},
    {"spawn", do_spawn, NULL},
    {"thread", do_thread, NULL},
    {"semaphore", do_semaphore, make_semaphore},
    {"malloc", do_malloc, NULL},
    {"setenv", do_setenv, NULL},
};

static int measure(const struct operation *operation, int count, int64_t (*clock_ns)(void)) {
    if (operation->prepare) operation->prepare();
    for (int i = 0; i < WARM_UP && i < count; i++)
        operation->once();
    int64_t begin = clock_ns();
    for (int i = 0; i < count; i++)
        operation->once();
    printf("%.1f\n", (double)(clock_ns() - begin) / count);
    return 0;
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A few calls only, each timed: the recorder keeps a process's first events,
 * and an event that is merely counted costs less than one that is written. */
static int measure_event(int count) {
    int64_t took[64];
    count = count > 64 ? 64 : count;
    do_setenv();
    for (int i = 0; i < count; i++) {
        int64_t begin = now_ns();
        do_setenv();
        took[i] = now_ns() - begin;
    }
    qsort(took, (size_t)count, sizeof *took, by_value);
    printf("%lld\n", (long long)took[count / 2]);
    return 0;
}

static void be_a_little_busy(int seconds) {
    int64_t end = now_ns() + (int64_t)seconds * 1000000000;
    while (now_ns() < end) {
        int64_t busy_until = now_ns() + 500000;
        while (now_ns() < busy_until)
            continue;
        usleep(100000);
    }
    _exit(0);
}

static int crowd(int count, int seconds) {
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0) fail("fork");
        if (pid == 0) be_a_little_busy(seconds);
    }
    for (int i = 0; i < count; i++)
        if (wait(NULL) < 0) fail("wait");
    return 0;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 0;
    bool cpu = argc > 3 && strcmp(argv[3], "cpu") == 0;
    if (strcmp(name, "nothing") == 0) return 0;
    if (strcmp(name, "crowd") == 0 && argc > 3) return crowd(count, atoi(argv[3]));
    if (count > 0) {
        stay_on_one_cpu();
        if (strcmp(name, "event") == 0) return measure_event(count);
        for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
            if (strcmp(name, operations[i].name) == 0)
                return measure(&operations[i], count, cpu ? cpu_ns : now_ns);
    }
    fprintf(stderr, "usage: operations NAME COUNT [cpu|SECONDS]\n");
    return 2;
}
