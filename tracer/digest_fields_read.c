/*
 * digest_fields_read.c - one structure from one JSON object, along its table. The text may
 * come from anywhere: types, ranges and lengths are checked, the rest is skipped.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest_columns.h"
#include "tracer/digest_fields_read.h"
#include "tracer/digest_json.h"
#include "tracer/mask.h"
#include "tracer/text_bytes.h"

enum { TEXT_MAX = 128 * 1024 };

#define MEMBER(type, data, field) ((type *)(void *)((char *)(data) + (field)->offset))
#define COUNT_OF(data, field)     ((size_t *)(void *)((char *)(data) + (field)->count_offset))

static int bad(void) {
    errno = EBADMSG;
    return -1;
}

static int read_number(const json_t *value, int64_t least, int64_t most, int64_t *number) {
    if (!json_is_integer(value)) return bad();
    *number = json_integer_value(value);
    return *number < least || *number > most ? bad() : 0;
}

static int read_int(const struct fs_field *field, const json_t *value, int64_t least, int *into) {
    int64_t number;
    if (read_number(value, least, field->max ? field->max : INT_MAX, &number)) return -1;
    *into = (int)number;
    return 0;
}

static int read_real(const json_t *value, double *into) {
    if (json_is_string(value)) {
        if (strcmp(json_string_value(value), "inf") != 0) return bad();
        *into = INFINITY;
        return 0;
    }
    if (!json_is_number(value)) return bad();
    *into = json_number_value(value);
    return isfinite(*into) ? 0 : bad();
}

/* Bytes that are no characters, as {"base64": ...}. */
static int read_bytes(const json_t *value, char **into) {
    const json_t *code = json_object_get(value, "base64");
    size_t length;
    if (!json_is_string(code) || json_string_length(code) > TEXT_MAX) return bad();
    *into = fs_base64_decode(json_string_value(code), &length);
    if (!*into) return -1;
    if (strlen(*into) == length) return 0;
    free(*into);
    *into = NULL;
    return bad();
}

int fs_json_read_string(const json_t *value, char **into) {
    if (json_is_object(value)) return read_bytes(value, into);
    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX) return bad();
    *into = strdup(json_string_value(value));
    return *into ? 0 : -1;
}

static int read_literal(const struct fs_field *field, const json_t *value, const char **into) {
    if (!json_is_string(value)) return bad();
    for (size_t i = 0; field->words[i]; i++)
        if (strcmp(json_string_value(value), field->words[i]) == 0) {
            *into = field->words[i];
            return 0;
        }
    return bad();
}

static int read_mask(const json_t *value, hwloc_bitmap_t *into) {
    if (!json_is_string(value)) return bad();
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (!mask) return -1;
    if (fs_mask_parse(mask, json_string_value(value), json_string_length(value))) {
        hwloc_bitmap_free(mask);
        return -1;
    }
    *into = mask;
    return 0;
}

static int read_numbers(const json_t *value, int *into, size_t room) {
    if (!json_is_array(value) || json_array_size(value) > room) return bad();
    for (size_t i = 0; i < json_array_size(value); i++) {
        int64_t number;
        if (read_number(json_array_get(value, i), 0, INT_MAX, &number)) return -1;
        into[i] = (int)number;
    }
    return 0;
}

static int read_strings(const json_t *value, char **into, size_t room) {
    if (!json_is_array(value) || json_array_size(value) > room) return bad();
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *element = json_array_get(value, i);
        if (!json_is_null(element) && fs_json_read_string(element, &into[i])) return -1;
    }
    return 0;
}

/* An array of strings, none of them missing. */
static int read_list(const struct fs_field *field, const json_t *value, void *data) {
    if (!json_is_array(value) || json_array_size(value) > field->length) return bad();
    const size_t count = json_array_size(value);
    char **strings = calloc(count + 1, sizeof *strings);
    if (!strings) return -1;
    *MEMBER(char **, data, field) = strings; /* owned from here on, also half filled */
    *COUNT_OF(data, field) = count;
    for (size_t i = 0; i < count; i++)
        if (fs_json_read_string(json_array_get(value, i), &strings[i])) return -1;
    return 0;
}

