/*
 * digest_parts.h - small structures that several parts of a digest are made of. See
 * digest.h for the conventions.
 */
#ifndef FS_DIGEST_PARTS_H
#define FS_DIGEST_PARTS_H

#include <hwloc.h>
#include <stdint.h>

#define FS_UNKNOWN (-1)

/* A place in the code that did something; all members may be NULL or 0. */
struct fs_place {
    char *file;      /* source file (Python), the first frame outside the standard library */
    int line;        /* 0: unknown */
    char *function;  /* of that frame, or the nearest exported symbol of the C caller */
    char *module;    /* shared object or executable of the C caller (path) */
    uint64_t offset; /* in module */
    char *stack;     /* Python frames, innermost first, a line each; NULL: none */
};

/* The call that last changed the mask that a process runs with. */
struct fs_narrowing {
    int pid;          /* who called */
    char *executable; /* image at the time of the call, e.g. /usr/bin/taskset */
    struct fs_place place;
    int64_t t;
    hwloc_bitmap_t before, after;
};

struct fs_variable {
    char *name, *value;
};

#endif
