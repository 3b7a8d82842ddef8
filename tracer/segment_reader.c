/*
 * segment_reader.c - loads segments and gives slots back. Which slots are sound is
 * decided in segment_check.c.
 */
#include "tracer/segment_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/segment_check.h"

struct fs_segment_reader {
    struct fs_segment_copy copy; /* copy.bytes is FSP_LARGEST_SIZE long, page-aligned */
    uint32_t bad_slots;
    bool loaded;
};

struct fs_segment_reader *fs_segment_reader_new(void) {
    struct fs_segment_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    reader->copy.bytes = aligned_alloc(FSP_PAGE, FSP_LARGEST_SIZE);
    if (reader->copy.bytes) return reader;
    free(reader);
    return NULL;
}

void fs_segment_reader_free(struct fs_segment_reader *reader) {
    if (!reader) return;
    free(reader->copy.bytes);
    free(reader);
}

bool fs_segment_name(const char *name, int *pid, bool *extension) {
    char *end;
    if (*name < '1' || *name > '9') return false;
    errno = 0;
    const long number = strtol(name, &end, 10);
    if (errno || number > INT_MAX || *end != '-' || end[1] < '0' || end[1] > '9') return false;
    end += 1 + strspn(end + 1, "0123456789");
    const bool extends = strcmp(end, FSP_SUFFIX_EXTENSION) == 0;
    if (!extends && strcmp(end, FSP_SUFFIX_BASE) != 0) return false;
    if (pid) *pid = (int)number;
    if (extension) *extension = extends;
    return true;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static bool size_of_a_segment(off_t size) {
    for (off_t possible = FSP_BASE_SIZE; possible <= FSP_LARGEST_SIZE; possible *= 4)
        if (size == possible) return true;
    return false;
}

/* Opens a segment of ours. O_NONBLOCK: a pipe put in its place must not hold us up. */
static int open_segment(int directory, const char *name, int access, struct stat *status) {
    const int file = openat(directory, name, access | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return errno == ELOOP || errno == ENXIO ? fail(EBADMSG) : -1;
    if (fstat(file, status) == 0 && S_ISREG(status->st_mode) && status->st_uid == geteuid() &&
        size_of_a_segment(status->st_size))
        return file;
    /* Its maker sets the length right after it made the file. */
    const int error = S_ISREG(status->st_mode) && status->st_size == 0 ? EAGAIN : EBADMSG;
    close(file);
    return fail(error);
}

/* Reads exactly size bytes at offset, or fails: a file that got shorter is none of ours. */
static int read_exactly(int file, void *into, size_t size, uint64_t offset) {
    for (size_t done = 0; done < size;) {
        const ssize_t got = pread(file, (char *)into + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) return fail(EBADMSG);
        done += (size_t)got;
    }
    return 0;
}

static int write_exactly(int file, const void *from, size_t size, uint64_t offset) {
    for (size_t done = 0; done < size;) {
        const ssize_t put =
            pwrite(file, (const char *)from + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return -1;
        done += (size_t)put;
    }
    return 0;
}

/* Copies what was promised to the writers; the rest of the file was never stored into. */
static int read_pages(int file, struct fs_segment_copy *copy) {
    const size_t pages = copy->size / FSP_PAGE;
    for (size_t page = 1; page < pages;) {
        const bool committed = fs_segment_page_committed(copy, page);
        size_t end = page + 1;
        while (end < pages && fs_segment_page_committed(copy, end) == committed)
            end++;
        char *into = copy->bytes + page * FSP_PAGE;
        const size_t size = (end - page) * FSP_PAGE;
        if (!committed)
            memset(into, 0, size);
        else if (read_exactly(file, into, size, page * FSP_PAGE))
            return -1;
        page = end;
    }
    return 0;
}

int fs_segment_load(struct fs_segment_reader *reader, int directory, const char *name) {
    struct fs_segment_copy *copy = &reader->copy;
    struct stat status = {0};
    reader->loaded = false;
    const int file = open_segment(directory, name, O_RDONLY, &status);
    if (file < 0) return -1;
    copy->size = (size_t)status.st_size;
    int result = read_exactly(file, copy->bytes, FSP_PAGE, 0);
    if (!result) result = fs_segment_check_header(copy);
    if (!result) result = read_pages(file, copy);
    const int error = errno;
    close(file);
    if (result) return fail(error);
    reader->bad_slots = fs_segment_check_slots(copy);
    reader->loaded = true;
    return 0;
}

int fs_segment_load_memory(struct fs_segment_reader *reader, const void *data, size_t size) {
    struct fs_segment_copy *copy = &reader->copy;
    reader->loaded = false;
    if (size > FSP_LARGEST_SIZE || !size_of_a_segment((off_t)size)) return fail(EBADMSG);
    memcpy(copy->bytes, data, size);
    copy->size = size;
    if (fs_segment_check_header(copy)) return -1;
    for (size_t page = 1; page < size / FSP_PAGE; page++)
        if (!fs_segment_page_committed(copy, page))
            memset(copy->bytes + page * FSP_PAGE, 0, FSP_PAGE);
    reader->bad_slots = fs_segment_check_slots(copy);
    reader->loaded = true;
    return 0;
}

/* --- what was loaded --- */

static const struct fsp_header *header_of(const struct fs_segment_reader *reader) {
    return reader->loaded ? (const struct fsp_header *)(const void *)reader->copy.bytes : NULL;
}

const struct fsp_header *fs_segment_header(const struct fs_segment_reader *reader) {
    return header_of(reader);
}

uint32_t fs_segment_bad_slots(const struct fs_segment_reader *reader) {
    return reader->bad_slots;
}

/* Text of which `wanted` bytes existed and at most `room` were kept. */
static const char *kept_text(const char *text, size_t wanted, size_t room, size_t *length,
                             bool *cut) {
    *length = wanted < room ? wanted : room;
    *cut = wanted > room;
    return text;
}

const char *fs_segment_argv(const struct fs_segment_reader *reader, size_t *length, bool *cut) {
    const struct fsp_header *header = header_of(reader);
    if (!header || header->extension) return kept_text("", 0, 0, length, cut);
    return kept_text(header->argv, header->argv_length, sizeof header->argv, length, cut);
}

const char *fs_segment_environment(const struct fs_segment_reader *reader, size_t *length,
                                   bool *cut) {
    const struct fsp_header *header = header_of(reader);
    if (!header || header->extension) return kept_text("", 0, 0, length, cut);
    return kept_text(header->environment, header->env_length, sizeof header->environment, length,
                     cut);
}

static const void *slot_at(const struct fs_segment_reader *reader, uint64_t table, size_t size,
                           uint32_t slot) {
    return reader->copy.bytes + table + size * slot;
}

const struct fsp_process *fs_segment_process(const struct fs_segment_reader *reader,
                                             uint32_t slot) {
    const struct fsp_header *header = header_of(reader);
    if (!header || slot >= header->processes) return NULL;
    const struct fsp_process *process =
        slot_at(reader, header->processes_at, sizeof *process, slot);
    return process->state == FSP_PROCESS_FREE ? NULL : process;
}

const struct fsp_thread *fs_segment_thread(const struct fs_segment_reader *reader, uint32_t slot) {
    const struct fsp_header *header = header_of(reader);
    if (!header || slot >= header->threads) return NULL;
    const struct fsp_thread *thread = slot_at(reader, header->threads_at, sizeof *thread, slot);
    return thread->state == FSP_THREAD_FREE ? NULL : thread;
}

const struct fsp_chunk *fs_segment_chunk(const struct fs_segment_reader *reader, uint32_t slot) {
    const struct fsp_header *header = header_of(reader);
    if (!header || slot >= header->chunks) return NULL;
    const struct fsp_chunk *chunk = slot_at(reader, header->chunks_at, sizeof *chunk, slot);
    return chunk->owner == 0 ? NULL : chunk;
}

const struct fsp_event *fs_segment_event(const struct fsp_chunk *chunk, uint32_t number) {
    if (number >= chunk->used || chunk->event[number].kind == FSP_EVENT_NONE) return NULL;
    return &chunk->event[number];
}

const struct fsp_site *fs_segment_site(const struct fs_segment_reader *reader, uint32_t slot) {
    const struct fsp_header *header = header_of(reader);
    if (!header || slot >= header->sites) return NULL;
    const struct fsp_site *site = slot_at(reader, header->sites_at, sizeof *site, slot);
    return site->kind == FSP_SITE_NONE ? NULL : site;
}

const struct fsp_site *fs_segment_site_by_key(const struct fs_segment_reader *reader,
                                              uint64_t key) {
    const struct fsp_header *header = header_of(reader);
    for (uint32_t i = 0; header && key && i < header->sites; i++) {
        const struct fsp_site *site = fs_segment_site(reader, i);
        if (site && site->key == key) return site;
    }
    return NULL;
}

/* --- giving slots back --- */

/* Zeroes a slot but for its first word, by which writers claim it, then that word. */
static int zero_slot(int file, uint64_t at, size_t size) {
    static const char zero[1024];
    _Static_assert(sizeof zero >= sizeof(struct fsp_process), "largest slot");
    _Static_assert(sizeof zero >= sizeof(struct fsp_chunk), "largest slot");
    if (write_exactly(file, zero, size - sizeof(uint32_t), at + sizeof(uint32_t))) return -1;
    return write_exactly(file, zero, sizeof(uint32_t), at);
}

/* Whether the first bytes of a slot (its state and whose it is) are still what was loaded. */
static bool unchanged(int file, const struct fs_segment_copy *copy, uint64_t at, size_t size) {
    char now[64];
    return read_exactly(file, now, size, at) == 0 && memcmp(now, copy->bytes + at, size) == 0;
}

static int free_process(int file, const struct fs_segment_reader *reader, uint32_t slot) {
    const struct fsp_header *header = header_of(reader);
    static const int32_t no_one = 0;
    if (!fs_segment_process(reader, slot) || (slot == 0 && !header->extension)) return fail(EINVAL);
    const uint64_t at = header->processes_at + sizeof(struct fsp_process) * (uint64_t)slot;
    if (!unchanged(file, &reader->copy, at, offsetof(struct fsp_process, t_start))) return 0;
    if (zero_slot(file, at, sizeof(struct fsp_process))) return -1;
    return write_exactly(file, &no_one, sizeof no_one, header->index_at + sizeof no_one * slot);
}

static int free_thread(int file, const struct fs_segment_reader *reader, uint32_t slot) {
    if (!fs_segment_thread(reader, slot)) return fail(EINVAL);
    const uint64_t at = header_of(reader)->threads_at + sizeof(struct fsp_thread) * (uint64_t)slot;
    if (!unchanged(file, &reader->copy, at, offsetof(struct fsp_thread, t_end))) return 0;
    return zero_slot(file, at, sizeof(struct fsp_thread));
}

static int free_chunk(int file, const struct fs_segment_reader *reader, uint32_t slot) {
    if (!fs_segment_chunk(reader, slot)) return fail(EINVAL);
    const uint64_t at = header_of(reader)->chunks_at + sizeof(struct fsp_chunk) * (uint64_t)slot;
    if (!unchanged(file, &reader->copy, at, offsetof(struct fsp_chunk, pad))) return 0;
    return zero_slot(file, at, sizeof(struct fsp_chunk));
}

static int free_each(int file, const struct fs_segment_reader *reader, const uint32_t *slots,
                     size_t count,
                     int (*free_one)(int, const struct fs_segment_reader *, uint32_t)) {
    for (size_t i = 0; i < count; i++)
        if (free_one(file, reader, slots[i])) return -1;
    return 0;
}

int fs_segment_recycle(const struct fs_segment_reader *reader, int directory, const char *name,
                       const struct fs_segment_slots *slots) {
    const struct fsp_header *header = header_of(reader);
    struct fsp_header now;
    struct stat status = {0};
    if (!header) return fail(EINVAL);
    const int file = open_segment(directory, name, O_RDWR, &status);
    if (file < 0) return -1;
    int result = read_exactly(file, &now, sizeof now, 0);
    if (!result && (now.magic != FSP_MAGIC || now.t_made != header->t_made ||
                    now.pid != header->pid || (uint64_t)status.st_size != header->size))
        result = fail(ESTALE);
    if (!result)
        result = free_each(file, reader, slots->processes, slots->process_count, free_process);
    if (!result) result = free_each(file, reader, slots->threads, slots->thread_count, free_thread);
    if (!result) result = free_each(file, reader, slots->chunks, slots->chunk_count, free_chunk);
    const int error = errno;
    close(file);
    errno = error;
    return result;
}
