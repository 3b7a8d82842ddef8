/*
 * random_streams.h - what became of the random numbers that processes inherited.
 *
 * A source is a state of numpy's global generator with which processes were forked. One
 * that had two children or more lies whole in a file beside the segments. Children are
 * looked at in every full sample until their generator has changed; the shim looks at
 * their exits and before they are killed.
 */
#ifndef FS_RANDOM_STREAMS_H
#define FS_RANDOM_STREAMS_H

#include "tracer/process_table.h"
#include "tracer/twister.h"

#include <uthash.h>

struct fs_random_source {
    UT_hash_handle hh;
    struct fs_random_id {
        uint64_t image, key;
    } id;
    struct fs_twister *state; /* NULL: not read */
    int children, attempts;
};

/* A generator as somebody saw it. */
struct fs_random_sight {
    bool seen;
    struct fs_twister_view view;
    int64_t t; /* FS_UNKNOWN: at the end of the process */
};

/* Of a process that inherited one. */
struct fs_random_heir {
    struct fs_random_source *source;
    uint64_t at;                    /* its address in the process */
    int64_t t_same;                 /* until here it was as inherited */
    struct fs_random_sight changed; /* the first sample that found it changed */
    struct fs_random_sight exit, kill;
};

/* From a slot of the image with that key into its record. */
void fs_random_fold(struct fs_table *table, uint64_t image, struct fs_record *record,
                    const struct fsp_process *slot);

/* Reads the states of sources that have several children, from the folder of the segments. */
void fs_random_load(struct fs_table *table, int directory);

/* A state from the bytes of its file; false: they are none. */
bool fs_random_parse(const void *bytes, size_t size, struct fs_random_id id,
                     struct fs_twister *state);

/* Whether a process gave up what it inherited: it runs another program. */
bool fs_random_left(const struct fs_record *record);

/* Looks at the generator of a process that lives; now: the time just before. What it finds while
 * the process makes numbers may tell nothing: the next sample looks again. */
void fs_random_sample(struct fs_record *record, int64_t now);

void fs_random_free(struct fs_table *table);

#endif
