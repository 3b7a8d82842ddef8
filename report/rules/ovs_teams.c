/* ovs_teams.c - rules on thread teams that are larger than their CPUs, alone or together. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/teams.h"
#include "report/thread_libraries.h"

#include "preload/recorded_variables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TEAM_WAIT, TEAM_TIME, TEAM_ERROR };
static const struct fs_threshold team_thresholds[] = {
    [TEAM_WAIT] = {"wait", 0.10, "fraction",
                   "least share of the time they could have run that the threads wait for a CPU",
                   "own"},
    [TEAM_TIME] = {"time", 1.0, "s", "least time in which two threads or more want a CPU", "own"},
    [TEAM_ERROR] = {"error", 2.0, "count", "threads per CPU that make it an error", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* Ranks on this node that run the team's program at once; 1: it is no rank. */
static int ranks_of(const struct fs_node *node, const struct fs_team *team) {
    const int in_step = node->digest->scheduler.step_tasks_on_node;

    if (!fs_team_is_rank(team)) return 1;
    return in_step > team->workers ? in_step : team->workers;
}

static void add_team_cause(const struct fs_team *team, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *asked = fs_team_variable(team, "OMP_NUM_THREADS");
    const struct fs_narrowing *narrowing = team->narrowing;

    if (asked && strtol(asked, NULL, 10) == team->threads)
        fs_add_cause(outcome, "OMP_NUM_THREADS=%s", asked);
    else
        fs_add_cause(
            outcome, "the program itself asks for %d threads (omp_set_num_threads, num_threads)%s",
            team->threads, asked ? fs_arena_printf(arena, "; OMP_NUM_THREADS=%s", asked) : "");
    if (narrowing)
        fs_add_cause(outcome, "sched_setaffinity by %s (process %d): CPUs %s -> %s",
                     fs_base_name(narrowing->executable), narrowing->pid,
                     fs_mask_list(arena, narrowing->before), fs_mask_list(arena, narrowing->after));
}

/* A number in the environment outranks the mask; one in the program outranks both, but not
 * the limit. */
static void add_team_fixes(const struct fs_node *node, const struct fs_team *team, int fitting,
                           struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *asked = fs_team_variable(team, "OMP_NUM_THREADS");
    const bool by_variable = asked && strtol(asked, NULL, 10) == team->threads;
    const char *narrower = team->narrowing ? fs_base_name(team->narrowing->executable) : "";

    if (fs_node_language(node) == FS_LANGUAGE_SRUN)
        fs_add_fix(outcome, FS_FIX_COMMAND, "and the rest as it was", "srun -c %d", team->threads);
    if (fs_node_language(node) == FS_LANGUAGE_MPIRUN)
        fs_add_fix(outcome, FS_FIX_COMMAND, "and the rest as it was", "mpirun --map-by slot:PE=%d",
                   team->threads);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, fitting == 1 ? "one thread for its CPU" : NULL,
               by_variable ? "export OMP_NUM_THREADS=%d" : "export OMP_THREAD_LIMIT=%d", fitting);
    if (strcmp(narrower, "taskset") == 0 && node->job_cpus >= team->threads &&
        !fs_job_mask_is_guessed(node))
        fs_add_fix(outcome, FS_FIX_CODE, "where the job calls taskset", "taskset -c %s",
                   fs_mask_list(arena, node->digest->mask_job));
}

