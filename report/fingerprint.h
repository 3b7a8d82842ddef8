/*
 * fingerprint.h - a name for a finding that is the same in the next run of the same fault.
 */
#ifndef FS_REPORT_FINGERPRINT_H
#define FS_REPORT_FINGERPRINT_H

#include "report/rule.h"

/*
 * "AFF-01-1f2e3d4c5b6a7988", of the rule and what the finding is about: the programs
 * without their folders (a Python of any version is "python") and the function that made
 * the workers; of a finding about the node, its title without numbers and hosts. No pid,
 * host, count or line number goes in. Two findings of one job may share a fingerprint.
 */
const char *fs_fingerprint(struct fs_arena *arena, const struct fs_finding *finding);

/* Whether two titles say the same but for numbers, plurals and the hosts of their nodes. */
bool fs_same_words(const struct fs_finding *a, const struct fs_finding *b);

#endif
