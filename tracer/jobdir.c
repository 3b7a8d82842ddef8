/*
 * jobdir.c - the job directory: its name, its making, files that appear whole.
 */
#include "tracer/jobdir.h"

#include "tracer/scheduler.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_TRIES = 1000 };

void fs_safe_name(const char *text, char *name, size_t size) {
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t used = 0;

    for (; *text && used + 1 < size; text++)
        name[used++] = strchr(safe, *text) ? *text : '-';
    name[used] = '\0';
    if (name[0] == '.') name[0] = '-';
}

static const char *environment_or(const char *name, const char *otherwise) {
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

/* "1234.0", "1234_7" inside a scheduler's job, else "host-pid-time". */
static void default_name(const char *host, char *name, size_t size) {
    const char *job = environment_or("SLURM_JOB_ID", environment_or("PBS_JOBID", NULL));
    char text[512], date[32], array[FS_ARRAY_TASK_SIZE];
    const time_t now = time(NULL);
    struct tm local;

    if (job && fs_slurm_array_task(environ, array, sizeof array)) job = array;
    if (job) {
        const char *step = environment_or("SLURM_STEP_ID", NULL);
        snprintf(text, sizeof text, "forksight-%s%s%s", job, step ? "." : "", step ? step : "");
    } else {
        strftime(date, sizeof date, "%Y%m%dT%H%M%S", localtime_r(&now, &local));
        snprintf(text, sizeof text, "forksight-%s-%d-%s", host, (int)getpid(), date);
    }
    fs_safe_name(text, name, size);
}

/* What stands for %LETTER; NULL: nothing does. */
static const char *name_part(char letter, const char *host, const char *pid) {
    const char *job = environment_or("SLURM_JOB_ID", environment_or("PBS_JOBID", "nojob"));

    switch (letter) {
    case 'j':
        return job;
    case 'A':
        return environment_or("SLURM_ARRAY_JOB_ID", job);
    case 'a':
        return environment_or("SLURM_ARRAY_TASK_ID", "notask");
    case 's':
        return environment_or("SLURM_STEP_ID", "nostep");
    case 'h':
        return host;
    case 'p':
        return pid;
    case '%':
        return "%";
    default:
        return NULL;
    }
}

/* Puts these parts into a name. -1: the result is too long. */
static int expand_name(const char *wanted, const char *host, char *path, size_t size) {
    char number[16];
    size_t used = 0;

    snprintf(number, sizeof number, "%d", (int)getpid());
    for (; *wanted; wanted++) {
        const char one[2] = {*wanted, '\0'};
        const char *part = *wanted == '%' ? name_part(wanted[1], host, number) : NULL;

        if (part)
            wanted++;
        else
            part = one;
        const size_t length = strlen(part);
        if (used + length >= size) return errno = ENAMETOOLONG, -1;
        memcpy(path + used, part, length);
        used += length;
    }
    path[used] = '\0';
    return 0;
}

static bool is_empty(const char *path) {
    DIR *directory = opendir(path);
    bool empty = true;

    if (!directory) return false;
    for (const struct dirent *entry; empty && (entry = readdir(directory));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(directory);
    return empty;
}

static bool has_record(const char *path) {
    char meta[PATH_MAX + 16];

    snprintf(meta, sizeof meta, "%s/" FS_META_NAME, path);
    return access(meta, F_OK) == 0;
}

/* Says why a directory that is there already cannot be used. */
static int refuse_existing(const char *path, char *error, size_t error_size) {
    struct stat status;

    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
        snprintf(error, error_size, "%s is not a directory; name another one with -o DIR", path);
        return errno = ENOTDIR, -1;
    }
    if (has_record(path))
        snprintf(error, error_size,
                 "%s holds an earlier record; remove it or name another directory with -o DIR",
                 path);
    else
        snprintf(error, error_size, "%s is not empty; name a new or an empty directory with -o DIR",
                 path);
    return errno = ENOTEMPTY, -1;
}

int fs_jobdir_claim(struct fs_jobdir *job, char *error, size_t error_size) {
    char path[PATH_MAX + 300];

    snprintf(path, sizeof path, "%s/%s", job->path, job->meta);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor >= 0) return close(descriptor);
    const int reason = errno;
    if (reason == EEXIST) return refuse_existing(job->path, error, error_size);
    snprintf(error, error_size, "cannot write into %s: %s; name another place with -o DIR",
             job->path, strerror(reason));
    return errno = reason, -1;
}

static int make_directory(struct fs_jobdir *job, char *error, size_t error_size) {
    if (mkdir(job->path, 0700) == 0) return job->made_path = true, 0;
    if (errno == EEXIST)
        return is_empty(job->path) && access(job->path, W_OK) == 0
                   ? 0
                   : refuse_existing(job->path, error, error_size);
    const int reason = errno;
    snprintf(error, error_size,
             "cannot make the job directory %s: %s; name another place with -o DIR", job->path,
             strerror(reason));
    return errno = reason, -1;
}