static void report_team(const struct fs_node *node, const struct fs_team *team, int ranks,
                        enum fs_severity severity, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const int cpus = ranks > 1 ? node->job_cpus : fs_mask_cpus(team->mask);
    const int cores = fs_mask_cores(node->digest->topology, team->mask);
    const char *plural = cpus == 1 ? "" : "s";

    fs_add_finding(outcome, severity, node, NULL);
    if (ranks > 1)
        fs_set_title(outcome, "%d ranks x %d OpenMP threads on %d CPU%s", ranks, team->busy, cpus,
                     plural);
    else
        fs_set_title(outcome, "%d OpenMP threads of %s on %d CPU%s", team->busy,
                     fs_base_name(team->executable), cpus, plural);
    if (ranks > 1)
        fs_set_population(outcome, ranks, 0, "ranks");
    else
        fs_set_team_population(outcome, team);
    fs_tell_team(outcome, team);
    fs_add_evidence(
        outcome, "cpus", cpus, "cpus", ranks > 1 ? "the ranks share %s" : "it may use %s",
        ranks > 1 ? fs_job_cpus_text(arena, node)
                  : fs_arena_printf(arena, "CPU %s: %s", fs_mask_list(arena, team->mask),
                                    fs_cpus_text(arena, cpus, cores)));
    fs_add_wait(outcome, fs_team_wait(team));
    fs_add_number(outcome, "threads_mean", fs_team_threads(team), "count");
    add_team_cause(team, outcome);
    const int fitting = cpus / ranks > 1 ? cpus / ranks : 1;
    add_team_fixes(node, team, fitting, outcome);
}

static void judge_team(const struct fs_node *node, const struct fs_team *team,
                       const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double least_wait = fs_threshold(thresholds, outcome->rule, TEAM_WAIT);
    const double time = fs_threshold(thresholds, outcome->rule, TEAM_TIME);
    const double error = fs_threshold(thresholds, outcome->rule, TEAM_ERROR);
    const int cpus = fs_mask_cpus(team->mask), ranks = ranks_of(node, team);
    const double threads = fs_team_threads(team), wait = fs_team_wait(team);
    const bool alone = team->busy > cpus && threads > cpus;
    const bool together = ranks > 1 && node->job_cpus > 0 && ranks * threads > node->job_cpus;
    const double share = alone ? threads / cpus : ranks * threads / node->job_cpus;

    if (!fs_team_may_be_openmp(team)) return;
    if ((double)team->team_ns < time * 1e9)
        fs_vote(outcome, fs_too_short(node, node->digest->wall_ns, time),
                "the teams worked for less than %g s", time);
    else if (!fs_team_is_openmp(team))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who started the threads of %s was not recorded",
                fs_team_name(outcome->arena, team));
    else if (team->workers > 1 && ranks == 1)
        fs_vote(outcome, FS_PASS, "workers with threads are judged together (OVS-01)");
    else if (cpus < 1)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the mask of %s was not recorded",
                fs_team_name(outcome->arena, team));
    else if (!alone && !together)
        fs_vote(outcome, FS_PASS, "every thread of the teams had a CPU");
    else if (isnan(wait))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "run-queue wait was not recorded");
    else if (wait < least_wait)
        fs_vote(outcome, FS_PASS, "the threads hardly waited for a CPU (%.0f %%)", 100 * wait);
    else
        report_team(node, team, alone ? 1 : ranks, share > error * 0.95 ? FS_ERROR : FS_WARNING,
                    outcome);
}

static void check_team(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    fs_each_team(job, thresholds, outcome, judge_team);
}

const struct fs_rule fs_rule_ovs_06 = {
    .id = "OVS-06",
    .family = "load",
    .title = "OpenMP team larger than its CPUs",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "teams of another time are",
    .check = check_team,
    .why = "The threads of an OpenMP team meet at a barrier after every loop. If two of them share "
           "a CPU, the others wait for both, and a region takes twice as long or more. Without "
           "-c, srun gives a rank one core whatever OMP_NUM_THREADS says: both threads of each "
           "rank then run on it.",
    .decided = "More threads of an OpenMP runtime, with the one that leads them, wanted a CPU (ran "
               "or waited for more than half of a sample) than the process's mask has CPUs, at "
               "peak and on average; or so did all ranks of a node together, against the CPUs of "
               "the job. The threads waited in run queues for `wait` or more of the time that "
               "they could have run. An error from about `error` threads per CPU on, else a "
               "warning.",
    .exceptions = "Silent for pools that idle, for teams under `time`, and for forked workers "
                  "(OVS-01 speaks of those).",
    .fix = "srun -c $OMP_NUM_THREADS ..., or fewer threads: export OMP_NUM_THREADS={CPUs}",
    .dispute = "Some sites count hardware threads as CPUs, some cores. A thread for every "
               "hardware thread is left alone.",
    .thresholds = team_thresholds,
    .sources = (const char *const[]){"OLCF", "TAS", NULL},
};

