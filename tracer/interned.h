/*
 * interned.h - texts and masks that many processes share, kept once.
 *
 * A job of 100,000 short processes has few executables and few masks, so a
 * record holds a pointer or a number instead of a copy. What is interned lives
 * as long as the pool.
 */
#ifndef FS_INTERNED_H
#define FS_INTERNED_H

#include "preload/segment.h"

#include <hwloc.h>
#include <stddef.h>
#include <stdint.h>

struct fs_text; /* uthash table of texts */

struct fs_interned {
    struct fs_text *texts;
    hwloc_bitmap_t *masks; /* by number - 1 */
    uint32_t mask_count, mask_room;
};

/* The kept copy of the first `length` bytes of text (up to a NUL). NULL: text is
 * NULL or memory ran out. Equal texts give equal pointers. */
const char *fs_intern(struct fs_interned *pool, const char *text, size_t length);

/* The number of a mask; 0 stands for an unknown (or empty) one. */
uint32_t fs_intern_mask(struct fs_interned *pool, hwloc_const_bitmap_t mask);
uint32_t fs_intern_words(struct fs_interned *pool, const uint64_t words[FSP_MASK_WORDS]);

/* The mask of a number, owned by the pool; NULL: unknown. */
hwloc_const_bitmap_t fs_mask_of(const struct fs_interned *pool, uint32_t number);

void fs_interned_free(struct fs_interned *pool);

#endif
