/*
 * captured_topology.c - the topology of a captured machine (captured.h).
 *
 * hwloc believes what the kernel writes: it ends the process where that contradicts itself. So
 * it is asked in a child, which answers with the text of the topology.
 */
#include "tracer/captured.h"

#include "tracer/child_answer.h"
#include "tracer/clock.h"
#include "tracer/mask.h"
#include "tracer/topology.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CPUS_SIZE = 4096 };
static const int64_t patience = 20 * FS_SECOND;

/* Whether the files tell which CPUs there are: else hwloc makes up a machine. */
static bool has_cpus(const char *place) {
    char path[PATH_MAX], text[CPUS_SIZE];
    hwloc_bitmap_t online = hwloc_bitmap_alloc();
    ssize_t length = -1;

    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/online", place);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) length = read(file, text, sizeof text);
    if (file >= 0) close(file);
    bool told = online && length > 0 && fs_mask_parse(online, text, (size_t)length) == 0 &&
                !hwloc_bitmap_iszero(online);
    if (told)
        snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology", place,
                 hwloc_bitmap_first(online));
    told = told && access(path, R_OK) == 0;
    hwloc_bitmap_free(online);
    return told;
}

static void answer(FILE *out, void *context) {
    const char *place = context;
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    hwloc_topology_t topology;

    if (null >= 0) dup2(null, STDERR_FILENO); /* its complaints are for who made the files */
    setenv("HWLOC_FSROOT", place, 1);
    char *text = fs_topology_discover(&topology) == 0 ? fs_topology_text(topology) : NULL;
    if (text) fprintf(out, "%s\n", text);
}

hwloc_topology_t fs_captured_topology(const char *place) {
    char *text =
        has_cpus(place) ? fs_child_answer(answer, (void *)(uintptr_t)place, patience, NULL) : NULL;
    hwloc_topology_t topology = NULL;

    if (text) text[strcspn(text, "\n")] = '\0';
    if (text && fs_topology_from_text(text, &topology) != 0) topology = NULL;
    free(text);
    return topology;
}
