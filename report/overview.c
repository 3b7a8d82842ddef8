#include "report/overview.h"

#include "report/totals.h"
#include "tracer/mask.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct fs_overview *overview) {
    if (overview->count < overview->room) return true;
    const size_t room = overview->room ? 2 * overview->room : 16;
    struct fs_node_row *rows = realloc(overview->rows, room * sizeof *rows);
    if (!rows) return false;
    overview->rows = rows;
    const char **hosts = realloc(overview->hosts, room * sizeof *hosts);
    if (!hosts) return false;
    overview->hosts = hosts;
    overview->room = room;
    return true;
}

/* --- one node --- */

static void add_groups(struct fs_overview *overview, const struct fs_node *node,
                       struct fs_node_row *row) {
    const struct fs_group *largest = NULL;
    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_group *group = node->loads[i].group;
        if (group->helper || group->shell) continue;
        row->workers += group->workers > 0 ? group->workers : 0;
        if (!largest || group->workers > largest->workers) largest = group;
    }
    if (!largest || !largest->masks_known || !largest->mask_union) return;
    row->masks = largest->masks_distinct;
    if (row->masks != 1) return;
    char *text = fs_mask_text(largest->mask_union);
    row->mask = fs_arena_text(&overview->arena, text);
    free(text);
}

/* The most that a node's time of day may have been off; NAN: nobody knows. A step between the
 * marks leaves open which times lie before it. */
static double bound_of(const struct fs_clocks *clocks) {
    const struct fs_clock_mark *begin = &clocks->begin, *end = &clocks->end;
    if (begin->realtime == FS_UNKNOWN || end->realtime == FS_UNKNOWN) return NAN;
    if (!begin->synchronised || !end->synchronised || begin->error_ns < 0 || end->error_ns < 0)
        return NAN;
    const double error =
        (double)(begin->error_ns > end->error_ns ? begin->error_ns : end->error_ns);
    const double reading = (double)(begin->read_ns > end->read_ns ? begin->read_ns : end->read_ns);
    const double step = fabs(((double)end->realtime - (double)begin->realtime) -
                             ((double)end->t - (double)begin->t));
    return (error + reading + step) / 1e9;
}

static void add_clock(struct fs_overview *overview, const struct fs_clocks *clocks) {
    struct fs_clock_bounds *bounds = &overview->clocks;
    const double bound = bound_of(clocks);
    if (overview->count == 0) {
        bounds->boot = fs_arena_text(&overview->arena, clocks->boot);
        bounds->one_kernel = bounds->boot != NULL;
    } else if (!clocks->boot || !bounds->boot || strcmp(clocks->boot, bounds->boot) != 0) {
        bounds->one_kernel = false;
    }
    if (isnan(bound)) {
        fs_node_set_add(&overview->arena, &bounds->loose, overview->count);
        return;
    }
    bounds->bounded++;
    if (bound > bounds->worst_s) {
        bounds->second_s = bounds->worst_s;
        bounds->worst_s = bound;
    } else if (bound > bounds->second_s) {
        bounds->second_s = bound;
    }
}

/* "0", "2-3"; NULL: no task is of a step. */
static const char *steps_of(struct fs_overview *overview, const struct fs_digest *digest) {
    enum { STEPS_MAX = 1 << 16 };
    hwloc_bitmap_t steps = hwloc_bitmap_alloc();
    for (size_t i = 0; steps && i < digest->task_count; i++)
        if (digest->tasks[i].step >= 0 && digest->tasks[i].step < STEPS_MAX)
            hwloc_bitmap_set(steps, (unsigned)digest->tasks[i].step);
    char *text = steps && !hwloc_bitmap_iszero(steps) ? fs_mask_text(steps) : NULL;
    const char *kept = fs_arena_text(&overview->arena, text);
    free(text);
    hwloc_bitmap_free(steps);
    return kept;
}

