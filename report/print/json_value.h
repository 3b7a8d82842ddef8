/*
 * json_value.h - JSON values that hold what a job may contain: any bytes, numbers that
 * are not known.
 *
 * A failed request (no memory) is remembered in the builder, which whoever prints asks
 * once at the end.
 */
#ifndef FS_REPORT_PRINT_JSON_VALUE_H
#define FS_REPORT_PRINT_JSON_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { FS_JSON_TEXT_MAX = 8192 }; /* bytes of one text; the rest is cut */

struct fs_json {
    bool failed;
};

json_t *fs_json_object(struct fs_json *json);
json_t *fs_json_array(struct fs_json *json);

/* Take value, which is NULL if memory ran out. */
void fs_json_set(struct fs_json *json, json_t *object, const char *name, json_t *value);
void fs_json_append(struct fs_json *json, json_t *array, json_t *value);

/*
 * The member name, null for NULL. Bytes that are no UTF-8 are replaced in it, and a
 * member name_base64 has the text as it was. Of a text that is longer than
 * FS_JSON_TEXT_MAX the beginning is given, and name_bytes says how long it is.
 */
void fs_json_text(struct fs_json *json, json_t *object, const char *name, const char *text);

/* An array of texts likewise: name_base64 is then an array as long, null where nothing was
 * replaced. Texts that are too long end with three dots. */
void fs_json_texts(struct fs_json *json, json_t *object, const char *name, const char *const *texts,
                   size_t count);

/* null for what is not known: NAN, infinity, a negative count. */
void fs_json_real(struct fs_json *json, json_t *object, const char *name, double value);
void fs_json_count(struct fs_json *json, json_t *object, const char *name, int64_t value);
void fs_json_seconds(struct fs_json *json, json_t *object, const char *name, int64_t ns);
void fs_json_bool(struct fs_json *json, json_t *object, const char *name, bool value);

/* Writes value as printable ASCII, indented, and takes it. Returns 0, or -1 with errno. */
int fs_json_write(struct fs_json *json, json_t *value, FILE *out);

#endif
