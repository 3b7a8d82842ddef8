/*
 * stack_python.h - the Python frames of a thread of another process, from its memory.
 *
 * CPython 3.9 to 3.13 without changes to its structures: their members moved with every
 * minor version, so each has a row of offsets; 3.13 tells its own. Nothing runs in the
 * target and nothing needs to be stopped: a thread that waits does not move its frames.
 * The memory is not trusted: every read may fail, every loop is bounded, and what does
 * not look like a string is "?".
 */
#ifndef FS_STACK_PYTHON_H
#define FS_STACK_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_PYTHON_MINOR_MIN = 9, FS_PYTHON_MINOR_MAX = 13, FS_PYTHON_FRAMES_MAX = 64 };

/* Copies memory of the target; 0, or -1. */
typedef int fs_python_read(void *context, uint64_t address, void *into, size_t size);

struct fs_python_layout { /* offsets; FS_PYTHON_NONE: this version has no such member */
    uint16_t runtime_interpreters, interpreter_next, interpreter_threads;
    uint16_t thread_next, thread_pthread, thread_tid;
    uint16_t thread_cframe, thread_frame; /* thread_frame: in the cframe if there is one */
    uint16_t frame_previous, frame_code, frame_instruction, frame_owner;
    uint16_t code_file, code_name, code_first_line, code_lines, code_bytes;
    uint16_t bytes_data, ascii_data, compact_data;
};
#define FS_PYTHON_NONE 0xffff

struct fs_python {
    fs_python_read *read;
    void *context;
    uint64_t runtime;
    int minor;
    struct fs_python_layout at;
};

/*
 * Prepares for the interpreter whose _PyRuntime is at runtime, of version 3.minor.
 * Returns 0; -1: this version is not known.
 */
int fs_python_open(struct fs_python *python, fs_python_read *read, void *context, uint64_t runtime,
                   int minor);

/*
 * The frames of thread tid, innermost first, "file:line:function" a line each ("?" for
 * what cannot be read), NUL-terminated. thread_pointer (0: unknown) helps where the
 * interpreter keeps no tids; only: the process has no other thread. Returns the number
 * of frames; 0: no Python thread has that tid, or nothing could be read.
 */
size_t fs_python_stack(const struct fs_python *python, int tid, uint64_t thread_pointer, bool only,
                       char *text, size_t size);

/* The source line of an instruction (its offset in bytes) by the version's line table; 0:
 * none. */
int fs_python_line(int minor, const uint8_t *table, size_t length, int first_line, long offset);

#endif
