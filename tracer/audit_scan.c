/* audit_scan.c - who belongs to an audited job, and how each was born (audit.h). */
#include "tracer/audit.h"

#include "tracer/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool is_root(const struct fs_audit *audit, int pid) {
    for (size_t i = 0; i < audit->root_count; i++)
        if (audit->roots[i] == pid) return true;
    return false;
}

static bool has_sibling_root(const struct fs_proc_stat *list, size_t count,
                             const struct fs_audit *audit, const struct fs_proc_stat *stat) {
    for (size_t i = 0; i < count; i++)
        if (list[i].pid != stat->pid && list[i].ppid == stat->ppid && is_root(audit, list[i].pid))
            return true;
    return false;
}

/* A zombie has no memory left: its parent's program, unless its name says that it was another
 * one. How it ended is what its parent would be told. */
static void describe_zombie(struct fs_audit *audit, struct fs_record *record,
                            const struct fs_proc_stat *stat, int64_t now) {
    struct fs_proc *proc = audit->collector.sampler.proc;
    struct fs_image *image = record->parent ? fs_record_image(record->parent) : NULL;
    struct fs_proc_stat parents;

    if (image && fs_proc_stat(proc, record->ppid, &parents) == 0 &&
        strcmp(parents.comm, stat->comm) == 0)
        fs_record_add_stage(&audit->collector.table, record, image, fs_record_begin(record));
    record->zombie = true;
    record->t_gone = now;
    record->status_known = fs_proc_wait_status(proc, record->pid, &record->status) == 0;
}

/* The time of a captured moment is counted from the boot, as /proc counts: how long this system
 * was asleep has nothing to do with it. */
static int64_t start_of(const struct fs_audit *audit, const struct fs_proc_stat *stat) {
    const bool captured = audit->collector.sampler.captured;
    int64_t start;

    if (!captured) return fs_start_of(stat->starttime);
    return __builtin_mul_overflow(stat->starttime, fs_tick_ns(), &start) ? INT64_MAX : start;
}

static struct fs_record *add(struct fs_audit *audit, const struct fs_proc_stat *stat, bool alone,
                             int64_t now) {
    struct fs_table *table = &audit->collector.table;
    struct fs_record *parent = fs_table_newest(table, stat->ppid);
    struct fs_record *record = fs_table_add(table, stat->pid);

    if (!record) return NULL;
    record->birth = alone ? FS_BIRTH_RUN : FS_BIRTH_INSIDE_LIBC;
    record->start_ticks = stat->starttime;
    record->t_start = start_of(audit, stat);
    if (record->t_start > now) record->t_start = now;
    record->t_seen = now;
    record->witnesses = FS_WITNESS_PROC;
    record->pgid = stat->pgid;
    record->sid = stat->sid;
    if (parent) {
        record->mask = parent->mask;
        fs_record_set_parent(table, record, stat->ppid, now);
    } else {
        record->ppid = stat->ppid;
    }
    return record;
}

/* Images that no segment names have no key of their own, by which they are sorted. */
static void number_images(struct fs_table *table) {
    uint64_t number = 1ull << 63;

    for (const struct fs_image *image = table->images; image; image = image->next)
        if (image->key >= number && image->key < number + FS_LIST_MAX * 16ull)
            number = image->key + 1;
    for (struct fs_image *image = table->images; image; image = image->next)
        if (image->key == 0) image->key = number++;
}

static void note_file(struct fs_audit *audit, const struct fs_record *record) {
    struct fs_proc *proc = audit->collector.sampler.proc;
    char path[4096];
    bool deleted = false;

    if (fs_proc_executable(proc, record->pid, path, sizeof path, &deleted) != 0) {
        audit->facts.denied += errno == EACCES || errno == EPERM;
        return;
    }
    if (!deleted) return;
    if (audit->facts.deleted++ == 0) audit->facts.deleted_example = strdup(path);
}

static void describe(struct fs_audit *audit, struct fs_record *record,
                     const struct fs_proc_stat *stat, int64_t now) {
    if ((stat->state == 'Z' || stat->state == 'X') && stat->threads <= 1) {
        describe_zombie(audit, record, stat, now);
        return;
    }
    /* However young it is: there is no second chance. */
    fs_look_at_image(&audit->collector.sampler, record, now + FS_SECOND);
    number_images(&audit->collector.table);
    note_file(audit, record);
    fs_audit_threads(audit, record, now);
}

/* What the record that a process carries has not. */
static void complete(struct fs_audit *audit, struct fs_record *record, bool root, int64_t now) {
    if (audit->collector.fold.directory < 0 || record->over || record->zombie) return;
    if (root) record->birth = FS_BIRTH_RUN;
    fs_look_at_image(&audit->collector.sampler, record, now);
}

/* Who has the number of a process that was looked at, but another start, is not of the job. */
static void drop_reused_roots(struct fs_audit *audit) {
    struct fs_proc_stat stat;
    size_t kept = 0;

    for (size_t i = 0; i < audit->root_count; i++) {
        const struct fs_record *known = fs_table_newest(&audit->collector.table, audit->roots[i]);
        const bool reused = known && known->start_ticks &&
                            fs_proc_stat(audit->collector.sampler.proc, known->pid, &stat) == 0 &&
                            stat.starttime != known->start_ticks;
        if (!reused) audit->roots[kept++] = audit->roots[i];
    }
    audit->root_count = kept;
}

int fs_audit_scan(struct fs_audit *audit, int64_t now) {
    const struct fs_audit_options *options = audit->options;
    struct fs_table *table = &audit->collector.table;
    const struct fs_proc_stat *list;
    size_t count;

    drop_reused_roots(audit);
    if (fs_proc_descendants(audit->collector.sampler.proc, audit->roots, audit->root_count, &list,
                            &count) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct fs_record *known = fs_table_newest(table, list[i].pid);
        if (list[i].pid == getpid() && !*options->root) continue;
        const bool root = is_root(audit, list[i].pid) && !fs_table_newest(table, list[i].ppid);
        if (known && (!known->start_ticks || known->start_ticks == list[i].starttime)) {
            complete(audit, known, root, now);
            continue;
        }
        const bool alone =
            root && !(options->siblings && has_sibling_root(list, count, audit, &list[i]));
        struct fs_record *record = add(audit, &list[i], alone, now);
        if (record) describe(audit, record, &list[i], now);
    }
    return 0;
}
