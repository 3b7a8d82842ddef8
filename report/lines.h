/*
 * lines.h - files of settings: a line each, # starts a comment.
 */
#ifndef FS_REPORT_LINES_H
#define FS_REPORT_LINES_H

#include <stddef.h>

/* One line, trimmed and not empty, which may be changed. Returns 0, or -1 with a text in error. */
typedef int fs_line_reader(char *line, void *context, char *error, size_t error_size);

/* Calls read for each line of path. Returns 0, or -1 with one line in error, which names the
 * file and the line. */
int fs_lines_read(const char *path, fs_line_reader *read, void *context, char *error,
                  size_t error_size);

/* text without the white space around it, which is cut off its end in place. */
char *fs_trim(char *text);

#endif
