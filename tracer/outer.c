/* outer.c - see outer.h. */
#include "tracer/outer.h"

#include "preload/segment.h"
#include "tracer/clock.h"
#include "tracer/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char prolog_name[] = ".task-prolog", epilog_name[] = ".task-epilog";
static const char prolog_variable[] = "SLURM_TASK_PROLOG", epilog_variable[] = "SLURM_TASK_EPILOG";
static const int64_t wait_for_nodes = 15 * FS_SECOND;

bool fs_outer_wanted(const struct fs_run_options *options) {
    const char *slash = strrchr(options->command[0], '/');
    const char *program = slash ? slash + 1 : options->command[0];

    return getenv("SLURM_JOB_ID") || fs_is_launcher(program) || strcmp(program, "salloc") == 0;
}

struct script {
    const struct fs_run_options *options;
    const struct fs_jobdir *job;
    const char *preload, *word, *users;
    char self[PATH_MAX];
};

static void put_quoted(FILE *out, const char *word) {
    fputs(" '", out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

static void put_number(FILE *out, long long number) {
    fprintf(out, " %lld", number);
}

static int write_script(FILE *out, const void *data) {
    const struct script *script = data;
    const struct fs_run_options *options = script->options;

    /* Where forksight is not to be seen (another root), the task goes on without it. */
    fputs("#!/bin/sh\n[ -x", out);
    put_quoted(out, script->self);
    fputs(" ] || exec", out);
    put_quoted(out, script->users[0] ? script->users : "/bin/true");
    fputs("\nexec", out);
    put_quoted(out, script->self);
    put_quoted(out, script->word);
    put_quoted(out, script->job->path);
    put_quoted(out, options->place ? options->place : "");
    put_quoted(out, script->users);
    put_quoted(out, script->job->folder);
    put_quoted(out, script->preload);
    put_number(out, options->repair_env ? FSP_FLAG_REPAIR_ENV : 0);
    put_number(out, options->period_ms * FS_MILLISECOND);
    put_number(out, options->hang_after_s * FS_SECOND);
    put_number(out, options->attach);
    fputs(" --", out);
    for (char **word = options->command; *word; word++)
        put_quoted(out, *word);
    fputc('\n', out);
    return fchmod(fileno(out), 0700);
}

static int make_script(struct script *script, const char *word, const char *name,
                       const char *variable) {
    const char *users = getenv(variable);
    char path[PATH_MAX + 32];

    script->word = word;
    script->users = users ? users : "";
    if (fs_jobdir_write(script->job, name, write_script, script) != 0) return -1;
    snprintf(path, sizeof path, "%s/%s", script->job->path, name);
    return setenv(variable, path, 1);
}

int fs_outer_prepare(const struct fs_run_options *options, const struct fs_jobdir *job,
                     const char *preload) {
    struct script script = {.options = options, .job = job, .preload = preload};
    const ssize_t length = readlink("/proc/self/exe", script.self, sizeof script.self - 1);

    if (length <= 0) return -1;
    if (make_script(&script, FS_TASK_PROLOG, prolog_name, prolog_variable) != 0) return -1;
    return make_script(&script, FS_TASK_EPILOG, epilog_name, epilog_variable);
}

static int is_unfinished(void *context, const char *name) {
    const struct fs_jobdir *job = context;
    char error[FS_ERROR_SIZE];
    struct fs_meta meta;

    if (strcmp(name, FS_META_NAME) == 0) return 0;
    if (fs_meta_read_file(job->path, name, &meta, error, sizeof error) != 0) return 1;
    const bool finished = meta.finished;
    fs_meta_free(&meta);
    return !finished;
}

void fs_outer_end(const struct fs_jobdir *job) {
    static const char *const names[] = {prolog_name, epilog_name};
    const struct timespec step = {.tv_nsec = 20 * FS_MILLISECOND};
    const int64_t deadline = fs_now() + wait_for_nodes;
    char path[PATH_MAX + 32];

    while (fs_meta_each(job->path, is_unfinished, (void *)job) != 0 && fs_now() < deadline)
        nanosleep(&step, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", job->path, names[i]);
        unlink(path);
    }
}
