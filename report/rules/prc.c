/* prc.c - rules on the lives of processes: deaths, zombies, orphans. */
#include "report/pools.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/stacks.h"

#include <signal.h>
#include <string.h>

enum { DEATH_IDLE };
static const struct fs_threshold death_thresholds[] = {
    [DEATH_IDLE] = {"idle", 2.0, "s", "least time after the death in which nothing computes",
                    "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static const struct fs_load *load_of(const struct fs_node *node, size_t group) {
    return &node->loads[group];
}

static void report_death(const struct fs_load *load, const struct fs_death *death,
                         struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const char *name = sigabbrev_np(death->signal);
    const double idle = (double)death->idle_ns / 1e9;

    fs_add_finding(outcome, FS_ERROR, load->node, load);
    fs_set_title(outcome, "worker %d died of SIG%s, its parent waits", death->pid,
                 name ? name : "?");
    fs_set_population(outcome, 1, group->workers, "workers");
    if (fs_is_outside(load->node->digest))
        fs_add_evidence(outcome, "signal", death->signal, "number",
                        "process %d is a zombie that SIG%s ended; nobody waited for it yet",
                        death->pid, name ? name : "?");
    else
        fs_add_evidence(outcome, "signal", death->signal, "number",
                        "process %d was ended by SIG%s at %.1f s%s", death->pid, name ? name : "?",
                        (double)death->t / 1e9, death->oom ? " (out-of-memory killer)" : "");
    fs_add_evidence(outcome, "idle", idle, "s",
                    "for %.1f s after it no worker and not the parent computed", idle);
    if (death->sent_by > 0) fs_add_cause(outcome, "process %d sent the signal", death->sent_by);
    fs_add_cause(outcome,
                 group->python ? "Pool starts a new worker, but the lost task never returns"
                               : "the parent (%s) waits for a result that nobody computes",
                 fs_base_name(group->parent_executable));
    const struct fs_stuck *parent = fs_stuck_find(load->node->digest, group->parent);
    const char *place = parent ? fs_stuck_place(outcome->arena, parent) : NULL;
    if (place) fs_add_cause(outcome, "the parent waits at %s", place);
    if (parent)
        fs_add_stack(outcome, fs_arena_printf(outcome->arena, "the parent, %d", parent->pid),
                     fs_stuck_frames(outcome->arena, parent));
    if (group->python)
        fs_add_fix(outcome, FS_FIX_CODE, "raises BrokenProcessPool instead of waiting",
                   "concurrent.futures.ProcessPoolExecutor(%d)", load->workers);
    else
        fs_add_fix(outcome, FS_FIX_CODE, "look at the status of every child",
                   "if (waitpid(-1, &status, WNOHANG) > 0 && WIFSIGNALED(status)) abort();");
}

static void judge_deaths(const struct fs_load *load, double idle, struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    for (size_t i = 0; i < group->death_count; i++) {
        const struct fs_death *death = &group->deaths[i];
        if (death->sent_by_parent || death->signal <= 0)
            fs_vote(outcome, FS_PASS, "workers were ended by their parent only");
        else if (death->idle_ns < 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "what followed a worker's death was not sampled");
        else if (!death->parent_waited)
            fs_vote(outcome, FS_PASS, "the parent went on after a worker's death");
        else if ((double)death->idle_ns < idle * 1e9)
            fs_vote(outcome, FS_PASS, "the parent waited for less than %g s", idle);
        else {
            report_death(load, death, outcome);
            return; /* one a pool: what died later is its consequence */
        }
    }
}

static const char *frames_of(struct fs_outcome *outcome, const struct fs_digest *digest,
                             int parent) {
    for (size_t i = 0; i < digest->stuck_count; i++)
        if (digest->stuck[i].parent == parent)
            return fs_stuck_frames(outcome->arena, &digest->stuck[i]);
    return NULL;
}

static int stuck_child(const struct fs_digest *digest, int parent) {
    for (size_t i = 0; i < digest->stuck_count; i++)
        if (digest->stuck[i].parent == parent) return digest->stuck[i].pid;
    return 0;
}

static void report_forsaken(const struct fs_load *load, int looked, struct fs_outcome *outcome) {
    const struct fs_digest *digest = load->node->digest;
    const struct fs_group *group = load->group;
    const struct fs_stuck *parent = fs_stuck_find(digest, group->parent);
    const char *place = fs_stuck_place(outcome->arena, parent);
    struct fs_arena *arena = outcome->arena;
    const int worker = stuck_child(digest, group->parent);

    fs_add_finding(outcome, FS_ERROR, load->node, load)->confidence = FS_INFERRED;
    fs_set_title(outcome, "a worker's task is lost, process %d waits for it", group->parent);
    fs_set_population(outcome, looked, group->workers, "workers");
    fs_add_evidence(outcome, "idle", (double)parent->idle_ns / 1e9, "s",
                    "for %.1f s no worker and not the parent computed",
                    (double)parent->idle_ns / 1e9);
    fs_add_evidence(outcome, "idle_workers", looked, "count",
                    "%d of %d workers wait for a task, and none is queued", looked, group->workers);
    if (group->later > 0)
        fs_add_evidence(outcome, "replaced", group->later, "count",
                        "worker %d is %.0f s younger than the oldest: Pool made it for one that "
                        "was gone",
                        group->later_example, (double)group->later_ns / 1e9);
    fs_add_cause(outcome, "the parent waits for a result%s%s that no worker has the task of",
                 place ? " at " : "", place ? place : "");
    fs_add_cause(outcome, "a worker that is killed or leaves takes its task along; Pool never "
                          "learns of it");
    fs_add_stack(outcome, fs_arena_printf(arena, "the parent, %d", group->parent),
                 fs_stuck_frames(arena, parent));
    fs_add_stack(outcome, fs_arena_printf(arena, "worker %d", worker),
                 frames_of(outcome, digest, group->parent));
    fs_add_fix(outcome, FS_FIX_CODE, "raises BrokenProcessPool instead of waiting",
               "concurrent.futures.ProcessPoolExecutor(%d)", load->workers);
}

/* The signals of a crash: no parent sends these. */
static bool is_crash(int signal) {
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
           signal == SIGABRT || signal == SIGSYS;
}

/* From outside a death shows as long as nobody waited for it, and a lost task by what all wait
 * for. */
static void judge_outside(const struct fs_load *load, double idle, struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const int64_t window = load->node->digest->audited->window_ns;
    const bool quiet = group->cpu_ns >= 0 && 50 * group->cpu_ns < window;
    int looked;

    for (size_t i = 0; i < group->death_count && quiet; i++) {
        const struct fs_death *death = &group->deaths[i];
        if (!is_crash(death->signal))
            fs_vote(outcome, FS_STATUS_UNKNOWN, "who ended worker %d is not seen from outside",
                    death->pid);
        else if (death->parent_waited && (double)death->idle_ns >= idle * 1e9)
            return report_death(load, death, outcome);
    }
    const enum fs_pool_wait wait = quiet && (double)window >= idle * 1e9
                                       ? fs_pool_wait(load->node->digest, group, &looked)
                                       : FS_POOL_NOT;
    if (wait == FS_POOL_FORSAKEN)
        report_forsaken(load, looked, outcome);
    else if (wait == FS_POOL_UNTOLD)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                load->node->digest->audited->stacks
                    ? "the workers are idle, and not all stacks could be read"
                    : "the workers are idle; --stacks tells what everybody waits for");
}

