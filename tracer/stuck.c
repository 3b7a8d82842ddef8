/* stuck.c - see stuck.h. */
#include "tracer/stuck.h"

#include "tracer/attach.h"
#include "tracer/clock.h"
#include "tracer/text.h"

#include <stdlib.h>

static const int64_t first_look = 2 * FS_SECOND, longest_interval = 600 * FS_SECOND;
static const int64_t round_budget = 4 * FS_SECOND; /* `run` serves no signal meanwhile */
enum {
    QUIET_SHARE = 300,         /* of the time may be CPU time ... */
    QUIET_SLACK = 1000 * 1000, /* ... or this */
    CHILDREN_MAX = 8,
    ALL_MAX = 12,
    PARENTS_MAX = 4,
    BACKOFF_MAX = 4,
};

static bool lives(const struct fs_record *record) {
    return !record->over && !record->zombie && record->activity;
}

/* The process used CPU: whatever it waited for is over. Met once in the run queue, as pollers are
 * on a busy node, is not at work yet. */
static void note_quiet(struct fs_activity *activity, int64_t now) {
    const int64_t allowed = (now - activity->quiet_since) / QUIET_SHARE;
    const int64_t used = activity->run_ns - activity->quiet_run_ns;

    if (activity->quiet_since && !activity->busy && activity->state != 'D' &&
        used <= (allowed > QUIET_SLACK ? allowed : QUIET_SLACK))
        return;
    activity->quiet_since = now;
    activity->quiet_run_ns = activity->run_ns;
}

/* Since when nobody of the job has been doing anything; 0: nobody lives. */
static int64_t job_quiet_since(const struct fs_table *table, int64_t now) {
    int64_t since = 0;

    for (const struct fs_record *record = table->first_open; record; record = record->next_open) {
        if (!lives(record)) continue;
        note_quiet(record->activity, now);
        if (record->activity->quiet_since > since) since = record->activity->quiet_since;
    }
    return since;
}

/* What was found before, up to now. */
static void follow(struct fs_stuck_watch *watch, const struct fs_table *table, int64_t now,
                   int64_t interrupted_at) {
    for (size_t i = 0; i < watch->count; i++) {
        struct fs_stuck *stuck = &watch->found[i];
        const struct fs_record *record = fs_table_find(table, stuck->pid, stuck->since);
        if (watch->closed[i] || !record) continue;
        int64_t until = now;
        if (interrupted_at && interrupted_at < now) {
            until = interrupted_at;
            watch->closed[i] = true;
        } else if (!lives(record)) {
            const int64_t end = fs_record_end(record);
            until = end != FS_UNKNOWN ? end : now;
            watch->closed[i] = true;
        } else if (record->activity->quiet_since > stuck->since) {
            stuck->went_on = true;
            watch->closed[i] = true;
        } else {
            stuck->run_ns = record->activity->run_ns - record->activity->quiet_run_ns;
        }
        if (until - stuck->since > stuck->idle_ns && !stuck->went_on)
            stuck->idle_ns = until - stuck->since;
    }
}

static void release(struct fs_stuck *stuck) {
    for (size_t i = 0; i < stuck->thread_count; i++) {
        free(stuck->threads[i].name);
        free(stuck->threads[i].wait);
        free(stuck->threads[i].native);
        free(stuck->threads[i].python);
    }
    free(stuck->threads);
    free(stuck->executable);
    free(stuck->obstacle);
    struct fs_place *const places[] = {&stuck->site, &stuck->holder_site};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        free(places[i]->file);
        free(places[i]->function);
        free(places[i]->module);
        free(places[i]->stack);
    }
    *stuck = (struct fs_stuck){0};
}

void fs_stuck_free(struct fs_stuck_watch *watch) {
    for (size_t i = 0; i < watch->count; i++)
        release(&watch->found[i]);
    watch->count = 0;
}

/* Where to keep what is found of a process: its earlier entry, a new one, or that of a
 * process that went on. NULL: it is known already, or there is no room. */
static struct fs_stuck *entry_for(struct fs_stuck_watch *watch, const struct fs_record *record) {
    size_t at = watch->count;

    for (size_t i = 0; i < watch->count; i++) {
        if (watch->found[i].pid != record->pid) continue;
        if (watch->found[i].since == record->activity->quiet_since) return NULL;
        at = i;
    }
    for (size_t i = 0; at == FS_STUCK_MAX && i < watch->count; i++)
        if (watch->found[i].went_on) at = i;
    if (at == FS_STUCK_MAX) return NULL;
    if (at == watch->count)
        watch->count++;
    else
        release(&watch->found[at]);
    watch->closed[at] = false;
    return &watch->found[at];
}

/* One look at several processes. */
struct look {
    struct fs_stuck_watch *watch;
    struct fs_sampler *sampler;
    int64_t now;
    bool job_quiet;
    int children, parents; /* stacks read */
};

static bool read_one(struct look *look, const struct fs_record *record) {
    struct fs_stuck *stuck =
        fs_now() - look->now < round_budget ? entry_for(look->watch, record) : NULL;

    if (!stuck) return false;
    fs_stuck_read(look->watch, look->sampler, record, look->job_quiet, look->now, stuck);
    look->watch->fresh = true;
    return true;
}

static void read_parent(struct look *look, const struct fs_record *parent) {
    if (!parent || !lives(parent) || look->parents == PARENTS_MAX) return;
    if (look->now - parent->activity->quiet_since < first_look) return;
    look->parents += read_one(look, parent);
}

