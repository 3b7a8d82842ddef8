/*
 * text.h - the report for a terminal: 80 columns, 40 lines, one verdict.
 */
#ifndef FS_REPORT_PRINT_TEXT_H
#define FS_REPORT_PRINT_TEXT_H

#include "report/judge.h"
#include "report/print/page.h"

struct fs_text_options {
    const char *directory; /* of the job, for the last line; NULL: none */
    int top;               /* findings in full; 0: three, and at most 40 lines in all */
    bool rules;            /* what every rule came to, behind the page */
    bool verbose;          /* stacks to their last frame; lifts the 40 lines */
    enum fs_charset charset;
    bool color;
};

/* Prints the report. Returns 0, or -1 with errno (out of memory, write error). */
int fs_text_print(const struct fs_job *job, const struct fs_verdict *verdict, FILE *out,
                  const struct fs_text_options *options);

/* Parts of the page, each of at most the lines it says. */
void fs_text_header(struct fs_page *page, const struct fs_job *job); /* 1 */
void fs_text_finding(struct fs_page *page, const struct fs_finding *finding);
void fs_text_finding_short(struct fs_page *page, const struct fs_finding *finding); /* 1 */
void fs_text_cpus(struct fs_page *page, const struct fs_finding *finding);          /* 5 */
void fs_text_tree(struct fs_page *page, const struct fs_job *job);                  /* 2 */
void fs_text_data(struct fs_page *page, const struct fs_job *job);                  /* 4 */

/* The table of a job of several nodes, or of ranks on one (text_nodes.c): rows + 2 lines, or at
 * most 15. */
void fs_text_nodes(struct fs_page *page, const struct fs_job *job, size_t rows);

/* With commas between thousands, from 10,000 on. */
const char *fs_text_count(struct fs_arena *arena, long count);

/* Every rule with its status and the reason: a table without a limit (text_rules.c). */
void fs_text_rules(struct fs_page *page, const struct fs_verdict *verdict);

#endif
