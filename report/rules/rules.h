/*
 * rules.h - the rows of the rule table, one file per family.
 */
#ifndef FS_REPORT_RULES_H
#define FS_REPORT_RULES_H

#include "report/rule.h"

extern const struct fs_rule fs_rule_aff_01, fs_rule_aff_02;
extern const struct fs_rule fs_rule_ovs_01, fs_rule_ovs_02, fs_rule_ovs_03, fs_rule_ovs_04,
    fs_rule_ovs_08;
extern const struct fs_rule fs_rule_slm_02;
extern const struct fs_rule fs_rule_eff_01, fs_rule_eff_05;
extern const struct fs_rule fs_rule_prc_02, fs_rule_prc_03, fs_rule_prc_06;
extern const struct fs_rule fs_rule_mem_01, fs_rule_mem_02;
extern const struct fs_rule fs_rule_env_03, fs_rule_env_04;

#endif
