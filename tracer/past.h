/*
 * past.h - what happened to a process before a moment: the libraries that it and its
 * forefathers in the same program loaded, and the variables that they changed.
 *
 * A forked child has all that its parent had at the fork, and nothing of what came later.
 */
#ifndef FS_PAST_H
#define FS_PAST_H

#include "tracer/process_table.h"

/* An event of a process in a program; `at` is its place in the table's list. */
struct fs_past_entry {
    const struct fs_image *image;
    int pid;
    int64_t t;
    size_t at;
};

struct fs_past {
    const struct fs_table *table;
    struct fs_past_entry *loadings, *settings; /* sorted by image, pid, time */
    size_t loading_count, setting_count;
    bool *passed_on; /* by number of a setenv: a later program got the new value */
};

/* Sorts what the table has. 0, or -1 without memory. */
int fs_past_open(struct fs_past *past, const struct fs_table *table);
void fs_past_close(struct fs_past *past);

/* A process while it ran a program. */
struct fs_span {
    const struct fs_record *record;
    const struct fs_image *image;
    int64_t from, until;
    bool forked; /* it began as a fork child in it */
};

/* The life of a record in the program of its stage number `stage`. */
struct fs_span fs_span_of(const struct fs_record *record, size_t stage);

/* The parent's life in the same program up to the fork. False: there is none. */
bool fs_span_before(const struct fs_span *span, struct fs_span *before);

/* The entries of a span among count sorted ones: *entry gets the first; their number. */
size_t fs_past_range(const struct fs_past_entry *entries, size_t count, const struct fs_span *span,
                     const struct fs_past_entry **entry);

#endif
