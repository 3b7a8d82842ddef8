/*
 * thread_files.h - what the file of a thread library tells without being asked: its real
 * name, its version, how it was built.
 */
#ifndef FS_THREAD_FILES_H
#define FS_THREAD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_thread_file {
    const char *path; /* as loaded, compared by address */
    char *real;       /* links followed; NULL: it is not there */
    char *version;    /* NULL: unknown */
    const char *build;
    int rank; /* of two files of one family in a process the higher one is the library; the
                 other only leads to it */
};

struct fs_thread_files {
    struct fs_thread_file *list;
    size_t count;
    bool names_alone; /* of another machine: the files here are not those */
};

/* The facts of an interned path, which are looked up once. NULL: no memory. */
const struct fs_thread_file *fs_thread_file(struct fs_thread_files *files, uint32_t family,
                                            const char *path);
void fs_thread_files_free(struct fs_thread_files *files);

#endif
