/*
 * digest_audit.h - that a digest was made by looking at a running job from outside, and how.
 * See digest.h for the conventions.
 *
 * Its time 0 is the begin of the look: what processes did before is in no sum, and when they
 * were born shows in their age alone. What only the preload object tells (calls, births in
 * the past, changes of the environment) is not in such a digest, so its rules must not take
 * the absence of an event for a fact; struct fs_rule says what each may conclude.
 */
#ifndef FS_DIGEST_AUDIT_H
#define FS_DIGEST_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

struct fs_audited {
    int64_t window_ns;            /* from the first sample to the last */
    int64_t scan_ns, scan_cpu_ns; /* what the first look took: time, and CPU time of forksight;
                                     FS_UNKNOWN: of a captured system */
    int64_t age_ns;               /* of the oldest process at the begin */
    int inside;                   /* processes whose forksight segments were read, too */
    int denied;                   /* processes of which not everything may be read */
    int deleted;                  /* processes whose executable file is gone */
    char *deleted_example;        /* one of those files */
    int64_t migrations, numa_migrations, looks; /* pairs of samples of a thread that ran: all,
                                                   and those with another CPU or NUMA domain */
    int given;     /* tasks of whom the scheduler's own words tell which CPUs they were given */
    int step;      /* of the job, in which the look itself ran on every node: so many there were
                      before it; FS_UNKNOWN: it was no step of the job */
    bool stacks;   /* stacks were asked for */
    bool captured; /* looked at elsewhere, in copies of files: nothing else could be asked */
    bool whole;    /* every process had segments: a record that is not over */
};

#endif
