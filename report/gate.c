#include "report/gate.h"

#include "report/fingerprint.h"
#include "report/totals.h"

#include <string.h>

static const char *const levels[] = {[FS_FAIL_ON_NOTE] = "note",
                                     [FS_FAIL_ON_WARNING] = "warning",
                                     [FS_FAIL_ON_ERROR] = "error",
                                     [FS_FAIL_ON_NEVER] = "never"};

int fs_fail_on_parse(const char *text, enum fs_fail_on *fail_on) {
    for (int i = 0; i <= FS_FAIL_ON_NEVER; i++) {
        if (strcmp(text, levels[i]) != 0) continue;
        *fail_on = (enum fs_fail_on)i;
        return 0;
    }
    return -1;
}

void fs_gate_init(struct fs_gate *gate) {
    *gate = (struct fs_gate){.fail_on = FS_FAIL_ON_ERROR};
    for (int i = 0; i < FS_RULE_COUNT; i++)
        gate->most[i] = FS_UNKNOWN;
}

/* What is held against what, and where the result goes. */
struct holding {
    const struct fs_gate *gate;
    const struct fs_verdict *verdict;
    struct fs_arena *arena;
    struct fs_gate_result *result;
    bool *taken; /* baseline entries that a finding has used */
};

static void add(struct holding *holding, struct fs_condition condition) {
    struct fs_gate_result *result = holding->result;
    /* The list doubles whenever it is full, that is at every power of two. */
    if ((result->count & (result->count - 1)) == 0) {
        const size_t room = result->count ? 2 * result->count : 1;
        struct fs_condition *grown = fs_arena_alloc(holding->arena, room * sizeof *grown);
        if (!grown) return;
        if (result->count > 0) memcpy(grown, result->conditions, result->count * sizeof *grown);
        result->conditions = grown;
    }
    result->conditions[result->count++] = condition;
    *(condition.unknown ? &result->unknown : &result->failed) += 1;
}

static int findings_of(const struct fs_verdict *verdict, const struct fs_rule *rule) {
    int count = 0;
    for (size_t i = 0; i < verdict->count; i++)
        count += verdict->findings[i].rule == rule;
    return count;
}

static const char *reason_of(const struct fs_outcome *outcome) {
    return outcome->why ? outcome->why : "no reason is known";
}

static const char *status_text(struct fs_arena *arena, const struct fs_outcome *outcome) {
    const char *status = outcome->status == FS_PASS ? "it passed" : "it does not apply";
    return fs_arena_printf(arena, "%s: %s", status, reason_of(outcome));
}

/* What a rule that found nothing had to come to, and did not; NULL: it did. */
static const char *missed_status(const struct fs_expectation *expectation, int number,
                                 enum fs_status status) {
    if (expectation->must[number]) return "be found";
    if (expectation->pass[number] && status != FS_PASS) return "pass";
    if (expectation->not_applicable[number] && status != FS_NOT_APPLICABLE) return "not apply";
    return NULL;
}

static bool is_asked_for(const struct fs_expectation *expectation, int number) {
    return expectation->must[number] || expectation->must_not[number] ||
           expectation->pass[number] || expectation->not_applicable[number];
}

/* Conditions on one rule by name: what it must come to, may find how often. */
static void hold_rule(struct holding *holding, int number) {
    const struct fs_outcome *outcome = &holding->verdict->outcomes[number];
    const struct fs_expectation *expectation = holding->gate->expectation;
    const struct fs_rule *rule = outcome->rule;
    const int most = holding->gate->most[number], found = findings_of(holding->verdict, rule);
    const bool asked = most >= 0 || (expectation && is_asked_for(expectation, number));
    const bool unknown = outcome->status == FS_STATUS_UNKNOWN;
    const char *missed =
        expectation && found == 0 ? missed_status(expectation, number, outcome->status) : NULL;
    const char *text = NULL;

    if (unknown && asked)
        text = fs_arena_printf(holding->arena, "%s is asked for and unknown: %s", rule->id,
                               reason_of(outcome));
    else if (missed)
        text = fs_arena_printf(holding->arena, "%s must %s (%s), but %s", rule->id, missed,
                               expectation->name, status_text(holding->arena, outcome));
    else if (most >= 0 && found > most)
        text = fs_arena_printf(holding->arena, "%s was found %d time%s, at most %d allowed",
                               rule->id, found, found == 1 ? "" : "s", most);
    if (text) add(holding, (struct fs_condition){.rule = rule, .unknown = unknown, .text = text});
}