int fs_overview_add(struct fs_overview *overview, const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;
    const char *host = digest->host ? digest->host : "";
    if (!grow(overview)) return errno = ENOMEM, -1;
    struct fs_node_row *row = &overview->rows[overview->count];
    *row = (struct fs_node_row){
        .cpu_used = fs_node_cpu_used(node),
        .wall_s = digest->wall_ns < 0 ? NAN : (double)digest->wall_ns / 1e9,
        .busy_cpus = digest->busy_mean,
        .cpus = node->cpus,
        .job_cpus = node->job_cpus,
        .job_cores = node->job_cores,
        .processes = digest->complete.processes,
        .recorded = digest->complete.recorded,
        .masks = FS_UNKNOWN,
        .steps = steps_of(overview, digest),
    };
    overview->hosts[overview->count] = fs_arena_text(&overview->arena, host);
    add_groups(overview, node, row);
    add_clock(overview, &digest->clocks);
    int result = fs_classes_add(&overview->classes, &overview->arena, node, overview->count);
    if (result == 0)
        result =
            fs_ranks_add(&overview->ranks, &overview->arena, node, overview->count, &row->ranks);
    if (row->ranks.count > 0) row->workers = row->ranks.workers;
    overview->count++;
    if (result == 0 && overview->arena.failed) return errno = ENOMEM, -1;
    return result;
}

void fs_overview_end(struct fs_overview *overview) {
    fs_classes_sort(&overview->classes);
    fs_ranks_end(&overview->ranks);
}

void fs_overview_free(struct fs_overview *overview) {
    fs_classes_free(&overview->classes);
    fs_ranks_free(&overview->ranks);
    free(overview->rows);
    free(overview->hosts);
    fs_arena_free(&overview->arena);
    *overview = (struct fs_overview){0};
}

double fs_clock_error(const struct fs_overview *overview) {
    const struct fs_clock_bounds *bounds = &overview->clocks;
    if (overview->count < 2 || bounds->one_kernel) return 0;
    return bounds->loose.count > 0 ? NAN : bounds->worst_s + bounds->second_s;
}

/* --- numbers over the nodes --- */

static double wall_of(const struct fs_node_row *row) {
    return row->wall_s;
}

static double used_of(const struct fs_node_row *row) {
    return row->cpu_used;
}

static double busy_of(const struct fs_node_row *row) {
    return row->busy_cpus;
}

static double processes_of(const struct fs_node_row *row) {
    return row->processes < 0 ? NAN : row->processes;
}

static double workers_of(const struct fs_node_row *row) {
    return row->workers;
}

const struct fs_measure fs_measures[] = {
    {"node_cpu_used", "CPUs used, %", 100, used_of},
    {"node_wall_s", "wall time, s", 1, wall_of},
    {"node_busy_cpus", NULL, 1, busy_of},
    {"node_processes", NULL, 1, processes_of},
    {"node_workers", "workers", 1, workers_of},
    {0},
};

static int by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(const double *values, size_t count, double share) {
    const size_t rank = (size_t)ceil(share * (double)count);
    return values[rank > 0 ? rank - 1 : 0];
}

int fs_measure_all(const struct fs_overview *overview, const struct fs_measure *measure,
                   struct fs_quantiles *quantiles) {
    double *values = calloc(overview->count + 1, sizeof *values);
    size_t count = 0;
    *quantiles = (struct fs_quantiles){0};
    if (!values) return errno = ENOMEM, -1;
    for (size_t i = 0; i < overview->count; i++) {
        const double value = measure->of(&overview->rows[i]);
        if (isfinite(value)) values[count++] = value;
    }
    if (count > 0) {
        qsort(values, count, sizeof *values, by_value);
        *quantiles = (struct fs_quantiles){.count = count,
                                           .min = values[0],
                                           .p50 = quantile(values, count, 0.5),
                                           .p90 = quantile(values, count, 0.9),
                                           .p99 = quantile(values, count, 0.99),
                                           .max = values[count - 1]};
    }
    free(values);
    return 0;
}

size_t fs_measure_outliers(const struct fs_overview *overview, const struct fs_measure *measure,
                           const struct fs_quantiles *quantiles, size_t *nodes, size_t most) {
    static const double tenth = 0.1;
    size_t count = 0;
    for (size_t i = 0; i < overview->count; i++) {
        const double off = fabs(measure->of(&overview->rows[i]) - quantiles->p50);
        if (!(off > tenth * fabs(quantiles->p50))) continue;
        size_t at = count;
        while (at > 0 && fabs(measure->of(&overview->rows[nodes[at - 1]]) - quantiles->p50) < off)
            at--;
        if (at == most) continue;
        if (count < most) count++;
        memmove(nodes + at + 1, nodes + at, (count - at - 1) * sizeof *nodes);
        nodes[at] = i;
    }
    return count;
}
