/*
 * launch.c - finding the shim, building the application's environment.
 */
#include "tracer/launch.h"

#include "preload/segment.h"
#include "tracer/elf_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char library[] = "libforksight.so";

/* Spaces and colons part the words of LD_PRELOAD, and there is no way to quote them. */
static int check_path(const char *path, char *error, size_t error_size) {
    if (!strpbrk(path, " :\t\n")) return 0;
    snprintf(error, error_size,
             "LD_PRELOAD cannot hold the path \"%s\" (it has a space or a colon); "
             "install forksight elsewhere",
             path);
    return errno = EINVAL, -1;
}

int fs_preload_find(char *path, size_t size, char *error, size_t error_size) {
    static const char *const beside[] = {"", "../lib/forksight/"};
    char self[PATH_MAX], candidate[PATH_MAX + 64], found[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *named = getenv("FORKSIGHT_PRELOAD");

    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) slash[1] = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(candidate, sizeof candidate, "%s%s%s", self, beside[i], library);
        if (!slash || access(candidate, R_OK) != 0 || !realpath(candidate, found)) continue;
        snprintf(path, size, "%s", found);
        return check_path(path, error, error_size);
    }
    if (named && *named && access(named, R_OK) == 0 && realpath(named, found)) {
        snprintf(path, size, "%s", found);
        return check_path(path, error, error_size);
    }
    snprintf(error, error_size, "cannot find %s beside %sforksight; name it in FORKSIGHT_PRELOAD",
             library, self);
    return errno = ENOENT, -1;
}

/* "NAME=before" + sign + "after", or without the sign when one side is empty. */
static char *join(const char *name, const char *before, char sign, const char *after) {
    char *text = NULL;
    const bool both = before && *before && after && *after;
    const char separator[2] = {both ? sign : '\0', '\0'};

    if (asprintf(&text, "%s=%s%s%s", name, before ? before : "", separator, after ? after : "") < 0)
        return NULL;
    return text;
}

/* The file that execvp() would take, for reading only. */
static bool find_program(const char *program, char *path, size_t size) {
    const char *list = getenv("PATH");

    if (strchr(program, '/')) return snprintf(path, size, "%s", program) < (int)size;
    for (const char *place = list ? list : "/bin:/usr/bin"; place;) {
        const size_t length = strcspn(place, ":");
        if (snprintf(path, size, "%.*s/%s", (int)length, length ? place : ".", program) <
                (int)size &&
            access(path, X_OK) == 0)
            return true;
        place = place[length] ? place + length + 1 : NULL;
    }
    return false;
}

/* Such a program refuses to start when any object comes before the sanitizer's runtime.
 * Preloading the runtime first would put it, with its leak check, into all others too. */
static bool checks_order(const char *program) {
    char path[PATH_MAX];

    return find_program(program, path, sizeof path) && fs_elf_needs(path, "libasan.so");
}

static bool is_named(const char *entry, const char *name) {
    const size_t length = strlen(name);

    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* Puts an entry in place of an older one of that name. -1: out of memory. */
static int set_entry(char **environment, const char *name, char *entry) {
    size_t i = 0;

    if (!entry) return -1;
    while (environment[i] && !is_named(environment[i], name))
        i++;
    free(environment[i]);
    environment[i] = entry;
    return 0;
}

char **fs_environment_make(const char *preload, const char *folder, bool repair_env,
                           const char *program) {
    enum { OURS = 4 };
    size_t count = 0;
    int failed = 0;

    while (environ[count])
        count++;
    char **environment = calloc(count + OURS + 1, sizeof *environment);
    for (size_t i = 0; environment && i < count && !failed; i++) {
        environment[i] = strdup(environ[i]);
        failed = !environment[i];
    }
    if (!environment) return NULL;
    if (!failed)
        failed = set_entry(environment, "LD_PRELOAD",
                           join("LD_PRELOAD", getenv("LD_PRELOAD"), ':', preload)) |
                 set_entry(environment, FSP_ENV_DIR, join(FSP_ENV_DIR, folder, '\0', NULL)) |
                 set_entry(environment, FSP_ENV_FLAGS,
                           join(FSP_ENV_FLAGS, repair_env ? "1" : "0", '\0', NULL));
    if (!failed && checks_order(program))
        failed = set_entry(
            environment, "ASAN_OPTIONS",
            join("ASAN_OPTIONS", getenv("ASAN_OPTIONS"), ':', "verify_asan_link_order=0"));
    if (!failed) return environment;
    fs_environment_free(environment);
    return NULL;
}

void fs_environment_free(char **environment) {
    for (char **entry = environment; entry && *entry; entry++)
        free(*entry);
    free(environment);
}
