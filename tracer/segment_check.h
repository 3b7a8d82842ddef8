/*
 * segment_check.h - makes a copy of a segment safe to use. For segment_reader.c.
 */
#ifndef FS_SEGMENT_CHECK_H
#define FS_SEGMENT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
