/*
 * json.h - the report for machines: forksight.report/1, as forksight.report-1.schema.json
 * describes it.
 *
 * It is drawn from what the text report is drawn from, and says at least as much. Within
 * version 1 members are added, never renamed or removed. What was not measured is null.
 */
#ifndef FS_REPORT_PRINT_JSON_H
#define FS_REPORT_PRINT_JSON_H

#include "report/judge.h"
#include "report/print/json_value.h"

#define FS_JSON_SCHEMA "forksight.report/1"

/* Prints the report. Returns 0, or -1 with errno (out of memory, write error). */
int fs_json_print(const struct fs_job *job, const struct fs_verdict *verdict, FILE *out);

/* Parts of it: new values. */
json_t *fs_json_findings(struct fs_json *json, const struct fs_verdict *verdict);
json_t *fs_json_classes(struct fs_json *json, const struct fs_job *job);
json_t *fs_json_metrics(struct fs_json *json, const struct fs_job *job);
json_t *fs_json_outliers(struct fs_json *json, const struct fs_job *job);
json_t *fs_json_ranks(struct fs_json *json, const struct fs_job *job);
json_t *fs_json_rank_classes(struct fs_json *json, const struct fs_job *job);
json_t *fs_json_clocks(struct fs_json *json, const struct fs_job *job);
json_t *fs_json_nodes(struct fs_json *json, const struct fs_job *job);

/* The names of a set of nodes, as members hostlist and hosts_left_out of object. */
void fs_json_set_hosts(struct fs_json *json, json_t *object, const struct fs_job *job,
                       const struct fs_node_set *nodes);

/* Place in the code; null if nothing is known of it. */
json_t *fs_json_place(struct fs_json *json, const struct fs_place *place);

#endif
