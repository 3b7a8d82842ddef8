/*
 * libhpcrun.so.c - in the place of a profiler that is preloaded, and that takes itself out of
 * the environment so that only the program it was given is measured.
 * STAY set: it stays, and is in the children, too.
 */
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void start(void) {
    char *list = getenv("LD_PRELOAD"), *kept, *word, *rest = NULL;

    if (!list || getenv("STAY") || !(list = strdup(list))) return;
    kept = calloc(1, strlen(list) + 1);
    for (word = kept ? strtok_r(list, ":", &rest) : NULL; word; word = strtok_r(NULL, ":", &rest)) {
        if (strstr(word, "libhpcrun.so")) continue;
        if (*kept) strcat(kept, ":");
        strcat(kept, word);
    }
    if (kept) setenv("LD_PRELOAD", kept, 1);
    free(kept);
    free(list);
}
