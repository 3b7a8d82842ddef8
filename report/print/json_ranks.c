/* json_ranks.c - the tasks of a job for machines: which rank ran where, and classes of ranks. */
#include "report/overview.h"
#include "report/print/json.h"

enum { RANKS_MAX = 1024, CLASSES_MAX = 64 };

json_t *fs_json_ranks(struct fs_json *json, const struct fs_job *job) {
    const struct fs_ranks *ranks = &job->overview->ranks;
    json_t *array = fs_json_array(json);
    for (size_t i = 0; i < ranks->list_count && i < RANKS_MAX; i++) {
        const struct fs_rank *rank = &ranks->list[i];
        json_t *object = fs_json_object(json);
        fs_json_count(json, object, "step", rank->step);
        fs_json_count(json, object, "rank", rank->rank);
        fs_json_text(json, object, "host", job->overview->hosts[rank->node]);
        fs_json_text(json, object, "mask", rank->shape->mask);
        fs_json_count(json, object, "mask_cores", rank->shape->cores);
        fs_json_bool(json, object, "shared", rank->shared);
        fs_json_real(json, object, "cpu_s", rank->cpu_s);
        fs_json_count(json, object, "workers", rank->workers);
        fs_json_append(json, array, object);
    }
    return array;
}

json_t *fs_json_rank_classes(struct fs_json *json, const struct fs_job *job) {
    const struct fs_ranks *ranks = &job->overview->ranks;
    json_t *array = fs_json_array(json);
    for (size_t i = 0; i < ranks->class_count && i < CLASSES_MAX; i++) {
        const struct fs_rank_class *class = ranks->classes[i];
        json_t *object = fs_json_object(json);
        fs_json_text(json, object, "executable", class->executable);
        fs_json_count(json, object, "mask_cores", class->cores);
        fs_json_count(json, object, "mask_cpus", class->cpus);
        fs_json_bool(json, object, "shared", class->shared);
        fs_json_count(json, object, "ranks", class->ranks);
        fs_json_count(json, object, "nodes", (int64_t) class->nodes.count);
        fs_json_set_hosts(json, object, job, &class->nodes);
        fs_json_count(json, object, "example_rank", class->example);
        fs_json_append(json, array, object);
    }
    return array;
}
