/*
 * rule.h - what a rule is and what it says.
 *
 * A rule is a row of constants and a pure function from the job to an outcome:
 * one or more findings, or one of pass, not applicable, unknown with the reason.
 * A fact that was not recorded makes the outcome unknown, never pass.
 *
 * All text in an outcome lives in its arena. Text from the job (paths, argv) is
 * kept as it is; the printers make it harmless.
 */
#ifndef FS_REPORT_RULE_H
#define FS_REPORT_RULE_H

#include "report/arena.h"
#include "report/model.h"
#include "report/node_set.h"
#include "report/rule_list.h"
#include "report/thresholds.h"

#include <stdbool.h>
#include <stddef.h>

enum fs_severity { FS_NOTE, FS_WARNING, FS_ERROR };

/* Ordered: over several groups the greater one is the rule's status. */
enum fs_status { FS_NOT_APPLICABLE, FS_PASS, FS_STATUS_UNKNOWN, FS_FINDING };

/* FS_INFERRED: one of the facts is an upper bound or comes from the environment alone. */
enum fs_confidence { FS_MEASURED, FS_INFERRED };

/*
 * What a rule may conclude of a job that was only looked at from outside while it ran
 * (digest_audit.h). There the past and the calls of processes are missing, and the absence
 * of an event proves nothing.
 */
enum fs_outside {
    FS_OUTSIDE_NOTHING = 0, /* all that it says becomes unknown */
    FS_OUTSIDE_FINDINGS,    /* findings hold, and that it does not apply; a pass is unknown */
    FS_OUTSIDE_ALL,
};

enum fs_fix_kind { FS_FIX_COMMAND, FS_FIX_ENVIRONMENT, FS_FIX_CODE };

struct fs_evidence {
    const char *name; /* for machines, e.g. "run_queue_wait" */
    double value;
    const char *unit; /* "fraction", "count", "s", "bytes", "cpus" */
    const char *text; /* the line a person reads; NULL: told by another line */
};

struct fs_fix {
    enum fs_fix_kind kind;
    const char *text; /* can be pasted as it is, or replaces code as it is */
    const char *when; /* when it applies or what it gives, in a few words; NULL */
};

/* Frames that are evidence: innermost first, a line each. */
struct fs_stack_text {
    const char *whose; /* "worker 4711" */
    const char *frames;
};

enum { FS_STACKS_MAX = 2 };
enum { FS_EVIDENCE_MAX = 12, FS_CAUSES_MAX = 4, FS_FIXES_MAX = 4 };
enum { FS_HOSTS_MAX = 4096, FS_HOSTS_COLUMNS = 70 }; /* bytes of lists of hosts */

struct fs_rule;

struct fs_finding {
    const struct fs_rule *rule;
    enum fs_severity severity;
    enum fs_confidence confidence;
    const char *title;
    const struct fs_node *node;   /* where; of several nodes the first */
    const struct fs_load *load;   /* what it is about; NULL: the node as a whole */
    const struct fs_place *place; /* of a finding without a load; NULL: none */
    const char *unit;             /* of the population: "workers", "processes" ... */
    long population, of;          /* of 0: the whole is not counted */
    int nodes, groups;            /* that say the same */
    size_t of_nodes;              /* that the job has */
    size_t last_node;             /* of those that say it the last: a number of the judge's */
    struct fs_node_set where;     /* the same for all of them */
    const char *hosts;            /* their names, as fs_hostlist writes them ... */
    size_t hosts_left_out;        /* ... in FS_HOSTS_MAX bytes */
    const char *hosts_brief;      /* the same in a line for a person */
    struct fs_evidence evidence[FS_EVIDENCE_MAX];
    const char *cause[FS_CAUSES_MAX];
    struct fs_fix fix[FS_FIXES_MAX];
    struct fs_stack_text stack[FS_STACKS_MAX];
    size_t evidence_count, cause_count, fix_count, stack_count;
    const char *gain;              /* an estimate; NULL: none is made */
    const struct fs_rule *follows; /* the finding that this one is a symptom of; NULL */
    int explains;                  /* findings that are symptoms of this one */
};

