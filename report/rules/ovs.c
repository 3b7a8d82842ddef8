/* ovs.c - rules on more runnable threads than CPUs. */
#include "preload/segment.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"
#include "tracer/libraries.h"
#include "tracer/text.h"

#include <math.h>
#include <string.h>

enum { TEAMS_FACTOR, TEAMS_WAIT, TEAMS_ERROR, TEAMS_OVERLAP };
static const struct fs_threshold teams_thresholds[] = {
    [TEAMS_FACTOR] = {"factor", 1.25, "ratio", "threads per CPU above which it is too many", "own"},
    [TEAMS_WAIT] = {"wait", 0.10, "fraction", "least run-queue wait", "own"},
    [TEAMS_ERROR] = {"error", 2.0, "ratio", "threads per CPU from which it is an error", "own"},
    [TEAMS_OVERLAP] = {"overlap", 1.0, "s", "least time with two or more busy workers", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static const char *cpus_of(struct fs_arena *arena, double effective) {
    return fs_arena_printf(arena, "%g CPU%s", effective, effective == 1 ? "" : "s");
}

/* Threads that no variable of a thread library sizes: the program's own, or its Python code's. */
static bool are_own_threads(const struct fs_load *load) {
    const char *owner = load->group->threads_owner;
    return owner && (fs_library_of(owner) & ~(uint32_t)FSP_LIBRARY_PYTHON) == 0;
}

static void add_own_fix(const struct fs_load *load, int each, struct fs_outcome *outcome) {
    const char *owner = fs_base_name(load->group->threads_owner);

    if (fs_begins(owner, "libjvm"))
        fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "before the program starts",
                   "export JAVA_TOOL_OPTIONS=-XX:ActiveProcessorCount=%d", each);
    else
        fs_add_fix(outcome, FS_FIX_CODE,
                   fs_arena_printf(outcome->arena, "where %s starts its threads", owner),
                   load->group->python ? "threads = %d  # CPUs / workers"
                                       : "threads = %d;  /* CPUs / workers */",
                   each);
}

/* What made the teams so large: as the library read it, or as the workers have it. */
static void add_size_cause(const struct fs_load *load, struct fs_outcome *outcome) {
    const struct fs_thread_program *program = fs_load_program(load);
    const char *owner = load->group->threads_owner;
    const struct fs_thread_library *library =
        program && owner ? fs_program_library(program, fs_library_of(owner)) : NULL;
    const char *name = library ? fs_library_sized_by(library) : "OMP_NUM_THREADS";
    const char *value = library && name ? fs_library_read(library, name)
                                        : fs_load_variable(load, "OMP_NUM_THREADS");

    if (name && value)
        fs_add_cause(outcome, "%s=%s counts the threads of one worker", name, value);
    else if (value)
        fs_add_cause(outcome, "OMP_NUM_THREADS=%s was not what %s read: a team takes every CPU",
                     value, fs_library_name(library->family));
    else
        fs_add_cause(outcome, "OMP_NUM_THREADS is not set: a team takes every CPU it sees");
}

static void report_teams(const struct fs_load *load, enum fs_severity severity,
                         struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_group *group = load->group;
    const int total = load->workers * load->threads;
    const int each = (int)(load->effective / load->workers);
    const char *owner = group->threads_owner ? fs_base_name(group->threads_owner) : NULL;

    fs_add_finding(outcome, severity, load->node, load);
    fs_set_title(outcome, "%d workers x %d threads = %d on %s", load->workers, load->threads, total,
                 cpus_of(arena, load->effective));
    fs_set_population(outcome, load->workers, group->workers, "workers");
    fs_add_evidence(outcome, "threads", total, "count",
                    "%d workers x %d busy threads = %d threads on %s", load->workers, load->threads,
                    total, cpus_of(arena, load->effective));
    fs_add_wait(outcome, load->wait);
    fs_add_number(outcome, "workers", load->workers, "count");
    fs_add_number(outcome, "threads_per_worker", load->threads, "count");
    fs_add_number(outcome, "cpus", load->effective, "cpus");
    if (are_own_threads(load)) {
        fs_add_cause(outcome, "the threads are those of %s: every worker starts its own", owner);
        add_own_fix(load, each < 1 ? 1 : each, outcome);
        return;
    }
    if (owner)
        fs_add_cause(outcome, "the threads are those of %s: every worker starts a team", owner);
    else
        fs_add_cause(outcome, "every worker starts a team of threads (%s)",
                     fs_library_names(arena, group->libraries));
    add_size_cause(load, outcome);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "before Python starts", "%s",
               fs_threads_export(arena, group->libraries, each < 1 ? 1 : each));
    if (!load->group->python) {
        struct fs_finding *finding = &outcome->findings[outcome->count - 1];
        finding->fix[finding->fix_count - 1].when = "before the program starts";
    }
}

