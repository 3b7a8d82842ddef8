/* frk_runtimes.c - rules on runtimes that are used on both sides of a fork. */
#include "preload/segment.h"
#include "report/remedy.h"
#include "report/rules/rules.h"

#include <signal.h>
#include <string.h>

static const struct fs_load *load_of(const struct fs_node *node, int parent) {
    for (size_t i = 0; i < node->load_count; i++)
        if (node->loads[i].group->kind == FS_GROUP_FORK && node->loads[i].group->parent == parent)
            return &node->loads[i];
    return NULL;
}

/* The main thread of the child, or of another one of its parent, if one was looked at while
 * it made no progress; else NULL. */
static const struct fs_stuck_thread *stuck_thread(const struct fs_digest *digest,
                                                  const struct fs_runtime_fork *fork) {
    const struct fs_stuck_thread *found = NULL;

    for (size_t i = 0; i < digest->stuck_count; i++) {
        const struct fs_stuck *stuck = &digest->stuck[i];
        if (stuck->thread_count == 0 || (stuck->pid != fork->pid && stuck->parent != fork->parent))
            continue;
        if (!found || stuck->pid == fork->pid) found = &stuck->threads[0];
    }
    return found;
}

static void tell_stack(struct fs_outcome *outcome, const struct fs_digest *digest,
                       const struct fs_runtime_fork *fork) {
    const struct fs_stuck_thread *thread = stuck_thread(digest, fork);
    const char *native = thread ? fs_frames_text(outcome->arena, thread->native, 3) : "";
    const char *python = thread ? fs_frames_text(outcome->arena, thread->python, 2) : "";

    if (*native) fs_add_evidence(outcome, "stack", 1, "count", "it hung in %s", native);
    if (*python) fs_add_evidence(outcome, "python_stack", 1, "count", "called from %s", python);
}

/* --- FRK-07 --- */

static bool is_numba(const struct fs_place *place) {
    return place->module && strstr(place->module, "/numba/");
}

/* Forked children of that parent that inherited the use of that runtime. */
static int children_of(const struct fs_digest *digest, const struct fs_runtime_fork *fork) {
    int children = 0;
    for (size_t i = 0; i < digest->runtime_fork_count; i++)
        if (digest->runtime_forks[i].parent == fork->parent &&
            digest->runtime_forks[i].runtime == fork->runtime)
            children += digest->runtime_forks[i].count;
    return children;
}

static bool same_place(const struct fs_place *a, const struct fs_place *b) {
    return a->offset == b->offset && a->module && b->module && strcmp(a->module, b->module) == 0;
}

static void tell_parent(struct fs_outcome *outcome, const struct fs_runtime_fork *fork) {
    fs_add_evidence(outcome, "regions_before", (double)fork->regions, "count",
                    "process %d ran %lld libgomp region%s before the fork, the largest with %d "
                    "threads, from %s",
                    fork->parent, (long long)fork->regions, fs_plural((long)fork->regions),
                    fork->team, fs_exact_place_text(outcome->arena, &fork->place));
    fs_add_number(outcome, "team_before", fork->team, "threads");
}

static void tell_child(struct fs_outcome *outcome, const struct fs_runtime_fork *fork) {
    const char *name = fork->signal > 0 ? sigabbrev_np(fork->signal) : NULL;
    const char *end = fork->t_end == FS_UNKNOWN ? ", and is still in it"
                      : name ? fs_arena_printf(outcome->arena, " until SIG%s ended it", name)
                             : "";

    if (fork->reuse == FS_REUSE_ENDED) {
        fs_add_evidence(outcome, "signal", fork->signal, "number",
                        "its forked child %d raised SIG%s on itself %.1f s after the fork, in the "
                        "library whose regions the parent ran",
                        fork->pid, name ? name : "?", (double)(fork->t_end - fork->t_fork) / 1e9);
        return;
    }
    fs_add_evidence(outcome, "regions_not_left", (double)(fork->entered - fork->left), "count",
                    "its forked child %d entered one for %d threads, had %d, and never left it%s",
                    fork->pid, fork->child_team, fork->threads + 1, end);
    if (!same_place(&fork->place, &fork->child_place))
        fs_add_evidence(outcome, "region_place", 1, "count", "from %s",
                        fs_exact_place_text(outcome->arena, &fork->child_place));
    fs_add_number(outcome, "team_asked", fork->child_team, "threads");
}

