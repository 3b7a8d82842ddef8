/*
 * waits.h - what a thread waits for, as /proc tells it without touching the thread.
 *
 * A thread that waits without time limit for a word of memory (a futex) which no other
 * process maps can be woken by a thread of its own process only. When all threads of a
 * process wait so, none of them ever goes on, unless a signal handler helps.
 */
#ifndef FS_WAITS_H
#define FS_WAITS_H

#include "tracer/proc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_WAIT_NAME_SIZE = 32 };

struct fs_wait {
    char name[FS_WAIT_NAME_SIZE]; /* of the system call; "": unknown; "running": in none */
    bool private_wait;            /* see above */
    bool futex;
    bool restarts;    /* the kernel resumes the call after a stop, and the thread never notices */
    uint64_t address; /* of the futex; 0 */
};

/*
 * Reads what a thread does now. 0; -1 with errno, EACCES or EPERM: not ours to ask; then
 * *wait has what /proc tells everybody (the name of the kernel's wait for a futex), or "".
 */
int fs_wait_read(struct fs_proc *proc, int pid, int tid, struct fs_wait *wait);

#endif
