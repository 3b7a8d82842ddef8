/* digest_fields_teams.c - the members of the structures of digest_teams.h. */
#include "tracer/digest_fields.h"

static const struct fs_field team_field[] = {
    FIELD(fs_team, STRING, "exe", executable),
    FIELD(fs_team, STRING, "command", command),
    FIELD(fs_team, ID, "pid", pid),
    FIELD(fs_team, ID, "parent", parent),
    FIELD(fs_team, INT, "count", count),
    FIELD(fs_team, STRING, "owner", owner),
    FIELD(fs_team, BITS, "family", family),
    FIELD(fs_team, BITS, "libraries", libraries),
    FIELD(fs_team, BOOL, "python", python),
    FIELD(fs_team, INT, "gil", gil, .max = 1),
    FIELD(fs_team, INT, "workers", workers),
    FIELD(fs_team, ID, "forked", forked),
    FIELD(fs_team, INT, "threads", threads),
    FIELD(fs_team, INT, "busy", busy),
    FIELD(fs_team, COUNT, "team", team_ns),
    FIELD(fs_team, COUNT, "thread", thread_ns),
    FIELD(fs_team, COUNT, "run", run_ns),
    FIELD(fs_team, COUNT, "wait", wait_ns),
    FIELD(fs_team, COUNT, "cpu", cpu_ns),
    FIELD(fs_team, MASK, "mask", mask),
    FIELD(fs_team, MASK, "cpus", cpus),
    FIELD(fs_team, COUNT, "looks", looks),
    FIELD(fs_team, COUNT, "moves", moves),
    FIELD(fs_team, COUNT, "shared", shared_ns),
    FIELD(fs_team, COUNT, "shared_run", shared_run_ns),
    FIELD(fs_team, COUNT, "shared_wait", shared_wait_ns),
    FIELD(fs_team, COUNT, "shared_top", shared_top_ns),
    FIELD(fs_team, COUNT, "shared_threads", shared_threads_ns),
    FIELD(fs_team, OBJECT, "narrowing", narrowing, .fields = &fs_narrowing_fields),
    FIELD(fs_team, ARRAY, "variables", variables,
          .count_offset = offsetof(struct fs_team, variable_count),
          .length = FS_DIGEST_VARIABLES_MAX, .fields = &fs_variable_fields),
};
const struct fs_fields fs_team_fields = TABLE(team_field, fs_team);

static const struct fs_field rivals_field[] = {
    FIELD(fs_rivals, ID, "teams", teams),     FIELD(fs_rivals, ID, "threads", threads),
    FIELD(fs_rivals, COUNT, "ns", ns),        FIELD(fs_rivals, COUNT, "run", run_ns),
    FIELD(fs_rivals, COUNT, "wait", wait_ns), FIELD(fs_rivals, MASK, "mask", mask),
};
const struct fs_fields fs_rivals_fields = TABLE(rivals_field, fs_rivals);

static const struct fs_field watched_field[] = {
    FIELD(fs_watched, ID, "pid", pid),
    FIELD(fs_watched, STRING, "exe", executable),
    FIELD(fs_watched, STRING, "command", command),
    FIELD(fs_watched, BOOL, "tracer", tracer),
    FIELD(fs_watched, STRING, "tool", tool),
    FIELD(fs_watched, COUNT, "cpu", cpu_ns),
    FIELD(fs_watched, INT, "children", children),
    FIELD(fs_watched, INT, "missed", missed),
    FIELD(fs_watched, COUNT, "missed_cpu", missed_cpu_ns),
    FIELD(fs_watched, ID, "example", example),
    FIELD(fs_watched, STRING, "example_exe", example_executable),
    FIELD(fs_watched, BOOL, "scrubbed", scrubbed),
    FIELD(fs_watched, INLINE, "site", site, .fields = &fs_place_fields),
};
const struct fs_fields fs_watched_fields = TABLE(watched_field, fs_watched);
