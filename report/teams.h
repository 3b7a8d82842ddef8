/*
 * teams.h - questions that several rules ask about a team of threads.
 */
#ifndef FS_REPORT_TEAMS_H
#define FS_REPORT_TEAMS_H

#include "report/rule.h"

/* Runs judge on every team of the job. Without samples the vote is "unknown", without a team
 * "not applicable"; where teams were left out of the record, a pass is unknown, too. */
typedef void fs_judge_team(const struct fs_node *node, const struct fs_team *team,
                           const struct fs_thresholds *thresholds, struct fs_outcome *outcome);
void fs_each_team(const struct fs_job *job, const struct fs_thresholds *thresholds,
                  struct fs_outcome *outcome, fs_judge_team *judge);

/* Value of a recorded variable in the team's process; NULL: unset. */
const char *fs_team_variable(const struct fs_team *team, const char *name);

/* The variable that asks an OpenMP runtime to bind threads; NULL: none does. */
const char *fs_team_binding(const struct fs_team *team);

bool fs_team_is_openmp(const struct fs_team *team);

/* Whether an unrecorded owner may have been an OpenMP runtime. */
bool fs_team_may_be_openmp(const struct fs_team *team);

/* Whether a launcher started the process as one of several. */
bool fs_team_is_rank(const struct fs_team *team);

/* Whether the job, or the team's own process, works with forked or spawned workers or with
 * several like programs at once. Ranks are no such workers. */
bool fs_team_beside_workers(const struct fs_node *node, const struct fs_team *team);

/* Threads that wanted a CPU, on average while there were two or more; NAN: never. */
double fs_team_threads(const struct fs_team *team);

/* Run-queue wait / (run + wait) of the team, 0 to 1; NAN: not known. */
double fs_team_wait(const struct fs_team *team);

/* "solve (process 4711)", "solve (process 4711 and 3 like it)". */
const char *fs_team_name(struct fs_arena *arena, const struct fs_team *team);

/* The finding added last is about the team's processes. */
void fs_set_team_population(struct fs_outcome *outcome, const struct fs_team *team);

/* Evidence: how many of its threads wanted a CPU at once. */
void fs_tell_team(struct fs_outcome *outcome, const struct fs_team *team);

#endif