struct fs_outcome {
    const struct fs_rule *rule;
    enum fs_status status;
    const char *why;             /* of a status other than FS_FINDING: one line */
    struct fs_finding *findings; /* over several nodes: those of the first that has any */
    size_t count;
    struct fs_arena *arena;
};

struct fs_rule {
    const char *id, *family, *title;
    enum fs_severity severity; /* unless the rule's text says when it differs */
    bool every_process; /* speaks of every process: with some unrecorded, a pass is unknown */
    enum fs_outside outside;
    const char *unseen; /* "which calls are", before "not seen from outside"; NULL: all is */
    /* Called for each node of a job by itself: `job` has one. NULL: the rule speaks of the
     * whole job only. */
    void (*check)(const struct fs_job *job, const struct fs_thresholds *thresholds,
                  struct fs_outcome *outcome);
    /* Called once, after all nodes: job->whole has them all, job->nodes some of them, among
     * these the first. What it says comes to what check said. A finding's nodes are those that
     * it sets with fs_set_nodes. NULL: the rule speaks of single nodes. */
    void (*check_whole)(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome);
    const char *why;        /* what goes wrong, for a reader new to the matter */
    const char *decided;    /* which facts are compared with which thresholds */
    const char *exceptions; /* when it keeps silent */
    const char *fix;
    const char *dispute; /* where the documents contradict each other, and what is done; NULL */
    const struct fs_threshold *thresholds; /* ends with a row without a name; NULL: none */
    const char *const *sources;            /* keys of fs_source_find(), NULL at the end */
};

/* All rules, in the order of their identifiers; NULL at the end. */
extern const struct fs_rule *const fs_rules[];

/* The rule with that identifier (upper or lower case), or NULL. */
const struct fs_rule *fs_rule_find(const char *id);
int fs_rule_index(const struct fs_rule *rule);

/* What rules use to say something. Formats are printf's. */

/* "1 thread", "2 threads": what follows the word. */
static inline const char *fs_plural(long count) {
    return count == 1 ? "" : "s";
}

/* One group's or node's share of the outcome; the greatest status stays. */
void fs_vote(struct fs_outcome *outcome, enum fs_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The vote where what the rule judges took less than `needed` seconds: a pass if there was time
 * for it, else nothing was judged. From outside nobody knows how long it took before. */
static inline enum fs_status fs_too_short(const struct fs_node *node, int64_t there_ns,
                                          double needed) {
    if ((double)there_ns >= needed * 1e9) return FS_PASS;
    return fs_is_outside(node->digest) ? FS_STATUS_UNKNOWN : FS_NOT_APPLICABLE;
}

/* A new finding; never NULL: without memory a spare one that is dropped. */
struct fs_finding *fs_add_finding(struct fs_outcome *outcome, enum fs_severity severity,
                                  const struct fs_node *node, const struct fs_load *load);
void fs_set_title(struct fs_outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The nodes, by their numbers, of which a finding of check_whole speaks. */
void fs_set_nodes(struct fs_outcome *outcome, const struct fs_node_set *nodes);
void fs_set_place(struct fs_outcome *outcome, const struct fs_place *place); /* is kept */
void fs_set_population(struct fs_outcome *outcome, long population, long of, const char *unit);

/* To the finding added last; fs_add_number is evidence for machines only. */
void fs_add_evidence(struct fs_outcome *outcome, const char *name, double value, const char *unit,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
void fs_add_number(struct fs_outcome *outcome, const char *name, double value, const char *unit);
void fs_add_wait(struct fs_outcome *outcome, double wait); /* in run queues; NAN: not known */
void fs_add_cause(struct fs_outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* frames NULL or empty: nothing is added. Both texts live as long as the outcome. */
void fs_add_stack(struct fs_outcome *outcome, const char *whose, const char *frames);
void fs_add_fix(struct fs_outcome *outcome, enum fs_fix_kind kind, const char *when,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
void fs_set_gain(struct fs_outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs judge on every load that the load rules look at; without one the vote is
 * "not applicable". */
typedef void fs_judge_load(const struct fs_load *load, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome);
void fs_each_load(const struct fs_job *job, const struct fs_thresholds *thresholds,
                  struct fs_outcome *outcome, fs_judge_load *judge);

#endif
