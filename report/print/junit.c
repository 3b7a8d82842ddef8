#include "report/print/junit.h"

#include "report/print/text.h"
#include "report/totals.h"

#include <errno.h>
#include <string.h>

enum { MESSAGE_COLUMNS = 1000 }; /* of an attribute */

enum state { PASSED, FAILED, ERROR, SKIPPED, STATES };

/* Test case of one rule. */
struct test {
    enum state state;
    const char *message; /* one line; NULL for PASSED */
    const char *type;
    const char *text; /* lines; NULL */
};

/* fs_harmless left neither controls nor what is no character; XML minds five more. */
static void put_escaped(const char *text, FILE *out) {
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\n':
            fputs("&#10;", out);
            break;
        default:
            putc(*text, out);
        }
    }
}

static void put_attribute(struct fs_arena *arena, const char *name, const char *text, FILE *out) {
    fprintf(out, " %s=\"", name);
    put_escaped(fs_harmless(arena, text, FS_UTF8_FILE), out);
    putc('"', out);
}

static const char *page_text(struct fs_arena *arena, const struct fs_page *page) {
    const char *text = "";
    for (size_t i = 0; i < page->count; i++)
        text = fs_arena_printf(arena, "%s%s\n", text, page->lines[i].text);
    return text;
}

/* The conditions that failed by the rule, and the findings behind them. */
static const char *failure_text(struct fs_arena *arena, const struct fs_gate_result *result,
                                const struct fs_rule *rule) {
    struct fs_page page = {.arena = arena, .charset = FS_UTF8_FILE};
    for (size_t i = 0; i < result->count; i++) {
        const struct fs_condition *condition = &result->conditions[i];
        if (condition->rule != rule) continue;
        if (condition->finding)
            fs_text_finding(&page, condition->finding);
        else
            fs_page_wrap(&page, "", condition->text, 8);
    }
    return page_text(arena, &page);
}

/* Findings of the rule that fail nothing. */
static const char *tolerated_text(struct fs_arena *arena, const struct fs_verdict *verdict,
                                  const struct fs_rule *rule) {
    struct fs_page page = {.arena = arena, .charset = FS_UTF8_FILE};
    for (size_t i = 0; i < verdict->count; i++)
        if (verdict->findings[i].rule == rule) fs_text_finding_short(&page, &verdict->findings[i]);
    return page.count ? page_text(arena, &page) : NULL;
}

static const struct fs_condition *first_condition(const struct fs_gate_result *result,
                                                  const struct fs_rule *rule) {
    const struct fs_condition *found = NULL;
    for (size_t i = 0; i < result->count; i++) {
        const struct fs_condition *condition = &result->conditions[i];
        if (condition->rule == rule && (!found || (found->unknown && !condition->unknown)))
            found = condition;
    }
    return found;
}

static struct test test_of(const struct fs_junit *junit, struct fs_arena *arena, int number) {
    if (!junit->verdict) return (struct test){ERROR, junit->no_data, "no data", NULL};
    const struct fs_outcome *outcome = &junit->verdict->outcomes[number];
    const struct fs_condition *condition = first_condition(junit->result, outcome->rule);
    const char *why = outcome->why ? outcome->why : "no reason is known";
    const char *text = tolerated_text(arena, junit->verdict, outcome->rule);

    if (condition && !condition->unknown)
        return (struct test){FAILED, condition->text, outcome->rule->id,
                             failure_text(arena, junit->result, outcome->rule)};
    if (condition) return (struct test){ERROR, condition->text, "unknown", NULL};
    if (outcome->status == FS_NOT_APPLICABLE) return (struct test){SKIPPED, why, NULL, NULL};
    if (outcome->status == FS_STATUS_UNKNOWN) return (struct test){ERROR, why, "unknown", NULL};
    if (junit->result->incomplete)
        return (struct test){ERROR, fs_incomplete_text(arena, junit->job), "incomplete", text};
    return (struct test){PASSED, NULL, NULL, text};
}

static void put_block(struct fs_arena *arena, const char *name, const struct test *test,
                      FILE *out) {
    fprintf(out, "      <%s", name);
    if (test->message)
        put_attribute(arena, "message",
                      fs_text_cut(arena, test->message, MESSAGE_COLUMNS, FS_UTF8_FILE), out);
    if (test->type) put_attribute(arena, "type", test->type, out);
    const char *text = test->text ? test->text : test->state == SKIPPED ? NULL : test->message;
    if (!text) {
        fputs("/>\n", out);
        return;
    }
    putc('>', out);
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        put_escaped(fs_harmless(arena, fs_arena_copy(arena, text, length), FS_UTF8_FILE), out);
        putc('\n', out);
    }
    fprintf(out, "</%s>\n", name);
}

static void put_test(struct fs_arena *arena, const char *class, const struct fs_rule *rule,
                     const struct test *test, FILE *out) {
    static const char *const elements[STATES] = {
        [PASSED] = "system-out", [FAILED] = "failure", [ERROR] = "error", [SKIPPED] = "skipped"};
    fputs("    <testcase", out);
    put_attribute(arena, "classname", class, out);
    put_attribute(arena, "name", fs_arena_printf(arena, "%s %s", rule->id, rule->title), out);
    fputs(" time=\"0\"", out);
    if (test->state == PASSED && !test->text) {
        fputs("/>\n", out);
        return;
    }
    fputs(">\n", out);
    put_block(arena, elements[test->state], test, out);
    fputs("    </testcase>\n", out);
}

static double seconds_of(const struct fs_job *job) {
    const bool known = job && job->node_count > 0 && job->nodes[0].digest->wall_ns > 0;
    return known ? (double)job->nodes[0].digest->wall_ns / 1e9 : 0;
}

int fs_junit_print(const struct fs_junit *junit, FILE *out) {
    struct fs_arena arena = {0};
    struct test tests[FS_RULE_COUNT];
    int count[STATES] = {0};
    const char *class = fs_arena_printf(&arena, "forksight.%s", junit->name);

    for (int i = 0; i < FS_RULE_COUNT; i++) {
        tests[i] = test_of(junit, &arena, i);
        count[tests[i].state]++;
    }
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", out);
    put_attribute(&arena, "name", class, out);
    fprintf(out, " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\">\n",
            FS_RULE_COUNT, count[FAILED], count[ERROR], count[SKIPPED], seconds_of(junit->job));
    for (int i = 0; i < FS_RULE_COUNT; i++)
        put_test(&arena, class, fs_rules[i], &tests[i], out);
    fputs("  </testsuite>\n</testsuites>\n", out);
    const bool failed = arena.failed;
    fs_arena_free(&arena);
    errno = failed ? ENOMEM : errno;
    return !failed && fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
