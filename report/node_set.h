/*
 * node_set.h - which of the job's nodes something is true of: a bit each, by their numbers.
 *
 * A node has as many numbers as it has records; its name tells that it is one.
 */
#ifndef FS_REPORT_NODE_SET_H
#define FS_REPORT_NODE_SET_H

#include "report/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_node_set {
    uint64_t *words; /* of an arena */
    size_t room;     /* words */
    size_t count;    /* nodes in it */
};

/* Adds node number `node`; without memory the arena knows. */
void fs_node_set_add(struct fs_arena *arena, struct fs_node_set *set, size_t node);
bool fs_node_set_has(const struct fs_node_set *set, size_t node);

/* How many nodes that are: different names. hosts are the names of all nodes, by number. */
size_t fs_node_set_names(struct fs_arena *arena, const struct fs_node_set *set,
                         const char *const *hosts);

/* The nodes as fs_hostlist tells them. */
const char *fs_node_set_hosts(struct fs_arena *arena, const struct fs_node_set *set,
                              const char *const *hosts, size_t limit, size_t *left_out);

/* The same for a person, in so many columns: "n[1-3] and 9 more". */
const char *fs_node_set_brief(struct fs_arena *arena, const struct fs_node_set *set,
                              const char *const *hosts, size_t columns);

#endif
