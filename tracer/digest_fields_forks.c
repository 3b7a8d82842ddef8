/* digest_fields_forks.c - the members of the structures of digest_forks.h. */
#include "tracer/digest_fields.h"

static const struct fs_field fork_owner_field[] = {
    FIELD(fs_fork_owner, STRING, "library", library),
    FIELD(fs_fork_owner, INLINE, "started", started, .fields = &fs_place_fields),
    FIELD(fs_fork_owner, BOOL, "main", main),
    FIELD(fs_fork_owner, BOOL, "python", python),
    FIELD(fs_fork_owner, INT, "threads", threads),
    FIELD(fs_fork_owner, INT, "forks", forks),
    FIELD(fs_fork_owner, INT, "foreign", foreign_forks),
};
static const struct fs_fields fork_owner_fields = TABLE(fork_owner_field, fs_fork_owner);

static const struct fs_field fork_site_field[] = {
    FIELD(fs_fork_site, STRING, "exe", executable),
    FIELD(fs_fork_site, ID, "pid", pid),
    FIELD(fs_fork_site, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_fork_site, BITS, "libraries", libraries),
    FIELD(fs_fork_site, INT, "forks", forks),
    FIELD(fs_fork_site, INT, "execs", execs),
    FIELD(fs_fork_site, INT, "unknown", unknown),
    FIELD(fs_fork_site, INT, "threaded", threaded),
    FIELD(fs_fork_site, INT, "peak", threads_peak),
    FIELD(fs_fork_site, INT, "more", threads_more),
    FIELD(fs_fork_site, STRING, "frames", frames),
    FIELD(fs_fork_site, ARRAY, "owners", owners,
          .count_offset = offsetof(struct fs_fork_site, owner_count), .length = FS_FORK_OWNERS_MAX,
          .fields = &fork_owner_fields),
};
const struct fs_fields fs_fork_site_fields = TABLE(fork_site_field, fs_fork_site);
