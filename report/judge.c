#include "report/judge.h"

#include "report/fingerprint.h"
#include "tracer/text.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool fs_like_loads(const struct fs_load *a, const struct fs_load *b) {
    if (!a || !b) return a == b;
    if (a == b) return true;
    const struct fs_group *x = a->group, *y = b->group;
    return x->kind == y->kind && fs_same_text(x->executable, y->executable) &&
           fs_same_text(x->parent_executable, y->parent_executable) &&
           fs_same_text(x->site.file, y->site.file) && x->site.line == y->site.line;
}

/* What two nodes or two groups of workers say of themselves differs in its numbers; of one of
 * them other numbers, and other words, are another matter. */
static bool like_findings(const struct fs_finding *a, const struct fs_finding *b, bool other_node) {
    if (a->rule != b->rule || a->severity != b->severity || !fs_like_loads(a->load, b->load))
        return false;
    return other_node || a->load != b->load ? fs_same_words(a, b)
                                            : fs_same_text(a->title, b->title);
}

/* The node that is being judged says it, too. */
static void add_node(struct fs_verdict *verdict, struct fs_finding *finding) {
    fs_node_set_add(&verdict->arena, &finding->where, verdict->nodes - 1);
    finding->nodes = (int)finding->where.count;
    finding->last_node = verdict->nodes;
}

/* A copy at the end of the list; NULL: no memory. */
static struct fs_finding *append(struct fs_verdict *verdict, const struct fs_finding *finding) {
    if ((verdict->count & (verdict->count - 1)) == 0) {
        const size_t room = verdict->count ? 2 * verdict->count : 1;
        struct fs_finding *grown = fs_arena_alloc(&verdict->arena, room * sizeof *grown);
        if (!grown) return NULL;
        if (verdict->count > 0) memcpy(grown, verdict->findings, verdict->count * sizeof *grown);
        verdict->findings = grown;
    }
    struct fs_finding *new = &verdict->findings[verdict->count++];
    *new = *finding;
    return new;
}

/* 1: it is a new one, 0: one like it was there, -1: no memory. */
static int add_merged(struct fs_verdict *verdict, const struct fs_finding *finding) {
    for (size_t i = 0; i < verdict->count; i++) {
        struct fs_finding *known = &verdict->findings[i];
        if (!like_findings(known, finding, known->last_node != verdict->nodes)) continue;
        add_node(verdict, known);
        known->population += finding->population;
        known->of += finding->of;
        known->groups++;
        return 0;
    }
    struct fs_finding *new = append(verdict, finding);
    if (!new) return -1;
    add_node(verdict, new);
    return 1;
}

/* When one finding explains another. */

static bool of_same_load(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return fs_like_loads(cause->load, symptom->load);
}

/* With the mask put right, the threads would fit. */
static bool fits_job(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return of_same_load(cause, symptom) &&
           fs_load_threads(symptom->load) <= symptom->node->job_cpus;
}

/* With one thread each, the workers would fit. */
static bool workers_fit(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return of_same_load(cause, symptom) && symptom->load->workers <= symptom->load->effective;
}

/* Without the quota, the threads would fit. */
static bool fits_mask(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->node == symptom->node && fs_load_threads(symptom->load) <= symptom->load->cpus;
}

static bool is_error(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->severity == FS_ERROR && cause->node == symptom->node;
}

/* Both speak of the whole job. */
static bool always(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause && symptom;
}

static bool same_node(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->node == symptom->node;
}

/* Two rules on the same line of the program. */
static bool same_place(const struct fs_finding *cause, const struct fs_finding *symptom) {
    const struct fs_place *a = cause->place, *b = symptom->place;
    return same_node(cause, symptom) && a && b && fs_same_text(a->file, b->file) &&
           a->line == b->line && fs_same_text(a->module, b->module) && a->offset == b->offset;
}

/* Ranks with a team each are like workers with threads each, but told in their own terms. */
static bool of_ranks(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return same_node(cause, symptom) && fs_begins(cause->unit, "rank");
}

/* The symptom's workers are ranks: a launcher made them. */
static bool of_rank_load(const struct fs_finding *cause, const struct fs_finding *symptom) {
    const struct fs_load *load = symptom->load;

    if (!same_node(cause, symptom) || !load) return false;
    for (size_t i = 0; i < load->node->digest->task_count; i++)
        if (load->node->digest->tasks[i].launcher > 0 &&
            load->node->digest->tasks[i].launcher == load->group->parent)
            return true;
    return false;
}

static bool is_error_of_load(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->severity == FS_ERROR && of_same_load(cause, symptom);
}

/* Advice explains nothing. */
static bool is_loss_of_load(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->severity != FS_NOTE && of_same_load(cause, symptom);
}

