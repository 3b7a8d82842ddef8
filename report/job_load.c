/*
 * job_load.c - from job directories to the model.
 *
 * Every text is read twice: first for the places of its digests, then digest by digest in
 * the order of the nodes' names.
 */
#include "report/model.h"
#include "report/overview.h"
#include "report/totals.h"
#include "report/whole.h"
#include "tracer/digest_reader.h"
#include "tracer/recover.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct entry { /* a digest, and where it is */
    char *host;
    int64_t start;
    bool launchers_only;
    size_t file;
    struct fs_digest_mark mark;
};

struct loader {
    struct fs_job job;
    char **files;
    size_t file_count;
    struct entry *entries;
    size_t entry_count;
    fs_node_visitor *visit;
    void *context;
    FILE *open; /* of number open_file */
    size_t open_file;
    char *error;
    size_t error_size;
};

static int fail(struct loader *loader, const char *path, const char *what, const char *reason) {
    snprintf(loader->error, loader->error_size, "%s'%s'%s%s", what, path,
             *what ? ": " : " is no whole record: ", reason);
    return -1;
}

static int fail_here(struct loader *loader) {
    snprintf(loader->error, loader->error_size, "%s", strerror(errno));
    return -1;
}

/* A list doubles whenever it is full, that is at every power of two. */
static void *grow(void *list, size_t count, size_t size) {
    return count & (count - 1) ? list : realloc(list, (count ? 2 * count : 1) * size);
}

/* --- the places of digests --- */

static int add_entry(struct loader *loader, const struct fs_digest *digest,
                     const struct fs_digest_mark *mark) {
    struct entry *grown = grow(loader->entries, loader->entry_count, sizeof *grown);
    if (!grown) return fail_here(loader);
    loader->entries = grown;
    char *host = strdup(digest->host);
    if (!host) return fail_here(loader);
    grown[loader->entry_count++] = (struct entry){.host = host,
                                                  .start = digest->start_realtime,
                                                  .launchers_only = digest->launchers_only,
                                                  .file = loader->file_count - 1,
                                                  .mark = *mark};
    return 0;
}

static int find_places(struct loader *loader, const char *path, FILE *in) {
    struct fs_digest digest;
    struct fs_digest_mark mark;
    char reason[256] = "";
    int more, added = 0;
    size_t count = 0;
    fs_digest_reader_seek(loader->job.reader, in, NULL);
    while ((more = fs_digest_reader_skim(loader->job.reader, &digest, &mark, reason,
                                         sizeof reason)) > 0 &&
           added == 0) {
        added = add_entry(loader, &digest, &mark);
        fs_digest_release(&digest);
        count++;
    }
    if (more < 0) return fail(loader, path, "", *reason ? reason : strerror(errno));
    if (count == 0) return fail(loader, path, "", "no digest in it");
    return added;
}

