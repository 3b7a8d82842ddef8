/* finding.c - how rules fill an outcome (declared in rule.h). */
#include "report/rule.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static struct fs_finding spare; /* takes what there is no memory for; never printed */

void fs_vote(struct fs_outcome *outcome, enum fs_status status, const char *format, ...) {
    if (outcome->count > 0 || (outcome->why && status <= outcome->status)) return;
    va_list arguments;
    va_start(arguments, format);
    outcome->why = fs_arena_vprintf(outcome->arena, format, arguments);
    va_end(arguments);
    outcome->status = status;
}

struct fs_finding *fs_add_finding(struct fs_outcome *outcome, enum fs_severity severity,
                                  const struct fs_node *node, const struct fs_load *load) {
    /* The list doubles whenever it is full, that is at every power of two. */
    if ((outcome->count & (outcome->count - 1)) == 0) {
        const size_t room = outcome->count ? 2 * outcome->count : 1;
        struct fs_finding *grown = fs_arena_alloc(outcome->arena, room * sizeof *grown);
        if (!grown) return &spare;
        if (outcome->count > 0) memcpy(grown, outcome->findings, outcome->count * sizeof *grown);
        outcome->findings = grown;
    }
    outcome->status = FS_FINDING;
    outcome->why = NULL;
    outcome->findings[outcome->count] = (struct fs_finding){
        .rule = outcome->rule,
        .severity = severity,
        .title = outcome->rule->title,
        .node = node,
        .load = load,
        .unit = "processes",
        .nodes = 1,
        .groups = 1,
    };
    return &outcome->findings[outcome->count++];
}

static struct fs_finding *last(struct fs_outcome *outcome) {
    return outcome->count ? &outcome->findings[outcome->count - 1] : &spare;
}

void fs_set_title(struct fs_outcome *outcome, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    last(outcome)->title = fs_arena_vprintf(outcome->arena, format, arguments);
    va_end(arguments);
}

void fs_set_nodes(struct fs_outcome *outcome, const struct fs_node_set *nodes) {
    last(outcome)->where = *nodes;
}

void fs_set_place(struct fs_outcome *outcome, const struct fs_place *place) {
    last(outcome)->place = place;
}

void fs_set_population(struct fs_outcome *outcome, long population, long of, const char *unit) {
    struct fs_finding *finding = last(outcome);
    finding->population = population;
    finding->of = of;
    finding->unit = unit;
}

void fs_set_gain(struct fs_outcome *outcome, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    last(outcome)->gain = fs_arena_vprintf(outcome->arena, format, arguments);
    va_end(arguments);
}

void fs_add_number(struct fs_outcome *outcome, const char *name, double value, const char *unit) {
    struct fs_finding *finding = last(outcome);
    if (finding->evidence_count == FS_EVIDENCE_MAX) return;
    finding->evidence[finding->evidence_count++] =
        (struct fs_evidence){.name = name, .value = value, .unit = unit};
}

void fs_add_evidence(struct fs_outcome *outcome, const char *name, double value, const char *unit,
                     const char *format, ...) {
    struct fs_finding *finding = last(outcome);
    if (finding->evidence_count == FS_EVIDENCE_MAX) return;
    va_list arguments;
    va_start(arguments, format);
    const char *text = fs_arena_vprintf(outcome->arena, format, arguments);
    va_end(arguments);
    fs_add_number(outcome, name, value, unit);
    finding->evidence[finding->evidence_count - 1].text = text;
}

void fs_add_wait(struct fs_outcome *outcome, double wait) {
    if (!isnan(wait))
        fs_add_evidence(outcome, "run_queue_wait", wait, "fraction",
                        "run-queue wait: %.0f %% of the time they could have run", 100 * wait);
}

void fs_add_cause(struct fs_outcome *outcome, const char *format, ...) {
    struct fs_finding *finding = last(outcome);
    if (finding->cause_count == FS_CAUSES_MAX) return;
    va_list arguments;
    va_start(arguments, format);
    finding->cause[finding->cause_count++] = fs_arena_vprintf(outcome->arena, format, arguments);
    va_end(arguments);
}

void fs_add_stack(struct fs_outcome *outcome, const char *whose, const char *frames) {
    struct fs_finding *finding = last(outcome);
    if (!frames || !*frames || finding->stack_count == FS_STACKS_MAX) return;
    finding->stack[finding->stack_count++] = (struct fs_stack_text){whose, frames};
}

void fs_add_fix(struct fs_outcome *outcome, enum fs_fix_kind kind, const char *when,
                const char *format, ...) {
    struct fs_finding *finding = last(outcome);
    if (finding->fix_count == FS_FIXES_MAX) return;
    va_list arguments;
    va_start(arguments, format);
    finding->fix[finding->fix_count++] = (struct fs_fix){
        .kind = kind,
        .text = fs_arena_vprintf(outcome->arena, format, arguments),
        .when = when,
    };
    va_end(arguments);
}

void fs_each_load(const struct fs_job *job, const struct fs_thresholds *thresholds,
                  struct fs_outcome *outcome, fs_judge_load *judge) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_node *node = &job->nodes[i];
        for (size_t j = 0; j < node->load_count; j++)
            if (node->loads[j].ignored == FS_IGNORED_NO)
                judge(&node->loads[j], thresholds, outcome);
    }
    if (!outcome->why && outcome->count == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no two like processes that share a load");
}
