/*
 * totals.h - sums over the nodes of a job: what was recorded and what was not, and how
 * much of its CPUs the job used.
 */
#ifndef FS_REPORT_TOTALS_H
#define FS_REPORT_TOTALS_H

#include "report/arena.h"
#include "report/model.h"

/* CPU time of one node / (its wall time x the job's CPUs there); NAN. */
double fs_node_cpu_used(const struct fs_node *node);

void fs_totals_init(struct fs_totals *totals); /* of no node */

/* Returns 0, or -1 with errno ENOMEM. */
int fs_totals_add(struct fs_totals *totals, const struct fs_node *node);
/* What the whole tells: a node may have several records; nodes that it misses make the job's
 * incomplete. Returns 0, or -1 with errno ENOMEM. */
int fs_totals_end(struct fs_totals *totals, const struct fs_whole *whole);
void fs_totals_free(struct fs_totals *totals);

/* Why processes were not entered, "2 statically linked (busybox)"; "" when all were. */
const char *fs_unseen_text(struct fs_arena *arena, const struct fs_job *job);

/* What else is missing, "lost: 0 processes, 3 threads, 0 places; 1 still running"; or "". */
const char *fs_losses_text(struct fs_arena *arena, const struct fs_totals *totals);

/* All of it in one line, for a record that is not complete. */
const char *fs_incomplete_text(struct fs_arena *arena, const struct fs_job *job);

#endif
