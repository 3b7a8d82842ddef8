/* frk_threads.c - the rule on threads that a fork leaves behind. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"
#include "tracer/text.h"

#include <string.h>

enum { STACK_FRAMES = 8 };

/* Objects whose threads are harmless beside a fork, or another rule's matter. */
static const struct {
    const char *part; /* of the path of the object with the start routine */
} known_safe[] = {
    /* Stopped or made anew by their own fork handlers or at their next use. */
    {"/numexpr/"},
    {"/numba/np/ufunc/workqueue"},
    {"/libarrow"},
    {"/libjemalloc"},
    {"/libopenblas"},
    {"/libscipy_openblas"},
    /* A message-passing library: what matters is the library, not its threads. */
    {"/libmpi"},
    {"/libopen-pal"},
    {"/libopen-rte"},
    {"/libpmi"},
    {"/libprrte"},
    {"/libevent"},
    {"/libucs"},
    {"/libuct"},
    {"/libfabric"},
    {"/libpsm"},
    {"/libibverbs"},
    /* A GPU runtime, likewise. */
    {"/libcuda"},
    {"/libhsa-runtime64"},
    {"/libamdhip64"},
};

/* Helpers of Python modules, by two frames of their start: they hold no lock that a child
 * takes, or one that the module makes anew in it. */
static const struct {
    const char *inner, *outer;
} python_helpers[] = {
    {"pool.py", "__init__"},
    {"process.py", "_start_executor_manager_thread"},
    {"process.py", "start_executor_manager_thread"},
    {"queues.py", "_start_thread"},
    {"/loky/process_executor.py", "_start_executor_manager_thread"},
    {"/loky/backend/queues.py", "_start_thread"},
    {"/tqdm/_monitor.py", "__init__"},
};

enum hazard { HAZARD_NONE, HAZARD_LOCKS, HAZARD_TBB, HAZARD_RUST };

/* Thread.start() is innermost; who called it is the next line. */
static bool is_python_helper(const char *stack) {
    const size_t first = stack ? strcspn(stack, "\n") : 0;
    if (!first || !stack[first] || !fs_is_frame(stack, first, "threading.py", "start"))
        return false;
    const char *caller = stack + first + 1;
    for (size_t i = 0; i < sizeof python_helpers / sizeof *python_helpers; i++)
        if (fs_is_frame(caller, strcspn(caller, "\n"), python_helpers[i].inner,
                        python_helpers[i].outer))
            return true;
    return false;
}

/* The thread by which a Pool replaces its workers. */
static bool forked_by_pool(const struct fs_fork_site *site) {
    return fs_has_frame(site->place.stack, "pool.py", "_handle_workers");
}

static bool is_unowned(const struct fs_fork_owner *owner) {
    return !owner->main && !owner->python && !owner->library;
}

static enum hazard hazard_of(const struct fs_fork_site *site, const struct fs_fork_owner *owner) {
    const char *library = owner->library ? owner->library : "";
    const char *name = fs_base_name(library);

    if (owner->forks <= 0) return HAZARD_NONE;
    if (owner->main) return forked_by_pool(site) ? HAZARD_NONE : HAZARD_LOCKS;
    if (owner->python) return is_python_helper(owner->started.stack) ? HAZARD_NONE : HAZARD_LOCKS;
    if (is_unowned(owner) || fs_is_openmp_runtime(library)) return HAZARD_NONE;
    for (size_t i = 0; i < sizeof known_safe / sizeof *known_safe; i++)
        if (strstr(library, known_safe[i].part)) return HAZARD_NONE;
    if (fs_begins(name, "libtbb")) return HAZARD_TBB;
    if (fs_begins(name, "polars") || strstr(library, "/polars/") || strstr(name, "rayon"))
        return HAZARD_RUST;
    return HAZARD_LOCKS;
}

static bool is_error(const struct fs_fork_owner *owner, enum hazard hazard) {
    return hazard == HAZARD_RUST || (hazard == HAZARD_TBB && owner->foreign_forks > 0);
}

