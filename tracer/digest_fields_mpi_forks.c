/* digest_fields_mpi_forks.c - the members of the structures of digest_mpi_forks.h. */
#include "tracer/digest_fields.h"

static const struct fs_field mpi_fork_field[] = {
    FIELD(fs_mpi_fork, STRING, "exe", executable),
    FIELD(fs_mpi_fork, BOOL, "python", python),
    FIELD(fs_mpi_fork, ID, "pid", pid),
    FIELD(fs_mpi_fork, ID, "rank", rank),
    FIELD(fs_mpi_fork, INT, "size", size),
    FIELD(fs_mpi_fork, ID, "ranks", ranks),
    FIELD(fs_mpi_fork, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_mpi_fork, STRING, "frames", frames),
    FIELD(fs_mpi_fork, ID, "children", children),
    FIELD(fs_mpi_fork, ID, "execs", execs),
    FIELD(fs_mpi_fork, ID, "blocked", blocked),
    FIELD(fs_mpi_fork, ID, "unknown", unknown),
    FIELD(fs_mpi_fork, BITS, "libraries", libraries),
    FIELD(fs_mpi_fork, ID, "registered", registered),
    FIELD(fs_mpi_fork, ID, "registrations", registrations),
    FIELD(fs_mpi_fork, INLINE, "registrar", registrar, .fields = &fs_place_fields),
    FIELD(fs_mpi_fork, COUNT, "huge", huge_bytes),
    FIELD(fs_mpi_fork, ARRAY, "variables", variables,
          .count_offset = offsetof(struct fs_mpi_fork, variable_count),
          .length = FS_MPI_FORK_VARIABLES_MAX, .fields = &fs_variable_fields),
};
const struct fs_fields fs_mpi_fork_fields = TABLE(mpi_fork_field, fs_mpi_fork);
