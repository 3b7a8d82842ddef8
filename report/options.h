/*
 * options.h - options that several commands have in common: how they are called, what they
 * take, and what the help says of them.
 */
#ifndef FS_REPORT_OPTIONS_H
#define FS_REPORT_OPTIONS_H

#include <getopt.h>

/* What getopt_long returns for them. */
enum {
    FS_OPTION_THRESHOLD = 512,
    FS_OPTION_CONFIG,
    FS_OPTION_FORMAT,
    FS_OPTION_RULES,
    FS_OPTION_TOP,
    FS_OPTION_COLOR,
};

/* clang-format off */

/* Other numbers for rules to compare with. */
#define FS_LIMIT_OPTIONS                                                                           \
    {"threshold", required_argument, NULL, FS_OPTION_THRESHOLD},                                   \
    {"config", required_argument, NULL, FS_OPTION_CONFIG}
#define FS_LIMIT_HELP                                                                              \
    "      --threshold RULE.NAME=VALUE\n"                                                          \
    "                            another limit for a rule (repeatable)\n"                          \
    "      --config FILE         limits from a file: RULE.NAME = VALUE a line\n"                   \
    "                            (FORKSIGHT_CONFIG)\n"

/* How a report is printed, and by which limits. */
#define FS_PRINT_OPTIONS                                                                           \
    FS_LIMIT_OPTIONS,                                                                              \
    {"format", required_argument, NULL, FS_OPTION_FORMAT},                                         \
    {"rules", no_argument, NULL, FS_OPTION_RULES},                                                 \
    {"top", required_argument, NULL, FS_OPTION_TOP},                                               \
    {"color", optional_argument, NULL, FS_OPTION_COLOR},                                           \
    {"verbose", no_argument, NULL, 'v'}
#define FS_PRINT_HELP                                                                              \
    "      --rules               also what every rule came to, with the reason\n"                  \
    "      --top N               print N findings in full (3), as long as it takes\n"              \
    FS_LIMIT_HELP                                                                                  \
    "      --color WHEN          auto, always or never\n"                                          \
    "  -v, --verbose             whole stacks, every node and rank; no limit of lines\n"

/* clang-format on */

#endif
