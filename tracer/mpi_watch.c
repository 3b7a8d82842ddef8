/* mpi_watch.c - see mpi_watch.h. */
#include "tracer/mpi_watch.h"

#include "tracer/clock.h"
#include "tracer/mpi.h"
#include "tracer/stack_reader.h"
#include "tracer/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t first_look = 2 * FS_SECOND, longest_interval = 600 * FS_SECOND;
static const int64_t patience = FS_SECOND;         /* for the names of one process's frames */
static const int64_t round_budget = 2 * FS_SECOND; /* `run` serves no signal meanwhile */
enum { RANKS_MAX = 8, LAST_RANKS_MAX = 4 };

/* --- one rank --- */

/* Length of the name of a function of MPI that text begins with; 0: it does not. */
static size_t name_length(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    return fs_begins(text, "MPI_") || fs_begins(text, "mpi_") ? strspn(text, letters) : 0;
}

bool fs_mpi_call_in(const char *stack, char *name, size_t size) {
    bool found = false;

    while (stack && *stack) {
        const char *text = stack + (*stack == 'P' || *stack == 'p');
        const size_t length = name_length(text);
        if (length > 0 && length < size) {
            snprintf(name, size, "%.*s", (int)length, text);
            found = true;
        }
        stack += strcspn(stack, "\n");
        stack += *stack == '\n';
    }
    return found;
}

static void look_at(struct fs_mpi_watch *watch, struct fs_sampler *sampler,
                    const struct fs_record *record, struct fs_mpi_use *use) {
    struct fs_stack stack = {.snapshot.tid = use->tid ? use->tid : use->pid};
    struct fs_stack_request request = {
        .pid = use->pid, .child = record->ppid == getpid(), .stacks = &stack, .count = 1};
    char name[64];

    if (fs_wait_read(sampler->proc, use->pid, stack.snapshot.tid, &stack.wait) != 0) return;
    fs_stacks_read(&request, patience);
    watch->cpu_ns += request.cpu_ns;
    if (stack.native) {
        use->looks++;
        watch->fresh = true;
        if (fs_mpi_call_in(stack.native, name, sizeof name)) {
            use->looks_in_mpi++;
            use->waits_in = fs_intern(&sampler->table->interned, name, sizeof name);
        }
    }
    free(stack.native);
    free(stack.python);
    free(request.obstacle);
}

/* --- all of a node --- */

static const struct fs_record *living(const struct fs_table *table, const struct fs_mpi_use *use) {
    const struct fs_record *record = fs_table_find(table, use->pid, use->t_init);

    return record && !record->over && !record->zombie ? record : NULL;
}

/* Since when a rank that an exception ended waits for others; FS_UNKNOWN: none does. */
static int64_t waits_since(const struct fs_table *table) {
    int64_t since = FS_UNKNOWN;

    for (const struct fs_image *image = table->images; image; image = image->next) {
        const struct fs_mpi_use *use = image->mpi;
        if (!use || use->ending != FSP_MPI_ENDING_EXCEPTION || use->size < 2 ||
            use->t_finalize == FS_UNKNOWN || use->t_finalized != FS_UNKNOWN || !living(table, use))
            continue;
        if (since == FS_UNKNOWN || use->t_finalize < since) since = use->t_finalize;
    }
    return since;
}

static bool is_at_work(const struct fs_mpi_use *use) {
    return use && use->size > 1 && use->t_ready != FS_UNKNOWN && use->t_finalize == FS_UNKNOWN &&
           use->t_abort == FS_UNKNOWN;
}

static void look_around(struct fs_mpi_watch *watch, struct fs_sampler *sampler, int most) {
    const int64_t begin = fs_now();

    watch->last = begin;
    for (struct fs_image *image = sampler->table->images; image && most > 0; image = image->next) {
        const struct fs_record *record =
            is_at_work(image->mpi) ? living(sampler->table, image->mpi) : NULL;
        if (!record || fs_now() - begin > round_budget) continue;
        look_at(watch, sampler, record, image->mpi);
        most--;
    }
}

void fs_mpi_watch_tick(struct fs_mpi_watch *watch, struct fs_sampler *sampler, bool off,
                       int64_t now) {
    const int64_t since = off ? FS_UNKNOWN : waits_since(sampler->table);

    if (since == FS_UNKNOWN) {
        watch->due = 0;
        return;
    }
    if (watch->due == 0) {
        watch->interval_ns = first_look;
        watch->due = since + first_look;
    }
    if (now < watch->due) return;
    look_around(watch, sampler, RANKS_MAX);
    watch->due = now + watch->interval_ns;
    if (watch->interval_ns < longest_interval) watch->interval_ns *= 2;
}

void fs_mpi_watch_last_look(struct fs_mpi_watch *watch, struct fs_sampler *sampler, bool off,
                            int64_t now) {
    if (!off && now - watch->last >= first_look / 2) look_around(watch, sampler, LAST_RANKS_MAX);
}
