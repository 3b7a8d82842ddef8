/*
 * mpi_forks.h - what rules about children that ranks fork while MPI is in use have in common:
 * the places that fork, one after the other, and what is said of each.
 */
#ifndef FS_REPORT_MPI_FORKS_H
#define FS_REPORT_MPI_FORKS_H

#include "report/rule.h"

/* What a rule thinks of a place. */
struct fs_judgement {
    enum fs_status status;
    const char *why; /* of a status other than FS_FINDING */
};

typedef struct fs_judgement fs_judge_mpi_fork(const struct fs_digest *digest,
                                              const struct fs_mpi_fork *fork);
typedef void fs_report_mpi_fork(const struct fs_node *node, const struct fs_mpi_fork *fork,
                                struct fs_outcome *outcome);

/* Judges every place of a job of several ranks, and reports those that are a finding. Votes
 * where there is nothing to judge. */
void fs_each_mpi_fork(const struct fs_job *job, struct fs_outcome *outcome,
                      fs_judge_mpi_fork *judge, fs_report_mpi_fork *report);

/* A variable as MPI_Init found it; NULL: unset. */
const char *fs_mpi_fork_variable(const struct fs_mpi_fork *fork, const char *name);

/* A finding that is titled "title: place". */
void fs_begin_mpi_finding(const struct fs_node *node, const struct fs_mpi_fork *fork,
                          enum fs_severity severity, const char *title, struct fs_outcome *outcome);

/* Evidence: how many children whose ranks made. Cause: where, and where MPI began. */
void fs_tell_mpi_children(struct fs_outcome *outcome, const struct fs_digest *digest,
                          const struct fs_mpi_fork *fork);
void fs_tell_mpi_places(struct fs_outcome *outcome, const struct fs_digest *digest,
                        const struct fs_mpi_fork *fork);

/* How to do without such children: that helps whatever the network. */
void fs_add_mpi_avoidance(struct fs_outcome *outcome, const struct fs_mpi_fork *fork);

#endif
