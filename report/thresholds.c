#include "report/thresholds.h"

#include "report/lines.h"
#include "report/rule.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fs_thresholds {
    double value[FS_RULE_COUNT][FS_THRESHOLDS_MAX];
    char *disabled[FS_RULE_COUNT]; /* the reason; NULL: it is not */
};

struct fs_thresholds *fs_thresholds_new(void) {
    struct fs_thresholds *thresholds = calloc(1, sizeof *thresholds);
    if (!thresholds) return NULL;
    for (int i = 0; fs_rules[i]; i++) {
        const struct fs_threshold *row = fs_rules[i]->thresholds;
        for (int j = 0; row && row[j].name; j++)
            thresholds->value[i][j] = row[j].value;
    }
    return thresholds;
}

void fs_thresholds_free(struct fs_thresholds *thresholds) {
    for (int i = 0; thresholds && i < FS_RULE_COUNT; i++)
        free(thresholds->disabled[i]);
    free(thresholds);
}

int fs_thresholds_disable(struct fs_thresholds *thresholds, const struct fs_rule *rule,
                          const char *reason) {
    char **place = &thresholds->disabled[fs_rule_index(rule)], *copy = strdup(reason);
    if (!copy) return -1;
    free(*place);
    *place = copy;
    return 0;
}

const char *fs_disabled(const struct fs_thresholds *thresholds, const struct fs_rule *rule) {
    return thresholds ? thresholds->disabled[fs_rule_index(rule)] : NULL;
}

double fs_threshold(const struct fs_thresholds *thresholds, const struct fs_rule *rule, int index) {
    return thresholds ? thresholds->value[fs_rule_index(rule)][index]
                      : rule->thresholds[index].value;
}

static int name_index(const struct fs_rule *rule, const char *name) {
    for (int i = 0; rule->thresholds && rule->thresholds[i].name; i++)
        if (strcmp(rule->thresholds[i].name, name) == 0) return i;
    return -1;
}

/* key and value are trimmed. */
static int set_value(struct fs_thresholds *thresholds, const char *key, const char *value,
                     char *error, size_t error_size) {
    const char *dot = strchr(key, '.');
    char id[16];
    snprintf(id, sizeof id, "%.*s", dot ? (int)(dot - key) : (int)strlen(key), key);
    const struct fs_rule *rule = dot && dot - key < (long)sizeof id ? fs_rule_find(id) : NULL;
    const int index = rule ? name_index(rule, dot + 1) : -1;
    if (index < 0) {
        snprintf(error, error_size, "no threshold '%.60s': `forksight explain %s` lists %s", key,
                 rule ? rule->id : "RULE", rule ? "those of the rule" : "a rule's thresholds");
        return -1;
    }
    char *end;
    const double number = strtod(value, &end);
    if (end == value || *end || !isfinite(number) || number < 0) {
        snprintf(error, error_size, "'%.60s' is no value for %.60s: give a number of 0 or more",
                 value, key);
        return -1;
    }
    thresholds->value[fs_rule_index(rule)][index] = number;
    return 0;
}

int fs_thresholds_set(struct fs_thresholds *thresholds, const char *assignment, char *error,
                      size_t error_size) {
    char *copy = strdup(assignment);
    if (!copy) {
        snprintf(error, error_size, "%s", strerror(errno));
        return -1;
    }
    char *equals = strchr(copy, '=');
    int result = -1;
    if (equals) {
        *equals = '\0';
        result = set_value(thresholds, fs_trim(copy), fs_trim(equals + 1), error, error_size);
    } else {
        snprintf(error, error_size, "'%.60s' is no threshold: write RULE.NAME=VALUE", assignment);
    }
    free(copy);
    return result;
}

static int read_line(char *line, void *context, char *error, size_t error_size) {
    return fs_thresholds_set(context, line, error, error_size);
}

int fs_thresholds_read(struct fs_thresholds *thresholds, const char *path, char *error,
                       size_t error_size) {
    return fs_lines_read(path, read_line, thresholds, error, error_size);
}
