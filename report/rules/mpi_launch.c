/* mpi_launch.c - MPI programs and those who started them: do they know of each other? */
#include "report/ranks.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "tracer/text.h"

#include <string.h>
#include <sys/wait.h>

/* --- MPI-01 --- */

static bool is_alone(const struct fs_mpi_ranks *ranks) {
    return ranks->size == 1 && !ranks->launcher && !ranks->nested;
}

static bool has_a_world(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->mpi_count; i++)
        if (digest->mpi[i].size > 1) return true;
    return false;
}

static void report_unlaunched(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                              int tasks, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *place = ranks->site.file ? fs_place_text(arena, &ranks->site) : NULL;

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(
        outcome, "%s ran as 1 rank; the job asked for %d tasks",
        fs_base_name(ranks->python && ranks->site.file ? ranks->site.file : ranks->executable),
        tasks);
    fs_set_place(outcome, &ranks->site);
    fs_set_population(outcome, 1, tasks, "ranks");
    fs_add_evidence(outcome, "world", 1, "count",
                    "MPI_COMM_WORLD has 1 rank (%s); SLURM_NTASKS is %d", fs_mpi_name(arena, ranks),
                    tasks);
    fs_add_number(outcome, "tasks", tasks, "count");
    fs_add_evidence(outcome, "launchers", 0, "count",
                    "process %d began without a rank variable of any launcher", ranks->pid);
    fs_add_cause(outcome, "the script was started without srun or mpirun%s%s",
                 place ? "; MPI began at " : "", place ? place : "");
    fs_add_command_fix(outcome, "one rank for each task",
                       fs_mpi_start_command(arena, node, ranks, tasks, true));
    fs_set_gain(outcome, "%d ranks instead of 1", tasks);
}

static void check_unlaunched(const struct fs_job *job, const struct fs_thresholds *thresholds,
                             struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_node *node = &job->nodes[0];
    const struct fs_digest *digest = node->digest;
    const struct fs_scheduler *scheduler = &digest->scheduler;

    if (fs_mpi_is_absent(node, outcome)) return;
    if (!scheduler->name || strcmp(scheduler->name, "slurm") != 0 || scheduler->in_step)
        fs_vote(outcome, FS_NOT_APPLICABLE,
                scheduler->name ? "started by srun" : "no batch job asked for tasks");
    else if (scheduler->tasks <= 1)
        fs_vote(outcome, scheduler->tasks == 1 ? FS_NOT_APPLICABLE : FS_STATUS_UNKNOWN,
                scheduler->tasks == 1 ? "the job asked for one task"
                                      : "how many tasks the job asked for is not known");
    else if (has_a_world(digest))
        fs_vote(outcome, FS_PASS, "ranks were launched; a single one beside them is a helper");
    else
        for (size_t i = 0; i < digest->mpi_count; i++) {
            const struct fs_mpi_ranks *ranks = &digest->mpi[i];
            if (is_alone(ranks)) {
                report_unlaunched(node, ranks, scheduler->tasks, outcome);
                return;
            }
            if (ranks->size == FS_UNKNOWN)
                fs_vote(outcome, FS_STATUS_UNKNOWN, "the size of MPI_COMM_WORLD is not known");
            else
                fs_vote(outcome, FS_PASS, "the ranks were launched");
        }
}

const struct fs_rule fs_rule_mpi_01 = {
    .id = "MPI-01",
    .family = "MPI",
    .title = "MPI script without launcher",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "calls of MPI are",
    .check = check_unlaunched,
    .why = "An MPI program that is started like any other command is a world of one rank. The "
           "job's other tasks are never started: their CPUs are paid for and idle, and the work "
           "that was to be shared is done by one.",
    .decided = "A Slurm job that asked for more than one task (SLURM_NTASKS), outside of srun; a "
               "process that initialised MPI, whose MPI_COMM_WORLD has one rank and whose "
               "environment has no rank variable of a launcher; and nobody of the job has a "
               "larger world.",
    .exceptions = "Silent for jobs of one task, for single ranks beside launched ones (a tool that "
                  "the script calls) and for programs that a rank started.",
    .fix = "srun -n $SLURM_NTASKS python {script}",
    .sources = (const char *const[]){"N2", "A2P", NULL},
};

/* --- MPI-02 --- */

