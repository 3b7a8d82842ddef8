/*
 * audit_job.h - a job of a batch system, all of whose nodes are looked at.
 *
 * Slurm starts one `forksight audit --node JOB[.STEP]` on each node of the job, beside it (srun
 * --overlap). Each finds the job's processes there by their environment and writes its digest
 * into a directory that all nodes share, from which one report is made.
 */
#ifndef FS_AUDIT_JOB_H
#define FS_AUDIT_JOB_H

#include "tracer/audit.h"
#include "tracer/audit_targets.h"

/* "4711" or "4711.0"; step: "" if none. -1: text is no such name. */
enum { FS_JOB_NAME_SIZE = 32 };
int fs_job_name(const char *text, char job[FS_JOB_NAME_SIZE], char step[FS_JOB_NAME_SIZE]);

/* This user's processes of a job on this node, tasks first. As fs_target_pid(). */
int fs_target_job(const char *name, struct fs_pids_list *list, char *error, size_t error_size);

/* Looks at all nodes and fills the directory. -1 with a sentence in error: srun is not there, or
 * no node was looked at. */
int fs_audit_job(const struct fs_audit_options *options, const char *name,
                 const struct fs_jobdir *job, char *error, size_t error_size);

#endif
