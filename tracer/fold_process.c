/*
 * fold_process.c - process and thread slots into records.
 *
 * The same process shows up in several slots: the one that its parent reserved
 * and one for each program it became (slot 0 of that image's segment). They are
 * read in any order, and some are missing. What joins them is the pid and that
 * they lived at one time.
 */
#include "tracer/fold.h"

#include "tracer/clock.h"
#include "tracer/random_streams.h"
#include "tracer/runtimes.h"

#include <stdlib.h>
#include <string.h>

enum { THREADS_KEPT = 4096 };
static const int64_t clock_slack = 20 * FS_MILLISECOND;
/* A reaper that wait() let go stores what it learned at once; if it did not within
 * this time, it was not the shim that waited. */
static const int64_t reap_grace = FS_SECOND;

static int64_t time_or_unknown(uint64_t t) {
    return t ? (int64_t)t : FS_UNKNOWN;
}

static bool has_birth(const struct fs_record *record) {
    return record->birth != FSP_BIRTH_UNKNOWN && record->birth != FS_BIRTH_INSIDE_LIBC;
}

/* An image's start is the latest that its process can have begun, not the earliest. */
static bool may_live_at(const struct fs_record *record, int64_t t) {
    const int64_t end = fs_record_end(record);
    const bool start_known = record->t_fork != FS_UNKNOWN || record->start_ticks != 0;

    return (!start_known || fs_record_begin(record) <= t + clock_slack) &&
           (end == FS_UNKNOWN || end >= t - clock_slack);
}

/* The record of the process that began to run an image at t. */
static struct fs_record *find_for_image(const struct fs_table *table, int pid, int64_t t) {
    for (struct fs_record *record = fs_table_newest(table, pid); record; record = record->older)
        if (may_live_at(record, t)) return record;
    return NULL;
}

/* The record, if another witness made it, of the process that was forked at t: the
 * oldest one from then on that nobody else's fork explains. */
static struct fs_record *find_for_fork(const struct fs_table *table, int pid, int64_t t) {
    struct fs_record *found = NULL;

    for (struct fs_record *record = fs_table_newest(table, pid); record; record = record->older) {
        if (fs_record_begin(record) < t - clock_slack) break;
        if (!has_birth(record)) found = record;
    }
    return found;
}

/*
 * The program that a fork child runs is its parent's; it comes before those it became.
 * /proc may have shown it already, from the start that it tells: a tick too early, or later
 * than the call of fork, where that waited for a CPU.
 */
static void add_inherited_stage(struct fs_table *table, struct fs_record *record,
                                struct fs_image *image, int64_t t) {
    struct fs_stage *first = record->stage_count ? &record->stages[0] : NULL;
    const bool from_begin = first && (first->t <= t || first->t == record->t_start);

    if (from_begin && !first->image->shim && image && first->image->executable == image->executable)
        *first = (struct fs_stage){.image = image, .t = t, .t_affinity = FS_UNKNOWN};
    else
        fs_record_add_stage(table, record, image, first && first->t <= t ? first->t - 1 : t);
}

static struct fs_record *record_of_image(struct fs_table *table, const struct fsp_process *slot,
                                         struct fs_image *image) {
    const int64_t t = (int64_t)slot->t_start;
    struct fs_record *record = find_for_image(table, slot->pid, t);

    if (!record) {
        record = fs_table_add(table, slot->pid);
        if (!record) return NULL;
        record->birth = FS_BIRTH_INSIDE_LIBC;
    }
    if (record->t_start == FS_UNKNOWN) record->t_start = t;
    if (!record->parent && slot->ppid > 0 && record->birth != FS_BIRTH_RUN)
        fs_record_set_parent(table, record, slot->ppid, t);
    /* /proc may have shown the image first, without its segment. */
    struct fs_image *shown = fs_record_image(record);
    if (shown && !shown->shim && record->stages[record->stage_count - 1].t >= t - clock_slack)
        record->stages[record->stage_count - 1] =
            (struct fs_stage){.image = image, .t = t, .t_affinity = FS_UNKNOWN};
    else
        fs_record_add_stage(table, record, image, t);
    return record;
}

static struct fs_record *record_of_birth(struct fs_table *table, const struct fsp_process *slot,
                                         struct fs_image *image) {
    const int64_t t = slot->t_fork ? (int64_t)slot->t_fork : (int64_t)slot->t_start;
    struct fs_record *record = find_for_fork(table, slot->pid, t);

    if (!record) record = fs_table_add(table, slot->pid);
    if (!record) return NULL;
    record->birth = slot->birth;
    record->t_fork = time_or_unknown(slot->t_fork);
    record->birth_site =
        (struct fs_site_key){.image = image ? image->key : 0, .key = slot->birth_site};
    fs_record_set_parent(table, record, slot->ppid, t);
    record->witnesses |= FS_WITNESS_PARENT;
    if (slot->birth != FSP_BIRTH_SPAWN && slot->birth != FSP_BIRTH_VFORK)
        add_inherited_stage(table, record, image, t);
    return record;
}