/* Launched as one of several, but alone in its world. */
static bool is_stranded(const struct fs_mpi_ranks *ranks) {
    return ranks->size == 1 && ranks->launcher && ranks->launcher_size > 1 && !ranks->nested;
}

/* Open MPI under an srun whose plugin it does not speak gives up in MPI_Init. */
static bool is_refused(const struct fs_mpi_ranks *ranks) {
    return ranks->stage == FS_MPI_IN_INIT && !ranks->nested && ranks->launcher &&
           strcmp(ranks->launcher, "srun") == 0 && ranks->library &&
           strcmp(ranks->library, "openmpi") == 0 &&
           !(ranks->plugin && fs_begins(ranks->plugin, "pmix")) && ranks->status != FS_UNKNOWN &&
           WIFEXITED(ranks->status) && WEXITSTATUS(ranks->status) != 0;
}

/* Tasks of that launcher on this node: those that were seen, or more. */
static int tasks_here(const struct fs_digest *digest, const struct fs_mpi_ranks *ranks) {
    if (strcmp(ranks->launcher, "srun") == 0 && digest->scheduler.step_tasks_on_node > 0)
        return digest->scheduler.step_tasks_on_node;
    return ranks->launcher_size < 2 ? ranks->launcher_size : 2;
}

static bool is_of_launcher(const struct fs_mpi_ranks *ranks) {
    return ranks->launcher && !ranks->nested;
}

/* Ended there, by itself or with the others. */
static bool is_in_init(const struct fs_mpi_ranks *ranks) {
    return is_of_launcher(ranks) && ranks->stage == FS_MPI_IN_INIT;
}

/* Ranks of the node that the same launcher started and that are so. */
static int like(const struct fs_digest *digest, const struct fs_mpi_ranks *ranks,
                bool (*is)(const struct fs_mpi_ranks *)) {
    int count = 0;

    for (size_t i = 0; i < digest->mpi_count; i++) {
        const struct fs_mpi_ranks *other = &digest->mpi[i];
        if (is(other) && strcmp(other->launcher, ranks->launcher) == 0) count += other->count;
    }
    return count;
}

/* Ranks of the launcher on this node: those that were seen to begin MPI, or its tasks here. */
static int ranks_here(const struct fs_digest *digest, const struct fs_mpi_ranks *ranks) {
    const int seen = like(digest, ranks, is_of_launcher);
    const int tasks =
        strcmp(ranks->launcher, "srun") == 0 ? digest->scheduler.step_tasks_on_node : FS_UNKNOWN;

    return tasks > seen ? tasks : seen;
}

static void add_remedies(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                         struct fs_outcome *outcome) {
    const char *when =
        fs_arena_printf(outcome->arena, "speaks to %s", fs_mpi_name(outcome->arena, ranks));

    fs_add_command_fix(
        outcome, when,
        fs_mpi_start_command(outcome->arena, node, ranks, ranks->launcher_size, false));
    if (ranks->python)
        fs_add_fix(outcome, FS_FIX_COMMAND,
                   "or build mpi4py for the MPI of that launcher (with its mpicc first in PATH)",
                   "pip install --no-binary mpi4py --force-reinstall mpi4py");
}

static void report_stranded(const struct fs_node *node, const struct fs_mpi_ranks *ranks, int count,
                            struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(outcome, "every rank is \"0 of 1\": %d times the same work", count);
    fs_set_place(outcome, &ranks->site);
    fs_set_population(outcome, count, ranks_here(node->digest, ranks), "ranks");
    fs_add_evidence(outcome, "world", 1, "count",
                    "%s started %d ranks; MPI_Comm_size says 1 in %s%d on this node",
                    fs_mpi_launcher_text(arena, ranks), ranks->launcher_size,
                    count > 1 ? "all " : "the ", count);
    fs_add_number(outcome, "launched", ranks->launcher_size, "count");
    fs_add_number(outcome, "ranks", count, "count");
    if (ranks->launcher_ranks)
        fs_add_evidence(outcome, "rank_by_library", 0, "count",
                        "the launcher says rank %s, %s says rank 0 to each", ranks->launcher_ranks,
                        fs_mpi_name(arena, ranks));
    fs_add_cause(outcome, "%s uses %s (%s), which does not speak with %s",
                 fs_base_name(ranks->executable), fs_mpi_name(arena, ranks),
                 fs_base_name(ranks->file), fs_mpi_launcher_text(arena, ranks));
    add_remedies(node, ranks, outcome);
    fs_set_gain(outcome, "the work is done once, by %d ranks", ranks->launcher_size);
}

