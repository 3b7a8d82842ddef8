/* aff_ranks.c - rules on the masks that launchers give to ranks. */
#include "report/launched.h"
#include "report/rules/rules.h"

#include <math.h>
#include <string.h>

/* The pool of a rank: workers that its own process made. */
static const struct fs_load *load_of(const struct fs_node *node, const struct fs_task *task) {
    const struct fs_load *found = NULL;

    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_load *load = &node->loads[i];
        if (load->ignored != FS_IGNORED_NO || load->group->parent != task->pid) continue;
        if (!found || load->workers > found->workers) found = load;
    }
    return found;
}

/* --- AFF-05 --- */

enum { BOUND_WAIT };
static const struct fs_threshold bound_thresholds[] = {
    [BOUND_WAIT] = {"wait", 0.20, "fraction",
                    "least share of the time they could have run that a rank's processes wait for "
                    "a CPU",
                    "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* Did the pool's own program narrow the mask, after the launcher? Then it is no matter of this
 * rule's. */
static bool narrowed_itself(const struct fs_load *load, const struct fs_task *task) {
    const struct fs_narrowing *narrowing = load->group->narrowing;

    return task->mask_before ||
           (narrowing && fs_launcher_of(narrowing->executable) == FS_LAUNCHER_NONE);
}

/* The whole cores of mask, without hardware threads that the job may not use; -1: one of them is in
 * it by half. */
static int whole_cores(const struct fs_node *node, hwloc_const_bitmap_t mask) {
    hwloc_topology_t topology = node->digest->topology;
    hwloc_bitmap_t rest = hwloc_bitmap_alloc();
    hwloc_obj_t core = NULL;
    int count = 0;

    while (rest && (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core))) {
        if (!hwloc_bitmap_intersects(core->cpuset, mask)) continue;
        hwloc_bitmap_and(rest, core->cpuset, node->digest->mask_job);
        if (!hwloc_bitmap_isincluded(rest, mask)) count = FS_UNKNOWN;
        if (count != FS_UNKNOWN) count++;
    }
    hwloc_bitmap_free(rest);
    return count;
}

/* Is mask all that the job may use of one object of that type? */
static bool is_object(const struct fs_node *node, hwloc_obj_type_t type,
                      hwloc_const_bitmap_t mask) {
    hwloc_topology_t topology = node->digest->topology;
    hwloc_bitmap_t part = hwloc_bitmap_alloc();
    hwloc_obj_t object = NULL;
    bool found = false;

    while (part && !found && (object = hwloc_get_next_obj_by_type(topology, type, object))) {
        hwloc_bitmap_and(part, object->cpuset, node->digest->mask_job);
        found = hwloc_bitmap_isequal(part, mask);
    }
    hwloc_bitmap_free(part);
    return found;
}

/*
 * From outside nobody tells who narrowed a mask: its launcher, if that was told to bind (or
 * binds without being told, as Open MPI does: one or two ranks to cores) and the mask is just
 * what comes of it.
 */
static bool is_bound_by_launcher(const struct fs_node *node, const struct fs_task *task) {
    const struct fs_launch *launch = fs_task_launch(node, task);
    if (!launch || !task->mask || !node->digest->mask_job) return false;
    const struct fs_launch_options options = fs_launch_options_of(launch);
    const int ranks = options.ranks > 0 ? options.ranks : task->size;
    const int each = options.cpus > 1 ? options.cpus : 1;
    const char *word = options.bind_to;

    if (!options.understood || fs_launch_has_taskset(launch)) return false;
    if (!word && options.launcher == FS_LAUNCHER_OPENMPI && ranks > 0)
        word = ranks <= 2 || options.cpus > 0 ? "core" : "socket";
    if (!word) return false;
    if (strstr(word, "hwthread")) return fs_mask_cpus(task->mask) == each;
    if (strstr(word, "core")) return whole_cores(node, task->mask) == each;
    if (strstr(word, "socket") || strstr(word, "package") || strstr(word, "numa"))
        return is_object(node, HWLOC_OBJ_PACKAGE, task->mask) ||
               is_object(node, HWLOC_OBJ_NUMANODE, task->mask);
    return false;
}

static void report_bound(const struct fs_load *load, const struct fs_task *task, int ranks,
                         double wait, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_node *node = load->node;
    const int cores = fs_mask_cores(node->digest->topology, task->mask);
    const int share = node->job_cores / ranks;
    const char *name = fs_task_launcher_name(node, task);
    const struct fs_places free = {.openmpi = "--bind-to none", .hydra = "-bind-to none"};
    const struct fs_places wide = {
        .openmpi = fs_arena_printf(arena, "--map-by slot:PE=%d --bind-to core", share)};

    fs_add_finding(outcome, FS_ERROR, node, load)->confidence =
        fs_is_outside(node->digest) ? FS_INFERRED : FS_MEASURED;
    fs_set_title(outcome, "%d workers of %s on the %d core%s that %s gave it", load->workers,
                 fs_task_name(arena, task), cores, cores == 1 ? "" : "s", name);
    fs_set_population(outcome, ranks, 0, ranks == 1 ? "rank" : "ranks");
    fs_add_evidence(outcome, "workers", load->workers, "count",
                    "%s: %d workers (%d busy at once) may use CPU %s only: %s",
                    fs_task_name(arena, task), load->workers, load->busy,
                    fs_mask_list(arena, task->mask),
                    fs_cpus_text(arena, fs_mask_cpus(task->mask), cores));
    fs_add_evidence(outcome, "job_cores", node->job_cores, "cores",
                    "the job may use %s for %d rank%s", fs_job_cpus_text(arena, node), ranks,
                    ranks == 1 ? "" : "s");
    fs_add_wait(outcome, wait);
    fs_add_cause(outcome,
                 "%s binds each rank it starts to its share of the cores, by default of "
                 "one or two ranks to one core each",
                 name);
    fs_add_birth_cause(outcome, load);
    fs_add_places_fix(outcome, NULL, node, task, &free);
    if (share > 1)
        fs_add_places_fix(outcome, "or bound to a share of the cores", node, task, &wide);
    const int usable = load->workers < share ? load->workers : share;
    fs_set_gain(outcome, "up to %.1fx shorter (est)", (double)usable / cores);
}

static void judge_bound_task(const struct fs_node *node, const struct fs_task *task, int ranks,
                             double least_wait, struct fs_outcome *outcome) {
    const struct fs_load *load = load_of(node, task);
    const int cores = fs_mask_cores(node->digest->topology, task->mask);

    if (!load)
        fs_vote(outcome, FS_PASS, "the ranks have no worker processes");
    else if (cores < 0 || node->job_cores < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks or the cores of the node were not recorded");
    else if (cores >= load->workers)
        fs_vote(outcome, FS_PASS, "every worker has a core to itself");
    else if (cores * ranks >= node->job_cores)
        fs_vote(outcome, FS_PASS, "all cores were given to the ranks");
    else if (narrowed_itself(load, task))
        fs_vote(outcome, FS_PASS, "the program narrowed the mask, not its launcher");
    else if (load->busy < 0 || isnan(load->wait))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "load and run-queue wait were not sampled");
    else if (load->busy <= cores)
        fs_vote(outcome, FS_PASS, "no more workers were busy at once than they have cores");
    else if (load->wait < least_wait)
        fs_vote(outcome, FS_PASS, "workers hardly waited for a CPU (%.0f %%)", 100 * load->wait);
    else if (fs_is_outside(node->digest) && !is_bound_by_launcher(node, task))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who narrowed the mask is not seen from outside");
    else
        report_bound(load, task, ranks, load->wait, outcome);
}

static void judge_bound(const struct fs_node *node, const struct fs_task *first, size_t count,
                        const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double least = fs_threshold(thresholds, outcome->rule, BOUND_WAIT);

    if (first->launch != FS_LAUNCH_OPENMPI && first->launch != FS_LAUNCH_HYDRA &&
        first->launch != FS_LAUNCH_MVAPICH)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the ranks were not started by mpirun or mpiexec");
    else
        for (size_t i = 0; i < count && outcome->count == 0; i++)
            judge_bound_task(node, &first[i], (int)count, least, outcome);
}

static void check_bound(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    fs_each_launch(job, thresholds, outcome, judge_bound);
}

const struct fs_rule fs_rule_aff_05 = {
    .id = "AFF-05",
    .family = "affinity",
    .title = "launcher bound the rank, rank forks",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_bound,
    .why = "mpirun binds the ranks that it starts: Open MPI binds one or two of them to one core "
           "each. A rank that forks a pool hands this mask on, and all workers share that core "
           "while the others are idle.",
    .decided = "A rank that mpirun or mpiexec started has two or more workers; its mask, which no "
               "program but the launcher narrowed, has fewer cores than workers, and fewer than "
               "the job's cores divided by the ranks of the node; and the workers waited in run "
               "queues for `wait` or more of the time that they could have run.",
    .exceptions = "Silent when the ranks together have all cores (then there are too many "
                  "workers: OVS-02) and when the program narrowed its mask itself. An audit takes "
                  "the mask for the launcher's when it is just what the launcher's command line "
                  "gives a rank, and does not know otherwise.",
    .fix = "mpirun --bind-to none -n {ranks} ..., or --map-by slot:PE={cores / ranks}",
    .thresholds = bound_thresholds,
    .sources = (const char *const[]){"N1", "PAR", "OVH", NULL},
};

/* --- AFF-07 --- */

/* NUMA domains of the machine; *cores: of the largest one. */
static int numa_domains(hwloc_topology_t topology, int *cores) {
    hwloc_obj_t node = NULL;
    int count = 0;

    *cores = 0;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != NULL) {
        const int here = fs_mask_cores(topology, node->cpuset);
        if (here < 1) continue; /* memory without CPUs */
        count++;
        if (here > *cores) *cores = here;
    }
    return count;
}

