/* mpi_callers.c - calls of MPI by those that must not make them: fork children, threads. */
#include "report/ranks.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "tracer/text.h"

#include <string.h>

static const struct fs_mpi_caller *find_caller(const struct fs_mpi_ranks *ranks, bool thread) {
    for (size_t i = 0; i < ranks->caller_count; i++)
        if (ranks->callers[i].thread == thread && ranks->callers[i].count > 0)
            return &ranks->callers[i];
    return NULL;
}

static const char *function_of(const struct fs_mpi_caller *caller) {
    return caller->function ? caller->function : "MPI";
}

static const char *rank_text(struct fs_arena *arena, const struct fs_mpi_caller *caller) {
    return caller->rank >= 0 ? fs_arena_printf(arena, "rank %d", caller->rank) : "a rank";
}

/* mpi4py lets other threads run while it calls MPI: then the line of the call is not known, but
 * where the child or thread was made is. */
static const struct fs_place *place_of(const struct fs_mpi_caller *caller) {
    return !caller->place.file && caller->created.file ? &caller->created : &caller->place;
}

static void add_created(const struct fs_mpi_caller *caller, const char *how,
                        struct fs_outcome *outcome) {
    const char *place =
        caller->created.file ? fs_place_text(outcome->arena, &caller->created) : NULL;

    if (place) fs_add_cause(outcome, "%s at %s", how, place);
}

/* --- FRK-05 --- */

static bool ends_mpi(const struct fs_mpi_caller *caller) {
    return strcasestr(function_of(caller), "finalize") != NULL;
}

static void add_child_fixes(const struct fs_mpi_ranks *ranks, const struct fs_mpi_caller *caller,
                            struct fs_outcome *outcome) {
    if (ends_mpi(caller)) {
        fs_add_fix(outcome, FS_FIX_CODE, "as the last thing that the child does", "%s",
                   ranks->python ? "os._exit(0)" : "_exit(0);");
        return;
    }
    fs_add_fix(outcome, FS_FIX_CODE, "the child hands its result over, the rank sends it", "%s",
               ranks->python ? "result = pool.apply(work); comm.send(result, dest=0)"
                             : "write(to_rank, &result, sizeof result); _exit(0);");
    if (ranks->python)
        fs_add_fix(outcome, FS_FIX_CODE, "or workers that are ranks themselves",
                   "from mpi4py.futures import MPIPoolExecutor");
}

static void report_child(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                         const struct fs_mpi_caller *caller, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *place = fs_place_text(arena, &caller->place);

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(outcome, "%d forked %s called MPI (%s)", caller->count,
                 caller->count == 1 ? "child" : "children", function_of(caller));
    fs_set_place(outcome, place_of(caller));
    fs_set_population(outcome, caller->count, 0, caller->count == 1 ? "process" : "processes");
    fs_add_evidence(outcome, "callers", caller->count, "count",
                    "process %d, forked by %s after MPI_Init, called %s%s%s", caller->pid,
                    rank_text(arena, caller), function_of(caller), place ? " at " : "",
                    place ? place : "");
    fs_add_cause(outcome,
                 "a forked child has its parent's connections, which are not its own; "
                 "%s does not support it",
                 fs_mpi_name(arena, ranks));
    add_created(caller, "it was forked", outcome);
    add_child_fixes(ranks, caller, outcome);
}

static void judge_children(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                           struct fs_outcome *outcome) {
    const struct fs_mpi_caller *caller = find_caller(ranks, false);

    if (caller)
        report_child(node, ranks, caller, outcome);
    else if (!ranks->calls_seen && ranks->stage > FS_MPI_FAILED)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who calls message passing was not recorded");
    else
        fs_vote(outcome, FS_PASS, "only processes that initialised MPI called it");
}

typedef void judge_ranks(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                         struct fs_outcome *outcome);

static void each_kind(const struct fs_job *job, struct fs_outcome *outcome, judge_ranks *judge) {
    const struct fs_node *node = &job->nodes[0];

    if (fs_mpi_is_absent(node, outcome)) return;
    for (size_t i = 0; i < node->digest->mpi_count; i++)
        judge(node, &node->digest->mpi[i], outcome);
}

static void check_children(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    (void)thresholds;
    each_kind(job, outcome, judge_children);
}

const struct fs_rule fs_rule_frk_05 = {
    .id = "FRK-05",
    .family = "fork safety",
    .title = "MPI used in a forked child",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "calls of MPI are",
    .check = check_children,
    .why = "A process forked after MPI_Init has copies of its parent's queues, connections and "
           "network handles. What it sends comes from the parent as far as its peers can tell, "
           "what it receives is missing there, and when it finalizes MPI (also at exit) it closes "
           "what the parent still uses: messages are lost, ranks hang or crash.",
    .decided = "A process that was forked from one with an initialised MPI, and runs the same "
               "program still, called MPI_Init, MPI_Finalize, MPI_Abort or a function that passes "
               "messages, synchronises, opens files or windows. Calls are seen where they go by "
               "name; on machines other than x86-64 only those of MPI_Finalize and MPI_Abort.",
    .exceptions = "Children that exec another program, or that start a new interpreter (spawn), "
                  "have an MPI of their own. Questions such as MPI_Comm_rank and MPI_Initialized "
                  "are not counted.",
    .fix = "Let the child hand its result to the rank and leave with os._exit(); or make workers "
           "before MPI_Init.",
    .sources = (const char *const[]){"N1", "NCI", "OMF", NULL},
};

