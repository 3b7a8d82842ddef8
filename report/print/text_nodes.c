/* text_nodes.c - many nodes: a row each while they are few, else quantiles, what lies far off,
 * and classes of workers. */
#include "report/overview.h"
#include "report/print/text.h"
#include "report/remedy.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_MAX = 16,
    HOST_WIDTH = 24,
    OUTLIERS_MAX = 3,
    OUTLIERS_WIDTH = 26,
    CLASSES_SHOWN = 3,
    NAMED_MAX = 100
};

const char *fs_text_count(struct fs_arena *arena, long count) {
    if (count < 10000) return fs_arena_printf(arena, "%ld", count);
    const char *text = fs_arena_printf(arena, "%03ld", count % 1000);
    for (count /= 1000; count >= 1000; count /= 1000)
        text = fs_arena_printf(arena, "%03ld,%s", count % 1000, text);
    return fs_arena_printf(arena, "%ld,%s", count, text);
}

static const char *number_text(struct fs_arena *arena, double value, int width) {
    if (!isfinite(value)) return fs_arena_printf(arena, "%*s", width, "?");
    if (fabs(value) < 10 && value != floor(value))
        return fs_arena_printf(arena, "%*.1f", width, value);
    return fs_arena_printf(arena, "%*.0f", width, value);
}

/* --- a row each --- */

static const char steps_label[] = "Node.step";

static const char *masks_text(struct fs_arena *arena, const struct fs_node_row *row) {
    if (row->mask) return row->mask;
    if (row->masks > 1) return fs_arena_printf(arena, "%d masks", row->masks);
    return row->workers > 0 ? "?" : "-";
}

/* A host's own name, without its domain: that is the same for all nodes of a job. */
static const char *short_name(struct fs_arena *arena, const char *host) {
    const size_t length = strcspn(host, ".");
    return host[strspn(host, "0123456789.")] ? fs_arena_copy(arena, host, length) : host;
}

/* The rank that used most CPU time, against the median of all ranks of the job. */
static const char *busiest_text(struct fs_arena *arena, const struct fs_overview *overview,
                                const struct fs_node_row *row) {
    const double median = fs_sketch_quantile(&overview->ranks.cpu_s, 0.5);
    if (row->ranks.busiest < 0 || !(median > 0)) return "-";
    return fs_arena_printf(arena, "%d  %.1fx", row->ranks.busiest, row->ranks.busiest_s / median);
}

/* What is told of a node beside its CPUs and workers. */
static const char *row_text(struct fs_arena *arena, const struct fs_overview *overview,
                            const struct fs_node_row *row) {
    if (overview->ranks.count == 0) return masks_text(arena, row);
    const char *ranks = row->ranks.ranks ? row->ranks.ranks : "-";
    return fs_arena_printf(
        arena, "%-9s  %-23s  %s", fs_text_cut(arena, ranks, 9, FS_ASCII),
        fs_text_cut(arena, row->ranks.masks ? row->ranks.masks : "-", 23, FS_ASCII),
        busiest_text(arena, overview, row));
}

/* The node of a record and, if the job has several, the steps that it is of: "n1.0". */
static const char *record_name(struct fs_arena *arena, const struct fs_overview *overview,
                               size_t number, bool steps) {
    const char *host = short_name(arena, overview->hosts[number]);
    const char *of = overview->rows[number].steps;
    return steps && of ? fs_arena_printf(arena, "%s.%s", host, of) : host;
}

static int host_width(struct fs_arena *arena, const struct fs_overview *overview, bool steps) {
    int width = steps ? (int)strlen(steps_label) : 8;
    for (size_t i = 0; i < overview->count; i++) {
        const int length = (int)strlen(record_name(arena, overview, i, steps));
        width = length > HOST_WIDTH ? HOST_WIDTH : length > width ? length : width;
    }
    return width;
}

