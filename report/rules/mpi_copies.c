/* mpi_copies.c - work that was started on many tasks or nodes and cannot share it. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/whole.h"
#include "tracer/command_text.h"
#include "tracer/text.h"

#include <math.h>
#include <string.h>

/* --- MPI-03 --- */

enum { COPIES_CPU, COPIES_SPREAD };
static const struct fs_threshold copies_thresholds[] = {
    [COPIES_CPU] = {"cpu", 1, "s", "least CPU time of each copy", "own"},
    [COPIES_SPREAD] = {"spread", 2, "times", "copies differ by less than this in CPU time", "own"},
    {0},
};

/* Where a task learns which one it is. */
static const char *rank_variable(enum fs_launch_kind kind) {
    static const char *const names[FS_LAUNCH_COUNT] = {
        [FS_LAUNCH_SRUN] = "SLURM_PROCID",
        [FS_LAUNCH_OPENMPI] = "OMPI_COMM_WORLD_RANK",
        [FS_LAUNCH_HYDRA] = "PMI_RANK",
        [FS_LAUNCH_MVAPICH] = "MV2_COMM_WORLD_RANK",
    };
    return names[kind] ? names[kind] : "PMI_RANK";
}

static void add_copies_fixes(const struct fs_whole_launch *launch, const struct fs_node *node,
                             struct fs_outcome *outcome) {
    const int cpus = node->digest->scheduler.cpus_on_node;
    const char *variable = rank_variable(launch->kind);

    if (launch->kind == FS_LAUNCH_SRUN && cpus > 0)
        fs_add_fix(outcome, FS_FIX_COMMAND, "one copy, with the CPUs of a node for its workers",
                   "srun -n 1 -c %d %s", cpus, launch->command);
    else
        fs_add_fix(outcome, FS_FIX_COMMAND, "one copy", "%s", launch->command);
    if (launch->python)
        fs_add_fix(outcome, FS_FIX_CODE, "or a share of the work for each task",
                   "for item in items[int(os.environ[\"%s\"])::%ld]:", variable, launch->tasks);
    else
        fs_add_fix(outcome, FS_FIX_CODE, "or a share of the work for each task",
                   "getenv(\"%s\") tells which of %ld it is", variable, launch->tasks);
}

static void report_copies(const struct fs_job *job, const struct fs_whole_launch *launch,
                          struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_node *node = fs_node_at(job, launch->first_node);
    const char *launcher = launch->kind == FS_LAUNCH_SRUN ? "srun" : "mpirun";

    fs_add_finding(outcome, FS_ERROR, node, NULL)->confidence = FS_INFERRED;
    fs_set_title(outcome, "%ld identical copies, each does all the work", launch->tasks);
    fs_set_nodes(outcome, &launch->where);
    fs_set_population(outcome, launch->tasks, launch->tasks, "tasks");
    fs_add_evidence(outcome, "tasks", (double)launch->tasks, "count",
                    "%ld tasks run the same command: %s", launch->tasks, launch->command);
    fs_add_evidence(outcome, "mpi_tasks", 0, "count",
                    "none of them has an MPI library, and %s names no rank",
                    launch->python ? "the script" : "the program");
    fs_add_evidence(outcome, "cpu_time", launch->cpu_s, "s",
                    "each used %.1f to %.1f s of CPU, together %.1f s", launch->cpu_least_s,
                    launch->cpu_most_s, launch->cpu_s);
    fs_add_cause(outcome,
                 "%s starts a program once for each task; one that does not ask which of them it "
                 "is computes the same in each",
                 launcher);
    add_copies_fixes(launch, node, outcome);
    fs_set_gain(
        outcome, "%s",
        fs_arena_printf(arena, "the same result for 1/%ld of the CPU time (est)", launch->tasks));
}

/* One on each of several nodes, and a tool of the system: it stages data there, say (tar, cp,
 * gzip). A second one on a node would do the same to the same files. */
