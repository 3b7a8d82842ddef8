/*
 * judge.h - all rules held against a job: outcomes, findings in the order to
 * print them, and which finding follows from which.
 */
#ifndef FS_REPORT_JUDGE_H
#define FS_REPORT_JUDGE_H

#include "report/rule.h"

struct fs_verdict {
    struct fs_arena arena; /* owns all text and lists below */
    struct fs_outcome outcomes[FS_RULE_COUNT];
    /* Equal findings of several groups or nodes are one; causes stand before
     * what follows from them, errors before warnings before notes. */
    struct fs_finding *findings;
    size_t count;
    int errors, warnings, notes;         /* that follow from no other finding */
    int passed, not_applicable, unknown; /* rules */
    size_t nodes;                        /* judged so far */
    const char **hosts;                  /* their names, by number */
};

/*
 * Fills verdict (fs_verdict_free releases it); job must outlive it. thresholds
 * may be NULL. Returns 0, or -1 with errno ENOMEM.
 */
int fs_judge(const struct fs_job *job, const struct fs_thresholds *thresholds,
             struct fs_verdict *verdict);

/*
 * The same step by step: *verdict begins as zeros, takes one node after the other and is
 * complete after fs_judge_end, which asks rules that speak of the whole job; after an error there
 * is nothing to release. fs_judge_node returns 1 when a finding refers to the node from now on,
 * else 0.
 */
int fs_judge_node(struct fs_verdict *verdict, const struct fs_node *node,
                  const struct fs_thresholds *thresholds);
int fs_judge_end(struct fs_verdict *verdict, const struct fs_job *job,
                 const struct fs_thresholds *thresholds);
void fs_verdict_free(struct fs_verdict *verdict);

/* The first finding of that rule, or NULL. */
const struct fs_finding *fs_verdict_find(const struct fs_verdict *verdict, const char *rule);

/* Do two loads describe the same line of the program, on whatever node they are? */
bool fs_like_loads(const struct fs_load *a, const struct fs_load *b);

#endif
