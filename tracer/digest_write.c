/*
 * digest_write.c - a digest as lines of JSON.
 *
 * One node's digest is a "node" line, a "topology" line if the topology is known, a "group"
 * line for each group and an "end" line, by which a cut text is noticed. Unknown and empty
 * members are left out: a node of a hundred like processes takes a few kilobytes.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest_columns.h"
#include "tracer/digest_fields.h"
#include "tracer/digest_json.h"
#include "tracer/mask.h"
#include "tracer/text_bytes.h"
#include "tracer/topology.h"

enum { TEXT_MAX = 32 * 1024 };

#define MEMBER(type, data, field)                                                                  \
    ((type const *)(const void *)((const char *)(data) + (field)->offset))
#define COUNT_OF(data, field)                                                                      \
    ((const size_t *)(const void *)((const char *)(data) + (field)->count_offset))

/* Results of the functions below: a new value; NULL with *failed set (no memory), NULL
 * without: left out. */
static json_t *object_of(const struct fs_fields *fields, const void *data, bool *failed);

static json_t *made(json_t *value, bool *failed) {
    if (!value) *failed = true;
    return value;
}

/* Bytes that are no characters are replaced. */
static json_t *clean_string_of(const char *text, size_t length, bool *failed) {
    char *clean = fs_utf8_clean(text, length);
    json_t *value = clean ? json_string(clean) : NULL;
    free(clean);
    return made(value, failed);
}

json_t *fs_json_string(const char *text, bool *failed) {
    const size_t length = fs_utf8_cut(text, TEXT_MAX);
    if (fs_utf8_valid(text, length)) return made(json_stringn(text, length), failed);
    char *code = fs_base64_encode(text, length);
    json_t *value = code ? json_pack("{s:s}", "base64", code) : NULL;
    free(code);
    return made(value, failed);
}

/* A number from least to most; what lies outside is unknown, and a reader would refuse it. */
static json_t *number_of(int64_t number, int64_t least, int64_t most, bool *failed) {
    return number < least || number > most ? NULL : made(json_integer(number), failed);
}

static json_t *time_of(int64_t time, bool *failed) {
    return time == FS_UNKNOWN
               ? NULL
               : number_of(time, -FS_DIGEST_NUMBER_MAX, FS_DIGEST_NUMBER_MAX, failed);
}

static json_t *real_of(double number, bool *failed) {
    if (isnan(number) || number == -INFINITY) return NULL;
    return made(isinf(number) ? json_string("inf") : json_real(number), failed);
}

static json_t *mask_of(hwloc_const_bitmap_t mask, bool *failed) {
    if (!mask || hwloc_bitmap_weight(mask) < 0) return NULL; /* unknown, or infinite */
    char *text = fs_mask_text(mask);
    json_t *value = text ? json_string(text) : NULL;
    free(text);
    return made(value, failed);
}

static json_t *numbers_of(const int *numbers, size_t count, bool *failed) {
    while (count && numbers[count - 1] == 0)
        count--;
    if (count == 0) return NULL;
    json_t *array = made(json_array(), failed);
    for (size_t i = 0; array && i < count; i++)
        if (json_array_append_new(array, json_integer(numbers[i] > 0 ? numbers[i] : 0)))
            *failed = true;
    return array;
}

/* Strings up to the last that is there; null stands for one that is not. */
static json_t *strings_of(char *const *strings, size_t count, bool *failed) {
    while (count && !strings[count - 1])
        count--;
    if (count == 0) return NULL;
    json_t *array = made(json_array(), failed);
    for (size_t i = 0; array && i < count; i++) {
        json_t *value = strings[i] ? fs_json_string(strings[i], failed) : json_null();
        if (!value || json_array_append_new(array, value)) *failed = true;
    }
    return array;
}

static json_t *array_of(const struct fs_field *field, const void *data, bool *failed) {
    const char *elements = *MEMBER(char *, data, field);
    const size_t all = elements ? *COUNT_OF(data, field) : 0;
    const size_t count = all < field->length ? all : field->length;
    if (count == 0) return NULL;
    json_t *array = made(json_array(), failed);
    for (size_t i = 0; array && i < count; i++) {
        json_t *object = object_of(field->fields, elements + i * field->fields->size, failed);
        if (!object && !*failed) object = json_object(); /* a structure of unknowns is one, too */
        if (!object || json_array_append_new(array, object)) *failed = true;
    }
    return array;
}

static json_t *columns_of(const struct fs_field *field, const void *data, bool *failed) {
    const char *elements = *MEMBER(char *, data, field);
    const size_t all = elements ? *COUNT_OF(data, field) : 0;
    const size_t count = all < field->length ? all : field->length;
    return count ? fs_columns_write(field, elements, count, failed) : NULL;
}

static json_t *list_of(const struct fs_field *field, const void *data, bool *failed) {
    char *const *strings = *MEMBER(char **, data, field);
    const size_t all = strings ? *COUNT_OF(data, field) : 0;
    return strings_of(strings, all < field->length ? all : field->length, failed);
}