/* Whoever asked for one thread already and got a team anyway, asks for it in the code. */
static bool one_thread_asked(const struct fs_node *node, const struct fs_load *load) {
    const struct fs_load any = {.node = node, .group = load ? load->group : NULL};
    const char *value = load ? fs_load_variable(&any, "OMP_NUM_THREADS") : NULL;
    return value && strcmp(value, "1") == 0;
}

/* Fork first, then the parent's first region. */
static void fix_the_order(struct fs_outcome *outcome, bool python) {
    if (python)
        fs_add_fix(outcome, FS_FIX_CODE, "workers from a process that ran no region",
                   "multiprocessing.set_start_method(\"forkserver\")");
    else
        fs_add_fix(outcome, FS_FIX_CODE, "fork before the first region",
                   "pid_t pid = fork(); /* ... */ then #pragma omp parallel");
}

static void add_region_fixes(struct fs_outcome *outcome, const struct fs_node *node,
                             const struct fs_load *load, const struct fs_runtime_fork *fork) {
    if (is_numba(&fork->place))
        fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "a layer that starts anew in the child",
                   "export NUMBA_THREADING_LAYER=forksafe");
    else
        fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "no team, nothing to lose",
                   one_thread_asked(node, load) ? "export OMP_THREAD_LIMIT=1"
                                                : "export OMP_NUM_THREADS=1");
    fix_the_order(outcome, fork->python);
}

static void report_region(const struct fs_node *node, const struct fs_runtime_fork *fork,
                          struct fs_outcome *outcome) {
    const struct fs_load *load = load_of(node, fork->parent);
    const bool ended = fork->reuse == FS_REUSE_ENDED;

    fs_add_finding(outcome, FS_ERROR, node, load);
    if (ended)
        fs_set_title(outcome, "%d worker%s ended by %s: OpenMP before the fork", fork->count,
                     fs_plural(fork->count),
                     is_numba(&fork->place) ? "numba" : "the OpenMP library");
    else
        fs_set_title(outcome, "libgomp before and after fork: %d child%s hung", fork->count,
                     fork->count == 1 ? "" : "ren");
    fs_set_population(outcome, fork->count, children_of(node->digest, fork), "children");
    tell_parent(outcome, fork);
    tell_child(outcome, fork);
    if (!ended) tell_stack(outcome, node->digest, fork);
    fs_add_cause(outcome, ended ? "libgomp would wait in the child for the threads of the parent, "
                                  "so the library gave up"
                                : "libgomp waits in the child for the threads that it started in "
                                  "the parent; fork copies none of them");
    fs_add_cause(outcome, "forked at %s", fs_exact_place_text(outcome->arena, &fork->site));
    add_region_fixes(outcome, node, load, fork);
}

/* --- FRK-07 from outside: what hangs there, and which threads the fork left behind --- */

static bool hangs_in_gomp(const struct fs_stuck *stuck) {
    const char *native = stuck->thread_count == 1 ? stuck->threads[0].native : NULL;
    return !stuck->went_on && stuck->forked && stuck->thread_count == 1 &&
           stuck->threads[0].private_wait && stuck->threads_more == 0 && native &&
           strstr(native, "libgomp");
}

static void report_left(const struct fs_node *node, const struct fs_stuck *stuck, int children,
                        struct fs_outcome *outcome) {
    const struct fs_load *load = load_of(node, stuck->parent);
    const char *frames = fs_frames_text(outcome->arena, stuck->threads[0].native, 3);

    fs_add_finding(outcome, FS_ERROR, node, load)->confidence = FS_INFERRED;
    fs_set_title(outcome, "libgomp before and after fork: %d child%s hung", children,
                 children == 1 ? "" : "ren");
    fs_set_population(outcome, children, load ? load->group->workers : 0, "children");
    fs_add_evidence(outcome, "threads_before", stuck->left_gomp, "threads",
                    "process %d has %d thread%s of libgomp from before the fork of %d",
                    stuck->parent, stuck->left_gomp, fs_plural(stuck->left_gomp), stuck->pid);
    fs_add_evidence(outcome, "stack", 1, "count", "child %d has one thread, which hangs in %s",
                    stuck->pid, frames);
    fs_add_cause(outcome, "libgomp waits in the child for the threads that it started in the "
                          "parent; fork copies none of them");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "no team, nothing to lose", "export OMP_NUM_THREADS=1");
    fix_the_order(outcome, stuck->python);
}

