#include "report/print/page.h"

#include "tracer/text_bytes.h"

#include <langinfo.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Controls, what reorders or hides the text around it, and what XML does not take. */
static bool harmful(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || code == 0xfffe || code == 0xffff ||
           (code >= 0xe0000 && code <= 0xe007f);
}

enum fs_charset fs_terminal_charset(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? FS_UTF8_TERMINAL : FS_ASCII;
}

static bool has_shape(uint32_t code, enum fs_charset charset) {
    return charset == FS_UTF8_FILE || (charset == FS_UTF8_TERMINAL && wcwidth((wchar_t)code) >= 0);
}

const char *fs_harmless(struct fs_arena *arena, const char *text, enum fs_charset charset) {
    char *result = fs_arena_alloc(arena, 4 * strlen(text) + 1), *end = result;
    if (!result) return "";
    while (*text) {
        uint32_t code;
        int length = fs_utf8_decode(text, &code);
        const bool shown =
            length > 0 && !harmful(code) && (code < 0x80 || has_shape(code, charset));
        if (length == 0) length = 1;
        for (int i = 0; i < length; i++, text++) {
            if (shown)
                *end++ = *text;
            else
                end += snprintf(end, 5, "\\x%02x", (unsigned char)*text);
        }
    }
    *end = '\0';
    return result;
}

static int character_width(const char *text, enum fs_charset charset, int *length) {
    uint32_t code;
    *length = charset != FS_ASCII ? fs_utf8_decode(text, &code) : 1;
    if (*length < 2) {
        *length = 1;
        return 1;
    }
    if (charset == FS_UTF8_FILE) return 1;

    const int width = wcwidth((wchar_t)code);
    return width < 0 ? 1 : width;
}

size_t fs_text_width(const char *text, enum fs_charset charset) {
    size_t width = 0;
    for (int length; *text; text += length)
        width += (size_t)character_width(text, charset, &length);
    return width;
}

/* Bytes of the beginning of text that fits the columns. */
static size_t fitting_bytes(const char *text, size_t columns, enum fs_charset charset) {
    const char *at = text;
    size_t width = 0;
    for (int length; *at; at += length) {
        width += (size_t)character_width(at, charset, &length);
        if (width > columns) break;
    }
    return (size_t)(at - text);
}

const char *fs_text_cut(struct fs_arena *arena, const char *text, size_t columns,
                        enum fs_charset charset) {
    if (fs_text_width(text, charset) <= columns) return text;
    const size_t bytes = fitting_bytes(text, columns > 3 ? columns - 3 : 0, charset);
    return fs_arena_printf(arena, "%.*s...", (int)bytes, text);
}

static void add_line(struct fs_page *page, const char *text) {
    if ((page->count & (page->count - 1)) == 0) {
        const size_t room = page->count ? 2 * page->count : 1;
        struct fs_line *grown = fs_arena_alloc(page->arena, room * sizeof *grown);
        if (!grown) return;
        if (page->count > 0) memcpy(grown, page->lines, page->count * sizeof *grown);
        page->lines = grown;
    }
    page->lines[page->count++] = (struct fs_line){.text = text};
}

void fs_page_line(struct fs_page *page, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = fs_arena_vprintf(page->arena, format, arguments);
    va_end(arguments);
    text = fs_harmless(page->arena, text, page->charset);
    add_line(page, fs_text_cut(page->arena, text, FS_COLUMNS, page->charset));
}

void fs_page_long_line(struct fs_page *page, const char *indent, const char *text) {
    text = fs_harmless(page->arena, text, page->charset);
    add_line(page, fs_arena_printf(page->arena, "%s%s", indent, text));
}

void fs_page_paint(struct fs_page *page, enum fs_paint paint, size_t bytes) {
    if (page->count == 0) return;
    page->lines[page->count - 1].paint = paint;
    page->lines[page->count - 1].painted = bytes;
}

