/* json_finding.c - the findings for machines. */
#include "report/fingerprint.h"
#include "report/print/json.h"

#include <math.h>
#include <string.h>

static const char *const severities[] = {
    [FS_NOTE] = "note", [FS_WARNING] = "warning", [FS_ERROR] = "error"};
static const char *const confidences[] = {[FS_MEASURED] = "measured", [FS_INFERRED] = "inferred"};
static const char *const fix_kinds[] = {
    [FS_FIX_COMMAND] = "command", [FS_FIX_ENVIRONMENT] = "environment", [FS_FIX_CODE] = "code"};

static json_t *examples_of(struct fs_json *json, const struct fs_finding *finding) {
    json_t *examples = fs_json_array(json);
    if (!finding->load) return examples;
    const struct fs_group *group = finding->load->group;
    for (size_t i = 0; i < sizeof group->examples / sizeof *group->examples; i++) {
        if (group->examples[i] <= 0) continue;
        json_t *example = fs_json_object(json);
        fs_json_text(json, example, "host", finding->node->digest->host);
        fs_json_count(json, example, "pid", group->examples[i]);
        fs_json_append(json, examples, example);
    }
    return examples;
}

static json_t *population_of(struct fs_json *json, const struct fs_finding *finding) {
    json_t *population = fs_json_object(json);
    fs_json_count(json, population, "processes",
                  finding->population > 0 ? finding->population : -1);
    fs_json_count(json, population, "of", finding->of > 0 ? finding->of : -1);
    fs_json_text(json, population, "unit", finding->unit);
    fs_json_count(json, population, "nodes", finding->nodes);
    fs_json_text(json, population, "hostlist", finding->hosts);
    fs_json_count(json, population, "hosts_left_out", (int64_t)finding->hosts_left_out);
    fs_json_count(json, population, "of_nodes", (int64_t)finding->of_nodes);
    fs_json_set(json, population, "examples", examples_of(json, finding));
    return population;
}

static json_t *evidence_of(struct fs_json *json, const struct fs_finding *finding) {
    json_t *all = fs_json_object(json);
    for (size_t i = 0; i < finding->evidence_count; i++) {
        const struct fs_evidence *evidence = &finding->evidence[i];
        json_t *object = fs_json_object(json);
        char name[64];
        snprintf(name, sizeof name, "%s", evidence->name);
        for (int twin = 2; json_object_get(all, name); twin++)
            snprintf(name, sizeof name, "%.50s_%d", evidence->name, twin);
        fs_json_real(json, object, "value", evidence->value);
        fs_json_text(json, object, "unit", evidence->unit);
        if (evidence->text) fs_json_text(json, object, "text", evidence->text);
        fs_json_set(json, all, name, object);
    }
    return all;
}

static json_t *fixes_of(struct fs_json *json, const struct fs_finding *finding) {
    json_t *fixes = fs_json_array(json);
    for (size_t i = 0; i < finding->fix_count; i++) {
        const struct fs_fix *fix = &finding->fix[i];
        json_t *object = fs_json_object(json);
        fs_json_text(json, object, "kind", fix_kinds[fix->kind]);
        fs_json_text(json, object, "text", fix->text);
        fs_json_text(json, object, "when", fix->when);
        fs_json_append(json, fixes, object);
    }
    return fixes;
}

static json_t *stacks_of(struct fs_json *json, const struct fs_finding *finding) {
    json_t *stacks = fs_json_array(json);
    for (size_t i = 0; i < finding->stack_count; i++) {
        json_t *object = fs_json_object(json);
        fs_json_text(json, object, "of", finding->stack[i].whose);
        fs_json_text(json, object, "frames", finding->stack[i].frames);
        fs_json_append(json, stacks, object);
    }
    return stacks;
}

static json_t *finding_of(struct fs_json *json, const struct fs_finding *finding,
                          struct fs_arena *arena) {
    const char *id = finding->rule->id;
    json_t *object = fs_json_object(json);
    fs_json_text(json, object, "rule", id);
    fs_json_text(json, object, "severity", severities[finding->severity]);
    fs_json_text(json, object, "confidence", confidences[finding->confidence]);
    fs_json_text(json, object, "title", finding->title);
    fs_json_set(json, object, "population", population_of(json, finding));
    fs_json_set(json, object, "place",
                finding->load    ? fs_json_place(json, &finding->load->group->site)
                : finding->place ? fs_json_place(json, finding->place)
                                 : json_null());
    fs_json_set(json, object, "evidence", evidence_of(json, finding));
    if (finding->stack_count > 0) fs_json_set(json, object, "stacks", stacks_of(json, finding));
    fs_json_texts(json, object, "cause", finding->cause, finding->cause_count);
    fs_json_set(json, object, "fix", fixes_of(json, finding));
    fs_json_text(json, object, "gain", finding->gain);
    fs_json_text(json, object, "follows_from", finding->follows ? finding->follows->id : NULL);
    fs_json_text(json, object, "fingerprint", fs_fingerprint(arena, finding));
    fs_json_text(json, object, "docs", fs_arena_printf(arena, "forksight explain %s", id));
    return object;
}

json_t *fs_json_findings(struct fs_json *json, const struct fs_verdict *verdict) {
    struct fs_arena arena = {0};
    json_t *findings = fs_json_array(json);
    for (size_t i = 0; i < verdict->count; i++)
        fs_json_append(json, findings, finding_of(json, &verdict->findings[i], &arena));
    json->failed = json->failed || arena.failed;
    fs_arena_free(&arena);
    return findings;
}
