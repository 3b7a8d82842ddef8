/*
 * stuck.h - finds processes of the job that make no progress, and reads their stacks.
 *
 * A process is quiet while it uses less than 1/300 of a CPU (0.1 s in 30 s). The watch
 * looks when the whole job has been quiet for two seconds, and again at growing
 * intervals while it stays so: before anybody loses patience, for after an interrupt
 * there is nothing left to look at. In a job that computes elsewhere it looks at a
 * process that was quiet for long (30 s) while its parent waits.
 *
 * A look reads in /proc what every forked process waits for. Those that wait for what
 * only they themselves could bring (waits.h) or for a full pipe, and their parents, and
 * parents of workers that a signal ended, have their stacks read: once while they stay
 * quiet, and few of them. Servers, shells and idle pools wait otherwise, and are not
 * touched.
 */
#ifndef FS_STUCK_H
#define FS_STUCK_H

#include "tracer/evaluation.h"
#include "tracer/sampler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_stuck_watch {
    /* Set by the owner: */
    bool off;              /* no process is attached to: stacks are not read */
    const char *why_off;   /* for a reader; NULL: the option of `run` */
    bool all;              /* of a quiet job all are read, also who waits as idle workers do */
    int64_t hang_after_ns; /* quiet for so long beside others that compute */

    struct fs_stuck found[FS_STUCK_MAX]; /* times on CLOCK_MONOTONIC */
    bool closed[FS_STUCK_MAX];           /* its quiet time is over */
    size_t count;
    int64_t quiet_since;      /* the whole job; 0: it is not */
    int64_t due, interval_ns; /* of the next look while it stays so */
    int64_t beside;           /* the last look at single processes of a job at work */
    int rounds;               /* looks that attached to anybody */
    int64_t cpu_ns;           /* of the processes that read stacks */
    bool fresh;               /* something was found since the owner cleared it */
};

/* After a full sample. interrupted_at: when somebody asked the job to end; 0: nobody did. */
void fs_stuck_tick(struct fs_stuck_watch *watch, struct fs_sampler *sampler, int64_t now,
                   int64_t interrupted_at);

/* The job is about to be ended: if it is quiet and was not looked at, now. */
void fs_stuck_last_look(struct fs_stuck_watch *watch, struct fs_sampler *sampler, int64_t now);

/* Copies what was found into digest->stuck. -1: no memory. */
int fs_stuck_evaluate(const struct fs_stuck_watch *watch, const struct fs_evaluation *evaluation,
                      struct fs_digest *digest);

void fs_stuck_free(struct fs_stuck_watch *watch);

/* --- parts --- */

/* stuck_look.c: reads a process's threads and stacks into *stuck. */
void fs_stuck_read(struct fs_stuck_watch *watch, struct fs_sampler *sampler,
                   const struct fs_record *record, bool job_quiet, int64_t now,
                   struct fs_stuck *stuck);

/* Whether no thread of a process can go on by itself, or one waits to write into a pipe; also
 * when that may not be asked. */
bool fs_stuck_is_blocked(struct fs_sampler *sampler, const struct fs_record *record);

#endif
