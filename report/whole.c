/* whole.c - see whole.h. */
#include "report/whole.h"

#include "preload/segment.h"
#include "report/hostlist.h"
#include "report/launched.h"
#include "tracer/rank_use.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LAUNCHES_MAX = 256, /* more are counted */
    NAMES_MAX = 1 << 17,
    STEPS_MAX = 1 << 16, /* Slurm lets a job have 40,000, unless told otherwise */
};

/* Room for one more element; NULL: no memory. Lists double, what they leave stays in the arena. */
static void *more_room(struct fs_arena *arena, void *list, size_t count, size_t *room,
                       size_t size) {
    if (count < *room) return list;
    const size_t larger = *room ? 2 * *room : 16;
    void *grown = fs_arena_alloc(arena, larger * size);
    if (!grown) return NULL;
    if (count > 0) memcpy(grown, list, count * size);
    *room = larger;
    return grown;
}

/* --- names of nodes --- */

static const char *short_name(struct fs_arena *arena, const char *name) {
    return fs_arena_copy(arena, name, strcspn(name, "."));
}

bool fs_names_has(const struct fs_names *names, const char *name) {
    char text[FS_NODE_NAME_MAX];
    const size_t length = strcspn(name, ".");
    if (length >= sizeof text) return false;
    memcpy(text, name, length);
    text[length] = '\0';
    return fs_hosts_have(names->name, names->count, text);
}

const char *fs_names_text(struct fs_arena *arena, const struct fs_names *names, size_t columns) {
    return fs_hostlist_brief(arena, names->name, names->count, columns);
}

struct naming {
    struct fs_arena *arena;
    struct fs_names *names;
    size_t room;
};

static int add_name(void *context, const char *name) {
    struct naming *naming = context;
    struct fs_names *names = naming->names;
    if (names->count == NAMES_MAX) return 1;
    const char **list =
        more_room(naming->arena, names->name, names->count, &naming->room, sizeof *names->name);
    if (!list) return -1;
    names->name = list;
    names->name[names->count++] = short_name(naming->arena, name);
    return 0;
}

/* Adds the nodes of a list as the scheduler writes it; what is no list makes all unknown. */
static void add_list(struct naming *naming, const char *list) {
    if (fs_slurm_nodes(list, add_name, naming) != 0) naming->names->known = false;
}

static void find_allocated(struct fs_whole *whole) {
    struct naming naming = {.arena = &whole->arena, .names = &whole->allocated};
    if (!whole->allocated_list) return;
    whole->allocated.known = true;
    add_list(&naming, whole->allocated_list);
    whole->allocated.count = fs_hosts_sort(whole->allocated.name, whole->allocated.count);
}

static void find_recorded(struct fs_whole *whole) {
    struct naming naming = {.arena = &whole->arena, .names = &whole->recorded};
    whole->recorded.known = true;
    for (size_t i = 0; i < whole->count; i++)
        if (add_name(&naming, whole->nodes[i].name) != 0) whole->recorded.known = false;
    whole->recorded.count = fs_hosts_sort(whole->recorded.name, whole->recorded.count);
}

static void find_missing(struct fs_whole *whole) {
    struct fs_names *missing = &whole->missing;
    struct naming naming = {.arena = &whole->arena, .names = missing};
    size_t kept = 0;
    missing->known = whole->step_list_count > 0 && !whole->step_lists_cut;
    for (size_t i = 0; i < whole->step_list_count; i++)
        add_list(&naming, whole->step_lists[i]);
    missing->count = fs_hosts_sort(missing->name, missing->count);
    for (size_t i = 0; i < missing->count; i++)
        if (!fs_names_has(&whole->recorded, missing->name[i]))
            missing->name[kept++] = missing->name[i];
    missing->count = missing->known ? kept : 0;
}

static void note_lists(struct fs_whole *whole, const struct fs_scheduler *scheduler) {
    const size_t most = sizeof whole->step_lists / sizeof *whole->step_lists;
    const char *step = scheduler->in_step ? scheduler->step_node_list : NULL;
    if (!whole->allocated_list)
        whole->allocated_list = fs_arena_text(&whole->arena, scheduler->node_list);
    for (size_t i = 0; i < whole->step_list_count; i++)
        if (fs_same_text(step, whole->step_lists[i])) return;
    if (!step) return;
    if (whole->step_list_count < most)
        whole->step_lists[whole->step_list_count++] = fs_arena_text(&whole->arena, step);
    else
        whole->step_lists_cut = true;
}

/* --- nodes --- */

static double seconds(int64_t ns) {
    return ns < 0 ? NAN : (double)ns / 1e9;
}

