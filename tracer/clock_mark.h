/*
 * clock_mark.h - reads the monotonic clock, the time of day and what the kernel says of its
 * precision, all at once.
 */
#ifndef FS_CLOCK_MARK_H
#define FS_CLOCK_MARK_H

#include "tracer/digest_clocks.h"

/* t is on CLOCK_MONOTONIC. Never fails: what cannot be told is unknown. */
struct fs_clock_mark fs_clock_mark(void);

#endif
