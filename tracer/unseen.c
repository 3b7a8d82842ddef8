/*
 * unseen.c - why the shim is not in a process.
 *
 * The loader takes a preloaded library into dynamic programs of glibc that are
 * not privileged, when their environment names it and their root directory has it.
 */
#include "tracer/elf_file.h"
#include "tracer/launch.h"
#include "tracer/sampler.h"
#include "tracer/text.h"

#include "preload/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static enum fs_unseen reason_of_file(int file) {
    char loader[FS_LOADER_SIZE] = "";
    struct stat status;
    const int dynamic = fs_elf_loader(file, loader);
    const bool privileged =
        fstat(file, &status) == 0 &&
        (((status.st_mode & S_ISUID) && status.st_uid != geteuid()) ||
         ((status.st_mode & S_ISGID) && status.st_gid != getegid()) ||
         (geteuid() != 0 && fgetxattr(file, "security.capability", NULL, 0) > 0));

    if (dynamic == 0) return FS_UNSEEN_STATIC;
    if (privileged) return FS_UNSEEN_SECURE;
    if (dynamic == 1 && strstr(loader, "musl")) return FS_UNSEEN_LIBC;
    return FS_UNSEEN_OTHER;
}

enum fs_unseen fs_unseen_reason(const char *executable) {
    if (!executable) return FS_UNSEEN_OTHER;
    const int file = open(executable, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    /* Privileged programs are often unreadable, and the reverse holds well enough. */
    if (file < 0) return errno == EACCES ? FS_UNSEEN_SECURE : FS_UNSEEN_OTHER;
    const enum fs_unseen reason = reason_of_file(file);
    close(file);
    return reason;
}

/* --- the environment and the root directory of a process --- */

struct asked {
    const char *shim;      /* is looked for in LD_PRELOAD */
    char folder[PATH_MAX]; /* of segments; "": the environment does not name it */
    bool preloaded;
};

static int visit(void *context, const char *name, size_t length, const char *value) {
    struct asked *asked = context;

    if (fs_text_is(name, length, FSP_ENV_DIR))
        snprintf(asked->folder, sizeof asked->folder, "%s", value);
    else if (fs_text_is(name, length, "LD_PRELOAD"))
        asked->preloaded = strstr(value, asked->shim) != NULL;
    return 0;
}

static int folder_length(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash && slash > path ? (int)(slash - path) : 1;
}

/* variable: "" or "NAME=" before what is lacking. */
static void keep_lacks(struct fs_sampler *sampler, const struct asked *asked, const char *variable,
                       const char *what, struct fs_image *image) {
    char text[2 * PATH_MAX + 16];
    struct fs_interned *interned = &sampler->table->interned;

    snprintf(text, sizeof text, "%s%s", variable, what);
    image->lacks = fs_intern(interned, text, strlen(text));
    snprintf(text, sizeof text, "%.*s,%.*s", folder_length(asked->shim), asked->shim,
             folder_length(asked->folder), asked->folder);
    image->binds = fs_intern(interned, text, strlen(text));
}

/* Who called chroot() was the shim's process: it takes its variables back there. */
static enum fs_unseen reason_of_withdrawal(struct fs_sampler *sampler, int pid, struct asked *asked,
                                           struct fs_image *image) {
    const char *place = getenv("FORKSIGHT_LOCAL_DIR");

    if (!asked->shim[0] || fs_proc_has_our_root(sampler->proc, pid) != 0 ||
        fs_proc_finds(sampler->proc, pid, asked->shim) != 0)
        return FS_UNSEEN_SCRUBBED;
    snprintf(asked->folder, sizeof asked->folder, "%s/", place && *place ? place : "/dev/shm");
    keep_lacks(sampler, asked, "", asked->shim, image);
    return FS_UNSEEN_ROOT;
}

/* Nothing is wrong with the program: what it was started with, and where, decides. */
static enum fs_unseen reason_of_place(struct fs_sampler *sampler, int pid, struct fs_image *image) {
    char shim[PATH_MAX], error[256];
    struct asked asked = {.shim = shim};

    if (fs_preload_find(shim, sizeof shim, error, sizeof error) != 0) shim[0] = '\0';
    if (fs_proc_environment(sampler->proc, pid, visit, &asked, NULL) != 0) return FS_UNSEEN_OTHER;
    if (!asked.folder[0]) return reason_of_withdrawal(sampler, pid, &asked, image);
    if (!shim[0]) return FS_UNSEEN_OTHER;
    if (!asked.preloaded && fs_proc_has_our_root(sampler->proc, pid) != 0)
        return FS_UNSEEN_SCRUBBED;
    if (!asked.preloaded)
        keep_lacks(sampler, &asked, "LD_PRELOAD=", shim, image);
    else if (fs_proc_finds(sampler->proc, pid, shim) == 0)
        keep_lacks(sampler, &asked, "", shim, image);
    else if (fs_proc_finds(sampler->proc, pid, asked.folder) == 0)
        keep_lacks(sampler, &asked, "", asked.folder, image);
    return image->lacks ? FS_UNSEEN_ROOT : FS_UNSEEN_OTHER;
}

void fs_unseen_look(struct fs_sampler *sampler, int pid, struct fs_image *image) {
    image->unseen = FS_UNSEEN_OTHER;
    if (sampler->captured) return; /* the files of its names here are others */
    const int file = fs_proc_open_executable(sampler->proc, pid);

    image->unseen = file >= 0 ? reason_of_file(file) : fs_unseen_reason(image->executable);
    if (file >= 0) close(file);
    if (image->unseen == FS_UNSEEN_OTHER && image->environment_read)
        image->unseen = reason_of_place(sampler, pid, image);
}
