/*
 * mpi_forks.h - children that ranks of MPI make while MPI is in use.
 *
 * A tally sums up those of one place of one program, whatever rank made them.
 */
#ifndef FS_MPI_FORKS_H
#define FS_MPI_FORKS_H

#include <stddef.h>

struct fs_table;
struct fs_record;
struct fs_site;
struct fs_place_tally; /* uthash table (place_tally.h); NULL: empty */

/* Adds the birth of a record that is over, if a rank made it between MPI_Init and
 * MPI_Finalize. */
void fs_mpi_fork_tally_add(struct fs_table *table, struct fs_place_tally **tallies,
                           const struct fs_record *record);
void fs_mpi_fork_tally_free(struct fs_place_tally **tallies);

/* C places of such forks, behind the `count` ones that are in places already: as
 * fs_fork_tally_places. */
size_t fs_mpi_fork_places(struct fs_table *table, struct fs_site **places, size_t count,
                          size_t room);

#endif
