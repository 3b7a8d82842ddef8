/* stuck_look.c - one process that makes no progress: its waits and stacks (stuck.h). */
#include "tracer/stuck.h"

#include "tracer/clock.h"
#include "tracer/libraries.h"
#include "tracer/stack_reader.h"
#include "tracer/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t patience = 2 * FS_SECOND; /* for the names of one process's frames */
enum { BLOCKED_THREADS_MAX = 256 };

bool fs_stuck_is_blocked(struct fs_sampler *sampler, const struct fs_record *record) {
    const int *tids;
    size_t count;
    struct fs_wait wait;

    if (fs_proc_tids(sampler->proc, record->pid, &tids, &count) != 0 || count == 0 ||
        count > BLOCKED_THREADS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const bool told = fs_wait_read(sampler->proc, record->pid, tids[i], &wait) == 0;
        if (told && strcmp(wait.name, "write") == 0 && wait.restarts) return true;
        /* Without permission a futex is all that can be seen, or not even that. */
        if (told ? !wait.private_wait : wait.name[0] && !wait.futex) return false;
    }
    return true;
}

/* Its threads, the main one first; *more: those that are left out. */
static size_t list_threads(struct fs_sampler *sampler, int pid, struct fs_stack *stacks,
                           int *more) {
    const int *tids;
    size_t all, count = 1;

    stacks[0].snapshot.tid = pid;
    if (fs_proc_tids(sampler->proc, pid, &tids, &all) != 0) return 0;
    for (size_t i = 0; i < all && count < FS_STUCK_THREADS_MAX; i++)
        if (tids[i] != pid) stacks[count++].snapshot.tid = tids[i];
    *more = (int)(all - count);
    return count;
}

static void read_waits(struct fs_sampler *sampler, struct fs_stuck *stuck,
                       struct fs_stack *stacks) {
    struct fs_proc_stat stat;

    for (size_t i = 0; i < stuck->thread_count; i++) {
        struct fs_stuck_thread *thread = &stuck->threads[i];
        thread->tid = stacks[i].snapshot.tid;
        fs_wait_read(sampler->proc, stuck->pid, thread->tid, &stacks[i].wait);
        thread->wait = stacks[i].wait.name[0] ? strdup(stacks[i].wait.name) : NULL;
        thread->private_wait = stacks[i].wait.private_wait;
        if (fs_proc_thread_stat(sampler->proc, stuck->pid, thread->tid, &stat) == 0)
            thread->name = strdup(stat.comm);
    }
}

static void read_stacks(struct fs_stuck_watch *watch, const struct fs_record *record,
                        struct fs_stuck *stuck, struct fs_stack *stacks) {
    struct fs_stack_request request = {
        .pid = stuck->pid,
        .child = record->ppid == getpid(),
        .only = stuck->threads_more == 0,
        .stacks = stacks,
        .count = stuck->thread_count,
    };

    fs_stacks_read(&request, patience);
    for (size_t i = 0; i < stuck->thread_count; i++) {
        stuck->threads[i].native = stacks[i].native;
        stuck->threads[i].python = stacks[i].python;
    }
    stuck->obstacle = request.obstacle;
    stuck->holder = request.holder;
    stuck->stop_max = request.stop_max;
    stuck->stop_sum = request.stop_sum;
    watch->cpu_ns += request.cpu_ns;
}

/* The thread that owned the lock when the fork copied it, in the process that forked. */
static void name_holder(const struct fs_table *table, const struct fs_record *record,
                        struct fs_stuck *stuck) {
    const struct fs_record *maker = record->parent;

    for (; stuck->holder && maker; maker = maker->parent)
        for (size_t i = maker->thread_count; i-- > 0;)
            if (maker->threads[i].tid == stuck->holder) {
                fs_place_of(table, maker->threads[i].routine, &stuck->holder_site);
                return;
            }
}

/* Threads are numbered as they come, like processes: within one tick that tells who was first. */
static bool was_before(const struct fs_record *record, const struct fs_proc_stat *thread) {
    return thread->starttime < record->start_ticks ||
           (thread->starttime == record->start_ticks && thread->pid < record->pid);
}

/* Of the parent's threads that live now, those of libgomp that lived when it forked. */
static int count_left(struct fs_sampler *sampler, const struct fs_record *record) {
    const struct fs_record *parent = record->parent;
    struct fs_proc_stat stat;
    int count = 0;

    if (!fs_record_is_forked(record) || !record->start_ticks) return 0;
    for (size_t i = 0; i < parent->thread_count; i++) {
        const struct fs_thread *thread = &parent->threads[i];
        const struct fs_site *site = fs_table_site(sampler->table, thread->routine);
        if (!site || !site->module || !(fs_library_of(site->module) & FSP_LIBRARY_GOMP)) continue;
        if (fs_proc_thread_stat(sampler->proc, parent->pid, thread->tid, &stat) == 0)
            count += was_before(record, &stat);
    }
    return count;
}

void fs_stuck_read(struct fs_stuck_watch *watch, struct fs_sampler *sampler,
                   const struct fs_record *record, bool job_quiet, int64_t now,
                   struct fs_stuck *stuck) {
    struct fs_stack stacks[FS_STUCK_THREADS_MAX] = {0};
    const struct fs_image *image = fs_record_image(record);
    const struct fs_activity *activity = record->activity;

    *stuck = (struct fs_stuck){
        .pid = record->pid,
        .parent = record->ppid,
        .executable = image ? fs_copy_text(image->executable) : NULL,
        .python = image && image->python,
        .forked = fs_record_is_forked(record),
        .since = activity->quiet_since,
        .idle_ns = now - activity->quiet_since,
        .run_ns = activity->run_ns - activity->quiet_run_ns,
        .life_run_ns = activity->run_ns + activity->before_run_ns,
        .job_idle = job_quiet,
        .t = now,
        .stop_max = FS_UNKNOWN,
        .stop_sum = FS_UNKNOWN,
        .threads = calloc(FS_STUCK_THREADS_MAX, sizeof *stuck->threads),
    };
    if (!stuck->threads) return;
    stuck->thread_count = list_threads(sampler, record->pid, stacks, &stuck->threads_more);
    read_waits(sampler, stuck, stacks);
    fs_place_of(sampler->table, record->birth_site, &stuck->site);
    if (watch->off)
        stuck->obstacle =
            strdup(watch->why_off ? watch->why_off : "attaching is switched off (--no-attach)");
    else
        read_stacks(watch, record, stuck, stacks);
    name_holder(sampler->table, record, stuck);
    if (record->parent) stuck->left_gomp = count_left(sampler, record);
}
