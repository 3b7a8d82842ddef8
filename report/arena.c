#include "report/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024 };

struct fs_arena_block {
    struct fs_arena_block *next;
    size_t size, used;
    _Alignas(max_align_t) char data[];
};

void *fs_arena_alloc(struct fs_arena *arena, size_t size) {
    const size_t alignment = _Alignof(max_align_t);
    const size_t needed = (size + alignment - 1) / alignment * alignment;
    struct fs_arena_block *block = arena->blocks;

    if (needed < size) {
        arena->failed = true;
        return NULL;
    }
    if (!block || block->size - block->used < needed) {
        const size_t room = needed > BLOCK_SIZE ? needed : BLOCK_SIZE;
        block = calloc(1, sizeof *block + room);
        if (!block) {
            arena->failed = true;
            return NULL;
        }
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += needed;
    return memory;
}

const char *fs_arena_vprintf(struct fs_arena *arena, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : fs_arena_alloc(arena, (size_t)length + 1);
    if (!text) {
        arena->failed = true;
        return "";
    }
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

const char *fs_arena_printf(struct fs_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = fs_arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

const char *fs_arena_copy(struct fs_arena *arena, const char *text, size_t length) {
    char *copy = fs_arena_alloc(arena, length + 1);
    return copy ? memcpy(copy, text, length) : "";
}

char *fs_arena_text(struct fs_arena *arena, const char *text) {
    static char nothing[1];
    if (!text) return NULL;
    const size_t size = strlen(text) + 1;
    char *copy = fs_arena_alloc(arena, size);
    return copy ? memcpy(copy, text, size) : nothing;
}

void fs_arena_join(struct fs_arena *arena, struct fs_arena *from) {
    struct fs_arena_block **end = &from->blocks;
    while (*end)
        end = &(*end)->next;
    *end = arena->blocks; /* room is looked for in the first block only */
    arena->blocks = from->blocks;
    arena->failed = arena->failed || from->failed;
    *from = (struct fs_arena){0};
}

void fs_arena_free(struct fs_arena *arena) {
    while (arena->blocks) {
        struct fs_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->failed = false;
}
