#include "report/rank_table.h"

#include "tracer/mask.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum { SHAPES_MAX = 1 << 16, RANKS_TEXT = 32 };

struct shape_entry {
    const void *key; /* the topology, then the words of the mask */
    struct fs_shape shape;
    UT_hash_handle hh;
};

struct class_entry {
    const char *key;
    struct fs_rank_class class;
    UT_hash_handle hh;
};

struct fs_rank_tables {
    struct shape_entry *shapes;
    struct class_entry *classes;
    struct fs_rank_class *last; /* the class of the rank before: mostly that of the next */
};

static const struct fs_shape unknown_shape = {.cores = FS_UNKNOWN, .cpus = FS_UNKNOWN};

/* --- shapes of masks --- */

struct key {
    const void *topology;
    unsigned long words[FS_MASK_CPUS / (8 * sizeof(unsigned long))];
};

/* Bytes of the key. */
static size_t make_key(struct key *key, hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    const int words = hwloc_bitmap_nr_ulongs(mask);
    const int most = (int)(sizeof key->words / sizeof *key->words);
    key->topology = topology;
    if (words < 0 || words > most || hwloc_bitmap_to_ulongs(mask, (unsigned)words, key->words) < 0)
        return 0;
    return offsetof(struct key, words) + (size_t)words * sizeof *key->words;
}

static struct shape_entry *new_shape(struct fs_arena *arena, const struct key *key, size_t size,
                                     hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    struct shape_entry *entry = fs_arena_alloc(arena, sizeof *entry);
    void *copy = fs_arena_alloc(arena, size);
    char *text = fs_mask_text(mask);
    if (entry && copy && text) {
        memcpy(copy, key, size);
        entry->key = copy;
        entry->shape = (struct fs_shape){.mask = fs_arena_text(arena, text),
                                         .cores = fs_mask_cores(topology, mask),
                                         .cpus = fs_mask_cpus(mask)};
    } else {
        arena->failed = true;
    }
    free(text);
    return arena->failed ? NULL : entry;
}

static const struct fs_shape *shape_of(struct fs_ranks *ranks, struct fs_arena *arena,
                                       hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    struct fs_rank_tables *tables = ranks->tables;
    struct key key = {0};
    struct shape_entry *entry = NULL;
    const size_t size = mask ? make_key(&key, topology, mask) : 0;
    if (size == 0) return &unknown_shape;
    HASH_FIND(hh, tables->shapes, &key, size, entry);
    if (entry) return &entry->shape;
    if (HASH_COUNT(tables->shapes) >= SHAPES_MAX) return &unknown_shape;
    entry = new_shape(arena, &key, size, topology, mask);
    if (!entry) return &unknown_shape;
    HASH_ADD_KEYPTR(hh, tables->shapes, entry->key, size, entry);
    return &entry->shape;
}

/* --- classes --- */

static const char *text_of(const char *text) {
    return text ? text : "";
}

static int append_class(struct fs_ranks *ranks, struct fs_rank_class *class) {
    if (ranks->class_count == ranks->class_room) {
        const size_t room = ranks->class_room ? 2 * ranks->class_room : 16;
        struct fs_rank_class **grown = realloc(ranks->classes, room * sizeof(void *));
        if (!grown) return -1;
        ranks->classes = grown;
        ranks->class_room = room;
    }
    ranks->classes[ranks->class_count++] = class;
    return 0;
}

static struct fs_rank_class *new_class(struct fs_ranks *ranks, struct fs_arena *arena,
                                       const struct fs_rank *rank, const struct fs_task *task,
                                       const char *key) {
    struct class_entry *entry = fs_arena_alloc(arena, sizeof *entry);
    if (!entry || append_class(ranks, &entry->class) < 0) return NULL;
    entry->key = fs_arena_text(arena, key);
    entry->class = (struct fs_rank_class){
        .executable = fs_arena_text(arena, task->executable),
        .cores = rank->shape->cores,
        .cpus = rank->shape->cpus,
        .shared = rank->shared,
        .example = rank->rank,
    };
    HASH_ADD_KEYPTR(hh, ranks->tables->classes, entry->key, strlen(entry->key), entry);
    if (entry->hh.tbl) return &entry->class;
    ranks->class_count--;
    return NULL;
}

static bool is_of_class(const struct fs_rank_class *class, const struct fs_rank *rank,
                        const struct fs_task *task) {
    return class->cores == rank->shape->cores && class->cpus == rank->shape->cpus &&
           class->shared == rank->shared &&
           strcmp(text_of(class->executable), text_of(task->executable)) == 0;
}

