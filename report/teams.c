#include "report/teams.h"

#include "preload/recorded_variables.h"
#include "report/remedy.h"
#include "report/thread_libraries.h"
#include "tracer/variables.h"

#include <math.h>
#include <string.h>

static const int64_t work_ns = 500000000; /* workers that did less in all are no load */

void fs_each_team(const struct fs_job *job, const struct fs_thresholds *thresholds,
                  struct fs_outcome *outcome, fs_judge_team *judge) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->team_count; j++)
            judge(&job->nodes[i], &digest->teams[j], thresholds, outcome);
        if (!digest->teams_sampled)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "threads were not sampled");
        else if (digest->teams_more > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "%d processes with threads were not kept",
                    digest->teams_more);
    }
    fs_vote(outcome, FS_NOT_APPLICABLE, "no team of threads worked at one time");
}

const char *fs_team_variable(const struct fs_team *team, const char *name) {
    return fs_variable_value(team->variables, team->variable_count, name);
}

static const char *team_variable(const void *team, const char *name) {
    return fs_team_variable(team, name);
}

const char *fs_team_binding(const struct fs_team *team) {
    return fs_binding_variable(team_variable, team);
}

bool fs_team_is_openmp(const struct fs_team *team) {
    return team->family & FSP_LIBRARIES_OPENMP;
}

bool fs_team_may_be_openmp(const struct fs_team *team) {
    return fs_team_is_openmp(team) || (!team->owner && (team->libraries & FSP_LIBRARIES_OPENMP));
}

bool fs_team_is_rank(const struct fs_team *team) {
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};
    const char *tasks = fs_team_variable(team, "SLURM_STEP_NUM_TASKS");

    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        if (fs_team_variable(team, ranks[i])) return true;
    return fs_team_variable(team, "SLURM_PROCID") && tasks && strcmp(tasks, "1") != 0;
}

static bool is_work(const struct fs_group *group) {
    if (group->helper || group->shell || group->cpu_ns < work_ns) return false;
    return group->kind == FS_GROUP_EXECUTABLE ? group->workers_peak > 1 : group->workers > 0;
}

bool fs_team_beside_workers(const struct fs_node *node, const struct fs_team *team) {
    const bool rank = fs_team_is_rank(team);

    if (team->forked > 0) return true;
    for (size_t i = 0; i < node->digest->group_count; i++) {
        const struct fs_group *group = &node->digest->groups[i];
        if (is_work(group) && !(rank && group->kind == FS_GROUP_EXECUTABLE)) return true;
    }
    return false;
}

double fs_team_threads(const struct fs_team *team) {
    return team->team_ns > 0 ? (double)team->thread_ns / (double)team->team_ns : NAN;
}

double fs_team_wait(const struct fs_team *team) {
    const double runnable = (double)team->run_ns + (double)team->wait_ns;

    return team->run_ns >= 0 && team->wait_ns >= 0 && runnable > 0
               ? (double)team->wait_ns / runnable
               : NAN;
}

const char *fs_team_name(struct fs_arena *arena, const struct fs_team *team) {
    const char *program = fs_base_name(team->executable);

    if (team->count < 2) return fs_arena_printf(arena, "%s (process %d)", program, team->pid);
    return fs_arena_printf(arena, "%s (process %d and %d like it)", program, team->pid,
                           team->count - 1);
}

void fs_set_team_population(struct fs_outcome *outcome, const struct fs_team *team) {
    const bool one = team->count < 2;

    if (fs_team_is_rank(team))
        fs_set_population(outcome, team->count, 0, one ? "rank" : "ranks");
    else
        fs_set_population(outcome, team->count, 0, one ? "process" : "processes");
}

void fs_tell_team(struct fs_outcome *outcome, const struct fs_team *team) {
    fs_add_evidence(outcome, "threads", team->busy, "count",
                    "%s: %d threads of %s wanted a CPU at once", fs_team_name(outcome->arena, team),
                    team->busy, fs_base_name(team->owner));
}
