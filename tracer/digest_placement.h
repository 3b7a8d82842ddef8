/*
 * digest_placement.h - what a digest says of launchers that ran on the node, of hardware
 * threads that shared a core, and of who else uses the machine. See digest.h for the
 * conventions.
 */
#ifndef FS_DIGEST_PLACEMENT_H
#define FS_DIGEST_PLACEMENT_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

/* A launcher (mpirun, mpiexec, srun) that ran in the job on this node. */
struct fs_launch {
    int pid;
    char *executable; /* path of what it really is (orterun, mpiexec.hydra, srun) */
    char **words;     /* its command line */
    size_t word_count;
    bool cut;           /* words are not all */
    bool root;          /* the user is root, whom Open MPI refuses unless told otherwise */
    int status;         /* wait status; FS_UNKNOWN: not known, or it still runs */
    int started;        /* children that went on to run a program of the user's, on this node */
    int64_t begin, end; /* FS_UNKNOWN: it still runs */
    int hostfile_slots; /* of the file that its command line names; FS_UNKNOWN: no file, or it
                           could not be read */
    int hostfile_hosts; /* lines in it */
    bool hostfile_open; /* a line in it says nothing of slots */
    struct fs_variable *variables;
    size_t variable_count; /* recorded ones */
};

/* Hardware threads of one core, as sampled. CPU here: one that a thread ran on for more than
 * half of the sample. */
struct fs_siblings {
    int64_t looks;       /* samples in which two CPUs or more were busy; FS_UNKNOWN: no sample, or
                            no core has two hardware threads */
    int64_t shared;      /* of these: two threads of one core were busy while another core that
                            the job may use was idle, for whatever process of the machine */
    hwloc_bitmap_t busy; /* CPUs of the cores that were shared so */
    hwloc_bitmap_t idle; /* CPUs of cores that were idle every time */
};

/* Who else uses the machine, and what it is for. */
struct fs_login {
    int users;             /* logged in, as utmp says, each once; FS_UNKNOWN: no such file */
    const char *scheduler; /* "slurm" or "pbs": set up on this machine; a literal, NULL: none */
    bool elsewhere;        /* this machine was not at hand: nothing of it is known */
    bool compute;          /* a daemon of the scheduler runs here: a compute node */
};

enum { FS_LAUNCHES_MAX = 16, FS_LAUNCH_WORDS_MAX = 256 };

#endif
