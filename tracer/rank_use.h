/*
 * rank_use.h - whether a program can tell its rank, or shares its work out in another way, as
 * far as its own text tells: enum fs_rank_use.
 *
 * Read are the program's file (of an interpreter: its script, and modules that a Python script
 * imports from where it lies) and its arguments. What a library outside of these does is known by
 * the library's name, if the text imports it.
 */
#ifndef FS_RANK_USE_H
#define FS_RANK_USE_H

#include "tracer/digest.h"

#include <stddef.h>

/* What was read already: a job has few programs. */
struct fs_rank_readings {
    struct {
        const char *executable, *command;
        enum fs_rank_use use;
    } known[64];
    size_t count;
    int64_t bytes; /* read in all */
};

/*
 * Of a program with that path and command line (shell-quoted, as fs_image_describe makes it)
 * that was started in `directory` (NULL: unknown). Both texts must live as long as readings,
 * and equal texts must be the same pointers.
 */
enum fs_rank_use fs_rank_use_of(struct fs_rank_readings *readings, const char *executable,
                                const char *command, const char *directory);

/* Two programs of one task, or two tasks. */
enum fs_rank_use fs_rank_use_both(enum fs_rank_use a, enum fs_rank_use b);

/* The name of a program that shares work among nodes or tasks by its own means, if the path
 * or a word of the command line is one; a literal, or NULL. */
const char *fs_framework_of(const char *executable, const char *command);

#endif