/* The first that gives up takes the others along: its launcher ends them. */
static void report_refused(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                           struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_digest *digest = node->digest;
    const int gave_up = like(digest, ranks, is_refused), inside = like(digest, ranks, is_in_init);
    const int here = ranks_here(digest, ranks), status = WEXITSTATUS(ranks->status);

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(outcome, "MPI_Init gives up, with exit status %d", status);
    fs_set_place(outcome, &ranks->site);
    fs_set_population(outcome, inside, here, "ranks");
    fs_add_evidence(outcome, "in_init", inside, "count",
                    "of %d rank%s on this node %d went into MPI_Init of %s; %d ended there by "
                    "%s, with status %d",
                    here, here == 1 ? "" : "s", inside, fs_mpi_name(arena, ranks), gave_up,
                    gave_up == 1 ? "itself" : "themselves", status);
    fs_add_number(outcome, "gave_up", gave_up, "count");
    fs_add_number(outcome, "launched", ranks->launcher_size, "count");
    fs_add_evidence(outcome, "plugin", 0, "count", "they were started by %s",
                    fs_mpi_launcher_text(arena, ranks));
    fs_add_cause(outcome, "%s is told its ranks by PMIx, which this srun did not offer",
                 fs_mpi_name(arena, ranks));
    add_remedies(node, ranks, outcome);
}

static void judge_ranks(const struct fs_node *node, const struct fs_mpi_ranks *ranks,
                        struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const int stranded = is_stranded(ranks) ? like(digest, ranks, is_stranded) : 0;

    if (is_refused(ranks))
        report_refused(node, ranks, outcome);
    else if (!ranks->launcher || ranks->nested)
        fs_vote(outcome, FS_NOT_APPLICABLE, "not started by a launcher");
    else if (ranks->stage == FS_MPI_IN_INIT || ranks->stage == FS_MPI_FAILED ||
             ranks->size == FS_UNKNOWN)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the size of MPI_COMM_WORLD is not known");
    else if (!stranded || has_a_world(digest))
        fs_vote(outcome, FS_PASS, "launcher and library agree on the number of ranks");
    else if (stranded < tasks_here(digest, ranks))
        fs_vote(outcome, FS_PASS, "a single rank on purpose, one of the tasks");
    else
        report_stranded(node, ranks, stranded, outcome);
}

static void check_worlds(const struct fs_job *job, const struct fs_thresholds *thresholds,
                         struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_node *node = &job->nodes[0];
    const struct fs_digest *digest = node->digest;

    if (fs_mpi_is_absent(node, outcome)) return;
    for (size_t i = 0; i < digest->mpi_count; i++) {
        judge_ranks(node, &digest->mpi[i], outcome);
        if (outcome->status == FS_FINDING) return; /* of all that are like it */
    }
}

const struct fs_rule fs_rule_mpi_02 = {
    .id = "MPI-02",
    .family = "MPI",
    .title = "every rank is \"0 of 1\"",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "calls of MPI are",
    .check = check_worlds,
    .why = "A launcher tells each process its rank in a protocol (PMI, PMI-2, PMIx). A program "
           "whose MPI library speaks another one takes itself for the only rank: every process "
           "does the whole work, and they overwrite each other's results. Open MPI under srun "
           "without PMIx gives up in MPI_Init instead.",
    .decided = "Processes began with a launcher's rank variables that speak of more than one rank, "
               "and MPI_Comm_size, asked after MPI_Init, is 1 in all of them on the node. Or: "
               "started by srun without PMIx, processes with Open MPI went into MPI_Init and "
               "ended there with an exit status other than 0.",
    .exceptions = "Silent for programs that a rank started (they inherit its variables), for a "
                  "single process among several tasks, and where another program of the job has a "
                  "world of several ranks. forksight does not read the job's output: messages "
                  "about PMI are not what decides.",
    .fix = "srun --mpi=pmix {command} for Open MPI, srun --mpi=pmi2 {command} for MPICH; or the "
           "mpirun of the library that the program was built with.",
    .sources = (const char *const[]){"T", "MPF", "M4", NULL},
};