/* --- MPI-08 --- */

static const char *level_name(int level) {
    static const char *const names[] = {"SINGLE", "FUNNELED", "SERIALIZED", "MULTIPLE"};

    return level >= 0 && level <= FS_MPI_LEVEL_MAX ? names[level] : "unknown";
}

enum { LEVEL_SERIALIZED = 2 };

/* A thread that the MPI library, or one below it, made for itself. */
static bool is_of_library(const struct fs_mpi_ranks *ranks, const struct fs_mpi_caller *caller) {
    static const char *const libraries[] = {"libmpi",   "libmpich", "libopen-", "libpmix",
                                            "libucp",   "libucs",   "libuct",   "libfabric",
                                            "libevent", "libpsm2",  "libopal"};
    const char *module = caller->created.module;

    if (!module) return false;
    if (ranks->file && strcmp(module, ranks->file) == 0) return true;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (fs_begins(fs_base_name(module), libraries[i])) return true;
    return false;
}

static void report_thread(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                          const struct fs_mpi_caller *caller, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *place = fs_place_text(arena, &caller->place);

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(outcome, "%d %s called MPI at thread level %s", caller->count,
                 caller->count == 1 ? "other thread" : "other threads",
                 level_name(ranks->provided));
    fs_set_place(outcome, place_of(caller));
    fs_set_population(outcome, caller->count, 0, caller->count == 1 ? "thread" : "threads");
    fs_add_evidence(outcome, "level", ranks->provided, "count",
                    "asked for %s, provided %s: only the thread of MPI_Init may call MPI",
                    level_name(ranks->asked), level_name(ranks->provided));
    fs_add_evidence(outcome, "callers", caller->count, "count",
                    "thread %d of %s (process %d) called %s%s%s", caller->tid,
                    rank_text(arena, caller), caller->pid, function_of(caller), place ? " at " : "",
                    place ? place : "");
    add_created(caller, "the thread was started", outcome);
    fs_add_cause(outcome, "MPI takes no locks at this level: its queues break when two threads "
                          "are in it");
    if (ranks->python)
        fs_add_fix(outcome, FS_FIX_CODE, "before MPI is imported from mpi4py",
                   "import mpi4py; mpi4py.rc.thread_level = \"multiple\"");
    else
        fs_add_fix(outcome, FS_FIX_CODE, "instead of MPI_Init; and check that it was provided",
                   "MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);");
}

static void judge_threads(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                          struct fs_outcome *outcome) {
    const struct fs_mpi_caller *caller = find_caller(ranks, true);

    if (ranks->provided >= LEVEL_SERIALIZED)
        fs_vote(outcome, FS_PASS, "MPI was told of several threads");
    else if (ranks->stage <= FS_MPI_FAILED)
        fs_vote(outcome, FS_NOT_APPLICABLE, "MPI was not initialised");
    else if (ranks->provided == FS_UNKNOWN || !ranks->calls_seen)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "which threads call MPI was not recorded");
    else if (!caller)
        fs_vote(outcome, FS_PASS, "only the thread that initialised MPI called it");
    else if (!caller->pid || is_of_library(ranks, caller))
        fs_vote(outcome, caller->count > 1 || !caller->pid ? FS_STATUS_UNKNOWN : FS_PASS,
                "a thread of the MPI library called it");
    else
        report_thread(node, ranks, caller, outcome);
}

static void check_threads(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    (void)thresholds;
    each_kind(job, outcome, judge_threads);
}

const struct fs_rule fs_rule_mpi_08 = {
    .id = "MPI-08",
    .family = "MPI",
    .title = "thread level too low",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "calls of MPI are",
    .check = check_threads,
    .why = "A program tells MPI with MPI_Init_thread which threads will call it; with MPI_Init it "
           "says: only one. At the levels SINGLE and FUNNELED the library does without locks, and "
           "calls from a second thread are undefined: hangs, crashes, or messages that are mixed "
           "up, often only at scale.",
    .decided = "MPI_Query_thread said SINGLE or FUNNELED after MPI_Init, and a thread other than "
               "the one that initialised MPI called a function that passes messages, synchronises, "
               "opens files or windows.",
    .exceptions = "Silent at SERIALIZED and MULTIPLE (whether calls at SERIALIZED overlap is not "
                  "looked at), for threads that an MPI or network library made, and when all calls "
                  "come from the thread of MPI_Init, however many others compute. Calls that do "
                  "not go by name (ctypes), and those on machines other than x86-64, are not seen: "
                  "there it is unknown.",
    .fix = "MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), and check provided.",
    .sources = (const char *const[]){"MPF", NULL},
};
