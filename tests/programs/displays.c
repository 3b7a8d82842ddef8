/*
 * displays.c - has hwloc look for devices, as an MPI library does.
 *
 *   displays hwloc       hwloc alone
 *   displays client :7   ... in a program that opens that X display itself
 */
#include <hwloc.h>
#include <stdio.h>
#include <string.h>

void *XOpenDisplay(const char *name);

int main(int argc, char **argv) {
    hwloc_topology_t topology;

    if (argc > 2 && strcmp(argv[1], "client") == 0)
        printf("display %s\n", XOpenDisplay(argv[2]) ? "open" : "closed");
    if (hwloc_topology_init(&topology) < 0) return 1;
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) < 0) return 1;
    hwloc_topology_destroy(topology);
    puts("done");
    return 0;
}
