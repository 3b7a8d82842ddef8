/* mpi_hang.c - MPI-06: ranks that wait for one that an exception has ended. */
#include "report/ranks.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/whole.h"

#include <string.h>

enum { HANG_WAIT, HANG_INTERRUPTED };
static const struct fs_threshold hang_thresholds[] = {
    [HANG_WAIT] = {"wait", 30, "s", "least time of the rank in MPI_Finalize", "own"},
    [HANG_INTERRUPTED] = {"wait_interrupted", 2, "s",
                          "the same when somebody interrupted the job meanwhile", "own"},
    {0},
};

static const char *who_failed(struct fs_arena *arena, const struct fs_world *world) {
    const char *ranks = world->first.ranks;

    if (world->failed == 1 && ranks && !strpbrk(ranks, "-,"))
        return fs_arena_printf(arena, "rank %s", ranks);
    return world->failed == 1 ? "a rank" : fs_arena_printf(arena, "%ld ranks", world->failed);
}

static void report_hang(const struct fs_job *job, const struct fs_world *world,
                        struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_mpi_ranks *first = &world->first;
    const char *exception = first->exception ? first->exception : "an exception";
    const char *place = fs_place_text(arena, &first->raised);
    const char *who = who_failed(arena, world);

    fs_add_finding(outcome, FS_ERROR, fs_node_at(job, world->first_node), NULL);
    fs_set_title(outcome, "%s raised %s and left %ld other%s waiting", who, exception,
                 world->at_work, world->at_work == 1 ? "" : "s");
    fs_set_nodes(outcome, &world->where);
    fs_set_place(outcome, &first->raised);
    fs_set_population(outcome, world->failed, world->size, "ranks");
    fs_add_evidence(outcome, "finalize", (double)world->failed_ns / 1e9, "s",
                    "%s (process %d): uncaught %s%s%s, then %.1f s in MPI_Finalize", who,
                    first->pid, exception, place ? " at " : "", place ? place : "",
                    (double)world->failed_ns / 1e9);
    fs_add_evidence(outcome, "waiting", (double)world->waiting, "count",
                    "%ld other%s did not come there; %ld looked at, up to %d times: always in %s",
                    world->at_work, world->at_work == 1 ? "" : "s", world->looked, world->looks,
                    world->waits_in ? world->waits_in : "MPI");
    fs_add_number(outcome, "at_work", (double)world->at_work, "count");
    fs_add_cause(outcome, "mpi4py calls MPI_Finalize when Python ends, after an exception, too:");
    fs_add_cause(outcome, "there the rank waits for all others, and they for its messages");
    fs_add_mpi4py_fix(outcome, &job->nodes[0], first);
    fs_set_gain(outcome, "the job ends with the exception, not at its time limit");
}

static void judge_world(const struct fs_job *job, const struct fs_world *world,
                        const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double full = fs_threshold(thresholds, outcome->rule, HANG_WAIT);
    const double cut_short = fs_threshold(thresholds, outcome->rule, HANG_INTERRUPTED);
    const double needed = job->whole->worlds.interrupted && cut_short < full ? cut_short : full;

    if (world->interpreters == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the ranks are no Python programs");
    else if (world->left == 0)
        fs_vote(outcome, FS_PASS, "no rank was left in MPI_Finalize");
    else if (world->at_work == 0)
        fs_vote(outcome, FS_PASS, "all ranks went into MPI_Finalize");
    else if ((double)world->left_ns < needed * 1e9)
        fs_vote(outcome, FS_PASS, "a rank waited in MPI_Finalize, but not for long");
    else if (world->failed == 0)
        fs_vote(outcome, world->unseen > 0 ? FS_STATUS_UNKNOWN : FS_PASS,
                world->unseen > 0
                    ? "a rank waits in MPI_Finalize; how its program ended was not seen"
                    : "the rank that waits in MPI_Finalize came to its end without an exception");
    else if ((double)world->failed_ns < needed * 1e9)
        fs_vote(outcome, FS_PASS, "a rank waited after an exception, but not for long");
    else if (world->looked == 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "a rank waits after an exception; what the others do was not looked at");
    else if (world->waiting < world->looked)
        fs_vote(outcome, FS_PASS, "a rank waits after an exception; others are still at work");
    else
        report_hang(job, world, outcome);
}

static void check_hang(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    const struct fs_worlds *worlds = &job->whole->worlds;

    if (worlds->silent)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "not every process with MPI was seen to initialise it");
    if (worlds->count == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE,
                worlds->mpi ? "no world of several ranks" : "no process initialised MPI");
    for (size_t i = 0; i < worlds->count; i++)
        judge_world(job, &worlds->world[i], thresholds, outcome);
    if (worlds->more > 0) fs_vote(outcome, FS_STATUS_UNKNOWN, "there were too many MPI worlds");
}

const struct fs_rule fs_rule_mpi_06 = {
    .id = "MPI-06",
    .family = "MPI",
    .title = "rank exception deadlock",
    .severity = FS_ERROR,
    .unseen = "how a program comes to its end is",
    .check_whole = check_hang,
    .why = "When a Python rank raises an exception that nobody catches, its interpreter prints it "
           "and ends, and mpi4py calls MPI_Finalize on the way out. That waits for all ranks of "
           "the job, while these wait for a message that the dead program would have sent. Nobody "
           "ends, and the allocation burns until its time limit.",
    .decided = "A rank's interpreter ended by an exception of its main program (sys.last_type, "
               "read as the interpreter begins to end); the rank has been in MPI_Finalize for at "
               "least `wait` seconds (`wait_interrupted`, when the job was interrupted) and never "
               "came back; other ranks of its world did not call MPI_Finalize; and each of those "
               "whose stack was read meanwhile, up to 8 a node and several times, was in a "
               "function of MPI every time.",
    .exceptions = "Silent when all ranks are in MPI_Finalize, when a rank is only done early, when "
                  "it left by sys.exit() or was interrupted (KeyboardInterrupt), and while any "
                  "rank that was looked at computes. Unknown "
                  "when the end of the interpreter could not be seen (SIGINT was ignored from the "
                  "beginning, as in background jobs of a script), or when no stack could be read.",
    .fix = "srun ... python -m mpi4py {script}: an exception then aborts all ranks",
    .thresholds = hang_thresholds,
    .sources = (const char *const[]){"M4R", "N2", NULL},
};