/* --- what is said --- */

static const char *owner_name(struct fs_arena *arena, const struct fs_fork_owner *owner,
                              enum hazard hazard) {
    if (owner->main) return "the main thread";
    if (owner->python) return "Python threading";
    if (hazard == HAZARD_TBB) return "TBB";
    if (fs_begins(fs_base_name(owner->library), "libstdc++")) return "C++ (std::thread)";
    return hazard == HAZARD_RUST && strstr(owner->library, "polars")
               ? "Polars (Rayon)"
               : fs_arena_printf(arena, "%s", fs_base_name(owner->library));
}

/* NULL: unknown. */
static const char *known_place(struct fs_arena *arena, const struct fs_place *place) {
    return place->file || place->module ? fs_exact_place_text(arena, place) : NULL;
}

/* Where its threads were started; NULL: within the library itself, or unknown. */
static const char *start_text(struct fs_arena *arena, const struct fs_fork_site *site,
                              const struct fs_fork_owner *owner) {
    const bool own_library = owner->library && owner->started.module &&
                             strcmp(owner->library, owner->started.module) == 0 &&
                             (!site->executable || strcmp(owner->library, site->executable) != 0);
    return own_library && !owner->started.stack ? NULL : known_place(arena, &owner->started);
}

static void tell_owner(struct fs_outcome *outcome, const struct fs_fork_site *site,
                       const struct fs_fork_owner *owner, enum hazard hazard) {
    const char *name = owner_name(outcome->arena, owner, hazard);
    const char *place = start_text(outcome->arena, site, owner);

    if (owner->main)
        fs_add_evidence(outcome, "main_thread", 1, "count",
                        "the main thread was alive: another thread forked");
    else
        fs_add_evidence(outcome, "owner_threads", owner->threads, "count",
                        "%d thread%s of %s%s%s%s", owner->threads, owner->threads == 1 ? "" : "s",
                        name, place ? ", started at " : "", place ? place : "",
                        hazard == HAZARD_TBB && owner->foreign_forks > 0
                            ? ", but not by the thread that forked"
                            : "");
}

static const struct fs_load *load_at(const struct fs_node *node, const struct fs_fork_site *site) {
    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_place *place = &node->loads[i].group->site;
        const bool same = site->place.file
                              ? place->file && strcmp(place->file, site->place.file) == 0 &&
                                    place->line == site->place.line
                              : !place->file && place->module && site->place.module &&
                                    strcmp(place->module, site->place.module) == 0 &&
                                    place->offset == site->place.offset;
        if (same) return &node->loads[i];
    }
    return NULL;
}

struct hazards {
    int threads, kinds;
    bool error;
    bool unowned; /* threads that no library is known for */
};

static struct hazards sum_up(const struct fs_fork_site *site) {
    struct hazards hazards = {0};
    for (size_t i = 0; i < site->owner_count; i++) {
        const enum hazard hazard = hazard_of(site, &site->owners[i]);
        hazards.unowned |= is_unowned(&site->owners[i]);
        if (hazard == HAZARD_NONE) continue;
        hazards.kinds++;
        hazards.threads += site->owners[i].threads;
        hazards.error |= is_error(&site->owners[i], hazard);
    }
    return hazards;
}

