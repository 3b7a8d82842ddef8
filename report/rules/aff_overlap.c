/* aff_overlap.c - ranks or steps that share CPUs while the job has others. */
#include "report/launched.h"
#include "report/rules/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OVERLAP_WAIT };
static const struct fs_threshold overlap_thresholds[] = {
    [OVERLAP_WAIT] = {"wait", 0.10, "fraction",
                      "least share of the time they could have run that both wait for a CPU",
                      "own"},
    {NULL, 0, NULL, NULL, NULL},
};

enum { COMPARED_MAX = 512 };

/* Tasks that share CPUs with others. */
struct shared {
    const struct fs_task *task[2]; /* the first two that do */
    int tasks;
    hwloc_bitmap_t cpus;   /* that two of them may use */
    hwloc_bitmap_t unused; /* of the job, in no task's mask */
    bool unknown;          /* a wait that would decide was not recorded */
};

/* Bound, and for long enough at work to lose time. */
static bool may_overlap(const struct fs_node *node, const struct fs_task *task) {
    hwloc_const_bitmap_t all = node->digest->mask_job;

    if (!task->mask || !fs_task_computes(node, task)) return false;
    if (fs_job_mask_is_guessed(node)) return fs_mask_cpus(task->mask) < node->job_cpus;
    return !hwloc_bitmap_isincluded(all, task->mask);
}

/* The tasks to compare, those with a CPU in their mask that another one has, too: of most
 * jobs there is none, and nothing need be compared. */
static size_t candidates(const struct fs_node *node, const struct fs_task **list) {
    const struct fs_digest *digest = node->digest;
    hwloc_bitmap_t once = hwloc_bitmap_alloc(), twice = hwloc_bitmap_alloc();
    hwloc_bitmap_t both = hwloc_bitmap_alloc();
    size_t count = 0;

    for (size_t i = 0; once && twice && both && i < digest->task_count; i++) {
        if (!may_overlap(node, &digest->tasks[i])) continue;
        hwloc_bitmap_and(both, once, digest->tasks[i].mask);
        hwloc_bitmap_or(twice, twice, both);
        hwloc_bitmap_or(once, once, digest->tasks[i].mask);
    }
    for (size_t i = 0; twice && i < digest->task_count && count < COMPARED_MAX; i++)
        if (may_overlap(node, &digest->tasks[i]) &&
            hwloc_bitmap_intersects(digest->tasks[i].mask, twice))
            list[count++] = &digest->tasks[i];
    hwloc_bitmap_free(once);
    hwloc_bitmap_free(twice);
    hwloc_bitmap_free(both);
    return count;
}

/* Whether two tasks at one time had CPUs in common, and lost time by it. */
static bool collide(const struct fs_node *node, const struct fs_task *a, const struct fs_task *b,
                    double least, bool *unknown) {
    if (!fs_tasks_overlap(node, a, b) || !hwloc_bitmap_intersects(a->mask, b->mask)) return false;
    const double wait_a = fs_tasks_wait(a, 1), wait_b = fs_tasks_wait(b, 1);
    *unknown |= isnan(wait_a) || isnan(wait_b);
    return wait_a >= least && wait_b >= least;
}

static void note_pair(struct shared *shared, const struct fs_task *a, const struct fs_task *b) {
    hwloc_bitmap_t both = hwloc_bitmap_alloc();

    if (both) {
        hwloc_bitmap_and(both, a->mask, b->mask);
        hwloc_bitmap_or(shared->cpus, shared->cpus, both);
        hwloc_bitmap_free(both);
    }
    if (shared->task[0]) return;
    shared->task[0] = a;
    shared->task[1] = b;
}

static void find_shared(const struct fs_node *node, double least, struct shared *shared) {
    const struct fs_task *list[COMPARED_MAX];
    bool hit[COMPARED_MAX] = {false};
    const size_t count = candidates(node, list);

    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (collide(node, list[i], list[j], least, &shared->unknown)) {
                note_pair(shared, list[i], list[j]);
                hit[i] = hit[j] = true;
            }
    for (size_t i = 0; i < count; i++)
        shared->tasks += hit[i];
    hwloc_bitmap_copy(shared->unused, node->digest->mask_job);
    for (size_t i = 0; i < node->digest->task_count; i++)
        if (node->digest->tasks[i].mask)
            hwloc_bitmap_andnot(shared->unused, shared->unused, node->digest->tasks[i].mask);
}

