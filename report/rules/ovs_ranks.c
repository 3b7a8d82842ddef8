/* ovs_ranks.c - more ranks than cores. */
#include "report/launched.h"
#include "report/rules/rules.h"

#include <math.h>
#include <string.h>

enum { RANKS_WAIT, RANKS_ERROR };
static const struct fs_threshold ranks_thresholds[] = {
    [RANKS_WAIT] = {"wait", 0.05, "fraction",
                    "least share of the time they could have run that the ranks wait for a CPU",
                    "own"},
    [RANKS_ERROR] = {"error", 0.20, "fraction", "share from which it is an error", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* Most ranks of a launch that computed and were alive at one time. */
static int ranks_at_once(const struct fs_node *node, const struct fs_task *tasks, size_t count) {
    int most = 0;

    for (size_t i = 0; i < count; i++) {
        int alive = 0;
        for (size_t j = 0; j < count && fs_task_computes(node, &tasks[i]); j++)
            alive += fs_task_computes(node, &tasks[j]) && tasks[j].start <= tasks[i].start &&
                     (i == j || fs_tasks_overlap(node, &tasks[i], &tasks[j]));
        if (alive > most) most = alive;
    }
    return most;
}

static void add_ranks_cause(const struct fs_node *node, const struct fs_launch *launch,
                            struct fs_outcome *outcome) {
    const char *name = launch && launch->word_count ? fs_base_name(launch->words[0]) : NULL;
    const struct fs_launch_options options =
        launch ? fs_launch_options_of(launch) : (struct fs_launch_options){0};

    if (options.oversubscribe)
        fs_add_cause(outcome, "%s was allowed to oversubscribe the cores", name);
    else if (launch && options.hostfile && launch->hostfile_slots > node->job_cores)
        fs_add_cause(outcome,
                     "the hostfile %s says %d slots: Open MPI takes them for cores, and its ranks "
                     "do not yield while they wait",
                     fs_base_name(options.hostfile), launch->hostfile_slots);
    else if (options.hosts && options.launcher == FS_LAUNCHER_OPENMPI)
        fs_add_cause(outcome, "--host %s says so many slots", options.hosts);
    else if (options.overcommit)
        fs_add_cause(outcome, "srun was allowed to overcommit the CPUs");
    else if (options.launcher == FS_LAUNCHER_HYDRA)
        fs_add_cause(outcome, "%s starts as many ranks as it is told", name);
    fs_add_cause(outcome, "a rank that waits for a message polls, and keeps the CPU from the one "
                          "that is to send it");
}

/* How many ranks to ask for when this node is to have as many as it has cores: the launcher's
 * number is that of all nodes. */
static int fitting_ranks(const struct fs_node *node, const struct fs_task *task, size_t count,
                         const struct fs_launch *launch) {
    const int asked = launch ? fs_launch_options_of(launch).ranks : FS_UNKNOWN;
    const int64_t all = asked > 0 ? asked : task->size;
    const int64_t cores = node->job_cores;

    return (int)(all > (int64_t)count ? all * cores / (int64_t)count : cores);
}

static void report_ranks(const struct fs_node *node, const struct fs_task *tasks, size_t count,
                         int ranks, double wait, enum fs_severity severity,
                         struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_launch *launch = fs_task_launch(node, tasks);
    const int fitting = fitting_ranks(node, tasks, count, launch);

    fs_add_finding(outcome, severity, node, NULL);
    fs_set_title(outcome, "%d ranks on %d core%s", ranks, node->job_cores,
                 node->job_cores == 1 ? "" : "s");
    fs_set_population(outcome, ranks, (long)count, "ranks");
    fs_add_evidence(outcome, "ranks", ranks, "count", "%d ranks at once; the job may use %s", ranks,
                    fs_cpus_text(arena, node->job_cpus, node->job_cores));
    fs_add_number(outcome, "cores", node->job_cores, "cores");
    fs_add_wait(outcome, wait);
    add_ranks_cause(node, launch, outcome);
    if (launch)
        fs_add_launch_fix(outcome, "as many ranks as cores", launch,
                          &(struct fs_launch_change){.ranks = fitting});
    else
        fs_add_fix(outcome, FS_FIX_CODE, "and the rest as it was", "%s -n %d ...",
                   fs_task_launcher_name(node, tasks), fitting);
    if (launch && launch->hostfile_slots > node->job_cores)
        fs_add_fix(outcome, FS_FIX_CODE, "in the hostfile", "%s slots=%d",
                   node->digest->host ? node->digest->host : "localhost", node->job_cores);
}

static void judge_ranks(const struct fs_node *node, const struct fs_task *first, size_t count,
                        const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double least = fs_threshold(thresholds, outcome->rule, RANKS_WAIT);
    const double error = fs_threshold(thresholds, outcome->rule, RANKS_ERROR);
    const struct fs_launch *launch = fs_task_launch(node, first);
    const bool asked = (launch && fs_launch_options_of(launch).hwthreads) ||
                       node->digest->scheduler.threads_per_core > 1;
    const double wait = fs_tasks_wait(first, count);

    if (node->job_cores < 0 || node->job_cpus < 0) {
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the cores of the job were not recorded");
        return;
    }
    const int ranks = count > (size_t)node->job_cores ? ranks_at_once(node, first, count) : 0;
    if (ranks <= node->job_cores)
        fs_vote(outcome, FS_PASS, "no more ranks than cores");
    else if (ranks <= node->job_cpus && asked)
        fs_vote(outcome, FS_PASS, "a rank on every hardware thread, as it was asked for");
    else if (ranks <= node->job_cpus && fs_is_outside(node->digest) && !launch &&
             first->launch != FS_LAUNCH_SRUN)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the launcher of the ranks was not looked at");
    else if (isnan(wait))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "run-queue wait was not recorded");
    else if (wait >= least)
        report_ranks(node, first, count, ranks, wait, wait >= error ? FS_ERROR : FS_WARNING,
                     outcome);
    else if (ranks <= node->job_cpus)
        report_ranks(node, first, count, ranks, wait, FS_NOTE, outcome);
    else
        fs_vote(outcome, FS_PASS, "the ranks hardly waited for a CPU (%.0f %%)", 100 * wait);
}

static void check_ranks(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    fs_each_launch(job, thresholds, outcome, judge_ranks);
}

const struct fs_rule fs_rule_ovs_05 = {
    .id = "OVS-05",
    .family = "load",
    .title = "more ranks than cores",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check = check_ranks,
    .why = "Ranks wait for messages by polling: a rank that waits is as busy as one that computes. "
           "With more ranks than cores, one that waits takes the CPU from the one that it waits "
           "for. Open MPI calls the loss severe, and worst when a hostfile promises more slots "
           "than there are cores, since its ranks then do not yield.",
    .decided = "More ranks of one launch that computed were alive at once on a node than the job "
               "has cores there, and they waited in run queues for `wait` or more of the time that "
               "they could have run; an error from `error` on. Up to a rank for each hardware "
               "thread that does not wait: a note.",
    .exceptions = "Silent when hardware threads were asked for (--use-hwthread-cpus, "
                  "--threads-per-core=2) and are enough, and for ranks that sleep.",
    .fix = "mpirun -n {cores} ...; --oversubscribe for functional tests only",
    .dispute = "Some tutorials say to simply add --oversubscribe. Where it costs nothing, nothing "
               "is said; where waiting is measured, it is.",
    .thresholds = ranks_thresholds,
    .sources = (const char *const[]){"T", "OMS", "MPF", NULL},
};