static bool may_be_for_nodes(const struct fs_whole_launch *launch) {
    static const char *const folders[] = {"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"};
    const char *executable = launch->executable ? launch->executable : "";

    if (launch->python || launch->tasks_most > 1) return false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (fs_begins(executable, folders[i]) && !strchr(executable + strlen(folders[i]), '/'))
            return true;
    return false;
}

static void judge_copies(const struct fs_job *job, const struct fs_whole_launch *launch,
                         const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double least = fs_threshold(thresholds, outcome->rule, COPIES_CPU);
    const double spread = fs_threshold(thresholds, outcome->rule, COPIES_SPREAD);

    if (fs_is_outside(job->nodes[0].digest) && launch->size != launch->tasks)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "not all tasks of the launch were looked at");
    else if (launch->tasks < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "one task was started");
    else if (launch->mpi)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the tasks have an MPI library");
    else if (!launch->alike)
        fs_vote(outcome, FS_PASS, "the tasks run different commands");
    else if (launch->cpu_least_s < least)
        fs_vote(outcome, FS_NOT_APPLICABLE, "a task used less than %g s of CPU", least);
    else if (launch->cpu_most_s >= spread * launch->cpu_least_s)
        fs_vote(outcome, FS_PASS, "the tasks did different amounts of work");
    else if (may_be_for_nodes(launch))
        fs_vote(outcome, FS_PASS, "%s is a tool of the system: it may be meant for each node",
                fs_base_name(launch->executable));
    else if (job->whole->framework)
        fs_vote(outcome, FS_PASS, "%s shares the work", job->whole->framework);
    else if (launch->rank_use == FS_RANK_USED)
        fs_vote(outcome, FS_PASS, "the program can tell its tasks apart");
    else if (fs_command_is_cut(launch->command))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the commands are too long to be compared");
    else if (!launch->libraries_known || launch->rank_use == FS_RANK_NOT_LOOKED || !launch->command)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "%s",
                launch->libraries_known ? "the text of the program could not be looked at"
                                        : "the libraries of a task were not seen");
    else
        report_copies(job, launch, outcome);
}

static void check_copies(const struct fs_job *job, const struct fs_thresholds *thresholds,
                         struct fs_outcome *outcome) {
    const struct fs_whole *whole = job->whole;

    if (whole->launch_count == 0) fs_vote(outcome, FS_NOT_APPLICABLE, "no launcher started tasks");
    for (size_t i = 0; i < whole->launch_count; i++)
        judge_copies(job, &whole->launches[i], thresholds, outcome);
    if (whole->launches_more > 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "there were too many launches");
}

const struct fs_rule fs_rule_mpi_03 = {
    .id = "MPI-03",
    .family = "MPI",
    .title = "identical serial copies",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "what tasks did before is",
    .check_whole = check_copies,
    .why = "srun -n and mpirun -n start a program as often as they are told. Only a program that "
           "uses MPI, or asks which task it is, makes a share of the work of that. Any other does "
           "all of it in each copy, at the same time, and often into the same files: N times the "
           "CPU hours for one result.",
    .decided =
        "A launcher started two or more tasks; all run the same command; no process of "
        "theirs has an MPI library; each used `cpu` seconds of CPU or more, none `spread` times as "
        "much as another; and neither the program (of an interpreter: its script and what a Python "
        "script imports from its own folder) nor its arguments name a rank variable (SLURM_PROCID, "
        "SLURM_LOCALID, PMI_RANK ...).",
    .exceptions = "Silent when the text also names what copies use to agree among themselves: the "
                  "name of the host, locks of files, data bases, sockets, packages such as "
                  "torch.distributed; beside Dask, Ray, Dragon, GNU parallel and the like; and for "
                  "a tool of the system (tar, gzip) on each of several nodes, which it may be "
                  "meant for. "
                  "Unknown for a Python script that imports packages of its own from elsewhere, "
                  "for `python -m MODULE`, for a program on standard input, for a command "
                  "line of more than 380 bytes, and when the file is not at hand. Copies that are "
                  "wanted, such as random trials with seeds "
                  "of their own, look the same: give them their rank as the seed.",
    .fix = "srun -n 1 -c {CPUs} {command}",
    .thresholds = copies_thresholds,
    .sources = (const char *const[]){"T", "NZS", NULL},
};