static void check_deaths(const struct fs_job *job, const struct fs_thresholds *thresholds,
                         struct fs_outcome *outcome) {
    const double idle = fs_threshold(thresholds, outcome->rule, DEATH_IDLE);
    for (size_t i = 0; i < job->node_count; i++)
        for (size_t j = 0; j < job->nodes[i].load_count; j++)
            if (fs_is_outside(job->nodes[i].digest))
                judge_outside(load_of(&job->nodes[i], j), idle, outcome);
            else
                judge_deaths(load_of(&job->nodes[i], j), idle, outcome);
    if (outcome->count == 0) fs_vote(outcome, FS_PASS, "no worker was ended by a signal");
}

const struct fs_rule fs_rule_prc_02 = {
    .id = "PRC-02",
    .family = "processes",
    .title = "worker died, parent waits",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "workers that died before are",
    .check = check_deaths,
    .why = "multiprocessing.Pool never learns that a worker died in the middle of a task: it "
           "starts a new worker, but the result is lost and map() or get() waits for ever.",
    .decided = "A signal that its parent did not send ended a worker; for at least `idle` seconds "
               "afterwards neither the parent nor any process below it used CPU; and the parent "
               "never went on by itself until the record ended.",
    .exceptions = "Silent for executors that notice (BrokenProcessPool), for pools that their "
                  "parent ends, as leaving a `with Pool()` block does, and for children of a "
                  "shell, which learns of every death (a pipeline's SIGPIPE, say).",
    .fix = "concurrent.futures.ProcessPoolExecutor({workers}), and remove what kills the worker.",
    .thresholds = death_thresholds,
    .sources = (const char *const[]){"P96", NULL},
};

