/* thr_teams.c - rules on the size of OpenMP teams, and on BLAS teams that share one core. */
#include "report/launched.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/teams.h"
#include "report/thread_libraries.h"

#include "preload/segment.h"

#include <string.h>

enum { SIZE_TIME, SIZE_SHARE };
static const struct fs_threshold size_thresholds[] = {
    [SIZE_TIME] = {"time", 1.0, "s", "least time in which two threads or more want a CPU", "own"},
    [SIZE_SHARE] = {"share", 0.10, "fraction",
                    "least share of the job's CPU time that the team's process has", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* CPUs of a core, in the mask that the process has; 1: unknown. */
static int threads_per_core(const struct fs_node *node, const struct fs_team *team) {
    const int cpus = fs_mask_cpus(team->mask);
    const int cores = fs_mask_cores(node->digest->topology, team->mask);

    return cores > 0 && cpus % cores == 0 ? cpus / cores : 1;
}

static void report_size(const struct fs_node *node, const struct fs_team *team, int wanted,
                        struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *asked = fs_team_variable(team, "OMP_NUM_THREADS");
    const bool more = team->threads > wanted;

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%d OpenMP threads, %d CPU%s per task", team->threads, wanted,
                 wanted == 1 ? "" : "s");
    fs_set_team_population(outcome, team);
    fs_add_evidence(outcome, "threads", team->threads, "count",
                    "%s: a team of %d threads of %s, %d of which wanted a CPU at once",
                    fs_team_name(arena, team), team->threads, fs_base_name(team->owner),
                    team->busy);
    fs_add_evidence(outcome, "cpus_per_task", wanted, "cpus", "SLURM_CPUS_PER_TASK=%d: %s", wanted,
                    more ? "threads share CPUs" : "the other CPUs stay idle");
    if (asked)
        fs_add_cause(outcome, "OMP_NUM_THREADS=%s", asked);
    else
        fs_add_cause(outcome, "OMP_NUM_THREADS is not set: the runtime counts the CPUs of its "
                              "mask, or the program says a number");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "in the job script",
               "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK");
    fs_add_fix(outcome, FS_FIX_CODE, "or ask for what the team needs", "#SBATCH --cpus-per-task=%d",
               team->threads);
}

static void judge_size(const struct fs_node *node, const struct fs_team *team,
                       const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double time = fs_threshold(thresholds, outcome->rule, SIZE_TIME);
    const double share = fs_threshold(thresholds, outcome->rule, SIZE_SHARE);
    const int wanted = node->digest->scheduler.cpus_per_task;
    const double cpu = (double)team->cpu_ns * team->count;

    if (!fs_team_may_be_openmp(team)) return;
    if (wanted < 1)
        fs_vote(outcome, FS_NOT_APPLICABLE, "SLURM_CPUS_PER_TASK is not set");
    else if (fs_team_beside_workers(node, team) || (team->workers > 1 && !fs_team_is_rank(team)))
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job has worker processes, too");
    else if ((double)team->team_ns < time * 1e9)
        fs_vote(outcome, fs_too_short(node, node->digest->wall_ns, time),
                "the teams worked for less than %g s", time);
    else if (cpu < share * (double)node->digest->cpu_ns)
        fs_vote(outcome, FS_PASS, "the teams did little of the job's work");
    else if (!fs_team_is_openmp(team))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who started the threads of %s was not recorded",
                fs_team_name(outcome->arena, team));
    else if (team->threads == wanted || team->busy == wanted)
        fs_vote(outcome, FS_PASS, "teams of SLURM_CPUS_PER_TASK=%d threads", wanted);
    else if ((int64_t)team->threads * threads_per_core(node, team) == wanted)
        fs_vote(outcome, FS_PASS, "a thread for each core of SLURM_CPUS_PER_TASK=%d CPUs", wanted);
    else
        report_size(node, team, wanted, outcome);
}

static void check_size(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    fs_each_team(job, thresholds, outcome, judge_size);
}

const struct fs_rule fs_rule_thr_07 = {
    .id = "THR-07",
    .family = "threads",
    .title = "OpenMP team is not SLURM_CPUS_PER_TASK",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "teams of another time are",
    .check = check_size,
    .why = "A task is given SLURM_CPUS_PER_TASK CPUs. An OpenMP program does not read that "
           "variable: it takes OMP_NUM_THREADS, or the CPUs of its mask. With fewer threads, CPUs "
           "that were paid for idle; with more, threads share CPUs and wait for each other at "
           "every barrier.",
    .decided = "The largest team of an OpenMP runtime that was seen at work, with the thread that "
               "leads it, is not SLURM_CPUS_PER_TASK, and neither is the number of its threads "
               "that wanted a CPU at once. The team worked for `time`, and its process did "
               "`share` or more of the job's work.",
    .exceptions = "Silent for jobs that fork or start several workers, and for one thread for "
                  "each core where a core has several hardware threads.",
    .fix = "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK",
    .thresholds = size_thresholds,
    .sources = (const char *const[]){"A2", "NZO", NULL},
};

