/* aff_teams.c - rules on where the threads of a team run. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/teams.h"

#include "preload/segment.h"

enum { MOVES_SHARE, MOVES_LOOKS };
static const struct fs_threshold moves_thresholds[] = {
    [MOVES_SHARE] = {"share", 0.10, "fraction",
                     "least share of samples in which a thread is in another NUMA domain", "own"},
    [MOVES_LOOKS] = {"samples", 20, "count", "least samples of threads of the team", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static void report_moves(const struct fs_node *node, const struct fs_team *team, double share,
                         struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;

    fs_add_finding(outcome, FS_NOTE, node, NULL);
    fs_set_title(outcome, "%d threads of %s move between NUMA domains", team->threads,
                 fs_base_name(team->executable));
    fs_set_team_population(outcome, team);
    fs_add_evidence(outcome, "moves", share, "fraction",
                    "%s: in %.0f %% of %lld samples a thread was in another domain than before",
                    fs_team_name(arena, team), 100 * share, (long long)team->looks);
    fs_add_evidence(outcome, "cpus", fs_mask_cpus(team->cpus), "cpus",
                    "%d threads of %s, seen on CPU %s", team->threads, fs_base_name(team->owner),
                    fs_mask_list(arena, team->cpus));
    fs_add_cause(outcome, "OMP_PROC_BIND is not set: the kernel moves the threads, their memory "
                          "stays behind");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, NULL, "export OMP_PROC_BIND=true OMP_PLACES=cores");
}

static void judge_moves(const struct fs_node *node, const struct fs_team *team,
                        const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double least = fs_threshold(thresholds, outcome->rule, MOVES_SHARE);
    const double looks = fs_threshold(thresholds, outcome->rule, MOVES_LOOKS);
    const double share = team->looks > 0 ? (double)team->moves / (double)team->looks : 0;

    if (!fs_team_is_openmp(team)) return;
    if (fs_team_variable(team, "OMP_PROC_BIND") || fs_team_binding(team) ||
        fs_team_variable(team, "KMP_AFFINITY"))
        fs_vote(outcome, FS_PASS, "the job says where the threads run, or that they are not bound");
    else if (fs_team_beside_workers(node, team) || team->workers > 1)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job has worker processes: binding harms those");
    else if (team->libraries & FSP_LIBRARY_OPENBLAS)
        fs_vote(outcome, FS_NOT_APPLICABLE, "binding harms the threads of OpenBLAS");
    else if (node->job_cpus < 0 || node->cpus < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the CPUs of the job or of the node are not known");
    else if (node->job_cpus < node->cpus)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job has not the whole node");
    else if (team->looks == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the node has one NUMA domain");
    else if ((double)team->looks < looks)
        fs_vote(outcome, FS_PASS, "the teams worked for a short time only");
    else if (share < least)
        fs_vote(outcome, FS_PASS, "threads changed their NUMA domain in %.0f %% of the samples",
                100 * share);
    else
        report_moves(node, team, share, outcome);
}

static void check_moves(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    fs_each_team(job, thresholds, outcome, judge_moves);
}

const struct fs_rule fs_rule_aff_09 = {
    .id = "AFF-09",
    .family = "affinity",
    .title = "unpinned thread team migrates",
    .severity = FS_NOTE,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "how threads moved before is",
    .check = check_moves,
    .why = "Memory belongs to the NUMA domain of the thread that touched it first. When the kernel "
           "moves the thread to another domain, every access goes the long way. One site measured "
           "58 to 87 s unpinned against 41 to 45 s pinned, on four cores.",
    .decided = "The job forks no workers; a team of two or more OpenMP threads is at work, and in "
               "`share` or more of its samples (at least `samples` of them) a thread ran in "
               "another NUMA domain than in the sample before; OMP_PROC_BIND is not set.",
    .exceptions = "Silent when the job has workers or OpenBLAS, which binding harms, when it has "
                  "not the whole node (others may be on the same cores), and when a variable "
                  "says how to bind, or not to.",
    .fix = "export OMP_PROC_BIND=true OMP_PLACES=cores",
    .dispute = "Some sites advise to pin, some say that the kernel does well. Only teams that were "
               "seen to move, on whole nodes and without forked workers, are told to.",
    .thresholds = moves_thresholds,
    .sources = (const char *const[]){"NZO", "LUB", NULL},
};
