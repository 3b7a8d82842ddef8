/*
 * gate_fixture.h - what tests of the gate share: rules by their numbers, and a file.
 */
#ifndef FS_TEST_GATE_FIXTURE_H
#define FS_TEST_GATE_FIXTURE_H

#include "tests/unit/rule_fixture.h"

#include <stdio.h>
#include <unistd.h>

static inline int rule_number(const char *id) {
    const struct fs_rule *rule = fs_rule_find(id);
    assert_non_null(rule);
    return fs_rule_index(rule);
}

static char path[] = "/tmp/forksight-gate-XXXXXX";

static inline int make_file(void **state) {
    (void)state;
    const int descriptor = mkstemp(path);
    return descriptor < 0 ? -1 : close(descriptor);
}

#endif
