#include "report/rules/rules.h"

#include <string.h>
#include <strings.h>

const struct fs_rule *const fs_rules[] = {
    &fs_rule_aff_01, &fs_rule_aff_02, &fs_rule_ovs_01,
    &fs_rule_ovs_02, &fs_rule_ovs_03, &fs_rule_ovs_04,
    &fs_rule_ovs_08, &fs_rule_slm_02, &fs_rule_eff_01,
    &fs_rule_eff_05, &fs_rule_prc_02, &fs_rule_prc_03,
    &fs_rule_prc_06, &fs_rule_mem_01, &fs_rule_mem_02,
    &fs_rule_env_03, &fs_rule_env_04, NULL,
};
_Static_assert(sizeof fs_rules / sizeof *fs_rules == FS_RULE_COUNT + 1, "rule table");

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
