/* aff.c - rules on affinity: on which CPUs the workers may run. */
#include "preload/recorded_variables.h"
#include "report/launched.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"

#include <math.h>
#include <string.h>

enum { SQUEEZE_WAIT, SQUEEZE_OVERLAP };
static const struct fs_threshold squeeze_thresholds[] = {
    [SQUEEZE_WAIT] = {"wait", 0.20, "fraction",
                      "least share of the time they could have run that workers wait for a CPU",
                      "own"},
    [SQUEEZE_OVERLAP] = {"overlap", 1.0, "s", "least time with two or more busy workers", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* The number of workers that fits the CPUs of the job, at least one. */
static int fitting_workers(const struct fs_node *node) {
    double cpus = node->job_cpus;
    if (node->quota < cpus) cpus = floor(node->quota);
    return cpus < 1 ? 1 : (int)cpus;
}

/* mask as a Python expression: "range(0, 2)", "[*range(0, 8), *range(16, 24)]". */
static const char *python_cpus(struct fs_arena *arena, hwloc_const_bitmap_t mask) {
    const char *list = "";
    int ranges = 0, first = hwloc_bitmap_first(mask);
    const char *range = "";
    while (first >= 0) {
        const int after = hwloc_bitmap_next_unset(mask, first);
        if (after < 0) return "range(os.cpu_count())"; /* an infinite mask */
        range = fs_arena_printf(arena, "range(%d, %d)", first, after);
        list = fs_arena_printf(arena, "%s%s*%s", list, ranges ? ", " : "", range);
        ranges++;
        first = hwloc_bitmap_next(mask, after - 1);
    }
    return ranges == 1 ? range : fs_arena_printf(arena, "[%s]", list);
}

/* Which CPUs to widen a mask to is not known where their number alone is, but Slurm gives them
 * to whoever asks for so many. */
static void add_step_fixes(const struct fs_load *load, const char *narrower, int workers,
                           struct fs_outcome *outcome) {
    const int cpus = *narrower ? load->node->job_cpus : workers;

    if (!*narrower)
        fs_add_fix(outcome, FS_FIX_CODE, "and the rest as it was", "srun -c %d", workers);
    else
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "remove %s %s",
                   strcmp(narrower, "taskset") == 0 ? "the job's call of"
                                                    : "the sched_setaffinity call of",
                   narrower);
    if (workers < load->workers)
        fs_add_fix(outcome, FS_FIX_CODE, "and as many workers as CPUs", "%s",
                   fs_pool_size_code(outcome->arena, load, cpus, workers));
}

static void add_squeeze_fixes(const struct fs_load *load, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_node *node = load->node;
    const struct fs_narrowing *narrowing = load->group->narrowing;
    hwloc_const_bitmap_t mask = node->digest->mask_job;
    const int fitting = fitting_workers(node);
    const int workers = load->workers > fitting ? fitting : load->workers;
    const bool fewer = workers < load->workers;
    const char *narrower = narrowing ? fs_base_name(narrowing->executable) : "";

    if (fs_job_mask_is_guessed(node)) {
        add_step_fixes(load, narrower, workers, outcome);
        return;
    }
    const struct fs_remedy remedy = fs_remedy_command(arena, load, mask, fewer ? workers : 0);
    if (remedy.mask_set) {
        fs_add_remedy(outcome, NULL, "", &remedy);
        if (fewer && !remedy.variable)
            fs_add_fix(outcome, FS_FIX_CODE, "and as many workers as CPUs", "%s",
                       fs_pool_size_code(arena, load, node->job_cpus, workers));
        return;
    }
    if (strcmp(narrower, "taskset") == 0)
        fs_add_fix(outcome, FS_FIX_CODE, "where the job calls taskset", "taskset -c %s",
                   fs_mask_list(arena, mask));
    else if (load->group->python)
        fs_add_fix(outcome, FS_FIX_CODE, "until that call is gone",
                   "Pool(%d, initializer=os.sched_setaffinity, initargs=(0, %s))", workers,
                   python_cpus(arena, mask));
    else
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "remove the sched_setaffinity call of %s",
                   *narrower ? narrower : "the program");
    if (fewer && remedy.variable)
        fs_add_remedy(outcome, "and as many workers as CPUs", "", &remedy);
    else if (fewer && !load->group->python)
        fs_add_fix(outcome, FS_FIX_CODE, "and as many workers as CPUs", "%s",
                   fs_pool_size_code(arena, load, node->job_cpus, workers));
}

