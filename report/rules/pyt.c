/* pyt.c - rules on Python interpreters. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/teams.h"

#include "preload/segment.h"

#include <math.h>

enum { GIL_MOST, GIL_LEAST, GIL_TOP, GIL_TIME };
static const struct fs_threshold gil_thresholds[] = {
    [GIL_MOST] = {"most", 1.2, "cpus", "most CPUs that the process uses in all", "own"},
    [GIL_LEAST] = {"least", 0.8, "cpus", "least CPUs: with less, the threads wait for input",
                   "own"},
    [GIL_TOP] = {"top", 0.75, "fraction",
                 "largest share of one thread: with more, the others do not compete", "own"},
    [GIL_TIME] = {"time", 1.0, "s", "least time in which two threads or more run", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static void report_gil(const struct fs_node *node, const struct fs_team *team, double cpus,
                       struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const double threads = (double)team->shared_threads_ns / (double)team->shared_ns;
    const int usable = fs_mask_cpus(team->mask);

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%.0f Python threads share %.1f CPUs", threads, cpus);
    fs_set_team_population(outcome, team);
    fs_add_evidence(outcome, "cpus", cpus, "cpus",
                    "%s: %.1f threads ran for 10 %% of the time or more, %.2f CPUs in all",
                    fs_team_name(arena, team), threads, cpus);
    fs_add_evidence(outcome, "allowed", usable, "cpus",
                    "it may use %s; with no wait for one it had used %.2f at most",
                    fs_cpus_text(arena, usable, fs_mask_cores(node->digest->topology, team->mask)),
                    (double)(team->shared_run_ns + team->shared_wait_ns) / (double)team->shared_ns);
    fs_add_number(outcome, "threads", threads, "count");
    fs_add_cause(outcome, "one thread at a time runs Python code (the GIL of %s)",
                 fs_base_name(team->executable));
    fs_add_fix(outcome, FS_FIX_CODE, "processes instead of threads", "ProcessPoolExecutor(%s)",
               "len(os.sched_getaffinity(0))");
    const double gain = usable < threads ? usable : threads;
    if (gain >= 1.5) fs_set_gain(outcome, "up to %.1fx shorter (est)", gain / cpus);
}

static void judge_gil(const struct fs_node *node, const struct fs_team *team,
                      const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double most = fs_threshold(thresholds, outcome->rule, GIL_MOST);
    const double least = fs_threshold(thresholds, outcome->rule, GIL_LEAST);
    const double top = fs_threshold(thresholds, outcome->rule, GIL_TOP);
    const double time = fs_threshold(thresholds, outcome->rule, GIL_TIME);
    const double run = (double)team->shared_run_ns, waited = (double)team->shared_wait_ns;
    const double cpus = run / (double)team->shared_ns;
    const double wanted = (run + waited) / (double)team->shared_ns; /* with CPUs for everybody */
    double usable = fs_mask_cpus(team->mask);

    if (!team->python || !(team->family & FSP_LIBRARY_PYTHON)) return;
    if (node->quota < usable) usable = node->quota;
    if (team->gil == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the interpreter has no GIL");
    else if (!team->mask)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the mask of the process was not recorded");
    else if (usable < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the process may use one CPU only");
    else if ((double)team->shared_ns < time * 1e9)
        fs_vote(outcome, fs_too_short(node, node->digest->wall_ns, time),
                "Python threads ran together for less than %g s", time);
    else if (cpus > most)
        fs_vote(outcome, FS_PASS, "the threads used %.1f CPUs", cpus);
    else if (wanted > most)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "the threads used %.1f CPUs, but waited for a CPU, too (%.0f %%)", cpus,
                100 * waited / (run + waited));
    else if (cpus < least)
        fs_vote(outcome, FS_PASS, "the threads wait for something else than each other");
    else if ((double)team->shared_top_ns > top * run)
        fs_vote(outcome, FS_PASS, "one thread did nearly all of the work");
    else if (team->gil != 1)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whether the interpreter has a GIL is not known");
    else
        report_gil(node, team, cpus, outcome);
}

static void check_gil(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    fs_each_team(job, thresholds, outcome, judge_gil);
}

const struct fs_rule fs_rule_pyt_03 = {
    .id = "PYT-03",
    .family = "python",
    .title = "threads bound by the GIL",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "threads of another time are",
    .check = check_gil,
    .why = "In CPython one thread at a time executes Python code: it holds the global interpreter "
           "lock. Threads that compute take turns, so two of them are no faster than one, and "
           "often slower. Threads help where they wait, or where the code that they call (numpy, "
           "hashlib) gives the lock up.",
    .decided =
        "While two or more threads each ran for 10 % of a sample or more, for `time` in all, "
        "the process used between `least` and `most` CPUs, none of the threads did `top` "
        "of it, the process may use two CPUs or more, and would have used no more than "
        "`most` had it not waited for one; and the interpreter is one with a GIL, as its name and "
        "its modules tell.",
    .exceptions = "Silent for threads that wait for input, that give the lock up (more than `most` "
                  "CPUs in all), and for interpreters without a GIL. Unknown where the machine "
                  "was crowded: then the CPUs that are missing explain it as well.",
    .fix = "ProcessPoolExecutor in place of ThreadPoolExecutor or threading.Thread",
    .thresholds = gil_thresholds,
    .sources = (const char *const[]){"U", NULL},
};
