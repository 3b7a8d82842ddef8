/* json_measures.c - what was measured, for machines: classes of workers, numbers over the nodes,
 * what lies far off, the nodes at hand, and how well clocks agree. */
#include "report/overview.h"
#include "report/print/json.h"
#include "report/totals.h"

#include <math.h>
#include <stdlib.h>

enum { CLASSES_MAX = 64, NODES_MAX = 600, HOSTS_MAX = 1024, OUTLIERS_MAX = 5 };

static json_t *spread_of(struct fs_json *json, const struct fs_spread *cpu) {
    if (cpu->n <= 0) return json_null();
    json_t *object = fs_json_object(json);
    fs_json_count(json, object, "n", cpu->n);
    fs_json_seconds(json, object, "min", cpu->min);
    fs_json_seconds(json, object, "p50", cpu->p50);
    fs_json_seconds(json, object, "p90", cpu->p90);
    fs_json_seconds(json, object, "max", cpu->max);
    return object;
}

void fs_json_set_hosts(struct fs_json *json, json_t *object, const struct fs_job *job,
                       const struct fs_node_set *nodes) {
    struct fs_arena arena = {0};
    size_t left_out;
    fs_json_text(json, object, "hostlist",
                 fs_node_set_hosts(&arena, nodes, job->overview->hosts, HOSTS_MAX, &left_out));
    fs_json_count(json, object, "hosts_left_out", (int64_t)left_out);
    json->failed = json->failed || arena.failed;
    fs_arena_free(&arena);
}

static json_t *class_of(struct fs_json *json, const struct fs_job *job,
                        const struct fs_class *class) {
    static const char *const kinds[FS_GROUP_KIND_COUNT] = {
        [FS_GROUP_FORK] = "fork",
        [FS_GROUP_SPAWN] = "spawn",
        [FS_GROUP_FORKSERVER] = "forkserver",
        [FS_GROUP_EXECUTABLE] = "exec",
    };
    static const char *const ignored[] = {
        [FS_IGNORED_NO] = NULL,     [FS_IGNORED_HELPER] = "helper", [FS_IGNORED_SHELL] = "shell",
        [FS_IGNORED_IDLE] = "idle", [FS_IGNORED_SINGLE] = "single",
    };
    json_t *object = fs_json_object(json);
    fs_json_text(json, object, "made_by", kinds[class->kind]);
    fs_json_text(json, object, "executable", class->executable);
    fs_json_text(json, object, "parent_executable", class->parent_executable);
    fs_json_set(json, object, "place", fs_json_place(json, &class->site));
    fs_json_text(json, object, "no_load_because", ignored[class->ignored]);
    fs_json_count(json, object, "masks", class->masks);
    fs_json_count(json, object, "mask_cores", class->cores);
    fs_json_count(json, object, "mask_cpus", class->cpus);
    fs_json_count(json, object, "workers", class->workers);
    fs_json_count(json, object, "nodes", (int64_t) class->nodes.count);
    fs_json_set_hosts(json, object, job, &class->nodes);
    fs_json_count(json, object, "groups", class->groups);
    fs_json_text(json, object, "example_host", class->example_host);
    fs_json_count(json, object, "example_workers_at_once", class->example_workers);
    fs_json_count(json, object, "example_cpus", class->example_cpus);
    fs_json_count(json, object, "example_cores", class->example_cores);
    fs_json_count(json, object, "example_threads", class->example_threads);
    fs_json_real(json, object, "example_run_queue_wait", class->example_wait);
    fs_json_real(json, object, "example_cpu_used", class->example_use);
    fs_json_set(json, object, "worker_cpu_s", spread_of(json, &class->worker_cpu_ns));
    return object;
}

json_t *fs_json_classes(struct fs_json *json, const struct fs_job *job) {
    const struct fs_classes *classes = &job->overview->classes;
    json_t *array = fs_json_array(json);
    for (size_t i = 0; i < classes->count && i < CLASSES_MAX; i++)
        fs_json_append(json, array, class_of(json, job, classes->list[i]));
    return array;
}

static json_t *metric_of(struct fs_json *json, const struct fs_quantiles *quantiles) {
    json_t *metric = fs_json_object(json);
    fs_json_count(json, metric, "n", (int64_t)quantiles->count);
    fs_json_real(json, metric, "min", quantiles->min);
    fs_json_real(json, metric, "p50", quantiles->p50);
    fs_json_real(json, metric, "p90", quantiles->p90);
    fs_json_real(json, metric, "p99", quantiles->p99);
    fs_json_real(json, metric, "max", quantiles->max);
    return metric;
}

