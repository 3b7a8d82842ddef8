/* expectation.c - what a test system knows beforehand: expectations and known findings. The
 * files may hold anything. */
#include "report/gate.h"
#include "report/print/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The object in the file; NULL: error says why. */
static json_t *read_object(const char *path, char *error, size_t error_size) {
    json_error_t details;
    FILE *in = fopen(path, "re");
    if (!in) {
        snprintf(error, error_size, "cannot read '%s': %s", path, strerror(errno));
        return NULL;
    }
    json_t *object = json_loadf(in, JSON_REJECT_DUPLICATES, &details);
    fclose(in);
    if (json_is_object(object)) return object;
    if (object)
        snprintf(error, error_size, "'%s' holds no JSON object", path);
    else
        snprintf(error, error_size, "'%s', line %d: no JSON: %.100s", path, details.line,
                 details.text);
    json_decref(object);
    return NULL;
}

/* --- expectations --- */

static const json_t *find_variant(const json_t *variants, const char *name, char *error,
                                  size_t error_size) {
    const size_t count = json_array_size(variants);
    size_t length = 0;
    char names[300] = "";
    for (size_t i = 0; i < count; i++) {
        const json_t *variant = json_array_get(variants, i);
        const char *own = json_string_value(json_object_get(variant, "name"));
        if (!own) continue;
        if (name ? strcmp(own, name) == 0 : count == 1) return variant;
        if (length < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       length ? ", " : "", own);
    }
    if (name)
        snprintf(error, error_size, "no variant '%.60s' there; it has: %s", name, names);
    else
        snprintf(error, error_size, "say which --variant; it has: %s", names);
    return NULL;
}

/* The rules that the member names, into table. Those that this forksight does not know are
 * skipped if they may be. */
static int read_rules(const json_t *variant, const char *member, bool may_be_new, bool *table,
                      char *error, size_t error_size) {
    const json_t *rules = json_object_get(variant, member);
    if (!rules) return 0;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const char *id = json_string_value(json_array_get(rules, i));
        const struct fs_rule *rule = id ? fs_rule_find(id) : NULL;
        if (rule) {
            table[fs_rule_index(rule)] = true;
        } else if (!id || !may_be_new) {
            snprintf(error, error_size, "no rule '%.20s' (in \"%s\"); forksight explain lists them",
                     id ? id : "?", member);
            return -1;
        }
    }
    if (json_is_array(rules)) return 0;
    snprintf(error, error_size, "\"%s\" is no list of rules", member);
    return -1;
}

struct list {
    const char *member;
    bool *table;
    bool may_be_new;
    bool alone; /* its rules are in no other list */
};

enum { LISTS = 4 };

/* The rule that is both in lists[i] and in another one, in whose place `other` is set; NULL. */
static const struct fs_rule *find_twice(const struct list lists[LISTS], int i, int *other) {
    for (int rule = 0; rule < FS_RULE_COUNT; rule++)
        for (*other = 0; *other < LISTS; ++*other)
            if (*other != i && lists[i].table[rule] && lists[*other].table[rule])
                return fs_rules[rule];
    return NULL;
}

static int read_lists(struct fs_expectation *expectation, const json_t *variant, char *error,
                      size_t error_size) {
    const struct list lists[LISTS] = {
        {"must", expectation->must, false, false},
        {"later", expectation->tolerated, true, false},
        {"pass", expectation->pass, false, true},
        {"not_applicable", expectation->not_applicable, false, true},
    };
    for (int i = 0; i < LISTS; i++)
        if (read_rules(variant, lists[i].member, lists[i].may_be_new, lists[i].table, error,
                       error_size) < 0)
            return -1;
    for (int i = 0, other; i < LISTS; i++) {
        const struct fs_rule *twice = lists[i].alone ? find_twice(lists, i, &other) : NULL;
        if (!twice) continue;
        snprintf(error, error_size, "%s is in \"%s\" and in \"%s\": it cannot come to both",
                 twice->id, lists[i].member, lists[other].member);
        return -1;
    }
    return 0;
}

static int read_variant(struct fs_expectation *expectation, const json_t *variant, char *error,
                        size_t error_size) {
    const char *must_not = json_string_value(json_object_get(variant, "must_not"));
    const char *name = json_string_value(json_object_get(variant, "name"));
    expectation->may_be_incomplete = json_string_length(json_object_get(variant, "incomplete")) > 0;
    snprintf(expectation->name, sizeof expectation->name, "%s", name);
    expectation->no_other = must_not && strcmp(must_not, "any other") == 0;
    if (must_not && !expectation->no_other) {
        snprintf(error, error_size, "\"must_not\" is neither \"any other\" nor a list of rules");
        return -1;
    }
    if (!must_not &&
        read_rules(variant, "must_not", false, expectation->must_not, error, error_size) < 0)
        return -1;
    return read_lists(expectation, variant, error, error_size);
}

int fs_expectation_read(struct fs_expectation *expectation, const char *path, const char *variant,
                        char *error, size_t error_size) {
    char why[400];
    *expectation = (struct fs_expectation){0};
    json_t *file = read_object(path, error, error_size);
    if (!file) return -1;
    const json_t *variants = json_object_get(file, "variants"), *found = NULL;
    if (json_array_size(variants) > 0)
        found = find_variant(variants, variant, why, sizeof why);
    else
        snprintf(why, sizeof why, "it has no \"variants\"");
    const int result = found ? read_variant(expectation, found, why, sizeof why) : -1;
    if (result < 0) snprintf(error, error_size, "'%s': %s", path, why);
    json_decref(file);
    return result;
}

/* --- known findings --- */

static int read_findings(struct fs_baseline *baseline, const json_t *findings) {
    const size_t count = json_array_size(findings);
    baseline->fingerprints = calloc(count + 1, sizeof *baseline->fingerprints);
    if (!baseline->fingerprints) return -1;
    for (size_t i = 0; i < count; i++) {
        const json_t *fingerprint = json_object_get(json_array_get(findings, i), "fingerprint");
        errno = EBADMSG;
        if (!json_is_string(fingerprint)) return -1;
        char *copy = strdup(json_string_value(fingerprint));
        if (!copy) return -1;
        baseline->fingerprints[baseline->count++] = copy;
    }
    return 0;
}

int fs_baseline_read(struct fs_baseline *baseline, const char *path, char *error,
                     size_t error_size) {
    *baseline = (struct fs_baseline){0};
    json_t *report = read_object(path, error, error_size);
    if (!report) return -1;
    const char *schema = json_string_value(json_object_get(report, "schema"));
    const json_t *findings = json_object_get(report, "findings");
    int result = -1;
    if (!schema || strcmp(schema, FS_JSON_SCHEMA) != 0 || !json_is_array(findings)) {
        snprintf(error, error_size,
                 "'%s' is no report of the form %s; make one with forksight report --format json",
                 path, FS_JSON_SCHEMA);
    } else {
        result = read_findings(baseline, findings);
        if (result < 0)
            snprintf(error, error_size, "'%s': %s", path,
                     errno == EBADMSG ? "a finding without a fingerprint" : strerror(errno));
    }
    json_decref(report);
    if (result < 0) fs_baseline_free(baseline);
    return result;
}

void fs_baseline_free(struct fs_baseline *baseline) {
    for (size_t i = 0; i < baseline->count; i++)
        free(baseline->fingerprints[i]);
    free(baseline->fingerprints);
    *baseline = (struct fs_baseline){0};
}
