/*
 * teams.h - threads of a process that work at the same time, as samples show them.
 *
 * The sampler has read every thread; here its last sample is summed up by the object
 * that started the threads. Nothing is read from the system. A process costs memory
 * from its first sample with two busy threads on.
 */
#ifndef FS_TEAMS_H
#define FS_TEAMS_H

#include "tracer/digest.h"
#include "tracer/process_table.h"
#include "tracer/sampler.h"

#include <hwloc.h>

enum { FS_TEAM_OWNERS = 6 };

/* Sums over a process's samples; the members as in struct fs_team. */
struct fs_team_watch {
    size_t count;
    struct fs_team_tally {
        const char *owner; /* NULL: not recorded */
        uint32_t family;
        int threads, busy;
        int64_t team_ns, thread_ns, run_ns, wait_ns;
        int64_t looks, moves;
        int64_t shared_ns, shared_run_ns, shared_wait_ns, shared_top_ns, shared_threads_ns;
        hwloc_bitmap_t cpus;
    } tally[FS_TEAM_OWNERS];
};

void fs_team_watch_free(struct fs_team_watch *watch); /* NULL is fine */

struct fs_teams {
    struct fs_table *table;
    int *domain; /* NUMA domain of each CPU, -1: none; NULL: fewer than two, or unknown */
    size_t domain_cpus;
    struct fs_rivals rivals;
    hwloc_bitmap_t scratch;
};

/* topology NULL: unknown. */
void fs_teams_open(struct fs_teams *teams, struct fs_table *table, hwloc_topology_t topology);
void fs_teams_close(struct fs_teams *teams);

/* Adds the sampler's last full sample. */
void fs_teams_sample(struct fs_teams *teams, const struct fs_sampler *sampler, int64_t now);

#endif
