/* process_table.c - see process_table.h. */
#include "tracer/process_table.h"

#include "tracer/fork_sites.h"
#include "tracer/mpi_forks.h"
#include "tracer/place_tally.h"
#include "tracer/random_streams.h"
#include "tracer/runtimes.h"
#include "tracer/sampler.h"
#include "tracer/teams.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <utlist.h>

/* A start taken from /proc is a tick early at most; clocks of two witnesses differ less. */
static const int64_t time_slack = 20 * 1000000ll;
/* A forked child that starts another program later than this worked as a fork. */
static const int64_t exec_window = 1000 * 1000000ll;

void fs_table_init(struct fs_table *table) {
    *table = (struct fs_table){0};
}

void *fs_table_grow(struct fs_table *table, void *array, size_t count, size_t size) {
    const bool full = (count & (count - 1)) == 0; /* none, or a power of two */
    void *grown = array;

    if (count >= FS_LIST_MAX)
        grown = NULL;
    else if (full)
        grown = realloc(array, (count == 0 ? 1 : 2 * count) * size);
    if (!grown) table->lost++;
    return grown;
}

struct fs_record *fs_table_newest(const struct fs_table *table, int pid) {
    struct fs_record *record = NULL;

    HASH_FIND_INT(table->by_pid, &pid, record);
    return record;
}

struct fs_record *fs_table_find(const struct fs_table *table, int pid, int64_t t) {
    struct fs_record *record = fs_table_newest(table, pid);

    while (record && record->older && fs_record_begin(record) > t + time_slack)
        record = record->older;
    return record;
}

struct fs_record *fs_table_add(struct fs_table *table, int pid) {
    struct fs_record *record = calloc(1, sizeof *record), *older = NULL;

    if (!record) {
        table->lost++;
        return NULL;
    }
    record->pid = pid;
    record->t_fork = record->t_start = record->t_exit = record->t_reaped = FS_UNKNOWN;
    record->t_gone = record->t_seen = record->t_exec = record->last_busy = record->t_sampled =
        FS_UNKNOWN;
    record->self_ns = record->reaped_ns = record->sampled_ns = FS_UNKNOWN;
    record->run_ns = record->wait_ns = record->maxrss_kib = FS_UNKNOWN;
    record->shm_free = record->shm_total = record->huge_bytes = FS_UNKNOWN;
    HASH_FIND_INT(table->by_pid, &pid, older);
    if (older) HASH_DEL(table->by_pid, older);
    record->older = older;
    HASH_ADD_INT(table->by_pid, pid, record);
    DL_APPEND2(table->first, record, previous, next);
    table->count++;
    fs_record_open(table, record);
    return record;
}

struct fs_record *fs_table_add_root(struct fs_table *table, int pid, int ppid, int64_t t) {
    struct fs_record *record = fs_table_newest(table, pid);
    int *roots = fs_table_grow(table, table->roots, table->root_count, sizeof *roots);

    if (!roots) return NULL;
    table->roots = roots;
    roots[table->root_count++] = pid;
    if (!table->main_pid) table->main_pid = pid;
    if (record && fs_record_begin(record) + time_slack < t) record = NULL;
    if (!record && !(record = fs_table_add(table, pid))) return NULL;
    fs_record_set_parent(table, record, 0, t);
    record->birth = FS_BIRTH_RUN;
    record->ppid = ppid;
    record->t_fork = t;
    if (record->t_seen == FS_UNKNOWN) record->t_seen = t;
    record->witnesses |= FS_WITNESS_PARENT;
    return record;
}

void fs_record_open(struct fs_table *table, struct fs_record *record) {
    if (record->open) return;
    record->open = true;
    DL_APPEND2(table->first_open, record, previous_open, next_open);
}

void fs_record_settle(struct fs_table *table, struct fs_record *record) {
    if (!record->open || !record->over) return;
    record->open = false;
    DL_DELETE2(table->first_open, record, previous_open, next_open);
}

void fs_record_set_parent(struct fs_table *table, struct fs_record *record, int ppid, int64_t t) {
    struct fs_record *parent = ppid > 0 ? fs_table_find(table, ppid, t) : NULL;

    if (parent && parent == record) parent = NULL;
    if (record->parent) record->parent->kept_children--;
    record->ppid = ppid;
    record->parent = parent;
    if (parent) parent->kept_children++;
}

void fs_record_close(struct fs_record *record) {
    if (record->over) return;
    record->over = true;
    fs_activity_free(record->activity);
    record->activity = NULL;
}

static void free_record(struct fs_record *record) {
    fs_activity_free(record->activity);
    fs_team_watch_free(record->teams);
    free(record->stages);
    free(record->threads);
    free(record->beside);
    free(record->runtimes);
    free(record->heir);
    free(record);
}

void fs_table_forget(struct fs_table *table, struct fs_record *record) {
    struct fs_record *newest = fs_table_newest(table, record->pid);
    const int64_t cpu = fs_record_cpu(record);

    if (newest == record) {
        HASH_DEL(table->by_pid, record);
        if (record->older) HASH_ADD_INT(table->by_pid, pid, record->older);
    } else {
        while (newest && newest->older != record)
            newest = newest->older;
        if (newest) newest->older = record->older;
    }
    if (record->parent) {
        record->parent->kept_children--;
        record->parent->forgotten_ns += record->forgotten_ns + (cpu > 0 ? cpu : 0);
    }
    if (cpu > 0) table->forgotten_cpu_ns += cpu;
    fs_fork_tally_add(table, &table->forks, record);
    fs_mpi_fork_tally_add(table, &table->mpi_forks, record);
    table->forgotten_teams += record->teams != NULL;
    fs_runtime_tally_add(table, &table->runtimes, record);
    fs_record_settle(table, record);
    DL_DELETE2(table->first, record, previous, next);
    table->count--;
    table->forgotten++;
    free_record(record);
}

