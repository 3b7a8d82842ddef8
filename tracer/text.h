/*
 * text.h - what many files ask of texts and names.
 */
#ifndef FS_TEXT_H
#define FS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Either may be NULL, which is like NULL only. */
bool fs_same_text(const char *a, const char *b);

/* For the caller to free; NULL for NULL, or without memory. */
char *fs_copy_text(const char *text);

/* Whether the first length bytes of text, which need not end there, are that word. */
bool fs_text_is(const char *text, size_t length, const char *word);

static inline bool fs_begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What follows the last slash; all of it without one. */
const char *fs_file_name(const char *path);

#endif
