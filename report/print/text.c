/* text.c - the page as a whole; its parts are in text_finding.c and text_facts.c. */
#include "report/print/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { PAGE_LINES = 40, FULL_FINDINGS = 3, SHORT_FINDINGS = 6, REASON_LINES = 8 };
enum { ROWS_BESIDE_FINDINGS = 6 }; /* of nodes */

static const char *counts_text(struct fs_arena *arena, const struct fs_verdict *verdict) {
    const struct {
        int count;
        const char *name;
    } parts[] = {
        {verdict->errors, "error"}, {verdict->warnings, "warning"}, {verdict->notes, "note"}};
    const char *text = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].count > 0)
            text = fs_arena_printf(arena, "%s%s%d %s%s", text, *text ? ", " : "", parts[i].count,
                                   parts[i].name, fs_plural(parts[i].count));
    return text;
}

static const char *rules_text(struct fs_arena *arena, const struct fs_verdict *verdict) {
    const char *unknown =
        verdict->unknown ? fs_arena_printf(arena, ", %d unknown", verdict->unknown) : "";
    return fs_arena_printf(arena, "passed, %d not applicable%s", verdict->not_applicable, unknown);
}

static void print_verdict(struct fs_page *page, const struct fs_verdict *verdict) {
    struct fs_arena *arena = page->arena;
    if (verdict->count == 0)
        fs_page_line(page, "VERDICT   no findings: %d rule%s %s", verdict->passed,
                     fs_plural(verdict->passed), rules_text(arena, verdict));
    else
        fs_page_line(page, "VERDICT   %s: %s", counts_text(arena, verdict),
                     verdict->findings[0].title);
    fs_page_paint(page, FS_PAINT_BOLD, strlen("VERDICT"));
}

/* Untold rules with the status and the reason of rule number i, which count as told then;
 * as many by name as leave room for the reason on so many lines. */
static const char *same_reason(const struct fs_verdict *verdict, int i, bool *told,
                               struct fs_arena *arena, int lines) {
    enum { LOST_TO_WRAPPING = 20 };
    static const char more_words[] = " and 58 more: ";
    const struct fs_outcome *outcome = &verdict->outcomes[i];
    const size_t room = (size_t)lines * (FS_COLUMNS - FS_INDENT) - LOST_TO_WRAPPING;
    const size_t needed = sizeof more_words + strlen(outcome->why);
    const char *ids = outcome->rule->id;
    int more = 0;
    for (int j = i + 1; j < FS_RULE_COUNT; j++) {
        const struct fs_outcome *other = &verdict->outcomes[j];
        if (other->status != outcome->status || !other->why ||
            strcmp(other->why, outcome->why) != 0)
            continue;
        told[j] = true;
        if (more > 0 || strlen(ids) + 1 + strlen(other->rule->id) + needed > room)
            more++;
        else
            ids = fs_arena_printf(arena, "%s %s", ids, other->rule->id);
    }
    return more > 0 ? fs_arena_printf(arena, "%s and %d more", ids, more) : ids;
}

/* The rules with one status, those with the same reason together, on so many lines. */
static void print_reasons(struct fs_page *page, const struct fs_verdict *verdict,
                          enum fs_status status, const char *label, size_t lines) {
    struct fs_arena *arena = page->arena;
    const size_t end = page->count + lines;
    bool told[FS_RULE_COUNT] = {false};
    for (int i = 0; i < FS_RULE_COUNT; i++) {
        const struct fs_outcome *outcome = &verdict->outcomes[i];
        if (told[i] || outcome->status != status || !outcome->why) continue;
        if (lines > 2 && page->count + 1 == end) {
            fs_page_wrap(page, label, "and others, with their reasons: forksight report --rules",
                         1);
            return;
        }
        if (page->count == end) return;
        const int rows = end - page->count - (lines > 2) > 1 ? 2 : 1;
        const char *ids = same_reason(verdict, i, told, arena, rows);
        fs_page_wrap(page, label, fs_arena_printf(arena, "%s: %s", ids, outcome->why), rows);
        label = "";
    }
}

static const struct fs_load *first_load(const struct fs_job *job) {
    for (size_t i = 0; i < job->node_count; i++)
        for (size_t j = 0; j < job->nodes[i].load_count; j++)
            if (job->nodes[i].loads[j].ignored == FS_IGNORED_NO) return &job->nodes[i].loads[j];
    return NULL;
}

static void print_clean(struct fs_page *page, const struct fs_job *job,
                        const struct fs_verdict *verdict) {
    const struct fs_node *node = job->node_count ? &job->nodes[0] : NULL;
    const struct fs_load *load = first_load(job);

    if (node && node->job_cpus > 0 && !isnan(node->digest->busy_mean))
        fs_page_line(page, "  CPUs    %d allowed, %.1f busy on average", node->job_cpus,
                     node->digest->busy_mean);
    if (load && load->threads > 0) {
        const char *set = fs_load_variable(load, "OMP_NUM_THREADS");
        fs_page_line(page, "  Threads %d per worker%s%s%s", load->threads,
                     set ? " (OMP_NUM_THREADS=" : "", set ? set : "", set ? ")" : "");
    }
    if (load && load->group->worker_cpu_ns.n > 0 && load->group->worker_cpu_ns.sum > 0) {
        const struct fs_spread *cpu = &load->group->worker_cpu_ns;
        fs_page_line(page, "  Balance worker CPU time max/mean %.2f over %lld workers",
                     (double)cpu->max * (double)cpu->n / (double)cpu->sum, (long long)cpu->n);
    }
    print_reasons(page, verdict, FS_NOT_APPLICABLE, "  n/a", REASON_LINES);
    print_reasons(page, verdict, FS_STATUS_UNKNOWN, "  unknown", REASON_LINES);
}

