/*
 * look.c - the image that a process runs, as /proc tells it.
 *
 * For images with the shim only what the shim does not keep: names in the
 * environment that look like a misspelt variable, and libraries that came by
 * dlopen. For the others everything.
 */
#include "tracer/sampler.h"

#include "tracer/clock.h"
#include "tracer/libraries.h"
#include "tracer/tools.h"
#include "tracer/variables.h"

#include <stdlib.h>
#include <string.h>

enum { MISSPELT_MAX = 16, VARIABLES_MAX = 128, ARGV_SIZE = 4096 };
/* The shim's own segment comes within this time after an exec, if it comes. */
static const int64_t exec_settles = 50 * FS_MILLISECOND;
static const int64_t objects_every = 5 * FS_SECOND;

struct environment {
    struct fs_table *table;
    struct fs_variable variables[VARIABLES_MAX];
    size_t variable_count;
    struct fs_misspelt misspelt[MISSPELT_MAX];
    size_t misspelt_count;
};

static int visit(void *context, const char *name, size_t length, const char *value) {
    struct environment *environment = context;
    struct fs_interned *interned = &environment->table->interned;

    if (fs_variable_find(name, length)) {
        if (environment->variable_count == VARIABLES_MAX) return 0;
        environment->variables[environment->variable_count++] =
            (struct fs_variable){.name = (char *)fs_intern(interned, name, length),
                                 .value = (char *)fs_intern(interned, value, strlen(value))};
        return 0;
    }
    const struct fsp_recorded_variable *meant = fs_variable_meant(name, length);
    if (meant && environment->misspelt_count < MISSPELT_MAX)
        environment->misspelt[environment->misspelt_count++] =
            (struct fs_misspelt){.name = fs_intern(interned, name, length), .meant = meant->name};
    return 0;
}

static void *copy_of(const void *list, size_t size) {
    void *copy = size ? malloc(size) : NULL;

    return copy ? memcpy(copy, list, size) : NULL;
}

static void read_environment(struct fs_sampler *sampler, const struct fs_record *record,
                             struct fs_image *image) {
    struct environment *environment = calloc(1, sizeof *environment);
    bool cut = false;
    size_t kept = 0;

    if (!environment) return;
    environment->table = sampler->table;
    if (fs_proc_environment(sampler->proc, record->pid, visit, environment, &cut) == 0 && !cut) {
        image->environment_read = true;
        for (size_t i = 0; i < environment->misspelt_count; i++)
            if (!fs_variable_value(environment->variables, environment->variable_count,
                                   environment->misspelt[i].meant))
                environment->misspelt[kept++] = environment->misspelt[i];
        image->misspelt = copy_of(environment->misspelt, kept * sizeof *image->misspelt);
        image->misspelt_count = image->misspelt ? kept : 0;
        if (!image->shim) {
            image->variables = copy_of(environment->variables,
                                       environment->variable_count * sizeof *image->variables);
            image->variable_count = image->variables ? environment->variable_count : 0;
        }
    }
    free(environment);
}

struct objects {
    struct fs_table *table;
    struct fs_image *image;
};

static int visit_object(void *context, const char *path) {
    const struct objects *objects = context;
    struct fs_image *image = objects->image;
    const int gil = fs_gil_of(path);

    image->libraries |= fs_library_of(path);
    image->gil |= gil == 1;
    image->free_threaded |= gil == 0;
    if (!image->profiler && fs_is_profiler(path))
        image->profiler = fs_intern(&objects->table->interned, path, strlen(path));
    return 0;
}

/* A tracer may come and go; one that was there once counts. Nobody but the tracer of a
 * process is at its children, so theirs is looked for only there. */