static int domains_of(hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    hwloc_obj_t node = NULL;
    int count = 0;

    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != NULL)
        count += hwloc_bitmap_intersects(node->cpuset, mask);
    return count;
}

/* The ranks that straddle, of those of a launch. */
struct straddle {
    const struct fs_task *first;
    int ranks, domains; /* that the first one touches */
    int cores;          /* that it has */
};

static struct straddle find_straddling(const struct fs_node *node, const struct fs_task *tasks,
                                       size_t count, int domain_cores, int domains) {
    hwloc_topology_t topology = node->digest->topology;
    struct straddle found = {0};

    for (size_t i = 0; i < count; i++) {
        const struct fs_task *task = &tasks[i];
        const int cores = fs_mask_cores(topology, task->mask);
        const int touched = task->mask ? domains_of(topology, task->mask) : 0;
        if (cores < 1 || cores > domain_cores || touched < 2 || !fs_task_computes(node, task))
            continue;
        /* As many ranks as fit into a domain, in each: one more has to straddle. */
        if (hwloc_bitmap_isequal(task->mask, node->digest->mask_job) ||
            (size_t)(domain_cores / cores) * (size_t)domains < count)
            continue;
        if (found.ranks++ > 0) continue;
        found.first = task;
        found.domains = touched;
        found.cores = cores;
    }
    return found;
}