/* A name, and blanks up to so many columns. */
static const char *host_text(struct fs_page *page, const char *host, int width) {
    struct fs_arena *arena = page->arena;
    host = fs_harmless(arena, host, page->charset);
    host = fs_text_cut(arena, host, HOST_WIDTH, page->charset);
    return fs_arena_printf(arena, "%s%*s", host, width - (int)fs_text_width(host, page->charset),
                           "");
}

static void print_rows(struct fs_page *page, const struct fs_overview *overview, bool steps) {
    struct fs_arena *arena = page->arena;
    const int width = host_width(arena, overview, steps);
    fs_page_line(page, "%-*s  cpu%%  CPUs  workers  %s", width, steps ? steps_label : "Node",
                 overview->ranks.count > 0 ? "ranks      masks                    busiest rank"
                                           : "masks");
    for (size_t i = 0; i < overview->count; i++) {
        const struct fs_node_row *row = &overview->rows[i];
        fs_page_line(page, "%s  %s  %s  %7d  %s",
                     host_text(page, record_name(arena, overview, i, steps), width),
                     number_text(arena, round(100 * row->cpu_used), 4),
                     number_text(arena, row->job_cpus < 0 ? NAN : row->job_cpus, 4), row->workers,
                     row_text(arena, overview, row));
    }
}

/* --- all ranks --- */

static const char *rank_text(struct fs_arena *arena, const struct fs_ranks *ranks,
                             const struct fs_rank *rank) {
    if (rank->rank < 0) return "?";
    if (!ranks->several_steps || rank->step < 0) return fs_arena_printf(arena, "%d", rank->rank);
    return fs_arena_printf(arena, "%d.%d", rank->step, rank->rank);
}

static void print_ranks(struct fs_page *page, const struct fs_overview *overview) {
    const struct fs_ranks *ranks = &overview->ranks;
    struct fs_arena *arena = page->arena;
    const int width = host_width(arena, overview, false);
    if (ranks->count == 0) return;
    fs_page_line(page, "%-8s  %-*s  cpu s  workers  mask", "Rank", width, "node");
    for (size_t i = 0; i < ranks->list_count; i++) {
        const struct fs_rank *rank = &ranks->list[i];
        const char *mask = rank->shape->mask ? rank->shape->mask : "?";
        fs_page_line(page, "%-8s  %s  %s  %7d  %s%s%s", rank_text(arena, ranks, rank),

                     host_text(page, record_name(arena, overview, rank->node, false), width),
                     number_text(arena, rank->cpu_s, 5), rank->workers > 0 ? rank->workers : 0,
                     mask,
                     rank->shape->cores > 0 ? fs_arena_printf(arena, " (%dcore/%dpu)",
                                                              rank->shape->cores, rank->shape->cpus)
                                            : "",
                     rank->shared ? ", shared" : "");
    }
    if (ranks->count > (long)ranks->list_count)
        fs_page_line(page, "%-8s  and %s more", "",
                     fs_text_count(arena, ranks->count - (long)ranks->list_count));
}

/* --- quantiles --- */

static const char *outliers_text(struct fs_page *page, const struct fs_overview *overview,
                                 const struct fs_measure *measure,
                                 const struct fs_quantiles *quantiles) {
    struct fs_node_set set = {0};
    size_t nodes[OUTLIERS_MAX];
    const size_t count = fs_measure_outliers(overview, measure, quantiles, nodes, OUTLIERS_MAX);
    for (size_t i = 0; i < count; i++)
        fs_node_set_add(page->arena, &set, nodes[i]);
    const char *text = fs_node_set_brief(page->arena, &set, overview->hosts, OUTLIERS_WIDTH);
    return count > 0 ? fs_arena_printf(page->arena, "  %s", text) : "";
}

