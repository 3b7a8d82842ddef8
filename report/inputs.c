#include "report/inputs.h"

#include "report/commands.h"
#include "report/print/page.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int fs_complain(const char *command, int status, const char *text) {
    struct fs_arena arena = {0};
    fprintf(stderr, "forksight %s: %s\n", command, fs_harmless(&arena, text, false));
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
