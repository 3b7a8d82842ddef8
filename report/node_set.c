#include "report/node_set.h"

#include "report/hostlist.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

static bool make_room(struct fs_arena *arena, struct fs_node_set *set, size_t words) {
    if (words <= set->room) return true;
    size_t room = set->room ? set->room : 4;
    while (room < words)
        room *= 2;
    uint64_t *grown = fs_arena_alloc(arena, room * sizeof *grown);
    if (!grown) return false;
    if (set->room > 0) memcpy(grown, set->words, set->room * sizeof *grown);
    set->words = grown;
    set->room = room;
    return true;
}

void fs_node_set_add(struct fs_arena *arena, struct fs_node_set *set, size_t node) {
    const uint64_t bit = UINT64_C(1) << node % WORD_BITS;
    if (!make_room(arena, set, node / WORD_BITS + 1)) return;
    set->count += !(set->words[node / WORD_BITS] & bit);
    set->words[node / WORD_BITS] |= bit;
}

bool fs_node_set_has(const struct fs_node_set *set, size_t node) {
    return node / WORD_BITS < set->room && set->words[node / WORD_BITS] >> node % WORD_BITS & 1;
}

/* The names of the nodes, as often as they have records; NULL: no memory. */
static const char **names_of(struct fs_arena *arena, const struct fs_node_set *set,
                             const char *const *hosts, size_t *count) {
    const char **names = fs_arena_alloc(arena, (set->count + 1) * sizeof *names);
    *count = 0;
    for (size_t node = 0; names && node < set->room * WORD_BITS && *count < set->count; node++)
        if (fs_node_set_has(set, node)) names[(*count)++] = hosts[node];
    return names;
}

size_t fs_node_set_names(struct fs_arena *arena, const struct fs_node_set *set,
                         const char *const *hosts) {
    size_t count;
    const char **names = names_of(arena, set, hosts, &count);
    return fs_hosts_sort(names, count);
}

const char *fs_node_set_hosts(struct fs_arena *arena, const struct fs_node_set *set,
                              const char *const *hosts, size_t limit, size_t *left_out) {
    size_t count;
    const char **names = names_of(arena, set, hosts, &count);
    *left_out = 0;
    if (!names) return "";
    return fs_hostlist(arena, names, count, limit, left_out);
}

const char *fs_node_set_brief(struct fs_arena *arena, const struct fs_node_set *set,
                              const char *const *hosts, size_t columns) {
    size_t count;
    const char **names = names_of(arena, set, hosts, &count);
    return names ? fs_hostlist_brief(arena, names, count, columns) : "";
}