/* The strip of CPUs for the first finding that is about them. */
static void print_cpus(struct fs_page *page, const struct fs_verdict *verdict) {
    static const char *const families[] = {"affinity", "load", "job script"};
    for (size_t i = 0; i < verdict->count; i++)
        for (size_t j = 0; j < sizeof families / sizeof *families; j++)
            if (strcmp(verdict->findings[i].rule->family, families[j]) == 0) {
                fs_text_cpus(page, &verdict->findings[i]);
                return;
            }
}

/* What stands below the findings; made first, for the findings get the rest. */
static void print_foot(struct fs_page *page, const struct fs_job *job,
                       const struct fs_verdict *verdict, const struct fs_text_options *options) {
    fs_text_nodes(page, job, verdict->count > 0 ? ROWS_BESIDE_FINDINGS : job->totals.records);
    if (verdict->count > 0) {
        fs_page_line(page, "Rules     %d %s", verdict->passed, rules_text(page->arena, verdict));
        print_reasons(page, verdict, FS_STATUS_UNKNOWN, "  unknown", 2);
    }
    fs_text_tree(page, job);
    fs_text_data(page, job);
    if (options->directory) fs_page_wrap(page, "Report", options->directory, 2);
}

static void append(struct fs_page *page, const struct fs_page *part) {
    for (size_t i = 0; i < part->count; i++) {
        fs_page_line(page, "%s", "");
        if (page->count > 0) page->lines[page->count - 1] = part->lines[i];
    }
}

/* One line each for the findings from number i on; limited to room lines. */
static void print_rest(struct fs_page *page, const struct fs_verdict *verdict, size_t i,
                       bool limited, size_t room) {
    if (i == verdict->count || (limited && room < 2)) return;
    fs_page_line(page, "%s", "");
    for (size_t left = room - 1; i < verdict->count; i++, left--) {
        if (limited && left == 1 && i + 1 < verdict->count) {
            fs_page_line(page, "and %zu more findings: forksight report --top %zu",
                         verdict->count - i, verdict->count);
            return;
        }
        fs_text_finding_short(page, &verdict->findings[i]);
    }
}

/*
 * The findings, the first `top` in full. With a limit, one that does not fit
 * into room is told in one line, and so are all after it.
 */
static void print_findings(struct fs_page *page, const struct fs_verdict *verdict, int top,
                           bool limited, size_t room) {
    const size_t begin = page->count;
    size_t i = 0;
    for (; i < verdict->count && (int)i < top && !verdict->findings[i].follows; i++) {
        struct fs_page part = {
            .arena = page->arena, .charset = page->charset, .verbose = page->verbose};
        fs_page_line(&part, "%s", "");
        fs_text_finding(&part, &verdict->findings[i]);
        const size_t rest = verdict->count - i - 1;
        const size_t reserved = rest ? 1 + (rest > SHORT_FINDINGS ? SHORT_FINDINGS : rest) : 0;
        if (limited && i > 0 && page->count - begin + part.count + reserved > room) break;
        append(page, &part);
    }
    const size_t taken = page->count - begin;
    print_rest(page, verdict, i, limited, room > taken ? room - taken : 0);
}

/* The page between verdict and foot: findings, and the strip if it leaves them room. */
static void print_body(struct fs_page *page, const struct fs_verdict *verdict, size_t foot,
                       const struct fs_text_options *options) {
    const bool limited = options->top <= 0 && !options->verbose;
    const int top = options->top <= 0 ? FULL_FINDINGS : options->top;
    const size_t taken = page->count + foot + 1; /* and an empty line */
    const size_t room = PAGE_LINES > taken ? PAGE_LINES - taken : 0;
    struct fs_page strip = {
        .arena = page->arena, .charset = page->charset, .verbose = page->verbose};
    struct fs_page first = strip;

    print_cpus(&strip, verdict);
    fs_text_finding(&first, &verdict->findings[0]);
    const size_t least = first.count + 1 + (verdict->count > 1 ? 2 : 0);
    if (limited && least + strip.count > room) strip.count = 0;
    print_findings(page, verdict, top, limited, room - strip.count);
    fs_page_line(page, "%s", "");
    append(page, &strip);
}

int fs_text_print(const struct fs_job *job, const struct fs_verdict *verdict, FILE *out,
                  const struct fs_text_options *options) {
    struct fs_arena arena = {0};
    struct fs_page page = {
        .arena = &arena, .charset = options->charset, .verbose = options->verbose};
    struct fs_page foot = page;

    fs_text_header(&page, job);
    print_verdict(&page, verdict);
    print_foot(&foot, job, verdict, options);
    if (verdict->count == 0)
        print_clean(&page, job, verdict);
    else
        print_body(&page, verdict, foot.count, options);
    append(&page, &foot);
    if (options->rules) fs_text_rules(&page, verdict);

    int result = -1;
    if (arena.failed)
        errno = ENOMEM;
    else
        result = fs_page_write(&page, out, options->color);
    const int error = errno;
    fs_arena_free(&arena);
    errno = error;
    return result;
}