static void judge_left(const struct fs_node *node, struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const struct fs_stuck *first = NULL;
    int children = 0;

    for (size_t i = 0; i < digest->stuck_count; i++) {
        const struct fs_stuck *stuck = &digest->stuck[i];
        if (stuck->left_gomp > 0 && !stuck->went_on && stuck->obstacle)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "a child makes no progress; %s", stuck->obstacle);
        if (stuck->left_gomp <= 0 || !hangs_in_gomp(stuck)) continue;
        if (first && stuck->parent != first->parent) continue;
        if (!first) first = stuck;
        children++;
    }
    if (first)
        report_left(node, first, children, outcome);
    else
        fs_vote(outcome, FS_PASS, "no child hangs in libgomp");
}

static void judge_regions(const struct fs_node *node, struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;

    for (size_t i = 0; i < digest->runtime_fork_count; i++) {
        const struct fs_runtime_fork *fork = &digest->runtime_forks[i];
        if (fork->runtime != FSP_RUNTIME_GOMP)
            fs_vote(outcome, FS_PASS, "libomp and libiomp5 start their threads anew in a child");
        else if (fork->team < 2)
            fs_vote(outcome, FS_PASS, "the regions before the fork had one thread");
        else if (fork->reuse == FS_REUSE_STUCK || fork->reuse == FS_REUSE_ENDED)
            report_region(node, fork, outcome);
        else if (fork->reuse == FS_REUSE_WORKED)
            fs_vote(outcome, FS_PASS, "regions after a fork had threads of their own");
        else
            fs_vote(outcome, FS_PASS, "no forked child used libgomp again");
    }
    if (digest->runtimes_more > 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "%d processes with regions were not kept",
                digest->runtimes_more);
    else if (digest->runtime_fork_count == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no fork after a parallel region of two threads");
}

static void check_regions(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++)
        if (fs_is_outside(job->nodes[i].digest))
            judge_left(&job->nodes[i], outcome);
        else
            judge_regions(&job->nodes[i], outcome);
}

const struct fs_rule fs_rule_frk_07 = {
    .id = "FRK-07",
    .family = "fork safety",
    .title = "libgomp before and after fork",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "what ran before a fork is",
    .check = check_regions,
    .why = "libgomp, GCC's OpenMP runtime, keeps the threads of a region for the next one. fork "
           "copies its notes about them, but not the threads: the child's first region waits for "
           "ever. OpenBLAS built with OpenMP uses libgomp for a matrix product; numba's omp layer "
           "sees the danger and ends the child instead.",
    .decided = "A process ran a libgomp region for two threads or more, counted inside it, and "
               "had the threads at the fork. Its forked child entered such a region, had started "
               "fewer threads than the team needs, and never left it; or it raised SIGTERM or "
               "SIGABRT on itself in the library that ran the parent's regions.",
    .exceptions = "Silent when the child's region ended or had threads of its own (a fork by "
                  "another thread), for regions of one thread (OMP_NUM_THREADS=1), and for libomp "
                  "and libiomp5, which start anew in a child. Not seen: a libgomp that is linked "
                  "into the program itself.",
    .fix = "export OMP_NUM_THREADS=1, or multiprocessing.set_start_method(\"forkserver\"), or for "
           "numba export NUMBA_THREADING_LAYER=forksafe.",
    .sources = (const char *const[]){"U", "OB3", "FAI", "NB", NULL},
};

/* --- FRK-09 --- */

static const struct {
    const char *runtime, *init;
} gpus[FSP_GPU_COUNT] = {
    [FSP_GPU_CUDA] = {"CUDA", "cuInit"},
    [FSP_GPU_ROCM] = {"ROCm", "hipInit"},
};

static bool has_context(const struct fs_gpu_fork *fork) {
    return fork->contexts > 0 || fork->threads > 0;
}