struct fs_image *fs_table_image(const struct fs_table *table, uint64_t key) {
    for (struct fs_image *image = table->images; image; image = image->next)
        if (image->key == key && key != 0) return image;
    return NULL;
}

struct fs_image *fs_table_add_image(struct fs_table *table, uint64_t key) {
    struct fs_image *image = calloc(1, sizeof *image);

    if (!image) {
        table->lost++;
        return NULL;
    }
    image->key = key;
    image->unseen = FS_UNSEEN_OTHER;
    image->t_registered = FS_UNKNOWN;
    image->next = table->images;
    table->images = image;
    return image;
}

struct fs_stage *fs_record_add_stage(struct fs_table *table, struct fs_record *record,
                                     struct fs_image *image, int64_t t) {
    struct fs_stage *stages =
        fs_table_grow(table, record->stages, record->stage_count, sizeof *stages);

    if (!stages) return NULL;
    record->stages = stages;
    /* Segments are met in any order, the newest first as a rule. */
    size_t at = record->stage_count++;
    for (; at > 0 && stages[at - 1].t > t; at--)
        stages[at] = stages[at - 1];
    stages[at] = (struct fs_stage){.image = image, .t = t, .t_affinity = FS_UNKNOWN};
    return &stages[at];
}

struct fs_image *fs_record_image(const struct fs_record *record) {
    return record->stage_count ? record->stages[record->stage_count - 1].image : NULL;
}

struct fs_stage *fs_record_stage_at(const struct fs_record *record, int64_t t) {
    struct fs_stage *stage = record->stages;

    for (size_t i = 1; i < record->stage_count && record->stages[i].t <= t; i++)
        stage = &record->stages[i];
    return stage;
}

struct fs_site *fs_table_site_of(struct fs_table *table, struct fs_site_key id) {
    struct fs_site *site = NULL;

    if (id.key) HASH_FIND(hh, table->sites, &id, sizeof id, site);
    return site;
}

const struct fs_site *fs_table_site(const struct fs_table *table, struct fs_site_key id) {
    return fs_table_site_of((struct fs_table *)table, id);
}

int64_t fs_record_begin(const struct fs_record *record) {
    if (record->t_fork != FS_UNKNOWN) return record->t_fork;
    if (record->t_start != FS_UNKNOWN) return record->t_start;
    return record->t_seen;
}

int64_t fs_record_end(const struct fs_record *record) {
    if (!record->over && !record->zombie) return FS_UNKNOWN;
    if (record->t_exit != FS_UNKNOWN) return record->t_exit;
    if (record->t_reaped != FS_UNKNOWN &&
        (record->t_gone == FS_UNKNOWN || record->t_reaped < record->t_gone))
        return record->t_reaped;
    return record->t_gone != FS_UNKNOWN ? record->t_gone : record->t_seen;
}

/* A wait's usage has that of the children which the process waited for in it. */
int64_t fs_record_cpu(const struct fs_record *record) {
    if (record->self_ns != FS_UNKNOWN) return record->self_ns;
    if (record->reaped_ns != FS_UNKNOWN) {
        const int64_t own = record->reaped_ns - record->reaped_children_ns;
        return own > record->sampled_ns ? own : record->sampled_ns;
    }
    return record->sampled_ns;
}

int fs_record_signal(const struct fs_record *record) {
    return record->status_known && WIFSIGNALED(record->status) ? WTERMSIG(record->status) : 0;
}

bool fs_record_is_whole(const struct fs_record *record) {
    const bool ended = record->over || record->zombie;

    return record->ppid > 0 && record->birth != FSP_BIRTH_UNKNOWN &&
           (record->t_fork != FS_UNKNOWN || record->t_start != FS_UNKNOWN) && record->mask != 0 &&
           (!ended || fs_record_end(record) != FS_UNKNOWN);
}

bool fs_record_is_forked(const struct fs_record *record) {
    const struct fs_stage *first = record->stages;

    if (record->stage_count == 0 || record->birth == FSP_BIRTH_SPAWN ||
        record->birth == FSP_BIRTH_VFORK)
        return false;
    const bool inherited = first->image && first->image->pid != record->pid;
    if (!inherited || !record->parent) return inherited && record->birth != FS_BIRTH_INSIDE_LIBC;
    const struct fs_stage *parents = fs_record_stage_at(record->parent, fs_record_begin(record));
    if (!parents || parents->image != first->image) return false;
    return record->stage_count == 1 || record->stages[1].t - fs_record_begin(record) > exec_window;
}

void fs_table_free(struct fs_table *table) {
    struct fs_record *record, *next_record;
    struct fs_site *site, *next_site;

    HASH_CLEAR(hh, table->by_pid);
    fs_random_free(table);
    DL_FOREACH_SAFE2(table->first, record, next_record, next) free_record(record);
    HASH_ITER(hh, table->sites, site, next_site) {
        HASH_DEL(table->sites, site);
        free(site);
    }
    for (struct fs_image *image = table->images, *next; image; image = next) {
        next = image->next;
        free((void *)image->variables);
        free(image->misspelt);
        free(image->mpi);
        free(image);
    }
    free(table->kills);
    free(table->setenvs);
    free(table->loadings);
    free(table->shell_calls);
    free(table->shm_objects);
    free(table->failures);
    free(table->roots);
    fs_place_tallies_free(&table->forks);
    fs_mpi_fork_tally_free(&table->mpi_forks);
    fs_runtime_tally_free(table->runtimes);
    fs_interned_free(&table->interned);
    *table = (struct fs_table){0};
}