static void report_squeeze(const struct fs_load *load, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_node *node = load->node;
    const struct fs_group *group = load->group;
    const char *given = fs_cpus_text(arena, load->cpus, load->cores);

    fs_add_finding(outcome, FS_ERROR, node, load);
    fs_set_title(outcome, "%d workers squeezed onto %d CPU%s", load->workers, load->cpus,
                 load->cpus == 1 ? "" : "s");
    fs_set_population(outcome, load->workers, group->workers, "workers");
    fs_add_evidence(outcome, "workers", load->workers, "count",
                    "%d workers (%d busy at once) may use CPU %s only: %s", load->workers,
                    load->busy, fs_mask_list(arena, group->mask_union), given);
    fs_add_evidence(outcome, "job_cpus", node->job_cpus, "cpus", "the job may use %s",
                    fs_job_cpus_text(arena, node));
    fs_add_wait(outcome, load->wait);
    fs_add_number(outcome, "worker_cpus", load->cpus, "cpus");
    fs_add_number(outcome, "worker_cores", load->cores, "cores");
    fs_add_narrowing_cause(outcome, load);
    fs_add_birth_cause(outcome, load);
    add_squeeze_fixes(load, outcome);
    fs_set_cores_gain(outcome, load);
}

static void judge_squeeze(const struct fs_load *load, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    const struct fs_node *node = load->node;
    const struct fs_group *group = load->group;
    const double least_wait = fs_threshold(thresholds, outcome->rule, SQUEEZE_WAIT);
    const double overlap = fs_threshold(thresholds, outcome->rule, SQUEEZE_OVERLAP);

    if (load->cores < 0 || node->job_cores < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks or the cores of the node were not recorded");
    else if (load->cores >= node->job_cores)
        fs_vote(outcome, FS_PASS, "the workers may use all cores of the job");
    else if (load->cores >= load->workers)
        fs_vote(outcome, FS_PASS, "every worker has a core to itself");
    else if (!group->narrowing && (fs_has_steps_beside(node->digest) || node->packed_steps))
        fs_vote(outcome, FS_PASS, "the other CPUs may be those of the job's other steps");
    else if (fs_has_launched_share(load))
        fs_vote(outcome, FS_PASS, "the launcher spread all cores of the job over its tasks");
    else if (load->busy < 0 || group->sample_ns < 0 || isnan(load->wait))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "load and run-queue wait were not sampled");
    else if (load->busy <= load->cores)
        fs_vote(outcome, FS_PASS, "no more workers were busy at once than they have cores");
    else if ((double)group->overlap_ns < overlap * 1e9)
        fs_vote(outcome, fs_too_short(node, group->window_ns, overlap),
                "workers overlapped for less than %g s", overlap);
    else if (load->wait < least_wait)
        fs_vote(outcome, FS_PASS, "workers hardly waited for a CPU (%.0f %%)", 100 * load->wait);
    else if (load->worth <= load->cores)
        fs_vote(outcome, FS_PASS, "the workers' own work would fit their cores (%.1f of %d)",
                load->worth, load->cores);
    else
        report_squeeze(load, outcome);
}

static void check_squeeze(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_squeeze);
}

const struct fs_rule fs_rule_aff_01 = {
    .id = "AFF-01",
    .family = "affinity",
    .title = "workers squeezed onto too few cores",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_squeeze,
    .why = "A process may run only on the CPUs of its affinity mask, and a child inherits the "
           "mask of its parent. If somebody narrowed the parent's mask before the workers were "
           "made, all workers share those few CPUs in turns while the other CPUs of the job "
           "stand idle.",
    .decided = "Two or more workers of one parent; the union of their masks has fewer cores than "
               "min(workers, cores of the job); more workers were busy at once than the union has "
               "cores; they overlapped for `overlap` seconds; they waited in the run queue for at "
               "least `wait` of the time in which they could have run; and without that wait they "
               "would have used more CPUs than the union has cores.",
    .exceptions =
        "Silent when the job itself was given no more CPUs, when a launcher gave all of them "
        "away to its tasks, each its share, or other steps of the job ran beside this one (that is "
        "OVS-02), when the workers do not all have work "
        "at once or have less than their cores could do (others made them wait then), and when "
        "each pinned itself to a CPU of "
        "its own. The last mask counts: libraries that probe by binding for a moment "
        "leave no trace. Where Slurm granted more CPUs than the step's mask and control group "
        "show, only their number is certain: none of them is named then.",
    .fix = "Remove or correct the call that narrowed the mask (the finding names it). Until then, "
           "widen the mask in the workers: os.sched_setaffinity(0, cpus) in the pool's "
           "initializer.",
    .dispute = "Some sites advise to pin, others to leave placement to the system or to switch "
               "binding off. Pinning is for thread teams on whole allocations; a process that "
               "forks workers should not be pinned.",
    .thresholds = squeeze_thresholds,
    .sources = (const char *const[]){"N1", "PT1", NULL},
};

static const char *load_variable(const void *load, const char *name) {
    return fs_load_variable(load, name);
}

