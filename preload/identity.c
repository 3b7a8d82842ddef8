/*
 * identity.c - the clock, the process, the thread, the mask.
 *
 * Any context. errno stays as it is.
 */
#include <time.h>

#include "preload/call.h"
#include "preload/shim.h"

__thread struct fsp_tls fsp_tls;

uint64_t fsp_now(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t fsp_now_cold(void) {
    struct timespec now = {0};

    fsp_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

pid_t fsp_pid(void) {
    return (pid_t)fsp_call(SYS_getpid, 0, 0, 0, 0);
}

int32_t fsp_tid(void) {
    if (fsp_tls.tid == 0) fsp_tls.tid = (int32_t)fsp_call(SYS_gettid, 0, 0, 0, 0);
    return fsp_tls.tid;
}

int fsp_mask_read(pid_t tid, uint64_t mask[FSP_MASK_WORDS]) {
    const size_t size = FSP_MASK_WORDS * sizeof(uint64_t);
    const long got = fsp_call(SYS_sched_getaffinity, tid, (long)size, (long)mask, 0);

    if (got < 0) return -1;
    for (size_t word = (size_t)got / sizeof *mask; word < FSP_MASK_WORDS; word++)
        mask[word] = 0;
    return 0;
}