/* The program that narrowed the ranks' masks, as far as the node tells; NULL. */
static const char *narrower(const struct fs_node *node, const struct fs_task *task) {
    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_group *group = node->loads[i].group;
        if (group->narrowing && (group->parent == task->pid || group->parent == task->launcher))
            return fs_base_name(group->narrowing->executable);
    }
    return NULL;
}

/* Whether the rank's own program set its mask, or may have. */
static bool sets_masks(const struct fs_node *node, const struct fs_task *task) {
    return task->mask_before || fs_is_outside(node->digest);
}

static void add_overlap_fixes(const struct fs_node *node, const struct shared *shared,
                              struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_task *task = shared->task[0];
    const int tasks = (int)node->digest->task_count;
    const int cores = node->job_cores / tasks > 1 ? node->job_cores / tasks : 1;
    /* Whole cores: Slurm gives no task half of one. */
    const bool smt = node->job_cores > 0 && node->job_cpus > node->job_cores;
    const int cpus = node->job_cores < tasks ? 1
                     : smt                   ? cores * (node->job_cpus / node->job_cores)
                                             : cores;
    const struct fs_launch *launch = fs_task_launch(node, task);
    const struct fs_places places = {
        .srun = fs_arena_printf(arena, "--exact --cpu-bind=cores -c %d", cpus),
        .openmpi = fs_arena_printf(arena, "--map-by slot:PE=%d --bind-to core", cores),
        .hydra = fs_arena_printf(arena, "-bind-to core:%d", cores),
    };

    if (launch && fs_launch_has_taskset(launch) && sets_masks(node, task))
        fs_add_launch_fix(outcome, "without taskset", launch,
                          &(struct fs_launch_change){.unwrap = true});
    else if (!task->mask_before)
        fs_add_places_fix(outcome, NULL, node, task, &places);
    else
        fs_add_fix(outcome, FS_FIX_CODE, "the launcher's own masks are apart",
                   "remove the call of sched_setaffinity by %s",
                   narrower(node, task) ? narrower(node, task) : fs_base_name(task->executable));
}

static void add_overlap_cause(const struct fs_node *node, const struct fs_task *a,
                              struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_launch *launch = fs_task_launch(node, a);

    if (fs_is_outside(node->digest) && launch && fs_launch_has_taskset(launch))
        fs_add_cause(outcome, "a taskset stands in front of each rank's program");
    else if (fs_is_outside(node->digest))
        fs_add_cause(outcome, "who gave them these masks is not seen from outside");
    else if (a->mask_before)
        fs_add_cause(outcome, "sched_setaffinity by %s in the rank: %s had CPU %s before",
                     narrower(node, a) ? narrower(node, a) : fs_base_name(a->executable),
                     fs_task_name(arena, a), fs_mask_list(arena, a->mask_before));
    else if (launch && fs_launch_options_of(launch).bind_to)
        fs_add_cause(outcome, "%s binds them so: %s", fs_task_launcher_name(node, a),
                     fs_launch_options_of(launch).bind_to);
    else
        fs_add_cause(outcome, "%s gave them these masks", fs_task_launcher_name(node, a));
}

