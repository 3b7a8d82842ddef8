/*
 * launch.h - what the application is started with: the shim and its environment.
 */
#ifndef FS_LAUNCH_H
#define FS_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Finds libforksight.so beside the forksight executable, in ../lib/forksight, or
 * where FORKSIGHT_PRELOAD says, and puts its absolute path into path. Returns 0,
 * or -1 with errno and a sentence in error (not found, or a path that
 * LD_PRELOAD cannot hold).
 */
int fs_preload_find(char *path, size_t size, char *error, size_t error_size);

/*
 * The environment of the application: the present one with the shim preloaded
 * (behind what LD_PRELOAD held: a sanitizer's runtime must come first, and other objects'
 * functions are called as without it) and told of the segment folder. `program` is what
 * will run, as typed: one built with the address sanitizer gets an option that lets
 * it start with a preloaded library. The caller frees the environment with fs_environment_free().
 * NULL: out of memory.
 */
char **fs_environment_make(const char *preload, const char *folder, bool repair_env,
                           const char *program);
void fs_environment_free(char **environment);

#endif
