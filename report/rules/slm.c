/* slm.c - rules on what the job asked the batch system for. */
#include "report/launched.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "tracer/text.h"

#include <string.h>

/* CPUs that the allocation has on this node: the greatest number any witness tells. */
static int allocated_cpus(const struct fs_node *node) {
    const int told = node->digest->scheduler.cpus_on_node;
    return told > node->job_cpus ? told : node->job_cpus;
}

/* Was the mask already this narrow when the step started? Then no call in the job did it. */
static bool step_was_narrow(const struct fs_load *load) {
    hwloc_const_bitmap_t start = load->node->digest->mask_start;
    return !load->group->narrowing ||
           (start && hwloc_bitmap_isincluded(start, load->group->mask_union));
}

/* The same from outside, if Slurm's own words in the task's environment tell: 1; 0: no; -1: they
 * do not. The step has one task on the node. */
static int was_given_narrow(const struct fs_load *load) {
    const struct fs_digest *digest = load->node->digest;

    for (size_t i = 0; i < digest->task_count && digest->audited->given == 1; i++) {
        const struct fs_task *task = &digest->tasks[i];
        hwloc_const_bitmap_t given = task->mask_before ? task->mask_before : task->mask;
        if (task->launch == FS_LAUNCH_SRUN && given)
            return hwloc_bitmap_isincluded(given, load->group->mask_union);
    }
    return -1;
}

/* The only one of the step on this node; NULL: it is not recorded. */
static const struct fs_task *task_of_step(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->task_count; i++)
        if (digest->tasks[i].launch == FS_LAUNCH_SRUN) return &digest->tasks[i];
    return NULL;
}

/* Whether the job's command is what the task runs, and not what called srun, elsewhere. */
static bool is_command_of_task(const struct fs_digest *digest, const struct fs_task *task) {
    enum { TELLING = 4 }; /* characters */
    const size_t count = digest->command_count;

    if (digest->launcher) return false;
    if (!task || !task->command || count == 0) return true;
    return strstr(task->command, fs_base_name(digest->command[0])) ||
           (strlen(digest->command[count - 1]) >= TELLING &&
            strstr(task->command, digest->command[count - 1]));
}

static bool is_assigned(const struct fs_launch *launch, const char *name) {
    const size_t length = strlen(name);

    for (size_t i = 0; i < launch->word_count; i++)
        if (fs_begins(launch->words[i], name) && launch->words[i][length] == '=') return true;
    return false;
}

static void add_step_fixes(const struct fs_load *load, int allocated, struct fs_outcome *outcome) {
    static const char when[] = "unless other steps need those CPUs";
    static const char fewer[] = "and as many workers as CPUs";
    struct fs_arena *arena = outcome->arena;
    const struct fs_digest *digest = load->node->digest;
    const bool many = load->workers > allocated;
    const struct fs_remedy remedy = fs_remedy_command(arena, load, NULL, many ? allocated : 0);
    const struct fs_task *task = task_of_step(digest);
    const struct fs_launch *launch = task ? fs_task_launch(load->node, task) : NULL;
    const char *places = fs_arena_printf(arena, "-c %d --cpu-bind=cores", allocated);
    const char *srun =
        fs_arena_printf(arena, "srun -n 1 %s %s", places, remedy.variable ? "env " : "");
    bool sized = remedy.variable != NULL;

    if (launch) {
        sized = sized && !is_assigned(launch, remedy.variable);
        fs_add_launch_fix(outcome, when, launch,
                          &(struct fs_launch_change){.add = places, .replace = true});
        if (sized)
            fs_add_fix(outcome, FS_FIX_ENVIRONMENT, fewer, "export %s=%d", remedy.variable,
                       allocated);
    } else if (is_command_of_task(digest, task)) {
        fs_add_remedy(outcome, when, srun, &remedy);
    } else if (task && task->command) {
        const char *workers =
            sized ? fs_arena_printf(arena, "%s=%d ", remedy.variable, allocated) : "";
        fs_add_command_fix(outcome, when,
                           fs_arena_printf(arena, "%s%s%s", srun, workers, task->command));
    } else {
        fs_add_fix(outcome, FS_FIX_CODE, when, "srun %s ...", places);
    }
    if (many && !sized)
        fs_add_fix(outcome, FS_FIX_CODE, fewer, "%s",
                   fs_pool_size_code(arena, load, allocated, allocated));
}

