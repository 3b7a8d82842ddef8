/* mpi_forks.c - see mpi_forks.h. */
#include "report/mpi_forks.h"

#include "preload/segment.h"
#include "report/remedy.h"
#include "tracer/variables.h"

#include <string.h>

const char *fs_mpi_fork_variable(const struct fs_mpi_fork *fork, const char *name) {
    return fs_variable_value(fork->variables, fork->variable_count, name);
}

static const struct fs_mpi_ranks *ranks_of(const struct fs_digest *digest,
                                           const struct fs_mpi_fork *fork) {
    for (size_t i = 0; i < digest->mpi_count; i++)
        if (digest->mpi[i].executable && fork->executable && digest->mpi[i].size == fork->size &&
            strcmp(digest->mpi[i].executable, fork->executable) == 0)
            return &digest->mpi[i];
    return NULL;
}

/* "on n1, " where the job has ranks on other nodes, too. */
static const char *node_text(struct fs_arena *arena, const struct fs_digest *digest,
                             const struct fs_mpi_fork *fork) {
    int here = 0;

    for (size_t i = 0; i < digest->mpi_count; i++)
        here += digest->mpi[i].size == fork->size ? digest->mpi[i].count : 0;
    return here < fork->size && digest->host ? fs_arena_printf(arena, "on %s, ", digest->host) : "";
}

void fs_tell_mpi_children(struct fs_outcome *outcome, const struct fs_digest *digest,
                          const struct fs_mpi_fork *fork) {
    fs_add_evidence(
        outcome, "children", fork->children, "count",
        "%s%d rank%s of %d made %d child%s between MPI_Init and MPI_Finalize, first rank "
        "%d (process %d)",
        node_text(outcome->arena, digest, fork), fork->ranks, fs_plural(fork->ranks), fork->size,
        fork->children, fork->children == 1 ? "" : "ren", fork->rank, fork->pid);
    if (fork->execs > 0)
        fs_add_evidence(outcome, "execs", fork->execs, "count",
                        fork->execs == fork->children
                            ? "each of them started another program within a second"
                            : "%d of them started another program within a second",
                        fork->execs);
    fs_add_number(outcome, "ranks", fork->ranks, "ranks");
}

void fs_tell_mpi_places(struct fs_outcome *outcome, const struct fs_digest *digest,
                        const struct fs_mpi_fork *fork) {
    const struct fs_mpi_ranks *ranks = ranks_of(digest, fork);
    const bool known = ranks && (ranks->site.file || ranks->site.module);

    fs_add_cause(outcome, "%s forks at %s%s%s", fs_base_name(fork->executable),
                 fs_exact_place_text(outcome->arena, &fork->place),
                 known ? ", after MPI began at " : ", after MPI began",
                 known ? fs_exact_place_text(outcome->arena, &ranks->site) : "");
}

void fs_add_mpi_avoidance(struct fs_outcome *outcome, const struct fs_mpi_fork *fork) {
    const bool workers = fork->children > fork->execs;

    if (fork->python) {
        fs_add_fix(outcome, FS_FIX_CODE,
                   workers ? "before mpi4py.MPI is imported; then the pool, then MPI.Init()"
                           : "before mpi4py.MPI is imported; then the programs, then MPI.Init()",
                   "import mpi4py; mpi4py.rc(initialize=False, finalize=True)");
        if (workers)
            fs_add_fix(outcome, FS_FIX_CODE,
                       "instead of a Pool; its workers are ranks of python3 -m mpi4py.futures",
                       "from mpi4py.futures import MPIPoolExecutor");
    } else if (workers) {
        fs_add_fix(outcome, FS_FIX_CODE, "fork before MPI begins",
                   "pid_t pid = fork(); /* ... */ then MPI_Init(&argc, &argv)");
    } else {
        fs_add_fix(outcome, FS_FIX_CODE, "the parent stands still until the exec",
                   "posix_spawn(&pid, path, NULL, NULL, argv, environ)");
    }
}

/* --- every place --- */

static bool forks_beside_mpi(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->fork_site_count; i++)
        if (digest->fork_sites[i].libraries & FSP_LIBRARY_MPI) return true;
    return false;
}

static void vote_rest(const struct fs_digest *digest, struct fs_outcome *outcome) {
    if (digest->mpi_forks_more != 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "not every place that forks was kept");
    else if (digest->mpi_count == 0 && digest->mpi_silent > 0 && forks_beside_mpi(digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whether MPI had begun before a fork was not seen");
    else if (digest->mpi_count == 0 && digest->mpi_silent != 0 && fs_is_outside(digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "whether a rank forked is not seen from outside");
    else if (digest->mpi_count == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no process initialised MPI");
    else
        fs_vote(outcome, FS_PASS, "no rank forked between MPI_Init and MPI_Finalize");
}

void fs_each_mpi_fork(const struct fs_job *job, struct fs_outcome *outcome,
                      fs_judge_mpi_fork *judge, fs_report_mpi_fork *report) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->mpi_fork_count; j++) {
            const struct fs_mpi_fork *fork = &digest->mpi_forks[j];
            const struct fs_judgement judgement = judge(digest, fork);
            if (fork->size == 1)
                fs_vote(outcome, FS_PASS, "the world of MPI has one rank only");
            else if (judgement.status != FS_FINDING)
                fs_vote(outcome, judgement.status, "%s", judgement.why);
            else if (fork->size < 1)
                fs_vote(outcome, FS_STATUS_UNKNOWN, "how many ranks there are is not known");
            else
                report(&job->nodes[i], fork, outcome);
        }
        if (digest->mpi_fork_count == 0 || digest->mpi_forks_more != 0) vote_rest(digest, outcome);
    }
}

void fs_begin_mpi_finding(const struct fs_node *node, const struct fs_mpi_fork *fork,
                          enum fs_severity severity, const char *title,
                          struct fs_outcome *outcome) {
    fs_add_finding(outcome, severity, node, NULL);
    fs_set_title(outcome, "%s: %s", title, fs_exact_place_text(outcome->arena, &fork->place));
    fs_set_place(outcome, &fork->place);
}