enum { ZOMBIE_TIME, ZOMBIE_COUNT };
static const struct fs_threshold zombie_thresholds[] = {
    [ZOMBIE_TIME] = {"time", 30.0, "s", "least time with that many zombies", "own"},
    [ZOMBIE_COUNT] = {"count", 4, "count", "least zombies, if there are fewer workers", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static void judge_unjoined(const struct fs_load *load, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const double time = fs_threshold(thresholds, outcome->rule, ZOMBIE_TIME);
    const double least = fs_threshold(thresholds, outcome->rule, ZOMBIE_COUNT);
    const bool zombies = group->zombies_peak >= least && group->zombies_peak >= load->workers &&
                         (double)group->zombies_ns >= time * 1e9;
    const char *place = fs_place_text(outcome->arena, &group->site);

    if (group->helper || (!zombies && group->unwaited <= 0)) return;
    fs_add_finding(outcome, FS_NOTE, load->node, load);
    if (group->unwaited > 0) {
        fs_set_title(outcome, "%d child%s never waited for", group->unwaited,
                     group->unwaited == 1 ? " was" : "ren were");
        fs_set_population(outcome, group->unwaited, group->workers, "children");
        fs_add_evidence(outcome, "unwaited", group->unwaited, "count",
                        "%d ended, and %s ended later without having waited for %s",
                        group->unwaited, fs_base_name(group->parent_executable),
                        group->unwaited == 1 ? "it" : "them");
    } else {
        fs_set_title(outcome, "%d zombies for %.0f s", group->zombies_peak,
                     (double)group->zombies_ns / 1e9);
        fs_set_population(outcome, group->zombies_peak, group->workers, "children");
    }
    if (group->zombies_peak > 0)
        fs_add_evidence(outcome, "zombies", group->zombies_peak, "count",
                        "up to %d zombies at once, for %.1f s", group->zombies_peak,
                        (double)(group->zombies_ns > 0 ? group->zombies_ns : 0) / 1e9);
    fs_add_cause(outcome, "the children were made %s %s", place ? "at" : "by",
                 place ? place : fs_base_name(group->parent_executable));
    fs_add_fix(outcome, FS_FIX_CODE, NULL,
               group->python ? "for p in processes: p.join()"
                             : "while (waitpid(-1, &status, 0) > 0) {}");
}

static void check_unjoined(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        for (size_t j = 0; j < job->nodes[i].load_count; j++)
            judge_unjoined(load_of(&job->nodes[i], j), thresholds, outcome);
    if (outcome->count == 0) fs_vote(outcome, FS_PASS, "every child was waited for");
}

const struct fs_rule fs_rule_prc_03 = {
    .id = "PRC-03",
    .family = "processes",
    .title = "unjoined children",
    .severity = FS_NOTE,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "which children nobody waits for is",
    .check = check_unjoined,
    .why = "A process that ended stays in the process table as a zombie until its parent waits for "
           "it. A parent that never waits may also leave before it read a result or an error.",
    .decided = "A forked child ended, and its parent ended later by itself without having waited "
               "for it; or at least max(`count`, workers) zombies were there for `time` seconds.",
    .exceptions = "Silent for children in sessions of their own (daemons) and for parents that "
                  "ignore SIGCHLD, for which the kernel waits.",
    .fix = "for p in processes: p.join()",
    .thresholds = zombie_thresholds,
    .sources = (const char *const[]){"U", "PY", NULL},
};

enum { ORPHAN_LIFE };
static const struct fs_threshold orphan_thresholds[] = {
    [ORPHAN_LIFE] = {"life", 1.0, "s", "least life after the end of the main process", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static void judge_orphans(const struct fs_load *load, double life, struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    const size_t shown_max = sizeof group->orphan_examples / sizeof *group->orphan_examples;
    const char *pids = "";

    if (group->helper || group->orphans <= 0 || (double)group->orphans_ns < life * 1e9) return;
    for (size_t i = 0; i < shown_max; i++)
        if (group->orphan_examples[i] > 0)
            pids = fs_arena_printf(outcome->arena, "%s %d", pids, group->orphan_examples[i]);
    fs_add_finding(outcome, FS_WARNING, load->node, load);
    fs_set_title(outcome, "%d worker%s outlived the job", group->orphans,
                 group->orphans == 1 ? "" : "s");
    fs_set_population(outcome, group->orphans, group->workers, "workers");
    fs_add_evidence(outcome, "orphans", group->orphans, "count",
                    "%d of %s lived on for up to %.1f s after the main process ended",
                    group->orphans, fs_base_name(group->executable),
                    (double)group->orphans_ns / 1e9);
    fs_add_birth_cause(outcome, load);
    if (group->python)
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "with Pool(%d) as pool:", load->workers);
    if (*pids) fs_add_fix(outcome, FS_FIX_COMMAND, "if they still run", "kill%s", pids);
}

static void check_orphans(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    const double life = fs_threshold(thresholds, outcome->rule, ORPHAN_LIFE);
    for (size_t i = 0; i < job->node_count; i++)
        for (size_t j = 0; j < job->nodes[i].load_count; j++)
            judge_orphans(load_of(&job->nodes[i], j), life, outcome);
    if (outcome->count == 0) fs_vote(outcome, FS_PASS, "no worker outlived the main process");
}

const struct fs_rule fs_rule_prc_06 = {
    .id = "PRC-06",
    .family = "processes",
    .title = "orphaned workers",
    .severity = FS_WARNING,
    .every_process = true,
    .unseen = "workers whose main process ended are",
    .check = check_orphans,
    .why = "Workers whose main process is gone keep their CPUs, memory and GPU, and nobody reads "
           "what they compute.",
    .decided = "A worker lived for `life` seconds or more after the main process of the job ended.",
    .exceptions = "Silent for processes that made a session of their own (daemons, tmux).",
    .fix = "with Pool(...) as pool: ends the workers whatever happens; kill {pids} now.",
    .thresholds = orphan_thresholds,
    .sources = (const char *const[]){"PTF", NULL},
};
