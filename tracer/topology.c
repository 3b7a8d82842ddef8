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

/* hwloc would say on stderr, which is the application's, what it cannot find out. */
static int load_silently(hwloc_topology_t topology) {
    static const char hide[] = "HWLOC_HIDE_ERRORS";
    const bool said = getenv(hide) != NULL;

    if (!said) setenv(hide, "2", 0);
    const int result = hwloc_topology_load(topology);
    if (!said) unsetenv(hide);
    return result;
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
        load_silently(*topology) != 0) {
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