static void print_rank_quantiles(struct fs_page *page, const struct fs_overview *overview) {
    static const double shares[] = {0, 0.5, 0.9, 0.99, 1};
    const struct fs_sketch *cpu = &overview->ranks.cpu_s;
    const char *text = "";
    if (cpu->count == 0) return;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        text = fs_arena_printf(page->arena, "%s%s", text,
                               number_text(page->arena, fs_sketch_quantile(cpu, shares[i]), 7));
    fs_page_line(page, "  %-14s%s", "rank CPU, s", text);
}

static void print_quantiles(struct fs_page *page, const struct fs_overview *overview,
                            bool records) {
    struct fs_arena *arena = page->arena;
    fs_page_line(page, "%-16s    min    p50    p90    p99    max  farthest off",
                 fs_arena_printf(arena, "%s %s", fs_text_count(arena, (long)overview->count),
                                 records ? "records" : "nodes"));
    for (const struct fs_measure *measure = fs_measures; measure->name; measure++) {
        struct fs_quantiles quantiles;
        if (!measure->label) continue;
        if (fs_measure_all(overview, measure, &quantiles) < 0) arena->failed = true;
        if (quantiles.count == 0) continue;
        const double values[] = {quantiles.min, quantiles.p50, quantiles.p90, quantiles.p99,
                                 quantiles.max};
        const char *text = "";
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            text = fs_arena_printf(arena, "%s%s", text,
                                   number_text(arena, measure->scale * values[i], 7));
        fs_page_line(page, "  %-14s%s%s", measure->label, text,
                     outliers_text(page, overview, measure, &quantiles));
    }
    print_rank_quantiles(page, overview);
}

/* --- classes --- */

static const char *shape_text(struct fs_arena *arena, const struct fs_class *class) {
    if (class->masks < 1 || class->cores < 1 || class->cpus < 1) return "masks unknown";
    if (class->masks == 1)
        return fs_arena_printf(arena, "mask shape %dcore/%dpu", class->cores, class->cpus);
    return fs_arena_printf(arena, "%d masks on %dcore/%dpu", class->masks, class->cores,
                           class->cpus);
}

static const char *maker_text(struct fs_arena *arena, const struct fs_class *class) {
    if (class->site.file && class->site.line > 0)
        return fs_arena_printf(arena, "made at %s:%d", fs_base_name(class->site.file),
                               class->site.line);
    return fs_base_name(class->executable);
}

/* Where a class is, unless it is everywhere. */
static const char *where_text(struct fs_arena *arena, const struct fs_overview *overview,
                              const struct fs_node_set *nodes) {
    if (nodes->count == overview->count) return "";
    const size_t names = fs_node_set_names(arena, nodes, overview->hosts);
    if (names > NAMED_MAX)
        return fs_arena_printf(arena, " on %s nodes", fs_text_count(arena, (long)names));
    return fs_arena_printf(arena, " on %s",
                           fs_node_set_brief(arena, nodes, overview->hosts, OUTLIERS_WIDTH));
}

static void print_class(struct fs_page *page, const struct fs_overview *overview,
                        const struct fs_class *class, const char *label) {
    struct fs_arena *arena = page->arena;
    fs_page_wrap(page, label,
                 fs_arena_printf(arena, "%s workers%s: %s, %s",
                                 fs_text_count(arena, class->workers),
                                 where_text(arena, overview, &class->nodes),
                                 shape_text(arena, class), maker_text(arena, class)),
                 page->verbose ? 2 : 1);
}

static void print_classes(struct fs_page *page, const struct fs_overview *overview) {
    const struct fs_classes *classes = &overview->classes;
    struct fs_arena *arena = page->arena;
    long workers = classes->other_workers, left_out = classes->other_workers > 0;
    int shown = 0;
    for (size_t i = 0; i < classes->count; i++) {
        const struct fs_class *class = classes->list[i];
        if (class->ignored != FS_IGNORED_NO) continue;
        if (shown < CLASSES_SHOWN || page->verbose) {
            print_class(page, overview, class, shown++ ? "" : "Classes");
            continue;
        }
        workers += class->workers;
        left_out++;
    }
    if (left_out == 0) return;
    fs_page_wrap(page, "",
                 fs_arena_printf(arena, "%s workers of %ld other class%s: forksight report -v",
                                 fs_text_count(arena, workers), left_out,
                                 left_out == 1 ? "" : "es"),
                 1);
}