static void note_loads(struct fs_whole_node *row, const struct fs_node *node) {
    row->overlap_s = 0;
    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_load *load = &node->loads[i];
        if (load->ignored != FS_IGNORED_NO) continue;
        if (load->workers > row->workers) row->workers = load->workers;
        const double overlap = seconds(load->group->overlap_ns);
        if (!(overlap <= row->overlap_s)) row->overlap_s = overlap;
    }
}

static bool has_world(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->mpi_count; i++)
        if (digest->mpi[i].size != 1) return true;
    for (size_t i = 0; i < digest->task_count; i++)
        if ((digest->tasks[i].libraries & FSP_LIBRARY_MPI) && digest->tasks[i].size != 1)
            return true;
    return false;
}

static int note_tasks(struct fs_whole *whole, struct fs_whole_node *row,
                      const struct fs_digest *digest) {
    hwloc_bitmap_t all = hwloc_bitmap_alloc();
    bool known = all != NULL && digest->task_count > 0;
    row->tasks = (int)digest->task_count + (digest->tasks_more > 0 ? digest->tasks_more : 0);
    for (size_t i = 0; i < digest->task_count; i++) {
        const struct fs_task *task = &digest->tasks[i];
        row->task_cpu_s += task->cpu_ns > 0 ? (double)task->cpu_ns / 1e9 : 0;
        if (task->step >= 0 && task->step < STEPS_MAX)
            fs_node_set_add(&whole->arena, &whole->steps, (size_t)task->step);
        known = known && task->mask;
        if (known) hwloc_bitmap_or(all, all, task->mask);
    }
    row->task_cpus = known ? fs_mask_cpus(all) : FS_UNKNOWN;
    row->task_cores = known ? fs_mask_cores(digest->topology, all) : FS_UNKNOWN;
    hwloc_bitmap_free(all);
    return all ? 0 : -1;
}

static int add_node(struct fs_whole *whole, const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;
    const struct fs_scheduler *scheduler = &digest->scheduler;
    struct fs_whole_node *rows =
        more_room(&whole->arena, whole->nodes, whole->count, &whole->room, sizeof *rows);
    if (!rows) return -1;
    whole->nodes = rows;
    struct fs_whole_node *row = &rows[whole->count++];
    const char *name = scheduler->node_name ? scheduler->node_name : digest->host;
    *row = (struct fs_whole_node){
        .name = short_name(&whole->arena, name ? name : ""),
        .cpu_s = seconds(digest->cpu_ns),
        .wall_s = seconds(digest->wall_ns),
        .cpus = scheduler->cpus_on_node > node->job_cpus ? scheduler->cpus_on_node : node->job_cpus,
        .cores = node->job_cores,
        .in_step = scheduler->in_step,
        .launched = digest->launcher || digest->launch_count > 0,
        .mpi = has_world(digest),
    };
    note_loads(row, node);
    if (digest->framework && !whole->framework)
        whole->framework = fs_arena_text(&whole->arena, digest->framework);
    whole->steps_beside = whole->steps_beside || scheduler->steps_beside > 0;
    whole->steps_packed = whole->steps_packed || node->packed_steps;
    whole->steps_unknown =
        whole->steps_unknown || (fs_is_outside(digest) && scheduler->steps_beside < 0);
    note_lists(whole, scheduler);
    return note_tasks(whole, row, digest);
}

/* --- launches --- */

static bool of_one_launch(const struct fs_task *a, const struct fs_task *b) {
    return a->launch == b->launch && a->step == b->step && a->size == b->size &&
           a->launcher == b->launcher;
}

static struct fs_whole_launch *find_launch(struct fs_whole *whole,
                                           const struct fs_whole_launch *like) {
    for (size_t i = 0; i < whole->launch_count; i++) {
        struct fs_whole_launch *launch = &whole->launches[i];
        if (launch->kind == like->kind && launch->step == like->step &&
            launch->size == like->size && launch->ordinal == like->ordinal)
            return launch;
    }
    if (whole->launch_count == LAUNCHES_MAX) {
        whole->launches_more++;
        return NULL;
    }
    struct fs_whole_launch *grown = more_room(&whole->arena, whole->launches, whole->launch_count,
                                              &whole->launch_room, sizeof *grown);
    if (!grown) return NULL;
    whole->launches = grown;
    grown[whole->launch_count] = *like;
    return &grown[whole->launch_count++];
}

