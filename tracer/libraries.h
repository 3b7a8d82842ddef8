/*
 * libraries.h - which library family a mapped object belongs to (enum fsp_library).
 */
#ifndef FS_LIBRARIES_H
#define FS_LIBRARIES_H

#include <stdbool.h>
#include <stdint.h>

/* The family bits of an object by its path: Debian's libopenblas.so.0, a wheel's
 * libgomp-a34b3233.so.1, numexpr's extension modules ... 0: none. */
uint32_t fs_library_of(const char *path);

/* The name that users know a family by ("libgomp", "OpenBLAS"); NULL: not one bit. */
const char *fs_library_name(uint32_t bit);

/* --- how a family sizes its teams --- */

enum fs_pool_default {                  /* without a variable a team has */
                       FS_POOL_UNKNOWN, /* ... what forksight cannot tell */
                       FS_POOL_MASK,    /* a thread for every CPU of the process */
                       FS_POOL_ONE,
};

/*
 * The recorded variables that size the teams of a family, the one that outranks the
 * others first, NULL at the end. build: as in struct fs_thread_library; one that leaves
 * the threads to an OpenMP runtime reads what that one reads. Never NULL.
 */
const char *const *fs_library_sizing(uint32_t family, const char *build);
bool fs_library_is_sized_by(uint32_t family, const char *build, const char *name);

enum fs_pool_default fs_library_default(uint32_t family);

/* Whether the family reads its variables when it is loaded. The others do at their first
 * use, which is no later than their first thread. */
bool fs_library_reads_at_load(uint32_t family);

/* Whether build is one that has an OpenMP runtime make its threads. */
bool fs_build_is_openmp(const char *build);

#endif
