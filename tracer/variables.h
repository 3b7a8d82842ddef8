/*
 * variables.h - what is known of the variables that rules name: who reads them,
 * whether a value will be understood, which one a misspelt name means.
 */
#ifndef FS_VARIABLES_H
#define FS_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "preload/recorded_variables.h"
#include "tracer/digest_parts.h"

/* The recorded variables, in the order of the list; *count gets their number. */
const struct fsp_recorded_variable *fs_variables(size_t *count);

/* The recorded variable of that name (length bytes, no NUL needed); NULL: not recorded. */
const struct fsp_recorded_variable *fs_variable_find(const char *name, size_t length);

/* Whether the variable sizes or places a library's threads: what an exec must not lose. */
bool fs_variable_steers_threads(const struct fsp_recorded_variable *variable);

/* The value in a list of variables; NULL: the list has none of that name. */
const char *fs_variable_value(const struct fs_variable *list, size_t count, const char *name);

enum fs_variable_verdict { FS_VARIABLE_FINE, FS_VARIABLE_EMPTY, FS_VARIABLE_NOT_A_NUMBER };

/* Whether the libraries that read the variable will understand value. */
enum fs_variable_verdict fs_variable_judge(const struct fsp_recorded_variable *variable,
                                           const char *value);

/*
 * The variable that steers threads whose name is one edit away from name (a
 * character missing, too many, wrong, or two neighbours swapped). NULL: none, or
 * name is itself a recorded one. Whether that variable is unset is for the caller
 * to check: a set one was not misspelt.
 */
const struct fsp_recorded_variable *fs_variable_meant(const char *name, size_t length);

/* Whether one edit (as above) turns a into b; equal strings are none. */
bool fs_one_edit_apart(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