static json_t *value_of(const struct fs_field *field, const void *data, bool *failed) {
    const int most = field->max ? field->max : INT_MAX;
    switch (field->type) {
    case FS_FIELD_INT:
        return number_of(*MEMBER(int, data, field), 0, most, failed);
    case FS_FIELD_ID:
        return number_of(*MEMBER(int, data, field), 1, most, failed);
    case FS_FIELD_COUNT:
        return number_of(*MEMBER(int64_t, data, field), 0, FS_DIGEST_NUMBER_MAX, failed);
    case FS_FIELD_TIME:
        return time_of(*MEMBER(int64_t, data, field), failed);
    case FS_FIELD_BITS:
        return number_of(*MEMBER(uint32_t, data, field), 1, UINT32_MAX, failed);
    case FS_FIELD_OFFSET:
        return number_of(*MEMBER(int64_t, data, field), 1, INT64_MAX, failed);
    case FS_FIELD_BOOL:
        return *MEMBER(bool, data, field) ? json_true() : NULL;
    case FS_FIELD_REAL:
        return real_of(*MEMBER(double, data, field), failed);
    case FS_FIELD_STRING:
    case FS_FIELD_LITERAL: {
        const char *text = *MEMBER(char *, data, field);
        if (!text && field->required) text = "";
        return text ? fs_json_string(text, failed) : NULL;
    }
    case FS_FIELD_MASK:
        return mask_of(*MEMBER(hwloc_bitmap_t, data, field), failed);
    case FS_FIELD_IDS:
        return numbers_of(MEMBER(int, data, field), 4, failed);
    case FS_FIELD_INTS:
        return numbers_of(MEMBER(int, data, field), field->length, failed);
    case FS_FIELD_STRINGS:
        return strings_of(MEMBER(char *, data, field), field->length, failed);
    case FS_FIELD_LIST:
        return list_of(field, data, failed);
    case FS_FIELD_INLINE:
        return object_of(field->fields, MEMBER(char, data, field), failed);
    case FS_FIELD_OBJECT: {
        const void *inner = *MEMBER(void *, data, field);
        if (!inner) return NULL;
        json_t *object = object_of(field->fields, inner, failed);
        return object || *failed ? object : made(json_object(), failed);
    }
    case FS_FIELD_ARRAY:
        return array_of(field, data, failed);
    case FS_FIELD_COLUMNS:
        return columns_of(field, data, failed);
    }
    return NULL;
}

static int add_fields(json_t *object, const struct fs_fields *fields, const void *data) {
    bool failed = false;
    for (size_t i = 0; i < fields->count; i++) {
        json_t *value = value_of(&fields->field[i], data, &failed);
        if (value && json_object_set_new(object, fields->field[i].name, value)) failed = true;
    }
    return failed ? -1 : 0;
}

static json_t *object_of(const struct fs_fields *fields, const void *data, bool *failed) {
    json_t *object = made(json_object(), failed);
    if (object && add_fields(object, fields, data)) *failed = true;
    if (object && !*failed && json_object_size(object) > 0) return object;
    json_decref(object);
    return NULL;
}

/* --- lines --- */

static json_t *begin_line(const char *kind, const char *host) {
    bool failed = false;
    json_t *line = json_pack("{s:i, s:s}", "forksight", FS_DIGEST_VERSION, "kind", kind);
    if (line && host &&
        json_object_set_new(line, "host", clean_string_of(host, strnlen(host, TEXT_MAX), &failed)))
        failed = true;
    if (!failed) return line;
    json_decref(line);
    return NULL;
}

/* Takes line, which is NULL if memory ran out. */
static int put_line(json_t *line, int bad, FILE *out) {
    int result = -1;
    if (!line || bad)
        errno = ENOMEM;
    else if (json_dumpf(line, out, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 &&
             fputc('\n', out) != EOF)
        result = 0;
    json_decref(line);
    return result;
}

static int put_structure(const char *kind, const char *host, const struct fs_fields *fields,
                         const void *data, FILE *out) {
    json_t *line = begin_line(kind, host);
    return put_line(line, line ? add_fields(line, fields, data) : -1, out);
}

static int put_topology(const char *hash, const char *text, FILE *out) {
    json_t *line = begin_line("topology", NULL);
    const int bad = !line || json_object_set_new(line, "hash", json_string(hash)) ||
                    json_object_set_new(line, "text", json_string(text));
    return put_line(line, bad, out);
}

static int put_end(const char *host, size_t groups, FILE *out) {
    json_t *line = begin_line("end", host);
    return put_line(
        line, line ? json_object_set_new(line, "groups", json_integer((json_int_t)groups)) : -1,
        out);
}

int fs_digest_write(const struct fs_digest *digest, FILE *out) {
    const char *host = digest->host ? digest->host : "";
    const size_t groups = digest->group_count < FS_GROUPS_MAX ? digest->group_count : FS_GROUPS_MAX;
    char *text = digest->topology ? fs_topology_text(digest->topology) : NULL;
    char hash[FS_TOPOLOGY_HASH_SIZE];
    struct fs_digest node = *digest; /* only its topology's name may differ */
    if (text) {
        fs_topology_hash(text, hash);
        node.topology_hash = hash;
    }
    int result = put_structure("node", host, &fs_digest_fields, &node, out);
    if (!result && text) result = put_topology(hash, text, out);
    for (size_t i = 0; !result && i < groups; i++)
        result = put_structure("group", host, &fs_group_fields, &digest->groups[i], out);
    if (!result) result = put_end(host, groups, out);
    free(text);
    if (!result && fflush(out)) result = -1;
    return result;
}
