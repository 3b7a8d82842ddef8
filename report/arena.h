/*
 * arena.h - storage for the many small strings of a report, released at once.
 *
 * Running out of memory is remembered, not reported call by call: a failed
 * request yields the empty string (or NULL from fs_arena_alloc) and sets
 * `failed`, which whoever prints the report asks once at the end.
 */
#ifndef FS_REPORT_ARENA_H
#define FS_REPORT_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct fs_arena {
    struct fs_arena_block *blocks;
    bool failed;
};

/* Zeroed memory of size bytes, aligned for any type; NULL: none left. */
void *fs_arena_alloc(struct fs_arena *arena, size_t size);

/* As vprintf and printf; never NULL. */
const char *fs_arena_vprintf(struct fs_arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
const char *fs_arena_printf(struct fs_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The first length bytes of text as a string; never NULL. */
const char *fs_arena_copy(struct fs_arena *arena, const char *text, size_t length);

/* A copy of text that a structure with strings of its own may hold; NULL for NULL only. */
char *fs_arena_text(struct fs_arena *arena, const char *text);

/* Moves everything from `from`, which is empty then, to arena. */
void fs_arena_join(struct fs_arena *arena, struct fs_arena *from);

/* Releases everything; the arena is empty and usable again. */
void fs_arena_free(struct fs_arena *arena);

#endif
