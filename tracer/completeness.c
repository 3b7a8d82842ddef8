/*
 * completeness.c - how many processes and events were seen, how many were not, and why.
 */
#include "tracer/evaluation.h"

#include "tracer/clock.h"

#include <stdlib.h>
#include <string.h>

static const int64_t told_life = 250 * FS_MILLISECOND, told_cpu = 50 * FS_MILLISECOND;

int fs_unseen_of(const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);
    const bool exec_pending =
        record->t_exec != FS_UNKNOWN && record->exec_errno == 0 &&
        (!record->stage_count || record->t_exec > record->stages[record->stage_count - 1].t);

    if (exec_pending && record->exec_path) {
        const enum fs_unseen reason = fs_unseen_reason(record->exec_path);
        return reason == FS_UNSEEN_OTHER ? FS_UNSEEN_SHORT : (int)reason;
    }
    if (image && !image->shim) return (int)image->unseen;
    if (record->witnesses & FS_WITNESS_SHIM) return -1;
    /* Born and gone before its first own step: the parent's word is all there is. */
    return FS_UNSEEN_SHORT;
}

/*
 * A program that the shim cannot enter, but of which its parent told all that there is to
 * tell: birth, end, status and CPU time of a life so short that no rule could speak of it.
 * Python runs such ones (ctypes asks the static ldconfig where a library is).
 */
static bool is_told_by_parent(const struct fs_record *record, int reason) {
    const int64_t end = fs_record_end(record), cpu = fs_record_cpu(record);

    return (reason == FS_UNSEEN_STATIC || reason == FS_UNSEEN_SHORT) && record->over &&
           record->birth != FSP_BIRTH_UNKNOWN && record->t_fork != FS_UNKNOWN &&
           record->reaper > 0 && record->reaper == record->ppid && record->status_known &&
           fs_record_signal(record) == 0 && end != FS_UNKNOWN &&
           end - record->t_fork <= told_life && cpu != FS_UNKNOWN && cpu <= told_cpu;
}

static const char *name_of(const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);

    if (record->exec_path && record->exec_path[0]) return record->exec_path;
    return image && image->executable ? image->executable : "?";
}

static void keep_lacks(const struct fs_record *record, struct fs_completeness *complete) {
    const struct fs_image *image = fs_record_image(record);

    if (!image->lacks) return;
    complete->lacks = strdup(image->lacks);
    complete->binds = strdup(image->binds);
}

void fs_evaluate_completeness(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    struct fs_completeness *complete = &digest->complete;
    const struct fs_table *table = evaluation->table;
    const struct fs_fold *fold = evaluation->fold;

    complete->processes = (int)(table->count + table->forgotten);
    complete->recorded = (int)table->forgotten_whole;
    complete->alive = 0;
    complete->told = 0;
    for (const struct fs_record *record = table->first; record; record = record->next) {
        const int reason = fs_unseen_of(record);
        const bool told = is_told_by_parent(record, reason);
        complete->recorded += told || fs_record_is_whole(record);
        complete->alive += !record->over && !record->zombie;
        if (told && complete->told++ == 0) complete->told_example = strdup(name_of(record));
        if (told || reason < 0 || evaluation->outside) continue;
        if (complete->unseen[reason]++ == 0)
            complete->unseen_example[reason] = strdup(name_of(record));
        if (reason == FS_UNSEEN_ROOT && !complete->lacks) keep_lacks(record, complete);
    }
    complete->threads = table->threads;
    complete->lost_processes = fold ? fold->lost_processes : 0;
    complete->lost_threads = (fold ? fold->lost_threads : 0) + table->lost_threads;
    complete->lost_events = (fold ? fold->lost_events : 0) + table->lost;
    complete->lost_sites = fold ? fold->lost_sites : 0;
    complete->shim_off = fold ? fold->shim_off : 0;
    complete->bad_segments = fold ? fold->bad : 0;
}
