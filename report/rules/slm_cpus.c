/* slm_cpus.c - the rule on --cpus-per-task that srun did not take over from the job. */
#include "report/launch.h"
#include "report/rules/rules.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <math.h>

enum { DROPPED_TIME, DROPPED_USE };
static const struct fs_threshold dropped_thresholds[] = {
    [DROPPED_TIME] = {"time", 1.0, "s", "least CPU time of a task", "own"},
    [DROPPED_USE] = {"use", 0.5, "fraction",
                     "least share of the CPUs it had that the task used over its life", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* What srun gave the task: a mask that it set itself afterwards does not count. */
static hwloc_const_bitmap_t given_mask(const struct fs_task *task) {
    return task->mask_before ? task->mask_before : task->mask;
}

/* Workers or threads, whichever are more. */
static int wanted_cpus(const struct fs_task *task) {
    return task->workers > task->threads ? task->workers : task->threads;
}

static double used_cpus(const struct fs_node *node, const struct fs_task *task) {
    const int64_t end = task->end != FS_UNKNOWN ? task->end : node->digest->wall_ns;
    return end > task->start ? (double)task->cpu_ns / (double)(end - task->start) : 0;
}

/* Which CPUs or how many of them srun was told on its command line; NULL: neither, or its
 * command line is not recorded. */
static const char *said_on_the_line(const struct fs_node *node) {
    const struct fs_launch *launch = fs_node_launch(node, FS_LAUNCHER_SRUN);
    static const char *const by_hand[] = {"map_", "mask_", "rank", "none", "no"};

    if (!launch) return NULL;
    const struct fs_launch_options options = fs_launch_options_of(launch);
    if (options.cpus > 0) return "srun was told how many CPUs each task gets";
    for (size_t i = 0; options.bind_to && i < sizeof by_hand / sizeof *by_hand; i++)
        if (fs_begins(options.bind_to, by_hand[i])) return "srun was told which CPUs to bind to";
    return NULL;
}

/* A task that changed its mask itself had another one; from outside only Slurm's own words in its
 * environment tell. */
static bool knows_given(const struct fs_digest *digest) {
    int tasks = 0;

    for (size_t i = 0; i < digest->task_count; i++)
        tasks += digest->tasks[i].launch == FS_LAUNCH_SRUN;
    return !fs_is_outside(digest) || digest->audited->given >= tasks;
}

/* Whether the task has fewer CPUs than were asked for, and misses them; else says why not. */
static bool is_short(const struct fs_node *node, const struct fs_task *task,
                     const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const int given = fs_mask_cpus(given_mask(task)), asked = task->cpus_per_task;
    const double time = fs_threshold(thresholds, outcome->rule, DROPPED_TIME);
    const double use = fs_threshold(thresholds, outcome->rule, DROPPED_USE);
    const char *said = said_on_the_line(node);

    if (asked < 1)
        fs_vote(outcome, FS_NOT_APPLICABLE, "SLURM_CPUS_PER_TASK is not set");
    else if (given < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks of the tasks were not recorded");
    else if (given >= asked)
        fs_vote(outcome, FS_PASS, "each task has the CPUs that were asked for");
    else if (given >= node->cpus)
        fs_vote(outcome, FS_PASS, "the tasks may use every CPU of the node");
    else if (said)
        fs_vote(outcome, FS_PASS, "%s", said);
    else if (fs_variable_value(node->digest->variables, node->digest->variable_count,
                               "SRUN_CPUS_PER_TASK"))
        fs_vote(outcome, FS_PASS, "srun was told by SRUN_CPUS_PER_TASK");
    else if (wanted_cpus(task) < 2 || wanted_cpus(task) < given)
        fs_vote(outcome, FS_PASS, "the tasks have a CPU for each worker and thread");
    else if ((double)task->cpu_ns < time * 1e9 || used_cpus(node, task) < use * given)
        fs_vote(outcome, FS_PASS, "the tasks left CPUs idle that they had");
    else if (!knows_given(node->digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "which CPUs srun gave is not seen from outside");
    else
        return true;
    return false;
}

static void report_dropped(const struct fs_node *node, const struct fs_task *task, int tasks,
                           int of, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    hwloc_const_bitmap_t mask = given_mask(task);
    const int given = fs_mask_cpus(mask), asked = task->cpus_per_task, wanted = wanted_cpus(task);
    const int cores = fs_mask_cores(node->digest->topology, mask);
    const struct fs_launch *launch = fs_node_launch(node, FS_LAUNCHER_SRUN);
    const char *things = task->workers >= task->threads ? "workers" : "threads";

    fs_add_finding(outcome, FS_ERROR, node, NULL)->confidence = FS_INFERRED;
    fs_set_title(outcome, "srun dropped -c %d: %d CPU%s for %d %s", asked, given,
                 given == 1 ? "" : "s", wanted, things);
    fs_set_population(outcome, tasks, of, of == 1 ? "task" : "tasks");
    fs_add_evidence(outcome, "task_cpus", given, "cpus", "task %d was given CPUs %s: %s",
                    task->rank < 0 ? 0 : task->rank, fs_mask_list(arena, mask),
                    fs_cpus_text(arena, given, cores));
    fs_add_evidence(outcome, "cpus_per_task", asked, "cpus",
                    "the job's SLURM_CPUS_PER_TASK is %d; SRUN_CPUS_PER_TASK is not set", asked);
    fs_add_evidence(outcome, "used_cpus", used_cpus(node, task), "cpus",
                    "it had %d %s and used %.1f CPUs over its life", wanted, things,
                    used_cpus(node, task));
    fs_add_cause(outcome, "since Slurm 22.05 srun does not take --cpus-per-task from the job");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "in the job script, before srun",
               "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK");
    if (launch) {
        const struct fs_launch_change change = {.add = fs_arena_printf(arena, "-c %d", asked)};
        fs_add_launch_fix(outcome, "the same for one step", launch, &change);
    }
    const int usable = things[0] == 'w' && wanted < asked ? wanted : asked;
    if (usable > given) fs_set_gain(outcome, "up to %.1fx CPU time (est)", (double)usable / given);
}

static void judge_node(const struct fs_node *node, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const struct fs_task *worst = NULL;
    int tasks = 0, of = 0;

    for (size_t i = 0; i < digest->task_count; i++) {
        const struct fs_task *task = &digest->tasks[i];
        if (task->launch != FS_LAUNCH_SRUN || task->step < 0) continue;
        of++;
        if (!is_short(node, task, thresholds, outcome)) continue;
        tasks++;
        if (!worst || task->cpu_ns > worst->cpu_ns) worst = task;
    }
    if (worst) report_dropped(node, worst, tasks, of, outcome);
}

static void check_dropped(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        judge_node(&job->nodes[i], thresholds, outcome);
    fs_vote(outcome, FS_NOT_APPLICABLE, "no task was started by srun");
}

const struct fs_rule fs_rule_slm_01 = {
    .id = "SLM-01",
    .family = "job script",
    .title = "srun dropped --cpus-per-task",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_dropped,
    .why = "Until Slurm 22.05 srun took --cpus-per-task from sbatch or salloc. Since then it does "
           "not: a step without -c of its own counts one CPU for each task, and what binds tasks "
           "to cores gives them that one. All workers and threads of a task then share it, while "
           "the other CPUs are paid for and idle. The variable SLURM_CPUS_PER_TASK still comes "
           "down from the job, so programs read the larger number.",
    .decided = "A task that srun started; SLURM_CPUS_PER_TASK in its environment is more than the "
               "CPUs of the mask that it was given (an srun with -c would have set the variable "
               "to its own number, an older srun would have given the CPUs); SRUN_CPUS_PER_TASK "
               "is not set. The task had two workers or threads or more, at least one for each "
               "of its CPUs; it used `time` of CPU time and `use` of its CPUs.",
    .exceptions = "Silent when the tasks have a CPU for each worker and thread (asking for more "
                  "CPUs to get more memory is sound), when they are not bound, and when srun's "
                  "command line says -c or names the CPUs. Which version of Slurm it is stands "
                  "nowhere: how it behaved is what is seen. An audit takes what srun gave from "
                  "SLURM_CPU_BIND_LIST in the task's environment, and does not know otherwise.",
    .fix = "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK",
    .thresholds = dropped_thresholds,
    .sources = (const char *const[]){"Z", "A2U", "RF", NULL},
};
