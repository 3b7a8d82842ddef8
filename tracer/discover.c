/*
 * discover.c - processes that only /proc shows.
 *
 * A program without the shim (static, setuid, Go, another libc) makes children
 * that nobody reports. They are found as long as they live, from their parents
 * downwards; once known, they stay known when their parent ends.
 */
#include "tracer/sampler.h"

#include "preload/task_script.h"
#include "tracer/clock.h"
#include "tracer/steps.h"
#include "tracer/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHILDREN_TEXT = 16384 };

static int is_context(void *unused, const char *name, size_t length, const char *value) {
    (void)unused;
    return fs_text_is(name, length, FSP_SCRIPT_CONTEXT) &&
           (strcmp(value, FSP_TASK_PROLOG) == 0 || strcmp(value, FSP_TASK_EPILOG) == 0);
}

/* What Slurm runs before and after a task is a child of the task's process, but no part of the
 * job; the recorder keeps out of it, too. It is there for a moment when the task is announced. */
static bool is_script_of_slurm(struct fs_sampler *sampler, int pid, int task) {
    return fs_is_fork_of(sampler->proc, pid, task, FS_STEP_DAEMON) || /* until its exec */
           fs_proc_environment(sampler->proc, pid, is_context, NULL, NULL) > 0;
}

static void meet(struct fs_sampler *sampler, struct fs_record *parent, int pid, int64_t now) {
    struct fs_table *table = sampler->table;
    struct fs_record *record = fs_table_newest(table, pid);
    struct fs_proc_stat stat;

    if (record && !record->over) {
        if (!record->ppid) fs_record_set_parent(table, record, parent->pid, now);
        return;
    }
    if (fs_proc_stat(sampler->proc, pid, &stat) != 0) return;
    if (record && record->start_ticks == stat.starttime) return; /* a zombie that we know */
    if (stat.ppid != parent->pid || is_script_of_slurm(sampler, pid, stat.ppid)) return;
    /* Its parent's wait was folded before the kernel let it go. */
    if (record && fs_start_of(stat.starttime) <= fs_record_end(record) - 30 * FS_MILLISECOND)
        return;
    record = fs_table_add(table, pid);
    if (!record) return;
    record->birth = FS_BIRTH_INSIDE_LIBC;
    record->start_ticks = stat.starttime;
    record->t_start = fs_start_of(stat.starttime);
    record->t_seen = now;
    record->witnesses |= FS_WITNESS_PROC;
    record->pgid = stat.pgid;
    record->sid = stat.sid;
    record->mask = parent->mask;
    fs_record_set_parent(table, record, parent->pid, now);
}

static int read_children(struct fs_sampler *sampler, struct fs_record *parent, int tid,
                         int64_t now) {
    static char text[CHILDREN_TEXT];
    char name[64], *end;

    snprintf(name, sizeof name, "task/%d/children", tid);
    const ssize_t length = fs_proc_text(sampler->proc, parent->pid, name, text, sizeof text);
    if (length < 0) return -1;
    for (const char *word = text;; word = end) {
        const long pid = strtol(word, &end, 10);
        if (end == word) return 0;
        if (pid > 0) meet(sampler, parent, (int)pid, now);
    }
}

static void meet_children(struct fs_sampler *sampler, struct fs_record *parent, int64_t now) {
    const struct fs_activity *activity = parent->activity;

    if (read_children(sampler, parent, parent->pid, now) != 0) return;
    for (size_t i = 0; activity && i < activity->thread_count; i++)
        if (activity->thread[i].tid != parent->pid)
            read_children(sampler, parent, activity->thread[i].tid, now);
}

/* Where the kernel keeps no lists of children: by everybody's parent. */
static void meet_descendants(struct fs_sampler *sampler, int64_t now) {
    const struct fs_proc_stat *list;
    size_t count;

    if (fs_proc_descendants(sampler->proc, sampler->table->roots, sampler->table->root_count, &list,
                            &count) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        struct fs_record *parent = fs_table_newest(sampler->table, list[i].ppid);
        if (parent && !parent->over) meet(sampler, parent, list[i].pid, now);
    }
}

static bool is_shimmed(const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);

    return image && image->shim && record->t_exec <= record->stages[record->stage_count - 1].t;
}

void fs_sampler_discover(struct fs_sampler *sampler, int64_t now, bool all) {
    struct fs_record *next;

    if (sampler->no_children_files && all) meet_descendants(sampler, now);
    for (struct fs_record *record = sampler->table->first_open; record; record = next) {
        next = record->next_open;
        if (record->over || record->zombie || !fs_sampler_knows(sampler, record, now)) continue;
        const bool shimmed = is_shimmed(record);
        if (!sampler->no_children_files && (all || !shimmed)) meet_children(sampler, record, now);
        if (all || !shimmed || !fs_record_image(record)->environment_read)
            fs_look_at_image(sampler, record, now);
    }
}
