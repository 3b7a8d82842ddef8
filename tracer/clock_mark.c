/* clock_mark.c - see clock_mark.h. */
#include "tracer/clock_mark.h"

#include "tracer/clock.h"
#include "tracer/digest_parts.h"

#include <sys/timex.h>

enum { READINGS = 5 };

/* The time of day between two looks at the monotonic clock, which says when it was read. */
static struct fs_clock_mark read_pair(void) {
    const int64_t before = fs_now();
    const int64_t realtime = fs_clock_read(CLOCK_REALTIME);
    const int64_t after = fs_now();

    return (struct fs_clock_mark){.t = before + (after - before) / 2,
                                  .realtime = realtime,
                                  .read_ns = after - before,
                                  .error_ns = FS_UNKNOWN};
}

struct fs_clock_mark fs_clock_mark(void) {
    struct timex state = {.modes = 0};
    struct fs_clock_mark best = read_pair();

    /* One reading may be torn by an interrupt; the shortest of a few is not. */
    for (int i = 1; i < READINGS; i++) {
        const struct fs_clock_mark mark = read_pair();
        if (mark.read_ns < best.read_ns) best = mark;
    }
    const int result = adjtimex(&state);
    if (result < 0) return best; /* some containers forbid even the question */
    best.synchronised = result != TIME_ERROR && !(state.status & STA_UNSYNC);
    /* Microseconds; of an undisciplined clock it is a made-up maximum. */
    if (best.synchronised && state.maxerror >= 0) best.error_ns = (int64_t)state.maxerror * 1000;
    return best;
}
