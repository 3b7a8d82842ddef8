/* text.c - see text.h. */
#include "tracer/text.h"

#include <string.h>

bool fs_same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

char *fs_copy_text(const char *text) {
    return text ? strdup(text) : NULL;
}

bool fs_text_is(const char *text, size_t length, const char *word) {
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

const char *fs_file_name(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
