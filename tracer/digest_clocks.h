/*
 * digest_clocks.h - what one node's clock said, at the begin and the end of the record, and
 * how far the kernel would have it off. See digest.h for the conventions.
 *
 * All times of a digest are on the node's own monotonic clock. Two marks tie it to the time of
 * day, so that times of several nodes can be compared as finely as the clocks allow, no finer.
 */
#ifndef FS_DIGEST_CLOCKS_H
#define FS_DIGEST_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct fs_clock_mark {
    int64_t t;         /* on the job's clock, in the middle of the reading */
    int64_t realtime;  /* ns since the epoch then; FS_UNKNOWN: there is no mark */
    int64_t read_ns;   /* how long the reading took: realtime is as uncertain */
    int64_t error_ns;  /* the most that the time of day may be off, as the kernel was told by
                          who disciplines it (NTP's maxerror); FS_UNKNOWN: it is not told */
    bool synchronised; /* somebody disciplines it */
};

struct fs_clocks {
    char *boot; /* identity of the running kernel: nodes that share it share their clocks */
    struct fs_clock_mark begin, end;
};

#endif
