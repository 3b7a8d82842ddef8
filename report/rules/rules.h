/*
 * rules.h - the rows of the rule table, one file per family.
 */
#ifndef FS_REPORT_RULES_H
#define FS_REPORT_RULES_H

#include "report/rule.h"

#define FS_RULE_ROW(name) extern const struct fs_rule fs_rule_##name;
FS_RULES(FS_RULE_ROW)
#undef FS_RULE_ROW

/* Whether OVS-01 finds something for the load (ovs.c): other rules are worse with it. */
bool fs_teams_crowd(const struct fs_load *load, const struct fs_thresholds *thresholds);

/* Whether one of FRK-02 to FRK-04 finds something for the place (frk_networks.c): FRK-01 is an
 * error then. */
bool fs_network_loses_pages(const struct fs_digest *digest, const struct fs_mpi_fork *fork);

#endif
