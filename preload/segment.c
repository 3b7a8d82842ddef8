/*
 * segment.c - makes the memory files of an image and hands out safe pages.
 *
 * Normal code and signal handlers, parents of births; a child of vfork never
 * comes here. A file is named after its maker's pid and its creation time, is
 * mapped and closed: no descriptor stays in the application. A page is stored
 * into only after the kernel promised it (see fsp_segment_commit).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum { PAGES_AT_ONCE = 4 };

static struct {
    _Atomic(struct fsp_header *) segment[FSP_SEGMENTS_MAX];
    _Atomic uint32_t count;
    _Atomic uint32_t full; /* the folder gave no more: do not ask at every fork */
    uint64_t image;
    char folder[FSP_PATH_MAX - 64];
} files FSP_DATA;

unsigned fsp_segment_count(void) {
    const uint32_t count = atomic_load_explicit(&files.count, memory_order_acquire);

    return count < FSP_SEGMENTS_MAX ? count : FSP_SEGMENTS_MAX;
}

struct fsp_header *fsp_segment(unsigned i) {
    return atomic_load_explicit(&files.segment[i], memory_order_acquire);
}

/* "<folder>/<a>-<b><suffix>"; false when it does not fit. */
static bool name_file(char *path, size_t size, uint64_t a, uint64_t b, const char *suffix) {
    struct fsp_text text = {.buffer = path, .size = size};

    fsp_text_string(&text, files.folder);
    fsp_text_bytes(&text, "/", 1);
    fsp_text_number(&text, a);
    fsp_text_bytes(&text, "-", 1);
    fsp_text_number(&text, b);
    fsp_text_string(&text, suffix);
    return fsp_text_fits(&text);
}

static bool path_of(char *path, size_t size, pid_t pid, uint64_t made, bool extension) {
    return name_file(path, size, (uint64_t)pid, made,
                     extension ? FSP_SUFFIX_EXTENSION : FSP_SUFFIX_BASE);
}

/* Promises bytes of a file that is open: in one call with the page tables where
 * the kernel can (it fails where a store would raise SIGBUS), else by
 * allocation. */
static bool promise(int fd, char *map, size_t offset, size_t bytes) {
    const long populated =
        fsp_call(SYS_madvise, (long)(map + offset), (long)bytes, MADV_POPULATE_WRITE, 0);

    return populated == 0 ||
           (populated == -EINVAL && posix_fallocate(fd, (off_t)offset, (off_t)bytes) == 0);
}

static void set_committed(struct fsp_header *segment, size_t from, size_t to) {
    for (size_t page = from; page < to; page++)
        atomic_fetch_or_explicit(&segment->committed[page / 64], 1ull << page % 64,
                                 memory_order_release);
}

static bool all_committed(const struct fsp_header *segment, size_t from, size_t to) {
    for (size_t page = from; page < to; page++)
        if (!(atomic_load_explicit(&segment->committed[page / 64], memory_order_acquire) >>
                  page % 64 &
              1))
            return false;
    return true;
}

bool fsp_segment_committed(const struct fsp_header *segment, const void *at) {
    const size_t page = (size_t)((const char *)at - (const char *)segment) / FSP_PAGE;

    return all_committed(segment, page, page + 1);
}

/* Kernels before 5.14: the file is opened anew, for no descriptor was kept. */
static bool commit_by_path(struct fsp_header *segment, size_t offset, size_t bytes) {
    char path[FSP_PATH_MAX];
    const int error = errno;
    bool promised = false;
    int fd;

    if (!path_of(path, sizeof path, segment->pid, segment->t_made, segment->extension))
        return false;
    fd = fsp_open(path, O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0) return false;
    promised = posix_fallocate(fd, (off_t)offset, (off_t)bytes) == 0;
    fsp_close(fd);
    fsp_keep_errno(error);
    return promised;
}

bool fsp_segment_commit(struct fsp_header *segment, const void *from, size_t bytes) {
    const size_t offset = (size_t)((const char *)from - (const char *)segment);
    const size_t pages = segment->size / FSP_PAGE;
    size_t first = offset / FSP_PAGE, last = (offset + bytes - 1) / FSP_PAGE + 1;
    long populated;
    bool promised;

    if (all_committed(segment, first, last)) return true;
    first -= first % PAGES_AT_ONCE;
    last = last - 1 - (last - 1) % PAGES_AT_ONCE + PAGES_AT_ONCE;
    if (last > pages) last = pages;
    populated = fsp_call(SYS_madvise, (long)((char *)segment + first * FSP_PAGE),
                         (long)((last - first) * FSP_PAGE), MADV_POPULATE_WRITE, 0);
    promised =
        populated == 0 || (populated == -EINVAL &&
                           commit_by_path(segment, first * FSP_PAGE, (last - first) * FSP_PAGE));
    if (promised) set_committed(segment, first, last);
    return promised;
}

