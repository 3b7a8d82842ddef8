/*
 * fold.c - the files of the segment folder: which to read, which to give back.
 */
#include "tracer/fold.h"

#include "tracer/clock.h"
#include "tracer/fork_stacks.h"
#include "tracer/mpi.h"
#include "tracer/random_streams.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fs_fold_open(struct fs_fold *fold, struct fs_table *table, const char *folder) {
    *fold = (struct fs_fold){.table = table, .directory = -1};
    fold->reader = fs_segment_reader_new();
    if (!fold->reader) return -1;
    fold->directory = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fold->directory >= 0) return 0;
    const int saved = errno;
    fs_fold_close(fold);
    return errno = saved, -1;
}

static void free_file(struct fs_segment_file *file) {
    free(file->process);
    free(file->thread);
    free(file->chunk);
    free(file->site);
    file->process = NULL;
    file->thread = NULL;
    file->chunk = NULL;
    file->site = NULL;
}

void fs_fold_close(struct fs_fold *fold) {
    struct fs_segment_file *file, *next;

    HASH_ITER(hh, fold->files, file, next) {
        HASH_DEL(fold->files, file);
        free_file(file);
        free(file);
    }
    free(fold->pending);
    fs_fork_stacks_free(fold);
    fs_segment_reader_free(fold->reader);
    if (fold->directory >= 0) close(fold->directory);
    fold->pending = NULL;
    fold->reader = NULL;
    fold->directory = -1;
}

static struct fs_segment_file *file_of(struct fs_fold *fold, const char *name) {
    struct fs_segment_file *file = NULL;
    const size_t length = strlen(name);

    HASH_FIND(hh, fold->files, name, length, file);
    if (file) return file;
    file = calloc(1, sizeof *file + length + 1);
    if (!file) {
        fold->table->lost++;
        return NULL;
    }
    memcpy(file->name, name, length + 1);
    HASH_ADD_KEYPTR(hh, fold->files, file->name, length, file);
    return file;
}

/* Recorded variables of an image: "NAME=VALUE" texts into interned pairs. */
static void describe_environment(struct fs_table *table, struct fs_image *image, const char *text,
                                 size_t length) {
    const char *const end = text + length;
    struct fs_variable *variables = NULL;
    size_t count = 0;

    for (const char *entry = text; entry < end; entry += strlen(entry) + 1) {
        const char *equals = strchr(entry, '=');
        if (!equals) continue;
        struct fs_variable *grown = fs_table_grow(table, variables, count, sizeof *variables);
        if (!grown) break;
        variables = grown;
        variables[count++] = (struct fs_variable){
            .name = (char *)fs_intern(&table->interned, entry, (size_t)(equals - entry)),
            .value = (char *)fs_intern(&table->interned, equals + 1, strlen(equals + 1))};
    }
    image->variables = variables;
    image->variable_count = count;
}

static bool describe_file(struct fs_fold *fold, struct fs_segment_file *file,
                          const struct fsp_header *header) {
    size_t length;
    bool cut;

    file->key = header->image;
    file->extension = header->extension != 0;
    file->processes = header->processes;
    file->threads = header->threads;
    file->chunks = header->chunks;
    file->sites = header->sites;
    file->process = calloc(file->processes + 1, sizeof *file->process);
    file->thread = calloc(file->threads + 1, sizeof *file->thread);
    file->chunk = calloc(file->chunks + 1, sizeof *file->chunk);
    file->site = calloc(file->sites + 1, sizeof *file->site);
    file->image = fs_table_image(fold->table, file->key);
    if (!file->image) file->image = fs_table_add_image(fold->table, file->key);
    if (!file->process || !file->thread || !file->chunk || !file->site || !file->image) {
        free_file(file);
        fold->table->lost++;
        return false;
    }
    file->known = true;
    file->image->shim = true;
    if (file->extension) return true;
    file->image->pid = header->pid;
    file->image->repaired = header->env_repaired != 0;
    const char *argv = fs_segment_argv(fold->reader, &length, &cut);
    fs_image_describe(fold->table, file->image, header->executable, argv, length);
    const char *environment = fs_segment_environment(fold->reader, &length, &cut);
    describe_environment(fold->table, file->image, environment, length);
    file->image->environment_cut = cut;
    return true;
}

static void fold_sites(struct fs_fold *fold, struct fs_segment_file *file) {
    struct fs_interned *interned = &fold->table->interned;

    for (uint32_t i = 0; i < file->sites; i++) {
        const struct fsp_site *slot = file->site[i] ? NULL : fs_segment_site(fold->reader, i);
        if (!slot) continue;
        struct fs_site *site = calloc(1, sizeof *site);
        if (!site) return;
        file->site[i] = true;
        site->id = (struct fs_site_key){.image = file->key, .key = slot->key};
        if (fs_table_site(fold->table, site->id)) {
            free(site);
            continue;
        }
        site->kind = slot->kind;
        site->module =
            slot->module[0] ? fs_intern(interned, slot->module, sizeof slot->module) : NULL;
        site->function =
            slot->symbol[0] ? fs_intern(interned, slot->symbol, sizeof slot->symbol) : NULL;
        site->offset = slot->offset;
        if (slot->kind == FSP_SITE_PYTHON && slot->text[0])
            site->stack = fs_intern(interned, slot->text, sizeof slot->text);
        fs_site_place(fold->table, site);
        HASH_ADD(hh, fold->table->sites, id, sizeof site->id, site);
    }
}