static void print_rank_class(struct fs_page *page, const struct fs_overview *overview,
                             const struct fs_rank_class *class, const char *label) {
    struct fs_arena *arena = page->arena;
    const char *shape = class->cores > 0 ? fs_arena_printf(arena, "mask shape %dcore/%dpu",
                                                           class->cores, class->cpus)
                                         : "masks unknown";
    fs_page_wrap(page, label,
                 fs_arena_printf(arena, "%s ranks%s: %s%s, %s", fs_text_count(arena, class->ranks),
                                 where_text(arena, overview, &class->nodes), shape,
                                 class->shared ? " shared" : "",
                                 class->executable ? fs_base_name(class->executable) : "?"),
                 page->verbose ? 2 : 1);
}

static void print_rank_classes(struct fs_page *page, const struct fs_overview *overview) {
    const struct fs_ranks *ranks = &overview->ranks;
    struct fs_arena *arena = page->arena;
    const size_t most = page->verbose ? ranks->class_count : CLASSES_SHOWN;
    long left_out = ranks->other_ranks;
    for (size_t i = 0; i < ranks->class_count; i++) {
        if (i < most)
            print_rank_class(page, overview, ranks->classes[i], i ? "" : "Ranks");
        else
            left_out += ranks->classes[i]->ranks;
    }
    if (left_out > 0)
        fs_page_wrap(page, "",
                     fs_arena_printf(arena, "%s ranks of other classes: forksight report -v",
                                     fs_text_count(arena, left_out)),
                     1);
}

/* --- clocks --- */

static const char *seconds_text(struct fs_arena *arena, double seconds) {
    if (seconds < 1e-3) return fs_arena_printf(arena, "%.0f us", ceil(seconds * 1e6));
    if (seconds < 1) return fs_arena_printf(arena, "%.1f ms", ceil(seconds * 1e4) / 10);
    return fs_arena_printf(arena, "%.1f s", ceil(seconds * 10) / 10);
}

static void print_clocks(struct fs_page *page, const struct fs_overview *overview) {
    const struct fs_clock_bounds *bounds = &overview->clocks;
    struct fs_arena *arena = page->arena;
    const char *text;
    if (bounds->one_kernel)
        text = "one for all nodes: they run in the same kernel";
    else if (bounds->loose.count == 0)
        text = fs_arena_printf(arena, "nodes aligned to +-%s (NTP)",
                               seconds_text(arena, fs_clock_error(overview)));
    else if (bounds->bounded == 0)
        text = "not aligned: no node's clock is known to be synchronised";
    else
        text = fs_arena_printf(arena, "not aligned: unknown on %s",
                               fs_node_set_brief(arena, &bounds->loose, overview->hosts, 40));
    fs_page_wrap(page, "Clocks", text, 1);
}

void fs_text_nodes(struct fs_page *page, const struct fs_job *job, size_t rows) {
    const struct fs_overview *overview = job->overview;
    const bool steps = job->totals.steps > 1;
    if (page->verbose) print_ranks(page, overview);
    if (overview->count == 1 && overview->ranks.count > 0) print_rows(page, overview, steps);
    if (overview->count < 2) return;
    if (page->verbose || overview->count <= (rows < ROWS_MAX ? rows : ROWS_MAX))
        print_rows(page, overview, steps);
    else
        print_quantiles(page, overview, job->totals.records > job->totals.nodes);
    if (overview->count > ROWS_MAX || page->verbose) {
        print_rank_classes(page, overview);
        print_classes(page, overview);
    }
    if (job->totals.nodes > 1) print_clocks(page, overview);
}
