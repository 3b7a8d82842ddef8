/*
 * group_lives.c - how the workers of a group ended, and who waited for them.
 */
#include "tracer/evaluation.h"

#include "tracer/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { DEATHS_KEPT = 16, DEPTH_MAX = 256 };
static const int64_t orphan_life = FS_SECOND;
static const int64_t clock_slack = 20 * FS_MILLISECOND;

/* The time up to which the job was left to itself. */
static int64_t judged_until(const struct fs_evaluation *evaluation) {
    return evaluation->t_interrupted != FS_UNKNOWN ? evaluation->t_interrupted : evaluation->t_end;
}

/* Whether the parent went on waiting until somebody else ended the job (or still does). */
static bool never_went_on(const struct fs_evaluation *evaluation, const struct fs_record *parent) {
    const int64_t end = parent ? fs_record_end(parent) : 0;

    /* A shell learns of every death, and waits for those who live. */
    if (!parent || (fs_record_image(parent) && fs_record_image(parent)->role == FS_ROLE_SHELL))
        return false;
    if (end == FS_UNKNOWN) return true;
    if (evaluation->t_interrupted != FS_UNKNOWN && end >= evaluation->t_interrupted - clock_slack)
        return true;
    /* Ended without a word of its own, and nobody left to wait for it: killed. */
    if (!parent->status_known)
        return parent->exit == FSP_EXIT_NONE && (parent->witnesses & FS_WITNESS_SHIM);
    return fs_record_signal(parent) != 0 && fs_sender_of(evaluation->table, parent) == 0;
}

static bool descends_from(const struct fs_record *record, const struct fs_record *ancestor) {
    for (int depth = 0; record && depth < DEPTH_MAX; record = record->parent, depth++)
        if (record == ancestor) return true;
    return false;
}

/* When anybody whom the parent may wait for did something last: its other children, and theirs,
 * as well as the siblings of who died. Those who came when the job was ended do not count. */
static int64_t last_active_below(const struct fs_evaluation *evaluation,
                                 const struct fs_cohort *cohort) {
    const int64_t interrupted = evaluation->t_interrupted;
    int64_t last = cohort->last_active;

    for (const struct fs_cohort *other = evaluation->cohorts->list; other && cohort->parent;
         other = other->hh.next)
        if (other->last_active > last && descends_from(other->parent, cohort->parent) &&
            (interrupted == FS_UNKNOWN || other->last_active <= interrupted))
            last = other->last_active;
    return last;
}

static struct fs_death death_of(const struct fs_evaluation *evaluation,
                                const struct fs_cohort *cohort, const struct fs_record *record) {
    const int64_t end = fs_record_end(record), until = judged_until(evaluation);
    const int64_t active = last_active_below(evaluation, cohort);
    const int64_t quiet_since = active > end ? active : end;
    struct fs_death death = {
        .pid = record->pid,
        .signal = fs_record_signal(record),
        .t = fs_job_time(evaluation, end),
        .sent_by = fs_sender_of(evaluation->table, record),
        .oom = fs_is_oom_victim(evaluation, record),
        .shm_free = record->shm_free,
        .shm_total = record->shm_total,
        .idle_ns = FS_UNKNOWN,
    };

    death.sent_by_parent =
        death.sent_by && (death.sent_by == record->ppid || death.sent_by == cohort->key.ppid);
    if (evaluation->sampler) death.idle_ns = until > quiet_since ? until - quiet_since : 0;
    death.parent_waited = never_went_on(evaluation, cohort->parent);
    return death;
}

/* After the end was asked for, everybody's death is the asker's doing. */
static bool is_part_of_the_end(const struct fs_evaluation *evaluation,
                               const struct fs_record *record) {
    const int64_t end = fs_record_end(record);

    return evaluation->t_interrupted != FS_UNKNOWN &&
           end >= evaluation->t_interrupted - clock_slack;
}

static void fill_deaths(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                        struct fs_record *const *members, size_t count, struct fs_group *group) {
    size_t room = 0;

    for (size_t i = 0; i < count; i++)
        room += fs_record_signal(members[i]) != 0;
    if (room > DEATHS_KEPT) room = DEATHS_KEPT;
    group->deaths = room ? calloc(room, sizeof *group->deaths) : NULL;
    /* First those that tell something: nobody of the job sent the signal. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            const struct fs_record *record = members[i];
            if (!fs_record_signal(record) || is_part_of_the_end(evaluation, record)) continue;
            const bool expected = fs_sender_of(evaluation->table, record) != 0;
            if (expected != (pass == 1)) continue;
            if (group->deaths && group->death_count < room)
                group->deaths[group->death_count++] = death_of(evaluation, cohort, record);
            else
                group->deaths_more++;
        }
    }
}

/* The parent lived on, ended by itself, and never learned that this child had ended. */
static bool is_unwaited(const struct fs_record *record, const struct fs_record *parent) {
    const int64_t end = fs_record_end(record), parent_end = fs_record_end(parent);
    const bool reaped = record->reaper != 0 || record->t_reaped != FS_UNKNOWN;

    return end != FS_UNKNOWN && parent_end != FS_UNKNOWN && end < parent_end - clock_slack &&
           !reaped && !record->own_session && parent->exit != FSP_EXIT_NONE &&
           !parent->no_zombies && (parent->witnesses & FS_WITNESS_SHIM);
}

static bool is_fork(const struct fs_record *record) {
    return record->birth == FSP_BIRTH_FORK || record->birth == FSP_BIRTH__FORK ||
           record->birth == FSP_BIRTH_CLONE;
}

static void note_orphan(const struct fs_evaluation *evaluation, const struct fs_record *record,
                        struct fs_group *group) {
    const int64_t ended = fs_record_end(record);
    const int64_t outlived =
        (ended == FS_UNKNOWN ? evaluation->t_closed : ended) - evaluation->t_end;

    if (outlived < orphan_life || record->own_session) return;
    if (group->orphans < (int)(sizeof group->orphan_examples / sizeof *group->orphan_examples))
        group->orphan_examples[group->orphans] = record->pid;
    group->orphans++;
    if (outlived > group->orphans_ns) group->orphans_ns = outlived;
}

void fs_evaluate_lives(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                       struct fs_record *const *members, size_t count, struct fs_group *group) {
    const struct fs_record *parent = cohort->parent;

    fill_deaths(evaluation, cohort, members, count, group);
    for (size_t i = 0; i < count; i++) {
        if (parent && cohort->key.kind == FS_GROUP_FORK && is_fork(members[i]) &&
            is_unwaited(members[i], parent))
            group->unwaited++;
        note_orphan(evaluation, members[i], group);
    }
    group->zombies_peak = cohort->zombies_peak;
    group->zombies_ns = cohort->zombies_ns;
}
