/* job_load.c - from job directories to the model. */
#include "report/model.h"
#include "tracer/recover.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int append_digests(struct fs_job *job, struct fs_digest *list, size_t count) {
    struct fs_digest *grown = realloc(job->owned, (job->owned_count + count) * sizeof *job->owned);
    if (!grown) return -1;
    memcpy(grown + job->owned_count, list, count * sizeof *list);
    job->owned = grown;
    job->owned_count += count;
    free(list); /* the list alone: what it holds has moved */
    return 0;
}

static int read_file(struct fs_job *job, const char *path, char *error, size_t error_size) {
    struct fs_digest *list = NULL;
    size_t count = 0;
    char reason[256] = "";
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(error, error_size, "cannot read '%s': %s", path, strerror(errno));
        return -1;
    }
    int result = fs_digest_read(file, &list, &count, reason, sizeof reason);
    fclose(file);
    if (result < 0) {
        snprintf(error, error_size, "'%s' is no whole record: %s", path,
                 *reason ? reason : strerror(errno));
    } else if (count > 0 && append_digests(job, list, count) < 0) {
        fs_digest_list_free(list, count);
        snprintf(error, error_size, "%s", strerror(ENOMEM));
        result = -1;
    }
    return result;
}

/* The digests of directory; the caller calls globfree. Returns their number. */
static size_t find_digests(const char *directory, glob_t *found) {
    char pattern[2 * PATH_MAX];
    char *end = pattern;
    for (const char *c = directory; *c && end < pattern + sizeof pattern - 16; c++) {
        if (strchr("*?[\\", *c)) *end++ = '\\';
        *end++ = *c;
    }
    snprintf(end, 16, "/*.digest");
    return glob(pattern, 0, NULL, found) == 0 ? found->gl_pathc : 0;
}

static int load_directory(struct fs_job *job, const char *directory, char *error,
                          size_t error_size) {
    struct stat about;
    glob_t found = {0};
    int result = 0;

    const int reason = stat(directory, &about) < 0 ? errno : S_ISDIR(about.st_mode) ? 0 : ENOTDIR;
    if (reason) {
        snprintf(error, error_size,
                 "'%s': %s; give the directory that `forksight run` made, forksight-...", directory,
                 strerror(reason));
        return -1;
    }
    /* Also beside a digest: it may be an interim one, and the segments know more. */
    const bool recovered = fs_recover(directory, error, error_size) == 0;
    const size_t count = find_digests(directory, &found);
    if (count == 0 && !recovered) {
        result = -1;
    } else if (count == 0) {
        snprintf(error, error_size,
                 "'%s' holds no record (*.digest); give the directory that `forksight run` made",
                 directory);
        result = -1;
    }
    for (size_t i = 0; i < count && result == 0; i++)
        result = read_file(job, found.gl_pathv[i], error, error_size);
    globfree(&found);
    return result;
}

int fs_job_load(struct fs_job *job, const char *const *directories, size_t count, char *error,
                size_t error_size) {
    struct fs_job read = {0};
    *job = (struct fs_job){0};
    for (size_t i = 0; i < count; i++) {
        if (load_directory(&read, directories[i], error, error_size) == 0) continue;
        fs_job_free(&read);
        return -1;
    }
    if (fs_job_build(job, read.owned, read.owned_count) < 0) {
        snprintf(error, error_size, "%s", strerror(errno));
        fs_job_free(&read);
        return -1;
    }
    job->owned = read.owned;
    job->owned_count = read.owned_count;
    return 0;
}
