/*
 * siblings.h - hardware threads of one core that were busy at one time while other cores
 * of the job were idle.
 *
 * Which CPUs run busy threads of the job is known from the sample. Whether the other
 * cores are idle is not: other users may be there. So the kernel's own counters of idle
 * time are asked, but only while two threads of one core are busy; a machine without
 * hardware threads, and a job that has no core to spare, are never asked.
 */
#ifndef FS_SIBLINGS_H
#define FS_SIBLINGS_H

#include "tracer/digest_placement.h"
#include "tracer/sampler.h"

#include <hwloc.h>

struct fs_siblings_watch {
    hwloc_bitmap_t *cores; /* CPUs of each core of the machine; NULL: no core has two */
    size_t core_count;
    size_t cpu_room;
    int64_t *idle_ticks; /* by CPU, at t_ticks */
    char *text;          /* of /proc/stat */
    size_t text_size;
    int64_t t_ticks; /* FS_UNKNOWN: not read in the sample before */
    struct fs_siblings facts;
};

/* topology may be NULL. Without memory nothing is watched. */
void fs_siblings_open(struct fs_siblings_watch *watch, hwloc_topology_t topology);
void fs_siblings_close(struct fs_siblings_watch *watch);

/* After a full sample; allowed: CPUs that the job may use. */
void fs_siblings_sample(struct fs_siblings_watch *watch, const struct fs_sampler *sampler,
                        hwloc_const_bitmap_t allowed, int64_t now);

/* Copies the facts; -1 with errno ENOMEM. */
int fs_siblings_evaluate(const struct fs_siblings_watch *watch, struct fs_siblings *facts);

/* The idle time, in ticks, of every CPU below count in the text of /proc/stat; FS_UNKNOWN for
 * those that it does not name. */
void fs_idle_ticks(const char *text, int64_t *ticks, size_t count);

#endif
