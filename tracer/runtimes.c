/* runtimes.c - see runtimes.h. */
#include "tracer/runtimes.h"

#include "tracer/clock.h"
#include "tracer/evaluation.h"
#include "tracer/fork_sites.h"
#include "tracer/libraries.h"
#include "tracer/text.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct region_use { /* as struct fs_region_use; texts are interned */
    int runtime, processes, team, pid;
    const char *executable;
    int64_t regions, regions_most;
    struct fs_site_key site;
};

struct runtime_fork {
    int runtime, parent, pid, count, signal;
    enum fs_reuse reuse;
    const char *executable;
    bool python;
    struct fs_regions before, after;
    int threads;
    struct fs_site_key child_site, fork_site;
    int64_t t_fork, t_end;
};

struct gpu_fork {
    int kind, parent, pid, children, callers;
    const char *executable;
    bool python;
    struct fs_gpu_calls before, after;
    int threads, child_threads;
    struct fs_site_key fork_site;
};

struct fs_runtime_tally {
    struct region_use uses[FS_REGION_USES_MAX];
    struct runtime_fork forks[FS_RUNTIME_FORKS_MAX];
    struct gpu_fork gpus[FS_GPU_FORKS_MAX];
    size_t use_count, fork_count, gpu_count;
    int more; /* processes without a place in them */
};

static const uint32_t gpu_libraries[FSP_GPU_COUNT] = {
    [FSP_GPU_CUDA] = FSP_LIBRARY_CUDA,
    [FSP_GPU_ROCM] = FSP_LIBRARY_ROCM,
};

void fs_runtime_tally_free(struct fs_runtime_tally *tally) {
    free(tally);
}

static int smaller(int asked, uint32_t others) {
    const int there = others < INT_MAX ? (int)others + 1 : INT_MAX;

    return asked < there ? asked : there;
}

/* --- regions --- */

static void add_use(struct fs_runtime_tally *tally, const struct fs_record *record, int runtime) {
    const struct fs_regions *own = &record->runtimes->own[runtime];
    const struct fs_image *image = fs_record_image(record);
    const char *executable = image ? image->executable : NULL;
    const int team = smaller(own->team, record->threads_peak);
    size_t i = 0;

    if (own->entered == 0) return;
    while (i < tally->use_count &&
           (tally->uses[i].runtime != runtime || tally->uses[i].executable != executable))
        i++;
    if (i == FS_REGION_USES_MAX) {
        tally->more++;
        return;
    }
    struct region_use *use = &tally->uses[i];
    if (i == tally->use_count) {
        *use = (struct region_use){.runtime = runtime, .executable = executable};
        tally->use_count++;
    }
    use->processes++;
    use->regions += own->entered;
    if (own->entered > use->regions_most) use->regions_most = own->entered;
    if (use->pid && team <= use->team) return;
    use->team = team;
    use->pid = record->pid;
    use->site = own->site;
}

/* --- forks --- */

static const char *module_of(const struct fs_table *table, struct fs_site_key id) {
    const struct fs_site *site = fs_table_site(table, id);

    return site ? site->module : NULL;
}

/* Numba's layer calls raise last of all, so that it seems to come from the compiled Python
 * function, which is in no object. */
static bool is_guard(const char *raiser, const char *module) {
    return raiser ? raiser == module : strstr(module, "/omppool.") != NULL;
}

/* The signal that a record raised on itself in the object that runs its parent's regions;
 * 0: it did not. */
static int own_signal(const struct fs_table *table, const struct fs_record *record,
                      const char *module, struct fs_site_key *site) {
    const int signal = fs_record_signal(record);

    for (size_t i = table->kill_count; module && i-- > 0;) {
        const struct fs_kill *kill = &table->kills[i];
        if (kill->sender != record->pid || kill->target != record->pid || kill->site.key == 0 ||
            kill->t < fs_record_begin(record) ||
            (kill->signal != signal && record->exit != FSP_EXIT_ABORT) ||
            !is_guard(module_of(table, kill->site), module))
            continue;
        *site = kill->site;
        return kill->signal;
    }
    return 0;
}

/*
 * A new pool has a thread for each of a team but the one that leads. A child with fewer
 * threads that is in a region waits for those of its parent, which libgomp remembers.
 */
static bool is_stuck(const struct fs_record *record, const struct fs_regions *after) {
    return after->entered > after->left && after->team >= 2 && record->exit == FSP_EXIT_NONE &&
           record->runtimes->threads_forked + 1 < (uint32_t)after->team;
}

