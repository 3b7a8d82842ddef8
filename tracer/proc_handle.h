/*
 * proc_handle.h - what the files that read /proc share. Nobody else includes it.
 */
#ifndef FS_PROC_HANDLE_H
#define FS_PROC_HANDLE_H

#include <stddef.h>
#include <sys/types.h>

#include "tracer/proc.h"

struct fs_proc {
    int directory;
    int *numbers; /* pids or tids of the last list */
    size_t number_room;
    struct fs_proc_stat *family;
    size_t family_room;
    char *large; /* environments and maps; allocated when first needed */
    char small[8192];
};

/* Opens PID/NAME, PID/task/TID/NAME (tid > 0) or NAME (pid 0). A descriptor, or -1 with errno. */
int fs_proc_open_file(struct fs_proc *proc, int pid, int tid, const char *name);

/* Reads to the end or until size-1 bytes, adds a NUL. The length, or -1 with errno. */
ssize_t fs_proc_read_all(int file, char *buffer, size_t size);

#endif
