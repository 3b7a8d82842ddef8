/*
 * cohort.h - like siblings, as they live: the groups of the digest in the making.
 *
 * A cohort is the children of one parent that can share a load: forked ones, or
 * those that run one program. What only samples tell (how many were busy at one
 * time) is summed up here while the job runs; what the records tell exactly is
 * taken from them at the end (groups.c).
 */
#ifndef FS_COHORT_H
#define FS_COHORT_H

#include "tracer/digest.h"
#include "tracer/process_table.h"
#include "tracer/sampler.h"

#include <uthash.h>

/* Sums over members whose records were given up (see fs_cohorts_forget()). */
struct fs_forgotten {
    int workers, peak;
    int64_t begin, end;
    int64_t cpu_ns, run_ns, wait_ns;
    int scheduled;
};

enum { FS_OWNERS = 8 };

struct fs_used {
    int64_t run_ns, wait_ns; /* on a CPU; in the run queue */
};

struct fs_cohort {
    UT_hash_handle hh;
    struct fs_cohort_key {
        const struct fs_record *parent;
        const char *executable;
        int ppid;
        int kind; /* enum fs_group_kind */
        int helper;
        int pad;
    } key;
    struct fs_record *parent; /* NULL: unknown */
    bool shell, python;

    /* of the sample at hand */
    struct {
        int live, busy, zombies, threads_busy, runnable;
        struct fs_used used;
    } now;

    int busy_peak, threads_peak, threads_busy_peak, threads_busy_total;
    int64_t busy_ns, overlap_ns, sleep_ns, sample_ns, parent_cpu_ns;
    int zombies_peak, live_peak;
    int64_t zombies_since, zombies_ns; /* a spell of many zombies; the longest one */
    int64_t watch_since;               /* a window of the watch for idleness */
    struct fs_used watch_used;
    int64_t doubt_until; /* until then a window that may be work is work */
    int64_t last_active; /* end of the last window in which anybody did anything */
    struct {
        const char *module;
        int64_t count;
    } owners[FS_OWNERS];
    struct fs_forgotten forgotten;
};

struct fs_cohorts {
    struct fs_table *table;
    struct fs_cohort *list;                   /* uthash */
    int workers_busy_peak, threads_busy_peak; /* over all cohorts at once */
    bool frozen; /* the job is being ended: what its processes do now is no activity */
};

/* Puts every record into the cohort that it belongs to now. */
void fs_cohorts_assign(struct fs_cohorts *cohorts, int64_t now);

/* Adds the sampler's last full sample. */
void fs_cohorts_sample(struct fs_cohorts *cohorts, const struct fs_sampler *sampler, int64_t now);

/* Gives up the oldest records that are over, until at most `keep` are left; sums remain. */
void fs_cohorts_forget(struct fs_cohorts *cohorts, size_t keep, int64_t now);

/*
 * All records that count in a cohort, sorted by cohort and begin; the caller frees
 * the list. NULL: none, or out of memory.
 */
struct fs_record **fs_cohorts_members(const struct fs_cohorts *cohorts, size_t *count);

/* From begins and ends of members sorted by begin (those alive end at `now`): the most
 * alive at one time for certain, and *lived_ns (may be NULL) the time in which any lived. */
int fs_members_peak(struct fs_record *const *members, size_t count, int64_t now, int64_t *lived_ns);

/* Compares two int64_t, for qsort. */
int fs_ascending(const void *left, const void *right);

void fs_cohorts_free(struct fs_cohorts *cohorts);

#endif
