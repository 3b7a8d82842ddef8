/*
 * run.h - what the forms of `forksight run` share.
 */
#ifndef FS_RUN_H
#define FS_RUN_H

#include "tracer/launcher.h"

#include <stdbool.h>

struct fs_thresholds;

struct fs_run_options {
    const char *directory, *place; /* NULL: not told */
    bool quiet, repair_env, attach;
    long period_ms, hang_after_s;
    struct fs_thresholds *thresholds; /* NULL: nothing was set */
    char **command;
};

/* Tells it on stderr; returns status. */
int fs_run_complain(int status, const char *text);

/* Tells why a command could not be started; returns the exit status for that. */
int fs_run_not_started(const struct fs_run_options *options, bool exec_failed, int reason);

/*
 * Runs the command as one task of a launch (run_task.c): the node's collector follows it, this
 * process waits for it and returns its exit status at once, unless it is the last one here:
 * then when the node's digest is written, or a little later.
 */
int fs_run_task(const struct fs_run_options *options, const char *preload,
                const struct fs_launched *launch);

#endif
