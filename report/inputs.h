/*
 * inputs.h - what the commands that judge a job have in common: messages, thresholds,
 * and the way from directories to a verdict.
 */
#ifndef FS_REPORT_INPUTS_H
#define FS_REPORT_INPUTS_H

#include "report/thresholds.h"

#include <stddef.h>

/* One line on stderr, "forksight COMMAND: text"; names of files in it may hold anything.
 * Returns status. */
int fs_complain(const char *command, int status, const char *text);

/* Complains of the option that getopt_long (with opterr 0 and ':' first) refused.
 * Returns FS_REPORT_USAGE. */
int fs_complain_option(const char *command, int result, char *const *argv);

/*
 * Applies to thresholds what overrides them, the weakest first: the file config (NULL: the
 * one that FORKSIGHT_CONFIG names, if any), then the assignments. Returns 0, or -1: told
 * on stderr.
 */
int fs_override(struct fs_thresholds *thresholds, const char *command, const char *config,
                const char *const *assignments, size_t count);

/* The same on the defaults; NULL: told on stderr. */
struct fs_thresholds *fs_make_thresholds(const char *command, const char *config,
                                         const char *const *assignments, size_t count);

struct fs_job;
struct fs_verdict;

/* Loads the job of these directories and judges it. Returns 0, or -1 with one line in error
 * and nothing to release. */
int fs_load_and_judge(struct fs_job *job, struct fs_verdict *verdict,
                      const char *const *directories, size_t count,
                      const struct fs_thresholds *thresholds, char *error, size_t error_size);

#endif
