/*
 * thresholds.h - the numbers that rules compare with, and how a user overrides them.
 *
 * A rule lists its thresholds in a constant table and reads value number i of it
 * with fs_threshold(). Overrides are written RULE.NAME=VALUE.
 */
#ifndef FS_REPORT_THRESHOLDS_H
#define FS_REPORT_THRESHOLDS_H

#include <stddef.h>

struct fs_rule;

struct fs_threshold {
    const char *name; /* NULL: end of the table */
    double value;     /* default */
    const char *unit;
    const char *meaning;
    const char *source; /* key of fs_source_find(), or "own" for this tool's choice */
};

enum { FS_THRESHOLDS_MAX = 6 }; /* of one rule */

struct fs_thresholds;

/* All defaults. NULL with errno ENOMEM. Release with fs_thresholds_free. */
struct fs_thresholds *fs_thresholds_new(void);
void fs_thresholds_free(struct fs_thresholds *thresholds);

/* Value number index of rule's table; thresholds NULL: the default. */
double fs_threshold(const struct fs_thresholds *thresholds, const struct fs_rule *rule, int index);

/* The rule is not asked any more. Returns 0, or -1 with errno ENOMEM. */
int fs_thresholds_disable(struct fs_thresholds *thresholds, const struct fs_rule *rule,
                          const char *reason);

/* Why the rule is not to be asked; NULL: it is. */
const char *fs_disabled(const struct fs_thresholds *thresholds, const struct fs_rule *rule);

/*
 * Applies one override "RULE.NAME=VALUE" (spaces around = allowed). Returns 0, or
 * -1 with one line in error: unknown rule or name, or no finite number that is
 * not negative.
 */
int fs_thresholds_set(struct fs_thresholds *thresholds, const char *assignment, char *error,
                      size_t error_size);

/* Applies a file of such lines; # starts a comment. As above; the error names the line. */
int fs_thresholds_read(struct fs_thresholds *thresholds, const char *path, char *error,
                       size_t error_size);

#endif