/* The folder must be ours alone: what others could replace is not written to. */
static bool folder_is_ours(const char *folder) {
    struct stat status = {0};

    return folder[0] == '/' && fsp_length(folder) < sizeof files.folder &&
           fsp_call(SYS_newfstatat, AT_FDCWD, (long)folder, (long)&status, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           S_ISDIR(status.st_mode) && status.st_uid == (uid_t)fsp_call(SYS_geteuid, 0, 0, 0, 0) &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static void fill_header(struct fsp_header *header, uint64_t size, enum fsp_extension extension,
                        uint64_t made) {
    struct timespec real = {0};

    header->version = FSP_VERSION;
    header->endian = FSP_ENDIAN;
    fsp_layout(header, size, extension);
    header->pid = fsp_pid();
    header->ppid = (int32_t)fsp_call(SYS_getppid, 0, 0, 0, 0);
    header->t_made = made;
    fsp_call(SYS_clock_gettime, CLOCK_REALTIME, (long)&real, 0, 0);
    header->realtime_made = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec;
    header->image = files.image;
    set_committed(header, 0, 2);
    header->magic = FSP_MAGIC;
}

/* To pass the limit on the size of files would raise SIGXFSZ. */
bool fsp_segment_may_grow(uint64_t size) {
    struct rlimit limit = {0};

    return fsp_call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) != 0 || limit.rlim_cur >= size;
}

/* The new file, mapped, with header and the first process page ready; NULL with the
 * reason in *error. A file that cannot be used is taken away again. The clock is asked
 * by a system call: where an image starts, the vDSO's pages are not there yet. */
static struct fsp_header *make(uint64_t size, enum fsp_extension extension, int *error) {
    const uint64_t made = fsp_now_cold();
    char path[FSP_PATH_MAX];
    void *map = NULL;
    int fd;

    if (files.image == 0) files.image = made;
    *error = ENOSPC;
    if (!fsp_segment_may_grow(size)) return NULL;
    if (!path_of(path, sizeof path, fsp_pid(), made, extension)) return NULL;
    fd = fsp_create(path, O_RDWR);
    if (fd < 0) {
        *error = -fd;
        return NULL;
    }
    if (fsp_call(SYS_ftruncate, fd, (long)size, 0, 0) == 0) map = fsp_map(size, MAP_SHARED, fd);
    if (map != NULL && !promise(fd, map, 0, 2 * FSP_PAGE)) {
        fsp_unmap(map, size);
        map = NULL;
    }
    fsp_close(fd);
    if (map == NULL) {
        fsp_call(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0);
        return NULL;
    }
    fill_header(map, size, extension, made);
    return map;
}

static void add(struct fsp_header *segment) {
    const uint32_t at = atomic_fetch_add_explicit(&files.count, 1, memory_order_acq_rel);

    /* Beyond the table: only its maker could have used it, and it is not whole. */
    if (at < FSP_SEGMENTS_MAX)
        atomic_store_explicit(&files.segment[at], segment, memory_order_release);
    else
        fsp_unmap(segment, segment->size);
}

enum fsp_off fsp_segment_base(const char *folder) {
    struct fsp_header *base;
    int error;

    if (!folder_is_ours(folder)) return FSP_OFF_FOREIGN;
    fsp_text_copy(files.folder, sizeof files.folder, folder);
    base = make(FSP_BASE_SIZE, FSP_EXTENSION_NONE, &error);
    if (base == NULL) return error == EEXIST || error == ELOOP ? FSP_OFF_FOREIGN : FSP_OFF_NO_SPACE;
    add(base);
    return FSP_OFF_NONE;
}

bool fsp_segment_extend(enum fsp_extension extension) {
    const int before = errno;
    struct fsp_header *segment = NULL;
    int error;

    if (fsp_segment_count() == FSP_SEGMENTS_MAX || atomic_load(&files.full)) return false;
    /* The largest at once: the file is sparse, and every mapping more would make every
     * fork dearer. */
    segment = make(FSP_LARGEST_SIZE, extension, &error);
    if (segment == NULL) {
        atomic_store(&files.full, 1);
        atomic_store(&fsp_segment(0)->off, FSP_OFF_NO_SPACE);
    } else {
        atomic_store_explicit(&segment->ready, 1, memory_order_release);
        add(segment);
    }
    fsp_keep_errno(before);
    return segment != NULL;
}

bool fsp_segment_path(char *path, size_t size, uint64_t key, const char *suffix) {
    return name_file(path, size, key, files.image, suffix);
}

/* A file that was cut by a full folder has the wrong size: its reader leaves it alone. */
bool fsp_segment_beside(uint64_t key, const char *suffix, const void *head, size_t head_size,
                        const void *tail, size_t tail_size) {
    const struct iovec pieces[] = {{(void *)(uintptr_t)head, head_size},
                                   {(void *)(uintptr_t)tail, tail_size}};
    char path[FSP_PATH_MAX];
    bool written = false;
    int fd = -1;

    if (fsp_segment_may_grow(head_size + tail_size) &&
        fsp_segment_path(path, sizeof path, key, suffix))
        fd = fsp_create(path, O_WRONLY);
    if (fd >= 0) {
        written = fsp_call(SYS_writev, fd, (long)pieces, 2, 0) == (long)(head_size + tail_size);
        fsp_close(fd);
    }
    return written;
}
