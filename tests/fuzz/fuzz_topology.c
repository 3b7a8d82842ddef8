/* fuzz_topology.c - a text either is refused or gives a sound topology whose text is stable. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tracer/topology.h"

static hwloc_topology_t load(const char *text) {
    hwloc_topology_t topology;
    if (fs_topology_from_text(text, &topology)) return NULL;
    hwloc_topology_check(topology); /* asserts */
    return topology;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);
    hwloc_topology_t topology = text ? load(text) : NULL;
    free(text);
    if (!topology) return 0;
    char *first = fs_topology_text(topology);
    hwloc_topology_destroy(topology);
    topology = first ? load(first) : NULL;
    if (!topology) abort();
    hwloc_topology_destroy(topology);
    free(first);
    return 0;
}

uint8_t *fuzz_seed(unsigned number, size_t *size) {
    static const char *const texts[] = {
        "N0 U0", "N0 C0{U0 U1}", "P0{N0 L{C0{U0 U4}C1{U1 U5}}}P1{N1 L{C0{U2 U6}C1{U3 U7}}}",
        "G{N0 C0{U0}C1{U1}}G{N1 C2{U2}C3{U3}}", "N3 P0{D0{N0 L0{C0{U0}}}D1{N1 N2 L1{C1{U1}}}}"};
    if (number >= sizeof texts / sizeof texts[0]) return NULL;
    *size = strlen(texts[number]);
    return (uint8_t *)strdup(texts[number]);
}
