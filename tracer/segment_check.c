/*
 * segment_check.c - what a sound segment looks like.
 *
 * The files were written by the application's processes: in the best case by the shim,
 * killed at any instruction; in the worst by anybody with this user's rights. A number
 * that no real run could give makes its slot unsound; unsound slots are emptied and
 * counted.
 */
#include "tracer/segment_check.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "preload/segment.h"

static const uint64_t largest_count = UINT64_C(1) << 50;

static struct fsp_header *header_of(const struct fs_segment_copy *copy) {
    return (struct fsp_header *)(void *)copy->bytes;
}

bool fs_segment_page_committed(const struct fs_segment_copy *copy, size_t page) {
    const uint64_t word = header_of(copy)->committed[page / 64];
    return word >> page % 64 & 1;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static bool same_shape(const struct fsp_header *a, const struct fsp_header *b) {
    return a->header_size == b->header_size && a->process_size == b->process_size &&
           a->thread_size == b->thread_size && a->chunk_size == b->chunk_size &&
           a->site_size == b->site_size && a->size == b->size && a->processes == b->processes &&
           a->threads == b->threads && a->chunks == b->chunks && a->sites == b->sites &&
           a->processes_at == b->processes_at && a->threads_at == b->threads_at &&
           a->chunks_at == b->chunks_at && a->sites_at == b->sites_at && a->index_at == b->index_at;
}

bool fs_is_pid(int pid) {
    return pid > 0 && pid <= FS_PID_MAX;
}

int fs_segment_check_header(struct fs_segment_copy *copy) {
    _Static_assert(FSP_LARGEST_SIZE / FSP_PAGE <= 64 * 4, "a bit per page");
    struct fsp_header *header = header_of(copy), expected = {0};
    if (header->magic == 0) return fail(EAGAIN);
    if (header->magic != FSP_MAGIC || header->endian != FSP_ENDIAN) return fail(EBADMSG);
    if (header->version != FSP_VERSION) return fail(EPROTONOSUPPORT);
    if (header->ready == 0) return fail(EAGAIN);
    if (header->extension >= FSP_EXTENSION_COUNT) return fail(EBADMSG);
    fsp_layout(&expected, copy->size, header->extension);
    if (!same_shape(header, &expected) || !fs_is_pid(header->pid) || header->ppid < 0 ||
        header->ppid > FS_PID_MAX || header->t_made == 0 || header->t_made > FS_LONGEST_NS ||
        header->image > FS_LONGEST_NS || header->realtime_made < 0)
        return fail(EBADMSG);
    if (header->extension) /* its index lies where an image's strings are */
        memset(header->executable, 0, (size_t)((char *)(header + 1) - header->executable));
    header->executable[sizeof header->executable - 1] = '\0';
    header->argv[sizeof header->argv - 1] = '\0';
    header->environment[sizeof header->environment - 1] = '\0';
    return 0;
}

/* --- slots --- */

struct check {
    uint64_t latest; /* no time beyond it is believed */
    uint32_t bad;
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A time that cannot be becomes "never". */
static void clamp_time(const struct check *check, uint64_t *time) {
    if (*time > check->latest) *time = 0;
}

static bool sane_usage(const struct fsp_usage *usage) {
    const uint64_t longest_us = FS_LONGEST_NS / 1000;
    return usage->user_us <= longest_us && usage->system_us <= longest_us &&
           usage->maxrss_kib <= largest_count && usage->voluntary <= largest_count &&
           usage->involuntary <= largest_count;
}

/* Written by the parent while the child lives: the numbers are there before they count. */
static bool sound_beside(const struct fsp_process *process) {
    for (unsigned i = 0; i < FSP_BESIDE_MAX; i++)
        if (process->beside[i].threads > FS_PID_MAX ||
            process->beside[i].by_forker > process->beside[i].threads)
            return false;
    return process->beside_known <= 1 && process->beside_main <= 1 &&
           process->beside_threads <= FS_PID_MAX;
}

static bool sound_process(struct fsp_process *process, const struct check *check) {
    const uint32_t state = process->state;
    const bool pid_ok = state == FSP_PROCESS_LIVE ? fs_is_pid(process->pid)
                                                  : process->pid == 0 || fs_is_pid(process->pid);
    if (state > FSP_PROCESS_LIVE || !pid_ok || process->ppid < 0 || process->ppid > FS_PID_MAX ||
        process->birth >= FSP_BIRTH_COUNT || process->exit >= FSP_EXIT_COUNT ||
        process->random >= FSP_RANDOM_COUNT || process->reaped > 1 ||
        process->run_ns > FS_LONGEST_NS || process->wait_ns > FS_LONGEST_NS ||
        process->threads_run_ns > FS_LONGEST_NS || process->threads_wait_ns > FS_LONGEST_NS ||
        !sound_beside(process) || !sane_usage(&process->self) ||
        (process->reaped && !sane_usage(&process->reap)))
        return false;
    process->flags &= FSP_PROCESS_NO_ZOMBIES | FSP_PROCESS_MASK_UNKNOWN | FSP_PROCESS_SETSID;
    process->exec_path[sizeof process->exec_path - 1] = '\0';
    if (process->reaper < 0 || process->reaper > FS_PID_MAX) process->reaper = 0;
    if (process->affinity_caller < 0 || process->affinity_caller > FS_PID_MAX)
        process->affinity_caller = 0;
    clamp_time(check, &process->t_fork);
    clamp_time(check, &process->t_start);
    clamp_time(check, &process->t_exit);
    clamp_time(check, &process->t_reap);
    clamp_time(check, &process->t_affinity);
    clamp_time(check, &process->t_exec);
    return true;
}

static bool sound_thread(struct fsp_thread *thread, const struct check *check) {
    if (thread->state > FSP_THREAD_RESERVED || !fs_is_pid(thread->pid) || !fs_is_pid(thread->tid) ||
        thread->cpu_ns > FS_LONGEST_NS || thread->run_ns > FS_LONGEST_NS ||
        thread->wait_ns > FS_LONGEST_NS)
        return false;
    clamp_time(check, &thread->t_start);
    clamp_time(check, &thread->t_end);
    clamp_time(check, &thread->t_affinity);
    return true;
}

/* Kinds of events whose last member is text; the others have numbers there. */
static const bool event_has_text[FSP_EVENT_COUNT] = {
    [FSP_EVENT_SETENV] = true,       [FSP_EVENT_UNSETENV] = true,   [FSP_EVENT_SYSTEM] = true,
    [FSP_EVENT_ENV_REPAIRED] = true, [FSP_EVENT_SHM_CREATE] = true, [FSP_EVENT_SHM_UNLINK] = true,
};

static bool sound_event(struct fsp_event *event, const struct check *check) {
    const uint32_t kind = event->kind;
    if (kind >= FSP_EVENT_COUNT || event->tid < 0 || event->tid > FS_PID_MAX) return false;
    if (event_has_text[kind]) event->text[sizeof event->text - 1] = '\0';
    if (kind == FSP_EVENT_REAPED &&
        (!fs_is_pid(event->a) || event->u[0] > FS_LONGEST_NS / 1000 ||
         event->u[1] > FS_LONGEST_NS / 1000 || event->u[2] > largest_count))
        return false;
    if (kind == FSP_EVENT_SIGBUS_SHM &&
        (event->u[0] > FS_LONGEST_NS || event->u[1] > FS_LONGEST_NS || !fs_is_pid(event->a)))
        return false;
    if (kind == FSP_EVENT_LIBRARY) {
        if (event->a <= 0 || (event->a & (event->a - 1)) != 0) return false; /* one family */
        clamp_time(check, &event->u[0]);
    }
    clamp_time(check, &event->t);
    return true;
}

static bool sound_chunk(struct fsp_chunk *chunk, struct check *check) {
    if (!fs_is_pid(chunk->owner)) return false;
    if (chunk->used > FSP_CHUNK_EVENTS) chunk->used = FSP_CHUNK_EVENTS; /* the shim counts on */
    clamp_time(check, &chunk->t_owned);
    for (uint32_t i = 0; i < chunk->used; i++) {
        if (sound_event(&chunk->event[i], check)) continue;
        chunk->event[i].kind = FSP_EVENT_NONE;
        check->bad++;
    }
    return true;
}

static bool sound_site(struct fsp_site *site) {
    if (site->kind > FSP_SITE_OBJECT || site->key == 0) return false;
    site->module[sizeof site->module - 1] = '\0';
    site->symbol[sizeof site->symbol - 1] = '\0';
    site->text[sizeof site->text - 1] = '\0';
    return true;
}

uint32_t fs_segment_check_slots(struct fs_segment_copy *copy) {
    struct fsp_header *header = header_of(copy);
    const uint64_t now = now_ns();
    /* After a restart of the node its clock runs anew: times of a file of before are kept. */
    struct check check = {.latest = header->t_made <= now ? now : FS_LONGEST_NS};
    struct fsp_process *processes = (void *)(copy->bytes + header->processes_at);
    struct fsp_thread *threads = (void *)(copy->bytes + header->threads_at);
    struct fsp_chunk *chunks = (void *)(copy->bytes + header->chunks_at);
    struct fsp_site *sites = (void *)(copy->bytes + header->sites_at);

    for (uint32_t i = 0; i < header->processes; i++) {
        if (!processes[i].state || sound_process(&processes[i], &check)) continue;
        processes[i].state = FSP_PROCESS_FREE;
        check.bad++;
    }
    for (uint32_t i = 0; i < header->threads; i++) {
        /* A reserved one is no thread yet. */
        const bool reserved = threads[i].state == FSP_THREAD_RESERVED;
        if (!threads[i].state || (!reserved && sound_thread(&threads[i], &check))) continue;
        threads[i].state = FSP_THREAD_FREE;
        check.bad += !reserved;
    }
    for (uint32_t i = 0; i < header->chunks; i++) {
        if (!chunks[i].owner || sound_chunk(&chunks[i], &check)) continue;
        chunks[i].owner = 0;
        check.bad++;
    }
    for (uint32_t i = 0; i < header->sites; i++) {
        if (!sites[i].kind || sound_site(&sites[i])) continue;
        sites[i].kind = FSP_SITE_NONE;
        check.bad++;
    }
    return check.bad;
}
