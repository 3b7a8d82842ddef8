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
_Static_assert(RECORDED < UINT8_MAX, "numbers of names fit a byte");

/* Bytes up to '=' or the end; NAME_MAX_LENGTH: more than any recorded name has. */
static size_t name_length(const char *text) {
    size_t length = 0;

    while (length < NAME_MAX_LENGTH && text[length] != '\0' && text[length] != '=') {
        length++;
        FSP_PLAIN_LOOP();
    }
    return length;
}

/* By first letter: what second letters recorded names have, a bit each, and these names, one
 * after the other. Most names of an environment are told from all recorded ones by the letters
 * alone. Made at the start. */
enum { LETTERS = 'Z' - 'A' + 1 };
static struct {
    uint32_t second[LETTERS];
    uint8_t first[LETTERS], next[RECORDED]; /* 1 and more: number in the table, from 1 on */
} names FSP_DATA;

static uint32_t bit_of(char letter) {
    return 1u << ((unsigned char)letter & 31);
}

static void order_names(void) {
    for (unsigned i = RECORDED; i-- > 0;) {
        const unsigned letter = (unsigned)(recorded[i].name[0] - 'A');

        names.second[letter] |= bit_of(recorded[i].name[1]);
        names.next[i] = names.first[letter];
        names.first[letter] = (uint8_t)(i + 1);
    }
}

/* Is the text up to '=' (or its end) a recorded name? */
static bool is_recorded(const char *text) {
    size_t length;

    if (*text < 'A' || *text > 'Z' || (names.second[*text - 'A'] & bit_of(text[1])) == 0)
        return false;
    length = name_length(text);
    for (unsigned i = names.first[*text - 'A']; i != 0; i = names.next[i - 1])
        if (recorded[i - 1].length == length && fsp_same(recorded[i - 1].name, text, length))
            return true;
    return false;
}

void fsp_environment_record(struct fsp_header *header, char *const environment[]) {
    struct fsp_text text = {.buffer = header->environment, .size = sizeof header->environment};

    order_names();
    for (char *const *entry = environment; entry != NULL && *entry != NULL; entry++)
        if (is_recorded(*entry)) fsp_text_bytes(&text, *entry, fsp_length(*entry) + 1);
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

    if (text == NULL || !fsp_ready() || !is_recorded(text)) return false;
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
