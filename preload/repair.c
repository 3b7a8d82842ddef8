/*
 * repair.c - carries the recorder into environments that lost it.
 *
 * `env -i` or subprocess(env={}) would hide a whole subtree. What is needed is
 * copied at the start, for programs overwrite the strings of their environment
 * (setproctitle). The new array is built on the stack of the exec hook, which
 * may run in the child of a vfork: no heap, and nothing of the application's
 * own environment is changed.
 */
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

static const char library[] = "libforksight.so"; /* file name, as it is installed */
#define PRELOAD "LD_PRELOAD="
#define FOLDER  FSP_ENV_DIR "="
#define FLAGS   FSP_ENV_FLAGS "="

enum { MOST_ENTRIES = 16384, ADDED_ENTRIES = 3 };

static struct {
    bool ready, first;                  /* first: our entry led the list at the start */
    char preload[sizeof PRELOAD + 512]; /* ends in our entry; empty: we came another way */
    char folder[sizeof FOLDER + 256];
    char flags[sizeof FLAGS + 12];
} own FSP_DATA;

static const char *own_entry(void) {
    return own.preload + fsp_length(PRELOAD);
}

static const char *find(char *const environment[], const char *prefix) {
    for (char *const *entry = environment; *entry != NULL; entry++)
        if (fsp_starts(*entry, prefix)) return *entry + fsp_length(prefix);
    return NULL;
}

static const char *word_start(const char *separators) {
    while (*separators == ' ' || *separators == ':')
        separators++;
    return separators;
}

static const char *word_end(const char *word) {
    while (*word != '\0' && *word != ' ' && *word != ':')
        word++;
    return word;
}

/* Is this entry in a list as of LD_PRELOAD? */
static bool listed(const char *list, const char *entry) {
    const size_t length = fsp_length(entry);

    for (const char *word = list; *word != '\0'; word = word_start(word)) {
        const char *end = word_end(word);

        if ((size_t)(end - word) == length && fsp_same(word, entry, length)) return true;
        word = end;
    }
    return false;
}

/* The word of the list that names this object; NULL: there is none. */
static const char *own_word(const char *list) {
    const size_t length = sizeof library - 1;

    for (const char *word = list; *word != '\0'; word = word_start(word)) {
        const char *end = word_end(word);

        if ((size_t)(end - word) >= length && fsp_same(end - length, library, length)) return word;
        word = end;
    }
    return NULL;
}

static void find_own_entry(const char *list) {
    const char *word = own_word(list);
    struct fsp_text text = {.buffer = own.preload, .size = sizeof own.preload};

    if (word == NULL) return;
    fsp_text_string(&text, PRELOAD);
    fsp_text_bytes(&text, word, (size_t)(word_end(word) - word));
    if (!fsp_text_fits(&text)) own.preload[sizeof PRELOAD - 1] = '\0';
    own.first = word == list;
}

void fsp_repair_prepare(char *const environment[], const char *folder, unsigned flags) {
    const char *list = find(environment, PRELOAD);
    struct fsp_text text = {.buffer = own.flags, .size = sizeof own.flags};
    struct fsp_text where = {.buffer = own.folder, .size = sizeof own.folder};

    fsp_text_copy(own.preload, sizeof own.preload, PRELOAD);
    if (list != NULL) find_own_entry(list);
    fsp_text_string(&where, FOLDER);
    fsp_text_string(&where, folder);
    fsp_text_string(&text, FLAGS);
    fsp_text_number(&text, flags | FSP_FLAG_REPAIRED);
    own.ready = fsp_text_fits(&where) && fsp_text_fits(&text);
}

static bool lost_preload(const char *list) {
    return own_entry()[0] != '\0' && (list == NULL || !listed(list, own_entry()));
}

size_t fsp_repair_room(char *const environment[]) {
    const char *list;
    size_t count = 0;

    if (!own.ready || environment == NULL) return 0;
    list = find(environment, PRELOAD);
    if (find(environment, FOLDER) != NULL && !lost_preload(list)) return 0;
    while (count < MOST_ENTRIES && environment[count] != NULL)
        count++;
    if (count == MOST_ENTRIES) return 0;
    return (count + ADDED_ENTRIES + 1) * sizeof(char *) +
           (list != NULL ? fsp_length(list) + sizeof own.preload + 1 : 0);
}

/* Our entry beside those that are there, at the end where it was at the start. */
static char *merge(const char *list, char *buffer, size_t size) {
    struct fsp_text text = {.buffer = buffer, .size = size};
    const bool empty = *list == '\0';

    fsp_text_string(&text, PRELOAD);
    if (own.first) fsp_text_string(&text, own_entry());
    if (own.first && !empty) fsp_text_string(&text, ":");
    fsp_text_string(&text, list);
    if (!own.first && !empty) fsp_text_string(&text, ":");
    if (!own.first) fsp_text_string(&text, own_entry());
    return buffer;
}

char **fsp_repair(char *const environment[], void *room) {
    const char *list = find(environment, PRELOAD);
    const bool preload = lost_preload(list), folder = find(environment, FOLDER) == NULL;
    char **repaired = room;
    size_t count = 0, kept = 0;

    while (environment[count] != NULL)
        count++;
    for (size_t i = 0; i < count; i++) {
        char *entry = environment[i];

        if (preload && list != NULL && entry + fsp_length(PRELOAD) == list)
            entry = merge(list, (char *)(repaired + count + ADDED_ENTRIES + 1),
                          fsp_length(list) + sizeof own.preload + 1);
        else if (fsp_starts(entry, FLAGS))
            continue;
        repaired[kept++] = entry;
    }
    if (preload && list == NULL) repaired[kept++] = own.preload;
    if (folder) repaired[kept++] = own.folder;
    repaired[kept++] = own.flags;
    repaired[kept] = NULL;
    return repaired;
}

/* ---- the opposite ---- */

bool fsp_in_sight(void) {
    const char *list = environ != NULL ? find(environ, PRELOAD) : NULL;
    const char *word = list != NULL ? own_word(list) : NULL;
    char path[FSP_PATH_MAX];
    struct fsp_text text = {.buffer = path, .size = sizeof path};

    if (word == NULL) return true; /* nobody will look for it */
    fsp_text_bytes(&text, word, (size_t)(word_end(word) - word));
    return !fsp_text_fits(&text) || fsp_call(SYS_faccessat, AT_FDCWD, (long)path, R_OK, 0) == 0;
}

/* In place, where other functions of this process will read it, too: a longer text is not
 * needed. */
void fsp_withdraw(void) {
    char *list = environ != NULL ? (char *)find(environ, PRELOAD) : NULL;
    char *folder = environ != NULL ? (char *)find(environ, FOLDER) : NULL;
    char *word = list != NULL ? (char *)own_word(list) : NULL;

    own.ready = false;
    if (folder != NULL && *folder != '\0') *folder = '\0';
    if (word == NULL) return;
    const char *rest = word_start(word_end(word));
    if (*rest == '\0')
        while (word > list && (word[-1] == ' ' || word[-1] == ':'))
            word--;
    fsp_copy(word, rest, fsp_length(rest) + 1);
}