static struct fs_record *record_of_slot(struct fs_fold *fold, struct fs_segment_file *file,
                                        struct fs_slot *entry, const struct fsp_process *slot) {
    if (entry->record && entry->pid == slot->pid && entry->t_fork == slot->t_fork)
        return entry->record;
    if (entry->record) entry->record->kept_slots--;
    *entry = (struct fs_slot){0};
    struct fs_record *record = slot->birth == FSP_BIRTH_IMAGE
                                   ? record_of_image(fold->table, slot, file->image)
                                   : record_of_birth(fold->table, slot, file->image);
    if (!record) return NULL;
    *entry = (struct fs_slot){.record = record, .pid = slot->pid, .t_fork = slot->t_fork};
    record->kept_slots++;
    fs_record_open(fold->table, record);
    return record;
}

static int64_t usage_ns(const struct fsp_usage *usage) {
    return (int64_t)((usage->user_us + usage->system_us) * 1000);
}

static void fold_exit(struct fs_record *record, const struct fsp_process *slot) {
    if (slot->exit == FSP_EXIT_NONE) return;
    record->exit = slot->exit;
    record->exit_code = slot->exit_code;
    record->t_exit = time_or_unknown(slot->t_exit);
    /* A pool's SIGTERM may meet its worker in the exit hook, before the usage is stored. */
    if (slot->self.maxrss_kib) {
        record->self_ns = usage_ns(&slot->self);
        record->maxrss_kib = (int64_t)slot->self.maxrss_kib;
    }
    if (slot->run_ns) {
        record->run_ns = (int64_t)slot->run_ns;
        record->wait_ns = (int64_t)slot->wait_ns;
    }
    record->no_zombies |= slot->flags & FSP_PROCESS_NO_ZOMBIES;
}

static void fold_reap(struct fs_table *table, struct fs_slot *entry,
                      const struct fsp_process *slot) {
    struct fs_record *record = entry->record;

    if (!slot->reaped || entry->reaped) return;
    entry->reaped = true;
    record->witnesses |= FS_WITNESS_PARENT;
    record->reaper = slot->reaper;
    record->status = slot->status;
    record->status_known = true;
    record->t_reaped = time_or_unknown(slot->t_reap);
    record->reaped_ns = usage_ns(&slot->reap);
    if (record->maxrss_kib == FS_UNKNOWN) record->maxrss_kib = (int64_t)slot->reap.maxrss_kib;
    struct fs_record *reaper = fs_table_find(table, slot->reaper, record->t_reaped);
    if (reaper) reaper->reaped_children_ns += record->reaped_ns;
    fs_record_close(record);
}

static void fold_affinity(struct fs_table *table, const struct fs_segment_file *file,
                          struct fs_record *record, const struct fsp_process *slot) {
    for (size_t i = record->stage_count; i-- > 0;) {
        struct fs_stage *stage = &record->stages[i];
        if (stage->image != file->image) continue;
        /* Until the end, bare system calls leave no trace in the slot. */
        if (!stage->mask_begin && !slot->t_affinity && !slot->t_exit)
            stage->mask_begin = fs_intern_words(&table->interned, slot->mask);
        if (!slot->t_affinity) return;
        stage->t_affinity = (int64_t)slot->t_affinity;
        stage->mask_before = fs_intern_words(&table->interned, slot->mask_before);
        stage->mask_after = fs_intern_words(&table->interned, slot->mask);
        stage->affinity_site = (struct fs_site_key){.image = file->key, .key = slot->affinity_site};
        stage->affinity_caller = slot->affinity_caller;
        return;
    }
}

static void fold_exec(struct fs_table *table, struct fs_record *record,
                      const struct fsp_process *slot) {
    if (!slot->t_exec || (int64_t)slot->t_exec < record->t_exec) return;
    record->t_exec = (int64_t)slot->t_exec;
    record->exec_errno = slot->exec_errno;
    record->exec_path = fs_intern(&table->interned, slot->exec_path, sizeof slot->exec_path);
}

static void fold_beside(struct fs_table *table, const struct fs_segment_file *file,
                        struct fs_record *record, const struct fsp_process *slot) {
    if (!slot->beside_known || record->beside_known) return;
    struct fs_beside *beside =
        slot->beside[0].threads ? calloc(FSP_BESIDE_MAX, sizeof *beside) : NULL;
    if (slot->beside[0].threads && !beside) {
        table->lost++;
        return;
    }
    record->beside_known = true;
    record->beside_main = slot->beside_main;
    record->beside_threads = (int)slot->beside_threads;
    record->beside = beside;
    for (unsigned i = 0; i < FSP_BESIDE_MAX && slot->beside[i].threads; i++)
        beside[record->beside_count++] =
            (struct fs_beside){.routine = {.image = file->key, .key = slot->beside[i].routine},
                               .created = {.image = file->key, .key = slot->beside[i].created},
                               .threads = (int)slot->beside[i].threads,
                               .by_forker = (int)slot->beside[i].by_forker};
}

static void later(int64_t *t, uint64_t candidate) {
    if (candidate && (int64_t)candidate > *t) *t = (int64_t)candidate;
}

