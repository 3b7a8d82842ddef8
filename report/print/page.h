/*
 * page.h - lines of a terminal page: made harmless, wrapped, cut.
 *
 * Nothing that comes from the job reaches the terminal as it is: control
 * characters, escape sequences, invalid UTF-8 and the characters that reorder
 * text are shown as escapes.
 */
#ifndef FS_REPORT_PRINT_PAGE_H
#define FS_REPORT_PRINT_PAGE_H

#include "report/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { FS_COLUMNS = 80, FS_INDENT = 10 };

enum fs_paint { FS_PAINT_NONE = 0, FS_PAINT_ERROR, FS_PAINT_WARNING, FS_PAINT_NOTE, FS_PAINT_BOLD };

/* What a page may have in it. A file is the same in every locale: for it no character is without a
 * shape, and each takes one column. */
enum fs_charset { FS_ASCII = 0, FS_UTF8_TERMINAL, FS_UTF8_FILE };

struct fs_line {
    const char *text;
    enum fs_paint paint; /* of the first `painted` bytes */
    size_t painted;
};

struct fs_page {
    struct fs_arena *arena;
    enum fs_charset charset;
    bool verbose; /* whole stacks */
    struct fs_line *lines;
    size_t count;
};

/* Of the terminal, as the locale says. */
enum fs_charset fs_terminal_charset(void);

/* text with everything harmful escaped. */
const char *fs_harmless(struct fs_arena *arena, const char *text, enum fs_charset charset);

/* Columns that harmless text takes. */
size_t fs_text_width(const char *text, enum fs_charset charset);

/* text, or its beginning and "..." if it is wider than columns. */
const char *fs_text_cut(struct fs_arena *arena, const char *text, size_t columns,
                        enum fs_charset charset);

/* Adds one line, made harmless and cut to FS_COLUMNS. */
void fs_page_line(struct fs_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds text behind indent as one line of any width: links must not be broken. */
void fs_page_long_line(struct fs_page *page, const char *indent, const char *text);

/* Paints the first bytes of the line added last. */
void fs_page_paint(struct fs_page *page, enum fs_paint paint, size_t bytes);

/* Adds text behind label, wrapped at words to lines lines at most (then cut). */
void fs_page_wrap(struct fs_page *page, const char *label, const char *text, int lines);

/*
 * Adds a shell command behind label: never cut, continued lines end with a
 * backslash so that the lines can be pasted together. command must be
 * what fs_quote_word makes: printable ASCII.
 */
void fs_page_command(struct fs_page *page, const char *label, const char *command);

/* Writes the lines; color: paint them. Returns 0, or -1 with errno. */
int fs_page_write(const struct fs_page *page, FILE *out, bool color);

#endif