/* The class of a rank, made if it is new; NULL: no memory, or *full, there are enough. */
static struct fs_rank_class *class_of(struct fs_ranks *ranks, struct fs_arena *arena,
                                      const struct fs_rank *rank, const struct fs_task *task,
                                      bool *full) {
    struct class_entry *entry = NULL;
    char key[512];
    snprintf(key, sizeof key, "%d/%d/%d\1%.400s", rank->shape->cores, rank->shape->cpus,
             rank->shared, text_of(task->executable));
    HASH_FIND(hh, ranks->tables->classes, key, strlen(key), entry);
    if (entry) return &entry->class;
    *full = ranks->class_count == FS_RANK_CLASSES_MAX;
    return *full ? NULL : new_class(ranks, arena, rank, task, key);
}

static int add_to_class(struct fs_ranks *ranks, struct fs_arena *arena, const struct fs_rank *rank,
                        const struct fs_task *task) {
    struct fs_rank_class *class = ranks->tables->last;
    bool full = false;
    if (!class || !is_of_class(class, rank, task))
        class = class_of(ranks, arena, rank, task, &full);
    if (!class && !full) return -1;
    if (full) {
        ranks->other_ranks++;
        return 0;
    }
    ranks->tables->last = class;
    class->ranks++;
    fs_node_set_add(arena, &class->nodes, rank->node);
    return 0;
}

/* --- one node --- */

static int keep(struct fs_ranks *ranks, const struct fs_rank *rank) {
    if (ranks->list_count == FS_RANKS_KEPT) return 0;
    if (ranks->list_count == ranks->list_room) {
        const size_t room = ranks->list_room ? 2 * ranks->list_room : 64;
        struct fs_rank *grown = realloc(ranks->list, room * sizeof *grown);
        if (!grown) return -1;
        ranks->list = grown;
        ranks->list_room = room;
    }
    ranks->list[ranks->list_count++] = *rank;
    return 0;
}

/* CPUs that two tasks or more may use; NULL: no memory. */
static hwloc_bitmap_t find_shared(const struct fs_task *tasks, size_t count) {
    hwloc_bitmap_t once = hwloc_bitmap_alloc(), twice = hwloc_bitmap_alloc(),
                   both = hwloc_bitmap_alloc();
    bool good = once && twice && both;
    for (size_t i = 0; i < count && good; i++) {
        if (!tasks[i].mask) continue;
        good = hwloc_bitmap_and(both, once, tasks[i].mask) == 0 &&
               hwloc_bitmap_or(twice, twice, both) == 0 &&
               hwloc_bitmap_or(once, once, tasks[i].mask) == 0;
    }
    hwloc_bitmap_free(once);
    hwloc_bitmap_free(both);
    if (good) return twice;
    hwloc_bitmap_free(twice);
    return NULL;
}

/* "4 disjoint, 8core/16pu"; of unequal shapes without these; of one rank its CPUs. */
static const char *masks_text(struct fs_arena *arena, const struct fs_rank *first,
                              const struct fs_rank_row *row, bool known, bool alike, bool whole) {
    const struct fs_shape *shape = first->shape;
    const char *each = "";
    if (!known) return "?";
    if (row->count == 1) return shape->mask ? shape->mask : "?";
    if (alike) each = fs_arena_printf(arena, ", %dcore/%dpu", shape->cores, shape->cpus);
    if (row->shared == 0) return fs_arena_printf(arena, "%d disjoint%s", row->count, each);
    if (whole) return fs_arena_printf(arena, "%d not bound%s", row->count, each);
    return fs_arena_printf(arena, "%d shared%s", row->shared, each);
}

static int by_value(const void *left, const void *right) {
    const int a = *(const int *)left, b = *(const int *)right;
    return (a > b) - (a < b);
}

/* "0-3,8", as far as there is room; sorts numbers. */
static const char *list_text(struct fs_arena *arena, int *numbers, size_t count) {
    char text[RANKS_TEXT + 32] = "";
    size_t length = 0;
    qsort(numbers, count, sizeof *numbers, by_value);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && numbers[end] - numbers[end - 1] <= 1;)
            end++;
        const char *comma = length > 0 ? "," : "";
        if (length > RANKS_TEXT) {
            snprintf(text + length, sizeof text - length, ",...");
            break;
        }
        length += (size_t)(numbers[i] == numbers[end - 1]
                               ? snprintf(text + length, 26, "%s%d", comma, numbers[i])
                               : snprintf(text + length, 26, "%s%d-%d", comma, numbers[i],
                                          numbers[end - 1]));
    }
    return fs_arena_text(arena, text);
}

static struct fs_rank rank_of(struct fs_ranks *ranks, struct fs_arena *arena,
                              const struct fs_node *node, const struct fs_task *task,
                              hwloc_const_bitmap_t twice) {
    return (struct fs_rank){
        .step = task->step,
        .rank = task->rank,
        .shape = shape_of(ranks, arena, node->digest->topology, task->mask),
        .shared = task->mask && hwloc_bitmap_intersects(task->mask, twice),
        .cpu_s = task->cpu_ns < 0 ? NAN : (double)task->cpu_ns / 1e9,
        .workers = task->workers,
        .processes = task->processes,
        .status = task->status,
    };
}

