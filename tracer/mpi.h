/*
 * mpi.h - MPI in the images of a job: what the shim stored (struct fsp_mpi), checked.
 */
#ifndef FS_MPI_H
#define FS_MPI_H

#include "tracer/process_table.h"

#include <stdbool.h>
#include <stdint.h>

/* A caller that did not initialise MPI; see struct fsp_mpi_caller. count 0: none. */
struct fs_mpi_stranger {
    int count, pid, tid;
    int64_t t;
    const char *function; /* interned; NULL: not stored (yet) */
    struct fs_site_key site, created;
};

/* Of an image; times on CLOCK_MONOTONIC, FS_UNKNOWN: not (yet). */
struct fs_mpi_use {
    int pid, tid; /* that initialised it */
    int64_t t_init, t_ready, t_finalize, t_finalized, t_abort;
    int result, rank, size, abort_code; /* size 0: not known */
    int asked, provided;                /* FS_UNKNOWN */
    int others;
    enum fsp_mpi_library library;
    bool calls_seen;
    const char *version; /* interned */
    struct fs_site_key site, object, finalize_site;
    struct fs_mpi_stranger stranger[FSP_MPI_STRANGER_COUNT];
    enum fsp_mpi_ending ending;
    const char *exception; /* interned; NULL */
    struct fs_site_key raised;
    /* Of the looks at ranks that others do not wait for (mpi_watch.h): how many there were, in
     * how many of them its thread was in a function of MPI; the last such function, interned. */
    int looks, looks_in_mpi;
    const char *waits_in;
};

/* Folds the header of an image's base segment into image->mpi. */
void fs_mpi_fold(struct fs_table *table, struct fs_image *image, const struct fsp_header *header);

/* MPI as that process itself initialised it, in its last program that did; NULL: it did not. */
const struct fs_mpi_use *fs_mpi_of(const struct fs_record *record);

#endif