/* Bytes of text for one line: whole words if a word ends in reach. */
static size_t line_bytes(const char *text, size_t columns, enum fs_charset charset) {
    const size_t fitting = fitting_bytes(text, columns, charset);
    if (!text[fitting]) return fitting;
    for (size_t i = fitting; i > fitting / 2; i--)
        if (text[i] == ' ') return i;
    return fitting;
}

void fs_page_wrap(struct fs_page *page, const char *label, const char *text, int lines) {
    const size_t columns = FS_COLUMNS - FS_INDENT;
    text = fs_harmless(page->arena, text, page->charset);
    while (lines-- > 0) {
        const char *rest = text;
        size_t bytes = line_bytes(text, columns, page->charset);
        if (lines == 0) {
            rest = fs_text_cut(page->arena, text, columns, page->charset);
            bytes = strlen(rest);
        }
        add_line(page,
                 fs_arena_printf(page->arena, "%-*s%.*s", FS_INDENT, label, (int)bytes, rest));
        if (lines == 0) return;
        text += bytes;
        while (*text == ' ')
            text++;
        if (!*text) return;
        label = "";
    }
}

/* State of a shell word at a place in a command that fs_quote_word made. */
struct quotes {
    bool open, dollar;
};

/* Steps over what must not be torn apart: a character, an escape, or $'. */
static size_t step(struct quotes *quotes, const char *text) {
    if (quotes->open && *text == '\'') {
        quotes->open = false;
        return 1;
    }
    if (quotes->open) return quotes->dollar && *text == '\\' ? strnlen(text, 4) : 1;
    quotes->dollar = text[0] == '$' && text[1] == '\'';
    quotes->open = quotes->dollar || *text == '\'';
    return quotes->dollar || (*text == '\\' && text[1]) ? 2 : 1;
}

/*
 * The bytes of command that fit the columns: to the last space between words,
 * or, if the first word is too long, into that word; *quotes is the state there.
 */
static size_t command_bytes(const char *command, size_t columns, struct quotes *quotes) {
    size_t space = 0, at = 0;
    while (command[at]) {
        if (command[at] == ' ' && !quotes->open) space = at;
        struct quotes after = *quotes;
        const size_t bytes = step(&after, command + at);
        if (at + bytes > columns) break;
        *quotes = after;
        at += bytes;
    }
    if (!command[at] || space == 0) return at;
    *quotes = (struct quotes){0};
    return space;
}

/* A word that is longer than a line goes on at the left edge of the next one:
 * the shell joins such lines, and any indent would become part of the word. */
void fs_page_command(struct fs_page *page, const char *label, const char *command) {
    const char *opening = "";
    int indent = FS_INDENT;
    while (*command) {
        struct quotes quotes = {.open = *opening != '\0', .dollar = *opening == '$'};
        const size_t columns = FS_COLUMNS - (size_t)indent - strlen(opening) - 2;
        const size_t bytes = command_bytes(command, columns, &quotes);
        const bool between = command[bytes] == ' ' && !quotes.open;
        const char *end = !command[bytes] ? "" : between ? " \\" : quotes.open ? "'\\" : "\\";
        add_line(page, fs_arena_printf(page->arena, "%-*s%s%.*s%s", indent, label, opening,
                                       (int)bytes, command, end));
        command += bytes + between;
        opening = !quotes.open ? "" : quotes.dollar ? "$'" : "'";
        indent = between ? FS_INDENT : 0;
        label = "";
    }
}

int fs_page_write(const struct fs_page *page, FILE *out, bool color) {
    static const char *const codes[] = {
        [FS_PAINT_NONE] = "",
        [FS_PAINT_ERROR] = "\033[1;31m",
        [FS_PAINT_WARNING] = "\033[1;33m",
        [FS_PAINT_NOTE] = "\033[1;36m",
        [FS_PAINT_BOLD] = "\033[1m",
    };
    for (size_t i = 0; i < page->count; i++) {
        const struct fs_line *line = &page->lines[i];
        const size_t painted = color ? line->painted : 0;
        if (painted > 0)
            fprintf(out, "%s%.*s\033[0m", codes[line->paint], (int)painted, line->text);
        fprintf(out, "%s\n", line->text + painted);
    }
    return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