static int read_file(struct loader *loader, const char *path) {
    char **grown = grow(loader->files, loader->file_count, sizeof *grown);
    if (!grown) return fail_here(loader);
    loader->files = grown;
    if (!(grown[loader->file_count] = strdup(path))) return fail_here(loader);
    loader->file_count++;
    FILE *in = fopen(path, "re");
    if (!in) return fail(loader, path, "cannot read ", strerror(errno));
    const int result = find_places(loader, path, in);
    fclose(in);
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

static int find_directory(struct loader *loader, const char *directory) {
    struct stat about;
    glob_t found = {0};
    int result = 0;

    const int reason = stat(directory, &about) < 0 ? errno : S_ISDIR(about.st_mode) ? 0 : ENOTDIR;
    if (reason) {
        snprintf(loader->error, loader->error_size,
                 "'%s': %s; give the directory that `forksight run` made, forksight-...", directory,
                 strerror(reason));
        return -1;
    }
    /* Also beside a digest: it may be an interim one, and the segments know more. */
    const bool recovered = fs_recover(directory, loader->error, loader->error_size) == 0;
    const size_t count = find_digests(directory, &found);
    if (count == 0) {
        result = -1;
        if (recovered)
            snprintf(
                loader->error, loader->error_size,
                "'%s' holds no record (*.digest); give the directory that `forksight run` made",
                directory);
    }
    for (size_t i = 0; i < count && result == 0; i++)
        result = read_file(loader, found.gl_pathv[i]);
    globfree(&found);
    return result;
}

/* --- the digests, node by node --- */

/* Digests that are equal in all of this are equal. */
static int by_node(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    const int hosts = strcmp(a->host, b->host);
    /* Where the job was only launched from comes after the nodes of the job. */
    if (a->launchers_only != b->launchers_only) return a->launchers_only ? 1 : -1;
    if (hosts != 0) return hosts;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    return (a->mark.hash > b->mark.hash) - (a->mark.hash < b->mark.hash);
}

static int open_file(struct loader *loader, size_t file) {
    if (loader->open && loader->open_file == file) return 0;
    if (loader->open) fclose(loader->open);
    loader->open = fopen(loader->files[file], "re");
    loader->open_file = file;
    if (loader->open) return 0;
    return fail(loader, loader->files[file], "cannot read ", strerror(errno));
}

static int read_entry(struct loader *loader, const struct entry *entry, struct fs_digest *digest) {
    char reason[256] = "";
    struct fs_digest_mark mark;
    const char *path = loader->files[entry->file];
    if (open_file(loader, entry->file) < 0) return -1;
    if (fs_digest_reader_seek(loader->job.reader, loader->open, &entry->mark) < 0)
        return fail(loader, path, "cannot read ", strerror(errno));
    const int got = fs_digest_reader_next(loader->job.reader, digest, &mark, reason, sizeof reason);
    if (got == 1 && mark.hash == entry->mark.hash) return 0;
    if (got == 1) fs_digest_release(digest);
    return fail(loader, path, "", got < 0 && *reason ? reason : "it changed while it was read");
}

static void drop(struct fs_node *node, struct fs_digest *digest) {
    fs_node_free(node);
    fs_digest_release(digest);
}

/* The page of a clean job speaks of the first load. */
static bool is_first_with_load(const struct fs_job *job, const struct fs_node *node) {
    bool found = false;
    for (size_t i = 0; i < node->load_count; i++)
        found = found || node->loads[i].ignored == FS_IGNORED_NO;
    for (size_t i = 0; i < job->node_count && found; i++)
        for (size_t j = 0; j < job->nodes[i].load_count; j++)
            if (job->nodes[i].loads[j].ignored == FS_IGNORED_NO) return false;
    return found;
}

/* The node takes the place behind those that are kept; it stays there, or the next one
 * takes it. */
static int visit_entry(struct loader *loader, const struct entry *entry) {
    struct fs_job *job = &loader->job;
    struct fs_node *node = &job->nodes[job->node_count];
    struct fs_digest *digest = &job->owned[job->node_count];
    if (read_entry(loader, entry, digest) < 0) return -1;
    int wanted = fs_node_build(node, digest);
    const bool aside = entry->launchers_only && !loader->entries[0].launchers_only;
    if (wanted == 0 && !aside) wanted = fs_job_add(job, node);
    if (wanted == 0) wanted = loader->visit(node, loader->context);
    if (wanted > 0 || (wanted == 0 && (aside || job->node_count < FS_NODES_KEPT ||
                                       is_first_with_load(job, node)))) {
        job->node_count++;
        return 0;
    }
    if (wanted < 0) fail_here(loader);
    drop(node, digest);
    return wanted;
}

static int load(struct loader *loader, const char *const *directories, size_t count) {
    loader->job.reader = fs_digest_reader_new();
    if (!loader->job.reader) return fail_here(loader);
    for (size_t i = 0; i < count; i++)
        if (find_directory(loader, directories[i]) < 0) return -1;
    loader->job.nodes = calloc(loader->entry_count + 1, sizeof *loader->job.nodes);
    loader->job.owned = calloc(loader->entry_count + 1, sizeof *loader->job.owned);
    if (!loader->job.nodes || !loader->job.owned) return fail_here(loader);
    qsort(loader->entries, loader->entry_count, sizeof *loader->entries, by_node);
    for (size_t i = 0; i < loader->entry_count; i++)
        if (visit_entry(loader, &loader->entries[i]) < 0) return -1;
    if (fs_job_end(&loader->job) < 0) return fail_here(loader);
    return 0;
}

int fs_job_load(struct fs_job *job, const char *const *directories, size_t count,
                fs_node_visitor *visit, void *context, char *error, size_t error_size) {
    struct loader loader = {
        .visit = visit, .context = context, .error = error, .error_size = error_size};
    const int result =
        fs_job_begin(&loader.job) < 0 ? fail_here(&loader) : load(&loader, directories, count);
    if (loader.open) fclose(loader.open);
    for (size_t i = 0; i < loader.file_count; i++)
        free(loader.files[i]);
    for (size_t i = 0; i < loader.entry_count; i++)
        free(loader.entries[i].host);
    free(loader.files);
    free(loader.entries);
    *job = loader.job;
    if (result < 0) fs_job_free(job);
    return result;
}

void fs_job_free(struct fs_job *job) {
    for (size_t i = 0; i < job->node_count; i++) {
        fs_node_free(&job->nodes[i]);
        if (job->owned) fs_digest_release(&job->owned[i]);
    }
    free(job->nodes);
    free(job->owned);
    fs_totals_free(&job->totals);
    if (job->overview) fs_overview_free(job->overview);
    free(job->overview);
    if (job->whole) fs_whole_free(job->whole);
    free(job->whole);
    fs_digest_reader_free(job->reader);
    *job = (struct fs_job){0};
}
