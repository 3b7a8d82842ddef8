/*
 * thread_libraries.h - thread libraries: their names and the variables that steer them.
 */
#ifndef FS_REPORT_THREAD_LIBRARIES_H
#define FS_REPORT_THREAD_LIBRARIES_H

#include "report/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* The libraries (bits of enum fsp_library) that read the variable; 0: none known. */
uint32_t fs_variable_readers(const char *name);

/* Names of the bits of libraries, "OpenBLAS, libgomp"; "no known library" for none. */
const char *fs_library_names(struct fs_arena *arena, uint32_t libraries);

/* Is the path of a shared object that of an OpenMP runtime? */
bool fs_is_openmp_runtime(const char *path);

/*
 * The variable that makes an OpenMP runtime bind its threads, or NULL; value_of gives a
 * variable's value in the environment (NULL: unset). OMP_PROC_BIND=false switches binding
 * off whatever the places say.
 */
const char *fs_binding_variable(const char *(*value_of)(const void *environment, const char *name),
                                const void *environment);

/*
 * The export line that gives every worker count threads, whatever libraries it uses:
 * the general variable, and those of the libraries that were seen.
 */
const char *fs_threads_export(struct fs_arena *arena, uint32_t libraries, int count);

#endif