static void collect_events(struct fs_fold *fold, struct fs_segment_file *file) {
    for (uint32_t i = 0; i < file->chunks; i++) {
        const struct fsp_chunk *chunk = fs_segment_chunk(fold->reader, i);
        struct fs_chunk_slot *entry = &file->chunk[i];
        if (!chunk) continue;
        if (entry->owner != chunk->owner || entry->t_owned != chunk->t_owned)
            *entry = (struct fs_chunk_slot){.owner = chunk->owner, .t_owned = chunk->t_owned};
        const struct fsp_event *event;
        while (entry->used < FSP_CHUNK_EVENTS && (event = fs_segment_event(chunk, entry->used))) {
            struct fs_pending_event *pending =
                fs_table_grow(fold->table, fold->pending, fold->pending_count, sizeof *pending);
            if (!pending) return;
            fold->pending = pending;
            memcpy(&pending[fold->pending_count].event, event, sizeof *event);
            pending[fold->pending_count].owner = chunk->owner;
            pending[fold->pending_count++].image = file->image;
            entry->used++;
        }
    }
}

static int counted(uint32_t count) {
    return count <= INT_MAX ? (int)count : INT_MAX;
}

/* An extension has other things in their place. */
static void fold_calls(struct fs_image *image, const struct fsp_header *header) {
    image->registrations = counted(header->verbs.registrations);
    image->fork_inits = counted(header->verbs.fork_inits);
    image->registration_site = header->verbs.site;
    image->t_registered =
        header->verbs.t > 0 && header->verbs.t <= INT64_MAX ? (int64_t)header->verbs.t : FS_UNKNOWN;
    image->closed_displays = header->displays.closed & ((1u << FSP_DISPLAYS) - 1);
    image->display_client = header->displays.others != 0;
}

static void fold_header(struct fs_table *table, struct fs_segment_file *file,
                        const struct fsp_header *header) {
    file->lost_processes = header->lost_processes;
    file->lost_threads = header->lost_threads;
    file->lost_events = header->lost_events;
    file->lost_sites = header->lost_sites;
    file->lost_snapshots = header->lost_snapshots;
    file->shim_off = (int)header->off_count;
    file->image->libraries |= header->libraries;
    if (!file->extension) fold_calls(file->image, header);
    if (!file->extension) fs_mpi_fold(table, file->image, header);
}

static int load_file(struct fs_fold *fold, struct fs_segment_file *file, int64_t now) {
    if (fs_segment_load(fold->reader, fold->directory, file->name) != 0) {
        /* EAGAIN: its maker is about to finish it (or died over it). */
        if (errno == EBADMSG || errno == EPROTONOSUPPORT) file->bad = true;
        return -1;
    }
    const struct fsp_header *header = fs_segment_header(fold->reader);
    if (!file->known && !describe_file(fold, file, header)) return -1;
    if (header->image != file->key || header->processes > file->processes ||
        header->threads > file->threads || header->chunks > file->chunks ||
        header->sites > file->sites) {
        file->bad = true;
        return -1;
    }
    fold_header(fold->table, file, header);
    file->bad_slots = (int)fs_segment_bad_slots(fold->reader);
    fold_sites(fold, file);
    fs_fold_processes(fold, file, now);
    fs_fold_threads(fold, file);
    collect_events(fold, file);
    return 0;
}

/* A process that left the image by exec does not use its segment any more. */
static bool uses_image(const struct fs_record *record, const struct fs_image *image) {
    return !record->over && fs_record_image(record) == image;
}

/* Whether all that a file can ever say was read: nobody is left who could write. */
static bool is_done(const struct fs_segment_file *file, int64_t now) {
    if (file->lost_processes > 0 || file->shim_off > 0) return false;
    for (uint32_t i = 0; i < file->processes; i++) {
        const struct fs_slot *slot = &file->process[i];
        if (!slot->record) continue;
        if (uses_image(slot->record, file->image)) return false;
        if (slot->t_fork && !fs_slot_settled(slot, now)) return false;
    }
    return file->extension || file->process[0].record;
}

/* An image is done when all its files are: its processes are spread over them. */
static void close_done_files(struct fs_fold *fold, int64_t now) {
    struct fs_segment_file *file, *next, *other, *next_other;

    HASH_ITER(hh, fold->files, file, next) {
        if (file->closed || file->bad || !file->known || file->extension || !is_done(file, now))
            continue;
        bool all = true;
        HASH_ITER(hh, fold->files, other, next_other)
        if (other->key == file->key && other->known) all = all && is_done(other, now);
        if (!all) continue;
        HASH_ITER(hh, fold->files, other, next_other)
        if (other->key == file->key && other->known) other->closed = true;
    }
}

