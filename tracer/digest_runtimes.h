/*
 * digest_runtimes.h - OpenMP and GPU runtimes, as their use was counted inside the
 * processes, and what became of it in the children of forks. See digest.h for the
 * conventions.
 *
 * Regions are counted at the entry points that GCC's code calls (the GOMP_parallel
 * family), whichever runtime serves them. Not seen: a libgomp that is part of the program
 * itself (-static), and regions of code that LLVM's or Intel's compilers made (those call
 * __kmpc_fork_call): of these runtimes the threads are known, not the regions.
 */
#ifndef FS_DIGEST_RUNTIMES_H
#define FS_DIGEST_RUNTIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

enum { FS_REGION_USES_MAX = 32, FS_RUNTIME_FORKS_MAX = 32, FS_GPU_FORKS_MAX = 16 };

/* Parallel regions of the processes of one program. */
struct fs_region_use {
    int runtime; /* enum fsp_runtime: whose entry points were called */
    char *executable;
    int processes;         /* that entered one */
    int64_t regions;       /* entered, by all of them */
    int64_t regions_most;  /* ... by one of them */
    int team;              /* threads of the largest team, with the one that leads: what was asked
                              for, but no more than there were in the process */
    int pid;               /* of the process with that team */
    struct fs_place place; /* its first region for two threads or more */
};

/* What fork children did with a runtime that their parent had used. */
enum fs_reuse {
    FS_REUSE_NONE = 0, /* nothing */
    FS_REUSE_WORKED,   /* their regions were left, or had threads of their own */
    FS_REUSE_STUCK,    /* entered a region for two threads or more without starting as many, and
                          never left it: it waits for threads that are its parent's only */
    FS_REUSE_ENDED,    /* raised SIGTERM or SIGABRT on themselves, in the object whose regions
                          their parent ran */
    FS_REUSE_COUNT
};

/* Fork children of one parent that did the same. */
struct fs_runtime_fork {
    int runtime; /* enum fsp_runtime */
    enum fs_reuse reuse;
    int parent;
    int pid;   /* of the first child */
    int count; /* children */
    char *executable;
    bool python;
    int64_t regions; /* entered before the fork: by the parent, and by those it was forked from */
    int team;        /* threads of the largest, as above; at least 2 */
    struct fs_place place;       /* the region with that team */
    int64_t entered, left;       /* the child's own regions */
    int child_team;              /* asked for in the largest of them */
    int threads;                 /* that the child started */
    struct fs_place child_place; /* the region; FS_REUSE_ENDED: the raise */
    struct fs_place site;        /* of the fork */
    int signal;                  /* that ended the child; 0: none, or not known */
    int64_t t_fork, t_end;       /* t_end FS_UNKNOWN: alive */
};

/* Fork children of one parent, and a GPU runtime that is in their program. */
struct fs_gpu_fork {
    int kind; /* enum fsp_gpu */
    int parent;
    char *executable;
    bool python;
    int children;          /* no exec since */
    int callers;           /* of them, that called the runtime: entry points, or threads of it */
    int pid;               /* of the first that called; none did: of the first */
    int starts, contexts;  /* the parent's calls before the fork: that wake the runtime up; that
                              make a context or need one */
    int threads;           /* that the runtime had started in the parent before the fork */
    struct fs_place place; /* the parent's first call */
    int child_starts, child_contexts, child_threads;
    struct fs_place child_place; /* the child's first call */
    struct fs_place site;        /* of the fork */
};

#endif
