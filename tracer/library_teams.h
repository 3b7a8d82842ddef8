/*
 * library_teams.h - the threads that a library really started in a process, told by their
 * start routines.
 */
#ifndef FS_LIBRARY_TEAMS_H
#define FS_LIBRARY_TEAMS_H

#include "tracer/past.h"

enum { FS_ROUTINES = 8 };

/* Families of the modules that threads begin in, which are few; zero but for the table. */
struct fs_routines {
    const struct fs_table *table;
    struct {
        const char *module;
        uint32_t family;
    } known[FS_ROUTINES];
    size_t count;
};

struct fs_library_team {
    int started, peak; /* in all; alive at once */
    int working; /* that used 20 ms of CPU and a quarter of what the main thread used; of those that
                    are made anew for each call the sum counts. FS_UNKNOWN: not sampled */
    int late;    /* alive at once from a moment on, with their leader; FS_UNKNOWN */
    int64_t t_first; /* FS_UNKNOWN: none */
};

/* Families that started a thread in the span or before it, until t. */
uint32_t fs_started_until(struct fs_routines *routines, struct fs_span span, int64_t t);

/* When a family started its first thread in the span or before it; INT64_MAX: never. */
int64_t fs_first_start(struct fs_routines *routines, struct fs_span span, uint32_t family);

/* The threads of a family in the span; t_late: the moment for `late`, or FS_UNKNOWN. */
void fs_count_team(struct fs_routines *routines, const struct fs_span *span, uint32_t family,
                   int64_t t_late, struct fs_library_team *team);

void fs_merge_team(struct fs_library_team *into, const struct fs_library_team *team);

#endif
