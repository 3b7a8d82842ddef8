/* aff_siblings.c - two busy threads on one core while another core is idle. */
#include "report/launch.h"
#include "report/rules/rules.h"

#include "tracer/topology.h"

#include <math.h>
#include <string.h>

enum { SIBLINGS_SHARE, SIBLINGS_LOOKS };
static const struct fs_threshold siblings_thresholds[] = {
    [SIBLINGS_SHARE] = {"share", 0.20, "fraction",
                        "least share of samples in which a core is shared and another one idle",
                        "own"},
    [SIBLINGS_LOOKS] = {"samples", 10, "count", "least samples with two busy CPUs", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* The load that used most CPU time of those that are bound to fewer cores than they have CPUs. */
static const struct fs_load *bound_load(const struct fs_node *node) {
    const struct fs_load *found = NULL;

    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_load *load = &node->loads[i];
        if (load->ignored != FS_IGNORED_NO || load->cores < 1 || load->cores >= load->cpus ||
            !hwloc_bitmap_intersects(load->group->mask_union, node->digest->siblings.busy))
            continue;
        if (!found || load->group->cpu_ns > found->group->cpu_ns) found = load;
    }
    return found;
}

/* What asked for hardware threads in so many words; NULL: nothing did. */
static const char *asked_for(struct fs_arena *arena, const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;

    for (size_t i = 0; i < digest->launch_count; i++)
        if (fs_launch_options_of(&digest->launches[i]).hwthreads)
            return fs_arena_printf(arena, "%s was asked for hardware threads",
                                   digest->launches[i].word_count
                                       ? fs_base_name(digest->launches[i].words[0])
                                       : "the launcher");
    return digest->scheduler.threads_per_core > 1 ? "the job asked for --threads-per-core=2" : NULL;
}

/* One CPU of each core of mask, at most count. */
static void thin_out(hwloc_topology_t topology, hwloc_const_bitmap_t mask, int count,
                     hwloc_bitmap_t thin) {
    hwloc_obj_t core = NULL;

    hwloc_bitmap_zero(thin);
    while (count > 0 &&
           (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL) {
        if (!hwloc_bitmap_intersects(core->cpuset, mask)) continue;
        hwloc_bitmap_t both = hwloc_bitmap_dup(mask);
        if (!both) return;
        hwloc_bitmap_and(both, both, core->cpuset);
        hwloc_bitmap_set(thin, (unsigned)hwloc_bitmap_first(both));
        hwloc_bitmap_free(both);
        count--;
    }
}

static void add_taskset_fix(const struct fs_node *node, const struct fs_load *load,
                            struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_load whole = {.node = node};
    hwloc_bitmap_t thin = hwloc_bitmap_alloc();

    if (!thin) return;
    thin_out(node->digest->topology, node->digest->mask_job,
             load ? load->workers : hwloc_bitmap_weight(node->digest->siblings.busy), thin);
    const struct fs_remedy remedy = fs_remedy_command(arena, load ? load : &whole, thin, 0);
    fs_add_remedy(
        outcome, "one CPU of each core",
        remedy.mask_set ? "" : fs_arena_printf(arena, "taskset -c %s ", fs_mask_list(arena, thin)),
        &remedy);
    hwloc_bitmap_free(thin);
}

static void add_core_fixes(const struct fs_node *node, const struct fs_load *load,
                           struct fs_outcome *outcome) {
    const struct fs_launch *mpirun = fs_node_launch(node, FS_LAUNCHER_OPENMPI);
    const struct fs_launch *hydra = fs_node_launch(node, FS_LAUNCHER_HYDRA);
    const struct fs_launch *srun = fs_node_launch(node, FS_LAUNCHER_SRUN);

    if (srun)
        fs_add_launch_fix(
            outcome, NULL, srun,
            /* --hint and --cpu-bind exclude each other. */
            &(struct fs_launch_change){.add = "--hint=nomultithread", .rebind = true});
    else if (fs_node_language(node) == FS_LANGUAGE_SRUN ||
             (fs_job_mask_is_guessed(node) && !mpirun && !hydra))
        fs_add_fix(outcome, FS_FIX_CODE, "and the rest as it was", "srun --hint=nomultithread");
    else if (mpirun || hydra)
        fs_add_launch_fix(
            outcome, NULL, mpirun ? mpirun : hydra,
            &(struct fs_launch_change){.add = "--map-by core --bind-to core", .replace = true});
    else
        add_taskset_fix(node, load, outcome);
}

static void add_sibling_cause(const struct fs_node *node, const struct fs_load *load,
                              const char *asked, struct fs_outcome *outcome) {
    const struct fs_launch *srun = fs_node_launch(node, FS_LAUNCHER_SRUN);
    const char *bind_to = srun ? fs_launch_options_of(srun).bind_to : NULL;

    if (asked)
        fs_add_cause(outcome, "%s", asked);
    else if (bind_to)
        fs_add_cause(outcome, "srun binds the tasks so: %s", bind_to);
    else if (load && load->group->narrowing)
        fs_add_narrowing_cause(outcome, load);
    else if (fs_node_language(node) == FS_LANGUAGE_SRUN)
        fs_add_cause(outcome, "srun counts hardware threads as CPUs and fills a core before the "
                              "next one");
    else
        fs_add_cause(outcome, "the masks of the processes, or the kernel, put them there");
}

static void report_siblings(const struct fs_node *node, double share, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_siblings *siblings = &node->digest->siblings;
    const struct fs_load *load = bound_load(node);
    const char *asked = asked_for(arena, node);
    const int cores = fs_mask_cores(node->digest->topology, siblings->busy);
    const int idle = fs_mask_cores(node->digest->topology, siblings->idle);

    fs_add_finding(outcome, asked ? FS_NOTE : FS_WARNING, node, load);
    if (idle > 0)
        fs_set_title(outcome, "two busy threads on a core, %d core%s idle", idle,
                     idle == 1 ? "" : "s");
    else
        fs_set_title(outcome, "two busy threads on a core, others idle");
    if (load)
        fs_set_population(outcome, load->workers, load->group->workers, "workers");
    else
        fs_set_population(outcome, node->digest->complete.processes, 0, "processes");
    fs_add_evidence(outcome, "shared", share, "fraction",
                    "in %.0f %% of %lld samples both hardware threads of a core were busy and "
                    "another core was idle",
                    100 * share, (long long)siblings->looks);
    fs_add_evidence(outcome, "shared_cores", cores, "cores", "shared: CPU %s (%d core%s)",
                    fs_mask_list(arena, siblings->busy), cores, cores == 1 ? "" : "s");
    if (idle > 0)
        fs_add_evidence(outcome, "idle_cores", idle, "cores",
                        "idle all that time, and the job's: CPU %s (%d core%s)",
                        fs_mask_list(arena, siblings->idle), idle, idle == 1 ? "" : "s");
    add_sibling_cause(node, load, asked, outcome);
    add_core_fixes(node, load, outcome);
}

/* Whether hardware threads were asked for stands on a launcher's command line, which an audit of
 * its ranks alone does not see; srun tells the ranks. */
static bool knows_what_was_asked(const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;

    for (size_t i = 0; i < digest->task_count && fs_is_outside(digest); i++)
        if (digest->tasks[i].launch != FS_LAUNCH_SRUN && digest->launch_count == 0) return false;
    return true;
}

static void judge_siblings(const struct fs_node *node, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const struct fs_siblings *siblings = &digest->siblings;
    const double least = fs_threshold(thresholds, outcome->rule, SIBLINGS_SHARE);
    const double looks = fs_threshold(thresholds, outcome->rule, SIBLINGS_LOOKS);
    const int cores = digest->topology ? fs_topology_total_cores(digest->topology) : FS_UNKNOWN;

    if (cores < 0 || node->cpus < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the cores of the node were not recorded");
    else if (cores == node->cpus)
        fs_vote(outcome, FS_NOT_APPLICABLE, "a core of this machine has one hardware thread");
    else if (siblings->looks == FS_UNKNOWN)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "on which CPUs the job ran was not sampled");
    else if ((double)siblings->looks < looks && fs_is_outside(digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "two CPUs were busy in too few samples");
    else if ((double)siblings->looks < looks)
        fs_vote(outcome, FS_PASS, "two CPUs were busy for a short time only");
    else if ((double)siblings->shared < least * (double)siblings->looks)
        fs_vote(outcome, FS_PASS, "no core was shared while another one was idle");
    else if (!knows_what_was_asked(node))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the launcher of the ranks was not looked at");
    else
        report_siblings(node, (double)siblings->shared / (double)siblings->looks, outcome);
}

static void check_siblings(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        judge_siblings(&job->nodes[i], thresholds, outcome);
}

const struct fs_rule fs_rule_aff_08 = {
    .id = "AFF-08",
    .family = "affinity",
    .title = "two busy workers per core while cores idle",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check = check_siblings,
    .why = "The two hardware threads of a core share its arithmetic units: two busy ones get "
           "little more done than one. As long as whole cores are idle, each worker should have "
           "one. Slurm counts hardware threads as CPUs, and since version 22.05 a step that asks "
           "for -c CPUs gets exactly those, the two threads of a core first.",
    .decided = "In `share` or more of the samples with two busy CPUs (at least `samples` of them) "
               "both hardware threads of a core ran busy threads of the job, while another core "
               "that the job may use was idle: nobody's threads ran there, as the kernel counts "
               "idle time.",
    .exceptions = "Silent when all cores are busy, whoever keeps them so. A note when hardware "
                  "threads were asked for (--threads-per-core=2, --use-hwthread-cpus and the "
                  "like).",
    .fix = "srun --hint=nomultithread ..., mpirun --map-by core --bind-to core ...",
    .dispute = "Some sites use every hardware thread, most one for each core; it depends on the "
               "program. Only idle cores are held against a job.",
    .thresholds = siblings_thresholds,
    .sources = (const char *const[]){"Z", "NZT", "JSC", NULL},
};