static void tell_gpu(struct fs_outcome *outcome, const struct fs_gpu_fork *fork) {
    const char *name = gpus[fork->kind].runtime;

    if (fork->contexts > 0)
        fs_add_evidence(outcome, "contexts_before", fork->contexts, "count",
                        "process %d made or used a %s context before the fork: %d call%s, the "
                        "first at %s",
                        fork->parent, name, fork->contexts, fs_plural(fork->contexts),
                        fs_exact_place_text(outcome->arena, &fork->place));
    if (fork->threads > 0)
        fs_add_evidence(outcome, "threads_before", fork->threads, "count",
                        "%s had started %d thread%s in process %d before the fork", name,
                        fork->threads, fs_plural(fork->threads), fork->parent);
    if (fork->child_starts + fork->child_contexts > 0)
        fs_add_evidence(outcome, "calls_after", fork->child_starts + fork->child_contexts, "count",
                        "its forked child %d called %s %d time%s, first at %s", fork->pid, name,
                        fork->child_starts + fork->child_contexts,
                        fs_plural(fork->child_starts + fork->child_contexts),
                        fs_exact_place_text(outcome->arena, &fork->child_place));
    else
        fs_add_evidence(outcome, "threads_after", fork->child_threads, "count",
                        "in its forked child %d, %s started %d thread%s", fork->pid, name,
                        fork->child_threads, fs_plural(fork->child_threads));
}

static void report_gpu(const struct fs_node *node, const struct fs_gpu_fork *fork,
                       struct fs_outcome *outcome) {
    fs_add_finding(outcome, FS_ERROR, node, load_of(node, fork->parent));
    fs_set_title(outcome, "%s used before and after fork", gpus[fork->kind].runtime);
    fs_set_population(outcome, fork->callers, fork->children, "children");
    tell_gpu(outcome, fork);
    fs_add_cause(outcome,
                 "%s does not support a fork after it was initialised: the child's calls "
                 "fail or hang",
                 gpus[fork->kind].runtime);
    fs_add_cause(outcome, "forked at %s", fs_exact_place_text(outcome->arena, &fork->site));
    if (fork->python)
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "multiprocessing.set_start_method(\"spawn\")");
    else
        fs_add_fix(outcome, FS_FIX_CODE, "the child decides on its device itself",
                   "pid_t pid = fork(); /* ... */ then %s(0)", gpus[fork->kind].init);
}

static void judge_gpu(const struct fs_node *node, const struct fs_gpu_fork *fork,
                      struct fs_outcome *outcome) {
    const char *name = gpus[fork->kind].runtime;

    if (has_context(fork) && fork->callers > 0)
        report_gpu(node, fork, outcome);
    else if (fork->contexts > 0)
        fs_vote(outcome, FS_PASS, "no forked child called %s", name);
    else if (fork->threads > 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "the parent used %s by ways that are not seen; its children may have, too", name);
    else if (fork->starts > 0)
        fs_vote(outcome, FS_PASS, "the parent only asked for devices before the fork");
    else if (fork->callers > 0)
        fs_vote(outcome, FS_PASS, "only the forked children use %s", name);
    else
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "%s was loaded where a process forked; what was called before is not known", name);
}

static void check_gpu(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->gpu_fork_count; j++)
            judge_gpu(&job->nodes[i], &digest->gpu_forks[j], outcome);
        if (digest->gpu_fork_count == 0 && digest->runtimes_more > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "%d processes were not kept",
                    digest->runtimes_more);
        else if (digest->gpu_fork_count == 0)
            fs_vote(outcome, FS_NOT_APPLICABLE, "no fork of a program with a GPU runtime");
    }
}

const struct fs_rule fs_rule_frk_09 = {
    .id = "FRK-09",
    .family = "fork safety",
    .title = "GPU runtime before fork",
    .severity = FS_ERROR,
    .every_process = true,
    .unseen = "calls of a GPU runtime are",
    .check = check_gpu,
    .why = "CUDA and ROCm tie a context to the process that made it. A forked child inherits the "
           "memory of the runtime, but not its threads and not its connection to the driver: its "
           "calls fail ('Cannot re-initialize CUDA in forked subprocess'), hang or crash.",
    .decided = "Before the fork the parent made a context or used one (memory, kernels; counted at "
               "the runtime's entry points), or the runtime had started threads in it; and the "
               "forked child called the runtime.",
    .exceptions = "Silent when the parent only asked how many devices there are, and for children "
                  "that start their program anew (spawn). Unknown when the runtime was loaded and "
                  "nothing of it was seen: libraries that look its functions up by themselves "
                  "cannot be counted.",
    .fix = "multiprocessing.set_start_method(\"spawn\")",
    .sources = (const char *const[]){"PTM", NULL},
};