static void report_site(const struct fs_node *node, const struct fs_fork_site *site,
                        const struct hazards *hazards, struct fs_outcome *outcome) {
    const struct fs_load *load = load_at(node, site);
    const char *place = known_place(outcome->arena, &site->place);
    int forks = 0;

    for (size_t i = 0; i < site->owner_count; i++)
        if (hazard_of(site, &site->owners[i]) != HAZARD_NONE && site->owners[i].forks > forks)
            forks = site->owners[i].forks;
    fs_add_finding(outcome, hazards->error ? FS_ERROR : FS_WARNING, node, load);
    fs_set_title(outcome, "fork of a multithreaded process%s%s", load || !place ? "" : ": ",
                 load || !place ? "" : place);
    fs_set_place(outcome, &site->place);
    fs_set_population(outcome, forks, site->forks, "forks");
    fs_add_evidence(outcome, "threads_alive", hazards->threads, "count",
                    "%d other thread%s alive at the fork, none of them in the child",
                    hazards->threads, hazards->threads == 1 ? "" : "s");
    for (int errors = 1; errors >= 0; errors--) /* the worst first */
        for (size_t i = 0; i < site->owner_count; i++) {
            const enum hazard hazard = hazard_of(site, &site->owners[i]);
            const bool error = is_error(&site->owners[i], hazard);
            if (hazard != HAZARD_NONE && error == (errors == 1))
                tell_owner(outcome, site, &site->owners[i], hazard);
        }
    const char *frames = fs_frames_text(outcome->arena, site->frames, STACK_FRAMES);
    if (!site->place.stack && *frames)
        fs_add_evidence(outcome, "c_stack", 1, "count", "C stack: %s", frames);
    fs_add_cause(outcome, "%s forks%s%s", fs_base_name(site->executable), place ? " at " : "",
                 place ? place : "");
    fs_add_cause(outcome, "a lock that such a thread holds at the fork is never released in the "
                          "child");
    fs_add_fork_fixes(outcome, site->place.stack,
                      load && load->workers > 0 ? load->workers : site->forks);
}

static void judge_site(const struct fs_node *node, const struct fs_fork_site *site,
                       struct fs_outcome *outcome) {
    const struct hazards hazards = sum_up(site);

    if (hazards.kinds > 0) {
        report_site(node, site, &hazards, outcome);
        return;
    }
    if (site->threads_more > 0 || hazards.unowned)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whose threads were alive at a fork is not known");
    else if (site->unknown > 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the threads alive at a fork were not looked at");
    else if (site->threaded > 0)
        fs_vote(outcome, FS_PASS, "only threads that survive a fork or do not matter to the child");
    else
        fs_vote(outcome, FS_PASS, "no other thread was alive at a fork");
}

static void check_threads(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->fork_site_count; j++)
            judge_site(&job->nodes[i], &digest->fork_sites[j], outcome);
    }
    if (outcome->count == 0 && !outcome->why)
        fs_vote(outcome, FS_NOT_APPLICABLE, "nothing was forked");
}

const struct fs_rule fs_rule_frk_06 = {
    .id = "FRK-06",
    .family = "fork safety",
    .title = "fork of a multithreaded process",
    .severity = FS_WARNING,
    .every_process = true,
    .unseen = "which threads were alive at a fork is",
    .check = check_threads,
    .why =
        "A forked child has one thread, the one that forked, but a copy of all memory, and so of "
        "every lock that another thread held at that moment. Nobody is left to release it: the "
        "child waits for ever as soon as it needs the lock, which may be that of a queue, of a log "
        "or of a thread pool. Whether it happens depends on the moment. Python warns of such forks "
        "since 3.12.",
    .decided =
        "Another thread had been started before a fork and had not ended when it returned, so "
        "after the fork handlers of all libraries ran. An error when such threads belong to Polars "
        "or another user of Rayon, or to TBB and the thread that forked had started none of them: "
        "then the child is known to hang or to crash.",
    .exceptions =
        "Silent for children that exec within a second (subprocess, system, posix_spawn); for "
        "the handler threads of multiprocessing.Pool and the manager and queue threads of "
        "ProcessPoolExecutor (loky's, too), also when a Pool's handler replaces a worker; for "
        "tqdm's monitor; "
        "for libraries that stop or renew their threads around a fork (OpenBLAS, NumExpr, Numba's "
        "workqueue, Arrow, jemalloc). Idle teams of an OpenMP runtime, threads of an MPI library "
        "and of a GPU runtime are the matter of other rules.",
    .fix = "multiprocessing.get_context(\"forkserver\").Pool({workers}); in C: fork before the "
           "first pthread_create, or posix_spawn.",
    .sources = (const char *const[]){"N1", "P12", "POL", "NB", NULL},
};
