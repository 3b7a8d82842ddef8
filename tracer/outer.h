/*
 * outer.h - a command that starts tasks by Slurm: `forksight run -- srun ... app`, a script that
 * calls srun, mpirun in an allocation of several nodes.
 *
 * Slurm runs a prolog and an epilog around every task, on the task's node, which the variables
 * SLURM_TASK_PROLOG and SLURM_TASK_EPILOG name: here two small scripts in the job directory that
 * call forksight again. The prolog has the node's collector follow the task and the task load
 * the shim; the epilog of the last task waits for the node's digest. A prolog and epilog of the
 * user's own still run.
 */
#ifndef FS_OUTER_H
#define FS_OUTER_H

#include "tracer/jobdir.h"
#include "tracer/run.h"

#include <stdbool.h>

/* Whether a command may start tasks by Slurm. */
bool fs_outer_wanted(const struct fs_run_options *options);

/* Writes the scripts and names them in this process's environment. -1 with errno. */
int fs_outer_prepare(const struct fs_run_options *options, const struct fs_jobdir *job,
                     const char *preload);

/* Waits, bounded, for the nodes whose collectors are still at work; removes the scripts. */
void fs_outer_end(const struct fs_jobdir *job);

/* The first words after `forksight` by which the scripts call it (task_scripts.c). */
#define FS_TASK_PROLOG "--task-prolog"
#define FS_TASK_EPILOG "--task-epilog"
int fs_task_prolog(int argc, char **argv);
int fs_task_epilog(int argc, char **argv);

/* Their arguments, from argv[2] on. */
enum {
    FS_SCRIPT_JOB = 2,
    FS_SCRIPT_PLACE,
    FS_SCRIPT_USERS, /* the user's own; "": none */
    FS_SCRIPT_FOLDER,
    FS_SCRIPT_PRELOAD,
    FS_SCRIPT_FLAGS,
    FS_SCRIPT_PERIOD,
    FS_SCRIPT_HANG,
    FS_SCRIPT_ATTACH,
    FS_SCRIPT_DASHES,
    FS_SCRIPT_COMMAND
};

#endif
