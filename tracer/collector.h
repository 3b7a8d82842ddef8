/*
 * collector.h - gathers the facts of one node while the job runs.
 *
 * The collector has no thread of its own: whoever supervises the job calls
 * fs_collector_tick() when it is due. A tick folds the segments, looks into
 * /proc, and says when the next one is due: often at first, rarely later, and (but
 * for the first few) never so often that ticks take more than half a percent of a core.
 */
#ifndef FS_COLLECTOR_H
#define FS_COLLECTOR_H

#include "tracer/cgroup.h"
#include "tracer/cohort.h"
#include "tracer/digest.h"
#include "tracer/evaluation.h"
#include "tracer/fold.h"
#include "tracer/jobdir.h"
#include "tracer/mpi_watch.h"
#include "tracer/process_table.h"
#include "tracer/sampler.h"
#include "tracer/siblings.h"
#include "tracer/stuck.h"
#include "tracer/supervise.h"
#include "tracer/teams.h"

enum { FS_OOMS_KEPT = 64 };

/* A command of the job that another process started. What is known of its end. */
struct fs_task_end {
    int pid;
    int64_t t_start;
    bool ended; /* its supervisor waited for it */
    int status; /*   wait status */
    int64_t cpu_ns, maxrss_kib;
    int64_t t_end;
};

struct fs_collector {
    struct fs_jobdir *job;
    struct fs_meta meta;
    struct fs_clock_mark clock_begin; /* t on CLOCK_MONOTONIC */
    struct fs_table table;
    struct fs_fold fold;
    struct fs_sampler sampler;
    struct fs_cohorts cohorts;
    struct fs_stuck_watch stuck;
    struct fs_mpi_watch mpi_watch;
    int64_t t_interrupted; /* somebody asked the job to end; 0: nobody did */
    int interrupted;       /*   by this signal, which the supervisor of a task told of */
    struct fs_task_end *tasks;
    size_t task_count;
    int bare_tasks; /* see struct fs_completeness */
    struct fs_teams teams;
    struct fs_siblings_watch siblings;
    struct fs_cgroups *cgroups;
    struct fs_cgroup_snapshot at_start;
    hwloc_topology_t topology; /* NULL: unknown */
    hwloc_bitmap_t mask_start;
    struct fs_oom ooms[FS_OOMS_KEPT];
    size_t oom_count;
    int64_t oom_kills, t_oom_look;
    int64_t shm_size, shm_free_min;
    int64_t pss_peak, t_pss; /* sum over the processes, where memory is limited */
    int64_t cpu_start;       /* of this process when the job started */
    int64_t period_ns, period_max_ns;
    int64_t t_interim, interim_every_ns;
    int64_t limit_bytes;       /* of the segment folder */
    bool folder_hidden;        /* renamed away, for it is over the limit */
    struct fs_digest *earlier; /* interim digest of a killed collector; NULL: none */
    int steps_beside;          /* most that were seen */
    int64_t t_beside;          /* when they are looked for next */
    bool recovered;            /* there was no sampling: folded after the collector was gone */
    struct fs_from_outside {   /* of a job that was found running (audit.h) */
        const struct fs_audited *facts; /* NULL: it is none */
        char **environment;             /* of its main process */
        int64_t t_end, cpu_ns;          /* of the look; CPU time of this process in it */
    } outside;
};

/*
 * Prepares for a job that is about to start: reads the node (topology, mask, control
 * groups), opens the segment folder, writes meta.json. `command` must outlive the
 * collector. Returns 0, or -1 with errno and a sentence in error.
 */
int fs_collector_open(struct fs_collector *collector, struct fs_jobdir *job, char **command,
                      int64_t period_max_ns, char *error, size_t error_size);

/* The command runs as a child of this process. */
void fs_collector_started(struct fs_collector *collector, const struct fs_supervisor *supervisor);

/*
 * A command that another process started (ppid), or will once the task has got so far; mask:
 * CPUs that it may use, NULL: not known. t: its start.
 */
void fs_collector_task_started(struct fs_collector *collector, int pid, int ppid, int64_t t,
                               hwloc_const_bitmap_t mask);
struct fs_task_end fs_task_end_of(const struct fs_supervisor *supervisor);
void fs_collector_task_ended(struct fs_collector *collector, const struct fs_task_end *end);

/* Returns when the next tick is due (CLOCK_MONOTONIC). */
int64_t fs_collector_tick(struct fs_collector *collector, int64_t now);

/* Looks for other steps of the job on the node, when it is time: ever more rarely. */
void fs_collector_look_beside(struct fs_collector *collector, int64_t now);

/* Writes a digest of the job so far. Errors are ignored: a later one may succeed. */
void fs_collector_interim(struct fs_collector *collector, const struct fs_supervisor *supervisor);

/* Somebody is about to end the job: what only shows while it hangs is looked at now. */
void fs_collector_last_look(struct fs_collector *collector);

/* A last full look. */
void fs_collector_look(struct fs_collector *collector, int64_t now);

/* The same for processes that are known already. */
void fs_collector_sample(struct fs_collector *collector, int64_t now);

/* Writes detail and digest of a job that was found running. 0, or -1 with errno. */
int fs_collector_write(struct fs_collector *collector);

/* Recorded processes that are alive. */
int fs_collector_alive(const struct fs_collector *collector);

/* Closes the record (supervisor NULL: nobody waited for the job): writes detail, digest and
 * meta.json. Returns 0, or -1 with errno and a sentence in error; the segment folder is then kept.
 */
int fs_collector_finish(struct fs_collector *collector, const struct fs_supervisor *supervisor,
                        char *error, size_t error_size);

/* Writes detail and digest, but leaves the record open: the job may go on. 0, or -1 with errno. */
int fs_collector_save(struct fs_collector *collector);

void fs_collector_close(struct fs_collector *collector);

/* The digest of what is known now (digest.c); the caller frees it. supervisor may be NULL (then
 * the end of the main process is taken from its record). Returns 0, or -1 with errno. */
int fs_collector_digest(struct fs_collector *collector, const struct fs_supervisor *supervisor,
                        bool final, struct fs_digest *digest, struct fs_evaluation *evaluation);

#endif
