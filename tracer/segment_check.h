/*
 * segment_check.h - makes a copy of a segment safe to use, for segment_reader.c, and says which
 * numbers are too large to be true, for whoever reads what else is in it.
 */
#ifndef FS_SEGMENT_CHECK_H
#define FS_SEGMENT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_PID_MAX = 1 << 22 };            /* the kernel's own limit */
#define FS_LONGEST_NS (UINT64_C(1) << 61) /* 73 years; sums of a few stay in range */

bool fs_is_pid(int number);

struct fs_segment_copy {
    char *bytes; /* aligned as a page is */
    size_t size;
};

/*
 * Checks the header page against the size and the shape that fsp_layout() gives, ends
 * its strings. -1 with errno EAGAIN (not finished), EBADMSG or EPROTONOSUPPORT.
 */
int fs_segment_check_header(struct fs_segment_copy *copy);

/* Whether the writers were promised page `page`; needs a checked header. */
bool fs_segment_page_committed(const struct fs_segment_copy *copy, size_t page);

/* Empties every slot that is not sound, clamps the others. Returns how many were emptied. */
uint32_t fs_segment_check_slots(struct fs_segment_copy *copy);

#endif
