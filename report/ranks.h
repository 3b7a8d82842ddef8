/*
 * ranks.h - what rules about MPI ask of the ranks of a node, and how such a job is started.
 */
#ifndef FS_REPORT_RANKS_H
#define FS_REPORT_RANKS_H

#include "report/arena.h"
#include "report/model.h"
#include "report/rule.h"

#include <stdbool.h>

/* "Open MPI v4.1.4", "MPICH 4.0.2"; of an unknown library: "MPI". */
const char *fs_mpi_name(struct fs_arena *arena, const struct fs_mpi_ranks *ranks);

/* Who started them: "srun --mpi=pmix", "mpirun of Open MPI"; "no launcher". */
const char *fs_mpi_launcher_text(struct fs_arena *arena, const struct fs_mpi_ranks *ranks);

/*
 * The command that starts tasks ranks of that program so that its MPI library is spoken to:
 * by srun with the right plugin where Slurm started it or, with slurm, is to; else by the
 * library's own mpirun.
 */
const char *fs_mpi_start_command(struct fs_arena *arena, const struct fs_node *node,
                                 const struct fs_mpi_ranks *ranks, int tasks, bool slurm);

/* The same, whatever line was typed, for that command of a rank. */
const char *fs_mpi_launch_line(struct fs_arena *arena, const struct fs_mpi_ranks *ranks, int tasks,
                               const char *command);

/* Adds the job's command line so that mpi4py runs the program: an exception ends all ranks. */
void fs_add_mpi4py_fix(struct fs_outcome *outcome, const struct fs_node *node,
                       const struct fs_mpi_ranks *ranks);

/* Votes where there is nothing to judge: no MPI, or none that could be watched. True: done. */
bool fs_mpi_is_absent(const struct fs_node *node, struct fs_outcome *outcome);

#endif