static void add_task(struct fs_whole_launch *launch, const struct fs_node *node,
                     const struct fs_task *task) {
    const double cpu = task->cpu_ns > 0 ? (double)task->cpu_ns / 1e9 : 0;
    launch->tasks++;
    launch->computing += fs_task_computes(node, task);
    launch->alike = launch->alike && fs_same_text(launch->command, task->command) &&
                    fs_same_text(launch->executable, task->executable);
    launch->mpi = launch->mpi || (task->libraries & FSP_LIBRARY_MPI);
    launch->libraries_known = launch->libraries_known && task->libraries_known;
    launch->rank_use = fs_rank_use_both(launch->rank_use, task->rank_use);
    if (cpu < launch->cpu_least_s) launch->cpu_least_s = cpu;
    if (cpu > launch->cpu_most_s) launch->cpu_most_s = cpu;
    launch->cpu_s += cpu;
    if (task->workers > launch->workers) launch->workers = task->workers;
}

/* The tasks of one launch on one node, `count` from `tasks` on. */
static void add_launch(struct fs_whole *whole, const struct fs_node *node,
                       const struct fs_task *tasks, size_t count, int ordinal) {
    const struct fs_whole_launch like = {
        .kind = tasks->launch,
        .step = tasks->step,
        .size = tasks->size,
        .ordinal = ordinal,
        .tasks_least = (int)count,
        .first_node = whole->count - 1,
        .pid = tasks->pid,
        .command = fs_arena_text(&whole->arena, tasks->command),
        .executable = fs_arena_text(&whole->arena, tasks->executable),
        .python = tasks->python,
        .alike = true,
        .libraries_known = true,
        .rank_use = FS_RANK_UNUSED,
        .cpu_least_s = INFINITY,
        .cpus_per_task = tasks->cpus_per_task,
    };
    struct fs_whole_launch *launch = find_launch(whole, &like);
    if (!launch) return;
    fs_node_set_add(&whole->arena, &launch->where, whole->count - 1);
    if ((int)count > launch->tasks_most) launch->tasks_most = (int)count;
    if ((int)count < launch->tasks_least) launch->tasks_least = (int)count;
    for (size_t i = 0; i < count; i++)
        add_task(launch, node, &tasks[i]);
}

/* Tasks come sorted by step and launcher. */
static void add_launches(struct fs_whole *whole, const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;
    const struct fs_task *tasks = digest->tasks, *before = NULL;
    int ordinal = 0;
    for (size_t i = 0, count; i < digest->task_count; i += count) {
        for (count = 1; i + count < digest->task_count; count++)
            if (!of_one_launch(&tasks[i], &tasks[i + count])) break;
        const bool again = before && before->launch == tasks[i].launch &&
                           before->step == tasks[i].step && before->size == tasks[i].size;
        ordinal = again ? ordinal + 1 : 0;
        add_launch(whole, node, &tasks[i], count, ordinal);
        before = &tasks[i];
    }
}

static bool are_alike(const struct fs_whole_launch *a, const struct fs_whole_launch *b) {
    return a->kind == b->kind && a->step == b->step && a->size == b->size;
}

/* Of launches that are alike a node may have missed the first one, and then counts the second
 * for it: only their sum is certain. */
long fs_whole_ranks_expected(const struct fs_whole *whole) {
    const struct fs_whole_launch *launches = whole->launches;
    long expected = 0;
    for (size_t i = 0; i < whole->launch_count; i++) {
        long tasks = 0, alike = 0;
        for (size_t j = 0; j < whole->launch_count; j++) {
            if (!are_alike(&launches[i], &launches[j])) continue;
            tasks += launches[j].tasks;
            alike++;
        }
        if (launches[i].size < 1 || tasks > alike * launches[i].size) return FS_UNKNOWN;
        expected += launches[i].size;
    }
    return whole->launch_count > 0 && whole->launches_more == 0 ? expected : FS_UNKNOWN;
}

static int result_of(const struct fs_whole *whole, int result) {
    if (result == 0 && !whole->arena.failed) return 0;
    errno = ENOMEM;
    return -1;
}

int fs_whole_add(struct fs_whole *whole, const struct fs_node *node) {
    const int result = add_node(whole, node);
    if (result == 0) add_launches(whole, node);
    if (result == 0) fs_worlds_add(&whole->worlds, &whole->arena, node, whole->count - 1);
    return result_of(whole, result);
}

int fs_whole_end(struct fs_whole *whole) {
    find_allocated(whole);
    find_recorded(whole);
    find_missing(whole);
    return result_of(whole, 0);
}

void fs_whole_free(struct fs_whole *whole) {
    fs_arena_free(&whole->arena);
    *whole = (struct fs_whole){0};
}
