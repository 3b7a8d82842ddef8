/*
 * meta.c - the meta files of a job directory, and the identities that they name.
 */
#include "tracer/jobdir.h"

#include "tracer/text.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { META_VERSION = 1, META_SIZE_MAX = 4 << 20 };

/* JSON holds text only: bytes that are no UTF-8 become '?'. */
static json_t *text_or_null(const char *text) {
    if (!text) return json_null();
    json_t *value = json_string(text);
    if (value) return value;
    char *copy = strdup(text);
    if (!copy) return NULL;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    value = json_string(copy);
    free(copy);
    return value;
}

static int write_json(FILE *out, const void *data) {
    return json_dumpf(data, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF ? 0 : -1;
}

int fs_meta_write(const struct fs_jobdir *job, const struct fs_meta *meta) {
    json_t *command = json_array();

    for (size_t i = 0; i < meta->command_count; i++)
        json_array_append_new(command, text_or_null(meta->command[i]));
    json_t *root = json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:b}",
        "forksight", META_VERSION, "identity", text_or_null(meta->identity), "host",
        text_or_null(meta->host), "boot", text_or_null(meta->boot_id), "folder",
        text_or_null(meta->folder), "command", command, "directory", text_or_null(meta->directory),
        "start", (json_int_t)meta->start, "start_realtime", (json_int_t)meta->start_realtime,
        "collector", (json_int_t)meta->collector, "collector_start",
        (json_int_t)meta->collector_start, "namespace", (json_int_t)meta->pid_namespace, "main",
        (json_int_t)meta->main_pid, "mask", text_or_null(meta->mask_start), "oom_kills",
        (json_int_t)meta->oom_kills, "finished", meta->finished);
    if (!root) return errno = ENOMEM, -1;
    const int result = fs_jobdir_write(job, job->meta, write_json, root);
    const int saved = errno;
    json_decref(root);
    return errno = saved, result;
}

static char *copy_text(const json_t *root, const char *name) {
    return fs_copy_text(json_string_value(json_object_get(root, name)));
}

static int64_t number_of(const json_t *root, const char *name) {
    return json_integer_value(json_object_get(root, name));
}

static void copy_command(const json_t *list, struct fs_meta *meta) {
    const size_t count = json_array_size(list);

    meta->command = calloc(count + 1, sizeof *meta->command);
    for (size_t i = 0; meta->command && i < count; i++) {
        const char *word = json_string_value(json_array_get(list, i));
        meta->command[i] = strdup(word ? word : "");
        if (!meta->command[i]) break;
        meta->command_count = i + 1;
    }
}

int fs_meta_read(const char *directory, struct fs_meta *meta, char *error, size_t error_size) {
    return fs_meta_read_file(directory, FS_META_NAME, meta, error, error_size);
}

int fs_meta_read_file(const char *directory, const char *name, struct fs_meta *meta, char *error,
                      size_t error_size) {
    char path[PATH_MAX + 300];
    json_error_t problem;

    *meta = (struct fs_meta){0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        const int reason = errno;
        snprintf(error, error_size, "%s is no forksight job directory (%s: %s)", directory, name,
                 strerror(reason));
        return errno = reason, -1;
    }
    const off_t size = lseek(descriptor, 0, SEEK_END);
    lseek(descriptor, 0, SEEK_SET);
    json_t *root = size >= 0 && size <= META_SIZE_MAX
                       ? json_loadfd(descriptor, JSON_REJECT_DUPLICATES, &problem)
                       : NULL;
    close(descriptor);
    const int64_t pid = number_of(root, "collector");
    const int64_t main_pid = number_of(root, "main");
    const bool shared = json_is_string(json_object_get(root, "identity"));
    if (number_of(root, "forksight") != META_VERSION || pid < !shared || pid > INT_MAX ||
        main_pid < 0 || main_pid > INT_MAX || !json_is_string(json_object_get(root, "host"))) {
        json_decref(root);
        snprintf(error, error_size,
                 "%s is cut or not of this version of forksight; record the job again", path);
        return errno = EBADMSG, -1;
    }
    meta->identity = copy_text(root, "identity");
    meta->host = copy_text(root, "host");
    meta->folder = copy_text(root, "folder");
    meta->boot_id = copy_text(root, "boot");
    meta->directory = copy_text(root, "directory");
    meta->mask_start = copy_text(root, "mask");
    copy_command(json_object_get(root, "command"), meta);
    meta->start = number_of(root, "start");
    meta->start_realtime = number_of(root, "start_realtime");
    meta->collector = (pid_t)pid;
    meta->collector_start = (uint64_t)number_of(root, "collector_start");
    meta->pid_namespace = (uint64_t)number_of(root, "namespace");
    meta->main_pid = (pid_t)main_pid;
    meta->oom_kills = number_of(root, "oom_kills");
    meta->finished = json_is_true(json_object_get(root, "finished"));
    json_decref(root);
    return 0;
}

void fs_meta_free(struct fs_meta *meta) {
    for (size_t i = 0; i < meta->command_count; i++)
        free(meta->command[i]);
    free(meta->command);
    free(meta->identity);
    free(meta->host);
    free(meta->folder);
    free(meta->boot_id);
    free(meta->directory);
    free(meta->mask_start);
    *meta = (struct fs_meta){0};
}

/* A file name holds no wildcard, but the directory's may. */
static void quote_pattern(const char *directory, char *pattern, size_t size) {
    char *end = pattern;

    for (const char *c = directory; *c && end < pattern + size - 2; c++) {
        if (strchr("*?[\\", *c)) *end++ = '\\';
        *end++ = *c;
    }
    *end = '\0';
}

int fs_meta_each(const char *directory, int (*visit)(void *context, const char *name),
                 void *context) {
    char quoted[2 * PATH_MAX], pattern[sizeof quoted + 32];
    glob_t found = {0};

    int result = visit(context, FS_META_NAME);
    quote_pattern(directory, quoted, sizeof quoted);
    snprintf(pattern, sizeof pattern, "%s/*" FS_META_NODE, quoted);
    const size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = visit(context, strrchr(found.gl_pathv[i], '/') + 1);
    globfree(&found);
    return result;
}

static ssize_t read_small(const char *path, char *text, size_t size) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = descriptor < 0 ? -1 : read(descriptor, text, size - 1);

    if (descriptor >= 0) close(descriptor);
    text[length > 0 ? length : 0] = '\0';
    return length;
}

void fs_boot_id(char *text, size_t size) {
    read_small("/proc/sys/kernel/random/boot_id", text, size);
    text[strcspn(text, "\n")] = '\0';
}

uint64_t fs_pid_namespace(void) {
    struct stat status;

    return stat("/proc/self/ns/pid", &status) == 0 ? (uint64_t)status.st_ino : 0;
}

uint64_t fs_start_ticks(pid_t pid) {
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_small(path, text, sizeof text) <= 0) return 0;
    /* The name in parentheses may hold anything; the start is the 20th word after it. */
    const char *word = strrchr(text, ')');
    if (word && (word[1] != ' ' || word[2] == 'Z' || word[2] == 'X')) return 0;
    for (int i = 0; word && i < 20; i++) {
        word = strchr(word, ' ');
        if (word) word++;
    }
    return word ? strtoull(word, NULL, 10) : 0;
}
