/*
 * task_script.h - how the prolog and the epilog of a Slurm task are told.
 *
 * They run beside the task, in its environment and as children of its process, but are no part
 * of the job: the shim keeps out of them, the collector does not follow them. Slurm says in a
 * variable what a script is run for. Some versions leave it in the task's own environment,
 * where the prolog of forksight takes it out.
 */
#ifndef FSP_TASK_SCRIPT_H
#define FSP_TASK_SCRIPT_H

#define FSP_SCRIPT_CONTEXT "SLURM_SCRIPT_CONTEXT"
#define FSP_TASK_PROLOG    "prolog_task"
#define FSP_TASK_EPILOG    "epilog_task"

#endif
