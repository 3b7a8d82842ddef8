/*
 * rdma.h - what the kernel says of memory that is registered with network cards.
 */
#ifndef FS_RDMA_H
#define FS_RDMA_H

#include <stddef.h>

/*
 * Whether the kernel copies registered pages at a fork, so that nobody need ask for fork
 * support: 1, or 0 when it does not say so. libibverbs asks the same question in the same
 * way, and takes silence for no.
 */
int fs_rdma_copies_on_fork(void);

/* That of an answer of the kernel (any bytes); for tests. */
int fs_rdma_copy_attribute(const void *answer, size_t size);

#endif
