/*
 * topology.h - the node's processors.
 *
 * A topology holds the whole machine, also the CPUs that the job may not use, so
 * that any mask can be held against it: packages, NUMA nodes, last-level caches,
 * cores and PUs; no devices.
 */
#ifndef FS_TOPOLOGY_H
#define FS_TOPOLOGY_H

#include <hwloc.h>
#include <stddef.h>

/* Discovers this node. No display server, GPU or PCI bus is talked to. -1 with errno. */
int fs_topology_discover(hwloc_topology_t *topology);

/*
 * The topology's shape as text, allocated: one object after the other, outermost first,
 * a letter for its type and its OS number, what it holds in braces. A machine of two
 * cores with two hardware threads each: "P0{N0 L{C0{U0 U2}C1{U1 U3}}}" (P package, D die,
 * N NUMA node, L last-level cache, G group, C core, U PU). Sizes of memory and caches are
 * no part of it, so equal machines have equal texts.
 *
 * And back from such a text, however hostile: -1 with errno EBADMSG if it is none.
 */
char *fs_topology_text(hwloc_topology_t topology);
int fs_topology_from_text(const char *text, hwloc_topology_t *topology);

/* The name of a text (16 hexadecimal digits and NUL) by which equal ones are found. */
enum { FS_TOPOLOGY_HASH_SIZE = 17 };
void fs_topology_hash(const char *text, char hash[FS_TOPOLOGY_HASH_SIZE]);

/* All CPUs, cores and NUMA nodes of the machine; -1: unknown. */
int fs_topology_total_cpus(hwloc_topology_t topology);
int fs_topology_total_cores(hwloc_topology_t topology);
int fs_topology_total_numa_nodes(hwloc_topology_t topology);

#endif
