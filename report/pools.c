/* pools.c - see pools.h. */
#include "report/pools.h"

#include "report/stacks.h"

#include <stdbool.h>
#include <string.h>

/* Whether the frame "FILE:LINE:FUNCTION" is that function of a file of Python's library; newer
 * interpreters name its class, too. */
static bool is_frame(const char *text, size_t length, const char *file, const char *function) {
    const size_t name = strlen(function), path = strlen(file);
    const char *end = text + length, *second = length ? memrchr(text, ':', length) : NULL;
    const char *first =
        second && second > text ? memrchr(text, ':', (size_t)(second - text)) : NULL;

    if (!first || (size_t)(first - text) < path || memcmp(first - path, file, path) != 0 ||
        !memmem(text, length, "/lib/python3", strlen("/lib/python3")))
        return false;
    const char *last = (size_t)(end - second) > name ? end - name : NULL;
    return last && memcmp(last, function, name) == 0 && (last[-1] == ':' || last[-1] == '.');
}

/* The frame of a stack, counted from the innermost; -1: it has none such. */
static int frame_at(const char *stack, const char *file, const char *function) {
    int number = 0;

    for (const char *line = stack; line && *line; number++) {
        const size_t length = strcspn(line, "\n");
        if (is_frame(line, length, file, function)) return number;
        line += length + (line[length] == '\n');
    }
    return -1;
}

/* Map, apply, starmap and their kin wait in these. */
static bool waits_for_result(const struct fs_stuck *parent) {
    static const char *const functions[] = {"wait", "next"};
    const char *stack = parent->thread_count ? parent->threads[0].python : NULL;

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (frame_at(stack, "/multiprocessing/pool.py", functions[i]) >= 0) return true;
    return false;
}

/* The thread that hands out tasks has none: it waits for the next call, not in an iterator of
 * the program's. */
static bool has_nothing_queued(const struct fs_stuck *parent) {
    for (size_t i = 1; i < parent->thread_count; i++)
        if (frame_at(parent->threads[i].python, "/multiprocessing/pool.py", "_handle_tasks") == 0)
            return true;
    return false;
}

/* Between two tasks a worker waits in the task queue's get(), called by the pool's loop. */
static bool is_idle_worker(const struct fs_stuck *worker) {
    const char *stack = worker->thread_count ? worker->threads[0].python : NULL;
    const int get = frame_at(stack, "/multiprocessing/queues.py", "get");

    return get >= 0 && frame_at(stack, "/multiprocessing/pool.py", "worker") == get + 1;
}

static bool is_read(const struct fs_stuck *stuck) {
    return stuck->thread_count > 0 && stuck->threads[0].python;
}

enum fs_pool_wait fs_pool_wait(const struct fs_digest *digest, const struct fs_group *group,
                               int *looked) {
    const struct fs_stuck *parent = fs_stuck_find(digest, group->parent);

    *looked = 0;
    if (!group->python || group->kind == FS_GROUP_EXECUTABLE) return FS_POOL_NOT;
    if (!parent || !is_read(parent)) return FS_POOL_UNTOLD;
    if (parent->went_on || !waits_for_result(parent)) return FS_POOL_NOT;
    if (parent->threads_more > 0 || !has_nothing_queued(parent)) return FS_POOL_NOT;
    for (size_t i = 0; i < digest->stuck_count; i++) {
        const struct fs_stuck *worker = &digest->stuck[i];
        if (worker->parent != group->parent) continue;
        if (!is_read(worker)) return FS_POOL_UNTOLD;
        if (worker->went_on || !is_idle_worker(worker)) return FS_POOL_NOT;
        *looked += 1;
    }
    const int zombies = group->zombies_peak > 0 ? group->zombies_peak : 0;
    return *looked > 0 && *looked >= group->workers_peak - zombies ? FS_POOL_FORSAKEN
                                                                   : FS_POOL_UNTOLD;
}
