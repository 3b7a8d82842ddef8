/*
 * digest_fields.h - which members a digest's structures have and what they are called
 * on disk. The writer, the reader and the release of a digest walk the same tables, so
 * that they cannot differ. Nobody else includes it.
 */
#ifndef FS_DIGEST_FIELDS_H
#define FS_DIGEST_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "tracer/digest.h"

/* No number of a digest is larger: 146 years in nanoseconds; sums and differences of two
 * still fit. */
#define FS_DIGEST_NUMBER_MAX (INT64_MAX / 2)

enum fs_field_type {
    FS_FIELD_INT,     /* int; FS_UNKNOWN is left out */
    FS_FIELD_ID,      /* int; 0 (none) is left out */
    FS_FIELD_COUNT,   /* int64_t, not negative; FS_UNKNOWN is left out */
    FS_FIELD_TIME,    /* int64_t, any; FS_UNKNOWN is left out */
    FS_FIELD_BITS,    /* uint32_t; 0 is left out */
    FS_FIELD_OFFSET,  /* uint64_t; 0 is left out */
    FS_FIELD_BOOL,    /* false is left out */
    FS_FIELD_REAL,    /* double, INFINITY is "inf"; NAN is left out */
    FS_FIELD_STRING,  /* char *; NULL is left out */
    FS_FIELD_LITERAL, /* const char *: one of the words of `words`; NULL is left out */
    FS_FIELD_MASK,    /* hwloc_bitmap_t as a list; NULL is left out */
    FS_FIELD_IDS,     /* int[4] of pids: an array up to the last that is not 0 */
    FS_FIELD_INTS,    /* int[length]; all 0: left out */
    FS_FIELD_STRINGS, /* char *[length]; an array with null for NULL */
    FS_FIELD_LIST,    /* char ** and its count: an array of strings */
    FS_FIELD_INLINE,  /* a structure within: an object; all left out: left out as well */
    FS_FIELD_OBJECT,  /* pointer to a structure; NULL is left out */
    FS_FIELD_ARRAY,   /* pointer to structures and their count; none: left out */
    FS_FIELD_COLUMNS, /* the same, many and alike: an object of columns (digest_columns.h) */
};

struct fs_fields;

struct fs_field {
    const char *name; /* on disk */
    enum fs_field_type type;
    size_t offset;
    size_t count_offset;            /* LIST, ARRAY, COLUMNS: of the count */
    size_t length;                  /* INTS, STRINGS: elements. ARRAY, LIST, COLUMNS: the most */
    const struct fs_fields *fields; /* INLINE, OBJECT, ARRAY, COLUMNS */
    const char *const *words;       /* LITERAL: ends with NULL */
    bool required;                  /* STRING: a structure without it is no such structure */
    int max;                        /* INT, ID, BITS: the largest value; 0: INT_MAX, any bits */
};

struct fs_fields {
    const struct fs_field *field;
    size_t count;
    size_t size; /* of the structure */
};

/* A row of a table of fields, and the table of its rows. */
#define FIELD(structure, kind, disk_name, member, ...)                                             \
    {                                                                                              \
        .name = disk_name, .type = FS_FIELD_##kind, .offset = offsetof(struct structure, member),  \
        ##__VA_ARGS__                                                                              \
    }
#define TABLE(fields, structure)                                                                   \
    { .field = fields, .count = sizeof fields / sizeof fields[0], .size = sizeof(struct structure) }

enum { FS_DIGEST_VARIABLES_MAX = 256 }; /* more than there are recorded ones */

/* Of the parts, for the tables of the others. */
extern const struct fs_fields fs_place_fields, fs_narrowing_fields, fs_variable_fields;
extern const struct fs_fields fs_clocks_fields;
extern const struct fs_fields fs_team_fields, fs_rivals_fields, fs_watched_fields;
extern const struct fs_fields fs_fork_site_fields, fs_task_fields, fs_audited_fields;
extern const struct fs_fields fs_region_use_fields, fs_runtime_fork_fields, fs_gpu_fork_fields;
extern const struct fs_fields fs_closed_display_fields, fs_mpi_fork_fields;
extern const struct fs_fields fs_mpi_ranks_fields;
extern const struct fs_fields fs_random_births_fields, fs_random_streams_fields;
extern const struct fs_fields fs_launch_fields, fs_siblings_fields, fs_login_fields;

extern const struct fs_fields fs_digest_fields; /* of struct fs_digest, without its groups */
extern const struct fs_fields fs_group_fields;

/* Sets every field of the structure at data to what is left out on disk. */
void fs_fields_init(const struct fs_fields *fields, void *data);

/* Releases what the fields of the structure at data own. */
void fs_fields_free(const struct fs_fields *fields, void *data);

#endif