static double evidence_value(const struct fs_finding *finding, const char *name) {
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0) return finding->evidence[i].value;
    return NAN;
}

static bool killed(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->node == symptom->node && evidence_value(symptom, "signal") == SIGKILL;
}

static bool bus_error(const struct fs_finding *cause, const struct fs_finding *symptom) {
    return cause->severity == FS_ERROR && cause->node == symptom->node &&
           evidence_value(symptom, "signal") == SIGBUS;
}

static const struct {
    const char *cause, *symptom; /* a cause of three letters: the whole family */
    bool (*holds)(const struct fs_finding *cause, const struct fs_finding *symptom);
} precedence[] = {
    {"AFF-05", "AFF-08", of_same_load},
    {"AFF-01", "AFF-08", of_same_load},
    {"AFF-02", "AFF-08", of_same_load},
    {"SLM-01", "AFF-08", same_node},
    {"SLM-02", "AFF-08", same_node},
    {"AFF-06", "AFF-08", same_node},
    {"MPI-02", "SLM-03", always},
    {"MPI-03", "SLM-03", always},
    {"MPI-03", "OVS-05", always},
    {"MPI-03", "OVS-02", always},
    {"AFF-05", "AFF-01", of_same_load},
    {"AFF-05", "OVS-02", of_same_load},
    {"AFF-05", "OVS-01", fits_job},
    {"OVS-05", "OVS-02", of_rank_load},
    {"OVS-05", "OVS-06", same_node},
    {"AFF-06", "OVS-02", of_rank_load},
    {"AFF-06", "AFF-01", of_rank_load},
    {"OVS-06", "THR-02", of_ranks},
    {"OVS-06", "THR-01", of_ranks},
    {"OVS-06", "OVS-01", of_ranks},
    {"OVS-06", "OVS-02", of_ranks},
    {"SLM-01", "SLM-02", same_node},
    {"SLM-01", "AFF-01", same_node},
    {"SLM-01", "OVS-02", same_node},
    {"SLM-01", "OVS-06", same_node},
    {"SLM-01", "THR-07", same_node},
    {"SLM-01", "OVS-03", same_node},
    {"SLM-02", "AFF-01", of_same_load},
    {"SLM-02", "OVS-02", of_same_load},
    {"AFF-02", "AFF-01", of_same_load},
    {"AFF-02", "OVS-02", of_same_load},
    {"AFF-03", "AFF-01", is_loss_of_load},
    {"AFF-03", "OVS-02", is_loss_of_load},
    {"AFF-04", "AFF-01", of_same_load},
    {"AFF-04", "OVS-02", of_same_load},
    {"AFF-04", "AFF-03", of_same_load},
    {"THR-02", "OVS-01", is_error_of_load},
    {"OVS-01", "THR-01", of_same_load},
    {"THR-02", "THR-01", of_same_load},
    {"AFF-01", "OVS-02", of_same_load},
    {"SLM-02", "OVS-01", fits_job},
    {"AFF-02", "OVS-01", fits_job},
    {"AFF-01", "OVS-01", fits_job},
    {"OVS-01", "OVS-07", same_node},
    {"OVS-06", "OVS-07", same_node},
    {"OVS-06", "THR-07", same_node},
    {"THR-07", "OVS-03", same_node},
    {"OVS-01", "OVS-02", workers_fit},
    {"OVS-04", "OVS-02", fits_mask},
    {"AFF", "EFF-05", is_error},
    {"OVS", "EFF-05", is_error},
    {"MEM-01", "PRC-02", killed},
    {"MEM-02", "PRC-02", bus_error},
    {"FRK-07", "FRK-08", of_same_load},
    {"FRK-09", "FRK-08", of_same_load},
    {"FRK-07", "PRC-02", of_same_load},
    {"FRK-09", "PRC-02", of_same_load},
    {"AFF-02", "AFF-09", same_node},
    {"FRK-02", "FRK-01", same_place},
    {"FRK-05", "FRK-01", same_node},
    {"FRK-03", "FRK-01", same_place},
    {"FRK-04", "FRK-01", same_place},
};

static bool names(const char *pattern, const struct fs_finding *finding) {
    return fs_begins(finding->rule->id, pattern);
}

/* Rows come in order, so what has two causes is told of the one further up. */
static void apply_precedence(struct fs_verdict *verdict, size_t row) {
    for (size_t i = 0; i < verdict->count; i++) {
        struct fs_finding *cause = &verdict->findings[i];
        if (!names(precedence[row].cause, cause)) continue;
        for (size_t j = 0; j < verdict->count; j++) {
            struct fs_finding *symptom = &verdict->findings[j];
            if (!names(precedence[row].symptom, symptom) || symptom->follows ||
                !precedence[row].holds(cause, symptom))
                continue;
            symptom->follows = cause->rule;
            cause->explains++;
        }
    }
}

