/*
 * audit.h - a look at a job that runs already, from outside.
 *
 * Nothing is loaded into the job, nothing of it is stopped (unless stacks are asked for), and
 * nothing is needed but to be the same user. For the length of a window the processes that
 * were named, and all their descendants, are sampled as the collector samples a recorded job;
 * the result is a digest like any other, with a mark (digest_audit.h).
 *
 * Its clock starts with the window. What the preload object would have told and what can be
 * read outside as well is filled in from there: who was forked and who was exec'd (auxv),
 * which thread libraries are loaded (maps) and which of them started a thread (its stack's
 * top), with which variables programs were started (environ).
 */
#ifndef FS_AUDIT_H
#define FS_AUDIT_H

#include "tracer/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fs_audit_options {
    int64_t window_ns;
    bool stacks;      /* read the stacks of processes that make no progress */
    bool progress;    /* say on stderr how far it is */
    bool part;        /* of a job directory that others make */
    int step;         /* of the job, in which the look itself runs; FS_UNKNOWN: none */
    bool siblings;    /* the roots belong together: those of one parent are a group */
    const char *root; /* "": this system; else a captured one, which was checked (captured.h) */
    const char *directory; /* of the job directory to make; NULL: a temporary one */
};

struct fs_audit {
    const struct fs_audit_options *options;
    struct fs_collector collector;
    struct fs_jobdir job;
    struct fs_audited facts;
    int *roots;
    size_t root_count;
    char **environment; /* of the first root, NAME=VALUE */
    int moment;         /* of a captured system: number of the one at hand, its time, and where */
    int64_t t_moment;   /* it is; place is "" for this system */
    char place[PATH_MAX];
    int64_t t_scan; /* when the first look began */
};

/*
 * Looks at the processes roots[0..count-1] (of which those are left out that ended) for the
 * length of the window and writes the job directory. Returns 0, or -1 with errno and a
 * sentence in error: ESRCH when none of them is there.
 */
int fs_audit(const struct fs_audit_options *options, const int *roots, size_t count,
             struct fs_jobdir *job, char *error, size_t error_size);

/* --- parts --- */

/* audit_scan.c: adds the roots and their descendants to the table, with what they run. Those
 * that are known stay. -1 with errno. */
int fs_audit_scan(struct fs_audit *audit, int64_t now);

/* audit_threads.c: which library started each thread of a record, and which ones it loaded. */
void fs_audit_threads(struct fs_audit *audit, struct fs_record *record, int64_t now);

/* audit_place.c: the CPUs that the job was given, its scheduler, control groups and command. */
int fs_audit_place(struct fs_audit *audit);

/* audit_given.c: the masks that Slurm gave to the tasks in the table. */
void fs_audit_given(struct fs_audit *audit);

/* audit_inside.c: opens the records that the processes of a recorded job carry, if they do.
 * Then the job is known from its start, and nothing of it is left out. */
void fs_audit_open_inside(struct fs_audit *audit);
/* Counts whom they cover; to be called after a scan. */
void fs_audit_count_inside(struct fs_audit *audit);

/* audit_clock.c: the time of the look, which is that of the capture for a captured system. */
int64_t fs_audit_now(const struct fs_audit *audit);
/* Opens the next moment: waits until `due`, or takes the next snapshot. False: there is none. */
bool fs_audit_next(struct fs_audit *audit, int64_t due);

#endif