/* An automatic name that is taken (two runs in one batch job) gets a number. */
static int make_default(struct fs_jobdir *job, char *error, size_t error_size) {
    char name[300], here[PATH_MAX];

    default_name(job->host, name, sizeof name);
    if (!getcwd(here, sizeof here)) {
        snprintf(error, error_size,
                 "cannot tell the working directory: %s; name a place with -o DIR",
                 strerror(errno));
        return -1;
    }
    for (int number = 1; number <= NAME_TRIES; number++) {
        char suffix[16] = "";

        if (number > 1) snprintf(suffix, sizeof suffix, "-%d", number);
        if (snprintf(job->path, sizeof job->path, "%s/%s%s", here, name, suffix) >=
            (int)sizeof job->path)
            break;
        if (mkdir(job->path, 0700) == 0) return job->made_path = true, 0;
        if (errno != EEXIST) return make_directory(job, error, error_size);
    }
    snprintf(error, error_size, "no free name %s-N in %s; name a directory with -o DIR", name,
             here);
    return errno = EEXIST, -1;
}

static void name_node(struct fs_jobdir *job) {
    char host[256] = "node";

    *job = (struct fs_jobdir){.meta = FS_META_NAME};
    gethostname(host, sizeof host - 1);
    fs_safe_name(host, job->host, sizeof job->host);
    snprintf(job->node, sizeof job->node, "%s", job->host);
}

/* Sets the path that is wanted, whole. */
static int set_path(struct fs_jobdir *job, const char *wanted, char *error, size_t error_size) {
    char path[PATH_MAX];

    if (expand_name(wanted, job->host, path, sizeof path) != 0) {
        snprintf(error, error_size,
                 "the name of the job directory is too long; name a shorter one");
        return -1;
    }
    if (path[0] == '/') {
        memcpy(job->path, path, sizeof path);
    } else {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here) ||
            snprintf(job->path, sizeof job->path, "%s/%s", here, path) >= (int)sizeof job->path) {
            snprintf(error, error_size, "cannot make %s here: the path is too long or gone", path);
            return errno = ENAMETOOLONG, -1;
        }
    }
    return 0;
}

/* A job that was put back into the queue comes again with the same words; its script cannot know.
 * Whether there is another name than that of its earlier record. */
static bool name_restart(struct fs_jobdir *job) {
    const int restarts = fs_slurm_restarts(environ);
    size_t length = strlen(job->path);

    if (restarts == 0 || !has_record(job->path)) return false;
    while (length > 1 && job->path[length - 1] == '/')
        length--;
    const size_t room = sizeof job->path - length;
    return snprintf(job->path + length, room, "-%d", restarts + 1) < (int)room;
}

int fs_jobdir_make(struct fs_jobdir *job, const char *wanted, char *error, size_t error_size) {
    name_node(job);
    if (!wanted || !*wanted) return make_default(job, error, error_size);
    if (set_path(job, wanted, error, error_size) != 0) return -1;
    if (make_directory(job, error, error_size) == 0) return 0;
    return name_restart(job) ? make_directory(job, error, error_size) : -1;
}

/* --- a directory that many share --- */

/* Whether all that is in a directory are files that are about to become its meta.json. */
static bool is_being_made(const char *path) {
    static const char start[] = "." FS_META_NAME ".";
    DIR *directory = opendir(path);
    bool being_made = true;

    if (!directory) return false;
    for (const struct dirent *entry; being_made && (entry = readdir(directory));)
        being_made =
            strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            /* A file that is not whole yet has one more dot. */
            strncmp(entry->d_name + (entry->d_name[1] == '.'), start, sizeof start - 1) == 0;
    closedir(directory);
    return being_made;
}

/* 1: it is there and ours; 0: it is not there (yet); -1: it is another record's. */
static int check_identity(const struct fs_jobdir *job, const char *identity) {
    char reason[FS_ERROR_SIZE];
    struct fs_meta meta;

    if (fs_meta_read(job->path, &meta, reason, sizeof reason) != 0) return errno == ENOENT ? 0 : -1;
    const bool same = meta.identity && strcmp(meta.identity, identity) == 0;
    fs_meta_free(&meta);
    return same ? 1 : -1;
}

