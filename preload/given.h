/*
 * given.h - memory that the application names to the kernel, read before the kernel was asked.
 *
 * execve((char *)8, ...) gives an error code and no crash, for nobody but the kernel looks at
 * that address. So where a hook looks first, it asks first. The question is a change of the
 * mask of blocked signals that makes no sense: the kernel reads the mask there and refuses.
 * 0.2 us a page; those of one call are asked about once.
 *
 * What libc itself reads (the name of setenv, the file of execvp) needs no question.
 */
#ifndef FSP_GIVEN_H
#define FSP_GIVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FSP_GIVEN_PAGES = 8 };
struct fsp_given {
    uintptr_t page[FSP_GIVEN_PAGES]; /* numbers of pages that can be read; zeros at first */
};

/* The byte at that address can be read. */
bool fsp_given_there(struct fsp_given *given, const void *at);

/* Bytes of a text before its end, or `most`; FSP_GIVEN_NOWHERE: it cannot be read. */
#define FSP_GIVEN_NOWHERE SIZE_MAX
size_t fsp_given_length(struct fsp_given *given, const char *text, size_t most);

/* False also when it cannot be read. */
bool fsp_given_starts(struct fsp_given *given, const char *text, const char *prefix);

/* The begin of a text in a field of `size` bytes, terminated; empty when it cannot be read. */
void fsp_given_copy(struct fsp_given *given, char *field, size_t size, const char *text);

/* The same with its end, of up to PATH_MAX bytes. */
void fsp_given_copy_tail(struct fsp_given *given, char *field, size_t size, const char *text);

#endif
