/* text_finding.c - one finding as text. */
#include "report/print/text.h"
#include "tracer/text.h"

#include <stdlib.h>
#include <string.h>

enum { SEEN_LINES = 3, CAUSE_LINES = 3, STACK_LINES = 6 };

static const struct {
    const char *word;
    enum fs_paint paint;
} severities[] = {
    [FS_NOTE] = {"note", FS_PAINT_NOTE},
    [FS_WARNING] = {"warning", FS_PAINT_WARNING},
    [FS_ERROR] = {"error", FS_PAINT_ERROR},
};

static const char *population_text(struct fs_arena *arena, const struct fs_finding *finding) {
    const char *of = finding->of > 0 ? fs_arena_printf(arena, " of %ld", finding->of) : "";
    const char *nodes = finding->of_nodes > 1 ? fs_arena_printf(arena, ", %d of %zu nodes",
                                                                finding->nodes, finding->of_nodes)
                                              : "";
    if (finding->population <= 0) return *nodes ? nodes + 2 : "";
    return fs_arena_printf(arena, "%ld%s %s%s", finding->population, of, finding->unit, nodes);
}

static void print_title(struct fs_page *page, const struct fs_finding *finding, const char *after) {
    struct fs_arena *arena = page->arena;
    const char *head =
        fs_arena_printf(arena, "%s[%s] ", severities[finding->severity].word, finding->rule->id);
    const size_t room = FS_COLUMNS - strlen(head) - strlen(after) - (*after ? 2 : 0);
    const char *title =
        fs_text_cut(arena, fs_harmless(arena, finding->title, page->charset), room, page->charset);
    const size_t gap = room - fs_text_width(title, page->charset) + (*after ? 2 : 0);

    fs_page_line(page, "%s%s%*s%s", head, title, *after ? (int)gap : 0, "", after);
    fs_page_paint(page, severities[finding->severity].paint,
                  strlen(severities[finding->severity].word));
}

/* A comment in the language of the fix, so that the line can still be pasted. */
static const char *with_comment(struct fs_arena *arena, const struct fs_fix *fix,
                                const char *when) {
    const size_t length = strlen(fix->text);
    const bool c_code =
        fix->kind == FS_FIX_CODE && length > 0 && strchr(";}/", fix->text[length - 1]) != NULL;
    return fs_arena_printf(arena, "%s  %s %s", fix->text, c_code ? "//" : "#", when);
}

static void print_fix(struct fs_page *page, const struct fs_fix *fix, bool first) {
    const char *label = first ? "  fix" : "     or", *when = fix->when;
    if (when && fs_begins(when, "and ")) {
        label = first ? "  fix" : "    and";
        when += 4;
    } else if (when && fs_begins(when, "or ")) {
        when += 3;
    } else if (when && strcmp(when, "or") == 0) {
        when = NULL;
    }
    const char *line = when ? with_comment(page->arena, fix, when) : fix->text;
    const size_t columns = FS_COLUMNS - FS_INDENT;

    line = fs_harmless(page->arena, line, page->charset);
    if (fs_text_width(line, page->charset) <= columns) {
        fs_page_wrap(page, label, line, 1);
        return;
    }
    if (fix->kind == FS_FIX_CODE)
        fs_page_wrap(page, label, fix->text, 3);
    else
        fs_page_command(page, label, fs_harmless(page->arena, fix->text, FS_ASCII));
    if (when) fs_page_wrap(page, "", fs_arena_printf(page->arena, "# %s", when), 1);
}

/* One stack, a line per frame; a page has room for the innermost frames of the first one. */
static void print_stack(struct fs_page *page, const struct fs_stack_text *stack) {
    const char *frames = stack->frames;
    int count = 0;

    fs_page_wrap(page, "  stack", stack->whose, 1);
    for (; *frames && (page->verbose || count < STACK_LINES); count++) {
        const int length = (int)strcspn(frames, "\n");
        fs_page_line(page, "%*s%.*s", FS_INDENT + 2, "", length, frames);
        frames += length + (frames[length] == '\n');
    }
    if (*frames) fs_page_line(page, "%*s...", FS_INDENT + 2, "");
}

void fs_text_finding(struct fs_page *page, const struct fs_finding *finding) {
    int seen = 0;
    print_title(page, finding, population_text(page->arena, finding));
    if ((size_t)finding->nodes < finding->of_nodes)
        fs_page_wrap(page, "  nodes", finding->hosts_brief, 1);
    for (size_t i = 0; i < finding->evidence_count && seen < SEEN_LINES; i++)
        if (finding->evidence[i].text)
            fs_page_wrap(page, seen++ ? "" : "  seen", finding->evidence[i].text, 2);
    for (size_t i = 0; i < finding->stack_count && (i == 0 || page->verbose); i++)
        print_stack(page, &finding->stack[i]);
    for (size_t i = 0; i < finding->cause_count && i < CAUSE_LINES; i++)
        fs_page_wrap(page, i ? "" : "  cause", finding->cause[i], 2);
    for (size_t i = 0; i < finding->fix_count; i++)
        print_fix(page, &finding->fix[i], i == 0);
    if (finding->gain) fs_page_wrap(page, "  gain", finding->gain, 1);
    fs_page_line(page, "  more    forksight explain %s", finding->rule->id);
}

void fs_text_finding_short(struct fs_page *page, const struct fs_finding *finding) {
    if (finding->follows)
        print_title(page, finding,
                    fs_arena_printf(page->arena, "follows from %s", finding->follows->id));
    else
        print_title(page, finding, population_text(page->arena, finding));
}
