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

struct word {
    const char *text;
    size_t length;
};

/* A word without folder, place in a file, punctuation and plural. */
static struct word canonical_word(const char *word, size_t length) {
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
    return (struct word){word, length};
}

/* The next word from *at on that hangs neither on a count nor on the node. False: none is left. */
static bool next_word(const char **at, const char *host, struct word *found) {
    while (**at) {
        const char *word = *at;
        const size_t length = strcspn(word, " ");
        const bool names_host = fs_text_is(word, bare_length(word, length), host);
        *at = word + length + (word[length] == ' ');
        if (length == 0 || names_host || is_counting(word, length)) continue;
        *found = canonical_word(word, length);
        return true;
    }
    return false;
}

static const char *host_of(const struct fs_finding *finding) {
    return finding->node && finding->node->digest->host ? finding->node->digest->host : "";
}

static const char *title_signature(struct fs_arena *arena, const struct fs_finding *finding) {
    const char *text = "", *at = finding->title;
    struct word word;
    while (next_word(&at, host_of(finding), &word))
        text = fs_arena_printf(arena, "%s %.*s", text, (int)word.length, word.text);
    return text;
}

/* The same but for the numbers in it. */
static bool same_word(struct word a, struct word b) {
    size_t i = 0, j = 0;
    while (i < a.length && j < b.length) {
        if (isdigit((unsigned char)a.text[i]) && isdigit((unsigned char)b.text[j])) {
            while (i < a.length && isdigit((unsigned char)a.text[i]))
                i++;
            while (j < b.length && isdigit((unsigned char)b.text[j]))
                j++;
        } else if (a.text[i++] != b.text[j++]) {
            return false;
        }
    }
    return i == a.length && j == b.length;
}

bool fs_same_words(const struct fs_finding *a, const struct fs_finding *b) {
    const char *rest = a->title, *other = b->title;
    struct word word, twin;
    while (next_word(&rest, host_of(a), &word))
        if (!next_word(&other, host_of(b), &twin) || !same_word(word, twin)) return false;
    return !next_word(&other, host_of(b), &twin);
}

const char *fs_fingerprint(struct fs_arena *arena, const struct fs_finding *finding) {
    char hash[FS_TOPOLOGY_HASH_SIZE];
    const char *about =
        finding->load ? load_signature(arena, finding->load) : title_signature(arena, finding);
    fs_topology_hash(fs_arena_printf(arena, "%s\n%s", finding->rule->id, about), hash);
    return fs_arena_printf(arena, "%s-%s", finding->rule->id, hash);
}
