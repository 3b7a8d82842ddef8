/*
 * usage.c - what a process or thread used, from the kernel's own books.
 *
 * Normal code, exit paths, fork children. Reading schedstat costs microseconds,
 * so it is for lives that are long enough. /proc is read with bare calls: no
 * stdio and no directory stream, which would allocate.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

enum { MOST_THREADS = 512 };

void fsp_usage_condense(struct fsp_usage *usage, const struct rusage *rusage) {
    usage->user_us =
        (uint64_t)rusage->ru_utime.tv_sec * 1000000 + (uint64_t)rusage->ru_utime.tv_usec;
    usage->system_us =
        (uint64_t)rusage->ru_stime.tv_sec * 1000000 + (uint64_t)rusage->ru_stime.tv_usec;
    usage->maxrss_kib = (uint64_t)rusage->ru_maxrss;
    usage->voluntary = (uint64_t)rusage->ru_nvcsw;
    usage->involuntary = (uint64_t)rusage->ru_nivcsw;
}

static const char *number(const char *text, uint64_t *value) {
    uint64_t sum = 0;

    while (*text == ' ')
        text++;
    for (; *text >= '0' && *text <= '9'; text++)
        sum = sum * 10 + (uint64_t)(*text - '0');
    *value = sum;
    return text;
}

/* "<run ns> <wait ns> <slices>", relative to an open folder of threads. */
static void add_thread(int folder, const char *path, uint64_t *run, uint64_t *wait) {
    const int fd = fsp_openat(folder, path, O_RDONLY, 0);
    char line[96];
    ssize_t length;
    uint64_t ran, waited;

    if (fd < 0) return;
    length = fsp_read(fd, line, sizeof line - 1);
    fsp_close(fd);
    if (length <= 0) return;
    line[length] = '\0';
    number(number(line, &ran), &waited);
    *run += ran;
    *wait += waited;
}

struct entry { /* as the kernel gives directory entries */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static void add_all(int folder, uint64_t *run, uint64_t *wait) {
    _Alignas(struct entry) char buffer[512] = {0};
    unsigned threads = 0;
    long got;

    while (threads < MOST_THREADS &&
           (got = fsp_call(SYS_getdents64, folder, (long)buffer, sizeof buffer, 0)) > 0)
        for (long at = 0; at < got;) {
            const struct entry *entry = (const struct entry *)(buffer + at);
            char path[32];
            struct fsp_text text = {.buffer = path, .size = sizeof path};

            at += entry->length;
            if (entry->name[0] < '0' || entry->name[0] > '9') continue;
            fsp_text_string(&text, entry->name);
            fsp_text_string(&text, "/schedstat");
            add_thread(folder, path, run, wait);
            threads++;
        }
}

void fsp_usage_schedule(pid_t tid, uint64_t *run, uint64_t *wait) {
    char path[48];
    struct fsp_text text = {.buffer = path, .size = sizeof path};
    int folder;

    if (tid != 0) {
        fsp_text_string(&text, "/proc/self/task/");
        fsp_text_number(&text, (uint64_t)tid);
        fsp_text_string(&text, "/schedstat");
        add_thread(AT_FDCWD, path, run, wait);
        return;
    }
    folder = fsp_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0) return;
    add_all(folder, run, wait);
    fsp_close(folder);
}