static int read_array(const struct fs_field *field, const json_t *value, void *data) {
    if (!json_is_array(value) || json_array_size(value) > field->length) return bad();
    const size_t count = json_array_size(value), size = field->fields->size;
    if (count == 0) return 0;
    char *elements = calloc(count, size);
    if (!elements) return -1;
    *MEMBER(void *, data, field) = elements;
    for (size_t i = 0; i < count; i++) {
        fs_fields_init(field->fields, elements + i * size);
        *COUNT_OF(data, field) = i + 1;
        const json_t *element = json_array_get(value, i);
        if (fs_fields_read(field->fields, element, elements + i * size, NULL)) return -1;
    }
    return 0;
}

static int read_object(const struct fs_field *field, const json_t *value, void *data) {
    void *inner = calloc(1, field->fields->size);
    if (!inner) return -1;
    fs_fields_init(field->fields, inner);
    *MEMBER(void *, data, field) = inner;
    return fs_fields_read(field->fields, value, inner, NULL);
}

static int read_field(const struct fs_field *field, const json_t *value, void *data) {
    int64_t number = 0;
    switch (field->type) {
    case FS_FIELD_INT:
        return read_int(field, value, FS_UNKNOWN, MEMBER(int, data, field));
    case FS_FIELD_ID:
        return read_int(field, value, 0, MEMBER(int, data, field));
    case FS_FIELD_COUNT:
        return read_number(value, FS_UNKNOWN, FS_DIGEST_NUMBER_MAX, MEMBER(int64_t, data, field));
    case FS_FIELD_TIME:
        return read_number(value, -FS_DIGEST_NUMBER_MAX, FS_DIGEST_NUMBER_MAX,
                           MEMBER(int64_t, data, field));
    case FS_FIELD_BITS:
        if (read_number(value, 0, UINT32_MAX, &number)) return -1;
        *MEMBER(uint32_t, data, field) = (uint32_t)number;
        return 0;
    case FS_FIELD_OFFSET:
        if (read_number(value, 0, INT64_MAX, &number)) return -1;
        *MEMBER(uint64_t, data, field) = (uint64_t)number;
        return 0;
    case FS_FIELD_BOOL:
        if (!json_is_boolean(value)) return bad();
        *MEMBER(bool, data, field) = json_is_true(value);
        return 0;
    case FS_FIELD_REAL:
        return read_real(value, MEMBER(double, data, field));
    case FS_FIELD_STRING:
        return fs_json_read_string(value, MEMBER(char *, data, field));
    case FS_FIELD_LITERAL:
        return read_literal(field, value, MEMBER(const char *, data, field));
    case FS_FIELD_MASK:
        return read_mask(value, MEMBER(hwloc_bitmap_t, data, field));
    case FS_FIELD_IDS:
        return read_numbers(value, MEMBER(int, data, field), 4);
    case FS_FIELD_INTS:
        return read_numbers(value, MEMBER(int, data, field), field->length);
    case FS_FIELD_STRINGS:
        return read_strings(value, MEMBER(char *, data, field), field->length);
    case FS_FIELD_LIST:
        return read_list(field, value, data);
    case FS_FIELD_INLINE:
        return fs_fields_read(field->fields, value, MEMBER(char, data, field), NULL);
    case FS_FIELD_OBJECT:
        return read_object(field, value, data);
    case FS_FIELD_ARRAY:
        return read_array(field, value, data);
    case FS_FIELD_COLUMNS:
        return fs_columns_read(field, value, MEMBER(void *, data, field), COUNT_OF(data, field));
    }
    return bad();
}

int fs_fields_read(const struct fs_fields *fields, const json_t *object, void *data,
                   const char **wrong) {
    if (!json_is_object(object)) return bad();
    for (size_t i = 0; i < fields->count; i++) {
        const struct fs_field *field = &fields->field[i];
        const json_t *value = json_object_get(object, field->name);
        if (wrong) *wrong = field->name;
        if (!value && field->required) return bad();
        if (value && read_field(field, value, data)) return -1;
    }
    return 0;
}
