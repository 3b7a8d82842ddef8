/*
 * hostlist.h - names of hosts in the short form of Slurm: nid0[4411-4412,4420],login1.
 *
 * Only the last number of a name's first label is counted up, and only names that are alike
 * but for it share brackets. Zeros in front are part of a name: n[08-11] are n08 to n11. Those
 * that all names of one pair of brackets have stand before it.
 */
#ifndef FS_REPORT_HOSTLIST_H
#define FS_REPORT_HOSTLIST_H

#include "report/arena.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The list of all hosts, each once, in an order that depends on their names alone. What would
 * make it longer than limit bytes is left out, whole ranges at a time, and *left_out says how
 * many hosts that is. Never NULL; "" for no host.
 */
const char *fs_hostlist(struct fs_arena *arena, const char *const *hosts, size_t count,
                        size_t limit, size_t *left_out);

/* The same for a person, in about so many columns: "n[1-7] and 4 more", or how many there are. */
const char *fs_hostlist_brief(struct fs_arena *arena, const char *const *hosts, size_t count,
                              size_t columns);

/* Sorts names by their bytes, each once; returns how many there are then. */
size_t fs_hosts_sort(const char **hosts, size_t count);
bool fs_hosts_have(const char *const *sorted, size_t count, const char *host);

#endif