static struct runtime_fork fork_of(const struct fs_table *table, const struct fs_record *record,
                                   int runtime) {
    const struct fs_image *image = record->stage_count ? record->stages[0].image : NULL;
    const struct fs_runtimes *runtimes = record->runtimes;
    struct runtime_fork fork = {
        .runtime = runtime,
        .parent = record->ppid,
        .pid = record->pid,
        .count = 1,
        .executable = image ? image->executable : NULL,
        .python = image && image->python,
        .before = runtimes->inherited[runtime],
        .after = runtimes->forked[runtime],
        .threads = (int)(runtimes->threads_forked & INT_MAX),
        .fork_site = record->birth_site,
        .t_fork = fs_record_begin(record),
        .t_end = fs_record_end(record),
    };
    const char *module = module_of(table, fork.before.site);
    const int raised = own_signal(table, record, module, &fork.child_site);

    if (raised) {
        fork.reuse = FS_REUSE_ENDED;
        fork.signal = raised;
    } else {
        fork.reuse = is_stuck(record, &fork.after) ? FS_REUSE_STUCK
                     : fork.after.entered > 0      ? FS_REUSE_WORKED
                                                   : FS_REUSE_NONE;
        fork.signal = fs_record_signal(record);
        fork.child_site = fork.after.site;
    }
    return fork;
}

static void add_fork(const struct fs_table *table, struct fs_runtime_tally *tally,
                     const struct fs_record *record, int runtime) {
    const struct fs_runtimes *runtimes = record->runtimes;
    size_t i = 0;

    if (runtimes->inherited[runtime].team < 2) return;
    if (fs_tried_exec(record) && runtimes->forked[runtime].entered == 0) return;
    const struct runtime_fork fork = fork_of(table, record, runtime);
    while (i < tally->fork_count &&
           (tally->forks[i].runtime != runtime || tally->forks[i].reuse != fork.reuse ||
            tally->forks[i].parent != fork.parent))
        i++;
    if (i < tally->fork_count)
        tally->forks[i].count++;
    else if (i < FS_RUNTIME_FORKS_MAX)
        tally->forks[tally->fork_count++] = fork;
    else
        tally->more++;
}

/* --- GPU runtimes --- */

/* Threads that a library of that family started, until t (FS_UNKNOWN: ever). */
static int threads_of(const struct fs_table *table, const struct fs_record *record,
                      uint32_t libraries, int64_t t) {
    int threads = 0;

    for (size_t i = 0; record && i < record->thread_count; i++) {
        const struct fs_thread *thread = &record->threads[i];
        const char *module = module_of(table, thread->routine);
        threads += module && (fs_library_of(module) & libraries) != 0 &&
                   (t == FS_UNKNOWN || thread->t_start <= t);
    }
    return threads;
}

static bool called(const struct gpu_fork *gpu) {
    return gpu->after.starts > 0 || gpu->after.contexts > 0 || gpu->child_threads > 0;
}

static struct gpu_fork gpu_fork_of(const struct fs_table *table, const struct fs_record *record,
                                   const struct fs_image *image, int kind) {
    const int64_t t = fs_record_begin(record);
    struct gpu_fork gpu = {
        .kind = kind,
        .parent = record->ppid,
        .pid = record->pid,
        .children = 1,
        .executable = image->executable,
        .python = image->python,
        .threads = threads_of(table, record->parent, gpu_libraries[kind], t),
        .child_threads = threads_of(table, record, gpu_libraries[kind], FS_UNKNOWN),
        .fork_site = record->birth_site,
    };

    if (record->runtimes) {
        gpu.before = record->runtimes->gpu_inherited[kind];
        gpu.after = record->runtimes->gpu_forked[kind];
    }
    gpu.callers = called(&gpu);
    return gpu;
}

static bool same_gpu_parent(const struct gpu_fork *a, const struct gpu_fork *b) {
    return a->kind == b->kind && a->parent == b->parent &&
           !a->before.contexts == !b->before.contexts && !a->threads == !b->threads;
}

static void add_gpu_fork(const struct fs_table *table, struct fs_runtime_tally *tally,
                         const struct fs_record *record, int kind) {
    const struct fs_image *image = record->stage_count ? record->stages[0].image : NULL;
    size_t i = 0;

    if (!image || (image->libraries & gpu_libraries[kind]) == 0 || fs_tried_exec(record)) return;
    const struct gpu_fork gpu = gpu_fork_of(table, record, image, kind);
    while (i < tally->gpu_count && !same_gpu_parent(&tally->gpus[i], &gpu))
        i++;
    if (i == tally->gpu_count && i < FS_GPU_FORKS_MAX) {
        tally->gpus[tally->gpu_count++] = gpu;
    } else if (i == FS_GPU_FORKS_MAX) {
        tally->more++;
    } else {
        struct gpu_fork *known = &tally->gpus[i];
        const int children = known->children + 1, callers = known->callers + gpu.callers;
        if (known->callers == 0 && gpu.callers > 0) *known = gpu;
        known->children = children;
        known->callers = callers;
    }
}

