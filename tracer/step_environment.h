/*
 * step_environment.h - what Slurm tells a task in its environment, for a collector that is not of
 * that step: the task's prolog leaves it in the segment folder.
 */
#ifndef FS_STEP_ENVIRONMENT_H
#define FS_STEP_ENVIRONMENT_H

/* Stores the scheduler's variables of this process, unless they are there already. */
void fs_step_environment_store(const char *folder);

/* The stored ones as an environment; NULL: there are none. To be freed, one block. */
char **fs_step_environment_load(const char *folder);

#endif
