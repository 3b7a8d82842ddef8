/*
 * stacks.c - reads another process's stacks with forksight's own functions, for tests.
 *
 *   stacks PID              every thread's stacks, as the record has them
 *   stacks --copy N PID     attaches to every thread N times; prints how long each was held:
 *                           stops failed median_ns p99_ns max_ns
 *   stacks --hold PID       stops the main thread and does not let go, until it is killed
 *   stacks --trace PID      the same without stopping it
 *   stacks --capture PID    what the reader of Python frames reads of the main thread, as a
 *                           file of tests/data/python
 */
#include "tracer/stack_native.h"
#include "tracer/stack_python.h"
#include "tracer/stack_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

static size_t list_threads(int pid, int tids[THREADS_MAX]) {
    struct fs_proc *proc = fs_proc_open("");
    const int *list;
    size_t count = 0;

    if (proc && fs_proc_tids(proc, pid, &list, &count) == 0) {
        if (count > THREADS_MAX) count = THREADS_MAX;
        memcpy(tids, list, count * sizeof *tids);
    } else {
        count = 0;
    }
    fs_proc_close(proc);
    return count;
}

static int print_stacks(int pid) {
    int tids[THREADS_MAX];
    struct fs_stack stacks[THREADS_MAX] = {0};
    struct fs_proc *proc = fs_proc_open("");
    struct fs_stack_request request = {
        .pid = pid, .only = true, .stacks = stacks, .count = list_threads(pid, tids)};

    for (size_t i = 0; i < request.count; i++) {
        stacks[i].snapshot.tid = tids[i];
        fs_wait_read(proc, pid, tids[i], &stacks[i].wait);
    }
    fs_stacks_read(&request, 10000000000ll);
    for (size_t i = 0; i < request.count; i++) {
        printf("thread %d wait %s%s held %lld ns\n", tids[i], stacks[i].wait.name,
               stacks[i].wait.private_wait ? " private" : "",
               (long long)stacks[i].snapshot.stop_ns);
        if (stacks[i].native) printf("native\n%s\n", stacks[i].native);
        if (stacks[i].python) printf("python\n%s\n", stacks[i].python);
    }
    if (request.holder) printf("holder %d\n", request.holder);
    if (request.obstacle) printf("obstacle %s\n", request.obstacle);
    fs_proc_close(proc);
    return request.count ? 0 : 1;
}

/* --- captures of a Python process --- */

static int capture_read(void *context, uint64_t address, void *into, size_t size) {
    const int memory = *(const int *)context;
    const unsigned char *bytes = into;

    if (pread(memory, into, size, (off_t)address) != (ssize_t)size) return -1;
    printf("%llx ", (unsigned long long)address);
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
    return 0;
}

static int capture(int pid) {
    char path[32], file[256] = "", text[65536];
    struct fs_names *names = fs_names_open(pid);
    struct fs_python python;

    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int memory = open(path, O_RDONLY);
    const uint64_t runtime = names ? fs_names_of_python(names, "_PyRuntime", file, sizeof file) : 0;
    const char *dot = strstr(file, "python3.");
    const int minor = dot ? atoi(dot + strlen("python3.")) : 0;
    printf("minor %d runtime %llx tid %d\n", minor, (unsigned long long)runtime, pid);
    if (fs_python_open(&python, capture_read, &memory, runtime, minor) != 0) return 1;
    /* By its tid, where the interpreter keeps it, and as the only thread. */
    fs_python_stack(&python, pid, 0, false, text, sizeof text);
    const size_t count = fs_python_stack(&python, pid, 0, true, text, sizeof text);
    printf("frames %zu\n%s\n", count, text);
    fs_names_close(names);
    return count ? 0 : 1;
}

static int by_size(const void *a, const void *b) {
    const long long one = *(const long long *)a, other = *(const long long *)b;
    return (one > other) - (one < other);
}

static int copy_again_and_again(int pid, long cycles) {
    char path[32];
    int tids[THREADS_MAX];
    struct fs_snapshot snapshot = {.stack = malloc(FS_STACK_COPY)};
    long long *stops = calloc((size_t)cycles * THREADS_MAX, sizeof *stops);
    long taken = 0, failed = 0;

    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    const int memory = open(path, O_RDONLY);
    for (long cycle = 0; cycle < cycles && stops; cycle++) {
        const size_t count = list_threads(pid, tids);
        for (size_t i = 0; i < count; i++) {
            if (fs_attach_copy(tids[i], false, memory, &snapshot) == 0)
                stops[taken++] = snapshot.stop_ns;
            else
                failed++;
            fs_attach_release();
        }
    }
    if (taken == 0) return 1;
    qsort(stops, (size_t)taken, sizeof *stops, by_size);
    printf("%ld %ld %lld %lld %lld\n", taken, failed, stops[taken / 2], stops[taken * 99 / 100],
           stops[taken - 1]);
    free(stops);
    free(snapshot.stack);
    return 0;
}

static int hold(int pid, bool stop) {
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0 ||
        (stop && ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0))
        return 1;
    puts("held");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    if (argc == 2) return print_stacks(atoi(argv[1]));
    if (argc == 3 && strcmp(argv[1], "--capture") == 0) return capture(atoi(argv[2]));
    if (argc == 3 && strcmp(argv[1], "--hold") == 0) return hold(atoi(argv[2]), true);
    if (argc == 3 && strcmp(argv[1], "--trace") == 0) return hold(atoi(argv[2]), false);
    if (argc == 4 && strcmp(argv[1], "--copy") == 0)
        return copy_again_and_again(atoi(argv[3]), atol(argv[2]));
    fprintf(stderr, "usage: stacks [--copy N | --hold | --trace | --capture] PID\n");
    return 2;
}
