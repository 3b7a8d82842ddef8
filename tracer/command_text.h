/*
 * command_text.h - an argv as one line that a shell would take, of bounded length.
 *
 * A line that is too long is cut and ends in "...", behind the last quote:
 *
 *   python3 fit.py --name 'a long na'...
 *
 * Nothing else ends so: a word that does is quoted.
 */
#ifndef FS_COMMAND_TEXT_H
#define FS_COMMAND_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { FS_COMMAND_MAX = 380 }; /* bytes */

/* The words of argv (NUL-terminated each, length bytes in all); line has FS_COMMAND_MAX + 1
 * bytes of room. */
void fs_command_text(const char *argv, size_t length, char *line);

/* Whether words or parts of them are missing: then nobody may run it, and another line like it may
 * be of another command. NULL is whole. */
bool fs_command_is_cut(const char *line);

#endif
