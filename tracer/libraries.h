/*
 * libraries.h - which library family a mapped object belongs to (enum fsp_library).
 */
#ifndef FS_LIBRARIES_H
#define FS_LIBRARIES_H

#include <stdint.h>

/* The family bits of an object by its path: Debian's libopenblas.so.0, a wheel's
 * libgomp-a34b3233.so.1, numexpr's extension modules ... 0: none. */
uint32_t fs_library_of(const char *path);

/* The name that users know a family by ("libgomp", "OpenBLAS"); NULL: not one bit. */
const char *fs_library_name(uint32_t bit);

#endif
