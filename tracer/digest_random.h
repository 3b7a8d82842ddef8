/*
 * digest_random.h - random numbers that forked processes inherited. See digest.h for the
 * conventions.
 *
 * It is about numpy's global generator (numpy.random.rand() and the like). The state with
 * which a process was forked and one that was seen later tell whether it went on drawing
 * from what it inherited, and how much: the later state is then ahead in the sequence.
 * Numbers are words of 32 bits, of which a double takes two. Processes that exec'd are
 * left out.
 */
#ifndef FS_DIGEST_RANDOM_H
#define FS_DIGEST_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/digest_parts.h"

enum { FS_RANDOM_STREAMS_MAX = 16 };

/* Processes that were forked with one and the same state. */
struct fs_random_streams {
    char *executable;
    int parent;            /* that forked them; of several the first */
    struct fs_place place; /* where most of them were forked */
    int processes;
    int drew;      /* went on from the inherited state */
    int untouched; /* left it as it was */
    int reseeded;  /* have a state that is not ahead of it */
    int unknown;   /* their later state was not seen, or is too far away to be found */
    int64_t drawn_min, drawn_max; /* words that each of those took that drew */
    int64_t shared;               /* the most that two of them have in common */
    bool drawn_exact;             /* until their ends; else until somebody looked */
    int examples[4];              /* pids of those that drew */
};

/* Forked processes whose parent had loaded numpy's random numbers. */
struct fs_random_births {
    int read;    /* the state was read */
    int other;   /* the generator is another one than the Mersenne Twister, or not in its place */
    int unasked; /* forked by other code than the interpreter, or it was not to be asked */
};

#endif
