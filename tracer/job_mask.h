/*
 * job_mask.h - J: the CPUs that the job may use on a node.
 */
#ifndef FS_JOB_MASK_H
#define FS_JOB_MASK_H

#include <hwloc.h>

#define FS_JOB_MASK_GUESSED "slurm" /* as digest.mask_job_from */

/*
 * New: the CPUs that forksight started with, cut with those of its control group (cpuset,
 * NULL: unknown). A step of Slurm may have been bound to fewer than the `granted` that the
 * job has on the node (FS_UNKNOWN: not known); then as many as that, of which only the
 * number is certain but where the control group has just so many: first the other hardware
 * threads of the cores at hand, then the group's other CPUs, then the machine's, whole
 * cores each. topology NULL: no CPU is added. *from says which of these it was, a literal:
 * "mask", "cpuset", FS_JOB_MASK_GUESSED. NULL: no memory.
 */
hwloc_bitmap_t fs_job_mask(hwloc_const_bitmap_t start, hwloc_const_bitmap_t cpuset,
                           hwloc_topology_t topology, int granted, const char **from);

#endif
