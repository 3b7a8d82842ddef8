/*
 * evaluation.h - from what was gathered to the digest.
 *
 * Pure arithmetic over the tables: nothing is read from the system here except
 * for leftovers in /dev/shm and the answers of X servers. Texts and masks are copied into the
 * digest, which owns them.
 */
#ifndef FS_EVALUATION_H
#define FS_EVALUATION_H

#include "tracer/cohort.h"
#include "tracer/digest.h"
#include "tracer/fold.h"
#include "tracer/process_table.h"
#include "tracer/sampler.h"

/* The out-of-memory killer took victims between two looks. */
struct fs_oom {
    int64_t after, before;
};

/* Everything that a digest is made from; times on CLOCK_MONOTONIC. */
struct fs_evaluation {
    struct fs_table *table;
    struct fs_cohorts *cohorts;
    const struct fs_sampler *sampler; /* NULL: the job was not sampled */
    const struct fs_fold *fold;
    int64_t t_start, t_end; /* of the command; t_end: of its main process, or now */
    int64_t t_closed;       /* of the record */
    int interrupted;
    int64_t t_interrupted; /* FS_UNKNOWN: not */
    const struct fs_oom *ooms;
    size_t oom_count;
    hwloc_const_bitmap_t mask_job;
    bool mask_guessed; /* only the number of its CPUs is certain */
    bool outside;      /* of a job that was only looked at: the preload object was not asked for */
    bool elsewhere;    /* a captured one: files of its names here are not its files */
};

/* groups.c: digest->groups, groups_more and what is summed over them. */
int fs_evaluate_groups(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* group_lives.c: deaths, waits, orphans of a group. */
void fs_evaluate_lives(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                       struct fs_record *const *members, size_t count, struct fs_group *group);

/* narrowing.c: the call that made a mask (of members or their parent) narrower than the
 * job's; NULL: none is, or none was recorded. */
struct fs_narrowing *fs_find_narrowing(const struct fs_evaluation *evaluation,
                                       const struct fs_record *parent,
                                       struct fs_record *const *members, size_t count);

/* incidents.c: variables lost or odd, failures, leftovers. */
int fs_evaluate_incidents(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* fork_sites.c: digest->fork_sites. */
int fs_evaluate_fork_sites(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* random_heirs.c: digest->random_births and random_streams. search: how many blocks of
 * numbers may be made in all to find later states; 0: all that changed stay unknown. */
enum { FS_RANDOM_SEARCH = 1 << 22 }; /* less than a second */
int fs_evaluate_random(const struct fs_evaluation *evaluation, int64_t search,
                       struct fs_digest *digest);

/* thread_programs.c: the thread libraries of programs. After the groups. */
int fs_evaluate_programs(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* team_facts.c: digest->teams and rivals; after the groups, of which it looks up sizes. */
int fs_evaluate_teams(const struct fs_evaluation *evaluation, const struct fs_rivals *rivals,
                      struct fs_digest *digest);

/* watched.c: digest->watched. */
int fs_evaluate_watched(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* runtimes.c: digest->region_uses, runtime_forks, gpu_forks. */
int fs_evaluate_runtimes(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* mpi_forks.c: digest->mpi_forks; live: the kernel is the job's. */
int fs_evaluate_mpi_forks(const struct fs_evaluation *evaluation, bool live,
                          struct fs_digest *digest);

/* displays.c: digest->closed_displays. live: their servers can be asked now. */
int fs_evaluate_displays(const struct fs_evaluation *evaluation, bool live,
                         struct fs_digest *digest);
/* tasks.c: digest->tasks and framework. programs: their files may be read. */
int fs_evaluate_tasks(const struct fs_evaluation *evaluation, bool programs,
                      struct fs_digest *digest);

/* mpi_facts.c: digest->mpi, mpi_silent. */
int fs_evaluate_mpi(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* completeness.c */
void fs_evaluate_completeness(const struct fs_evaluation *evaluation, struct fs_digest *digest);
/* Why the last program of a record was not recorded from within (enum fs_unseen); -1: it was. */
int fs_unseen_of(const struct fs_record *record);

/* --- shared --- */

/* Who sent the signal that ended a record: a pid; 0: no recorded process. */
int fs_sender_of(const struct fs_table *table, const struct fs_record *record);

/* Whether a record's end by SIGKILL coincides with a victim of the out-of-memory killer. */
bool fs_is_oom_victim(const struct fs_evaluation *evaluation, const struct fs_record *record);

/* Copies a site into a place of the digest. */
void fs_place_of(const struct fs_table *table, struct fs_site_key id, struct fs_place *place);

/*
 * The recorded variables that a record's image has at time t: those of the image's
 * start and what the record and its ancestors in the same image changed since.
 * *list is the caller's (free), its texts are the table's. Returns their number.
 */
size_t fs_variables_at(const struct fs_table *table, const struct fs_record *record, int64_t t,
                       struct fs_variable **list);

/* Copies variables with their texts; NULL for none. */
struct fs_variable *fs_copy_variables(const struct fs_variable *list, size_t count);

/* A time on the job's clock; FS_UNKNOWN stays what it is. */
static inline int64_t fs_job_time(const struct fs_evaluation *evaluation, int64_t t) {
    return t == FS_UNKNOWN ? FS_UNKNOWN : t - evaluation->t_start;
}

#endif
