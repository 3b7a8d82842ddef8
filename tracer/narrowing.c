/*
 * narrowing.c - who made a mask narrow.
 *
 * A mask is inherited by fork and kept by exec. So the call is searched backwards
 * through the programs that a process was, and through its ancestors up to the
 * moment of each birth.
 */
#include "tracer/evaluation.h"

#include "tracer/mask.h"

#include <stdlib.h>
#include <string.h>

static bool is_narrower(const struct fs_evaluation *evaluation, hwloc_const_bitmap_t mask) {
    hwloc_const_bitmap_t all = evaluation->mask_job;

    if (!mask || !all || hwloc_bitmap_iszero(mask)) return false;
    if (evaluation->mask_guessed) return fs_mask_weight(mask) < fs_mask_weight(all);
    return hwloc_bitmap_isincluded(mask, all) && !hwloc_bitmap_isequal(mask, all);
}

/* The last call before `until` in a record's own past that took CPUs away. */
static const struct fs_stage *call_in(const struct fs_evaluation *evaluation,
                                      const struct fs_record *record, int64_t until) {
    const struct fs_interned *interned = &evaluation->table->interned;

    for (size_t i = record->stage_count; i-- > 0;) {
        const struct fs_stage *stage = &record->stages[i];
        if (stage->t_affinity == FS_UNKNOWN || stage->t_affinity > until) continue;
        if (is_narrower(evaluation, fs_mask_of(interned, stage->mask_after))) return stage;
    }
    return NULL;
}

static struct fs_narrowing *describe(const struct fs_evaluation *evaluation,
                                     const struct fs_stage *stage) {
    const struct fs_interned *interned = &evaluation->table->interned;
    struct fs_narrowing *narrowing = calloc(1, sizeof *narrowing);
    hwloc_const_bitmap_t before = fs_mask_of(interned, stage->mask_before);
    hwloc_const_bitmap_t after = fs_mask_of(interned, stage->mask_after);

    if (!narrowing) return NULL;
    narrowing->pid = stage->affinity_caller;
    if (stage->image && stage->image->executable)
        narrowing->executable = strdup(stage->image->executable);
    fs_place_of(evaluation->table, stage->affinity_site, &narrowing->place);
    narrowing->t = fs_job_time(evaluation, stage->t_affinity);
    narrowing->before = before ? hwloc_bitmap_dup(before) : NULL;
    narrowing->after = after ? hwloc_bitmap_dup(after) : NULL;
    return narrowing;
}

static struct fs_narrowing *search(const struct fs_evaluation *evaluation,
                                   const struct fs_record *record, int64_t until) {
    for (const struct fs_record *past = record; past; past = past->parent) {
        const struct fs_stage *stage = call_in(evaluation, past, until);
        if (stage) return describe(evaluation, stage);
        until = fs_record_begin(past);
    }
    return NULL;
}

struct fs_narrowing *fs_find_narrowing(const struct fs_evaluation *evaluation,
                                       const struct fs_record *parent,
                                       struct fs_record *const *members, size_t count) {
    const struct fs_interned *interned = &evaluation->table->interned;

    for (size_t i = 0; i < count; i++)
        if (is_narrower(evaluation, fs_mask_of(interned, members[i]->mask)))
            return search(evaluation, members[i], INT64_MAX);
    if (parent && is_narrower(evaluation, fs_mask_of(interned, parent->mask)))
        return search(evaluation, parent, INT64_MAX);
    return NULL;
}
