/*
 * output.h - files that the reporter writes.
 */
#ifndef FS_REPORT_OUTPUT_H
#define FS_REPORT_OUTPUT_H

#include <stdio.h>

/*
 * Calls write with a stream for path. A file appears under its name whole or not at all,
 * with the permissions that the umask leaves; what exists and is no file (a device, a
 * pipe) is written to as it is. Returns 0; else -1 with errno, and what was there before
 * is still there.
 */
int fs_output_write(const char *path, int (*write)(FILE *out, void *data), void *data);

/* "cannot write '...': why", for errno. */
void fs_output_error(const char *path, char *error, size_t error_size);

#endif
