/* frk_stuck.c - FRK-08: forked children that wait for threads which the fork left behind. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/stacks.h"
#include "tracer/text.h"

enum { STUCK_IDLE, STUCK_INTERRUPTED };
static const struct fs_threshold stuck_thresholds[] = {
    [STUCK_IDLE] = {"idle", 30.0, "s", "least time that the child makes no progress", "own"},
    [STUCK_INTERRUPTED] = {"idle_interrupted", 2.0, "s",
                           "the same when somebody interrupted the idle job", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* What is known of one stuck child, and how many more of its siblings are. */
struct case_of {
    const struct fs_node *node;
    const struct fs_stuck *stuck;
    const struct fs_load *load;      /* its group; NULL: none */
    const struct fs_fork_site *site; /* where it was forked; NULL: not recorded */
    enum fs_blocked blocked;
    int siblings; /* of the same parent that are stuck, too, itself included */
};

/* A C place is its address, which the fork site's has a line for by now; a Python place is
 * its line. */
static bool same_place(const struct fs_place *a, const struct fs_place *b) {
    if (a->offset != b->offset || !fs_same_text(a->module, b->module)) return false;
    return !a->file || !b->file || (a->line == b->line && fs_same_text(a->file, b->file));
}

static const struct fs_fork_site *site_of(const struct fs_digest *digest,
                                          const struct fs_stuck *stuck) {
    for (size_t i = 0; i < digest->fork_site_count; i++)
        if (same_place(&digest->fork_sites[i].place, &stuck->site)) return &digest->fork_sites[i];
    return NULL;
}

static const struct fs_load *load_of(const struct fs_node *node, const struct fs_stuck *stuck) {
    for (size_t i = 0; i < node->load_count; i++)
        if (node->loads[i].group->parent == stuck->parent && node->loads[i].group->workers > 0 &&
            node->loads[i].group->kind != FS_GROUP_EXECUTABLE)
            return &node->loads[i];
    return NULL;
}

/* Which place each of the parent's other threads came from, as the fork site has it. */
static const char *beside_text(struct fs_arena *arena, const struct fs_fork_site *site) {
    const char *text = "";
    for (size_t i = 0; i < site->owner_count && i < 2; i++) {
        const struct fs_fork_owner *owner = &site->owners[i];
        const char *where = fs_place_text(arena, &owner->started);
        text = fs_arena_printf(arena, "%s%s%d %s%s", text, *text ? ", " : "", owner->threads,
                               where ? "started at " : "of ",
                               where ? where : fs_base_name(owner->library));
    }
    return *text ? fs_arena_printf(arena, ": %s", text) : "";
}

static void add_holder(const struct case_of *c, struct fs_outcome *outcome) {
    const struct fs_stuck *stuck = c->stuck;
    const bool named = stuck->holder_site.function || stuck->holder_site.file;
    const char *routine = named ? fs_place_text(outcome->arena, &stuck->holder_site) : NULL;

    if (stuck->holder > 0)
        fs_add_cause(outcome, "the lock belongs to thread %d%s%s, which the fork did not copy",
                     stuck->holder, routine ? ", " : "", routine ? routine : "");
    if (c->site && c->site->threaded > 0)
        fs_add_cause(outcome, "beside the fork lived %d other thread%s%s", c->site->threads_peak,
                     c->site->threads_peak == 1 ? "" : "s", beside_text(outcome->arena, c->site));
    const char *place = fs_place_text(outcome->arena, c->site ? &c->site->place : &stuck->site);
    if (place)
        fs_add_cause(outcome,
                     "forked at %s: the child has every lock as it was then, but not the "
                     "threads that would release it",
                     place);
}

static const char *waits_for(const struct case_of *c) {
    return c->blocked == FS_BLOCKED_LOCK    ? "a lock"
           : c->blocked == FS_BLOCKED_EVENT ? "something that another thread of it must do"
                                            : "its own memory to change";
}