static void report_overlap(const struct fs_node *node, const struct shared *shared,
                           struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_task *a = shared->task[0], *b = shared->task[1];
    const double wait_a = fs_tasks_wait(a, 1), wait_b = fs_tasks_wait(b, 1);
    const double wait = wait_a < wait_b ? wait_a : wait_b;
    const bool steps = !fs_same_launch(a, b), guessed = fs_job_mask_is_guessed(node);

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(outcome, "%d %s share CPU %s", shared->tasks,
                 steps ? "tasks of several launches" : "ranks", fs_mask_list(arena, shared->cpus));
    fs_set_population(outcome, shared->tasks, (long)node->digest->task_count,
                      steps ? "tasks" : "ranks");
    fs_add_evidence(
        outcome, "shared_cpus", fs_mask_cpus(shared->cpus), "cpus",
        "%s has mask %s, %s has %s; the job has %s", fs_task_name(arena, a),
        fs_mask_list(arena, a->mask), fs_task_name(arena, b), fs_mask_list(arena, b->mask),
        guessed ? fs_job_cpus_text(arena, node)
                : fs_arena_printf(arena, "CPU %s", fs_mask_list(arena, node->digest->mask_job)));
    fs_add_evidence(outcome, "run_queue_wait", wait, "fraction",
                    "run-queue wait: %.0f %% and %.0f %% of the time they could have run",
                    100 * wait_a, 100 * wait_b);
    if (!hwloc_bitmap_iszero(shared->unused) && !guessed)
        fs_add_evidence(outcome, "unused_cpus", fs_mask_cpus(shared->unused), "cpus",
                        "in no rank's mask: CPU %s", fs_mask_list(arena, shared->unused));
    add_overlap_cause(node, a, outcome);
    add_overlap_fixes(node, shared, outcome);
}

static void judge_overlap(const struct fs_node *node, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    struct shared shared = {.cpus = hwloc_bitmap_alloc(), .unused = hwloc_bitmap_alloc()};

    for (size_t i = 0; i < digest->task_count; i++)
        if (!digest->tasks[i].mask)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "the mask of a rank was not recorded");
    if (shared.cpus && shared.unused)
        find_shared(node, fs_threshold(thresholds, outcome->rule, OVERLAP_WAIT), &shared);
    if (shared.task[0])
        report_overlap(node, &shared, outcome);
    else if (shared.unknown)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "ranks share CPUs; run-queue wait was not recorded");
    else
        fs_vote(outcome, FS_PASS, "no two ranks that compute lose time on the same CPUs");
    hwloc_bitmap_free(shared.cpus);
    hwloc_bitmap_free(shared.unused);
}

/* Of ranks that were not looked at nobody knows the masks. */
static void vote_unseen(const struct fs_node *node, struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;

    for (size_t first = 0, i = 1; first < digest->task_count; i++) {
        if (i < digest->task_count && fs_same_launch(&digest->tasks[first], &digest->tasks[i]))
            continue;
        if (!fs_launch_is_whole(node, &digest->tasks[first], i - first))
            fs_vote(outcome, FS_STATUS_UNKNOWN, "not all ranks of the launch were looked at");
        first = i;
    }
}

static void check_overlap(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        if (digest->task_count < 2)
            fs_vote(outcome, FS_NOT_APPLICABLE, "fewer than two ranks on the node");
        else if (!digest->mask_job)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "the job's CPUs were not recorded");
        else
            judge_overlap(&job->nodes[i], thresholds, outcome);
        vote_unseen(&job->nodes[i], outcome);
        if (digest->tasks_more > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "more tasks than were recorded");
    }
}

const struct fs_rule fs_rule_aff_06 = {
    .id = "AFF-06",
    .family = "affinity",
    .title = "ranks or steps overlap",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_overlap,
    .why = "Two ranks that are bound to the same CPU get half of it each, and everybody who "
           "waits for a message of theirs waits twice as long. It comes of hand-made bindings "
           "(--cpu-bind=map_cpu, taskset in a wrapper) and of several steps or mpiruns that "
           "start counting at the first CPU.",
    .decided = "Two tasks of the job on a node lived at one time for a second or more; their masks "
               "have CPUs in common, and neither is the job's whole mask; both ran or wanted to "
               "for half of their lives; and each waited in run queues for `wait` or more of the "
               "time that it could have run. OMP_DISPLAY_AFFINITY=true shows the masks of a run.",
    .exceptions = "Silent for tasks that are not bound, for monitors that hardly compute (srun "
                  "--overlap), and when there is room enough in the masks.",
    .fix = "srun --exact --cpu-bind=cores -c {CPUs} ...",
    .thresholds = overlap_thresholds,
    .sources = (const char *const[]){"A2", "CSC", NULL},
};
