/*
 * folder.c - the node-local segment folder: making, sweeping, removing.
 *
 * A folder is left behind when its collector was killed. It holds a record that
 * `forksight report` can still fold, so it is swept only when nobody can want
 * it: its collector is gone, no process that wrote into it lives, and its job
 * directory has the final digest, does not exist any more, or the folder has
 * not been touched for a day. From another PID namespace, as of a container that
 * shares /dev/shm, only the last of these can be told.
 */
#include "tracer/clock.h"
#include "tracer/jobdir.h"
#include "tracer/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LEFT_ALONE_FOR_S = 24 * 3600, MAKE_TRIES = 8 };
static const uint64_t least_space = 1 << 20;

static int write_owner(const struct fs_jobdir *job) {
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/owner", job->folder);
    json_t *owner = json_pack("{s:i, s:I, s:I, s:s, s:s}", "pid", (int)getpid(), "start",
                              (json_int_t)fs_start_ticks(getpid()), "namespace",
                              (json_int_t)fs_pid_namespace(), "job", job->path, "step", job->step);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    const int result = descriptor >= 0 && owner ? json_dumpfd(owner, descriptor, 0) : -1;
    json_decref(owner);
    if (descriptor >= 0) close(descriptor);
    return result;
}

int fs_folder_make_as(struct fs_jobdir *job, const char *folder) {
    if (snprintf(job->folder, sizeof job->folder, "%s", folder) >= (int)sizeof job->folder)
        return errno = ENAMETOOLONG, -1;
    if (mkdir(folder, 0700) == 0) {
        if (write_owner(job) == 0) return 0;
        const int saved = errno;
        fs_folder_remove(job);
        errno = saved;
    }
    job->folder[0] = '\0';
    return -1;
}

static int make_in(struct fs_jobdir *job, const char *place) {
    char base[PATH_MAX];
    struct statvfs space;
    uint64_t random = 0;

    if (!realpath(place, base) || statvfs(base, &space) != 0) return -1;
    if ((uint64_t)space.f_bavail * space.f_frsize < least_space) return errno = ENOSPC, -1;
    for (int i = 0; i < MAKE_TRIES; i++) {
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) return -1;
        if (snprintf(job->folder, sizeof job->folder, "%s/forksight-%u-%016llx", base,
                     (unsigned)geteuid(), (unsigned long long)random) >= (int)sizeof job->folder)
            return errno = ENAMETOOLONG, -1;
        if (mkdir(job->folder, 0700) == 0) return write_owner(job);
        if (errno != EEXIST) return -1;
    }
    return -1;
}

const char *fs_folder_place(const char *place, int index) {
    const char *temporary = getenv("TMPDIR");
    const char *const places[] = {"/dev/shm", temporary && *temporary ? temporary : "/tmp", "/tmp"};

    if (place && *place) return index == 0 ? place : NULL;
    return index < (int)(sizeof places / sizeof *places) ? places[index] : NULL;
}

int fs_folder_make(struct fs_jobdir *job, const char *place, char *error, size_t error_size) {
    const char *candidate;
    int reason = ENOENT;

    for (int i = 0; (candidate = fs_folder_place(place, i)); i++) {
        if (make_in(job, candidate) == 0) return 0;
        reason = errno;
        fs_folder_remove(job);
    }
    snprintf(error, error_size,
             "no room for the record in %s: %s; name a node-local directory in FORKSIGHT_LOCAL_DIR",
             place && *place ? place : "/dev/shm, $TMPDIR or /tmp", strerror(reason));
    return errno = reason, -1;
}

