/*
 * sampler.h - /proc as a witness: who lives, on which CPUs, busy or waiting.
 *
 * Two kinds of look. A quick one finds processes that the shim is not in. A full
 * one also reads every live process's threads, and is what all "sampled" facts
 * come from. Between two full samples a process is busy when it ran or waited
 * for a CPU for more than half of the time, so a worker that shares its CPU
 * with ten others counts as busy.
 */
#ifndef FS_SAMPLER_H
#define FS_SAMPLER_H

#include "tracer/proc.h"
#include "tracer/process_table.h"

#include <hwloc.h>
#include <stdbool.h>
#include <stdint.h>

/* What a live process did between the last two full samples. */
struct fs_activity {
    int64_t t;               /* of the last sample; FS_UNKNOWN: none yet */
    int64_t run_ns, wait_ns; /* all threads since its birth, ended ones included */
    int64_t before_run_ns;   /* what it ran before the first sample, where that does not count */
    int64_t before_ticks_ns; /* the same by the ticks of /proc */
    int64_t gone_run_ns, gone_wait_ns;
    int64_t delta_run_ns, delta_wait_ns, interval_ns;
    int64_t t_image; /* for which stage /proc was asked about the image */
    bool busy, runnable;
    char state;
    int threads, threads_busy; /* alive; ran or waited for more than 1 % of the time */
    struct fs_thread_activity {
        int tid;
        bool seen, runnable, busy;
        bool owner_known, owner_missed;  /* missed: in the sample before */
        int processor, processor_before; /* that it last ran on, in the last two samples in
                                            which it ran; FS_UNKNOWN */
        int64_t run_ns, wait_ns;
        int64_t before_run_ns, before_wait_ns;
        int64_t delta_run_ns, delta_wait_ns;
        int64_t t_start;   /* FS_UNKNOWN until the owner is known */
        const char *owner; /* object of its start routine (teams.c) */
    } * thread;
    size_t thread_count, thread_room;
    int64_t quiet_since, quiet_run_ns; /* it used no CPU worth the name since (stuck.c), and its
                                          run time then; quiet_since 0: not looked at yet */
};

void fs_activity_free(struct fs_activity *activity);

struct fs_sampler {
    struct fs_table *table;
    struct fs_proc *proc;
    int64_t t_full;      /* of the last full sample; FS_UNKNOWN */
    int64_t interval_ns; /* between the last two */
    int64_t samples;
    int *sids; /* sessions that the job's commands were started in */
    size_t sid_count;
    hwloc_bitmap_t scratch; /* CPUs that run a busy thread now */
    /* Over the job: */
    int busy_cpus_peak;
    int64_t *cpu_busy_samples;
    size_t cpu_room;      /* by CPU: full samples that saw it busy */
    int64_t busy_samples; /* full samples that saw anybody busy on any CPU, launchers aside */
    int64_t active_ns;
    int64_t runnable_sum, runnable_samples;
    int runnable_peak;
    bool environments_read;
    bool no_children_files; /* kernel without /proc/PID/task/TID/children */
    bool from_now;          /* what processes of the first sample did before it does not count */
    bool captured;          /* the files are all there is to ask: no system calls about processes */
};

/* root: "", or where a captured moment is (captured.h). -1 with errno: its proc cannot be read. */
int fs_sampler_open(struct fs_sampler *sampler, struct fs_table *table, const char *root);
void fs_sampler_close(struct fs_sampler *sampler);

/* A command was started in this session: to be in it is nothing of one's own. */
void fs_sampler_add_session(struct fs_sampler *sampler, int sid);

/* Finds processes that only /proc knows, and what image they run. */
void fs_sampler_discover(struct fs_sampler *sampler, int64_t now, bool all);

/* A full sample. Afterwards each live record's activity tells its last interval. */
void fs_sampler_sample(struct fs_sampler *sampler, int64_t now);

/* CPUs on which the job was seen busy in more than half of the samples it was busy in; new. */
hwloc_bitmap_t fs_sampler_busy_cpus(const struct fs_sampler *sampler);

/* --- parts --- */

/* Whether /proc does not show another process under the record's pid; else the record is closed. */
bool fs_sampler_knows(struct fs_sampler *sampler, struct fs_record *record, int64_t now);

/* Reads executable, argv and environment of a record's present image (look.c). */
void fs_look_at_image(struct fs_sampler *sampler, struct fs_record *record, int64_t now);

/* Why an executable does not load a preloaded library (unseen.c). */
enum fs_unseen fs_unseen_reason(const char *executable);
/* The same for the image of a process that lives: into image, with what its container lacks. */
void fs_unseen_look(struct fs_sampler *sampler, int pid, struct fs_image *image);

#endif
