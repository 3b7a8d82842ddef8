/*
 * worlds.h - the MPI worlds of a job, each put together from the ranks that the nodes saw.
 *
 * Ranks are of one world when their launcher and the size of MPI_COMM_WORLD agree; two of the
 * same shape in one job are taken for one.
 */
#ifndef FS_REPORT_WORLDS_H
#define FS_REPORT_WORLDS_H

#include "report/arena.h"
#include "report/model.h"
#include "report/node_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_WORLDS_MAX = 16 };

struct fs_world {
    int size;
    const char *launcher;      /* as in struct fs_mpi_ranks */
    long count;                /* ranks that were seen */
    long interpreters;         /* ... of Python */
    long at_work;              /* that initialised MPI and did not call MPI_Finalize or MPI_Abort */
    long left;                 /* in MPI_Finalize to their end, or to that of the record */
    long unseen;               /* ... whose interpreter's end was not seen */
    long failed;               /* ... whose program was ended by an exception, but none of Ctrl-C */
    int64_t left_ns;           /* the longest of `left`; FS_UNKNOWN */
    int64_t failed_ns;         /* the longest of `failed` */
    struct fs_node_set where;  /* nodes with one that failed */
    struct fs_mpi_ranks first; /* the first that failed, with texts of the arena */
    size_t first_node;         /* its number */
    /* Of those at work, as struct fs_mpi_ranks has it. */
    long looked, waiting;
    int looks;
    const char *waits_in; /* NULL */
};

struct fs_worlds {
    struct fs_world world[FS_WORLDS_MAX];
    size_t count, more; /* more: ranks of others */
    bool mpi, silent;   /* somebody initialised MPI; or may have, unseen */
    bool interrupted;   /* somebody asked the job to end */
};

/* Adds the ranks of node number `number`. Without memory the arena knows. */
void fs_worlds_add(struct fs_worlds *worlds, struct fs_arena *arena, const struct fs_node *node,
                   size_t number);

#endif
