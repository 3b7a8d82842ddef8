/* slm_tasks.c - how the tasks of a step fill the CPUs that the job was given. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/whole.h"

#include <math.h>
#include <string.h>

enum { FIT_SHARE };
static const struct fs_threshold fit_thresholds[] = {
    [FIT_SHARE] = {"misfit", 0.1, "fraction", "tasks x CPUs may differ by this from those given",
                   "own"},
    {0},
};

/* Sums over the nodes of a step. */
struct fit {
    size_t nodes;
    double cpus, task_cpus; /* that the job was given; that the tasks' masks hold */
    double cores, task_cores;
    double busy;    /* CPUs that the tasks used on average */
    int cpus_least; /* on a node */
    bool unknown;
};

static struct fit fit_of(const struct fs_whole *whole, const struct fs_whole_launch *launch) {
    struct fit fit = {0};

    for (size_t i = 0; i < whole->count; i++) {
        const struct fs_whole_node *node = &whole->nodes[i];
        if (!fs_node_set_has(&launch->where, i)) continue;
        fit.unknown = fit.unknown || node->cpus < 1 || node->task_cpus < 1 || isnan(node->wall_s);
        if (fit.nodes == 0 || node->cpus < fit.cpus_least) fit.cpus_least = node->cpus;
        fit.nodes++;
        fit.cpus += node->cpus;
        fit.task_cpus += node->task_cpus;
        fit.cores += node->cores > 0 ? node->cores : NAN;
        fit.task_cores += node->task_cores > 0 ? node->task_cores : NAN;
        if (node->wall_s > 0) fit.busy += node->task_cpu_s / node->wall_s;
    }
    return fit;
}

/* How much of what was given the tasks could use. Where each may use one hardware thread of a
 * core, the other is no loss. */
static double share_of(const struct fit *fit) {
    const double cpus = fit->task_cpus / fit->cpus, cores = fit->task_cores / fit->cores;
    return cores > cpus ? cores : cpus;
}

static const char *tasks_text(struct fs_arena *arena, const struct fs_whole_launch *launch) {
    return launch->tasks_most == launch->tasks_least
               ? fs_arena_printf(arena, "%d tasks on each node", launch->tasks_most)
               : fs_arena_printf(arena, "%d tasks on some nodes, %d on others", launch->tasks_most,
                                 launch->tasks_least);
}

static void report_misfit(const struct fs_job *job, const struct fs_whole_launch *launch,
                          const struct fit *fit, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const int each = launch->tasks_most > 0 && fit->cpus_least >= launch->tasks_most
                         ? fit->cpus_least / launch->tasks_most
                         : 1;
    const long tasks = launch->tasks_most * (long)fit->nodes;
    const bool over = launch->tasks > fit->cpus;

    fs_add_finding(outcome, FS_WARNING, &job->nodes[0], NULL)->confidence = FS_INFERRED;
    if (over)
        fs_set_title(outcome, "%ld tasks on the %.0f CPUs of %zu node%s", launch->tasks, fit->cpus,
                     fit->nodes, fit->nodes == 1 ? "" : "s");
    else
        fs_set_title(outcome, "%ld tasks use %.0f of the %.0f CPUs of %zu node%s", launch->tasks,
                     fit->task_cpus, fit->cpus, fit->nodes, fit->nodes == 1 ? "" : "s");
    fs_set_nodes(outcome, &launch->where);
    fs_set_population(outcome, launch->tasks, launch->tasks, "tasks");
    fs_add_evidence(outcome, "tasks", (double)launch->tasks, "count", "%s",
                    tasks_text(arena, launch));
    fs_add_evidence(outcome, "task_cpus", fit->task_cpus, "cpus",
                    "their masks hold %.0f CPUs; the job was given %.0f", fit->task_cpus,
                    fit->cpus);
    fs_add_number(outcome, "given_cpus", fit->cpus, "cpus");
    fs_add_evidence(outcome, "busy_cpus", fit->busy, "cpus", "CPUs used by them: %.1f on average",
                    fit->busy);
    if (launch->cpus_per_task > 0)
        fs_add_cause(outcome, "-c %d for each task", launch->cpus_per_task);
    else
        fs_add_cause(outcome, "without -c a task gets one CPU, or one core");
    fs_add_command_fix(outcome, "unless other steps need those CPUs",
                       fs_arena_printf(arena, "srun -n %ld -c %d %s",
                                       over ? (long)fit->cpus : tasks, each,
                                       launch->command ? launch->command : "..."));
    if (!over) fs_set_gain(outcome, "up to %.1fx CPU time (est)", fit->cpus / fit->task_cpus);
}

static void judge_fit(const struct fs_job *job, const struct fs_whole_launch *launch,
                      const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const struct fs_whole *whole = job->whole;
    const double misfit = fs_threshold(thresholds, outcome->rule, FIT_SHARE);
    const struct fit fit = fit_of(whole, launch);

    if (launch->kind != FS_LAUNCH_SRUN || launch->tasks < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no step of several tasks");
    else if (fit.unknown || !whole->allocated.known || launch->size != launch->tasks)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "a node, a task or its mask was not recorded");
    else if (launch->where.count < whole->allocated.count)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the step was given some of the job's nodes");
    else if (whole->steps_beside || whole->steps_packed)
        fs_vote(outcome, FS_NOT_APPLICABLE, "other steps of the job ran beside it");
    else if (whole->steps_unknown)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whether other steps run beside it is not seen");
    else if (2 * launch->computing < launch->tasks)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the tasks hardly computed");
    else if ((double)launch->tasks <= (1 + misfit) * fit.cpus && share_of(&fit) >= 1 - misfit)
        fs_vote(outcome, FS_PASS, "the tasks fill the CPUs that the job was given");
    else
        report_misfit(job, launch, &fit, outcome);
}

static void check_fit(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    const struct fs_whole *whole = job->whole;

    if (whole->launch_count == 0) fs_vote(outcome, FS_NOT_APPLICABLE, "no launcher started tasks");
    for (size_t i = 0; i < whole->launch_count; i++)
        judge_fit(job, &whole->launches[i], thresholds, outcome);
}

const struct fs_rule fs_rule_slm_03 = {
    .id = "SLM-03",
    .family = "job script",
    .title = "tasks x CPUs misfit the nodes",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check_whole = check_fit,
    .why = "Slurm counts in CPUs: a step of n tasks with -c c uses n x c of them. When that is "
           "less than the nodes have, the rest is reserved, charged and idle; when a number of "
           "tasks does not divide by the number of nodes, some nodes wait for others; and when it "
           "is more, tasks share cores.",
    .decided =
        "A step of two or more tasks on all nodes of the job; the CPUs in the tasks' masks "
        "(or the cores, if these are the larger share) differ by more than `misfit` from "
        "those that Slurm gave to the job; and half of the tasks or more computed: they used a "
        "CPU, or waited for one, half of their time.",
    .exceptions = "Silent when the step has some of the job's nodes only or other steps run beside "
                  "it. A stride is no misfit: -c with more CPUs than a task has threads leaves "
                  "them free on purpose, as does one hardware thread of each core.",
    .fix = "srun -n {n} -c {CPUs of all nodes / n} {command}",
    .dispute = "One document gives an MPI task one CPU, another two, a third strides for memory: "
               "all of them fit, as long as -c says so.",
    .thresholds = fit_thresholds,
    .sources = (const char *const[]){"N2", "A2", NULL},
};