/* --- MPI-04 --- */

enum { POOL_OVERLAP, POOL_IDLE };
static const struct fs_threshold pool_thresholds[] = {
    [POOL_OVERLAP] = {"overlap", 1, "s", "least time with two busy workers", "own"},
    [POOL_IDLE] = {"idle", 0.05, "cpus", "a node that used less on average was idle", "own"},
    {0},
};

/* What the nodes with a record did. */
struct use {
    size_t busy;                      /* nodes that were not idle, each once */
    const struct fs_whole_node *pool; /* the last of them that had workers; NULL: none had */
    size_t pool_number;
    size_t outside; /* nodes that are not of the allocation */
    bool mpi, unknown;
    bool launched, stepped; /* a launcher ran outside a step; a step left a record */
    double busy_cpu_s;      /* of those that were not idle */
    double idle_cpu_s;      /* of those that were */
};

/* Of the record: a node whose task ends at once has a short one. */
static double longest_wall(const struct fs_whole *whole) {
    double wall = 0;

    for (size_t i = 0; i < whole->count; i++)
        wall = fmax(wall, whole->nodes[i].wall_s);
    return wall;
}

static struct use use_of(const struct fs_whole *whole, double least_overlap, double idle) {
    const double wall = longest_wall(whole);
    const char *last_busy = NULL; /* the records of a node come together */
    struct use use = {0};

    for (size_t i = 0; i < whole->count; i++) {
        const struct fs_whole_node *node = &whole->nodes[i];
        use.mpi = use.mpi || node->mpi;
        use.stepped = use.stepped || node->in_step;
        use.launched = use.launched || (node->launched && !node->in_step);
        use.outside += !fs_names_has(&whole->allocated, node->name);
        use.unknown = use.unknown || isnan(node->cpu_s) || isnan(node->wall_s);
        if (!(node->cpu_s > idle * wall)) {
            use.idle_cpu_s += node->cpu_s;
            continue;
        }
        use.busy += !last_busy || strcmp(last_busy, node->name) != 0;
        use.busy_cpu_s += node->cpu_s;
        last_busy = node->name;
        use.unknown = use.unknown || (node->workers >= 2 && isnan(node->overlap_s));
        if (node->workers < 2 || !(node->overlap_s >= least_overlap)) continue;
        use.pool = node;
        use.pool_number = i;
    }
    return use;
}

/* The allocated nodes but one. */
static struct fs_names others_of(struct fs_arena *arena, const struct fs_names *all,
                                 const char *name) {
    const struct fs_names self = {.name = &name, .count = 1};
    struct fs_names others = {.name = fs_arena_alloc(arena, all->count * sizeof *others.name)};

    for (size_t i = 0; others.name && i < all->count; i++)
        if (!fs_names_has(&self, all->name[i])) others.name[others.count++] = all->name[i];
    return others;
}

static void report_pool(const struct fs_job *job, const struct use *use,
                        struct fs_outcome *outcome) {
    enum { NAMES_COLUMNS = 60 };
    struct fs_arena *arena = outcome->arena;
    const struct fs_whole *whole = job->whole;
    const size_t nodes = whole->allocated.count;
    const struct fs_names idle = others_of(arena, &whole->allocated, use->pool->name);
    const char *names = fs_names_text(arena, &idle, NAMES_COLUMNS);
    struct fs_node_set where = {0};

    fs_node_set_add(arena, &where, use->pool_number);
    fs_add_finding(outcome, FS_ERROR, fs_node_at(job, use->pool_number), NULL)->confidence =
        FS_INFERRED;
    fs_set_title(outcome, "%d workers on 1 of %zu nodes; %zu idle", use->pool->workers, nodes,
                 idle.count);
    fs_set_nodes(outcome, &where);
    fs_set_population(outcome, (long)idle.count, (long)nodes, "nodes");
    fs_add_evidence(outcome, "idle_nodes", (double)idle.count, "count", "idle: %s; in use: %s",
                    names, use->pool->name);
    fs_add_evidence(outcome, "pool_cpu_time", use->busy_cpu_s, "s",
                    "CPU time: %.1f s on %s, %.1f s on the others", use->busy_cpu_s,
                    use->pool->name, use->idle_cpu_s);
    fs_add_number(outcome, "nodes", (double)nodes, "count");
    fs_add_cause(outcome, "the workers are children of one process: they cannot leave its node");
    fs_add_fix(outcome, FS_FIX_COMMAND, "unless another step of the job uses the rest",
               "#SBATCH --nodes=1");
    fs_add_fix(outcome, FS_FIX_CODE, "or workers on all nodes, started by srun",
               "with mpi4py.futures.MPIPoolExecutor() as pool:");
    fs_set_gain(outcome, "1/%zu of the node hours", nodes);
}