static void judge_teams(const struct fs_load *load, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    const double factor = fs_threshold(thresholds, outcome->rule, TEAMS_FACTOR);
    const double least_wait = fs_threshold(thresholds, outcome->rule, TEAMS_WAIT);
    const double error = fs_threshold(thresholds, outcome->rule, TEAMS_ERROR);
    const double overlap = fs_threshold(thresholds, outcome->rule, TEAMS_OVERLAP);
    const double total = (double)load->workers * load->threads;

    if (load->threads < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "busy threads were not sampled");
    else if (load->threads < 2)
        fs_vote(outcome, FS_PASS, "one busy thread per worker");
    else if (isnan(load->effective))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the workers' masks were not recorded");
    else if (total <= factor * load->effective)
        fs_vote(outcome, FS_PASS, "the threads of all workers fit the CPUs");
    else if (load->busy < 2 || (double)load->group->overlap_ns < overlap * 1e9)
        fs_vote(outcome, fs_too_short(load->node, load->group->window_ns, overlap),
                "workers overlapped for less than %g s", overlap);
    else if (isnan(load->wait))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "run-queue wait was not recorded");
    else if (load->wait < least_wait)
        fs_vote(outcome, FS_PASS, "threads hardly waited for a CPU (%.0f %%)", 100 * load->wait);
    else
        report_teams(load, total >= error * load->effective ? FS_ERROR : FS_WARNING, outcome);
}

bool fs_teams_crowd(const struct fs_load *load, const struct fs_thresholds *thresholds) {
    const struct fs_rule *rule = &fs_rule_ovs_01;
    const double total = (double)load->workers * load->threads;
    return load->threads >= 2 && load->busy >= 2 &&
           total > fs_threshold(thresholds, rule, TEAMS_FACTOR) * load->effective &&
           (double)load->group->overlap_ns >= fs_threshold(thresholds, rule, TEAMS_OVERLAP) * 1e9 &&
           load->wait >= fs_threshold(thresholds, rule, TEAMS_WAIT);
}

static void check_teams(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_teams);
}

const struct fs_rule fs_rule_ovs_01 = {
    .id = "OVS-01",
    .family = "load",
    .title = "N workers x N threads",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_teams,
    .why = "Thread libraries (OpenMP, BLAS, Numba) start as many threads as they see CPUs. Each "
           "worker of a pool does so on its own: N workers with N threads each are N x N threads "
           "on N CPUs, which evict each other's caches and wait for a CPU.",
    .decided = "Two or more workers, two or more busy threads in one of them; workers x threads is "
               "above `factor` x the CPUs that the workers can use; and the measured run-queue "
               "wait is at least `wait`. An error from `error` threads per CPU, else a warning.",
    .exceptions = "Silent for pools of threads that do not run, and when anything (a variable, "
                  "threadpoolctl, loky) holds the teams to one thread.",
    .fix =
        "export OMP_NUM_THREADS={max(1, CPUs / workers)}, and the same for the library's own "
        "variable (OPENBLAS_, MKL_, NUMEXPR_NUM_THREADS), before the program starts. Threads that "
        "the program starts by itself obey none of these: its own number is what counts (Java: "
        "-XX:ActiveProcessorCount).",
    .dispute = "Documents set OMP_NUM_THREADS to the number of processes, to 1, to the CPUs of the "
               "task, or to CPUs / processes. It is always a count of threads: with workers, "
               "CPUs / workers is right, and 1 is safe.",
    .thresholds = teams_thresholds,
    .sources = (const char *const[]){"N1", "AAL", "PTM", "JL", NULL},
};

