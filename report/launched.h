/*
 * launched.h - questions that several rules ask about the tasks of a node (digest_tasks.h).
 */
#ifndef FS_REPORT_LAUNCHED_H
#define FS_REPORT_LAUNCHED_H

#include "report/launch.h"
#include "report/rule.h"

/* Were they started by one launcher, in one step? */
bool fs_same_launch(const struct fs_task *a, const struct fs_task *b);

/* Tasks of the same launch on the node, the task included. */
int fs_ranks_of_launch(const struct fs_node *node, const struct fs_task *task);

/* The launcher that started the task: its command line. NULL: it ran elsewhere, or is not
 * recorded. */
const struct fs_launch *fs_task_launch(const struct fs_node *node, const struct fs_task *task);

/* Whether all tasks of the launch that are on the node were seen. Those of a recorded job were; of
 * one that was only looked at (fs_is_outside) there may be more than the processes that were
 * named. */
bool fs_launch_is_whole(const struct fs_node *node, const struct fs_task *first, size_t count);

/* Run-queue wait / (CPU time + wait) of all tasks from first to last, 0 to 1; NAN: of one
 * that computed it is not known. */
double fs_tasks_wait(const struct fs_task *tasks, size_t count);

/* Whether the task ran or waited for a CPU for half of its life, and for half a second. */
bool fs_task_computes(const struct fs_node *node, const struct fs_task *task);

/* Whether steps that the record itself holds shared the node at some time: fs_has_steps_beside()
 * is about those that it does not hold. */
bool fs_has_packed_steps(const struct fs_digest *digest);

/* Did they live at one time for a second or more? */
bool fs_tasks_overlap(const struct fs_node *node, const struct fs_task *a, const struct fs_task *b);

/*
 * Whether the workers have what their launcher gave to their task, and it gave away all cores
 * that the job has on the node: then they are many for their share, but nobody squeezed them.
 */
bool fs_has_launched_share(const struct fs_load *load);

/*
 * Whether a launcher gave that mask: to the task that the process is or, where it is none, to any
 * task of the node, and the task kept it. No call in the job tells: Slurm's daemon, which sets
 * masks, is no part of it.
 */
bool fs_is_launchers_mask(const struct fs_node *node, int pid, hwloc_const_bitmap_t mask);

/* "rank 3", "task 0 (process 4711)" */
const char *fs_task_name(struct fs_arena *arena, const struct fs_task *task);

/* "mpirun", "srun": what the task's launcher is called in a fix. */
const char *fs_task_launcher_name(const struct fs_node *node, const struct fs_task *task);

/*
 * Adds the command line of the task's launcher, put right, as a fix: other places for each kind of
 * launcher (NULL: no fix for that kind). Options that place ranks are replaced.
 */
struct fs_places {
    const char *srun, *openmpi, *hydra;
};
void fs_add_places_fix(struct fs_outcome *outcome, const char *when, const struct fs_node *node,
                       const struct fs_task *task, const struct fs_places *places);

/* Runs judge once for every launch that left tasks on a node, with the first of its tasks.
 * Without tasks the vote is "not applicable"; where some were left out of the record, a pass is
 * unknown, and so is a launch that was not seen whole. */
typedef void fs_judge_launched(const struct fs_node *node, const struct fs_task *first,
                               size_t count, const struct fs_thresholds *thresholds,
                               struct fs_outcome *outcome);
void fs_each_launch(const struct fs_job *job, const struct fs_thresholds *thresholds,
                    struct fs_outcome *outcome, fs_judge_launched *judge);

#endif