/*
 * Whether nodes that are idle now may have computed before an audit. Slurm counts the steps of a
 * job: the look is one itself, and if there were no others before it than those that are seen,
 * nothing ever ran elsewhere. Without a step of its own it saw one node only.
 */
static bool may_have_computed(const struct fs_job *job) {
    const struct fs_whole *whole = job->whole;
    const struct fs_digest *digest = job->nodes[0].digest;
    int steps = 0;

    if (!fs_is_outside(digest)) return false;
    for (size_t i = 0; i < whole->launch_count; i++) {
        bool known = whole->launches[i].step < 0;
        for (size_t j = 0; j < i; j++)
            known = known || whole->launches[j].step == whole->launches[i].step;
        steps += !known;
    }
    return digest->audited->step < 0 || digest->audited->step > steps;
}

static void check_pool(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    const struct fs_whole *whole = job->whole;
    const struct use use = use_of(whole, fs_threshold(thresholds, outcome->rule, POOL_OVERLAP),
                                  fs_threshold(thresholds, outcome->rule, POOL_IDLE));
    const int told = job->nodes[0].digest->scheduler.nodes;

    if (whole->allocated.count < 2 && told < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job has not several nodes");
    else if (use.mpi)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job has MPI ranks");
    else if (!whole->allocated.known || use.unknown)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the nodes of the job or their CPU time are not known");
    else if (use.outside > 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "it ran beside the nodes that the job has");
    else if (!use.pool)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no worker processes computed together");
    else if (use.busy > 1)
        fs_vote(outcome, FS_PASS, "%zu nodes computed", use.busy);
    else if (whole->missing.count > 0 || (use.launched && !use.stepped))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "nodes that may have computed left no record");
    else if (whole->framework)
        fs_vote(outcome, FS_PASS, "%s shares work among nodes", whole->framework);
    else if (whole->steps_beside)
        fs_vote(outcome, FS_PASS, "other steps of the job ran beside it");
    else if (may_have_computed(job))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "what the other nodes did before is not seen");
    else
        report_pool(job, &use, outcome);
}

const struct fs_rule fs_rule_mpi_04 = {
    .id = "MPI-04",
    .family = "MPI",
    .title = "multiprocessing on many nodes",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "what the other nodes did before is",
    .check_whole = check_pool,
    .why = "multiprocessing, concurrent.futures and xargs start workers with fork and exec, and "
           "those run where their parent runs. However many nodes a job has, such a pool uses "
           "one; the others are paid for, reserved and idle.",
    .decided = "Slurm gave the job two or more nodes; on one of them two or more workers of one "
               "parent were busy together for `overlap` seconds; and every other node used less "
               "than `idle` CPUs on average, or no process of the command ran there.",
    .exceptions =
        "Silent when a world of several MPI ranks is there, when Dask, Ray, Dragon, GNU "
        "parallel or ssh share the work among nodes, and when the command ran outside "
        "the allocation. Unknown when a node of the step left no record. Silent, too, "
        "when another srun of the job or another step was seen on the node; steps that "
        "were started elsewhere are not visible: then the finding does not apply. An audit "
        "of all nodes finds it when no step before it ran but those that it sees.",
    .fix = "#SBATCH --nodes=1",
    .thresholds = pool_thresholds,
    .sources = (const char *const[]){"N1", "T", "PRZ", NULL},
};
