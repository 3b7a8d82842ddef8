/*
 * stacks.h - what the stacks of processes that made no progress say.
 *
 * The record has every frame as it was read. Here the frames that belong to the wait
 * itself and to the interpreter are told from those that somebody wrote, and the wait
 * from what it is for.
 */
#ifndef FS_REPORT_STACKS_H
#define FS_REPORT_STACKS_H

#include "report/arena.h"
#include "report/model.h"

enum fs_blocked {
    FS_BLOCKED_NOT = 0, /* it can go on by itself: not every thread waits for its own process */
    FS_BLOCKED_UNTOLD,  /* what it waits for could not be read */
    FS_BLOCKED_UNNAMED, /* it cannot go on by itself; no stack says what for */
    FS_BLOCKED_LOCK,    /* ... its main thread wants a lock */
    FS_BLOCKED_EVENT,   /* ... its main thread waits for a condition, a barrier, a thread */
};

/* Why a process made no progress. */
enum fs_blocked fs_stuck_blocked(const struct fs_stuck *stuck);

/* The entry of a process, the one read last; NULL: it was not looked at. */
const struct fs_stuck *fs_stuck_find(const struct fs_digest *digest, int pid);

/* Whether its main thread sleeps for a time that it chose itself. */
bool fs_stuck_sleeps(const struct fs_stuck *stuck);

/*
 * The main thread's frames, innermost first, a line each: C frames up to the interpreter,
 * without those of the wait itself, then the Python frames as "file.py:41 in main". NULL:
 * there are none.
 */
const char *fs_stuck_frames(struct fs_arena *arena, const struct fs_stuck *stuck);

/* The innermost frame that is neither of libc, of the interpreter nor of Python's library;
 * NULL: none is. */
const char *fs_stuck_place(struct fs_arena *arena, const struct fs_stuck *stuck);

#endif