enum { SPIN_WAIT, SPIN_TIME, SPIN_COUNT };
static const struct fs_threshold spin_thresholds[] = {
    [SPIN_WAIT] = {"wait", 0.10, "fraction",
                   "least share of the time they could have run that the threads wait for a CPU",
                   "own"},
    [SPIN_TIME] = {"time", 1.0, "s", "least time in which two teams work at once", "own"},
    [SPIN_COUNT] = {"spins", 1e6, "count", "GOMP_SPINCOUNT from which on waiting is spinning",
                    "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* "30000", "20M", "infinity" as libgomp reads them; NAN: not understood. */
static double spins(const char *value) {
    static const struct {
        char suffix;
        double factor;
    } factors[] = {{'k', 1e3}, {'m', 1e6}, {'g', 1e9}, {'t', 1e12}};
    char *end;

    if (strncasecmp(value, "infini", 6) == 0) return INFINITY;
    double number = strtod(value, &end);
    if (end == value) return NAN;
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        if (*end && strchr("kKmMgGtT", *end) && (*end | 0x20) == factors[i].suffix)
            number *= factors[i].factor;
    return number;
}

/* Why the threads of a team go on running while they wait, as a setting; NULL: they do not. */
static const char *spinning_by(struct fs_arena *arena, const struct fs_team *team, double most) {
    const char *policy = fs_team_variable(team, "OMP_WAIT_POLICY");
    const char *count = fs_team_variable(team, "GOMP_SPINCOUNT");
    const char *block = fs_team_variable(team, "KMP_BLOCKTIME");
    const bool passive = policy && strcasecmp(policy, "passive") == 0;

    if (!(team->family & FSP_LIBRARIES_KMP)) {
        if (count && spins(count) > most) return fs_arena_printf(arena, "GOMP_SPINCOUNT=%s", count);
        if (!count && policy && strcasecmp(policy, "active") == 0) return "OMP_WAIT_POLICY=active";
        return NULL;
    }
    if (block)
        return strcmp(block, "0") != 0 ? fs_arena_printf(arena, "KMP_BLOCKTIME=%s", block) : NULL;
    if (passive) return NULL;
    return policy ? fs_arena_printf(arena, "OMP_WAIT_POLICY=%s", policy)
                  : "KMP_BLOCKTIME is not set (200 ms)";
}

/* The teams that spin: the first one's setting, how many, and by which kind of runtime. */
struct spinners {
    const char *by;
    const struct fs_team *first;
    int processes;
    bool gomp, kmp;
};

static struct spinners find_spinners(const struct fs_node *node, double most,
                                     struct fs_outcome *outcome) {
    struct spinners found = {0};

    for (size_t i = 0; i < node->digest->team_count; i++) {
        const struct fs_team *team = &node->digest->teams[i];
        const char *by = fs_team_is_openmp(team) && team->team_ns > 0
                             ? spinning_by(outcome->arena, team, most)
                             : NULL;
        if (!by) continue;
        if (!found.by) {
            found.by = by;
            found.first = team;
        }
        found.processes += team->count;
        found.kmp |= team->family & FSP_LIBRARIES_KMP;
        found.gomp |= team->family & FSP_LIBRARY_GOMP;
    }
    return found;
}

static void report_spinning(const struct fs_node *node, const struct spinners *spinners,
                            double cpus, double wait, struct fs_outcome *outcome) {
    const struct fs_rivals *rivals = &node->digest->rivals;
    const bool count = fs_team_variable(spinners->first, "GOMP_SPINCOUNT");

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%d spinning OpenMP teams on %g CPU%s", rivals->teams, cpus,
                 cpus == 1 ? "" : "s");
    fs_set_population(outcome, spinners->processes, 0,
                      spinners->processes == 1 ? "process" : "processes");
    fs_add_evidence(outcome, "teams", rivals->teams, "count",
                    "%d teams at once: %d threads wanted CPU %s", rivals->teams, rivals->threads,
                    fs_mask_list(outcome->arena, rivals->mask));
    fs_add_wait(outcome, wait);
    fs_add_number(outcome, "threads", rivals->threads, "count");
    fs_add_number(outcome, "cpus", cpus, "cpus");
    fs_add_cause(outcome, "%s in %s", spinners->by, fs_team_name(outcome->arena, spinners->first));
    fs_add_cause(outcome, "a thread that spins keeps its CPU from the other teams; a runtime "
                          "knows of its own process's threads only");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, NULL, "export OMP_WAIT_POLICY=passive%s%s",
               spinners->kmp ? " KMP_BLOCKTIME=0" : "",
               spinners->gomp && count ? "; unset GOMP_SPINCOUNT" : "");
}