static int by_weight(const void *left, const void *right) {
    const struct fs_finding *a = left, *b = right;
    if (!a->follows != !b->follows) return a->follows ? 1 : -1;
    if (a->severity != b->severity) return a->severity < b->severity ? 1 : -1;
    if (a->explains != b->explains) return b->explains - a->explains;
    if (a->rule != b->rule) return fs_rule_index(a->rule) - fs_rule_index(b->rule);
    if (a->population != b->population) return a->population < b->population ? 1 : -1;
    return strcmp(a->title, b->title);
}

/* What a rule said of a node becomes part of what it says of the job: the greatest status
 * and, among equals, the first reason. */
static void add_outcome(struct fs_verdict *verdict, struct fs_outcome *known,
                        const struct fs_outcome *outcome) {
    if (known->count > 0) return;
    if (outcome->count > 0) {
        *known = *outcome;
        known->arena = &verdict->arena;
    } else if (!known->why || outcome->status > known->status) {
        known->status = outcome->status;
        known->why = fs_arena_text(&verdict->arena, outcome->why);
    }
}

/* Gives the node its number. */
static void count_node(struct fs_verdict *verdict, const struct fs_node *node) {
    const char *host = node->digest->host ? node->digest->host : "";
    if ((verdict->nodes & (verdict->nodes - 1)) == 0) {
        const size_t room = verdict->nodes ? 2 * verdict->nodes : 1;
        const char **grown = fs_arena_alloc(&verdict->arena, room * sizeof *grown);
        if (!grown) return;
        if (verdict->nodes > 0) memcpy(grown, verdict->hosts, verdict->nodes * sizeof *grown);
        verdict->hosts = grown;
    }
    verdict->hosts[verdict->nodes++] = fs_arena_text(&verdict->arena, host);
}

/* Rules ask for a second of load, and samples are up to a second apart. */
static const int64_t least_window = 2000000000;

/* An audit has not all facts: what it cannot know is neither well nor ill. */
static void limit_outside(const struct fs_digest *digest, struct fs_outcome *outcome) {
    const struct fs_rule *rule = outcome->rule;
    const struct fs_audited *audited = digest->audited;

    if (!fs_is_outside(digest)) return;
    if (rule->outside != FS_OUTSIDE_NOTHING && outcome->status >= FS_STATUS_UNKNOWN) return;
    const bool all = rule->outside == FS_OUTSIDE_ALL;
    const bool holds = rule->outside == FS_OUTSIDE_FINDINGS ? outcome->status != FS_PASS : all;
    const bool brief = audited->window_ns < least_window;
    if (holds && audited->denied <= 0 && !brief) return;
    outcome->count = 0;
    outcome->findings = NULL;
    outcome->status = FS_STATUS_UNKNOWN;
    if (!holds)
        outcome->why =
            rule->unseen ? fs_arena_printf(outcome->arena, "%s not seen from outside", rule->unseen)
                         : "only a recorded run tells";
    else
        outcome->why = brief ? "the look was too short" : "not every process may be read";
}

/* Where a job was only launched from, its CPUs, processes and threads are not the job's. */
static bool is_about_launching(const struct fs_rule *rule) {
    return fs_begins(rule->id, "MPI-") || fs_begins(rule->id, "SLM-");
}

int fs_judge_node(struct fs_verdict *verdict, const struct fs_node *node,
                  const struct fs_thresholds *thresholds) {
    const struct fs_job job = {.nodes = (struct fs_node *)(uintptr_t)node, .node_count = 1};
    struct fs_arena arena = {0}; /* of the node: most of it is said already */
    bool refers = false;

    count_node(verdict, node);
    for (int i = 0; fs_rules[i] && !verdict->arena.failed; i++) {
        struct fs_outcome outcome = {.rule = fs_rules[i], .arena = &arena};
        const char *disabled = fs_disabled(thresholds, fs_rules[i]);
        if (node->digest->launchers_only && !is_about_launching(fs_rules[i]))
            fs_vote(&outcome, FS_NOT_APPLICABLE, "the job was only launched from here");
        else if (disabled)
            fs_vote(&outcome, FS_NOT_APPLICABLE, "disabled: %s", disabled);
        else {
            if (fs_rules[i]->check) fs_rules[i]->check(&job, thresholds, &outcome);
            limit_outside(node->digest, &outcome);
        }
        for (size_t j = 0; j < outcome.count; j++)
            refers = add_merged(verdict, &outcome.findings[j]) > 0 || refers;
        verdict->outcomes[i].rule = fs_rules[i];
        add_outcome(verdict, &verdict->outcomes[i], &outcome);
    }
    verdict->arena.failed = verdict->arena.failed || arena.failed;
    if (refers)
        fs_arena_join(&verdict->arena, &arena);
    else
        fs_arena_free(&arena);
    if (!verdict->arena.failed) return refers;
    fs_verdict_free(verdict);
    errno = ENOMEM;
    return -1;
}

