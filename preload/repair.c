/*
 * repair.c - carries the recorder into environments that lost it.
 *
 * `env -i` or subprocess(env={}) would hide a whole subtree. What is needed is
 * copied at the start, for programs overwrite the strings of their environment
 * (setproctitle). The new array is built in memory of the exec hook, which
 * may run in the child of a vfork: no heap, and nothing of the application's
 * own environment is changed. Nobody has looked at the lists before the kernel
 * does, so they are read as given.h says.
 */
#include <unistd.h>

#include "preload/call.h"
#include "preload/given.h"
#include "preload/shim.h"
#include "preload/text.h"

static const char library[] = "libforksight.so"; /* file name, as it is installed */
#define PRELOAD "LD_PRELOAD="
#define FOLDER  FSP_ENV_DIR "="
#define FLAGS   FSP_ENV_FLAGS "="

enum { MOST_ENTRIES = 16384, ADDED_ENTRIES = 3, LONGEST_LIST = 1 << 17 };

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

/* False: it cannot be read, or is longer than is worth it. */
static bool look_through(char *const environment[], struct fsp_repair *repair) {
    struct fsp_given given = {{0}}, array = {{0}}; /* each pushes none of the other's pages out */

    for (char *const *entry = environment;; entry++, repair->entries++) {
        if (!fsp_given_there(&array, entry) || !fsp_given_there(&array, (char *)(entry + 1) - 1))
            return false;
        if (*entry == NULL) break;
        if (repair->entries == MOST_ENTRIES || !fsp_given_there(&given, *entry)) return false;
        if (repair->list == NULL && fsp_given_starts(&given, *entry, PRELOAD))
            repair->list = *entry + sizeof PRELOAD - 1;
        else if (repair->folder_lost && fsp_given_starts(&given, *entry, FOLDER))
            repair->folder_lost = false;
    }
    if (repair->list == NULL) return true;
    repair->list_length = fsp_given_length(&given, repair->list, LONGEST_LIST);
    return repair->list_length < LONGEST_LIST;
}

bool fsp_repair_needed(char *const environment[], struct fsp_repair *repair) {
    *repair = (struct fsp_repair){.folder_lost = true};
    if (!own.ready || !look_through(environment, repair)) return false;
    repair->preload_lost = lost_preload(repair->list);
    if (!repair->folder_lost && !repair->preload_lost) return false;
    repair->room = (repair->entries + ADDED_ENTRIES + 1) * sizeof(char *) +
                   (repair->list != NULL ? repair->list_length + sizeof own.preload + 1 : 0);
    return true;
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

char **fsp_repair(const struct fsp_repair *repair, char *const environment[], void *room) {
    struct fsp_given given = {{0}};
    char **repaired = room;
    size_t kept = 0;

    for (size_t i = 0; i < repair->entries; i++) {
        char *entry = environment[i];

        if (repair->preload_lost && repair->list != NULL &&
            entry + sizeof PRELOAD - 1 == repair->list)
            entry = merge(repair->list, (char *)(repaired + repair->entries + ADDED_ENTRIES + 1),
                          repair->list_length + sizeof own.preload + 1);
        else if (fsp_given_starts(&given, entry, FLAGS))
            continue;
        repaired[kept++] = entry;
    }
    if (repair->preload_lost && repair->list == NULL) repaired[kept++] = own.preload;
    if (repair->folder_lost) repaired[kept++] = own.folder;
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
