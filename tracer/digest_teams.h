/*
 * digest_teams.h - what a digest says of threads that work together, as sampled, and of
 * tools that look at some processes only. See digest.h for the conventions.
 */
#ifndef FS_DIGEST_TEAMS_H
#define FS_DIGEST_TEAMS_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

/*
 * Threads of one process that belong together (a library started them all), two or more
 * of which wanted a CPU at one time; and the like of other processes. "Wanted" is: ran
 * or waited for a CPU for more than half of a sample.
 */
struct fs_team {
    char *executable, *command; /* of the process; argv as in fs_group.parent_command */
    int pid, parent;            /* an example: the process that used most CPU time */
    int count;                  /* processes alike */
    char *owner;                /* object whose start routine the threads have; NULL: unknown */
    uint32_t family;            /* bits of enum fsp_library of that object */
    uint32_t libraries;         /* ... of all objects of the process */
    bool python;
    int gil;             /* 1: only one thread at a time runs Python code; 0: all may; FS_UNKNOWN */
    int workers;         /* alive at once in the group that the process counts in; at least 1 */
    int forked;          /* children that it forked and that worked on without an exec */
    int threads;         /* of the library, alive at once, with the thread that leads them */
    int busy;            /* of these, that wanted a CPU at once */
    int64_t team_ns;     /* wall time with two or more that wanted one */
    int64_t thread_ns;   /* how many there were, summed over that time */
    int64_t run_ns;      /* what these got in it ... */
    int64_t wait_ns;     /* ... and what they waited in run queues */
    int64_t cpu_ns;      /* of the whole process */
    hwloc_bitmap_t mask; /* of the process: the union over its threads */
    hwloc_bitmap_t cpus; /* on which these threads were seen */
    int64_t looks, moves;      /* pairs of samples of a thread; with another NUMA domain the second
                                  time. 0 looks: one domain, or the domains are not known */
    int64_t shared_ns;         /* wall time in which two or more each ran for 10 % of a sample */
    int64_t shared_run_ns;     /* CPU time of the process in it, all threads ... */
    int64_t shared_wait_ns;    /* ... and run-queue wait */
    int64_t shared_top_ns;     /* CPU time of the thread that ran most in each sample */
    int64_t shared_threads_ns; /* how many there were, summed over that time */
    struct fs_narrowing *narrowing; /* why mask is narrower than the job's */
    struct fs_variable *variables;
    size_t variable_count; /* recorded ones */
};

/* OpenMP teams of two or more threads that wanted CPUs at the same time. */
struct fs_rivals {
    int teams, threads; /* at once */
    int64_t ns;         /* wall time with two teams or more */
    int64_t run_ns, wait_ns;
    hwloc_bitmap_t mask; /* CPUs that the threads could use */
};

/* A process that a tool looks at (a tracer, or a profiler's object in it), and its children. */
struct fs_watched {
    int pid;
    char *executable, *command;
    bool tracer;
    char *tool; /* the tracer's executable, or the object's path; NULL: unknown */
    int64_t cpu_ns;
    int children; /* of which it is known whether the tool is in or at them */
    int missed;   /* it is not */
    int64_t missed_cpu_ns;
    int example; /* pid of the missed one that used most CPU time */
    char *example_executable;
    bool scrubbed; /* the missed ones were started with a new environment */
    struct fs_place site;
};

enum { FS_TEAMS_MAX = 32, FS_WATCHED_MAX = 16 };

#endif
