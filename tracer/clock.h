/*
 * clock.h - the clocks of the record, in nanoseconds.
 *
 * Everything is kept in CLOCK_MONOTONIC, the clock of the segments. /proc counts
 * a process's start from the boot (CLOCK_BOOTTIME, which also runs while the
 * machine sleeps), in ticks of 1/sysconf(_SC_CLK_TCK) s.
 */
#ifndef FS_CLOCK_H
#define FS_CLOCK_H

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define FS_SECOND      1000000000ll
#define FS_MILLISECOND 1000000ll

static inline int64_t fs_clock_read(clockid_t clock) {
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * FS_SECOND + now.tv_nsec;
}

static inline int64_t fs_now(void) {
    return fs_clock_read(CLOCK_MONOTONIC);
}

/* Length of a clock tick of /proc. */
static inline int64_t fs_tick_ns(void) {
    const long per_second = sysconf(_SC_CLK_TCK);

    return FS_SECOND / (per_second > 0 ? per_second : 100);
}

/* Start of a process (in ticks since the boot) on the monotonic clock, at the earliest;
 * the process started within one tick from there. */
static inline int64_t fs_start_of(uint64_t ticks) {
    const int64_t asleep = fs_clock_read(CLOCK_BOOTTIME) - fs_clock_read(CLOCK_MONOTONIC);

    return (int64_t)ticks * fs_tick_ns() - asleep;
}

#endif
