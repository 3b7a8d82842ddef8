#include "report/fingerprint.h"

#include "report/remedy.h"
#include "tracer/text.h"
#include "tracer/topology.h"

#include <ctype.h>
#include <string.h>

static const char *program_name(const char *path) {
    const char *name = fs_base_name(path);
    return fs_begins(name, "python") ? "python" : name;
}

static const char *load_signature(struct fs_arena *arena, const struct fs_load *load) {
    const struct fs_group *group = load->group;
    const struct fs_place *site = &group->site;
    return fs_arena_printf(arena, "%d\n%s\n%s\n%s\n%s", group->kind,
                           program_name(group->executable), program_name(group->parent_executable),
                           fs_base_name(site->file ? site->file : site->module),
                           site->function ? site->function : "");
}

/* Words whose form hangs on a count, and a word that is one. */
static bool is_counting(const char *word, size_t length) {
    static const char *const words[] = {"was", "were", "is", "are"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (fs_text_is(word, length, words[i])) return true;
    return isdigit((unsigned char)*word) ||
           (*word == '-' && length > 1 && isdigit((unsigned char)word[1]));
}

static size_t bare_length(const char *word, size_t length) {
    while (length > 0 && strchr(",.;:)%", word[length - 1]))
        length--;
    return length;
}

/* A word without folder, place in a file, punctuation and plural. */
static const char *canonical_word(struct fs_arena *arena, const char *word, size_t length) {
    for (size_t i = length; i > 0; i--)
        if (word[i - 1] == '/' && i < length) {
            word += i;
            length -= i;
            break;
        }
    length = bare_length(word, length);
    const char *colon = memchr(word, ':', length);
    if (colon && isdigit((unsigned char)colon[1])) length = (size_t)(colon - word);
    if (length > 3 && word[length - 1] == 's') length--;
    if (fs_text_is(word, length, "children")) length = strlen("child");
    return fs_arena_copy(arena, word, length);
}

static const char *title_signature(struct fs_arena *arena, const struct fs_finding *finding) {
    const char *host =
        finding->node && finding->node->digest->host ? finding->node->digest->host : "";
    const char *text = "", *word = finding->title;
    while (*word) {
        const size_t length = strcspn(word, " ");
        const bool names_host = fs_text_is(word, bare_length(word, length), host);
        if (length > 0 && !names_host && !is_counting(word, length))
            text = fs_arena_printf(arena, "%s %s", text, canonical_word(arena, word, length));
        word += length + (word[length] == ' ');
    }
    return text;
}

const char *fs_fingerprint(struct fs_arena *arena, const struct fs_finding *finding) {
    char hash[FS_TOPOLOGY_HASH_SIZE];
    const char *about =
        finding->load ? load_signature(arena, finding->load) : title_signature(arena, finding);
    fs_topology_hash(fs_arena_printf(arena, "%s\n%s", finding->rule->id, about), hash);
    return fs_arena_printf(arena, "%s-%s", finding->rule->id, hash);
}
