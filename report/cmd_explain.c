/* cmd_explain.c - `forksight explain`: what a rule means, without a job. */
#include "report/commands.h"
#include "report/inputs.h"
#include "report/print/page.h"
#include "report/rule.h"
#include "report/sources.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

static const char *const severity_names[] = {
    [FS_NOTE] = "note", [FS_WARNING] = "warning", [FS_ERROR] = "error"};

enum { PARAGRAPH_LINES = 40 };

static void explain_thresholds(struct fs_page *page, const struct fs_rule *rule,
                               const struct fs_thresholds *thresholds) {
    for (int i = 0; rule->thresholds && rule->thresholds[i].name; i++) {
        const struct fs_threshold *row = &rule->thresholds[i];
        const double value = fs_threshold(thresholds, rule, i);
        const struct fs_source *source = fs_source_find(row->source);
        const char *changed =
            value != row->value ? fs_arena_printf(page->arena, "; default %g", row->value) : "";
        fs_page_wrap(page, i ? "" : "limits",
                     fs_arena_printf(page->arena, "%s.%s = %g %s: %s (%s%s)", rule->id, row->name,
                                     value, row->unit, row->meaning,
                                     source ? source->key : "this tool's choice", changed),
                     3);
    }
}

static void explain_sources(struct fs_page *page, const struct fs_rule *rule) {
    for (int i = 0; rule->sources && rule->sources[i]; i++) {
        const struct fs_source *source = fs_source_find(rule->sources[i]);
        if (!source) continue;
        fs_page_wrap(page, i ? "" : "sources",
                     fs_arena_printf(page->arena, "[%s] %s", source->key, source->title), 2);
        if (source->link) fs_page_long_line(page, "  ", source->link);
    }
}

/* What `forksight audit` makes of it. */
static void explain_outside(struct fs_page *page, const struct fs_rule *rule) {
    const char *lacks = rule->unseen ? rule->unseen : "what it asks for is";
    const char *text = "decides it, from what it sees while it looks";

    if (rule->outside == FS_OUTSIDE_NOTHING)
        text = fs_arena_printf(page->arena, "cannot decide it: %s not seen from outside", lacks);
    if (rule->outside == FS_OUTSIDE_FINDINGS)
        text = fs_arena_printf(page->arena,
                               "may find it, but never passes it: %s not seen from outside", lacks);
    fs_page_wrap(page, "audit", text, 3);
}

static void explain_rule(struct fs_page *page, const struct fs_rule *rule,
                         const struct fs_thresholds *thresholds) {
    fs_page_line(page, "%s  %s (%s, %s)", rule->id, rule->title, severity_names[rule->severity],
                 rule->family);
    fs_page_paint(page, FS_PAINT_BOLD, strlen(rule->id));
    fs_page_wrap(page, "why", rule->why, PARAGRAPH_LINES);
    fs_page_wrap(page, "decided", rule->decided, PARAGRAPH_LINES);
    explain_thresholds(page, rule, thresholds);
    fs_page_wrap(page, "except", rule->exceptions, PARAGRAPH_LINES);
    explain_outside(page, rule);
    fs_page_wrap(page, "fix", rule->fix, PARAGRAPH_LINES);
    if (rule->dispute) fs_page_wrap(page, "disputed", rule->dispute, PARAGRAPH_LINES);
    explain_sources(page, rule);
}

static void list_rules(struct fs_page *page) {
    for (size_t i = 0; fs_rules[i]; i++)
        fs_page_line(page, "%-8s  %-8s %s", fs_rules[i]->id, severity_names[fs_rules[i]->severity],
                     fs_rules[i]->title);
    fs_page_line(page, "forksight explain RULE says why, how it is decided and what to do.");
}

/* Insertions, deletions and replacements that turn a into b, case aside. */
static size_t distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    size_t row[LONGEST + 1];
    const size_t length = strnlen(b, LONGEST);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; i < LONGEST && a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            const bool same = toupper((unsigned char)a[i]) == toupper((unsigned char)b[j]);
            size_t least = diagonal + !same;
            diagonal = row[j + 1];
            if (row[j] + 1 < least) least = row[j] + 1;
            if (diagonal + 1 < least) least = diagonal + 1;
            row[j + 1] = least;
        }
    }
    return row[length];
}

static const struct fs_rule *nearest_rule(const char *id) {
    const struct fs_rule *best = fs_rules[0];
    for (size_t i = 1; fs_rules[i]; i++)
        if (distance(id, fs_rules[i]->id) < distance(id, best->id)) best = fs_rules[i];
    return best;
}

static int print_help(void) {
    puts("Usage: forksight explain [RULE]\n"
         "Lists the rules, or says of one why it exists, how it is decided, when it is\n"
         "silent, what to do, and which documents it rests on.");
    return fflush(stdout) == 0 ? FS_REPORT_OK : FS_REPORT_NO_DATA;
}

int fs_cmd_explain(int argc, char **argv) {
    struct fs_arena arena = {0};
    const char *id = argc > 1 ? argv[1] : NULL;
    if (id && (strcmp(id, "--help") == 0 || strcmp(id, "-h") == 0)) return print_help();

    const struct fs_rule *rule = id ? fs_rule_find(id) : NULL;
    if (argc > 2 || (id && !rule)) {
        if (argc > 2)
            fputs("forksight explain: one rule at a time: forksight explain AFF-01\n", stderr);
        else
            fprintf(stderr, "forksight explain: no rule '%s'; did you mean %s?\n",
                    fs_harmless(&arena, id, FS_ASCII), nearest_rule(id)->id);
        fs_arena_free(&arena);
        return FS_REPORT_USAGE;
    }
    struct fs_thresholds *thresholds = fs_make_thresholds("explain", NULL, NULL, 0);
    if (!thresholds) return FS_REPORT_USAGE;

    setlocale(LC_CTYPE, "");
    struct fs_page page = {.arena = &arena, .charset = fs_terminal_charset()};
    if (rule)
        explain_rule(&page, rule, thresholds);
    else
        list_rules(&page);
    const bool failed = arena.failed || fs_page_write(&page, stdout, false) < 0;
    if (failed) fprintf(stderr, "forksight explain: cannot write: %s\n", strerror(errno));
    fs_thresholds_free(thresholds);
    fs_arena_free(&arena);
    return failed ? FS_REPORT_NO_DATA : FS_REPORT_OK;
}
