/*
 * watched.c - processes that a tracer or a profiler looks at, and whether it looks at
 * their children, too.
 */
#include "tracer/evaluation.h"

#include "tracer/text.h"

#include <stdlib.h>

/* 1: the tool is there; 0: it is not; -1: nobody looked, or nobody can tell. */
static int is_at(const struct fs_record *parent, const struct fs_record *child, bool tracer) {
    const struct fs_image *image = fs_record_image(child);

    if (tracer) return child->t_tracer ? child->tracer != 0 : -1;
    /* A forked child keeps its parent's mappings, whether or not the tool works on in it. */
    if (!image || image == fs_record_image(parent) || !image->objects_read) return -1;
    return image->profiler != NULL;
}

static void add_child(const struct fs_evaluation *evaluation, const struct fs_record *parent,
                      const struct fs_record *child, struct fs_watched *watched,
                      int64_t *example_cpu) {
    const struct fs_image *image = fs_record_image(child);
    const int there = is_at(parent, child, watched->tracer);
    const int64_t cpu = fs_record_cpu(child);

    if (there < 0) return;
    watched->children++;
    if (there) return;
    watched->missed++;
    if (cpu > 0) watched->missed_cpu_ns += cpu;
    watched->scrubbed |= !watched->tracer && image && image->repaired;
    if (cpu <= *example_cpu) return;
    *example_cpu = cpu;
    watched->example = child->pid;
    free(watched->example_executable);
    watched->example_executable = image ? fs_copy_text(image->executable) : NULL;
    fs_place_free(&watched->site);
    fs_place_of(evaluation->table, child->birth_site, &watched->site);
}

static void fill(const struct fs_evaluation *evaluation, const struct fs_record *record,
                 struct fs_watched *watched) {
    const struct fs_image *image = fs_record_image(record);
    int64_t example_cpu = -1;

    *watched = (struct fs_watched){.pid = record->pid,
                                   .executable = image ? fs_copy_text(image->executable) : NULL,
                                   .command = image ? fs_copy_text(image->command) : NULL,
                                   .tracer = record->tracer != 0,
                                   .cpu_ns = fs_record_cpu(record)};
    watched->tool = fs_copy_text(watched->tracer ? record->tracer_executable : image->profiler);
    for (const struct fs_record *child = evaluation->table->first; child; child = child->next)
        if (child->parent == record) add_child(evaluation, record, child, watched, &example_cpu);
}

static bool is_watched(const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);

    return record->kept_children > 0 && (record->tracer || (image && image->profiler));
}

int fs_evaluate_watched(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    digest->watched = calloc(FS_WATCHED_MAX, sizeof *digest->watched);
    if (!digest->watched) return -1;
    for (const struct fs_record *record = evaluation->table->first;
         record && digest->watched_count < FS_WATCHED_MAX; record = record->next)
        if (is_watched(record)) fill(evaluation, record, &digest->watched[digest->watched_count++]);
    return 0;
}