static void fold_process(struct fs_fold *fold, struct fs_segment_file *file, struct fs_slot *entry,
                         const struct fsp_process *slot) {
    struct fs_table *table = fold->table;
    struct fs_record *record = record_of_slot(fold, file, entry, slot);

    if (!record || (entry->reaped && record->over)) return; /* all was said */
    if (slot->t_start) {
        record->witnesses |= FS_WITNESS_SHIM;
        if (record->t_start == FS_UNKNOWN || (int64_t)slot->t_start < record->t_start)
            record->t_start = (int64_t)slot->t_start;
    }
    const uint32_t mask = fs_intern_words(&table->interned, slot->mask);
    if (mask && mask != entry->mask) record->mask = mask;
    entry->mask = mask;
    later(&record->t_seen, slot->t_start);
    later(&record->t_seen, slot->t_exit);
    record->mask_unknown |= slot->flags & FSP_PROCESS_MASK_UNKNOWN;
    record->own_session |= slot->flags & FSP_PROCESS_SETSID;
    if (slot->forks > record->forks) record->forks = slot->forks;
    if (slot->reaps > record->reaps) record->reaps = slot->reaps;
    if (slot->threads_started > record->threads_started)
        record->threads_started = slot->threads_started;
    if (slot->threads_peak > record->threads_peak) record->threads_peak = slot->threads_peak;
    if (slot->birth != FSP_BIRTH_IMAGE) {
        fold_beside(table, file, record, slot);
        fs_random_fold(table, file->key, record, slot);
    }
    fs_fold_runtimes(table, file->key, record, slot);
    fold_exec(table, record, slot);
    fold_affinity(table, file, record, slot);
    fold_exit(record, slot);
    fold_reap(table, entry, slot);
}

void fs_fold_processes(struct fs_fold *fold, struct fs_segment_file *file, int64_t now) {
    (void)now;
    for (uint32_t i = 0; i < file->processes; i++) {
        const struct fsp_process *slot = fs_segment_process(fold->reader, i);
        if (slot && slot->pid > 0) fold_process(fold, file, &file->process[i], slot);
    }
}

bool fs_slot_settled(const struct fs_slot *slot, int64_t now) {
    const struct fs_record *record = slot->record;

    if (!record) return true;
    if (!record->over) return false;
    if (slot->reaped || !record->parent || record->parent->over) return true;
    const int64_t end = record->t_gone != FS_UNKNOWN ? record->t_gone : record->t_reaped;
    return end != FS_UNKNOWN && now - end > reap_grace;
}

static struct fs_thread *thread_of_slot(struct fs_fold *fold, struct fs_thread_slot *entry,
                                        const struct fsp_thread *slot) {
    struct fs_table *table = fold->table;
    struct fs_record *record = entry->record;

    if (record && record->pid == slot->pid && entry->t_start == slot->t_start &&
        record->threads[entry->index].tid == slot->tid)
        return &record->threads[entry->index];
    if (!record && entry->t_start == slot->t_start) return NULL; /* counted as lost already */
    if (record) record->kept_slots--;
    *entry = (struct fs_thread_slot){0};
    record = fs_table_find(table, slot->pid, (int64_t)slot->t_start);
    if (!record) return NULL;
    table->threads++;
    entry->t_start = slot->t_start;
    if (record->thread_count >= THREADS_KEPT) {
        record->threads_truncated = true;
        table->lost_threads++;
        return NULL;
    }
    struct fs_thread *threads =
        fs_table_grow(table, record->threads, record->thread_count, sizeof *threads);
    if (!threads) return NULL;
    record->threads = threads;
    *entry = (struct fs_thread_slot){
        .record = record, .t_start = slot->t_start, .index = record->thread_count++};
    record->kept_slots++;
    threads[entry->index] = (struct fs_thread){.tid = slot->tid,
                                               .t_start = (int64_t)slot->t_start,
                                               .t_end = FS_UNKNOWN,
                                               .cpu_ns = FS_UNKNOWN,
                                               .run_ns = FS_UNKNOWN,
                                               .wait_ns = FS_UNKNOWN};
    return &threads[entry->index];
}

void fs_fold_threads(struct fs_fold *fold, struct fs_segment_file *file) {
    for (uint32_t i = 0; i < file->threads; i++) {
        const struct fsp_thread *slot = fs_segment_thread(fold->reader, i);
        if (!slot || slot->tid <= 0 || slot->pid <= 0) continue;
        struct fs_thread *thread = thread_of_slot(fold, &file->thread[i], slot);
        if (!thread || thread->ended) continue;
        thread->routine = (struct fs_site_key){.image = file->key, .key = slot->start_site};
        thread->mask = fs_intern_words(&fold->table->interned, slot->mask);
        if (slot->state != FSP_THREAD_ENDED) continue;
        thread->ended = true;
        thread->t_end = time_or_unknown(slot->t_end);
        thread->cpu_ns = (int64_t)slot->cpu_ns;
        if (slot->run_ns) {
            thread->run_ns = (int64_t)slot->run_ns;
            thread->wait_ns = (int64_t)slot->wait_ns;
        }
    }
}
