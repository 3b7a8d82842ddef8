#include "report/rules/rules.h"

#include <string.h>
#include <strings.h>

const struct fs_rule *const fs_rules[] = {
#define ROW(name) &fs_rule_##name,
    FS_RULES(ROW)
#undef ROW
        NULL,
};

const struct fs_rule *fs_rule_find(const char *id) {
    for (size_t i = 0; fs_rules[i]; i++)
        if (strcasecmp(fs_rules[i]->id, id) == 0) return fs_rules[i];
    return NULL;
}

int fs_rule_index(const struct fs_rule *rule) {
    for (int i = 0; fs_rules[i]; i++)
        if (fs_rules[i] == rule) return i;
    return 0;
}