static void report_stuck(const struct case_of *c, struct fs_outcome *outcome) {
    const struct fs_stuck *stuck = c->stuck;
    const double idle = (double)stuck->idle_ns / 1e9, run = (double)stuck->run_ns / 1e9;
    const struct fs_stuck *parent = fs_stuck_find(c->node->digest, stuck->parent);
    /* A Python child's own frames go back to its fork. */
    const bool python = !stuck->site.stack && stuck->thread_count > 0 && stuck->threads[0].python;
    struct fs_arena *arena = outcome->arena;

    fs_add_finding(outcome, FS_ERROR, c->node, c->load);
    fs_set_title(outcome,
                 c->blocked == FS_BLOCKED_EVENT ? "child %d waits for threads that were not forked"
                                                : "child %d hangs on a lock that its fork copied",
                 stuck->pid);
    fs_set_population(outcome, c->siblings, c->load ? c->load->group->workers : 0,
                      c->load ? "workers" : "processes");
    fs_add_evidence(outcome, "idle", idle, "s",
                    "process %d used %.3f s of CPU in %.1f s, while its parent waited", stuck->pid,
                    run, idle);
    fs_add_evidence(outcome, "threads", (double)stuck->thread_count, "count",
                    "%s waits for %s; no other process can end that",
                    stuck->thread_count == 1 ? "its only thread" : "each of its threads",
                    waits_for(c));
    if (stuck->obstacle)
        fs_add_evidence(outcome, "stack", 0, "count", "no stack: %s", stuck->obstacle);
    fs_add_number(outcome, "run", run, "s");
    if (stuck->stop_max > 0)
        fs_add_number(outcome, "held_longest", (double)stuck->stop_max / 1e9, "s");
    fs_add_stack(outcome, fs_arena_printf(arena, "process %d", stuck->pid),
                 fs_stuck_frames(arena, stuck));
    if (parent)
        fs_add_stack(outcome, fs_arena_printf(arena, "its parent, %d", parent->pid),
                     fs_stuck_frames(arena, parent));
    add_holder(c, outcome);
    fs_add_fork_fixes(outcome, python ? stuck->threads[0].python : stuck->site.stack,
                      c->load && c->load->workers > 0 ? c->load->workers : c->siblings);
}

/* Whether a child without a vanished thread would wait, too: then it is no fork's fault. */
static enum fs_status judge_event(const struct case_of *c, const char **why) {
    const struct fs_stuck *parent = fs_stuck_find(c->node->digest, c->stuck->parent);

    if (!c->site || c->site->forks == c->site->unknown + c->site->execs) {
        *why = "which threads a fork left behind was not recorded";
        return FS_STATUS_UNKNOWN;
    }
    if (c->site->threaded == 0) {
        *why = "a child waits for an event, and its fork left no thread behind";
        return FS_PASS;
    }
    if (!parent) {
        *why = "what the parent of an idle child waits for was not read";
        return FS_STATUS_UNKNOWN;
    }
    if (!fs_stuck_sleeps(parent)) return FS_FINDING;
    *why = "the parent of an idle child sleeps by itself";
    return FS_PASS;
}

static enum fs_status judge(const struct case_of *c, double needed, const char **why) {
    const struct fs_stuck *stuck = c->stuck;

    if (stuck->went_on) {
        *why = "a child that waited went on by itself";
        return FS_PASS;
    }
    switch (c->blocked) {
    case FS_BLOCKED_NOT:
        *why = "an idle child waits for another process";
        return FS_PASS;
    case FS_BLOCKED_UNTOLD:
        *why = stuck->obstacle ? stuck->obstacle : "a child has more threads than were looked at";
        return FS_STATUS_UNKNOWN;
    default:
        break;
    }
    if (stuck->idle_ns < 0 || (double)stuck->idle_ns < needed * 1e9) {
        *why = "a child waited, but not for long";
        return FS_PASS;
    }
    return c->blocked == FS_BLOCKED_LOCK ? FS_FINDING : judge_event(c, why);
}

