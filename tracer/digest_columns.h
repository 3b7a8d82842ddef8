/*
 * digest_columns.h - many like structures of a digest, member by member.
 *
 * A node has as many tasks as CPUs, and they differ in little: stored as objects they
 * would fill a digest. As columns, what is equal or goes up by steps takes a few bytes:
 *
 *   {"n":128,"rank":"0,1x127","cpu":"e6:61200,13,-25...","mask":"=0-3;+4x31",
 *    "exe":{"words":["/usr/bin/python3"],"at":"0x128"}}
 *
 * Numbers are differences to the number before (0 before the first), "u" is unknown, "x3"
 * three times the same item, "e6:" in front: all are times 10^6. A mask is "=" and its
 * list, or the mask before shifted up by "+" CPUs or down by "-"; "u" is none. A column in
 * which nothing is known is left out.
 *
 * Members may be INT, ID, BITS, BOOL, COUNT, TIME, STRING and MASK. Strings of a column have 2 MiB
 * in all structures together; what goes beyond is written as unknown and not read.
 */
#ifndef FS_DIGEST_COLUMNS_H
#define FS_DIGEST_COLUMNS_H

#include <jansson.h>
#include <stdbool.h>

#include "tracer/digest_fields.h"

/* The object for count structures of field->fields at elements. NULL with *failed set: no
 * memory. */
json_t *fs_columns_write(const struct fs_field *field, const void *elements, size_t count,
                         bool *failed);

/*
 * What the object holds: *elements (new, made with calloc; owned by the caller also after an
 * error, to be released along the table) and *count, at most field->length. -1 with errno
 * EBADMSG, EFBIG (too long strings) or ENOMEM.
 */
int fs_columns_read(const struct fs_field *field, const json_t *object, void **elements,
                    size_t *count);

/* A column of numbers as text (allocated), and back: exactly `count` of them. */
#define FS_COLUMN_UNKNOWN INT64_MIN
char *fs_series_text(const int64_t *numbers, size_t count);
int fs_series_parse(const char *text, int64_t *numbers, size_t count);

#endif
