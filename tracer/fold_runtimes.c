/* fold_runtimes.c - counters of runtimes from process slots into records. */
#include "tracer/process_table.h"
#include "tracer/runtimes.h"

#include <limits.h>
#include <stdlib.h>

static const uint64_t largest_count = UINT64_C(1) << 60; /* a thousand years of regions */

static int64_t counted(uint64_t value) {
    return value < largest_count ? (int64_t)value : 0;
}

static int small(uint32_t value) {
    return value <= INT_MAX ? (int)value : INT_MAX;
}

static struct fs_regions regions_of(const struct fsp_regions *regions, uint64_t image) {
    const uint64_t entered = regions->entered[0] + regions->entered[1];
    const uint64_t left = regions->left[0] + regions->left[1];

    return (struct fs_regions){.entered = counted(entered),
                               .left = left < entered ? counted(left) : counted(entered),
                               .team = small(regions->team),
                               .site = {.image = image, .key = regions->site}};
}

static struct fs_gpu_calls calls_of(const struct fsp_gpu_use *use, uint64_t image) {
    return (struct fs_gpu_calls){.starts = small(use->starts),
                                 .contexts = small(use->contexts),
                                 .site = {.image = image, .key = use->site}};
}

static bool is_empty(const struct fsp_process *slot) {
    uint64_t any = 0;

    for (unsigned i = 0; i < FSP_RUNTIME_COUNT; i++)
        any |=
            slot->regions[i].entered[0] | slot->regions[i].entered[1] | slot->inherited.regions[i];
    for (unsigned i = 0; i < FSP_GPU_COUNT; i++)
        any |= slot->gpu[i].starts | slot->gpu[i].contexts | slot->inherited.gpu_starts[i] |
               slot->inherited.gpu_contexts[i];
    return any == 0;
}

static void fold_forked(struct fs_runtimes *runtimes, uint64_t image,
                        const struct fsp_process *slot) {
    const struct fsp_inherited *inherited = &slot->inherited;

    runtimes->threads_forked = slot->threads_started;
    for (unsigned i = 0; i < FSP_RUNTIME_COUNT; i++) {
        runtimes->forked[i] = regions_of(&slot->regions[i], image);
        runtimes->inherited[i] =
            (struct fs_regions){.entered = counted(inherited->regions[i]),
                                .team = small(inherited->team[i]),
                                .site = {.image = image, .key = inherited->region_site[i]}};
    }
    for (unsigned i = 0; i < FSP_GPU_COUNT; i++) {
        runtimes->gpu_forked[i] = calls_of(&slot->gpu[i], image);
        runtimes->gpu_inherited[i] =
            (struct fs_gpu_calls){.starts = small(inherited->gpu_starts[i]),
                                  .contexts = small(inherited->gpu_contexts[i]),
                                  .site = {.image = image, .key = inherited->gpu_site[i]}};
    }
}

void fs_fold_runtimes(struct fs_table *table, uint64_t image, struct fs_record *record,
                      const struct fsp_process *slot) {
    if (is_empty(slot)) return;
    if (!record->runtimes) record->runtimes = calloc(1, sizeof *record->runtimes);
    if (!record->runtimes) {
        table->lost++;
        return;
    }
    struct fs_runtimes *runtimes = record->runtimes;
    if (slot->birth != FSP_BIRTH_IMAGE) fold_forked(runtimes, image, slot);
    for (unsigned i = 0; i < FSP_RUNTIME_COUNT; i++) {
        const struct fs_regions regions = regions_of(&slot->regions[i], image);
        if (regions.entered >= runtimes->own[i].entered) runtimes->own[i] = regions;
    }
    for (unsigned i = 0; i < FSP_GPU_COUNT; i++) {
        const struct fs_gpu_calls calls = calls_of(&slot->gpu[i], image);
        if (calls.starts + (int64_t)calls.contexts >=
            runtimes->gpu[i].starts + (int64_t)runtimes->gpu[i].contexts)
            runtimes->gpu[i] = calls;
    }
}