static void look_for_tracer(struct fs_sampler *sampler, struct fs_record *record, int64_t now) {
    struct fs_proc_status status = {.mask = NULL};
    char path[4096];

    if (record->t_tracer && now - record->t_tracer < objects_every) return;
    if (fs_proc_status(sampler->proc, record->pid, 0, &status) != 0) return;
    record->t_tracer = now;
    if (status.huge_kib != FS_PROC_UNKNOWN && status.huge_kib * 1024 > record->huge_bytes)
        record->huge_bytes = status.huge_kib * 1024;
    /* Not forksight itself, which looks at stacks. */
    if (status.tracer <= 0 || status.tracer == sampler->table->run_pid || record->tracer) return;
    record->tracer = status.tracer;
    if (fs_proc_executable(sampler->proc, status.tracer, path, sizeof path, NULL) == 0)
        record->tracer_executable = fs_intern(&sampler->table->interned, path, strlen(path));
}

static void look_at_objects(struct fs_sampler *sampler, struct fs_record *record,
                            struct fs_image *image, int64_t now) {
    struct objects objects = {.table = sampler->table, .image = image};

    if (record->parent && record->parent->tracer) look_for_tracer(sampler, record, now);
    if (image->t_libraries && now - image->t_libraries < objects_every) return;
    image->t_libraries = now;
    if (fs_proc_objects(sampler->proc, record->pid, visit_object, &objects) == 0)
        image->objects_read = true;
    look_for_tracer(sampler, record, now);
}

/* Forked by a process without the shim: the same program, from the same exec; where that
 * cannot be told, with the same arguments (some programs change theirs). */
static struct fs_image *parents_image(const struct fs_sampler *sampler,
                                      const struct fs_record *record,
                                      const struct fs_image *image) {
    struct fs_image *parents = record->parent ? fs_record_image(record->parent) : NULL;

    if (!parents || parents->shim || parents->executable != image->executable ||
        record->stage_count > 0)
        return NULL;
    const bool alike = parents->command == image->command;
    const int same = fs_proc_same_exec(sampler->proc, record->pid, record->parent->pid);
    return same == 1 || (same < 0 && alike) ? parents : NULL;
}

static void add_image(struct fs_sampler *sampler, struct fs_record *record, int64_t now) {
    struct fs_table *table = sampler->table;
    struct fs_image seen = {0};
    char path[4096], argv[ARGV_SIZE];

    if (fs_proc_executable(sampler->proc, record->pid, path, sizeof path, NULL) != 0) return;
    const ssize_t length = fs_proc_command(sampler->proc, record->pid, argv, sizeof argv);
    fs_image_describe(table, &seen, path, argv, length > 0 ? (size_t)length + 1 : 0);
    struct fs_image *present = fs_record_image(record);
    /* Before its exec took place, or an exec of the same program that the shim lost. */
    if (present && present->executable == seen.executable && present->command == seen.command)
        return;
    struct fs_image *image = parents_image(sampler, record, &seen);
    if (!image) {
        image = fs_table_add_image(table, 0);
        if (!image) return;
        seen.next = image->next;
        *image = seen;
        image->pid = record->pid;
        read_environment(sampler, record, image);
        fs_unseen_look(sampler, record->pid, image);
    }
    const int64_t t = record->stage_count == 0 ? fs_record_begin(record) : record->t_exec;
    fs_record_add_stage(table, record, image, t != FS_UNKNOWN ? t : now);
}

void fs_look_at_image(struct fs_sampler *sampler, struct fs_record *record, int64_t now) {
    const struct fs_image *image = fs_record_image(record);
    const bool exec_done =
        record->t_exec != FS_UNKNOWN && record->exec_errno == 0 &&
        (!record->stage_count || record->t_exec > record->stages[record->stage_count - 1].t);
    const int64_t since = record->t_exec != FS_UNKNOWN ? record->t_exec : fs_record_begin(record);

    if ((!image || exec_done || !image->shim) && now - since > exec_settles)
        add_image(sampler, record, now);
    struct fs_image *present = fs_record_image(record);
    if (!present) return;
    if (!present->environment_read) read_environment(sampler, record, present);
    look_at_objects(sampler, record, present, now);
}
