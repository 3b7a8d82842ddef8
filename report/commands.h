/*
 * commands.h - the reporter as the command table and the end of `run` see it.
 */
#ifndef FS_REPORT_COMMANDS_H
#define FS_REPORT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifndef FS_VERSION
#define FS_VERSION "0.1"
#endif

struct fs_thresholds;

enum fs_color { FS_COLOR_AUTO = 0, FS_COLOR_ALWAYS, FS_COLOR_NEVER };

/* Exit codes of every command that reads a job directory. */
enum { FS_REPORT_OK = 0, FS_REPORT_USAGE = 2, FS_REPORT_NO_DATA = 3 };

/* All zero is the default. */
struct fs_report_options {
    enum fs_color color;
    bool rules;                             /* also what every rule came to */
    bool verbose;                           /* whole stacks; lifts the limit of 40 lines */
    bool unnamed;                           /* the directory is about to go: it is not named */
    int top;                                /* findings printed in full; 0: three, and at most 40
                                               lines in all; a number given lifts that limit */
    const struct fs_thresholds *thresholds; /* NULL: the defaults, or what FORKSIGHT_CONFIG names */
};

/*
 * Prints the text report on the job whose directories are given to out.
 * options may be NULL. Returns FS_REPORT_OK; else a message of one line was
 * printed to stderr: FS_REPORT_NO_DATA when a directory holds no (whole) record,
 * when memory ran out or out could not be written, FS_REPORT_USAGE for a bad
 * FORKSIGHT_CONFIG.
 */
int fs_report_print(const char *const *directories, size_t count, FILE *out,
                    const struct fs_report_options *options);

/*
 * `forksight report [options] DIR...`, `forksight check [options] DIR...` and `forksight
 * explain [RULE]`: argv[0] is the command's name. They return the exit code of the process.
 */
int fs_cmd_report(int argc, char **argv);
int fs_cmd_report_unnamed(int argc, char **argv); /* of a directory that goes away */
int fs_cmd_check(int argc, char **argv);
int fs_cmd_explain(int argc, char **argv);

#endif
