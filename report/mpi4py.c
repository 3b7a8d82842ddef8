/* mpi4py.c - a job's command line with `-m mpi4py` behind its interpreter (ranks.h). */
#include "report/ranks.h"

#include "report/remedy.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"

#include <string.h>

static const char module_option[] = "-m mpi4py";

static bool ends_with(const char *word, const char *end) {
    const size_t length = strlen(word), most = strlen(end);

    return length > most && strcmp(word + length - most, end) == 0;
}

static bool is_python(const char *word) {
    return fs_begins(fs_base_name(word), "python") && !ends_with(word, ".py");
}

/* Where the interpreter's own options end: at the script, at -m or -c. 0: not understood. */
static size_t behind_options(char *const *words, size_t count, size_t at) {
    while (at < count && words[at][0] == '-' && words[at][1] != '\0') {
        const char *word = words[at], last = word[strlen(word) - 1];
        if (strcmp(word, "-m") == 0 || strcmp(word, "-c") == 0) break;
        if (word[1] != '-' && (last == 'm' || last == 'c')) return 0; /* -um module */
        at += 1 + (strcmp(word, "-W") == 0 || strcmp(word, "-X") == 0);
    }
    return at < count ? at : 0;
}

/* The words as one line, with the module; NULL: there is no Python in it, or not plainly. */
static const char *with_module(struct fs_arena *arena, char *const *words, size_t count) {
    size_t python = 0, at;
    const char *text = "";

    while (python < count && !is_python(words[python]))
        python++;
    for (at = 0; python == count && at < count && !ends_with(words[at], ".py"); at++)
        continue;
    if (python < count) at = behind_options(words, count, python + 1);
    if (at == 0 || at >= count) return NULL;
    if (strcmp(words[at], "-m") == 0 && at + 1 < count && fs_begins(words[at + 1], "mpi4py"))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (i == at)
            text = fs_arena_printf(arena, "%s %s%s", text, python < count ? "" : "python3 ",
                                   module_option);
        text = fs_arena_printf(arena, "%s%s%s", text, i ? " " : "", fs_quote_word(arena, words[i]));
    }
    return text;
}

static bool has_launcher(char *const *words, size_t count) {
    for (size_t i = 0; i < count && !is_python(words[i]) && !ends_with(words[i], ".py"); i++)
        if (fs_is_launcher(words[i])) return true;
    return false;
}

/* The command line as the user typed it, if it names launcher and program. */
static const char *own_line(struct fs_arena *arena, const struct fs_digest *digest) {
    const char *line = has_launcher(digest->command, digest->command_count)
                           ? with_module(arena, digest->command, digest->command_count)
                           : NULL;

    for (size_t i = 0; i < digest->launch_count && !line; i++)
        if (!digest->launches[i].cut)
            line = with_module(arena, digest->launches[i].words, digest->launches[i].word_count);
    return line;
}

/* "python3 job.py": as a rank was called, words in quotes and all. NULL: not plainly so. */
static const char *rank_line(struct fs_arena *arena, const char *command) {
    const size_t length = command ? strcspn(command, " ") : 0;

    if (length == 0 || !command[length] || command[length + 1] == '-' ||
        !is_python(fs_arena_copy(arena, command, length)))
        return NULL;
    return fs_arena_printf(arena, "%.*s %s%s", (int)length, command, module_option,
                           command + length);
}

void fs_add_mpi4py_fix(struct fs_outcome *outcome, const struct fs_node *node,
                       const struct fs_mpi_ranks *ranks) {
    static const char when[] = "an exception aborts all ranks";
    struct fs_arena *arena = outcome->arena;
    const char *line = own_line(arena, node->digest);
    const char *command = rank_line(arena, ranks->command);

    if (!line && command) { line = fs_mpi_launch_line(arena, ranks, ranks->size, command); }
    if (line)
        fs_add_command_fix(outcome, when, line);
    else
        fs_add_fix(outcome, FS_FIX_CODE, when, "python3 %s {script}", module_option);
}
