/*
 * gate.h - a verdict held against what a test system asks of a job.
 *
 * A condition that does not hold has failed, or cannot be told because facts are missing;
 * the two are kept apart, and neither counts as passed.
 */
#ifndef FS_REPORT_GATE_H
#define FS_REPORT_GATE_H

#include "report/judge.h"

/* Severities and one more: no finding fails by its severity. */
enum fs_fail_on {
    FS_FAIL_ON_NOTE = FS_NOTE,
    FS_FAIL_ON_WARNING = FS_WARNING,
    FS_FAIL_ON_ERROR = FS_ERROR,
    FS_FAIL_ON_NEVER
};

/* "note", "warning", "error", "never". Returns 0, or -1. */
int fs_fail_on_parse(const char *text, enum fs_fail_on *fail_on);

/* What one variant of a program must and must not cause. */
struct fs_expectation {
    char name[128];
    bool must[FS_RULE_COUNT];
    bool must_not[FS_RULE_COUNT];
    bool tolerated[FS_RULE_COUNT];
    bool pass[FS_RULE_COUNT]; /* judged, with evidence, and nothing found */
    bool not_applicable[FS_RULE_COUNT];
    bool no_other; /* no finding but those that must be, are tolerated, or follow from them */
    bool may_be_incomplete; /* its record, for a reason that the file gives */
};

/*
 * Reads a variant of a file of the form of kernels/expectations.json: an object with
 * "variants", each with "name", "must" (rules), "must_not" (rules, or "any other"), "later"
 * (rules that may find something; this forksight need not know them), "pass" and
 * "not_applicable" (rules that must come to that), "incomplete" (why its record may be). A rule
 * cannot be asked for two outcomes. variant NULL: the only one. Returns 0, or -1 with one line
 * in error.
 */
int fs_expectation_read(struct fs_expectation *expectation, const char *path, const char *variant,
                        char *error, size_t error_size);

/* Fingerprints of the findings that are known already. */
struct fs_baseline {
    char **fingerprints;
    size_t count;
};

/* From a JSON report. Returns 0, or -1 with one line in error. */
int fs_baseline_read(struct fs_baseline *baseline, const char *path, char *error,
                     size_t error_size);
void fs_baseline_free(struct fs_baseline *baseline);

struct fs_gate {
    enum fs_fail_on fail_on; /* findings that follow from another are its matter */
    int most[FS_RULE_COUNT]; /* findings that a rule may have; FS_UNKNOWN: as fail_on says */
    const struct fs_expectation *expectation; /* NULL: none */
    const struct fs_baseline *baseline;       /* as often as here, a finding does not fail; NULL */
    bool allow_incomplete;
};

/* Fails on errors, and on nothing else. */
void fs_gate_init(struct fs_gate *gate);

/*
 * Reads a site's rules into gate and thresholds, a line each, # starts a comment:
 *   fail-on = LEVEL, disable RULE = REASON, allow-incomplete = REASON, RULE.NAME = VALUE.
 * Returns 0, or -1 with one line in error.
 */
int fs_policy_read(struct fs_gate *gate, struct fs_thresholds *thresholds, const char *path,
                   char *error, size_t error_size);

struct fs_condition {                 /* that does not hold */
    const struct fs_rule *rule;       /* NULL: the record as a whole */
    bool unknown;                     /* it cannot be told */
    const char *text;                 /* one line */
    const struct fs_finding *finding; /* that fails it; NULL */
};

struct fs_gate_result {
    struct fs_condition *conditions;
    size_t count;
    int failed, unknown; /* of them */
    bool incomplete;     /* the record is, and may not be */
};

/* What does not hold; lists and texts live in arena. Out of memory: arena->failed. */
void fs_gate_hold(const struct fs_gate *gate, const struct fs_job *job,
                  const struct fs_verdict *verdict, struct fs_arena *arena,
                  struct fs_gate_result *result);

#endif
