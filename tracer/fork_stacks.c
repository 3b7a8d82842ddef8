/*
 * fork_stacks.c - see fork_stacks.h.
 *
 * The child sends lines: a letter, the index of the stack or site, a blank, text.
 *   N  a frame of a stack        A  "function<tab>file<tab>line" of a site's address
 */
#include "tracer/fork_stacks.h"

#include "tracer/child_answer.h"
#include "tracer/clock.h"
#include "tracer/fold.h"
#include "tracer/fork_sites.h"
#include "tracer/mpi_forks.h"
#include "tracer/stack_offline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STACKS_MAX = 64, PLACES_MAX = 128, FRAMES_TEXT = 4096 };
enum {
    FILE_MAX = sizeof(struct fsp_snapshot) + FSP_SNAPSHOT_STACK +
               FSP_SNAPSHOT_MODULES * sizeof(struct fsp_module)
};
static const int64_t patience = 5 * FS_SECOND;

struct fs_fork_stack {
    struct fs_fork_stack *next;
    struct fs_site *site;
    char *frames;
    char name[];
};

bool fs_fork_stack_name(const char *name) {
    const size_t key = strspn(name, "0123456789");
    const char *image = name + key + 1;

    if (key == 0 || name[key] != '-') return false;
    const size_t length = strspn(image, "0123456789");
    return length > 0 && strcmp(image + length, FSP_SUFFIX_SNAPSHOT) == 0;
}

/* The first `room` bytes of a regular file of ours; -1: it is none. */
static ssize_t read_file(int directory, const char *name, void *into, size_t room) {
    const int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    ssize_t got = -1;

    if (file < 0) return -1;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid())
        got = pread(file, into, room, 0);
    close(file);
    return got;
}

/* --- which there are --- */

static bool same_place(const struct fs_site *a, const struct fs_site *b) {
    return a->kind == b->kind && a->stack == b->stack && a->module == b->module &&
           a->offset == b->offset;
}

static bool is_noted(const struct fs_fold *fold, const char *name) {
    for (const struct fs_fork_stack *stack = fold->stacks; stack; stack = stack->next)
        if (strcmp(stack->name, name) == 0) return true;
    return false;
}

/* Whether there is one like it, or enough of them. */
static bool is_superfluous(const struct fs_fold *fold, const struct fs_site *site) {
    size_t count = 0;

    for (const struct fs_fork_stack *stack = fold->stacks; stack; stack = stack->next, count++)
        if (same_place(stack->site, site)) return true;
    return count >= STACKS_MAX;
}

void fs_fork_stack_note(struct fs_fold *fold, const char *name) {
    struct fsp_snapshot header;

    if (is_noted(fold, name) ||
        read_file(fold->directory, name, &header, sizeof header) != sizeof header ||
        header.magic != FSP_SNAPSHOT_MAGIC || header.version != FSP_SNAPSHOT_VERSION)
        return;
    const struct fs_site_key id = {.image = header.image, .key = header.site};
    struct fs_site *site = fs_table_site_of(fold->table, id);
    if (!site) return;
    if (is_superfluous(fold, site)) {
        if (!fold->read_only) unlinkat(fold->directory, name, 0);
        return;
    }
    const size_t length = strlen(name);
    struct fs_fork_stack *stack = calloc(1, sizeof *stack + length + 1);
    if (!stack) {
        fold->table->lost++;
        return;
    }
    memcpy(stack->name, name, length + 1);
    stack->site = site;
    stack->next = fold->stacks;
    fold->stacks = stack;
}

void fs_fork_stacks_free(struct fs_fold *fold) {
    while (fold->stacks) {
        struct fs_fork_stack *next = fold->stacks->next;
        free(fold->stacks->frames);
        free(fold->stacks);
        fold->stacks = next;
    }
}

/* --- what they say: in the child --- */

struct order {
    const struct fs_fold *fold;
    struct fs_site *places[PLACES_MAX];
    size_t place_count;
};

static void work(FILE *out, void *context) {
    const struct order *order = context;
    char *data = aligned_alloc(sizeof(uint64_t), FILE_MAX + sizeof(uint64_t));
    char prefix[32];
    size_t index = 0;

    for (const struct fs_fork_stack *stack = order->fold->stacks; stack && data;
         stack = stack->next, index++) {
        const ssize_t size =
            read_file(order->fold->directory, stack->name, data, FILE_MAX + sizeof(uint64_t));
        if (size <= 0 || !fs_snapshot_sound(data, (size_t)size)) continue;
        snprintf(prefix, sizeof prefix, "N %zu ", index);
        fs_offline_frames(data, out, prefix);
        fflush(out);
    }
    for (size_t i = 0; i < order->place_count; i++) {
        snprintf(prefix, sizeof prefix, "A %zu ", i);
        fs_offline_place(order->places[i]->module, order->places[i]->offset, out, prefix);
        fflush(out);
    }
    free(data);
}

/* --- here --- */

static void take_frame(struct fs_fold *fold, unsigned long index, const char *text) {
    struct fs_fork_stack *stack = fold->stacks;

    while (stack && index-- > 0)
        stack = stack->next;
    if (!stack) return;
    const size_t before = stack->frames ? strlen(stack->frames) : 0, length = strlen(text);
    char *longer =
        before + length < FRAMES_TEXT ? realloc(stack->frames, before + length + 2) : NULL;
    if (!longer) return;
    stack->frames = longer;
    if (before) longer[before] = '\n';
    memcpy(longer + before + (before > 0), text, length + 1);
}

static void take_place(struct fs_table *table, struct fs_site *site, const char *text) {
    const size_t function = strcspn(text, "\t");
    const char *file = text + function + 1;
    if (!text[function]) return;
    const size_t length = strcspn(file, "\t");
    const long line = file[length] ? strtol(file + length + 1, NULL, 10) : 0;

    if (function) site->function = fs_intern(&table->interned, text, function);
    if (!length || line <= 0 || line >= INT_MAX) return;
    site->file = fs_intern(&table->interned, file, length);
    site->line = (int)line;
}

static void take_answer(struct fs_fold *fold, const struct order *order, char *answer) {
    char *rest = NULL, *text;

    for (char *line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const unsigned long index = strtoul(line + 1, &text, 10);
        if (*text != ' ') continue;
        if (line[0] == 'N') take_frame(fold, index, text + 1);
        if (line[0] == 'A' && index < order->place_count)
            take_place(fold->table, order->places[index], text + 1);
    }
}

/* Every site of the same place is told the same. */
static void spread(struct fs_fold *fold, const struct fs_fork_stack *stack) {
    const char *frames =
        stack->frames ? fs_intern(&fold->table->interned, stack->frames, FRAMES_TEXT) : NULL;

    for (struct fs_site *site = fold->table->sites; site; site = site->hh.next)
        if (same_place(site, stack->site)) site->frames = frames;
}

void fs_fork_stacks_resolve(struct fs_fold *fold) {
    struct order order = {.fold = fold};

    order.place_count = fs_fork_tally_places(fold->table, order.places, PLACES_MAX);
    order.place_count =
        fs_mpi_fork_places(fold->table, order.places, order.place_count, PLACES_MAX);
    if (!fold->stacks && order.place_count == 0) return;
    char *answer = fs_child_answer(work, &order, patience, NULL);
    if (answer) take_answer(fold, &order, answer);
    free(answer);
    for (const struct fs_fork_stack *stack = fold->stacks; stack; stack = stack->next)
        spread(fold, stack);
}
