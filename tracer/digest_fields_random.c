/* digest_fields_random.c - the members of the structures of digest_random.h. */
#include "tracer/digest_fields.h"

static const struct fs_field streams_field[] = {
    FIELD(fs_random_streams, STRING, "exe", executable),
    FIELD(fs_random_streams, ID, "parent", parent),
    FIELD(fs_random_streams, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_random_streams, INT, "processes", processes),
    FIELD(fs_random_streams, INT, "drew", drew),
    FIELD(fs_random_streams, INT, "untouched", untouched),
    FIELD(fs_random_streams, INT, "reseeded", reseeded),
    FIELD(fs_random_streams, INT, "unknown", unknown),
    FIELD(fs_random_streams, COUNT, "drawn_min", drawn_min),
    FIELD(fs_random_streams, COUNT, "drawn_max", drawn_max),
    FIELD(fs_random_streams, COUNT, "shared", shared),
    FIELD(fs_random_streams, BOOL, "exact", drawn_exact),
    FIELD(fs_random_streams, IDS, "pids", examples),
};
const struct fs_fields fs_random_streams_fields = TABLE(streams_field, fs_random_streams);

static const struct fs_field births_field[] = {
    FIELD(fs_random_births, INT, "read", read),
    FIELD(fs_random_births, INT, "other", other),
    FIELD(fs_random_births, INT, "unasked", unasked),
};
const struct fs_fields fs_random_births_fields = TABLE(births_field, fs_random_births);
