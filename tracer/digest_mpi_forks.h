/*
 * digest_mpi_forks.h - places that make children in ranks of MPI, between MPI_Init and
 * MPI_Finalize. See digest.h for the conventions.
 */
#ifndef FS_DIGEST_MPI_FORKS_H
#define FS_DIGEST_MPI_FORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

enum { FS_MPI_FORKS_MAX = 32, FS_MPI_FORK_VARIABLES_MAX = 16 };

/* Children that were made at one place of one program. */
struct fs_mpi_fork {
    char *executable;
    bool python;
    int pid, rank; /* a process that made some: the one of the lowest rank */
    int size;      /* of MPI_COMM_WORLD; FS_UNKNOWN: it was not told */
    int ranks;     /* processes that made some */
    struct fs_place place;
    char *frames; /* C stack, as in struct fs_fork_site */
    int children;
    int execs;   /* of these, those that exec'd, or tried to, within a second */
    int blocked; /* of these, those whose parent stood still until then (vfork, posix_spawn ...) */
    int unknown; /* children that were too young to tell when the record was closed */
    uint32_t libraries; /* bits of enum fsp_library of the program */
    /* Children not `blocked` that were forked when libibverbs had memory registered and
     * nobody had asked it for fork support. */
    int registered;
    int registrations;             /* of the process that registered most, over its life */
    struct fs_place registrar;     /* the first one's place there */
    int64_t huge_bytes;            /* in huge pages, most that such a process was seen to have;
                                      FS_UNKNOWN: none was looked at */
    struct fs_variable *variables; /* recorded ones on fork safety, as MPI_Init found them */
    size_t variable_count;
};

#endif