/* Quiet for long enough, asleep, forked, and somebody waits. */
static bool is_suspect(const struct look *look, const struct fs_record *record) {
    const struct fs_record *parent = record->parent;
    const int64_t quiet = look->now - record->activity->quiet_since;

    if (!fs_record_is_forked(record) || record->activity->state != 'S') return false;
    if (look->job_quiet) return true;
    return quiet >= look->watch->hang_after_ns && parent && lives(parent) &&
           look->now - parent->activity->quiet_since >= first_look;
}

static bool lost_a_worker(const struct fs_table *table, const struct fs_record *parent) {
    for (const struct fs_record *record = table->first; record; record = record->next)
        if (record->parent == parent && fs_record_signal(record) != 0) return true;
    return false;
}

/* For who asks what everybody waits for: parents first, then their children. */
static void look_at_all(struct look *look) {
    const struct fs_table *table = look->sampler->table;

    for (const struct fs_record *record = table->first_open; record; record = record->next_open)
        if (lives(record) && record->kept_children > 0) read_parent(look, record);
    for (const struct fs_record *record = table->first_open; record; record = record->next_open)
        if (lives(record) && fs_record_is_forked(record) && look->children < ALL_MAX)
            look->children += read_one(look, record);
}

static void look_around(struct look *look) {
    const struct fs_table *table = look->sampler->table;

    for (const struct fs_record *record = table->first_open; record; record = record->next_open) {
        if (!lives(record) || look->children == CHILDREN_MAX) continue;
        if (!is_suspect(look, record) || !fs_stuck_is_blocked(look->sampler, record)) continue;
        look->children += read_one(look, record);
        read_parent(look, record->parent);
    }
    for (const struct fs_record *record = table->first_open; record && look->job_quiet;
         record = record->next_open)
        if (lives(record) && record->kept_children > 0 && lost_a_worker(table, record))
            read_parent(look, record);
    if (look->watch->all && look->job_quiet) look_at_all(look);
    if (look->children + look->parents > 0) look->watch->rounds++;
}

static void look_now(struct fs_stuck_watch *watch, struct fs_sampler *sampler, int64_t now,
                     bool job_quiet) {
    struct look look = {.watch = watch, .sampler = sampler, .now = now, .job_quiet = job_quiet};

    look_around(&look);
}

/* The job is quiet since another moment than before: a new phase, later looked at the more
 * looks there were. */
static void begin_phase(struct fs_stuck_watch *watch, int64_t since) {
    const int backoff = watch->rounds < BACKOFF_MAX ? watch->rounds : BACKOFF_MAX;

    watch->quiet_since = since;
    watch->interval_ns = first_look << backoff;
    watch->due = since + watch->interval_ns;
}

void fs_stuck_tick(struct fs_stuck_watch *watch, struct fs_sampler *sampler, int64_t now,
                   int64_t interrupted_at) {
    const int64_t since = job_quiet_since(sampler->table, now);

    fs_attach_release();
    follow(watch, sampler->table, now, interrupted_at);
    if (interrupted_at) return;
    if (since != watch->quiet_since) begin_phase(watch, since);
    if (since && now >= watch->due) {
        look_now(watch, sampler, now, true);
        if (watch->interval_ns < longest_interval) watch->interval_ns *= 2;
        watch->due = now + watch->interval_ns;
    } else if (now - watch->beside >= first_look) {
        look_now(watch, sampler, now, false);
        watch->beside = now;
    }
}

void fs_stuck_last_look(struct fs_stuck_watch *watch, struct fs_sampler *sampler, int64_t now) {
    if (watch->quiet_since && now - watch->quiet_since >= first_look / 4)
        look_now(watch, sampler, now, true);
}

/* --- the digest --- */

static struct fs_place copy_place(const struct fs_place *from) {
    struct fs_place place = *from;

    place.file = fs_copy_text(from->file);
    place.function = fs_copy_text(from->function);
    place.module = fs_copy_text(from->module);
    place.stack = fs_copy_text(from->stack);
    return place;
}

static void copy_stuck(const struct fs_evaluation *evaluation, const struct fs_stuck *from,
                       struct fs_stuck *to) {
    *to = *from;
    to->since = fs_job_time(evaluation, from->since);
    to->t = fs_job_time(evaluation, from->t);
    to->executable = fs_copy_text(from->executable);
    to->obstacle = fs_copy_text(from->obstacle);
    to->site = copy_place(&from->site);
    to->holder_site = copy_place(&from->holder_site);
    to->threads = calloc(from->thread_count + 1, sizeof *to->threads);
    to->thread_count = to->threads ? from->thread_count : 0;
    for (size_t i = 0; i < to->thread_count; i++) {
        const struct fs_stuck_thread *thread = &from->threads[i];
        to->threads[i] = (struct fs_stuck_thread){.tid = thread->tid,
                                                  .name = fs_copy_text(thread->name),
                                                  .wait = fs_copy_text(thread->wait),
                                                  .private_wait = thread->private_wait,
                                                  .native = fs_copy_text(thread->native),
                                                  .python = fs_copy_text(thread->python)};
    }
}

int fs_stuck_evaluate(const struct fs_stuck_watch *watch, const struct fs_evaluation *evaluation,
                      struct fs_digest *digest) {
    if (watch->count == 0) return 0;
    digest->stuck = calloc(watch->count, sizeof *digest->stuck);
    if (!digest->stuck) return -1;
    for (; digest->stuck_count < watch->count; digest->stuck_count++)
        copy_stuck(evaluation, &watch->found[digest->stuck_count],
                   &digest->stuck[digest->stuck_count]);
    return 0;
}
