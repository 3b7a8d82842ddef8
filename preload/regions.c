/*
 * regions.c - counts parallel regions, and hands what was counted to the children of forks.
 *
 * Any thread, also in the children of forks; no system call but in a thread that never
 * called a hook before.
 */
#include "preload/regions.h"

#include "preload/shim.h"

struct fsp_regions *fsp_regions_find(const struct fsp_provider *provider) {
    struct fsp_process *self;

    if (provider->runtime >= FSP_RUNTIME_COUNT || !fsp_ready()) return NULL;
    self = fsp_tls.self != NULL ? fsp_tls.self : fsp_self();
    return self != NULL && self == fsp_tls.self ? &self->regions[provider->runtime] : NULL;
}

/* A region within a region gets one thread unless nesting was allowed. */
static bool is_nested(const struct fsp_provider *provider) {
    return provider->omp_get_active_level != NULL && provider->omp_get_max_active_levels != NULL &&
           provider->omp_get_active_level() >= provider->omp_get_max_active_levels();
}

void fsp_region_note_team(struct fsp_regions *regions, const struct fsp_provider *provider,
                          unsigned threads, const void *return_address) {
    uint32_t team = atomic_load_explicit(&regions->team, memory_order_relaxed);

    if (threads > 1 && is_nested(provider)) return;
    while (threads > team && !atomic_compare_exchange_weak(&regions->team, &team, threads))
        ;
    if (threads > 1 && team <= 1) {
        const int error = errno;

        atomic_store_explicit(&regions->site, fsp_site_call(return_address), memory_order_relaxed);
        fsp_keep_errno(error);
    }
}

static uint64_t sum(const _Atomic uint64_t counters[2]) {
    return atomic_load_explicit(&counters[0], memory_order_relaxed) +
           atomic_load_explicit(&counters[1], memory_order_relaxed);
}

static void inherit_regions(struct fsp_process *child, const struct fsp_process *parent,
                            uint32_t threads) {
    for (unsigned i = 0; i < FSP_RUNTIME_COUNT; i++) {
        const struct fsp_regions *own = &parent->regions[i];
        const uint64_t entered = sum(own->entered);
        const uint32_t asked = atomic_load_explicit(&own->team, memory_order_relaxed);
        const uint32_t team = asked < threads ? asked : threads;
        const bool larger = team > parent->inherited.team[i];

        if (entered + parent->inherited.regions[i] == 0) continue;
        child->inherited.regions[i] = parent->inherited.regions[i] + entered;
        child->inherited.team[i] = larger ? team : parent->inherited.team[i];
        child->inherited.region_site[i] =
            larger ? atomic_load_explicit(&own->site, memory_order_relaxed)
                   : parent->inherited.region_site[i];
    }
}

static void inherit_gpu(struct fsp_process *child, const struct fsp_process *parent) {
    for (unsigned i = 0; i < FSP_GPU_COUNT; i++) {
        const struct fsp_gpu_use *own = &parent->gpu[i];
        const uint32_t starts = atomic_load_explicit(&own->starts, memory_order_relaxed);
        const uint32_t contexts = atomic_load_explicit(&own->contexts, memory_order_relaxed);
        const struct fsp_inherited *before = &parent->inherited;

        if ((starts | contexts | before->gpu_starts[i] | before->gpu_contexts[i]) == 0) continue;
        child->inherited.gpu_starts[i] = before->gpu_starts[i] + starts;
        child->inherited.gpu_contexts[i] = before->gpu_contexts[i] + contexts;
        child->inherited.gpu_site[i] = before->gpu_site[i] != 0
                                           ? before->gpu_site[i]
                                           : atomic_load_explicit(&own->site, memory_order_relaxed);
    }
}

void fsp_inherit(struct fsp_process *child, const struct fsp_process *parent) {
    inherit_regions(child, parent, 1 + fsp_threads_alive(parent));
    inherit_gpu(child, parent);
}
