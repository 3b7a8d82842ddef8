/*
 * classes.h - like workers over all nodes of a job: made by the same line of the program, and
 * with masks of the same shape. So a million workers are a few lines, and what differs is told
 * by its nodes.
 */
#ifndef FS_REPORT_CLASSES_H
#define FS_REPORT_CLASSES_H

#include "report/model.h"
#include "report/node_set.h"

#include <stddef.h>

enum { FS_CLASSES_MAX = 4096 };

struct fs_class {
    enum fs_group_kind kind;
    enum fs_ignored ignored;
    const char *executable, *parent_executable; /* NULL: unknown */
    struct fs_place site;
    int masks;       /* different masks of a node's workers; FS_UNKNOWN */
    int cores, cpus; /* of the union of these masks; FS_UNKNOWN */

    long workers;
    int groups;
    struct fs_node_set nodes;
    struct fs_spread worker_cpu_ns; /* quantiles of one group only, else FS_UNKNOWN */

    const char *example_host; /* of the first group, and what was measured of it */
    int example_workers, example_cpus, example_cores, example_threads;
    double example_wait, example_use;
};

struct fs_classes {
    struct fs_class **list; /* in the order in which they came */
    size_t count, room;
    struct fs_class_entry *table; /* uthash */
    long other_workers;           /* of groups for which there was no class left */
};

/* Adds the groups of a node, number `number`. Returns 0, or -1 with errno ENOMEM. */
int fs_classes_add(struct fs_classes *classes, struct fs_arena *arena, const struct fs_node *node,
                   size_t number);

/* Sorts the list: most workers first, and by their texts where these are equal. */
void fs_classes_sort(struct fs_classes *classes);
void fs_classes_free(struct fs_classes *classes); /* but for what is the arena's */

#endif