static void judge_spinning(const struct fs_node *node, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    const double least_wait = fs_threshold(thresholds, outcome->rule, SPIN_WAIT);
    const double time = fs_threshold(thresholds, outcome->rule, SPIN_TIME);
    const struct fs_rivals *rivals = &node->digest->rivals;
    const double runnable = (double)rivals->run_ns + (double)rivals->wait_ns;
    const double wait = runnable > 0 ? (double)rivals->wait_ns / runnable : NAN;
    double cpus = fs_mask_cpus(rivals->mask);

    if (node->quota < cpus) cpus = node->quota;
    if (!node->digest->teams_sampled)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "threads were not sampled");
    else if (rivals->teams < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "never did two OpenMP teams work at one time");
    else if ((double)rivals->ns < time * 1e9)
        fs_vote(outcome, fs_too_short(node, node->digest->wall_ns, time),
                "two teams worked at once for less than %g s", time);
    else if (!rivals->mask || isnan(wait))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "masks or run-queue wait were not recorded");
    else if (rivals->threads <= cpus || runnable <= cpus * (double)rivals->ns)
        fs_vote(outcome, FS_PASS, "every thread of the teams had a CPU");
    else if (wait < least_wait)
        fs_vote(outcome, FS_PASS, "the threads hardly waited for a CPU (%.0f %%)", 100 * wait);
    else {
        const struct spinners spinners =
            find_spinners(node, fs_threshold(thresholds, outcome->rule, SPIN_COUNT), outcome);
        if (spinners.by)
            report_spinning(node, &spinners, cpus, wait, outcome);
        else
            fs_vote(outcome, FS_PASS, "the teams sleep while they wait");
    }
}

static void check_spinning(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        judge_spinning(&job->nodes[i], thresholds, outcome);
}

const struct fs_rule fs_rule_ovs_07 = {
    .id = "OVS-07",
    .family = "load",
    .title = "spinning waits while oversubscribed",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "teams of another time are",
    .check = check_spinning,
    .why = "A thread that waits at a barrier can sleep, or it can spin: run in a loop until the "
           "others come. Spinning answers faster while every thread has a CPU. With several teams "
           "on too few CPUs, it takes the CPU from the very threads that it waits for. libgomp "
           "spins less when it is oversubscribed, but it counts the threads of its own process "
           "only.",
    .decided = "Two or more OpenMP teams of two or more threads worked at one time, for `time` or "
               "longer; the threads that wanted a CPU were more than the CPUs that they could use "
               "(union of the masks, or the quota), and waited for `wait` or more of the time "
               "that they could have run; and one of the teams spins: OMP_WAIT_POLICY=active, "
               "GOMP_SPINCOUNT above `spins`, or in LLVM's and Intel's runtime KMP_BLOCKTIME "
               "other than 0 (unset, it is 200 ms).",
    .exceptions = "Silent when every thread has a CPU, and for teams that sleep while they wait.",
    .fix = "export OMP_WAIT_POLICY=passive KMP_BLOCKTIME=0",
    .thresholds = spin_thresholds,
    .sources = (const char *const[]){"GCC", "LLVM", NULL},
};
