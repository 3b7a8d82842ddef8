/*
 * digest_fields_read.h - one structure from one JSON object. For digest_read.c.
 */
#ifndef FS_DIGEST_FIELDS_READ_H
#define FS_DIGEST_FIELDS_READ_H

#include <jansson.h>

#include "tracer/digest_fields.h"

/*
 * Fills the structure at data, which fs_fields_init() made empty, from the members of
 * object that its table names; others are skipped. -1 with errno EBADMSG (a value of another
 * type or out of range; *wrong, if not NULL, is then the member's name) or ENOMEM; what was
 * read until then is in place and owned by data.
 */
int fs_fields_read(const struct fs_fields *fields, const json_t *object, void *data,
                   const char **wrong);

#endif