enum { CROWD_USE, CROWD_WAIT, CROWD_ERROR, CROWD_OVERLAP };
static const struct fs_threshold crowd_thresholds[] = {
    [CROWD_USE] = {"use", 0.90, "fraction", "least use of the CPUs while workers live", "own"},
    [CROWD_WAIT] = {"wait", 0.10, "fraction", "least run-queue wait", "own"},
    [CROWD_ERROR] = {"error", 2.0, "ratio", "threads per CPU from which it is an error", "own"},
    [CROWD_OVERLAP] = {"overlap", 1.0, "s", "least time with two or more busy workers", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static void add_crowd_fixes(const struct fs_load *load, int fitting, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_scheduler *scheduler = &load->node->digest->scheduler;
    const struct fs_remedy remedy = fs_remedy_command(arena, load, NULL, fitting);

    if (remedy.variable) fs_add_remedy(outcome, NULL, "", &remedy);
    fs_add_fix(outcome, FS_FIX_CODE,
               fs_arena_printf(arena, "%d worker%s here", fitting, fitting == 1 ? "" : "s"), "%s",
               fs_pool_size_code(arena, load, load->cpus, fitting));
    if (scheduler->name && strcmp(scheduler->name, "slurm") == 0)
        fs_add_fix(outcome, FS_FIX_CODE, "or ask for as many CPUs as workers",
                   "#SBATCH --cpus-per-task=%d", load->workers);
}

static void report_crowd(const struct fs_load *load, enum fs_severity severity,
                         struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_node *node = load->node;
    const int fitting = load->effective < 1 ? 1 : (int)load->effective;
    const bool by_quota = load->effective < load->cpus;

    fs_add_finding(outcome, severity, node, load);
    fs_set_title(outcome, "%d workers%s on %s", load->workers,
                 load->threads > 1 ? fs_arena_printf(arena, " of %d threads", load->threads) : "",
                 cpus_of(arena, load->effective));
    fs_set_population(outcome, load->workers, load->group->workers, "workers");
    fs_add_evidence(outcome, "workers", load->workers, "count",
                    "%d workers, %d busy at once, share %s%s", load->workers, load->busy,
                    fs_cpus_text(arena, load->cpus, load->cores),
                    by_quota ? fs_arena_printf(arena, ", quota %g", node->quota) : "");
    fs_add_wait(outcome, load->wait);
    fs_add_number(outcome, "cpus", load->effective, "cpus");
    fs_add_number(outcome, "use", load->use, "fraction");
    if (load->workers == node->cpus && node->cpus > load->effective)
        fs_add_cause(outcome,
                     "the pool has one worker per CPU of the node (%d), as os.cpu_count() and "
                     "nproc --all count",
                     node->cpus);
    if (node->start_cpus > 0 && node->start_cpus == load->cpus && node->cpus > load->cpus)
        fs_add_cause(outcome, "%s was started with CPU %s only: that is all the job has",
                     fs_is_outside(node->digest) ? "the job" : "forksight",
                     fs_mask_list(arena, node->digest->mask_start));
    fs_add_birth_cause(outcome, load);
    add_crowd_fixes(load, fitting, outcome);
}

static void judge_crowd(const struct fs_load *load, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    const double use = fs_threshold(thresholds, outcome->rule, CROWD_USE);
    const double least_wait = fs_threshold(thresholds, outcome->rule, CROWD_WAIT);
    const double error = fs_threshold(thresholds, outcome->rule, CROWD_ERROR);
    const double overlap = fs_threshold(thresholds, outcome->rule, CROWD_OVERLAP);
    const int busy = load->busy < load->workers ? load->busy : load->workers;
    const double total = (double)busy * load->threads;

    if (isnan(load->effective))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the workers' masks were not recorded");
    else if (load->threads > 0 && (double)load->workers * load->threads <= load->effective)
        fs_vote(outcome, FS_PASS, "no more workers than CPUs");
    else if (busy < 0 || load->threads < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "busy workers were not sampled");
    else if (total <= load->effective)
        fs_vote(outcome, FS_PASS, "no more workers were busy at once than there are CPUs");
    else if ((double)load->group->overlap_ns < overlap * 1e9)
        fs_vote(outcome, fs_too_short(load->node, load->group->window_ns, overlap),
                "workers overlapped for less than %g s", overlap);
    else if (isnan(load->wait) || isnan(load->use))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "run-queue wait was not recorded");
    else if (load->use < use && load->demand <= load->effective)
        fs_vote(outcome, FS_PASS, "the workers left CPUs free (%.0f %% used)", 100 * load->use);
    else if (load->wait < least_wait)
        fs_vote(outcome, FS_PASS, "workers hardly waited for a CPU (%.0f %%)", 100 * load->wait);
    else if (load->worth <= load->effective)
        fs_vote(outcome, FS_PASS, "the workers' own work would fit the CPUs (%.1f of %g)",
                load->worth, load->effective);
    else
        report_crowd(load, total >= error * load->effective ? FS_ERROR : FS_WARNING, outcome);
}

/* Several pools that fit one by one, and not together. */
struct sum {
    const struct fs_load *largest;
    int loads, workers;
    double effective, run, wait;
};

static struct sum sum_loads(const struct fs_node *node) {
    struct sum sum = {.effective = NAN};
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    for (size_t i = 0; mask && i < node->load_count; i++) {
        const struct fs_load *load = &node->loads[i];
        if (load->ignored != FS_IGNORED_NO || load->cpus < 1 || isnan(load->wait)) continue;
        if (sum.loads++ == 0) sum.largest = load;
        hwloc_bitmap_or(mask, mask, load->group->mask_union);
        sum.workers += load->workers;
        sum.run += (double)load->group->run_ns;
        sum.wait += (double)load->group->wait_ns;
    }
    if (sum.loads > 0) {
        sum.effective = hwloc_bitmap_weight(mask);
        if (node->quota < sum.effective) sum.effective = node->quota;
    }
    hwloc_bitmap_free(mask);
    return sum;
}

static void judge_crowd_of_node(const struct fs_node *node, const struct fs_thresholds *thresholds,
                                struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct sum sum = sum_loads(node);
    const double least_wait = fs_threshold(thresholds, outcome->rule, CROWD_WAIT);
    const double overlap = fs_threshold(thresholds, outcome->rule, CROWD_OVERLAP);
    const int busy = node->digest->workers_busy_peak;
    const double wait = sum.wait / (sum.run + sum.wait);
    const double demand = (sum.run + sum.wait) / (double)node->digest->active_ns;

    if (sum.loads < 2 || (double)node->digest->active_ns < overlap * 1e9) return;
    if (busy <= sum.effective || demand <= sum.effective || wait < least_wait) return;
    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%d pools together: %d busy workers on %s", sum.loads, busy,
                 cpus_of(arena, sum.effective));
    fs_set_population(outcome, sum.workers, 0, "workers");
    fs_add_evidence(outcome, "workers", busy, "count",
                    "%d workers of %d pools were busy at once on %s", busy, sum.loads,
                    cpus_of(arena, sum.effective));
    fs_add_wait(outcome, wait);
    fs_add_cause(outcome, "each pool fits the CPUs, but they run at the same time");
    fs_add_birth_cause(outcome, sum.largest);
    fs_add_fix(outcome, FS_FIX_CODE, "in each pool, or one after the other",
               sum.largest->group->python ? "Pool(len(os.sched_getaffinity(0)) // %d or 1)"
                                          : "workers = cpus / %d",
               sum.loads);
}

