/*
 * recover.h - a record whose collector was killed.
 */
#ifndef FS_RECOVER_H
#define FS_RECOVER_H

#include <stddef.h>

/*
 * Makes sure that a job directory has the best digest that can be had on this node:
 *
 * - its record is finished, or its collector is at work: nothing is to be done;
 * - the collector is gone and the segments are here: they are folded, and digest and
 *   detail written (complete.recovered). While processes of the job live this can be
 *   repeated; when none does, the record is finished and the segments removed.
 *
 * Returns 0, or -1 with errno and a sentence in error: no job directory, or one
 * whose segments are on another node or gone, which leaves an interim digest, if
 * there is one, as it is.
 */
int fs_recover(const char *directory, char *error, size_t error_size);

/* The same for the records of this host alone. */
int fs_recover_here(const char *directory, char *error, size_t error_size);

/* The same under the lock of a place (as fs_lock_any takes it), for tasks that end at the same
 * time. What goes wrong is told nobody: each of them tries. */
void fs_recover_in(const char *place, const char *directory);

#endif