/* --- tallies --- */

static bool uses_gpu(const struct fs_record *record) {
    const struct fs_image *image = record->stage_count ? record->stages[0].image : NULL;

    return image && (image->libraries & (FSP_LIBRARY_CUDA | FSP_LIBRARY_ROCM)) != 0;
}

void fs_runtime_tally_add(struct fs_table *table, struct fs_runtime_tally **tally,
                          const struct fs_record *record) {
    const bool fork = fs_is_fork(record);

    if (!record->runtimes && !(fork && uses_gpu(record))) return;
    if (!*tally) *tally = calloc(1, sizeof **tally);
    if (!*tally) {
        table->lost++;
        return;
    }
    for (int i = 0; record->runtimes && i < FSP_RUNTIME_COUNT; i++) {
        add_use(*tally, record, i);
        if (fork) add_fork(table, *tally, record, i);
    }
    for (int i = 0; fork && i < FSP_GPU_COUNT; i++)
        add_gpu_fork(table, *tally, record, i);
}

/* --- the digest --- */

static void fill_use(const struct fs_table *table, const struct region_use *from,
                     struct fs_region_use *use) {
    *use = (struct fs_region_use){.runtime = from->runtime,
                                  .executable = fs_copy_text(from->executable),
                                  .processes = from->processes,
                                  .regions = from->regions,
                                  .regions_most = from->regions_most,
                                  .team = from->team,
                                  .pid = from->pid};
    fs_place_of(table, from->site, &use->place);
}

static void fill_fork(const struct fs_evaluation *evaluation, const struct runtime_fork *from,
                      struct fs_runtime_fork *fork) {
    *fork = (struct fs_runtime_fork){.runtime = from->runtime,
                                     .reuse = from->reuse,
                                     .parent = from->parent,
                                     .pid = from->pid,
                                     .count = from->count,
                                     .executable = fs_copy_text(from->executable),
                                     .python = from->python,
                                     .regions = from->before.entered,
                                     .team = from->before.team,
                                     .entered = from->after.entered,
                                     .left = from->after.left,
                                     .child_team = from->after.team,
                                     .threads = from->threads,
                                     .signal = from->signal,
                                     .t_fork = fs_job_time(evaluation, from->t_fork),
                                     .t_end = fs_job_time(evaluation, from->t_end)};
    fs_place_of(evaluation->table, from->before.site, &fork->place);
    fs_place_of(evaluation->table, from->child_site, &fork->child_place);
    fs_place_of(evaluation->table, from->fork_site, &fork->site);
}

static void fill_gpu(const struct fs_table *table, const struct gpu_fork *from,
                     struct fs_gpu_fork *gpu) {
    *gpu = (struct fs_gpu_fork){.kind = from->kind,
                                .parent = from->parent,
                                .executable = fs_copy_text(from->executable),
                                .python = from->python,
                                .children = from->children,
                                .callers = from->callers,
                                .pid = from->pid,
                                .starts = from->before.starts,
                                .contexts = from->before.contexts,
                                .threads = from->threads,
                                .child_starts = from->after.starts,
                                .child_contexts = from->after.contexts,
                                .child_threads = from->child_threads};
    fs_place_of(table, from->before.site, &gpu->place);
    fs_place_of(table, from->after.site, &gpu->child_place);
    fs_place_of(table, from->fork_site, &gpu->site);
}

int fs_evaluate_runtimes(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    struct fs_table *table = evaluation->table;
    struct fs_runtime_tally *tally = calloc(1, sizeof *tally);

    if (!tally) return -1;
    if (table->runtimes) *tally = *table->runtimes;
    for (const struct fs_record *record = table->first; record; record = record->next)
        fs_runtime_tally_add(table, &tally, record);
    digest->region_uses = calloc(tally->use_count + 1, sizeof *digest->region_uses);
    digest->runtime_forks = calloc(tally->fork_count + 1, sizeof *digest->runtime_forks);
    digest->gpu_forks = calloc(tally->gpu_count + 1, sizeof *digest->gpu_forks);
    digest->runtimes_more = tally->more;
    const bool room = digest->region_uses && digest->runtime_forks && digest->gpu_forks;
    for (size_t i = 0; room && i < tally->use_count; i++)
        fill_use(table, &tally->uses[i], &digest->region_uses[digest->region_use_count++]);
    for (size_t i = 0; room && i < tally->fork_count; i++)
        fill_fork(evaluation, &tally->forks[i],
                  &digest->runtime_forks[digest->runtime_fork_count++]);
    for (size_t i = 0; room && i < tally->gpu_count; i++)
        fill_gpu(table, &tally->gpus[i], &digest->gpu_forks[digest->gpu_fork_count++]);
    free(tally);
    return room ? 0 : -1;
}
