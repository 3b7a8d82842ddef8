/* job_mask.c - see job_mask.h. */
#include "tracer/job_mask.h"

#include "tracer/mask.h"

#include <stdbool.h>

/* Adds CPUs of `within` core by core until `granted` are in mask; beside: not NULL, only of
 * cores that touch it. */
static void widen(hwloc_bitmap_t mask, hwloc_topology_t topology, hwloc_const_bitmap_t within,
                  hwloc_const_bitmap_t beside, int granted) {
    const bool cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0;
    const hwloc_obj_type_t type = cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    hwloc_obj_t object = NULL;
    unsigned cpu;

    while ((object = hwloc_get_next_obj_by_type(topology, type, object)) != NULL) {
        if (beside && !hwloc_bitmap_intersects(object->cpuset, beside)) continue;
        hwloc_bitmap_foreach_begin(cpu, object->cpuset) {
            if (fs_mask_weight(mask) >= granted) return;
            if (hwloc_bitmap_isset(within, cpu)) hwloc_bitmap_set(mask, cpu);
        }
        hwloc_bitmap_foreach_end();
    }
}

hwloc_bitmap_t fs_job_mask(hwloc_const_bitmap_t start, hwloc_const_bitmap_t cpuset,
                           hwloc_topology_t topology, int granted, const char **from) {
    hwloc_bitmap_t mask = hwloc_bitmap_dup(start);
    const bool grouped =
        mask && cpuset && !hwloc_bitmap_iszero(cpuset) && hwloc_bitmap_intersects(mask, cpuset);

    *from = "mask";
    if (grouped && !hwloc_bitmap_isincluded(mask, cpuset)) {
        hwloc_bitmap_and(mask, mask, cpuset);
        *from = "cpuset";
    }
    if (!mask || !topology || granted <= fs_mask_weight(mask)) return mask;
    hwloc_const_bitmap_t all = hwloc_topology_get_topology_cpuset(topology);
    hwloc_const_bitmap_t group = grouped ? cpuset : all;
    if (grouped && fs_mask_weight(cpuset) == granted) {
        hwloc_bitmap_copy(mask, cpuset);
        *from = "cpuset";
        return mask;
    }
    widen(mask, topology, group, start, granted);
    widen(mask, topology, group, NULL, granted);
    widen(mask, topology, all, NULL, granted);
    *from = FS_JOB_MASK_GUESSED;
    return mask;
}
