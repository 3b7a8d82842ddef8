/*
 * thread_libraries.h - thread libraries: their names and the variables that steer them.
 */
#ifndef FS_REPORT_THREAD_LIBRARIES_H
#define FS_REPORT_THREAD_LIBRARIES_H

#include "report/arena.h"
#include "report/model.h"

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

/* --- libraries of a program --- */

/* The program that the workers of a load run, with its thread libraries; NULL: they have none,
 * or they are not known. Of several kinds of workers the one with most CPU time. */
const struct fs_thread_program *fs_load_program(const struct fs_load *load);

/* The first library of the program that is of one of the families; NULL: none. */
const struct fs_thread_library *fs_program_library(const struct fs_thread_program *program,
                                                   uint32_t families);

/* Whether threads of its libraries were started, but it is not known what they did. */
bool fs_teams_unsampled(const struct fs_thread_program *program);

/* Whether the workers' busy threads are those of an MPI, or of a library and hardly worked: a pool
 * spins for a moment when it starts, also when a call (threadpoolctl) holds the teams to one
 * thread. */
bool fs_threads_only_spun(const struct fs_load *load);

/* Whose threads a library works with: its own, or those of the runtime that it was built
 * for; NULL: that one is not there. */
const struct fs_thread_library *fs_library_threads(const struct fs_thread_program *program,
                                                   const struct fs_thread_library *library);

/* A variable as the library read it; NULL: unset. */
const char *fs_library_read(const struct fs_thread_library *library, const char *name);

/* The number in the value of a thread variable; FS_UNKNOWN: there is none. */
int fs_thread_count(const char *value);

/* The variable that sized the library's teams; NULL: none did. */
const char *fs_library_sized_by(const struct fs_thread_library *library);

/* Threads of a team, as the variables that the library read or the CPUs of the process say.
 * FS_UNKNOWN. The library was not asked. */
int fs_library_pool(const struct fs_thread_program *program,
                    const struct fs_thread_library *library);

/* "OpenBLAS 0.3.21 (openmp build)", "libgomp". */
const char *fs_library_label(struct fs_arena *arena, const struct fs_thread_library *library);

#endif