static void release_slots(struct fs_segment_file *file) {
    for (uint32_t i = 0; file->process && i < file->processes; i++)
        if (file->process[i].record) file->process[i].record->kept_slots--;
    for (uint32_t i = 0; file->thread && i < file->threads; i++)
        if (file->thread[i].record) file->thread[i].record->kept_slots--;
    free_file(file);
    file->processes = file->threads = file->chunks = file->sites = 0;
}

static void remove_closed_files(struct fs_fold *fold) {
    struct fs_segment_file *file, *next;

    HASH_ITER(hh, fold->files, file, next) {
        if (!file->closed || !file->process) continue;
        if (unlinkat(fold->directory, file->name, 0) != 0) continue;
        release_slots(file);
        file->bytes = 0;
    }
}

/* The slots of the loaded file that nobody will write into any more go back to the shim. */
static void recycle_slots(struct fs_fold *fold, struct fs_segment_file *file, int64_t now) {
    uint32_t *slots = calloc(file->processes + file->threads + file->chunks + 1, sizeof *slots);
    struct fs_segment_slots given = {0};

    if (!slots) return;
    given.processes = slots;
    for (uint32_t i = file->extension ? 0 : 1; i < file->processes; i++)
        if (file->process[i].record && fs_slot_settled(&file->process[i], now))
            slots[given.process_count++] = i;
    uint32_t *threads = slots + given.process_count;
    given.threads = threads;
    for (uint32_t i = 0; i < file->threads; i++) {
        const struct fs_thread_slot *slot = &file->thread[i];
        if (slot->record && (slot->record->over || slot->record->threads[slot->index].ended))
            threads[given.thread_count++] = i;
    }
    uint32_t *chunks = threads + given.thread_count;
    given.chunks = chunks;
    for (uint32_t i = 0; i < file->chunks; i++) {
        const struct fs_chunk_slot *slot = &file->chunk[i];
        const struct fs_record *owner =
            slot->owner ? fs_table_find(fold->table, slot->owner, (int64_t)slot->t_owned) : NULL;
        if (owner && owner->over) chunks[given.chunk_count++] = i;
    }
    if (given.process_count + given.thread_count + given.chunk_count > 0)
        fs_segment_recycle(fold->reader, fold->directory, file->name, &given);
    free(slots);
}

static void sum_up(struct fs_fold *fold) {
    struct fs_segment_file *file, *next;

    fold->lost_processes = fold->lost_threads = fold->lost_events = fold->lost_sites = 0;
    fold->lost_snapshots = 0;
    fold->shim_off = fold->bad = 0;
    fold->bytes = 0;
    HASH_ITER(hh, fold->files, file, next) {
        fold->lost_processes += file->lost_processes;
        fold->lost_threads += file->lost_threads;
        fold->lost_events += file->lost_events;
        fold->lost_sites += file->lost_sites;
        fold->lost_snapshots += file->lost_snapshots;
        fold->shim_off += file->shim_off;
        fold->bad += file->bad_slots + (file->bad ? 1 : 0);
        fold->bytes += file->bytes;
    }
}

static void fold_one(struct fs_fold *fold, const char *name, int64_t now, bool pressed) {
    struct fs_segment_file *file = file_of(fold, name);
    struct stat status;

    if (!file || file->closed || file->bad) return;
    if (load_file(fold, file, now) != 0) return;
    if (pressed) recycle_slots(fold, file, now);
    if (fstatat(fold->directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        file->bytes = (int64_t)status.st_blocks * 512;
}

static int by_time(const struct dirent **left, const struct dirent **right) {
    const char *a = strchr((*left)->d_name, '-'), *b = strchr((*right)->d_name, '-');
    const unsigned long long time_a = a ? strtoull(a + 1, NULL, 10) : 0;
    const unsigned long long time_b = b ? strtoull(b + 1, NULL, 10) : 0;

    return (time_a > time_b) - (time_a < time_b);
}

static int is_ours(const struct dirent *entry) {
    int pid;
    bool extension;

    return fs_segment_name(entry->d_name, &pid, &extension) || fs_fork_stack_name(entry->d_name);
}

void fs_fold_pass(struct fs_fold *fold, int64_t now, bool pressed) {
    struct dirent **entries = NULL;
    /* In the order of their making: a process's programs one after the other. */
    const int count = scandirat(fold->directory, ".", &entries, is_ours, by_time);

    for (int i = 0; i < count; i++)
        if (!fs_fork_stack_name(entries[i]->d_name))
            fold_one(fold, entries[i]->d_name, now, pressed && !fold->read_only);
    for (int i = 0; i < count; i++) {
        if (fs_fork_stack_name(entries[i]->d_name)) fs_fork_stack_note(fold, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    /* Only now: an event may speak of a process whose segment came later. */
    for (size_t i = 0; i < fold->pending_count; i++)
        fs_fold_event(fold->table, &fold->pending[i]);
    fold->pending_count = 0;
    fs_random_load(fold->table, fold->directory);
    close_done_files(fold, now);
    if (pressed && !fold->read_only) remove_closed_files(fold);
    sum_up(fold);
}
