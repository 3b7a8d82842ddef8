/*
 * fork_stacks.h - the C stacks of fork sites: which snapshots there are, and what they say.
 *
 * A snapshot waits in the segment folder until the record is closed. Like programs fork
 * at like places: one snapshot of each place is kept, the others are removed at once.
 */
#ifndef FS_FORK_STACKS_H
#define FS_FORK_STACKS_H

#include <stdbool.h>

struct fs_fold;

/* Whether a file name is that of a snapshot. */
bool fs_fork_stack_name(const char *name);

/* Notes a snapshot of the fold's folder. Its site must have been folded; if it was not
 * yet, a later call finds it. */
void fs_fork_stack_note(struct fs_fold *fold, const char *name);

/* Unwinds and names what was noted, and the lines of C places that started threads or
 * forked beside some: by a child process, which gets a few seconds. */
void fs_fork_stacks_resolve(struct fs_fold *fold);

void fs_fork_stacks_free(struct fs_fold *fold);

#endif
