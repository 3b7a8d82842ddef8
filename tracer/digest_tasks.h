/*
 * digest_tasks.h - the tasks of a node: the processes that a launcher started. See digest.h
 * for the conventions.
 *
 * A task is a process whose program began with a rank in its environment that the program
 * of its parent has not, or has with another value; or whose parent is a launcher or no
 * process of the job (the daemon of a launcher, forksight itself). Launchers and their
 * daemons are no tasks. Slurm gives a rank to batch scripts, too: only inside a step, which
 * srun made, it counts.
 *
 * What a task did is told of the whole tree of processes below it, without the trees of
 * tasks in it. Times are rounded to milliseconds: 128 like tasks take 2 KB.
 */
#ifndef FS_DIGEST_TASKS_H
#define FS_DIGEST_TASKS_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

enum { FS_TASKS_MAX = 4096 };

/* What started it, as its environment tells. */
enum fs_launch_kind {
    FS_LAUNCH_UNKNOWN = 0, /* a rank, but not whose */
    FS_LAUNCH_SRUN,
    FS_LAUNCH_OPENMPI, /* mpirun of Open MPI, or of PRRTE */
    FS_LAUNCH_HYDRA,   /* mpiexec of MPICH and its relatives: PMI */
    FS_LAUNCH_MVAPICH,
    FS_LAUNCH_COUNT
};

/* Whether a task's program can tell its rank from others': it names the variables in which
 * launchers tell it. */
enum fs_rank_use {
    FS_RANK_NOT_LOOKED = 0, /* the program is not at hand, or it is a module of Python */
    FS_RANK_UNUSED,         /* no such name is in it, nor in what lies beside it */
    FS_RANK_USED,
    FS_RANK_USE_COUNT
};

struct fs_task {
    enum fs_launch_kind launch;
    int launcher;      /* pid of the recorded process that started it; 0: none is recorded. Tasks
                          of one launch agree in this and in `launch` */
    int step;          /* of Slurm, that srun made for it; FS_UNKNOWN: none (mpirun's daemons are in
                          steps, but on its own node they are not) */
    int rank, size;    /* as the launcher said; FS_UNKNOWN */
    int local_rank;    /* likewise, or its place among the ranks of its launch on this node */
    int cpus_per_task; /* asked for (-c); FS_UNKNOWN: nothing was */
    int pid;
    char *command;        /* argv of the task's own program, as in command_text.h */
    char *executable;     /* the program of its tree that used most CPU time; of equals, its own */
    bool python;          /* ... is a Python interpreter */
    int status;           /* wait status; FS_UNKNOWN */
    int64_t start, end;   /* ns, whole ms; end FS_UNKNOWN: alive */
    int64_t cpu_ns;       /* of the tree; whole ms */
    int64_t wait_ns;      /* its run-queue wait; whole ms; FS_UNKNOWN: of a process that computed
                             it is not known */
    int processes;        /* in the tree */
    int workers;          /* most like children of one of its processes, alive at once */
    int threads;          /* most threads of one of its processes, alive at once */
    uint32_t libraries;   /* bits of enum fsp_library, of the whole tree */
    bool libraries_known; /* each program of the tree was looked into */
    enum fs_rank_use rank_use;
    hwloc_bitmap_t mask;        /* of its own process, the last one; NULL: unknown */
    hwloc_bitmap_t mask_before; /* before it changed its mask itself; NULL: it did not */
};

#endif
