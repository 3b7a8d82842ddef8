/*
 * digest_json.h - texts of a digest as JSON. For the files that write and read digests.
 */
#ifndef FS_DIGEST_JSON_H
#define FS_DIGEST_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* Paths and arguments may hold any bytes, JSON only characters: others are {"base64": ...}.
 * NULL with *failed set: no memory. */
json_t *fs_json_string(const char *text, bool *failed);

/* The same back, new. -1 with errno EBADMSG or ENOMEM. */
int fs_json_read_string(const json_t *value, char **into);

#endif
