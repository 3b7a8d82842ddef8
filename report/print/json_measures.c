/* json_measures.c - what was measured on the nodes at hand, for machines: classes of workers,
 * numbers over the nodes, and each node. */
#include "report/print/json.h"
#include "report/totals.h"

#include <math.h>
#include <stdlib.h>

enum { CLASSES_MAX = 64, NODES_MAX = 1000 };

/* Groups of one line of the program over the nodes. */
struct class {
    const struct fs_load *first;
    long workers;
    int nodes, groups;
    const struct fs_node *last;
    struct fs_spread cpu;
};

static void add_to_class(struct class *class, const struct fs_load *load) {
    const struct fs_spread *cpu = &load->group->worker_cpu_ns;
    class->workers += load->group->workers > 0 ? load->group->workers : 0;
    class->nodes += class->last != load->node;
    class->last = load->node;
    class->groups++;
    if (cpu->n <= 0) return;
    if (class->cpu.n <= 0) {
        class->cpu = *cpu;
        return;
    }
    class->cpu.n += cpu->n;
    class->cpu.min = cpu->min < class->cpu.min ? cpu->min : class->cpu.min;
    class->cpu.max = cpu->max > class->cpu.max ? cpu->max : class->cpu.max;
    class->cpu.p50 = class->cpu.p90 = FS_UNKNOWN; /* cannot be told of two from each one's */
}

static size_t make_classes(const struct fs_job *job, struct class *classes) {
    size_t count = 0;
    for (size_t i = 0; i < job->node_count; i++) {
        for (size_t j = 0; j < job->nodes[i].load_count; j++) {
            const struct fs_load *load = &job->nodes[i].loads[j];
            size_t at = 0;
            while (at < count && !fs_like_loads(classes[at].first, load))
                at++;
            if (at == CLASSES_MAX) continue;
            if (at == count) classes[count++] = (struct class){.first = load, .cpu = {.n = -1}};
            add_to_class(&classes[at], load);
        }
    }
    return count;
}

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

static json_t *class_of(struct fs_json *json, const struct class *class) {
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
    const struct fs_load *load = class->first;
    json_t *object = fs_json_object(json);
    fs_json_text(json, object, "made_by", kinds[load->group->kind]);
    fs_json_text(json, object, "executable", load->group->executable);
    fs_json_text(json, object, "parent_executable", load->group->parent_executable);
    fs_json_set(json, object, "place", fs_json_place(json, &load->group->site));
    fs_json_text(json, object, "no_load_because", ignored[load->ignored]);
    fs_json_count(json, object, "workers", class->workers);
    fs_json_count(json, object, "nodes", class->nodes);
    fs_json_count(json, object, "groups", class->groups);
    fs_json_text(json, object, "example_host", load->node->digest->host);
    fs_json_count(json, object, "example_workers_at_once", load->workers);
    fs_json_count(json, object, "example_cpus", load->cpus);
    fs_json_count(json, object, "example_cores", load->cores);
    fs_json_count(json, object, "example_threads", load->threads);
    fs_json_real(json, object, "example_run_queue_wait", load->wait);
    fs_json_real(json, object, "example_cpu_used", load->use);
    fs_json_set(json, object, "worker_cpu_s", spread_of(json, &class->cpu));
    return object;
}

json_t *fs_json_classes(struct fs_json *json, const struct fs_job *job) {
    struct class classes[CLASSES_MAX];
    const size_t count = make_classes(job, classes);
    json_t *array = fs_json_array(json);
    for (size_t i = 0; i < count; i++)
        fs_json_append(json, array, class_of(json, &classes[i]));
    return array;
}

static double node_wall(const struct fs_node *node) {
    return node->digest->wall_ns < 0 ? NAN : (double)node->digest->wall_ns / 1e9;
}

static double node_busy(const struct fs_node *node) {
    return node->digest->busy_mean;
}

static double node_processes(const struct fs_node *node) {
    return node->digest->complete.processes < 0 ? NAN : node->digest->complete.processes;
}

static const struct {
    const char *name;
    double (*of)(const struct fs_node *node);
} measures[] = {
    {"node_wall_s", node_wall},
    {"node_cpu_used", fs_node_cpu_used},
    {"node_busy_cpus", node_busy},
    {"node_processes", node_processes},
};

static int by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Nearest rank over sorted values. */
static double quantile(const double *values, size_t count, double share) {
    const size_t rank = (size_t)ceil(share * (double)count);
    return values[rank > 0 ? rank - 1 : 0];
}

static json_t *metric_of(struct fs_json *json, double *values, size_t count) {
    json_t *metric = fs_json_object(json);
    qsort(values, count, sizeof *values, by_value);
    fs_json_count(json, metric, "n", (int64_t)count);
    fs_json_real(json, metric, "min", values[0]);
    fs_json_real(json, metric, "p50", quantile(values, count, 0.5));
    fs_json_real(json, metric, "p90", quantile(values, count, 0.9));
    fs_json_real(json, metric, "p99", quantile(values, count, 0.99));
    fs_json_real(json, metric, "max", values[count - 1]);
    return metric;
}

json_t *fs_json_metrics(struct fs_json *json, const struct fs_job *job) {
    json_t *metrics = fs_json_object(json);
    const bool all = job->node_count == job->totals.nodes;
    double *values = calloc(job->node_count + 1, sizeof *values);
    if (!values) json->failed = true;
    for (size_t i = 0; all && values && i < sizeof measures / sizeof *measures; i++) {
        size_t count = 0;
        for (size_t j = 0; j < job->node_count; j++) {
            const double value = measures[i].of(&job->nodes[j]);
            if (isfinite(value)) values[count++] = value;
        }
        if (count > 0) fs_json_set(json, metrics, measures[i].name, metric_of(json, values, count));
    }
    free(values);
    return metrics;
}

json_t *fs_json_nodes(struct fs_json *json, const struct fs_job *job) {
    json_t *nodes = fs_json_array(json);
    for (size_t i = 0; i < job->node_count && i < NODES_MAX; i++) {
        const struct fs_node *node = &job->nodes[i];
        json_t *object = fs_json_object(json);
        fs_json_text(json, object, "host", node->digest->host);
        fs_json_count(json, object, "cpus", node->cpus);
        fs_json_count(json, object, "job_cpus", node->job_cpus);
        fs_json_count(json, object, "job_cores", node->job_cores);
        fs_json_count(json, object, "processes_seen", node->digest->complete.processes);
        fs_json_count(json, object, "processes_recorded", node->digest->complete.recorded);
        fs_json_real(json, object, "wall_s", node_wall(node));
        fs_json_real(json, object, "cpu_used", fs_node_cpu_used(node));
        fs_json_real(json, object, "busy_cpus", node->digest->busy_mean);
        fs_json_append(json, nodes, object);
    }
    return nodes;
}
