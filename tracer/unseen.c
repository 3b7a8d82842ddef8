/*
 * unseen.c - why the shim is not in a process.
 *
 * The loader takes a preloaded library into dynamic programs of glibc that are
 * not privileged, when their environment names it.
 */
#include "tracer/elf_file.h"
#include "tracer/sampler.h"

#include "preload/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum fs_unseen fs_unseen_reason(const char *executable) {
    char loader[FS_LOADER_SIZE] = "";
    struct stat status;

    if (!executable) return FS_UNSEEN_OTHER;
    const int file = open(executable, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        /* Privileged programs are often unreadable, and the reverse holds well enough. */
        return errno == EACCES ? FS_UNSEEN_SECURE : FS_UNSEEN_OTHER;
    }
    const int dynamic = fs_elf_loader(file, loader);
    const bool privileged =
        fstat(file, &status) == 0 &&
        (((status.st_mode & S_ISUID) && status.st_uid != geteuid()) ||
         ((status.st_mode & S_ISGID) && status.st_gid != getegid()) ||
         (geteuid() != 0 && fgetxattr(file, "security.capability", NULL, 0) > 0));
    close(file);
    if (dynamic == 0) return FS_UNSEEN_STATIC;
    if (privileged) return FS_UNSEEN_SECURE;
    if (dynamic == 1 && strstr(loader, "musl")) return FS_UNSEEN_LIBC;
    return FS_UNSEEN_OTHER;
}

static int find_folder(void *context, const char *name, size_t length, const char *value) {
    (void)context;
    (void)value;
    return length == sizeof FSP_ENV_DIR - 1 && memcmp(name, FSP_ENV_DIR, length) == 0;
}

bool fs_shim_in_environment(struct fs_sampler *sampler, int pid) {
    return fs_proc_environment(sampler->proc, pid, find_folder, NULL, NULL) == 1;
}
