/*
 * capture.h - copies what an audit reads of a running job, so that it can be looked at
 * elsewhere (captured.h tells the form).
 *
 * Whoever sends a capture shows what is in it: names, command lines and mapped files of the
 * job's processes and the names of those that started them; of environments the variables that
 * are looked for here, and no other; masks, times, limits and the topology.
 */
#ifndef FS_CAPTURE_H
#define FS_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copies the processes targets[0..count-1] and all their descendants, twice, window_ns apart,
 * into a directory that is there and empty. *processes gets their number. Returns 0, or -1 with
 * errno and a sentence in error.
 */
int fs_capture(const char *directory, const int *targets, size_t count, int64_t window_ns,
               size_t *processes, char *error, size_t error_size);

#endif
