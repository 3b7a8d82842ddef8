/*
 * child_answer.h - work that may crash, hang or grow, done by a child of this process.
 *
 * Files that the job made (unwind tables, debug information) are read by libraries that
 * trust them. What such work wrote until it ended, crashed or took too long is its answer.
 */
#ifndef FS_CHILD_ANSWER_H
#define FS_CHILD_ANSWER_H

#include <stdint.h>
#include <stdio.h>

/*
 * The whole lines that work wrote to out, as one text (the caller frees it); NULL: there
 * was no memory or no process. patience: ns until the child is killed. *cpu_ns (may be
 * NULL) gets the CPU time that it took.
 */
char *fs_child_answer(void (*work)(FILE *out, void *context), void *context, int64_t patience,
                      int64_t *cpu_ns);

#endif
