/*
 * cgroup.h - what the control groups of a process allow and what they counted.
 *
 * Version 1, version 2 and both at once. The groups are found from
 * ROOT/proc/PID/cgroup and ROOT/proc/PID/mountinfo (root "" for this system, or a
 * captured tree). A limit is the tightest over the process's own group and all
 * visible ancestors. What the mounts do not show (a group outside of the cgroup
 * namespace, a controller that is off) is unknown.
 */
#ifndef FS_CGROUP_H
#define FS_CGROUP_H

#include <hwloc.h>
#include <stdint.h>

#include "tracer/digest.h"

struct fs_cgroups; /* the directories of one process's groups */

/* Finds the groups of pid (0: this process). NULL with errno. A system without
 * cgroups gives a handle of which everything is unknown. */
struct fs_cgroups *fs_cgroups_find(const char *root, int pid);
void fs_cgroups_free(struct fs_cgroups *groups); /* NULL is fine */

/* What the files say at one time. Numbers: FS_UNKNOWN; masks and paths: NULL. */
struct fs_cgroup_snapshot {
    hwloc_bitmap_t cpuset; /* effective CPUs */

    int quota_version; /* 1 or 2; 0: no cpu controller found */
    double quota_cpus; /* INFINITY: no limit; NAN: unknown */
    char *quota_path;  /* directory of the tightest quota (else the own group) */
    int64_t periods, throttled, throttled_ns; /* of that directory, since it was made */

    int memory_version;
    char *memory_path;    /* directory of the tightest limit (else the own group) */
    int64_t memory_limit; /* bytes; FS_UNKNOWN: none */
    int64_t memory_peak;  /* bytes, of that directory, since it was made */
    int64_t memory_now;
    int64_t oom_kills; /* victims in the own group */

    int64_t pids_max;            /* tightest; FS_UNKNOWN: none */
    int64_t pids_peak, pids_now; /* of the tightest's directory (else the own group) */
    int64_t refused_own;         /* forks refused, as the own group counted them */
    int64_t refused_limit;       /* ... as the limiting group counted them */
};

/* Reads all files anew. Returns 0, or -1 with errno ENOMEM. Whatever cannot be
 * read is unknown. snapshot is released by fs_cgroup_snapshot_free(). */
int fs_cgroups_read(const struct fs_cgroups *groups, struct fs_cgroup_snapshot *snapshot);
void fs_cgroup_snapshot_free(struct fs_cgroup_snapshot *snapshot);

/* The counter that a death by the out-of-memory killer moves, alone: cheap enough
 * for every tick. FS_UNKNOWN. */
int64_t fs_cgroups_oom_kills(const struct fs_cgroups *groups);

/*
 * Fills the parts of a digest that control groups tell: limits as of the end,
 * counters as differences. Members that are not of control groups
 * (runnable_mean, runnable_peak, workers_pss_peak) stay as they are. Paths are
 * copied. Returns 0, or -1 with errno ENOMEM.
 */
int fs_cgroup_difference(const struct fs_cgroup_snapshot *start,
                         const struct fs_cgroup_snapshot *end, struct fs_digest *digest);

#endif