static void report_straddle(const struct fs_node *node, const struct straddle *found, size_t count,
                            int domain_cores, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_places places = {
        .srun = fs_arena_printf(arena, "-c %d --cpu-bind=cores --distribution=block:cyclic",
                                fs_mask_cpus(found->first->mask)),
        .openmpi = found->cores == 1
                       ? "--map-by core --bind-to core"
                       : fs_arena_printf(arena, "--map-by numa:PE=%d --bind-to core", found->cores),
        .hydra = "-bind-to numa",
    };

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%d rank%s on %d cores of %d NUMA domains", found->ranks,
                 found->ranks == 1 ? "" : "s", found->cores, found->domains);
    fs_set_population(outcome, found->ranks, (long)count, "ranks");
    fs_add_evidence(outcome, "domains", found->domains, "count",
                    "%s has mask %s: %s in %d NUMA domains; %d cores fit into one",
                    fs_task_name(arena, found->first), fs_mask_list(arena, found->first->mask),
                    fs_cpus_text(arena, fs_mask_cpus(found->first->mask), found->cores),
                    found->domains, domain_cores);
    fs_add_number(outcome, "cores", found->cores, "cores");
    if (fs_is_outside(node->digest))
        fs_add_cause(outcome, "who gave it those CPUs is not seen from outside");
    else if (found->first->mask_before)
        fs_add_cause(outcome, "the rank's own program set that mask: it had CPU %s",
                     fs_mask_list(arena, found->first->mask_before));
    else
        fs_add_cause(outcome, "%s gave it those CPUs", fs_task_launcher_name(node, found->first));
    fs_add_places_fix(outcome, NULL, node, found->first, &places);
}

static void judge_straddle(const struct fs_node *node, const struct fs_task *first, size_t count,
                           const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    hwloc_topology_t topology = node->digest->topology;
    int domain_cores = 0;
    const int domains = topology ? numa_domains(topology, &domain_cores) : 0;

    (void)thresholds;
    if (!topology || !node->digest->mask_job) {
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the NUMA domains of the node were not recorded");
        return;
    }
    if (domains < 2) {
        fs_vote(outcome, FS_NOT_APPLICABLE, "the node has one NUMA domain");
        return;
    }
    if (count < 2) {
        fs_vote(outcome, FS_NOT_APPLICABLE, "one rank on the node");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (!first[i].mask)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "the mask of a rank was not recorded");
    const struct straddle found = find_straddling(node, first, count, domain_cores, domains);
    if (found.ranks > 0)
        report_straddle(node, &found, count, domain_cores, outcome);
    else
        fs_vote(outcome, FS_PASS, "no rank straddles NUMA domains that would fit into one");
}

static void check_straddle(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    fs_each_launch(job, thresholds, outcome, judge_straddle);
}

const struct fs_rule fs_rule_aff_07 = {
    .id = "AFF-07",
    .family = "affinity",
    .title = "rank straddles NUMA domains",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check = check_straddle,
    .why = "Each NUMA domain has memory of its own. A rank with cores in two of them reads half "
           "of its data from the other one: the machine's own table says distance 32 instead of "
           "10 on some nodes.",
    .decided = "Two or more ranks of a launch on a node; one that computed has no more cores than "
               "a NUMA domain has, and its mask touches two domains or more, though as many "
               "ranks of that size would fit into the domains.",
    .exceptions = "Silent for ranks that are not bound, that are larger than a domain, and when "
                  "there are more ranks than fit into the domains whole.",
    .fix = "srun --distribution=block:cyclic --cpu-bind=cores ..., mpirun --map-by numa:PE={cores}",
    .sources = (const char *const[]){"ALA", "CSCS", NULL},
};
