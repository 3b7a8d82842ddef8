/* interned.c - see interned.h. */
#include "tracer/interned.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct fs_text {
    UT_hash_handle hh;
    char text[];
};

const char *fs_intern(struct fs_interned *pool, const char *text, size_t length) {
    struct fs_text *found = NULL;

    if (!text) return NULL;
    length = strnlen(text, length);
    HASH_FIND(hh, pool->texts, text, length, found);
    if (found) return found->text;
    found = malloc(sizeof *found + length + 1);
    if (!found) return NULL;
    memcpy(found->text, text, length);
    found->text[length] = '\0';
    HASH_ADD_KEYPTR(hh, pool->texts, found->text, length, found);
    return found->text;
}

/* A job has as many different masks as CPUs at the very most: a walk is enough. */
uint32_t fs_intern_mask(struct fs_interned *pool, hwloc_const_bitmap_t mask) {
    if (!mask || hwloc_bitmap_iszero(mask)) return 0;
    for (uint32_t i = 0; i < pool->mask_count; i++)
        if (hwloc_bitmap_isequal(pool->masks[i], mask)) return i + 1;
    if (pool->mask_count == pool->mask_room) {
        const uint32_t room = pool->mask_room ? 2 * pool->mask_room : 16;
        hwloc_bitmap_t *masks = realloc(pool->masks, room * sizeof *masks);
        if (!masks) return 0;
        pool->masks = masks;
        pool->mask_room = room;
    }
    hwloc_bitmap_t copy = hwloc_bitmap_dup(mask);
    if (!copy) return 0;
    pool->masks[pool->mask_count++] = copy;
    return pool->mask_count;
}

uint32_t fs_intern_words(struct fs_interned *pool, const uint64_t words[FSP_MASK_WORDS]) {
    unsigned long parts[FSP_MASK_WORDS * sizeof(uint64_t) / sizeof(unsigned long)];

    memcpy(parts, words, sizeof parts);
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (!mask) return 0;
    hwloc_bitmap_from_ulongs(mask, sizeof parts / sizeof *parts, parts);
    const uint32_t number = fs_intern_mask(pool, mask);
    hwloc_bitmap_free(mask);
    return number;
}

hwloc_const_bitmap_t fs_mask_of(const struct fs_interned *pool, uint32_t number) {
    return number > 0 && number <= pool->mask_count ? pool->masks[number - 1] : NULL;
}

void fs_interned_free(struct fs_interned *pool) {
    struct fs_text *text, *next;

    HASH_ITER(hh, pool->texts, text, next) {
        HASH_DEL(pool->texts, text);
        free(text);
    }
    for (uint32_t i = 0; i < pool->mask_count; i++)
        hwloc_bitmap_free(pool->masks[i]);
    free(pool->masks);
    *pool = (struct fs_interned){0};
}
