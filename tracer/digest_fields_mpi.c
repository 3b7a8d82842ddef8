/* digest_fields_mpi.c - the members of the structures of digest_mpi.h. */
#include "tracer/digest_fields.h"

static const char *const library_words[] = {"openmpi", "mpich", "abi", "other", NULL};
static const char *const launcher_words[] = {"openmpi", "hydra", "srun", "pmi", "pmix", NULL};

static const struct fs_field caller_field[] = {
    FIELD(fs_mpi_caller, BOOL, "thread", thread),
    FIELD(fs_mpi_caller, INT, "count", count),
    FIELD(fs_mpi_caller, ID, "pid", pid),
    FIELD(fs_mpi_caller, INT, "rank", rank),
    FIELD(fs_mpi_caller, ID, "tid", tid),
    FIELD(fs_mpi_caller, TIME, "t", t),
    FIELD(fs_mpi_caller, STRING, "function", function),
    FIELD(fs_mpi_caller, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_mpi_caller, INLINE, "created", created, .fields = &fs_place_fields),
};
static const struct fs_fields caller_fields = TABLE(caller_field, fs_mpi_caller);

static const struct fs_field ranks_field[] = {
    FIELD(fs_mpi_ranks, STRING, "exe", executable),
    FIELD(fs_mpi_ranks, STRING, "command", command),
    FIELD(fs_mpi_ranks, BOOL, "python", python),
    FIELD(fs_mpi_ranks, INT, "count", count),
    FIELD(fs_mpi_ranks, ID, "pid", pid),
    FIELD(fs_mpi_ranks, IDS, "pids", examples),
    FIELD(fs_mpi_ranks, LITERAL, "library", library, .words = library_words),
    FIELD(fs_mpi_ranks, STRING, "version", version),
    FIELD(fs_mpi_ranks, STRING, "file", file),
    FIELD(fs_mpi_ranks, INT, "size", size),
    FIELD(fs_mpi_ranks, STRING, "ranks", ranks),
    FIELD(fs_mpi_ranks, INT, "asked", asked, .max = FS_MPI_LEVEL_MAX),
    FIELD(fs_mpi_ranks, INT, "provided", provided, .max = FS_MPI_LEVEL_MAX),
    FIELD(fs_mpi_ranks, BOOL, "calls", calls_seen),
    FIELD(fs_mpi_ranks, ID, "stage", stage, .max = FS_MPI_STAGE_COUNT - 1),
    FIELD(fs_mpi_ranks, ID, "abort", abort_code),
    FIELD(fs_mpi_ranks, INT, "status", status),
    FIELD(fs_mpi_ranks, LITERAL, "launcher", launcher, .words = launcher_words),
    FIELD(fs_mpi_ranks, INT, "launcher_size", launcher_size),
    FIELD(fs_mpi_ranks, STRING, "launcher_ranks", launcher_ranks),
    FIELD(fs_mpi_ranks, STRING, "plugin", plugin),
    FIELD(fs_mpi_ranks, BOOL, "nested", nested),
    FIELD(fs_mpi_ranks, INLINE, "site", site, .fields = &fs_place_fields),
    FIELD(fs_mpi_ranks, TIME, "t", t_init),
    FIELD(fs_mpi_ranks, COUNT, "init", init_ns),
    FIELD(fs_mpi_ranks, TIME, "t_finalize", t_finalize),
    FIELD(fs_mpi_ranks, COUNT, "finalize", finalize_ns),
    FIELD(fs_mpi_ranks, ID, "others", others),
    FIELD(fs_mpi_ranks, ID, "ending", ending, .max = FS_MPI_ENDING_COUNT - 1),
    FIELD(fs_mpi_ranks, STRING, "exception", exception),
    FIELD(fs_mpi_ranks, INLINE, "raised", raised, .fields = &fs_place_fields),
    FIELD(fs_mpi_ranks, ID, "looked", looked),
    FIELD(fs_mpi_ranks, ID, "waiting", waiting),
    FIELD(fs_mpi_ranks, ID, "looks", looks),
    FIELD(fs_mpi_ranks, STRING, "waits_in", waits_in),
    FIELD(fs_mpi_ranks, ARRAY, "callers", callers,
          .count_offset = offsetof(struct fs_mpi_ranks, caller_count), .length = FS_MPI_CALLERS_MAX,
          .fields = &caller_fields),
};
const struct fs_fields fs_mpi_ranks_fields = TABLE(ranks_field, fs_mpi_ranks);
