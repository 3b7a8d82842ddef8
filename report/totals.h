/*
 * totals.h - sums over the nodes of a job: what was recorded and what was not, and how
 * much of its CPUs the job used.
 */
#ifndef FS_REPORT_TOTALS_H
#define FS_REPORT_TOTALS_H

#include "report/arena.h"
#include "report/model.h"

struct fs_totals {
    long processes, recorded, unseen, alive, shim_off, bad;
    long long lost_processes, lost_threads, lost_events, lost_sites;
    double collector_share; /* of one CPU, on the node where it is greatest; NAN */
    double cpu_used;        /* CPU time / (wall time x the job's CPUs), 0 to 1; NAN */
    bool recovered, interim;
    bool complete; /* of every process all that is recorded of one; nothing was lost */
};

struct fs_totals fs_job_totals(const struct fs_job *job);

/* Processes that the recorder did not enter for that reason (enum fs_unseen); *example
 * (unless NULL) is the executable of one, or NULL. */
long fs_job_unseen(const struct fs_job *job, int reason, const char **example);

/* Why processes were not entered, "2 statically linked (busybox)"; "" when all were. */
const char *fs_unseen_text(struct fs_arena *arena, const struct fs_job *job);

/* What else is missing, "lost: 0 processes, 3 threads, 0 places; 1 still running"; or "". */
const char *fs_losses_text(struct fs_arena *arena, const struct fs_totals *totals);

/* All of it in one line, for a record that is not complete. */
const char *fs_incomplete_text(struct fs_arena *arena, const struct fs_job *job);

#endif