static int add_task(struct fs_ranks *ranks, struct fs_arena *arena, const struct fs_task *task,
                    const struct fs_rank *rank, struct fs_rank_row *row) {
    ranks->count++;
    row->count++;
    row->shared += rank->shared;
    row->workers += rank->workers > 0 ? rank->workers : 0;
    if (!isnan(rank->cpu_s) && !(row->busiest_s >= rank->cpu_s)) {
        row->busiest = rank->rank;
        row->busiest_s = rank->cpu_s;
    }
    if (!isnan(rank->cpu_s) && fs_sketch_add(&ranks->cpu_s, rank->cpu_s, 1) < 0) return -1;
    if (keep(ranks, rank) < 0) return -1;
    ranks->several_steps = ranks->several_steps || task->step != ranks->list[0].step;
    return add_to_class(ranks, arena, rank, task);
}

static int add_tasks(struct fs_ranks *ranks, struct fs_arena *arena, const struct fs_node *node,
                     size_t number, hwloc_const_bitmap_t twice, struct fs_rank_row *row) {
    const struct fs_digest *digest = node->digest;
    int *numbers = calloc(digest->task_count, sizeof *numbers);
    size_t numbered = 0;
    bool known = true, alike = true, whole = true;
    struct fs_rank first = {0};
    int result = numbers ? 0 : -1;
    for (size_t i = 0; i < digest->task_count && result == 0; i++) {
        const struct fs_task *task = &digest->tasks[i];
        struct fs_rank rank = rank_of(ranks, arena, node, task, twice);
        rank.node = number;
        if (i == 0) first = rank;
        known = known && task->mask;
        alike = alike && rank.shape->cores == first.shape->cores &&
                rank.shape->cpus == first.shape->cpus && rank.shape->cores > 0;
        whole = whole && task->mask && digest->mask_job &&
                hwloc_bitmap_isincluded(digest->mask_job, task->mask);
        if (task->rank >= 0) numbers[numbered++] = task->rank;
        result = add_task(ranks, arena, task, &rank, row);
    }
    if (result == 0) {
        row->ranks = numbered > 0 ? list_text(arena, numbers, numbered) : NULL;
        row->masks = masks_text(arena, &first, row, known, alike, whole);
    }
    free(numbers);
    return result;
}

int fs_ranks_add(struct fs_ranks *ranks, struct fs_arena *arena, const struct fs_node *node,
                 size_t number, struct fs_rank_row *row) {
    const struct fs_digest *digest = node->digest;
    *row = (struct fs_rank_row){.busiest = FS_UNKNOWN, .busiest_s = NAN};
    if (digest->task_count == 0) return 0;
    if (!ranks->tables) ranks->tables = calloc(1, sizeof *ranks->tables);
    hwloc_bitmap_t twice = ranks->tables ? find_shared(digest->tasks, digest->task_count) : NULL;
    int result = -1;
    if (twice) result = add_tasks(ranks, arena, node, number, twice, row);
    hwloc_bitmap_free(twice);
    if (arena->failed) result = -1;
    if (result < 0) errno = ENOMEM;
    return result;
}

/* --- all nodes --- */

static int by_ranks(const void *left, const void *right) {
    const struct fs_rank_class *a = *(struct fs_rank_class *const *)left,
                               *b = *(struct fs_rank_class *const *)right;
    if (a->ranks != b->ranks) return a->ranks < b->ranks ? 1 : -1;
    if (a->cores != b->cores) return a->cores < b->cores ? 1 : -1;
    if (a->cpus != b->cpus) return a->cpus < b->cpus ? 1 : -1;
    if (a->shared != b->shared) return a->shared ? -1 : 1;
    return strcmp(text_of(a->executable), text_of(b->executable));
}

static int by_number(const void *left, const void *right) {
    const struct fs_rank *a = left, *b = right;
    if (a->step != b->step) return a->step < b->step ? -1 : 1;
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    return (a->node > b->node) - (a->node < b->node);
}

void fs_ranks_end(struct fs_ranks *ranks) {
    if (ranks->class_count > 1) qsort(ranks->classes, ranks->class_count, sizeof(void *), by_ranks);
    if (ranks->list_count > 1)
        qsort(ranks->list, ranks->list_count, sizeof *ranks->list, by_number);
}

void fs_ranks_free(struct fs_ranks *ranks) {
    if (ranks->tables) {
        HASH_CLEAR(hh, ranks->tables->shapes);
        HASH_CLEAR(hh, ranks->tables->classes);
    }
    free(ranks->tables);
    free(ranks->list);
    free(ranks->classes);
    fs_sketch_free(&ranks->cpu_s);
    *ranks = (struct fs_ranks){0};
}
