/* eff.c - rules on balance and efficiency of a pool. */
#include "preload/segment.h"
#include "report/remedy.h"
#include "report/rules/rules.h"

#include <math.h>

enum { BALANCE_RATIO, BALANCE_TAIL, BALANCE_CPU, BALANCE_OVERLAP, BALANCE_DUTY };
static const struct fs_threshold balance_thresholds[] = {
    [BALANCE_RATIO] = {"ratio", 1.25, "ratio", "CPU time of the largest worker over the mean",
                       "own"},
    [BALANCE_TAIL] = {"tail", 0.10, "fraction",
                      "time from the first idle worker to the last done, of the pool's life",
                      "own"},
    [BALANCE_CPU] = {"cpu", 1.0, "s", "least CPU time of all workers", "own"},
    [BALANCE_OVERLAP] = {"overlap", 1.0, "s", "least time with two or more busy workers", "own"},
    [BALANCE_DUTY] = {"duty", 0.5, "fraction",
                      "share of the pool's life with a busy worker below which it is a server",
                      "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static bool uses_gpu(const struct fs_load *load) {
    return load->group->libraries & (FSP_LIBRARY_CUDA | FSP_LIBRARY_ROCM);
}

static double seconds(int64_t ns) {
    return (double)ns / 1e9;
}

/* Some have a core to themselves and some share one: equal work then takes unequal time. */
static bool some_share_a_core(const struct fs_load *load) {
    return load->cores > 0 && fs_load_threads(load) > load->cores &&
           fs_load_threads(load) < load->cpus;
}

static void report_imbalance(const struct fs_load *load, double ratio, struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const struct fs_spread *spread = &group->worker_cpu_ns;
    const double tail = seconds(group->last_busy - group->first_idle);

    fs_add_finding(outcome, uses_gpu(load) ? FS_NOTE : FS_WARNING, load->node, load);
    fs_set_title(outcome, "load imbalance: largest worker %.2fx the mean", ratio);
    fs_set_population(outcome, load->workers, group->workers, "workers");
    fs_add_evidence(outcome, "imbalance", ratio, "ratio",
                    "CPU time of a worker: %.2f s least, %.2f s mean, %.2f s most",
                    seconds(spread->min), seconds(spread->sum) / (double)spread->n,
                    seconds(spread->max));
    fs_add_evidence(outcome, "tail", tail, "s",
                    "from the first idle worker to the last done: %.1f s of %.1f s", tail,
                    seconds(group->window_ns));
    fs_add_cause(outcome,
                 "the shares of the work, or the speeds of the CPUs, differ: idle workers wait");
    const char *place = fs_place_text(outcome->arena, &group->site);
    if (place) fs_add_cause(outcome, "the workers were made at %s", place);
    if (group->python)
        fs_add_fix(outcome, FS_FIX_CODE, "many small shares",
                   "pool.imap_unordered(work, items, chunksize=1)");
    fs_add_fix(outcome, FS_FIX_CODE, "equal shares of N items for W workers",
               group->python ? "[N//W+1]*(N%%W)+[N//W]*(W-N%%W)" : "share = N/W + (rank < N%%W);");
    fs_set_gain(outcome, "up to %.1f s (est)",
                (seconds(spread->max) - seconds(spread->sum) / (double)spread->n));
}

static void judge_balance(const struct fs_load *load, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const struct fs_spread *spread = &group->worker_cpu_ns;
    const struct fs_rule *rule = outcome->rule;
    const int64_t tail = group->last_busy - group->first_idle;
    const double ratio = spread->n > 1 && spread->sum > 0
                             ? (double)spread->max * (double)spread->n / (double)spread->sum
                             : NAN;

    if (isnan(ratio) || group->sample_ns < 0 || group->first_idle < 0 || group->last_busy < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the CPU time of single workers was not sampled");
    else if (group->workers > group->workers_peak)
        fs_vote(outcome, FS_NOT_APPLICABLE, "workers came one after the other: that balances");
    else if (group->scripts_differ)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the workers run different scripts");
    else if (fs_load_threads(load) > load->effective)
        fs_vote(outcome, FS_NOT_APPLICABLE,
                "more workers or threads than CPUs: who gets a CPU first takes more");
    else if (some_share_a_core(load))
        fs_vote(outcome, FS_NOT_APPLICABLE,
                "more workers than cores: those that share one take longer");
    else if ((double)spread->sum < 1e9 * fs_threshold(thresholds, rule, BALANCE_CPU) ||
             (double)group->overlap_ns < 1e9 * fs_threshold(thresholds, rule, BALANCE_OVERLAP))
        fs_vote(outcome, FS_NOT_APPLICABLE, "the workers computed together for too short a time");
    else if ((double)group->busy_ns <
             fs_threshold(thresholds, rule, BALANCE_DUTY) * (double)group->window_ns)
        fs_vote(outcome, FS_NOT_APPLICABLE, "workers that wait for requests, as a server's do");
    else if (ratio <= fs_threshold(thresholds, rule, BALANCE_RATIO))
        fs_vote(outcome, FS_PASS, "CPU time max/mean %.2f", ratio);
    else if ((double)tail < fs_threshold(thresholds, rule, BALANCE_TAIL) * (double)group->window_ns)
        fs_vote(outcome, FS_PASS, "unequal workers (%.2f), but all were busy to the end", ratio);
    else if (tail <= 2 * group->sample_ns)
        fs_vote(outcome, FS_PASS, "the tail is too short to be measured");
    else
        report_imbalance(load, ratio, outcome);
}

static void check_balance(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_balance);
}

const struct fs_rule fs_rule_eff_01 = {
    .id = "EFF-01",
    .family = "efficiency",
    .title = "load imbalance",
    .severity = FS_WARNING,
    .unseen = "which worker ends last is",
    .check = check_balance,
    .why = "A pool is done when its last worker is. If one worker has more to do than the others, "
           "they are idle at the end; equal shares are the fastest.",
    .decided = "Largest over mean CPU time of the workers is above `ratio`; and the tail, from the "
               "first worker that is finally idle to the last one done, is at least `tail` of the "
               "pool's life and longer than two samples.",
    .exceptions = "Silent below `cpu` seconds in all, for servers (busy less than `duty` of their "
                  "life), for more workers or busy threads than CPUs (which share the work by "
                  "chance), where some workers have a core to themselves and some share one "
                  "(hardware threads), for different scripts side by side (a pipeline), and for "
                  "workers that come one after the other, as those of "
                  "make do. A "
                  "remainder given to one worker (66 against 62 tasks) is within the limit.",
    .fix = "Spread the remainder: [N//W+1]*(N%W)+[N//W]*(W-N%W); or many small shares: "
           "imap_unordered(chunksize=1).",
    .dispute = "Balance is called 'pretty good', suitable when work varies, or left to the user; "
               "the remainder is spread or given to the last. Only the measured tail decides.",
    .thresholds = balance_thresholds,
    .sources = (const char *const[]){"U", "T", "N1", NULL},
};

enum { USE_LEAST, USE_ACTIVE, USE_SLEEP, USE_SERVER, USE_WAIT };
static const struct fs_threshold use_thresholds[] = {
    [USE_LEAST] = {"use", 0.60, "fraction", "use of the workers' CPUs below which it is low",
                   "PRL"},
    [USE_ACTIVE] = {"active", 5.0, "s", "least time with a busy worker", "own"},
    [USE_SLEEP] = {"sleep", 0.5, "fraction", "share of the time with nobody runnable: a note only",
                   "own"},
    [USE_SERVER] = {"server", 0.9, "fraction", "such a share from which it is a server", "own"},
    [USE_WAIT] = {"wait", 0.20, "fraction", "run-queue wait from which the CPUs were taken", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* CPUs that the workers keep busy when none waits: one each. What teams of threads use beyond
 * that does not show who waited. */
static double usable_cpus(const struct fs_load *load) {
    return load->workers < load->effective ? load->workers : load->effective;
}

/* The parent computes all the time: its workers serve it, as those of a data loader do. */
static bool serves_parent(const struct fs_load *load) {
    return (double)load->group->parent_cpu_ns >= 0.9 * (double)load->group->window_ns;
}

static void add_use_cause(const struct fs_load *load, struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const double window = (double)group->window_ns;
    const double concurrency = (double)group->window_cpu_ns / (double)group->busy_ns;
    const char *place = fs_place_text(outcome->arena, &group->site);

    if (group->overlap_ns >= 0 && concurrency <= 1.1 &&
        (double)group->overlap_ns <= 0.1 * (double)group->busy_ns) {
        fs_add_evidence(outcome, "concurrency", concurrency, "workers",
                        "one worker busy at a time (%.2f on average)", concurrency);
        fs_add_cause(outcome, group->python
                                  ? "a loop of blocking calls: Pool.apply waits for each result"
                                  : "each worker waits for the one before it");
        if (group->python)
            fs_add_fix(outcome, FS_FIX_CODE, "instead of pool.apply",
                       "results = [pool.apply_async(f, (x,)) for x in items]");
    } else if (group->parent_cpu_ns >= 0 && (double)group->parent_cpu_ns > 0.5 * window) {
        fs_add_evidence(outcome, "parent_cpu", seconds(group->parent_cpu_ns), "s",
                        "the parent computed for %.1f s of it", seconds(group->parent_cpu_ns));
        fs_add_cause(outcome, "the workers wait while the parent prepares or collects");
    } else {
        fs_add_cause(outcome, "the workers wait: for input, for output, or for each other");
    }
    if (place) fs_add_cause(outcome, "the workers were made at %s", place);
    if (outcome->findings[outcome->count - 1].fix_count == 0)
        fs_add_fix(outcome, FS_FIX_CODE,
                   group->python ? "larger shares, prepared by the workers"
                                 : "larger shares for each worker",
                   group->python ? "pool.map(f, items, chunksize=max(1, len(items)//(4*W)))"
                                 : "share = N/(4*W);");
}

static void report_use(const struct fs_load *load, double use, bool sleeping,
                       struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const enum fs_severity severity =
        sleeping || uses_gpu(load) || serves_parent(load) ? FS_NOTE : FS_WARNING;

    fs_add_finding(outcome, severity, load->node, load);
    fs_set_title(outcome, "low utilisation: workers used %.0f %% of their CPUs", 100 * use);
    fs_set_population(outcome, load->workers, group->workers, "workers");
    fs_add_evidence(outcome, "use", use, "fraction",
                    "%.1f CPU-s in %.1f s with %d workers on %g CPUs: %.0f %%",
                    seconds(group->window_cpu_ns), seconds(group->window_ns), load->workers,
                    usable_cpus(load), 100 * use);
    if (sleeping)
        fs_add_evidence(outcome, "sleep", seconds(group->sleep_ns), "s",
                        "nobody was runnable for %.1f s of it", seconds(group->sleep_ns));
    add_use_cause(load, outcome);
    fs_set_gain(outcome, "up to %.1fx shorter (est)", 1 / (use > 0.01 ? use : 0.01));
}

static void judge_use(const struct fs_load *load, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const struct fs_rule *rule = outcome->rule;
    const double least = fs_threshold(thresholds, rule, USE_LEAST);
    const double active = fs_threshold(thresholds, rule, USE_ACTIVE);
    const double asleep = group->window_ns > 0 && group->sleep_ns >= 0
                              ? (double)group->sleep_ns / (double)group->window_ns
                              : NAN;
    const double use = isnan(load->use) ? NAN : load->use * load->effective / usable_cpus(load);
    const double parent = (double)group->parent_cpu_ns / (double)group->window_ns / load->effective;

    if (group->kind == FS_GROUP_EXECUTABLE)
        fs_vote(outcome, FS_NOT_APPLICABLE, "programs started side by side are no pool");
    else if (group->sample_ns < 0 || group->busy_ns < 0 || isnan(use) || isnan(asleep))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the load was not sampled");
    else if (fs_is_outside(load->node->digest) && (double)group->busy_ns < active * 1e9)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the look was too short; %g s tell (--window)", active);
    else if ((double)group->busy_ns < active * 1e9)
        fs_vote(outcome, FS_NOT_APPLICABLE, "workers were busy for less than %g s", active);
    else if (use >= least)
        fs_vote(outcome, FS_PASS, "the workers used %.0f %% of their CPUs", 100 * use);
    else if (group->parent_cpu_ns > 0 && load->use + parent >= least)
        fs_vote(outcome, FS_PASS, "workers and parent used %.0f %% of the CPUs",
                100 * (load->use + parent));
    else if (load->wait >= fs_threshold(thresholds, rule, USE_WAIT))
        fs_vote(outcome, FS_NOT_APPLICABLE, "the CPUs were taken: run-queue wait %.0f %%",
                100 * load->wait);
    else if (asleep >= fs_threshold(thresholds, rule, USE_SERVER))
        fs_vote(outcome, FS_NOT_APPLICABLE, "workers that wait for requests, as a server's do");
    else
        report_use(load, use, asleep >= fs_threshold(thresholds, rule, USE_SLEEP), outcome);
}

static void check_use(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_use);
}

const struct fs_rule fs_rule_eff_05 = {
    .id = "EFF-05",
    .family = "efficiency",
    .title = "low utilisation",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "the whole life of the workers is",
    .check = check_use,
    .why = "Workers that wait do not compute. Often the parent hands out one task at a time and "
           "waits for its result (Pool.apply), or prepares data while all workers are idle.",
    .decided = "CPU time of the workers / (life of the pool x CPUs they could keep busy, one for "
               "each worker) is below `use`, with a busy worker for at least `active` seconds, and "
               "what the parent used of the same CPUs does not make up for it. One busy worker at "
               "a time (at most 1.1 on average) points to blocking calls; a parent that computes "
               "half of the time, to a phase of its own.",
    .exceptions =
        "A note only for jobs that use a GPU, that sleep for `sleep` of the time (input "
        "and output), or whose parent computes all the time (workers that load data for it). Not "
        "applicable to servers (asleep for `server` of it), to programs "
        "that a shell, make or xargs starts side by side, and where the workers waited for "
        "CPUs (`wait`): then others, too many workers or a quota took them. Cores beyond "
        "the number of workers are OVS-03's matter.",
    .fix = "apply_async or map instead of apply; larger chunks; data prepared by the workers.",
    .thresholds = use_thresholds,
    .sources = (const char *const[]){"U", "PY", "PRL", NULL},
};