/* Of several children of one parent the first one speaks for all. */
static bool is_told(const struct fs_digest *digest, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (digest->stuck[i].forked && digest->stuck[i].parent == digest->stuck[index].parent &&
            fs_stuck_blocked(&digest->stuck[i]) == fs_stuck_blocked(&digest->stuck[index]))
            return true;
    return false;
}

static int count_siblings(const struct fs_digest *digest, const struct case_of *c) {
    int count = 0;
    for (size_t i = 0; i < digest->stuck_count; i++)
        count += digest->stuck[i].forked && !digest->stuck[i].went_on &&
                 digest->stuck[i].parent == c->stuck->parent &&
                 fs_stuck_blocked(&digest->stuck[i]) == c->blocked;
    return count;
}

static void check_node(const struct fs_node *node, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const double idle = fs_threshold(thresholds, outcome->rule, STUCK_IDLE);
    const double interrupted = fs_threshold(thresholds, outcome->rule, STUCK_INTERRUPTED);

    for (size_t i = 0; i < digest->stuck_count; i++) {
        struct case_of c = {.node = node, .stuck = &digest->stuck[i]};
        const char *why = NULL;
        if (!c.stuck->forked) continue;
        c.load = load_of(node, c.stuck);
        c.site = site_of(digest, c.stuck);
        c.blocked = fs_stuck_blocked(c.stuck);
        c.siblings = count_siblings(digest, &c);
        const bool cut_short =
            (digest->interrupted > 0 || fs_is_outside(digest)) && interrupted < idle;
        const enum fs_status status = judge(&c, cut_short ? interrupted : idle, &why);
        if (status != FS_FINDING)
            fs_vote(outcome, status, "%s", why);
        else if (!is_told(digest, i))
            report_stuck(&c, outcome);
    }
}

static bool has_forks(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->group_count; i++)
        if (digest->groups[i].kind == FS_GROUP_FORK ||
            digest->groups[i].kind == FS_GROUP_FORKSERVER)
            return true;
    return false;
}

static void check_stuck(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        check_node(&job->nodes[i], thresholds, outcome);
    if (outcome->count > 0 || outcome->status != FS_NOT_APPLICABLE) return;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        if (!has_forks(digest))
            fs_vote(outcome, FS_NOT_APPLICABLE, "no process was forked");
        else if (digest->complete.samples == 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "the job was not sampled");
        else
            fs_vote(outcome, FS_PASS, "no forked child was seen to make no progress");
    }
}

const struct fs_rule fs_rule_frk_08 = {
    .id = "FRK-08",
    .family = "fork safety",
    .title = "child stuck after fork",
    .severity = FS_ERROR,
    .every_process = false,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "children that hang at another time are",
    .check = check_stuck,
    .why = "fork() copies the memory of a process, locks included, but only the thread that calls "
           "it. A lock that another thread held at that moment stays locked in the child for ever: "
           "the thread that would release it does not exist there. The child hangs at its first "
           "use of the lock (logging, an allocator, a library's own), and so does who waits for "
           "it. It happens by chance, when the fork meets the lock held.",
    .decided = "A forked child used less than 0.1 CPU-seconds in 30 s for at least `idle` seconds "
               "(or `idle_interrupted`, when the idle job was interrupted then), and all its "
               "threads waited without time limit for words of memory that no other process maps, "
               "so that none of them can ever be woken. The stack of its main thread says what "
               "for: a lock, or an event, a condition, a barrier. Of the latter only when threads "
               "were alive beside the fork, and the parent does not sleep by itself.",
    .exceptions = "Idle workers with an empty queue wait for a semaphore or a pipe that they share "
                  "with their parent: that is told apart by the memory that they wait for, and is "
                  "no finding. Nor is a child that went on by itself. Without the permission to "
                  "look at a process it is unknown what it waits for.",
    .fix = "Let children be made by a process without threads: multiprocessing's \"forkserver\" or "
           "\"spawn\"; in C fork before the first pthread_create(), or use posix_spawn().",
    .dispute = NULL,
    .thresholds = stuck_thresholds,
    .sources = (const char *const[]){"PTM", "P84", "P12", NULL},
};
