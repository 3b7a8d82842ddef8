/*
 * environment.c - recorded variables at the start, and who changes them later.
 *
 * Normal code. Only names of recorded_variables.h are looked at; everything else
 * in an environment is the user's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/recorded_variables.h"
#include "preload/shim.h"
#include "preload/text.h"

enum { NAME_MAX_LENGTH = 39 };

/* The names lie in the table: pointers to them would be relocated at every exec. */
static const struct {
    uint8_t length;
    char name[NAME_MAX_LENGTH];
} recorded[] = {
#define ENTRY(name, what, value, libraries) {sizeof #name - 1, #name},
    FSP_RECORDED_VARIABLES(ENTRY)
#undef ENTRY
};
enum { RECORDED = sizeof recorded / sizeof *recorded };

/* Bytes up to '=' or the end; NAME_MAX_LENGTH: more than any recorded name has. */
static size_t name_length(const char *text) {
    size_t length = 0;

    while (length < NAME_MAX_LENGTH && text[length] != '\0' && text[length] != '=') {
        length++;
        FSP_PLAIN_LOOP();
    }
    return length;
}

/* Is the text up to '=' (or its end) a recorded name? */
static bool is_recorded(const char *text) {
    const size_t length = name_length(text);

    for (unsigned i = 0; i < RECORDED; i++)
        if (recorded[i].length == length && recorded[i].name[0] == *text &&
            fsp_same(recorded[i].name, text, length))
            return true;
    return false;
}

/* By first letter: which lengths recorded names have, a bit each. Most names of an environment
 * are told from all recorded ones by these two, without a look at the table. */
struct filter {
    uint64_t lengths['Z' - 'A' + 1];
};

static void make_filter(struct filter *filter) {
    fsp_clear(filter, sizeof *filter);
    for (unsigned i = 0; i < RECORDED; i++)
        filter->lengths[recorded[i].name[0] - 'A'] |= 1ull << recorded[i].length;
}

static bool passes(const struct filter *filter, const char *text) {
    return *text >= 'A' && *text <= 'Z' &&
           (filter->lengths[*text - 'A'] >> name_length(text) & 1) != 0;
}

void fsp_environment_record(struct fsp_header *header, char *const environment[]) {
    struct fsp_text text = {.buffer = header->environment, .size = sizeof header->environment};
    struct filter filter;

    make_filter(&filter);
    for (char *const *entry = environment; entry != NULL && *entry != NULL; entry++)
        if (passes(&filter, *entry) && is_recorded(*entry))
            fsp_text_bytes(&text, *entry, fsp_length(*entry) + 1);
    header->env_length = (uint32_t)text.length;
}

static bool is_set(const char *name) {
    const size_t length = fsp_length(name);

    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (fsp_starts(*entry, name) && (*entry)[length] == '=') return true;
    return false;
}

/* Whether a change is to be recorded; then what is loaded is noted before it. */
static bool is_change(const char *text) {
    const int error = errno;

    if (text == NULL || !is_recorded(text) || !fsp_ready()) return false;
    fsp_libraries_note(fsp_now());
    fsp_keep_errno(error);
    return true;
}

static void note_set(const char *name, const char *value, const void *caller) {
    const int error = errno;
    struct fsp_event event = {.kind = FSP_EVENT_SETENV, .site = fsp_site_call(caller)};
    struct fsp_text text = {.buffer = event.text, .size = sizeof event.text};

    fsp_text_string(&text, name);
    if (value != NULL) fsp_text_string(&text, "=");
    if (value != NULL) fsp_text_string(&text, value);
    fsp_event(event);
    fsp_keep_errno(error);
}

static void note_unset(const char *name, const void *caller) {
    const int error = errno;

    fsp_event_text(FSP_EVENT_UNSETENV, 0, fsp_site_call(caller), name);
    fsp_keep_errno(error);
}

FSP_EXPORT int setenv(const char *name, const char *value, int overwrite) {
    const bool change = is_change(name) && (overwrite != 0 || !is_set(name));
    const int result = FSP_REAL(setenv)(name, value, overwrite);

    if (result == 0 && change) note_set(name, value, __builtin_return_address(0));
    return result;
}

/* The application's string stays its own; without '=' libc removes the name. */
FSP_EXPORT int putenv(char *string) {
    const bool change = is_change(string);
    const int result = FSP_REAL(putenv)(string);

    if (result == 0 && change) {
        if (fsp_find(string, "=") != NULL)
            note_set(string, NULL, __builtin_return_address(0));
        else
            note_unset(string, __builtin_return_address(0));
    }
    return result;
}

FSP_EXPORT int unsetenv(const char *name) {
    const bool change = is_change(name);
    const int result = FSP_REAL(unsetenv)(name);

    if (result == 0 && change) note_unset(name, __builtin_return_address(0));
    return result;
}

FSP_EXPORT int clearenv(void) {
    const int result = FSP_REAL(clearenv)();

    if (result == 0 && fsp_ready()) note_unset("", __builtin_return_address(0));
    return result;
}
