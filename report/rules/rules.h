/*
 * rules.h - the rows of the rule table, one file per family.
 */
#ifndef FS_REPORT_RULES_H
#define FS_REPORT_RULES_H

#include "report/rule.h"

#define FS_RULE_ROW(name) extern const struct fs_rule fs_rule_##name;
FS_RULES(FS_RULE_ROW)
#undef FS_RULE_ROW

#endif