json_t *fs_json_metrics(struct fs_json *json, const struct fs_job *job) {
    json_t *metrics = fs_json_object(json);
    for (const struct fs_measure *measure = fs_measures; measure->name; measure++) {
        struct fs_quantiles quantiles;
        if (fs_measure_all(job->overview, measure, &quantiles) < 0) json->failed = true;
        if (quantiles.count > 0)
            fs_json_set(json, metrics, measure->name, metric_of(json, &quantiles));
    }
    const struct fs_sketch *cpu = &job->overview->ranks.cpu_s;
    const struct fs_quantiles quantiles = {.count = (size_t)cpu->count,
                                           .min = cpu->min,
                                           .p50 = fs_sketch_quantile(cpu, 0.5),
                                           .p90 = fs_sketch_quantile(cpu, 0.9),
                                           .p99 = fs_sketch_quantile(cpu, 0.99),
                                           .max = cpu->max};
    if (cpu->count > 0) fs_json_set(json, metrics, "rank_cpu_s", metric_of(json, &quantiles));
    return metrics;
}

json_t *fs_json_outliers(struct fs_json *json, const struct fs_job *job) {
    const struct fs_overview *overview = job->overview;
    json_t *outliers = fs_json_array(json);
    for (const struct fs_measure *measure = fs_measures; measure->name; measure++) {
        struct fs_quantiles quantiles;
        size_t nodes[OUTLIERS_MAX];
        if (fs_measure_all(overview, measure, &quantiles) < 0) json->failed = true;
        const size_t count =
            fs_measure_outliers(overview, measure, &quantiles, nodes, OUTLIERS_MAX);
        for (size_t i = 0; i < count; i++) {
            json_t *outlier = fs_json_object(json);
            fs_json_text(json, outlier, "metric", measure->name);
            fs_json_text(json, outlier, "host", overview->hosts[nodes[i]]);
            fs_json_real(json, outlier, "value", measure->of(&overview->rows[nodes[i]]));
            fs_json_real(json, outlier, "p50", quantiles.p50);
            fs_json_append(json, outliers, outlier);
        }
    }
    return outliers;
}

json_t *fs_json_clocks(struct fs_json *json, const struct fs_job *job) {
    const struct fs_clock_bounds *bounds = &job->overview->clocks;
    json_t *clocks = fs_json_object(json), *loose = fs_json_object(json);
    fs_json_real(json, clocks, "error_s", fs_clock_error(job->overview));
    fs_json_bool(json, clocks, "one_kernel", bounds->one_kernel);
    fs_json_count(json, clocks, "nodes_synchronised", (int64_t)bounds->bounded);
    fs_json_count(json, loose, "nodes", (int64_t)bounds->loose.count);
    fs_json_set_hosts(json, loose, job, &bounds->loose);
    fs_json_set(json, clocks, "not_synchronised", loose);
    return clocks;
}

static void set_ranks(struct fs_json *json, json_t *object, const struct fs_rank_row *row) {
    fs_json_count(json, object, "ranks", row->count);
    fs_json_count(json, object, "ranks_sharing_cpus", row->shared);
    fs_json_text(json, object, "rank_list", row->ranks);
    fs_json_count(json, object, "busiest_rank", row->busiest);
    fs_json_real(json, object, "busiest_rank_cpu_s", row->busiest_s);
}

json_t *fs_json_nodes(struct fs_json *json, const struct fs_job *job) {
    const struct fs_overview *overview = job->overview;
    json_t *nodes = fs_json_array(json);
    for (size_t i = 0; i < overview->count && i < NODES_MAX; i++) {
        const struct fs_node_row *row = &overview->rows[i];
        json_t *object = fs_json_object(json);
        fs_json_text(json, object, "host", *overview->hosts[i] ? overview->hosts[i] : NULL);
        fs_json_text(json, object, "steps", row->steps);
        fs_json_count(json, object, "cpus", row->cpus);
        fs_json_count(json, object, "job_cpus", row->job_cpus);
        fs_json_count(json, object, "job_cores", row->job_cores);
        fs_json_count(json, object, "processes_seen", row->processes);
        fs_json_count(json, object, "processes_recorded", row->recorded);
        fs_json_count(json, object, "workers", row->workers);
        fs_json_count(json, object, "masks", row->masks);
        fs_json_text(json, object, "mask", row->mask);
        if (overview->ranks.count > 0) set_ranks(json, object, &row->ranks);
        fs_json_real(json, object, "wall_s", row->wall_s);
        fs_json_real(json, object, "cpu_used", row->cpu_used);
        fs_json_real(json, object, "busy_cpus", row->busy_cpus);
        fs_json_append(json, nodes, object);
    }
    return nodes;
}
