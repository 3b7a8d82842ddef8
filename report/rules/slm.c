/* slm.c - rules on what the job asked the batch system for. */
#include "report/remedy.h"
#include "report/rules/rules.h"

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

static void report_step(const struct fs_load *load, int allocated, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_remedy remedy =
        fs_remedy_command(arena, load, NULL, load->workers > allocated ? allocated : 0);

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
    const char *srun = fs_arena_printf(arena, "srun -n 1 -c %d --cpu-bind=cores %s", allocated,
                                       remedy.variable ? "env " : "");
    fs_add_remedy(outcome, "unless other steps need those CPUs", srun, &remedy);
    if (load->workers > allocated && !remedy.variable)
        fs_add_fix(outcome, FS_FIX_CODE, "and as many workers as CPUs", "%s",
                   fs_pool_size_code(arena, load, allocated, allocated));
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
    else if (fs_has_steps_beside(load->node->digest))
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
