/*
 * sites.c - which line of a stack the user wrote.
 *
 * The shim stores Python frames innermost first, a line each: "file:line:function".
 * Files of the standard library are base names there, those of installed packages
 * begin with "site-packages/", other files are what the interpreter calls them:
 * absolute paths, except for the script itself, which may be relative and so looks
 * like one of the library.
 */
#include "tracer/fold.h"

#include "tracer/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 64 };

struct frame {
    const char *file, *function;
    size_t file_length, function_length;
    int line;
};

static bool parse_frame(const char *text, size_t length, struct frame *frame) {
    const char *end = text + length;
    const char *second = memrchr(text, ':', length);
    const char *first = second ? memrchr(text, ':', (size_t)(second - text)) : NULL;

    if (!first || first == text) return false;
    const long line = strtol(first + 1, NULL, 10);
    *frame = (struct frame){.file = text,
                            .file_length = (size_t)(first - text),
                            .function = second + 1,
                            .function_length = (size_t)(end - second - 1),
                            .line = line > 0 && line < INT_MAX ? (int)line : 0};
    return true;
}

static size_t parse_stack(const char *stack, struct frame frames[FRAMES_MAX]) {
    size_t count = 0;

    while (*stack && count < FRAMES_MAX) {
        const size_t length = strcspn(stack, "\n");
        if (parse_frame(stack, length, &frames[count])) count++;
        stack += length + (stack[length] == '\n');
    }
    return count;
}

static bool is_path(const struct frame *frame) {
    return memchr(frame->file, '/', frame->file_length);
}

static bool same_file(const struct frame *a, const struct frame *b) {
    return a->file_length == b->file_length && memcmp(a->file, b->file, a->file_length) == 0;
}

static bool is_package(const struct frame *frame) {
    static const char site[] = "site-packages/", dist[] = "dist-packages/";
    const size_t length = sizeof site - 1;

    return frame->file_length > length &&
           (memcmp(frame->file, site, length) == 0 || memcmp(frame->file, dist, length) == 0);
}

/* "<frozen runpy>": the interpreter's own way into a script. */
static bool is_start_up(const struct frame *frame) {
    return fs_begins(frame->file, "<frozen");
}

/* What every thread of Python's begins with. */
static bool is_thread_start(const struct frame *frame) {
    static const char file[] = "threading.py";

    return frame->file_length == sizeof file - 1 &&
           memcmp(frame->file, file, frame->file_length) == 0;
}

/* NULL: none of a package. */
static const struct frame *package_frame(const struct frame *frames, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (is_package(&frames[i])) return &frames[i];
    return NULL;
}

static const struct frame *users_frame(const struct frame *frames, size_t count) {
    const struct frame *package = package_frame(frames, count);

    for (size_t i = 0; i < count; i++)
        if (is_path(&frames[i]) && !is_package(&frames[i])) return &frames[i];
    while (count > 1 && is_start_up(&frames[count - 1]))
        count--;
    while (count > 1 && is_thread_start(&frames[count - 1]))
        count--;
    if (count == 0) return NULL;
    /* The script is outermost; its innermost frame before it calls into another file. */
    const struct frame *script = &frames[count - 1];
    /* Nobody's script: a thread or a program of the package, or code in a string. */
    if (package && (is_package(script) || *script->file == '<')) return package;
    while (script > frames && same_file(script - 1, script))
        script--;
    return script;
}

void fs_site_place(struct fs_table *table, struct fs_site *site) {
    struct frame frames[FRAMES_MAX];

    if (!site->stack) return;
    const size_t count = parse_stack(site->stack, frames);
    const struct frame *frame = users_frame(frames, count);
    if (!frame) return;
    site->file = fs_intern(&table->interned, frame->file, frame->file_length);
    site->function = fs_intern(&table->interned, frame->function, frame->function_length);
    site->line = frame->line;
}