static void end_outcome(struct fs_verdict *verdict, struct fs_outcome *outcome, long unrecorded) {
    if (outcome->rule->every_process && outcome->status == FS_PASS && unrecorded > 0) {
        outcome->status = FS_STATUS_UNKNOWN;
        outcome->why = fs_arena_printf(&verdict->arena, "%ld process%s not fully recorded",
                                       unrecorded, unrecorded == 1 ? " was" : "es were");
    }
    verdict->passed += outcome->status == FS_PASS;
    verdict->not_applicable += outcome->status == FS_NOT_APPLICABLE;
    verdict->unknown += outcome->status == FS_STATUS_UNKNOWN;
}

static void tell_nodes(struct fs_verdict *verdict, struct fs_finding *finding, size_t of_nodes) {
    finding->of_nodes = of_nodes;
    finding->nodes = (int)fs_node_set_names(&verdict->arena, &finding->where, verdict->hosts);
    finding->hosts = fs_node_set_hosts(&verdict->arena, &finding->where, verdict->hosts,
                                       FS_HOSTS_MAX, &finding->hosts_left_out);
    finding->hosts_brief =
        fs_node_set_brief(&verdict->arena, &finding->where, verdict->hosts, FS_HOSTS_COLUMNS);
}

/* A finding that speaks of several nodes at once. */
static int add_whole_finding(struct fs_verdict *verdict, const struct fs_finding *finding) {
    struct fs_finding *new = append(verdict, finding);
    if (!new) return -1;
    new->nodes = (int)new->where.count;
    new->last_node = 0;
    return 0;
}

static void judge_whole(struct fs_verdict *verdict, const struct fs_job *job,
                        const struct fs_thresholds *thresholds) {
    for (int i = 0; fs_rules[i] && !verdict->arena.failed; i++) {
        struct fs_outcome outcome = {.rule = fs_rules[i], .arena = &verdict->arena};
        if (!fs_rules[i]->check_whole || job->node_count == 0) continue;
        if (fs_disabled(thresholds, fs_rules[i])) continue;
        fs_rules[i]->check_whole(job, thresholds, &outcome);
        limit_outside(job->nodes[0].digest, &outcome);
        for (size_t j = 0; j < outcome.count; j++)
            if (add_whole_finding(verdict, &outcome.findings[j]) < 0) return;
        add_outcome(verdict, &verdict->outcomes[i], &outcome);
    }
}

int fs_judge_end(struct fs_verdict *verdict, const struct fs_job *job,
                 const struct fs_thresholds *thresholds) {
    const struct fs_totals *totals = &job->totals;
    judge_whole(verdict, job, thresholds);
    for (int i = 0; fs_rules[i]; i++) {
        verdict->outcomes[i].rule = fs_rules[i];
        end_outcome(verdict, &verdict->outcomes[i], totals->unrecorded);
    }
    for (size_t i = 0; i < sizeof precedence / sizeof *precedence; i++)
        apply_precedence(verdict, i);
    if (verdict->count > 1)
        qsort(verdict->findings, verdict->count, sizeof *verdict->findings, by_weight);
    for (size_t i = 0; i < verdict->count; i++) {
        struct fs_finding *finding = &verdict->findings[i];
        tell_nodes(verdict, finding, totals->nodes);
        if (finding->follows) continue;
        verdict->errors += finding->severity == FS_ERROR;
        verdict->warnings += finding->severity == FS_WARNING;
        verdict->notes += finding->severity == FS_NOTE;
    }
    if (!verdict->arena.failed) return 0;
    fs_verdict_free(verdict);
    errno = ENOMEM;
    return -1;
}

int fs_judge(const struct fs_job *job, const struct fs_thresholds *thresholds,
             struct fs_verdict *verdict) {
    *verdict = (struct fs_verdict){0};
    for (size_t i = 0; i < job->node_count; i++)
        if (fs_judge_node(verdict, &job->nodes[i], thresholds) < 0) return -1;
    return fs_judge_end(verdict, job, thresholds);
}

void fs_verdict_free(struct fs_verdict *verdict) {
    fs_arena_free(&verdict->arena);
    *verdict = (struct fs_verdict){0};
}

const struct fs_finding *fs_verdict_find(const struct fs_verdict *verdict, const char *rule) {
    for (size_t i = 0; i < verdict->count; i++)
        if (strcmp(verdict->findings[i].rule->id, rule) == 0) return &verdict->findings[i];
    return NULL;
}
