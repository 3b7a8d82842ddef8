/*
 * text.h - bounded strings without stdio, for code that runs in other programs.
 *
 * Without libc's string functions too: what runs at the start of every tiny
 * program would fault in a page of libc's code for each of them, which costs more
 * than the few bytes that it looks at. The empty statements keep the compiler from
 * seeing the loops as calls of those functions.
 */
#ifndef FSP_TEXT_H
#define FSP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FSP_PLAIN_LOOP() __asm__ volatile("" ::: "memory")

static inline size_t fsp_length(const char *string) {
    size_t length = 0;

    while (string[length] != '\0') {
        length++;
        FSP_PLAIN_LOOP();
    }
    return length;
}

static inline void fsp_copy(char *to, const char *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        FSP_PLAIN_LOOP();
    }
}

static inline bool fsp_same(const char *a, const char *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) return false;
        FSP_PLAIN_LOOP();
    }
    return true;
}

static inline bool fsp_starts(const char *text, const char *prefix) {
    while (*prefix != '\0') {
        if (*text++ != *prefix++) return false;
        FSP_PLAIN_LOOP();
    }
    return true;
}

static inline const char *fsp_find(const char *text, const char *part) {
    for (; *text != '\0'; text++)
        if (fsp_starts(text, part)) return text;
    return NULL;
}

/* Zeroes whole words. */
static inline void fsp_clear(void *to, size_t bytes) {
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
        ((uint64_t *)to)[i] = 0;
        FSP_PLAIN_LOOP();
    }
}

/* A text under construction. `length` counts what was asked for and may pass
 * `size`; the buffer holds at most size - 1 bytes and is always terminated. */
struct fsp_text {
    char *buffer;
    size_t size, length;
};

static inline void fsp_text_bytes(struct fsp_text *text, const char *bytes, size_t count) {
    if (text->length + 1 < text->size) {
        const size_t room = text->size - 1 - text->length, kept = count < room ? count : room;

        fsp_copy(text->buffer + text->length, bytes, kept);
        text->buffer[text->length + kept] = '\0';
    }
    text->length += count;
}

static inline void fsp_text_string(struct fsp_text *text, const char *string) {
    fsp_text_bytes(text, string, fsp_length(string));
}

static inline void fsp_text_number(struct fsp_text *text, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    fsp_text_bytes(text, digits + at, sizeof digits - at);
}

static inline bool fsp_text_fits(const struct fsp_text *text) {
    return text->length < text->size;
}

/* Copies string into a field of `size` bytes, cut and terminated. */
static inline void fsp_text_copy(char *field, size_t size, const char *string) {
    struct fsp_text text = {.buffer = field, .size = size};

    fsp_text_string(&text, string);
}

/* As fsp_text_copy, but of a long string the end is kept. */
static inline void fsp_text_copy_tail(char *field, size_t size, const char *string) {
    const size_t length = fsp_length(string);

    fsp_text_copy(field, size, length < size ? string : string + length - (size - 1));
}

static inline const char *fsp_text_basename(const char *path) {
    const char *name = path;

    for (; *path != '\0'; path++)
        if (*path == '/') name = path + 1;
    return name;
}

#endif
