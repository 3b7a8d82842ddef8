/*
 * digest_forks.h - places that fork, and what was alive beside them. See digest.h for the
 * conventions.
 */
#ifndef FS_DIGEST_FORKS_H
#define FS_DIGEST_FORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

enum { FS_FORK_SITES_MAX = 32, FS_FORK_OWNERS_MAX = 8 };

/* Threads beside a forking one: those that were started at one place. */
struct fs_fork_owner {
    char *library;           /* the object that their start routine is in (path); NULL: unknown */
    struct fs_place started; /* the place that started them */
    bool main;               /* the main thread: another one forked */
    bool python;             /* their start routine is the Python interpreter's */
    int threads;             /* most of them at one fork */
    int forks;               /* forks at which some were alive */
    int foreign_forks;       /* of these, those whose thread had started none of them */
};

/* Forks made at one place of one program. What is said of threads leaves out forks whose
 * child exec'd, or tried to, within a second: they are harmless. */
struct fs_fork_site {
    char *executable;
    int pid; /* that forked here, an example */
    struct fs_place place;
    uint32_t libraries; /* bits of enum fsp_library of the program */
    int forks;          /* all */
    int execs;          /* ... whose child exec'd at once */
    int unknown;        /* ... for which nobody looked at the threads */
    int threaded;       /* ... with other threads alive after the fork handlers ran */
    int threads_peak;   /* most other threads at one of these */
    int threads_more;   /* most of them that are in no owner */
    char *frames;       /* C stack, innermost first, a line each: "function (module)",
                           "function (module) at file:line", "module+0x1f"; NULL: not known */
    struct fs_fork_owner *owners;
    size_t owner_count; /* at most FS_FORK_OWNERS_MAX */
};

#endif
