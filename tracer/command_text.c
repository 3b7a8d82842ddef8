/* command_text.c - see command_text.h. */
#include "tracer/command_text.h"

#include "tracer/text_bytes.h"

#include <string.h>

static const char mark[] = "...";

struct line {
    char *text; /* FS_COMMAND_MAX + 1 bytes */
    size_t used;
    size_t cut; /* where it can be cut so that a quote and the mark fit in */
    bool cut_open, full;
};

/* Appends what must not be torn apart; open: behind it a quote is open. */
static void put(struct line *line, const char *part, size_t length, bool open) {
    line->full = line->full || line->used + length > FS_COMMAND_MAX;
    if (line->full) return;
    memcpy(line->text + line->used, part, length);
    line->used += length;
    if (line->used + open + strlen(mark) > FS_COMMAND_MAX) return;
    line->cut = line->used;
    line->cut_open = open;
}

static bool ends_in_mark(const char *word, size_t length) {
    return length >= strlen(mark) && strcmp(word + length - strlen(mark), mark) == 0;
}

static void put_word(struct line *line, const char *word) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_-./=+:,@%^";
    const bool quote =
        !*word || word[strspn(word, plain)] != '\0' || ends_in_mark(word, strlen(word));

    if (line->used > 0) put(line, " ", 1, false);
    if (quote) put(line, "'", 1, true);
    for (int length; *word && !line->full; word += length) {
        uint32_t code;
        length = fs_utf8_decode(word, &code);
        if (length == 0) length = 1;
        if (*word == '\'')
            put(line, "'\\''", 4, true);
        else
            put(line, word, (size_t)length, quote);
    }
    if (quote) put(line, "'", 1, false);
}

void fs_command_text(const char *argv, size_t length, char *line) {
    struct line made = {.text = line};

    for (const char *word = argv; word < argv + length && !made.full; word += strlen(word) + 1)
        put_word(&made, word);
    if (made.full) {
        made.used = made.cut;
        if (made.cut_open) line[made.used++] = '\'';
        memcpy(line + made.used, mark, strlen(mark));
        made.used += strlen(mark);
    }
    line[made.used] = '\0';
}

bool fs_command_is_cut(const char *line) {
    return line && ends_in_mark(line, strlen(line));
}
