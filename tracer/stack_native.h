/*
 * stack_native.h - the C frames of a copied thread, and what they are called.
 *
 * libunwind walks the copy by the unwind tables of the mapped files; libdw gives
 * functions and lines from the same files. Both read files that the target may have
 * made: whoever calls them must be able to lose the process that does it (see
 * stack_reader.h).
 */
#ifndef FS_STACK_NATIVE_H
#define FS_STACK_NATIVE_H

#include "tracer/attach.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_NATIVE_FRAMES_MAX = 64 };

/* Program counters, innermost first. memory: of /proc/PID/mem, for what the copy lacks.
 * Returns their number, at most room. */
size_t fs_stack_unwind(int pid, int memory, const struct fs_snapshot *snapshot, uint64_t *counter,
                       size_t room);

/* What the files that a process maps say about addresses. NULL: not readable. */
struct fs_names;
struct fs_names *fs_names_open(int pid);
void fs_names_close(struct fs_names *names);

/*
 * "function (module)", "module+0x1f" when no function is known there, and with lines
 * " at file:line" behind it if the module has debug information. returns_to: the address
 * is where a call returns to. Always NUL-terminated.
 */
void fs_names_describe(struct fs_names *names, uint64_t address, bool returns_to, bool lines,
                       char *text, size_t size);

/*
 * The address of a variable in the Python interpreter that the process maps (the
 * executable, or a library called libpython*); 0: none. file (may be NULL) gets that
 * object's base name.
 */
uint64_t fs_names_of_python(struct fs_names *names, const char *variable, char *file, size_t size);

#endif
