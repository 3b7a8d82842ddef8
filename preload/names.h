/*
 * names.h - the names of a list of functions as texts, found by number.
 *
 * A table of pointers would do, but the loader would relocate each of them at the start of
 * every program, and store into a page more.
 */
#ifndef FSP_NAMES_H
#define FSP_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define FSP_NAMES_ROOM(type, name, arguments) char name[sizeof #name];
#define FSP_NAMES_TEXT(type, name, arguments) #name,
#define FSP_NAMES_AT(type, name, arguments)   offsetof(struct names, name),

/* Defines name_at(i), the name of the i-th function of LIST (FSP_HOOKS or the like), and
 * NAMES, how many there are. Once in a file. */
#define FSP_NAMES(LIST) FSP_NAMES_BY(LIST, FSP_NAMES_ROOM, FSP_NAMES_TEXT, FSP_NAMES_AT)

/* The same for a list of another form: the other three take its elements to those above. */
#define FSP_NAMES_BY(LIST, ROOM, TEXT, AT)                                                         \
    static const struct names { LIST(ROOM) } names = {LIST(TEXT)};                                 \
    static const uint16_t names_at[] = {LIST(AT)};                                                 \
    enum { NAMES = sizeof names_at / sizeof *names_at };                                           \
    static const char *name_at(size_t i) {                                                         \
        return (const char *)&names + names_at[i];                                                 \
    }

#endif