/* Of all who write it at once one wins: a link is made or it is not. */
static int offer_identity(struct fs_jobdir *job, const char *identity, char **command) {
    char here[PATH_MAX], own[PATH_MAX + 640], shared[PATH_MAX + 16];
    struct fs_meta meta = {.identity = (char *)identity, .host = job->host, .command = command};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    meta.start_realtime = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    meta.directory = getcwd(here, sizeof here);
    meta.oom_kills = -1;
    while (command[meta.command_count])
        meta.command_count++;
    snprintf(job->meta, sizeof job->meta, "." FS_META_NAME ".%.200s.%d", job->host, (int)getpid());
    int result = fs_meta_write(job, &meta);
    snprintf(own, sizeof own, "%s/%s", job->path, job->meta);
    snprintf(shared, sizeof shared, "%s/" FS_META_NAME, job->path);
    if (result == 0 && link(own, shared) != 0 && errno != EEXIST) result = -1;
    const int saved = errno;
    unlink(own);
    snprintf(job->meta, sizeof job->meta, FS_META_NAME);
    return errno = saved, result;
}

int fs_jobdir_refused(const struct fs_jobdir *job, char *error, size_t error_size) {
    const int reason = errno;

    snprintf(error, error_size, "cannot write into %s: %s; name another place with -o DIR",
             job->path, strerror(reason));
    return errno = reason, -1;
}

static int share(struct fs_jobdir *job, const char *identity, char **command, char *error,
                 size_t error_size) {
    if (mkdir(job->path, 0700) != 0 && errno != EEXIST)
        return make_directory(job, error, error_size);
    int known = check_identity(job, identity);
    if (known == 0 && is_being_made(job->path)) {
        if (offer_identity(job, identity, command) != 0)
            return fs_jobdir_refused(job, error, error_size);
        known = check_identity(job, identity);
    } else if (known == 0) {
        known = check_identity(job, identity); /* it came between the two looks */
    }
    return known == 1 ? 0 : refuse_existing(job->path, error, error_size);
}

int fs_jobdir_share(struct fs_jobdir *job, const char *wanted, const char *fallback,
                    const char *identity, char **command, char *error, size_t error_size) {
    name_node(job);
    if (set_path(job, wanted && *wanted ? wanted : fallback, error, error_size) != 0) return -1;
    if (share(job, identity, command, error, error_size) == 0) return 0;
    return name_restart(job) ? share(job, identity, command, error, error_size) : -1;
}

void fs_jobdir_join(struct fs_jobdir *job, const char *path, const char *step) {
    name_node(job);
    snprintf(job->path, sizeof job->path, "%s", path);
    snprintf(job->step, sizeof job->step, "%s", step);
}

void fs_jobdir_withdraw_node(const struct fs_jobdir *job) {
    char path[PATH_MAX + 300];

    snprintf(path, sizeof path, "%s/%s", job->path, job->meta);
    unlink(path);
}

void fs_jobdir_node_name(const char *host, int number, char *name, size_t size) {
    char suffix[16] = "";

    if (number > 1) snprintf(suffix, sizeof suffix, "-%d", number);
    snprintf(name, size, "%s%s", host, suffix);
}

int fs_jobdir_claim_node(struct fs_jobdir *job) {
    char path[PATH_MAX + 300];

    for (int number = 1; number <= NAME_TRIES; number++) {
        fs_jobdir_node_name(job->host, number, job->node, sizeof job->node);
        snprintf(job->meta, sizeof job->meta, "%s" FS_META_NODE, job->node);
        snprintf(path, sizeof path, "%s/%s", job->path, job->meta);
        const int descriptor =
            open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (descriptor >= 0) return close(descriptor);
        if (errno != EEXIST) return -1;
    }
    return errno = EEXIST, -1;
}

void fs_jobdir_undo(struct fs_jobdir *job) {
    char meta[PATH_MAX + 300];
    const int saved = errno;

    fs_folder_remove(job);
    snprintf(meta, sizeof meta, "%s/%s", job->path, job->meta);
    unlink(meta);
    if (job->made_path) rmdir(job->path);
    errno = saved;
}

int fs_jobdir_write(const struct fs_jobdir *job, const char *name,
                    int (*write)(FILE *out, const void *data), const void *data) {
    char path[PATH_MAX + 300], temporary[PATH_MAX + 320];

    snprintf(path, sizeof path, "%s/%s", job->path, name);
    snprintf(temporary, sizeof temporary, "%s/.%s.%d", job->path, name, (int)getpid());
    const int descriptor =
        open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) return -1;
    FILE *out = fdopen(descriptor, "w");
    if (!out) {
        close(descriptor);
        unlink(temporary);
        return -1;
    }
    int failed = write(out, data) != 0 || fflush(out) != 0 ? errno : 0;
    /* A network file system may tell of a full disk only now. */
    if (fclose(out) != 0 && !failed) failed = errno;
    if (!failed && rename(temporary, path) != 0) failed = errno;
    if (!failed) return 0;
    unlink(temporary);
    return errno = failed, -1;
}
