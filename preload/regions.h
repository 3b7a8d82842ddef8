/*
 * regions.h - counters of parallel regions in the slot of the process.
 */
#ifndef FSP_REGIONS_H
#define FSP_REGIONS_H

#include "preload/entries.h"
#include "preload/segment.h"

/* A call of an entry point, between its begin and its end. */
struct fsp_region_call {
    struct fsp_process *self; /* in which it began; NULL: it is not counted */
    const struct fsp_provider *provider;
};

/* Counts a region that the call from return_address enters, for `threads` threads (0: as
 * many as by default). Returns the function to call on; NULL: there is none. */
void *fsp_region_begin(struct fsp_region_call *call, enum fsp_entry entry,
                       const void *return_address, unsigned threads);

/* Counts that it was left, unless a fork in it made this another process. */
void fsp_region_end(const struct fsp_region_call *call);

/* The same where begin and end are different calls of the program. */
void fsp_region_leave(const struct fsp_provider *provider);

#endif
