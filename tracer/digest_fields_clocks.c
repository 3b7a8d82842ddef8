/* digest_fields_clocks.c - the members of the structures of digest_clocks.h. */
#include "tracer/digest_fields.h"

static const struct fs_field mark_field[] = {
    FIELD(fs_clock_mark, TIME, "t", t),
    FIELD(fs_clock_mark, TIME, "real", realtime),
    FIELD(fs_clock_mark, COUNT, "read", read_ns),
    FIELD(fs_clock_mark, COUNT, "error", error_ns),
    FIELD(fs_clock_mark, BOOL, "sync", synchronised),
};
static const struct fs_fields mark_fields = TABLE(mark_field, fs_clock_mark);

static const struct fs_field clocks_field[] = {
    FIELD(fs_clocks, STRING, "boot", boot),
    FIELD(fs_clocks, INLINE, "begin", begin, .fields = &mark_fields),
    FIELD(fs_clocks, INLINE, "end", end, .fields = &mark_fields),
};
const struct fs_fields fs_clocks_fields = TABLE(clocks_field, fs_clocks);
