/*
 * regions.h - counters of parallel regions in the slot of the process.
 *
 * What each region needs is inline, for a region may take no more than 300 ns. The thread
 * that a process began with has counters of its own, for an addition that other cores may
 * disturb costs five times a plain one.
 */
#ifndef FSP_REGIONS_H
#define FSP_REGIONS_H

#include "preload/entries.h"
#include "preload/segment.h"
#include "preload/shim.h"

/* A call of an entry point, between its begin and its end. */
struct fsp_region_call {
    struct fsp_process *self; /* in which it began; NULL: it is not counted */
    struct fsp_regions *regions;
};

/* Where regions of that provider count; NULL: nowhere. Starts the recorder and finds the
 * process, if that was not done. */
struct fsp_regions *fsp_regions_find(const struct fsp_provider *provider);

/* Notes a region for `threads` threads (0: as many as by default), if that is more than
 * before. */
void fsp_region_note_team(struct fsp_regions *regions, const struct fsp_provider *provider,
                          unsigned threads, const void *return_address);

static inline void fsp_region_count(_Atomic uint64_t counters[2]) {
    if (fsp_tls.of_create)
        atomic_fetch_add_explicit(&counters[1], 1, memory_order_relaxed);
    else
        atomic_store_explicit(&counters[0],
                              atomic_load_explicit(&counters[0], memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

/* Counts a region that the call from return_address enters, for `threads` threads (0: as
 * many as by default). Returns the function to call on; NULL: there is none. */
static inline void *fsp_region_begin(struct fsp_region_call *call, enum fsp_entry entry,
                                     const void *return_address, unsigned threads) {
    const struct fsp_target *target = fsp_target_of(entry, return_address);
    const struct fsp_provider *provider;

    call->self = NULL;
    if (__builtin_expect(target == NULL, 0)) return NULL;
    provider = target->provider;
    call->regions = fsp_tls.self != NULL && provider->runtime < FSP_RUNTIME_COUNT
                        ? &fsp_tls.self->regions[provider->runtime]
                        : fsp_regions_find(provider);
    if (call->regions != NULL) {
        call->self = fsp_tls.self;
        if (threads == 0 && provider->omp_get_max_threads != NULL)
            threads = (unsigned)provider->omp_get_max_threads();
        if (threads > atomic_load_explicit(&call->regions->team, memory_order_relaxed))
            fsp_region_note_team(call->regions, provider, threads, return_address);
        fsp_region_count(call->regions->entered);
    }
    return atomic_load_explicit(&target->function, memory_order_relaxed);
}

/* Counts that it was left, unless a fork in it made this another process. */
static inline void fsp_region_end(const struct fsp_region_call *call) {
    if (call->self != NULL && call->self == fsp_tls.self) fsp_region_count(call->regions->left);
}

/* The same where begin and end are different calls of the program. */
static inline void fsp_region_leave(const struct fsp_provider *provider) {
    struct fsp_regions *regions = fsp_regions_find(provider);

    if (regions != NULL) fsp_region_count(regions->left);
}

#endif
