/*
 * digest_mpi.h - the processes of a node that initialised MPI. See digest.h for the
 * conventions.
 *
 * Ranks that are alike are one entry: the same program, library and launcher, the same
 * size of the world, thread level and end. A fork child of a rank is no rank; if it calls
 * MPI all the same, that is a caller of its parent's entry.
 */
#ifndef FS_DIGEST_MPI_H
#define FS_DIGEST_MPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

enum { FS_MPI_RANKS_MAX = 64, FS_MPI_CALLERS_MAX = 2, FS_MPI_LEVEL_MAX = 3 };

enum fs_mpi_stage {                     /* how far a rank came */
                    FS_MPI_IN_INIT = 0, /* MPI_Init was called and did not come back */
                    FS_MPI_FAILED,      /* it came back with an error */
                    FS_MPI_RUNNING,     /* MPI_Finalize was not called */
                    FS_MPI_IN_FINALIZE, /* ... did not come back */
                    FS_MPI_FINALIZED,
                    FS_MPI_ABORTED, /* MPI_Abort was called */
                    FS_MPI_STAGE_COUNT
};

enum fs_mpi_ending {                    /* how its interpreter came to its end */
                     FS_MPI_UNSEEN = 0, /* it is none, did not end, or could not be asked */
                     FS_MPI_PLAIN,
                     FS_MPI_EXCEPTION, /* the main program raised one that nobody caught */
                     FS_MPI_ENDING_COUNT
};

/* Callers of MPI that did not initialise it, of one entry. */
struct fs_mpi_caller {
    bool thread;   /* another thread of the rank; else a process forked after MPI_Init */
    int count;     /* over all ranks; what follows is of the first in one of them */
    int pid, rank; /* pid: of the caller */
    int tid;
    int64_t t;
    char *function;                 /* of MPI */
    struct fs_place place, created; /* of the call; where the thread or process was made */
};

struct fs_mpi_ranks {
    char *executable, *command; /* command: argv as in command_text.h */
    bool python;
    int count, pid;  /* processes; an example, of the lowest rank */
    int examples[4]; /* pids; 0: none */

    const char *library; /* one of the words below; NULL: not known */
    char *version;       /* as it calls itself, cut */
    char *file;          /* path of the library */
    int size;            /* of MPI_COMM_WORLD; FS_UNKNOWN: it was not asked */
    char *ranks;         /* "0-3,7", as the library says, at most 200 bytes; NULL */
    int asked, provided; /* thread level, 0 to FS_MPI_LEVEL_MAX; FS_UNKNOWN */
    bool calls_seen;     /* it was looked who calls message passing */
    enum fs_mpi_stage stage;
    int abort_code;
    int status; /* wait status; FS_UNKNOWN: alive, or not known */

    const char *launcher; /* whose rank variables it began with, a word below; NULL: none */
    int launcher_size;    /* ranks, as these say; FS_UNKNOWN */
    char *launcher_ranks;
    char *plugin; /* Slurm's MPI plugin (SLURM_MPI_TYPE); NULL */
    bool nested;  /* an ancestor initialised MPI: the variables may be the ancestor's */

    struct fs_place site;            /* of the call that initialised MPI, in the example */
    int64_t t_init, init_ns;         /* the first call; the longest */
    int64_t t_finalize, finalize_ns; /* likewise; a call that did not come back lasts to the end
                                        of the process or of the record */
    int others; /* fork children that initialised MPI for themselves, not their parent */
    enum fs_mpi_ending ending;
    char *exception;        /* its type; NULL */
    struct fs_place raised; /* in the example */
    /* While another rank waited in MPI_Finalize after an exception, or when the job was
     * interrupted, the stacks of a few ranks were read. */
    int looked, waiting; /* ranks; of these, those that were in MPI at each look */
    int looks;           /* at one of them, at the most */
    char *waits_in;      /* the function of MPI, in one of them; NULL */
    struct fs_mpi_caller *callers;
    size_t caller_count;
};
/* The words of `library`: "openmpi", "mpich" (and all with its binary interface), "abi" (the
 * standard's own), "other". Of `launcher`: "openmpi", "hydra", "srun", "pmi", "pmix". */

#endif