static void report_binding(const struct fs_load *load, const char *variable,
                           struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_group *group = load->group;
    const struct fs_narrowing *narrowing = group->narrowing;
    const char *library = narrowing
                              ? fs_base_name(narrowing->place.module)
                              : fs_library_names(arena, group->libraries & FSP_LIBRARIES_OPENMP);

    fs_add_finding(outcome, FS_ERROR, load->node, load)->confidence =
        narrowing ? FS_MEASURED : FS_INFERRED;
    fs_set_title(outcome, "OpenMP binding inherited: %d workers on %d CPU%s", load->workers,
                 load->cpus, load->cpus == 1 ? "" : "s");
    fs_set_population(outcome, load->workers, group->workers, "workers");
    fs_add_evidence(outcome, "worker_cpus", load->cpus, "cpus",
                    "every worker has CPU %s only, of %s that the job may use",
                    fs_mask_list(arena, group->mask_union),
                    fs_cpus_text(arena, load->node->job_cpus, load->node->job_cores));
    fs_add_number(outcome, "workers", load->workers, "count");
    fs_add_number(outcome, "job_cpus", load->node->job_cpus, "cpus");
    fs_add_wait(outcome, load->wait);
    if (narrowing)
        fs_add_cause(outcome, "%s=%s: %s bound the parent (process %d) to its first place",
                     variable, fs_load_variable(load, variable), library, narrowing->pid);
    else
        fs_add_cause(outcome,
                     "%s=%s, %s is loaded, and the parent (process %d) has this one core, too: so "
                     "the runtime binds (the call itself was not seen)",
                     variable, fs_load_variable(load, variable), library, group->parent);
    if (narrowing && narrowing->place.file)
        fs_add_cause(outcome, "%s was loaded at %s", library,
                     fs_place_text(arena, &narrowing->place));
    fs_add_birth_cause(outcome, load);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, NULL,
               "export OMP_PROC_BIND=false; unset GOMP_CPU_AFFINITY OMP_PLACES");
    fs_set_cores_gain(outcome, load);
}

/* From outside only what a binding leaves behind is seen: the parent and all its workers have
 * one and the same core, and a runtime that was told to bind. */
static bool looks_bound(const struct fs_load *load) {
    const struct fs_group *group = load->group;

    return fs_is_outside(load->node->digest) && load->cores == 1 && group->masks_distinct == 1 &&
           (group->libraries & FSP_LIBRARIES_OPENMP) && group->mask_parent &&
           group->kind == FS_GROUP_FORK &&
           hwloc_bitmap_isequal(group->mask_parent, group->mask_union);
}

static void judge_unseen_binding(const struct fs_load *load, const char *variable,
                                 struct fs_outcome *outcome) {
    if (looks_bound(load))
        report_binding(load, variable, outcome);
    else if (fs_is_outside(load->node->digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who narrowed the mask is not seen from outside");
    else
        fs_vote(outcome, FS_PASS, "no call in the job narrowed the mask");
}

static void judge_binding(const struct fs_load *load, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_group *group = load->group;
    const struct fs_narrowing *narrowing = group->narrowing;
    const char *variable = fs_binding_variable(load_variable, load);

    if (!variable)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no OpenMP binding is asked for");
    else if (load->cpus < 0 || load->node->job_cpus < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks were not recorded");
    else if (load->cpus >= load->node->job_cpus)
        fs_vote(outcome, FS_PASS, "the workers have the whole mask of the job");
    else if (!narrowing)
        judge_unseen_binding(load, variable, outcome);
    else if (!fs_is_openmp_runtime(narrowing->place.module))
        fs_vote(outcome, FS_PASS, "no OpenMP runtime narrowed the mask");
    else if (narrowing->t > group->begin)
        fs_vote(outcome, FS_PASS, "the workers were made before the binding");
    else if (group->masks_distinct > 1)
        fs_vote(outcome, FS_PASS, "the workers have masks of their own");
    else
        report_binding(load, variable, outcome);
}

static void check_binding(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_binding);
}

const struct fs_rule fs_rule_aff_02 = {
    .id = "AFF-02",
    .family = "affinity",
    .title = "OpenMP binding inherited through fork",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_binding,
    .why = "With binding on, an OpenMP runtime pins the initial thread to the first place, a "
           "single core, as soon as the library is loaded: no parallel region is needed. A "
           "worker that is forked afterwards inherits that one core, and so do all others.",
    .decided = "OMP_PROC_BIND is set and not false, or GOMP_CPU_AFFINITY or OMP_PLACES is set; the "
               "last call that narrowed the workers' mask came from an OpenMP runtime, before the "
               "first fork; all workers have one and the same mask, smaller than the job's.",
    .exceptions = "Silent when the workers' mask is whole (LLVM's runtime may reset it in the "
                  "child) and when the fork came before the binding.",
    .fix = "export OMP_PROC_BIND=false; unset GOMP_CPU_AFFINITY OMP_PLACES",
    .dispute = "Binding is advised for thread teams and harmful for forked workers: this rule "
               "outranks the advice to pin.",
    .sources = (const char *const[]){"N1", "LLVM", "D34", "OB2", NULL},
};
