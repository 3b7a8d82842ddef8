/*
 * proc_image.c - readers of /proc that describe a process image: its path, argv,
 * environment and mapped objects. Read once or seldom per image.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/libraries.h"
#include "tracer/proc.h"
#include "tracer/proc_handle.h"
#include "tracer/text.h"

enum { LARGE_SIZE = 1 << 20, AUXV_SIZE = 1024 };

static char *large_buffer(struct fs_proc *proc) {
    if (!proc->large) proc->large = malloc(LARGE_SIZE);
    return proc->large;
}

ssize_t fs_proc_link(struct fs_proc *proc, int pid, const char *name, char *buffer, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "%d/%s", pid, name);
    const ssize_t got = readlinkat(proc->directory, path, buffer, size - 1);
    if (got >= 0) buffer[got] = '\0';
    return got;
}

int fs_proc_executable(struct fs_proc *proc, int pid, char *buffer, size_t size, bool *deleted) {
    static const char mark[] = " (deleted)";
    enum { MARK = sizeof mark - 1 };
    const ssize_t got = fs_proc_link(proc, pid, "exe", buffer, size);
    if (got < 0) return -1;
    size_t length = (size_t)got;
    const bool gone = length > MARK && memcmp(buffer + length - MARK, mark, MARK) == 0;
    if (gone) length -= MARK;
    buffer[length] = '\0';
    if (deleted) *deleted = gone;
    return 0;
}

int fs_proc_open_executable(struct fs_proc *proc, int pid) {
    return fs_proc_open_file(proc, pid, 0, "exe");
}

int fs_proc_has_our_root(struct fs_proc *proc, int pid) {
    struct stat ours, theirs;
    char path[64];

    snprintf(path, sizeof path, "%d/root", pid);
    if (stat("/", &ours) != 0 || fstatat(proc->directory, path, &theirs, 0) != 0) return -1;
    return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int fs_proc_finds(struct fs_proc *proc, int pid, const char *path) {
    char inside[PATH_MAX];
    struct stat found;

    if (snprintf(inside, sizeof inside, "%d/root%s", pid, path) >= (int)sizeof inside) return -1;
    if (fstatat(proc->directory, inside, &found, AT_SYMLINK_NOFOLLOW) == 0) return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
}

int fs_proc_same_exec(struct fs_proc *proc, int pid, int other) {
    char mine[AUXV_SIZE], theirs[AUXV_SIZE];
    const ssize_t length = fs_proc_text(proc, pid, "auxv", mine, sizeof mine);
    const ssize_t other_length = fs_proc_text(proc, other, "auxv", theirs, sizeof theirs);

    if (length < 0 || other_length < 0) return -1;
    if (length == 0 || other_length == 0) return errno = ENODATA, -1;
    return length == other_length && memcmp(mine, theirs, (size_t)length) == 0;
}

int fs_proc_wait_status(struct fs_proc *proc, int pid, int *status) {
    enum { EXIT_CODE = 52 - 3 }; /* its number in proc(5), less that of the state */
    char text[2048];
    const ssize_t length = fs_proc_text(proc, pid, "stat", text, sizeof text);
    const char *at = length > 0 ? memrchr(text, ')', (size_t)length) : NULL;

    if (length < 0) return -1;
    if (!at || (at[2] != 'Z' && at[2] != 'X')) return errno = ENODATA, -1;
    at += 2;
    for (int i = 0; i < EXIT_CODE && at; i++) {
        at = strchr(at, ' ');
        if (at) at++;
    }
    if (!at) return errno = ENODATA, -1;
    *status = (int)strtol(at, NULL, 10);
    return 0;
}

ssize_t fs_proc_command(struct fs_proc *proc, int pid, char *buffer, size_t size) {
    ssize_t length = fs_proc_text(proc, pid, "cmdline", buffer, size);
    while (length > 0 && buffer[length - 1] == '\0')
        length--;
    return length;
}

int fs_proc_environment(struct fs_proc *proc, int pid, fs_proc_visit_variable *visit, void *context,
                        bool *cut) {
    char *text = large_buffer(proc);
    if (!text) return -1;
    const ssize_t length = fs_proc_text(proc, pid, "environ", text, LARGE_SIZE);
    if (length < 0) return -1;
    if (cut) *cut = length == LARGE_SIZE - 1;
    for (const char *entry = text, *end = text + length; entry < end; entry += strlen(entry) + 1) {
        const char *equals = strchr(entry, '=');
        if (!equals) continue;
        const int result = visit(context, entry, (size_t)(equals - entry), equals + 1);
        if (result) return result;
    }
    return 0;
}

/* The path at the end of a line of maps; NULL: no file is mapped there. */
static char *mapped_path(char *line) {
    for (int field = 0; field < 5; field++) { /* address, access, offset, device, inode */
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return *line == '/' ? line : NULL;
}

/* Consecutive mappings of one object are one call. */
int fs_proc_objects(struct fs_proc *proc, int pid, fs_proc_visit_object *visit, void *context) {
    char *text = large_buffer(proc), last[4096] = "";
    const int file = text ? fs_proc_open_file(proc, pid, 0, "maps") : -1;
    if (file < 0) return -1;
    size_t kept = 0; /* the begin of a line whose end was not read yet */
    int result = 0;
    while (!result) {
        const ssize_t got = read(file, text + kept, LARGE_SIZE - 1 - kept);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) result = -1;
        if (got <= 0) break;
        kept += (size_t)got;
        text[kept] = '\0';
        char *line = text;
        for (char *end; !result && (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            const char *path = mapped_path(line);
            if (!path || strncmp(path, last, sizeof last - 1) == 0) continue;
            strncpy(last, path, sizeof last - 1);
            result = visit(context, path);
        }
        kept -= (size_t)(line - text);
        memmove(text, line, kept);
        if (kept == LARGE_SIZE - 1) kept = 0; /* no line is that long: not the kernel's text */
    }
    const int error = errno;
    close(file);
    errno = error;
    return result;
}

static int add_family(void *context, const char *path) {
    *(uint32_t *)context |= fs_library_of(path);
    return 0;
}

int fs_proc_libraries(struct fs_proc *proc, int pid, uint32_t *libraries) {
    uint32_t found = 0;
    if (fs_proc_objects(proc, pid, add_family, &found)) return -1;
    *libraries = found;
    return 0;
}

static int has_prefix(void *context, const char *path) {
    return fs_begins(fs_file_name(path), context);
}

int fs_proc_maps_object(struct fs_proc *proc, int pid, const char *prefix) {
    return fs_proc_objects(proc, pid, has_prefix, (char *)(uintptr_t)prefix);
}

int fs_proc_pss(struct fs_proc *proc, int pid, int64_t *bytes) {
    const ssize_t length = fs_proc_text(proc, pid, "smaps_rollup", proc->small, sizeof proc->small);
    if (length < 0) return -1;
    const char *line = strstr(proc->small, "\nPss:");
    if (!line) {
        errno = EBADMSG;
        return -1;
    }
    const char *digits = line + 5 + strspn(line + 5, " \t");
    const unsigned long long kib = strtoull(digits, NULL, 10);
    *bytes = kib > (unsigned long long)INT64_MAX / 1024 ? INT64_MAX : (int64_t)kib * 1024;
    return 0;
}
