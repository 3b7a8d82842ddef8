/* policy.c - a site's rules for its jobs. */
#include "report/gate.h"
#include "report/lines.h"
#include "tracer/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct policy {
    struct fs_gate *gate;
    struct fs_thresholds *thresholds;
};

static int fail(char *error, size_t error_size, const char *text) {
    snprintf(error, error_size, "%s", text);
    return -1;
}

static int disable(struct policy *policy, const char *id, const char *reason, char *error,
                   size_t error_size) {
    const struct fs_rule *rule = fs_rule_find(id);
    if (!rule) {
        snprintf(error, error_size, "no rule '%.20s'; forksight explain lists them", id);
        return -1;
    }
    if (!*reason) return fail(error, error_size, "say why: disable RULE = REASON");
    if (fs_thresholds_disable(policy->thresholds, rule, reason) == 0) return 0;
    return fail(error, error_size, strerror(errno));
}

static int read_line(char *line, void *context, char *error, size_t error_size) {
    struct policy *policy = context;
    char *equals = strchr(line, '=');
    if (!equals) return fail(error, error_size, "no '=' in it");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(equals - line), line);
    const char *key = fs_trim(name), *value = fs_trim(equals + 1);
    if (strcmp(key, "fail-on") == 0) {
        if (fs_fail_on_parse(value, &policy->gate->fail_on) == 0) return 0;
        return fail(error, error_size, "fail-on wants error, warning, note or never");
    }
    if (strcmp(key, "allow-incomplete") == 0) {
        if (!*value) return fail(error, error_size, "say why: allow-incomplete = REASON");
        policy->gate->allow_incomplete = true;
        return 0;
    }
    if (fs_begins(key, "disable "))
        return disable(policy, key + 8 + strspn(key + 8, " \t"), value, error, error_size);
    return fs_thresholds_set(policy->thresholds, line, error, error_size);
}

int fs_policy_read(struct fs_gate *gate, struct fs_thresholds *thresholds, const char *path,
                   char *error, size_t error_size) {
    struct policy policy = {.gate = gate, .thresholds = thresholds};
    return fs_lines_read(path, read_line, &policy, error, error_size);
}
