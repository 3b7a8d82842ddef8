/*
 * random_digest.h - digests for tests: any members, repeatable by seed. Filled along the
 * tables of the format, so a member that is added is tested, too.
 */
#ifndef FS_TESTS_RANDOM_DIGEST_H
#define FS_TESTS_RANDOM_DIGEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/chance.h"
#include "tracer/digest_fields.h"
#include "tracer/topology.h"

static char *random_string(void) {
    static const char *const pieces[] = {"/usr/bin/python3", "pool.py", "a b",  "\"quoted\"", "\\",
                                         "\xc3\xa4",         "\n",      "main", "=",          ""};
    char *text = malloc(256);
    text[0] = '\0';
    for (unsigned i = random_below(5); i > 0; i--)
        strcat(text, pieces[random_below(sizeof pieces / sizeof pieces[0])]);
    return text;
}

static hwloc_bitmap_t random_mask(void) {
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    for (unsigned i = random_below(20); i > 0; i--)
        hwloc_bitmap_set(mask, random_below(256));
    return mask;
}

static void random_numbers(int *numbers, size_t count) {
    for (size_t i = 0; i < count; i++)
        numbers[i] = (int)random_below(3) * 1000;
}

static void random_strings(char **strings, size_t count, bool gaps) {
    for (size_t i = 0; i < count; i++)
        strings[i] = gaps && random_below(2) ? NULL : random_string();
}

static void random_fields(const struct fs_fields *fields, void *data);

static void random_field(const struct fs_field *field, void *data) {
    void *member = (char *)data + field->offset;
    size_t *count = (void *)((char *)data + field->count_offset);
    const unsigned most = field->max ? (unsigned)field->max : 1000000;
    switch (field->type) {
    case FS_FIELD_INT:
    case FS_FIELD_ID:
        *(int *)member = (int)random_below(most + 1);
        break;
    case FS_FIELD_COUNT:
        *(int64_t *)member = (int64_t)random_below(1u << 30) << 20;
        break;
    case FS_FIELD_TIME:
        *(int64_t *)member = ((int64_t)random_below(1u << 30) - (1 << 29)) * 1048576;
        break;
    case FS_FIELD_BITS:
        *(uint32_t *)member = random_below(1u << 31);
        break;
    case FS_FIELD_OFFSET:
        *(uint64_t *)member = (uint64_t)random_below(1u << 31) << 16;
        break;
    case FS_FIELD_BOOL:
        *(bool *)member = random_below(2);
        break;
    case FS_FIELD_REAL:
        *(double *)member = random_below(5) ? random_below(1u << 30) / 7919.0 : (double)INFINITY;
        break;
    case FS_FIELD_STRING:
        *(char **)member = random_string();
        break;
    case FS_FIELD_LITERAL:
        *(const char **)member = field->words[random_below(2)];
        break;
    case FS_FIELD_MASK:
        *(hwloc_bitmap_t *)member = random_mask();
        break;
    case FS_FIELD_IDS:
    case FS_FIELD_INTS:
        random_numbers(member, field->type == FS_FIELD_IDS ? 4 : field->length);
        break;
    case FS_FIELD_STRINGS:
        random_strings(member, field->length, true);
        break;
    case FS_FIELD_LIST:
        *count = random_below(4);
        *(char ***)member = calloc(*count + 1, sizeof(char *));
        random_strings(*(char ***)member, *count, false);
        break;
    case FS_FIELD_INLINE:
        random_fields(field->fields, member);
        break;
    case FS_FIELD_OBJECT:
        *(void **)member = calloc(1, field->fields->size);
        random_fields(field->fields, *(void **)member);
        break;
    case FS_FIELD_ARRAY:
    case FS_FIELD_COLUMNS:
        *count = random_below(4);
        *(char **)member = calloc(*count + 1, field->fields->size);
        for (size_t i = 0; i < *count; i++)
            random_fields(field->fields, *(char **)member + i * field->fields->size);
        break;
    }
}

/* About a third of the members stay unknown; required ones never do. */
static void random_fields(const struct fs_fields *fields, void *data) {
    fs_fields_init(fields, data);
    for (size_t i = 0; i < fields->count; i++)
        if (fields->field[i].required || random_below(3)) random_field(&fields->field[i], data);
}

static inline void random_digest(struct fs_digest *digest, unsigned seed) {
    static const char *const topologies[] = {
        "N0 U0 U1", "P0{N0 L{C0{U0 U4}C1{U1 U5}}}P1{N1 L{C0{U2 U6}C1{U3 U7}}}",
        "G{N0 C0{U0}C1{U1}}G{N1 C2{U2}C3{U3}}"};
    random_state = seed;
    random_fields(&fs_digest_fields, digest);
    digest->host = random_string();
    digest->group_count = random_below(6);
    digest->groups = calloc(digest->group_count + 1, sizeof *digest->groups);
    for (size_t i = 0; i < digest->group_count; i++)
        random_fields(&fs_group_fields, &digest->groups[i]);
    if (random_below(2)) fs_topology_from_text(topologies[random_below(3)], &digest->topology);
}

/* A pool of 128 like workers on a machine of 256 hardware threads, nothing unknown. */
static inline void large_digest(struct fs_digest *digest) {
    random_digest(digest, 6);
    if (digest->topology) hwloc_topology_destroy(digest->topology);
    hwloc_topology_init(&digest->topology);
    hwloc_topology_set_synthetic(digest->topology, "package:2 [numa] l3:8 core:8 pu:2");
    hwloc_topology_load(digest->topology);
    for (size_t i = 0; i < digest->group_count; i++)
        fs_group_free(&digest->groups[i]);
    free(digest->groups);
    digest->group_count = 3;
    digest->groups = calloc(digest->group_count, sizeof *digest->groups);
    for (size_t i = 0; i < digest->group_count; i++) {
        fs_fields_init(&fs_group_fields, &digest->groups[i]);
        for (size_t f = 0; f < fs_group_fields.count; f++)
            random_field(&fs_group_fields.field[f], &digest->groups[i]);
    }
}

#endif
