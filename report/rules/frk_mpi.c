/* frk_mpi.c - the rule on children that ranks of MPI fork while MPI is in use. */
#include "report/mpi_forks.h"
#include "report/remedy.h"
#include "report/rules/rules.h"

enum { STACK_FRAMES = 4 };

static struct fs_judgement judge_fork(const struct fs_digest *digest,
                                      const struct fs_mpi_fork *fork) {
    (void)digest;
    if (fork->unknown > 0 && fork->unknown == fork->children - fork->execs && fork->execs == 0)
        return (struct fs_judgement){FS_STATUS_UNKNOWN,
                                     "a child was too young to tell whether it will exec"};
    return (struct fs_judgement){FS_FINDING, NULL};
}

static void report_fork(const struct fs_node *node, const struct fs_mpi_fork *fork,
                        struct fs_outcome *outcome) {
    const int workers = fork->children - fork->execs - fork->unknown;
    const char *frames = fs_frames_text(outcome->arena, fork->frames, STACK_FRAMES);
    const bool danger = fs_network_loses_pages(node->digest, fork);

    fs_begin_mpi_finding(node, fork,
                         danger        ? FS_ERROR
                         : workers > 0 ? FS_WARNING
                                       : FS_NOTE,
                         workers > 0 ? "fork after MPI_Init" : "program started after MPI_Init",
                         outcome);
    fs_set_population(outcome, workers > 0 ? workers : fork->execs, fork->children, "children");
    fs_tell_mpi_children(outcome, node->digest, fork);
    if (!fork->place.stack && *frames)
        fs_add_evidence(outcome, "c_stack", 1, "count", "C stack: %s", frames);
    fs_tell_mpi_places(outcome, node->digest, fork);
    if (workers > 0)
        fs_add_cause(outcome, "a child has a copy of MPI's memory and of its locks, but neither "
                              "its threads nor its place in the job");
    else
        fs_add_cause(outcome, "harmless where the network library allows it: an exec drops "
                              "what the child copied");
    fs_add_mpi_avoidance(outcome, fork);
}

static void check_fork(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    (void)thresholds;
    fs_each_mpi_fork(job, outcome, judge_fork, report_fork);
}

const struct fs_rule fs_rule_frk_01 = {
    .id = "FRK-01",
    .family = "fork safety",
    .title = "fork after MPI_Init",
    .severity = FS_WARNING,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "calls of MPI are",
    .check = check_fork,
    .why =
        "A rank that forks gives its child a copy of MPI's memory: of locks that MPI's own threads "
        "hold, of connections, and of pages that a network card writes into. Open MPI warns that "
        "the job \"may hang, crash, or produce silent data corruption\"; sites call it a hack. "
        "Where and whether it goes wrong depends on the network.",
    .decided =
        "A process forked after its MPI_Init had returned and before its MPI_Finalize, in a job "
        "of two ranks or more, as recorded inside the process whatever the MPI. An error when one "
        "of FRK-02 to FRK-04 finds that the network in use is not told of forks; a note when "
        "all such children started another program within a second (system, popen, subprocess, "
        "posix_spawn, vfork).",
    .exceptions = "Silent for forks before MPI_Init and after MPI_Finalize, in a world of one "
                  "rank, and for forks that a forked child makes. Unknown where a process with an "
                  "MPI library forked and MPI was called in ways that are not seen.",
    .fix = "import mpi4py; mpi4py.rc(initialize=False, finalize=True), then the pool, then "
           "MPI.Init(); or mpi4py.futures.MPIPoolExecutor instead of Pool; in C: fork before "
           "MPI_Init.",
    .dispute = "Sites give a setting for their network (MPICH_GNI_FORK_MODE, CXI_FORK_SAFE, "
               "RDMAV_FORK_SAFE), Open MPI says to avoid fork. The setting named is that of the "
               "network library that was loaded, and avoidance is always named beside it.",
    .sources = (const char *const[]){"N1", "OMF", "AMR", NULL},
};
