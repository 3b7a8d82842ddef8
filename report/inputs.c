#include "report/inputs.h"

#include "report/commands.h"
#include "report/judge.h"
#include "report/print/page.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int fs_complain(const char *command, int status, const char *text) {
    struct fs_arena arena = {0};
    fprintf(stderr, "forksight %s: %s\n", command, fs_harmless(&arena, text, FS_ASCII));
    fs_arena_free(&arena);
    return status;
}

int fs_complain_option(const char *command, int result, char *const *argv) {
    struct fs_arena arena = {0};
    const char *what = result == ':' ? "nothing follows option" : "unknown option";
    const int status = fs_complain(command, FS_REPORT_USAGE,
                                   fs_arena_printf(&arena, "%s '%.200s'; see forksight %s --help",
                                                   what, argv[optind - 1], command));
    fs_arena_free(&arena);
    return status;
}

int fs_override(struct fs_thresholds *thresholds, const char *command, const char *config,
                const char *const *assignments, size_t count) {
    char error[PATH_MAX + 256];
    int result = 0;
    if (!config) config = getenv("FORKSIGHT_CONFIG");
    if (config && *config) result = fs_thresholds_read(thresholds, config, error, sizeof error);
    for (size_t i = 0; i < count && result == 0; i++)
        result = fs_thresholds_set(thresholds, assignments[i], error, sizeof error);
    return result == 0 ? 0 : fs_complain(command, -1, error);
}

struct fs_thresholds *fs_make_thresholds(const char *command, const char *config,
                                         const char *const *assignments, size_t count) {
    struct fs_thresholds *thresholds = fs_thresholds_new();
    if (!thresholds) {
        fs_complain(command, 0, strerror(errno));
        return NULL;
    }
    if (fs_override(thresholds, command, config, assignments, count) == 0) return thresholds;
    fs_thresholds_free(thresholds);
    return NULL;
}

struct judging {
    struct fs_verdict *verdict;
    const struct fs_thresholds *thresholds;
};

static int judge_node(const struct fs_node *node, void *context) {
    const struct judging *judging = context;
    return fs_judge_node(judging->verdict, node, judging->thresholds);
}

int fs_load_and_judge(struct fs_job *job, struct fs_verdict *verdict,
                      const char *const *directories, size_t count,
                      const struct fs_thresholds *thresholds, char *error, size_t error_size) {
    struct judging judging = {.verdict = verdict, .thresholds = thresholds};
    *verdict = (struct fs_verdict){0};
    if (fs_job_load(job, directories, count, judge_node, &judging, error, error_size) < 0) {
        fs_verdict_free(verdict);
        return -1;
    }
    if (fs_judge_end(verdict, job, thresholds) == 0) return 0;
    snprintf(error, error_size, "%s", strerror(errno));
    fs_job_free(job);
    return -1;
}