enum { COLLAPSE_TIME };
static const struct fs_threshold collapse_thresholds[] = {
    [COLLAPSE_TIME] = {"time", 1.0, "s", "least time in which two threads or more want a CPU",
                       "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static const char *blas_name(struct fs_arena *arena, const struct fs_team *team) {
    const uint32_t blas = FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_BLIS | FSP_LIBRARY_MKL;

    return team->family & blas ? fs_library_names(arena, team->family & blas) : NULL;
}

/* Only what the job set is unset. */
static const char *unset_line(struct fs_arena *arena, const struct fs_team *team) {
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"};
    const char *line = "unset";

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fs_team_variable(team, names[i]))
            line = fs_arena_printf(arena, "%s %s", line, names[i]);
    return line;
}

static void report_collapse(const struct fs_node *node, const struct fs_team *team,
                            const char *variable, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_narrowing *narrowing = team->narrowing;
    const int usable = team->threads < node->job_cores ? team->threads : node->job_cores;

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%d threads of %s on one core: %s", team->threads, blas_name(arena, team),
                 variable);
    fs_set_team_population(outcome, team);
    fs_tell_team(outcome, team);
    fs_add_evidence(outcome, "cores", 1, "count", "they were seen on CPU %s only; the job has %s",
                    fs_mask_list(arena, team->cpus),
                    fs_cpus_text(arena, node->job_cpus, node->job_cores));
    fs_add_wait(outcome, fs_team_wait(team));
    fs_add_cause(outcome, "%s=%s: the OpenMP runtime binds the first thread to one place", variable,
                 fs_team_variable(team, variable));
    if (narrowing)
        fs_add_cause(outcome, "sched_setaffinity by %s: CPUs %s -> %s, which %s's threads inherit",
                     fs_base_name(narrowing->place.module), fs_mask_list(arena, narrowing->before),
                     fs_mask_list(arena, narrowing->after), blas_name(arena, team));
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, NULL, "%s", unset_line(arena, team));
    if (usable > 1) fs_set_gain(outcome, "up to %d.0x shorter (est)", usable);
}

/* Whether the process had one core before any runtime bound it: no binding took others away. */
static bool had_one_core(const struct fs_node *node, const struct fs_team *team) {
    hwloc_topology_t topology = node->digest->topology;

    if (team->narrowing) return fs_mask_cores(topology, team->narrowing->before) == 1;
    return fs_mask_cores(topology, team->mask) == 1 &&
           fs_is_launchers_mask(node, team->pid, team->mask);
}

static void judge_collapse(const struct fs_node *node, const struct fs_team *team,
                           const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double time = fs_threshold(thresholds, outcome->rule, COLLAPSE_TIME);
    const char *variable = fs_team_binding(team);
    const struct fs_narrowing *narrowing = team->narrowing;

    if (!blas_name(outcome->arena, team)) return;
    if (!variable)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no OpenMP binding is asked for");
    else if (node->job_cores < 0 || !team->cpus)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the CPUs of the threads were not seen");
    else if (node->job_cores < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job has one core");
    else if ((double)team->team_ns < time * 1e9)
        fs_vote(outcome, fs_too_short(node, node->digest->wall_ns, time),
                "the teams worked for less than %g s", time);
    else if (fs_mask_cores(node->digest->topology, team->cpus) > 1)
        fs_vote(outcome, FS_PASS, "the threads of the BLAS library ran on several cores");
    else if (fs_is_outside(node->digest) && fs_mask_cores(node->digest->topology, team->mask) < 2)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who narrowed the mask is not seen from outside");
    else if (narrowing && !fs_is_openmp_runtime(narrowing->place.module))
        fs_vote(outcome, FS_PASS, "it was not the OpenMP runtime that narrowed the mask");
    else if (had_one_core(node, team))
        fs_vote(outcome, FS_PASS, "the process was given one core");
    else
        report_collapse(node, team, variable, outcome);
}

static void check_collapse(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    fs_each_team(job, thresholds, outcome, judge_collapse);
}

const struct fs_rule fs_rule_thr_08 = {
    .id = "THR-08",
    .family = "threads",
    .title = "binding collapses a BLAS team",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "teams of another time are",
    .check = check_collapse,
    .why = "With OMP_PROC_BIND, the OpenMP runtime binds the initial thread to one core as soon as "
           "the library is loaded. A BLAS library that makes its threads itself knows nothing of "
           "places: its threads inherit that one core, and share it.",
    .decided = "OMP_PROC_BIND (or GOMP_CPU_AFFINITY, OMP_PLACES) is set and not false; two or more "
               "threads of OpenBLAS, BLIS or MKL, with the one that leads them, wanted a CPU at "
               "once for `time`; and in all samples they were on one core, though the job has "
               "more.",
    .exceptions = "Silent for teams of other libraries, which place their threads themselves, and "
                  "when something else than an OpenMP runtime made the mask narrow, or a launcher "
                  "gave the process that one core.",
    .fix = "unset OMP_PROC_BIND OMP_PLACES",
    .thresholds = collapse_thresholds,
    .sources = (const char *const[]){"BL", "CSC", NULL},
};
