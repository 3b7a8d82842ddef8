/*
 * tasks.h - which processes a launcher started: see digest_tasks.h.
 */
#ifndef FS_TASKS_H
#define FS_TASKS_H

#include "tracer/process_table.h"

#include <stdbool.h>

/* What a program's environment says of the task that it belongs to. */
struct fs_rank {
    enum fs_launch_kind launch;
    int step, rank, size, local_rank, cpus_per_task; /* FS_UNKNOWN */
};

/* Reads it from recorded variables. false: there is no rank in them. */
bool fs_rank_read(const struct fs_variable *variables, size_t count, struct fs_rank *rank);

/* Whether a process is a task, as far as is known of it now. */
bool fs_record_is_task(const struct fs_table *table, const struct fs_record *record);

/* The task in whose tree a process is, itself included; NULL: none. Only while
 * fs_evaluate_tasks() runs and after it. */
struct fs_record *fs_task_of(struct fs_record *record);

#endif
