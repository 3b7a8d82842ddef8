/* digest_free.c - makes digests empty and releases them, along the tables of their members. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest_fields.h"
#include "tracer/digest_reader.h"

/* The member that a field describes, as the type that it has. */
#define MEMBER(type, data, field) ((type *)(void *)((char *)(data) + (field)->offset))
#define COUNT_OF(data, field)     ((size_t *)(void *)((char *)(data) + (field)->count_offset))

static void init_field(const struct fs_field *field, void *data) {
    switch (field->type) {
    case FS_FIELD_INT:
        *MEMBER(int, data, field) = FS_UNKNOWN;
        break;
    case FS_FIELD_COUNT:
    case FS_FIELD_TIME:
        *MEMBER(int64_t, data, field) = FS_UNKNOWN;
        break;
    case FS_FIELD_REAL:
        *MEMBER(double, data, field) = NAN;
        break;
    case FS_FIELD_INLINE:
        fs_fields_init(field->fields, MEMBER(char, data, field));
        break;
    default:
        break; /* zero is right for all others */
    }
}

void fs_fields_init(const struct fs_fields *fields, void *data) {
    memset(data, 0, fields->size);
    for (size_t i = 0; i < fields->count; i++)
        init_field(&fields->field[i], data);
}

static void free_strings(char **strings, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
}

static void free_array(const struct fs_field *field, void *data) {
    char *elements = *MEMBER(char *, data, field);
    for (size_t i = 0; elements && i < *COUNT_OF(data, field); i++)
        fs_fields_free(field->fields, elements + i * field->fields->size);
    free(elements);
}

static void free_field(const struct fs_field *field, void *data) {
    switch (field->type) {
    case FS_FIELD_STRING:
        free(*MEMBER(char *, data, field));
        break;
    case FS_FIELD_MASK:
        hwloc_bitmap_free(*MEMBER(hwloc_bitmap_t, data, field));
        break;
    case FS_FIELD_STRINGS:
        free_strings(MEMBER(char *, data, field), field->length);
        break;
    case FS_FIELD_LIST:
        if (*MEMBER(char **, data, field))
            free_strings(*MEMBER(char **, data, field), *COUNT_OF(data, field));
        free(*MEMBER(char **, data, field));
        break;
    case FS_FIELD_INLINE:
        fs_fields_free(field->fields, MEMBER(char, data, field));
        break;
    case FS_FIELD_OBJECT:
        if (*MEMBER(void *, data, field))
            fs_fields_free(field->fields, *MEMBER(void *, data, field));
        free(*MEMBER(void *, data, field));
        break;
    case FS_FIELD_ARRAY:
    case FS_FIELD_COLUMNS:
        free_array(field, data);
        break;
    default:
        break;
    }
}

void fs_fields_free(const struct fs_fields *fields, void *data) {
    for (size_t i = 0; i < fields->count; i++)
        free_field(&fields->field[i], data);
    fs_fields_init(fields, data);
}

void fs_group_init(struct fs_group *group) {
    fs_fields_init(&fs_group_fields, group);
}

void fs_group_free(struct fs_group *group) {
    fs_fields_free(&fs_group_fields, group);
}

void fs_team_free(struct fs_team *team) {
    fs_fields_free(&fs_team_fields, team);
}

void fs_place_free(struct fs_place *place) {
    fs_fields_free(&fs_place_fields, place);
}

void fs_digest_init(struct fs_digest *digest) {
    fs_fields_init(&fs_digest_fields, digest);
}

void fs_digest_free(struct fs_digest *digest) {
    free(digest->host);
    if (digest->topology) hwloc_topology_destroy(digest->topology);
    for (size_t i = 0; digest->groups && i < digest->group_count; i++)
        fs_group_free(&digest->groups[i]);
    free(digest->groups);
    fs_fields_free(&fs_digest_fields, digest);
}

void fs_digest_release(struct fs_digest *digest) {
    digest->topology = NULL;
    fs_digest_free(digest);
}

void fs_digest_list_free(struct fs_digest *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hwloc_topology_t shared = list[i].topology;
        for (size_t other = i + 1; shared && other < count; other++)
            if (list[other].topology == shared) list[other].topology = NULL;
        fs_digest_free(&list[i]);
    }
    free(list);
}
