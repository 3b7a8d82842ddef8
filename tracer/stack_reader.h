/*
 * stack_reader.h - the stacks of a process's threads as text.
 *
 * The threads are copied here, one after the other (attach.h). What follows reads
 * unwind tables, symbols and memory that the target controls, and takes as long as its
 * files are large: that is done by a child of this process, which may crash or be too
 * slow without harm. What it sent until then is kept.
 */
#ifndef FS_STACK_READER_H
#define FS_STACK_READER_H

#include "tracer/attach.h"
#include "tracer/waits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_stack {
    struct fs_snapshot snapshot; /* to be filled by the caller with tid, rest zero */
    struct fs_wait wait;         /* of the thread */
    bool copied;
    char *native, *python; /* see fs_stuck_thread; NULL: none. The caller's */
};

struct fs_stack_request {
    int pid;
    bool child; /* of this process */
    bool only;  /* the threads below are all that the process has */
    struct fs_stack *stacks;
    size_t count;
    /* Results: */
    char *obstacle; /* why something is missing; NULL. The caller's */
    int holder;     /* owner of the mutex that a thread waits for; 0 */
    int64_t stop_max, stop_sum, cpu_ns;
};

/* Fills the results; patience: ns for the child's work. */
void fs_stacks_read(struct fs_stack_request *request, int64_t patience);

#endif
