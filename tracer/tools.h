/*
 * tools.h - objects by which a profiler is in a process, and interpreters of Python.
 */
#ifndef FS_TOOLS_H
#define FS_TOOLS_H

#include <stdbool.h>

/* Whether the object at path records what its process does. Checkers of memory, pinners
 * and allocators do not, nor does what waits for a variable before it records. */
bool fs_is_profiler(const char *path);

/* Whether an executable of that name interprets Python. */
bool fs_is_python(const char *name);

/* What kind of Python interpreter an object was built for, as its name tells: 1: one with
 * a lock that lets one thread at a time run (the GIL); 0: one without; -1: neither. */
int fs_gil_of(const char *path);

/* The same for an interpreter's executable. */
int fs_gil_of_executable(const char *path);

#endif