/* Removes a folder of files; one that has a filled directory in it is not ours and stays. */
static void remove_folder(const char *path) {
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = descriptor < 0 ? NULL : fdopendir(descriptor);

    if (!directory) {
        if (descriptor >= 0) close(descriptor);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            if (unlinkat(descriptor, entry->d_name, 0) != 0)
                unlinkat(descriptor, entry->d_name, AT_REMOVEDIR);
    rmdir(path);
    closedir(directory);
}

void fs_folder_remove(struct fs_jobdir *job) {
    if (job->folder[0]) remove_folder(job->folder);
    job->folder[0] = '\0';
}

struct need {
    const char *job, *folder;
};

static int is_needed_by(void *context, const char *name) {
    const struct need *need = context;
    char error[FS_ERROR_SIZE];
    struct fs_meta meta;

    if (fs_meta_read_file(need->job, name, &meta, error, sizeof error) != 0) return errno != ENOENT;
    const bool needs = !meta.finished && meta.folder && strcmp(meta.folder, need->folder) == 0;
    fs_meta_free(&meta);
    return needs;
}

static bool job_needs_it(const char *job_path, const char *folder) {
    struct need need = {job_path, folder};

    if (access(job_path, F_OK) != 0) return errno != ENOENT;
    return fs_meta_each(job_path, is_needed_by, &need) != 0;
}

/* A process that made a segment here and still lives ("<pid>-..." is the file's name). */
static bool has_living_writer(const char *path) {
    DIR *directory = opendir(path);
    bool living = false;

    if (!directory) return true;
    for (const struct dirent *entry; !living && (entry = readdir(directory));) {
        const long pid = strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || pid > INT_MAX) continue;
        living = kill((pid_t)pid, 0) == 0 ? fs_start_ticks((pid_t)pid) != 0 : errno == EPERM;
    }
    closedir(directory);
    return living;
}

int fs_folder_owner(const char *folder, struct fs_owner *owner) {
    char path[PATH_MAX + 512];
    struct stat status;
    json_error_t problem;

    *owner = (struct fs_owner){0};
    if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
        return -1;
    snprintf(path, sizeof path, "%s/owner", folder);
    json_t *root = json_load_file(path, 0, &problem);
    const char *job = json_string_value(json_object_get(root, "job"));
    const char *step = json_string_value(json_object_get(root, "step"));
    const json_int_t pid = json_integer_value(json_object_get(root, "pid"));
    const json_int_t start = json_integer_value(json_object_get(root, "start"));
    const bool sound = job && pid > 0 && pid <= INT_MAX && strlen(job) < sizeof owner->job;
    if (sound) {
        owner->pid = (pid_t)pid;
        owner->start = start > 0 ? (uint64_t)start : 0;
        owner->pid_namespace = (uint64_t)json_integer_value(json_object_get(root, "namespace"));
        memcpy(owner->job, job, strlen(job) + 1);
        snprintf(owner->step, sizeof owner->step, "%s", step ? step : "");
    }
    json_decref(root);
    return sound ? 0 : -1;
}

/* What a killed collector left is folded, if its job directory can be written. */
static void recover(const struct fs_owner *owner, const char *path) {
    char error[FS_ERROR_SIZE];

    if (job_needs_it(owner->job, path)) fs_recover_here(owner->job, error, sizeof error);
}

static bool is_left_over(const char *path) {
    struct fs_owner owner;
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
        return false;
    const bool known = fs_folder_owner(path, &owner) == 0;
    const bool old = time(NULL) - status.st_mtime > LEFT_ALONE_FOR_S;
    if (known && owner.pid_namespace != fs_pid_namespace()) return old;
    if (has_living_writer(path)) return false;
    if (!known) return old;
    if (owner.start && fs_start_ticks(owner.pid) == owner.start) return false;
    recover(&owner, path);
    return access(path, F_OK) == 0 && (old || !job_needs_it(owner.job, path));
}

int fs_folder_each(const char *place, int (*visit)(void *context, const char *folder),
                   void *context) {
    char prefix[64], path[PATH_MAX + 300];
    DIR *directory = opendir(place);
    int result = 0;

    if (!directory) return 0;
    const int length = snprintf(prefix, sizeof prefix, "forksight-%u-", (unsigned)geteuid());
    for (const struct dirent *entry; result == 0 && (entry = readdir(directory));) {
        if (strncmp(entry->d_name, prefix, (size_t)length) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        result = visit(context, path);
    }
    closedir(directory);
    return result;
}

static int sweep_one(void *context, const char *folder) {
    (void)context;
    if (is_left_over(folder)) remove_folder(folder);
    return 0;
}

void fs_folder_sweep(const char *place) {
    fs_folder_each(place && *place ? place : "/dev/shm", sweep_one, NULL);
}
