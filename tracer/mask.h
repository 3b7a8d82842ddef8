/*
 * mask.h - CPU masks between bitmaps, kernel lists ("0-3,8") and segment words.
 */
#ifndef FS_MASK_H
#define FS_MASK_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_MASK_CPUS = 8192 }; /* the largest Linux: no CPU number of this or above is believed */

/* Sets mask to a list as the kernel writes it; "" is the empty mask, a newline may
 * end it. Strides ("0-31:2/4") are no part of it. -1 with errno EBADMSG: no such
 * list; mask is then empty. */
int fs_mask_parse(hwloc_bitmap_t mask, const char *text, size_t length);

/* The list of a finite mask, allocated; "" for the empty one. NULL with errno. */
char *fs_mask_text(hwloc_const_bitmap_t mask);

/* Sets mask to the bits of words[0..count-1], word 0 first. */
void fs_mask_from_words(hwloc_bitmap_t mask, const uint64_t *words, size_t count);

/* CPUs in mask; 0 for NULL. */
int fs_mask_weight(hwloc_const_bitmap_t mask);

/* Whether two masks are equal; NULL equals only NULL. */
bool fs_mask_equal(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b);

/* The mask that this process runs with, new; NULL with errno. */
hwloc_bitmap_t fs_mask_own(void);

#endif