static void report_step(const struct fs_load *load, int allocated, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;

    fs_add_finding(outcome, FS_ERROR, load->node, load)->confidence = FS_INFERRED;
    fs_set_title(outcome, "step of %d workers was given %d of %d CPUs", load->workers, load->cpus,
                 allocated);
    fs_set_population(outcome, load->workers, load->group->workers, "workers");
    fs_add_evidence(outcome, "worker_cpus", load->cpus, "cpus",
                    "%d workers have mask %s: %s; the allocation has %d CPUs", load->workers,
                    fs_mask_list(arena, load->group->mask_union),
                    fs_cpus_text(arena, load->cpus, load->cores), allocated);
    fs_add_number(outcome, "allocated_cpus", allocated, "cpus");
    fs_add_number(outcome, "workers", load->workers, "count");
    fs_add_wait(outcome, load->wait);
    fs_add_cause(outcome, "srun without -c binds its one task to one CPU or core");
    fs_add_birth_cause(outcome, load);
    add_step_fixes(load, allocated, outcome);
    const int usable = load->workers < allocated ? load->workers : allocated;
    fs_set_gain(outcome, "up to %.0fx CPU time (est)", (double)usable / load->cpus);
}

static void judge_step(const struct fs_load *load, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_scheduler *scheduler = &load->node->digest->scheduler;
    const int allocated = allocated_cpus(load->node);
    const int needed = load->workers < allocated ? load->workers : allocated;
    const bool outside = fs_is_outside(load->node->digest);

    if (!scheduler->name || strcmp(scheduler->name, "slurm") != 0 || !scheduler->in_step)
        fs_vote(outcome, FS_NOT_APPLICABLE, "not started by srun");
    else if (scheduler->step_tasks_on_node < 0 || load->cpus < 0 || allocated < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the step's tasks or the masks were not recorded");
    else if (scheduler->step_tasks_on_node != 1)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the step has several tasks on the node");
    else if (load->cpus >= needed)
        fs_vote(outcome, FS_PASS, "the step was given enough CPUs");
    else if (outside && was_given_narrow(load) < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "which CPUs srun gave is not seen from outside");
    else if (outside ? was_given_narrow(load) == 0 : !step_was_narrow(load))
        fs_vote(outcome, FS_PASS, "the job narrowed the mask itself");
    else if (fs_has_steps_beside(load->node->digest) || load->node->packed_steps)
        fs_vote(outcome, FS_NOT_APPLICABLE, "other steps of the job ran beside it");
    else if (load->busy < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "how many workers were busy at once was not sampled");
    else if (load->busy <= load->cpus)
        fs_vote(outcome, FS_PASS, "no more workers were busy at once than they have CPUs");
    else
        report_step(load, allocated, outcome);
}

static void check_step(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_step);
}

const struct fs_rule fs_rule_slm_02 = {
    .id = "SLM-02",
    .family = "job script",
    .title = "multiprocessing step lacks CPUs",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "the mask that the step began with is",
    .check = check_step,
    .why = "srun gives a task one CPU unless it is asked for more. A pool of workers is one task "
           "to Slurm: its workers inherit that one CPU, while the rest of the allocation is paid "
           "for and idle.",
    .decided = "A Slurm step with one task on the node; two or more workers; the union of their "
               "masks has fewer CPUs than min(workers, CPUs allocated on the node); the mask was "
               "that narrow when the step started; and more workers were busy at once than it has "
               "CPUs.",
    .exceptions =
        "Silent when a call in the job narrowed the mask (that is AFF-01), when no more "
        "workers have work at once than there are CPUs, and when another step of the "
        "job was seen on the node: the other CPUs may be its own. An audit takes what srun "
        "gave from SLURM_CPU_BIND_LIST in the task's environment, and does not know "
        "otherwise.",
    .fix = "srun -n 1 -c {CPUs} --cpu-bind=cores {command}",
    .sources = (const char *const[]){"N1", "N2", NULL},
};