/* A finding as often as in the baseline is known; each entry answers for one. */
static bool is_known(struct holding *holding, const struct fs_finding *finding) {
    const struct fs_baseline *baseline = holding->gate->baseline;
    if (!baseline || !holding->taken) return false;
    const char *fingerprint = fs_fingerprint(holding->arena, finding);
    for (size_t i = 0; i < baseline->count; i++) {
        if (holding->taken[i] || strcmp(baseline->fingerprints[i], fingerprint) != 0) continue;
        holding->taken[i] = true;
        return true;
    }
    return false;
}

static bool expects_any(const struct fs_expectation *expectation) {
    for (int i = 0; i < FS_RULE_COUNT; i++)
        if (expectation->must[i]) return true;
    return false;
}

/* Why a finding of the rule fails whatever its level and its cause; NULL: it does not. */
static const char *ruled_out(const struct fs_expectation *expectation, int number) {
    if (expectation->must_not[number]) return "must not be found";
    if (expectation->pass[number]) return "must pass";
    return expectation->not_applicable[number] ? "must not apply" : NULL;
}

static void hold_finding(struct holding *holding, const struct fs_finding *finding) {
    const struct fs_gate *gate = holding->gate;
    const struct fs_expectation *expectation = gate->expectation;
    const int number = fs_rule_index(finding->rule);
    const bool known = is_known(holding, finding);
    const char *out = expectation ? ruled_out(expectation, number) : NULL;
    const char *why = "";

    if (expectation && (expectation->must[number] || expectation->tolerated[number])) return;
    if (gate->most[number] >= 0) return; /* hold_rule counts them */
    if (out) {
        why = fs_arena_printf(holding->arena, " (%s: %s)", out, expectation->name);
    } else if (expectation && expectation->no_other) {
        if (finding->follows && expects_any(expectation)) return;
        why = fs_arena_printf(holding->arena, " (not expected: %s)", expectation->name);
    } else if (finding->follows || known || (int)finding->severity < (int)gate->fail_on) {
        return;
    }
    add(holding,
        (struct fs_condition){
            .rule = finding->rule,
            .text = fs_arena_printf(holding->arena, "%s[%s] %s%s", levels[finding->severity],
                                    finding->rule->id, finding->title, why),
            .finding = finding,
        });
}

void fs_gate_hold(const struct fs_gate *gate, const struct fs_job *job,
                  const struct fs_verdict *verdict, struct fs_arena *arena,
                  struct fs_gate_result *result) {
    struct holding holding = {.gate = gate, .verdict = verdict, .arena = arena, .result = result};
    *result = (struct fs_gate_result){0};
    if (gate->baseline) holding.taken = fs_arena_alloc(arena, gate->baseline->count + 1);
    for (size_t i = 0; i < verdict->count; i++)
        hold_finding(&holding, &verdict->findings[i]);
    for (int i = 0; i < FS_RULE_COUNT; i++)
        hold_rule(&holding, i);
    const bool allowed =
        gate->allow_incomplete || (gate->expectation && gate->expectation->may_be_incomplete);
    result->incomplete = !job->totals.complete && !allowed;
    if (result->incomplete)
        add(&holding, (struct fs_condition){
                          .unknown = true,
                          .text = fs_arena_printf(arena, "the record is incomplete: %s",
                                                  fs_incomplete_text(arena, job)),
                      });
}