static void check_crowd(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_crowd);
    for (size_t i = 0; i < job->node_count && outcome->count == 0; i++)
        judge_crowd_of_node(&job->nodes[i], thresholds, outcome);
}

const struct fs_rule fs_rule_ovs_02 = {
    .id = "OVS-02",
    .family = "load",
    .title = "more workers than CPUs",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check = check_crowd,
    .why = "Workers beyond the number of CPUs do not run, they take turns: the work is not done "
           "sooner, and every turn costs a context switch and cold caches. A pool without a size "
           "often counts the CPUs of the machine, not those that the job was given.",
    .decided =
        "Busy workers x busy threads of a worker exceed the CPUs that the workers can use "
        "(the union of their masks, or the CPU quota if that is less); the CPUs are used "
        "to `use` or more, or the workers' demand (run + wait) exceeds the CPUs; the run-queue "
        "wait is at least `wait`; and without it they would have used more CPUs than there "
        "are. An error from `error` threads per CPU. Pools "
        "that fit one by one are judged together, too.",
    .exceptions = "Silent for workers that sleep or wait for input. With two hardware threads per "
                  "core, workers up to the number of hardware threads are not too many.",
    .fix = "Pool(len(os.sched_getaffinity(0))), or ask the batch system for as many CPUs as there "
           "are workers.",
    .dispute = "os.cpu_count() counts the machine; some sites patch it; loky knows quotas. The "
               "CPUs of the mask and the quota decide.",
    .thresholds = crowd_thresholds,
    .sources = (const char *const[]){"U", "AAL", "PYC", "PY", NULL},
};
