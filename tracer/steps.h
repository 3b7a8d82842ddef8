/*
 * steps.h - steps of the same Slurm job that run beside the recorded one.
 */
#ifndef FS_STEPS_H
#define FS_STEPS_H

#include "tracer/proc.h"
#include "tracer/process_table.h"

#define FS_STEP_DAEMON "slurmstepd"

/* Whether both have that name: what slurmstepd forks keeps it until it becomes a task, its prolog
 * or its epilog. The parent is looked at first, so that it is no parent that has become a task. */
bool fs_is_fork_of(struct fs_proc *proc, int pid, int parent, const char *name);

/*
 * How many run now, as far as this node tells: its slurmstepds name their steps, and an srun
 * of the job that is no process of `table` starts one somewhere. In a step the one srun that
 * started it is left out, and so are the steps that an srun of `table` started and that of a look
 * from outside. FS_UNKNOWN: not in a job of Slurm, or /proc cannot be read.
 */
int fs_steps_beside(struct fs_proc *proc, const struct fs_table *table,
                    const struct fs_scheduler *scheduler);

/* The step of that job in which this process itself runs; NULL: it is in no step of it. */
const char *fs_own_step(const char *job);

/* From a slurmstepd's title, "slurmstepd: [42.1]": whether it is a step that srun made, of that
 * job and not of number `step` (NULL: none is left out). */
bool fs_is_other_step(const char *title, const char *job, const char *step);

#endif
