/* topology.c - see topology.h. */
#include "tracer/topology.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/digest.h"
#include "tracer/mask.h"

/* Keeps what rules and reports speak of; the text shrinks by two thirds. */
static void choose_objects(hwloc_topology_t topology) {
    hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
}

int fs_topology_discover(hwloc_topology_t *topology) {
    /* Some of these connect to a display server or wake a GPU; naming one that is not there
     * fails, which is as good. */
    static const char *const unwanted[] = {"gl",   "opencl",    "cuda", "nvml",
                                           "rsmi", "levelzero", "pci"};
    if (hwloc_topology_init(topology)) return -1;
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        hwloc_topology_set_components(*topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST,
                                      unwanted[i]);
    choose_objects(*topology);
    if (hwloc_topology_set_flags(*topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) ||
        hwloc_topology_load(*topology)) {
        hwloc_topology_destroy(*topology);
        *topology = NULL;
        return -1;
    }
    return 0;
}

void fs_topology_hash(const char *text, char hash[FS_TOPOLOGY_HASH_SIZE]) {
    uint64_t value = 0xcbf29ce484222325ull; /* FNV-1a */
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 0x100000001b3ull;
    snprintf(hash, FS_TOPOLOGY_HASH_SIZE, "%016" PRIx64, value);
}

int fs_topology_core_of(hwloc_topology_t topology, unsigned cpu) {
    hwloc_obj_t pu = topology ? hwloc_get_pu_obj_by_os_index(topology, cpu) : NULL;
    hwloc_obj_t core = pu ? hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu) : NULL;
    return core ? (int)core->logical_index : -1;
}

int fs_topology_cores(hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    if (!topology || !mask) return fs_mask_weight(mask);
    int cores = 0;
    hwloc_bitmap_t rest = hwloc_bitmap_dup(mask);
    if (!rest) return fs_mask_weight(mask);
    for (int cpu = hwloc_bitmap_first(rest); cpu >= 0; cpu = hwloc_bitmap_first(rest)) {
        const int core = fs_topology_core_of(topology, (unsigned)cpu);
        hwloc_obj_t object =
            core >= 0 ? hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)core) : NULL;
        hwloc_bitmap_clr(rest, (unsigned)cpu);
        if (object) hwloc_bitmap_andnot(rest, rest, object->cpuset);
        cores++;
    }
    hwloc_bitmap_free(rest);
    return cores;
}

int fs_topology_numa_nodes(hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    if (!topology || !mask) return FS_UNKNOWN;
    int nodes = 0;
    hwloc_obj_t node = NULL;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)))
        nodes += hwloc_bitmap_intersects(node->cpuset, mask);
    return nodes;
}

static int count_of(hwloc_topology_t topology, hwloc_obj_type_t type) {
    const int count = topology ? hwloc_get_nbobjs_by_type(topology, type) : 0;
    return count > 0 ? count : FS_UNKNOWN;
}

int fs_topology_total_cpus(hwloc_topology_t topology) {
    return count_of(topology, HWLOC_OBJ_PU);
}
int fs_topology_total_cores(hwloc_topology_t topology) {
    return count_of(topology, HWLOC_OBJ_CORE);
}
int fs_topology_total_numa_nodes(hwloc_topology_t topology) {
    return count_of(topology, HWLOC_OBJ_NUMANODE);
}

/* Whether every core that mask touches is in it with all its PUs. */
static bool whole_cores(hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    hwloc_obj_t core = NULL;
    while ((core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)))
        if (hwloc_bitmap_intersects(core->cpuset, mask) &&
            !hwloc_bitmap_isincluded(core->cpuset, mask))
            return false;
    return true;
}

static const char *plural(int count) {
    return count == 1 ? "" : "s";
}

char *fs_topology_shape(hwloc_topology_t topology, hwloc_const_bitmap_t mask, char *buffer,
                        size_t size) {
    const int cpus = fs_mask_weight(mask), cores = fs_topology_cores(topology, mask);
    if (!topology || cpus == 0)
        snprintf(buffer, size, "%d CPU%s", cpus, plural(cpus));
    else if (!whole_cores(topology, mask))
        snprintf(buffer, size, "%d hardware thread%s of %d core%s", cpus, plural(cpus), cores,
                 plural(cores));
    else if (cpus == cores)
        snprintf(buffer, size, "%d core%s", cores, plural(cores));
    else
        snprintf(buffer, size, "%d core%s, %d hardware threads", cores, plural(cores), cpus);
    return buffer;
}
