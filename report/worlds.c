/* worlds.c - see worlds.h. */
#include "report/worlds.h"

#include "tracer/text.h"

static struct fs_world *find(struct fs_worlds *worlds, const struct fs_mpi_ranks *ranks) {
    for (size_t i = 0; i < worlds->count; i++)
        if (worlds->world[i].size == ranks->size &&
            fs_same_text(worlds->world[i].launcher, ranks->launcher))
            return &worlds->world[i];
    if (worlds->count == FS_WORLDS_MAX) return NULL;
    struct fs_world *world = &worlds->world[worlds->count++];
    *world = (struct fs_world){.size = ranks->size,
                               .launcher = ranks->launcher,
                               .left_ns = FS_UNKNOWN,
                               .failed_ns = FS_UNKNOWN};
    return world;
}

/* What the page on it needs, for the node's digest may be gone by then. */
static struct fs_mpi_ranks copy_of(struct fs_arena *arena, const struct fs_mpi_ranks *ranks) {
    struct fs_mpi_ranks copy = *ranks;

    copy.executable = fs_arena_text(arena, ranks->executable);
    copy.command = fs_arena_text(arena, ranks->command);
    copy.version = fs_arena_text(arena, ranks->version);
    copy.file = fs_arena_text(arena, ranks->file);
    copy.ranks = fs_arena_text(arena, ranks->ranks);
    copy.launcher_ranks = fs_arena_text(arena, ranks->launcher_ranks);
    copy.plugin = fs_arena_text(arena, ranks->plugin);
    copy.exception = fs_arena_text(arena, ranks->exception);
    copy.raised.file = fs_arena_text(arena, ranks->raised.file);
    copy.raised.function = fs_arena_text(arena, ranks->raised.function);
    copy.raised.module = fs_arena_text(arena, ranks->raised.module);
    copy.raised.stack = NULL;
    copy.site = (struct fs_place){0};
    copy.callers = NULL;
    copy.caller_count = 0;
    copy.waits_in = NULL;
    return copy;
}

/* Whoever interrupts a job knows why its ranks end. */
static bool is_failure(const struct fs_mpi_ranks *ranks) {
    return ranks->ending == FS_MPI_EXCEPTION &&
           !fs_same_text(ranks->exception, "KeyboardInterrupt");
}

static void add_left(struct fs_world *world, struct fs_arena *arena,
                     const struct fs_mpi_ranks *ranks, size_t node) {
    world->left += ranks->count;
    world->unseen += ranks->ending == FS_MPI_UNSEEN ? ranks->count : 0;
    if (ranks->finalize_ns > world->left_ns) world->left_ns = ranks->finalize_ns;
    if (!is_failure(ranks)) return;
    if (world->failed == 0) {
        world->first = copy_of(arena, ranks);
        world->first_node = node;
    }
    world->failed += ranks->count;
    if (ranks->finalize_ns > world->failed_ns) world->failed_ns = ranks->finalize_ns;
    fs_node_set_add(arena, &world->where, node);
}

static void add_at_work(struct fs_world *world, struct fs_arena *arena,
                        const struct fs_mpi_ranks *ranks) {
    world->at_work += ranks->count;
    world->looked += ranks->looked;
    world->waiting += ranks->waiting;
    if (ranks->looks > world->looks) world->looks = ranks->looks;
    if (!world->waits_in) world->waits_in = fs_arena_text(arena, ranks->waits_in);
}

void fs_worlds_add(struct fs_worlds *worlds, struct fs_arena *arena, const struct fs_node *node,
                   size_t number) {
    const struct fs_digest *digest = node->digest;

    worlds->mpi = worlds->mpi || digest->mpi_count > 0;
    worlds->silent = worlds->silent || digest->mpi_silent != 0 || digest->mpi_more != 0;
    worlds->interrupted = worlds->interrupted || digest->interrupted > 0;
    for (size_t i = 0; i < digest->mpi_count; i++) {
        const struct fs_mpi_ranks *ranks = &digest->mpi[i];
        struct fs_world *world = ranks->size > 1 ? find(worlds, ranks) : NULL;
        if (!world) {
            worlds->more += ranks->size > 1;
            continue;
        }
        world->count += ranks->count;
        world->interpreters += ranks->python ? ranks->count : 0;
        if (ranks->stage == FS_MPI_RUNNING) add_at_work(world, arena, ranks);
        if (ranks->stage == FS_MPI_IN_FINALIZE) add_left(world, arena, ranks, number);
    }
}
