/*
 * junit.h - a gate's result as JUnit XML, for systems that show tests.
 *
 * One test case per rule: passed, failed (with the finding), skipped (does not apply), or
 * an error (unknown: its facts are missing). A pass on an incomplete record is an error
 * too, for there are readers that look at this file alone.
 */
#ifndef FS_REPORT_PRINT_JUNIT_H
#define FS_REPORT_PRINT_JUNIT_H

#include "report/gate.h"

struct fs_junit {
    const char *name;                    /* of the job, for "forksight.NAME" */
    const struct fs_job *job;            /* NULL: there is no record */
    const struct fs_verdict *verdict;    /* NULL likewise */
    const struct fs_gate_result *result; /* NULL likewise */
    const char *no_data;                 /* then: why there is none */
};

/* Prints it. Returns 0, or -1 with errno (out of memory, write error). */
int fs_junit_print(const struct fs_junit *junit, FILE *out);

#endif
