/* place_tally.c - see place_tally.h. */
#include "tracer/place_tally.h"

#include <stdlib.h>
#include <string.h>

struct fs_place_tally *fs_place_tally_of(struct fs_table *table, struct fs_place_tally **tallies,
                                         const struct fs_record *record, const char *executable,
                                         size_t size, bool *fresh) {
    const struct fs_site *site = fs_table_site(table, record->birth_site);
    struct fs_place_tally *tally = NULL;
    struct fs_place_key key;

    memset(&key, 0, sizeof key); /* the padding is hashed, too */
    key.executable = executable;
    if (site) {
        key.stack = site->stack;
        key.module = site->module;
        key.offset = site->offset;
    }
    HASH_FIND(hh, *tallies, &key, sizeof key, tally);
    *fresh = !tally;
    if (tally) return tally;
    tally = calloc(1, size);
    if (!tally) {
        table->lost++;
        return NULL;
    }
    tally->key = key;
    tally->site = record->birth_site;
    HASH_ADD(hh, *tallies, key, sizeof key, tally);
    return tally;
}

int fs_place_tallies_copy(const struct fs_place_tally *from, size_t size,
                          struct fs_place_tally **to) {
    for (; from; from = from->hh.next) {
        struct fs_place_tally *tally = malloc(size);
        if (!tally) return -1;
        memcpy(tally, from, size);
        HASH_ADD(hh, *to, key, sizeof tally->key, tally);
    }
    return 0;
}

void fs_place_tallies_free(struct fs_place_tally **tallies) {
    struct fs_place_tally *tally, *next;

    HASH_ITER(hh, *tallies, tally, next) {
        HASH_DEL(*tallies, tally);
        free(tally);
    }
}
