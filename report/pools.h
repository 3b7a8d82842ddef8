/*
 * pools.h - a multiprocessing.Pool from outside, by the stacks of its processes.
 */
#ifndef FS_REPORT_POOLS_H
#define FS_REPORT_POOLS_H

#include "tracer/digest.h"

enum fs_pool_wait {
    FS_POOL_NOT,      /* its parent does not wait for a result of the pool, or somebody works */
    FS_POOL_UNTOLD,   /* a stack that would tell was not read */
    FS_POOL_FORSAKEN, /* its parent waits for a result, nothing is queued, and no worker has a task:
                         nobody will make that result */
};

/* How the parent of a group of Python workers waits. *looked: workers whose stacks were read. */
enum fs_pool_wait fs_pool_wait(const struct fs_digest *digest, const struct fs_group *group,
                               int *looked);

#endif
