#include "report/classes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct fs_class_entry {
    const char *key; /* all that tells classes apart, as text */
    struct fs_class class;
    UT_hash_handle hh;
};

static const char *text_of(const char *text) {
    return text ? text : "";
}

/* Parts are told apart by a byte that no path holds. */
static const char *key_of(struct fs_arena *arena, const struct fs_load *load) {
    const struct fs_group *group = load->group;
    return fs_arena_printf(arena, "%d/%d/%d/%d/%d/%d\1%s\1%s\1%s\1%s", group->kind, load->ignored,
                           group->masks_distinct, load->cores, load->cpus, group->site.line,
                           text_of(group->executable), text_of(group->parent_executable),
                           text_of(group->site.file), text_of(group->site.module));
}

static void describe(struct fs_class *class, struct fs_arena *arena, const struct fs_load *load) {
    const struct fs_group *group = load->group;
    *class = (struct fs_class){
        .kind = group->kind,
        .ignored = load->ignored,
        .executable = fs_arena_text(arena, group->executable),
        .parent_executable = fs_arena_text(arena, group->parent_executable),
        .site = {.file = fs_arena_text(arena, group->site.file),
                 .line = group->site.line,
                 .function = fs_arena_text(arena, group->site.function),
                 .module = fs_arena_text(arena, group->site.module)},
        .masks = group->masks_known ? group->masks_distinct : FS_UNKNOWN,
        .cores = load->cores,
        .cpus = load->cpus,
        .worker_cpu_ns = {.n = FS_UNKNOWN},
        .example_host = fs_arena_text(arena, load->node->digest->host),
        .example_workers = load->workers,
        .example_cpus = load->cpus,
        .example_cores = load->cores,
        .example_threads = load->threads,
        .example_wait = load->wait,
        .example_use = load->use,
    };
}

static int append(struct fs_classes *classes, struct fs_class *class) {
    if (classes->count == classes->room) {
        const size_t room = classes->room ? 2 * classes->room : 16;
        struct fs_class **grown = realloc(classes->list, room * sizeof(struct fs_class *));
        if (!grown) return -1;
        classes->list = grown;
        classes->room = room;
    }
    classes->list[classes->count++] = class;
    return 0;
}

static struct fs_class *new_class(struct fs_classes *classes, struct fs_arena *arena,
                                  const struct fs_load *load, const char *key) {
    struct fs_class_entry *entry = fs_arena_alloc(arena, sizeof *entry);
    if (!entry || append(classes, &entry->class) < 0) return NULL;
    entry->key = fs_arena_text(arena, key);
    describe(&entry->class, arena, load);
    HASH_ADD_KEYPTR(hh, classes->table, entry->key, strlen(entry->key), entry);
    if (entry->hh.tbl) return &entry->class;
    classes->count--;
    return NULL;
}

static void add_spread(struct fs_spread *sum, const struct fs_spread *cpu) {
    if (cpu->n <= 0) return;
    if (sum->n <= 0) {
        *sum = *cpu;
        return;
    }
    sum->n += cpu->n;
    sum->min = cpu->min < sum->min ? cpu->min : sum->min;
    sum->max = cpu->max > sum->max ? cpu->max : sum->max;
    sum->p50 = sum->p90 = FS_UNKNOWN; /* cannot be told of two from each one's */
}

static void add_load(struct fs_class *class, struct fs_arena *arena, const struct fs_load *load,
                     size_t number) {
    class->workers += load->group->workers > 0 ? load->group->workers : 0;
    class->groups++;
    fs_node_set_add(arena, &class->nodes, number);
    add_spread(&class->worker_cpu_ns, &load->group->worker_cpu_ns);
}

int fs_classes_add(struct fs_classes *classes, struct fs_arena *arena, const struct fs_node *node,
                   size_t number) {
    struct fs_arena passing = {0}; /* keys, most of which are known */
    int result = 0;
    for (size_t i = 0; i < node->load_count && result == 0; i++) {
        const struct fs_load *load = &node->loads[i];
        const char *key = key_of(&passing, load);
        struct fs_class_entry *entry = NULL;
        HASH_FIND(hh, classes->table, key, strlen(key), entry);
        struct fs_class *class = entry ? &entry->class : NULL;
        if (!class && classes->count == FS_CLASSES_MAX) {
            classes->other_workers += load->group->workers > 0 ? load->group->workers : 0;
            continue;
        }
        if (!class) class = new_class(classes, arena, load, key);
        if (class)
            add_load(class, arena, load, number);
        else
            result = -1;
    }
    if (passing.failed || arena->failed) result = -1;
    fs_arena_free(&passing);
    if (result < 0) errno = ENOMEM;
    return result;
}

static int by_workers(const void *left, const void *right) {
    const struct fs_class *a = *(struct fs_class *const *)left,
                          *b = *(struct fs_class *const *)right;
    if (!a->ignored != !b->ignored) return a->ignored ? 1 : -1;
    if (a->workers != b->workers) return a->workers < b->workers ? 1 : -1;
    if (a->site.line != b->site.line) return a->site.line < b->site.line ? -1 : 1;
    const int programs = strcmp(text_of(a->executable), text_of(b->executable));
    if (programs != 0) return programs;
    const int files = strcmp(text_of(a->site.file), text_of(b->site.file));
    if (files != 0) return files;
    if (a->cpus != b->cpus) return a->cpus < b->cpus ? 1 : -1;
    if (a->masks != b->masks) return a->masks < b->masks ? -1 : 1;
    return strcmp(text_of(a->example_host), text_of(b->example_host));
}

void fs_classes_sort(struct fs_classes *classes) {
    if (classes->count > 1)
        qsort(classes->list, classes->count, sizeof(struct fs_class *), by_workers);
}

void fs_classes_free(struct fs_classes *classes) {
    HASH_CLEAR(hh, classes->table);
    free(classes->list);
    *classes = (struct fs_classes){0};
}
