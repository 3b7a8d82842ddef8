/*
 * spawn.c - posix_spawn, posix_spawnp, system, popen.
 *
 * Normal code. libc's own child runs in our memory and calls no hook, so the
 * parent tells what it knows; the rest comes from the child's image. system and
 * popen give no pid away: their child is known by its image alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/given.h"
#include "preload/shim.h"

typedef __typeof__(posix_spawn) spawner;

/* Commands and paths are the kernel's to judge. */
static void note(enum fsp_event_kind kind, int32_t b, uint64_t site, const char *given_text) {
    struct fsp_given given = {{0}};
    char text[FSP_EVENT_TEXT];

    fsp_given_copy(&given, text, sizeof text, given_text);
    fsp_event_text(kind, b, site, text);
}

struct spawn {
    spawner *run;
    pid_t *pid;
    const char *path;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
    char *const *arguments;
};

static int run(const struct spawn *spawn, char *const environment[]) {
    return spawn->run(spawn->pid, spawn->path, spawn->actions, spawn->attributes, spawn->arguments,
                      environment);
}

static int run_repaired(const struct spawn *spawn, char *const environment[],
                        const struct fsp_repair *repair) {
    const bool aside = repair->room > FSP_REPAIR_ON_STACK;
    void *room = aside ? fsp_map(repair->room, MAP_PRIVATE | MAP_ANONYMOUS, -1)
                       : __builtin_alloca_with_align(repair->room, 8 * sizeof(void *));
    const int error =
        run(spawn, room != NULL ? fsp_repair(repair, environment, room) : environment);

    if (aside && room != NULL) fsp_unmap(room, repair->room);
    return error;
}

static int hooked(struct spawn *spawn, char *const environment[], const void *return_address) {
    static char *const none[] = {NULL};
    const int before = errno;
    struct fsp_process *slot = fsp_birth_reserve(FSP_BIRTH_SPAWN, return_address);
    struct fsp_repair repair;
    pid_t local = -1, *wanted = spawn->pid;
    bool needed;
    int error;

    if (environment == NULL) environment = none;
    fsp_exec_begin(slot, spawn->path);
    needed = fsp_repair_needed(environment, &repair);
    if (needed) note(FSP_EVENT_ENV_REPAIRED, 0, 0, spawn->path);
    spawn->pid = &local;
    error = needed ? run_repaired(spawn, environment, &repair) : run(spawn, environment);
    fsp_keep_errno(error);
    fsp_birth_parent(slot, FSP_BIRTH_SPAWN, error == 0 ? local : -1, true);
    fsp_keep_errno(before);
    spawn->pid = wanted;
    if (error == 0 && wanted != NULL) *wanted = local;
    return error;
}

FSP_EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
                           const posix_spawn_file_actions_t *restrict actions,
                           const posix_spawnattr_t *restrict attributes,
                           char *const arguments[restrict], char *const environment[restrict]) {
    struct spawn spawn = {.run = FSP_REAL(posix_spawn),
                          .pid = pid,
                          .path = path,
                          .actions = actions,
                          .attributes = attributes,
                          .arguments = arguments};

    if (!fsp_ready()) return spawn.run(pid, path, actions, attributes, arguments, environment);
    return hooked(&spawn, environment, __builtin_return_address(0));
}

FSP_EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
                            const posix_spawn_file_actions_t *restrict actions,
                            const posix_spawnattr_t *restrict attributes,
                            char *const arguments[restrict], char *const environment[restrict]) {
    struct spawn spawn = {.run = FSP_REAL(posix_spawnp),
                          .pid = pid,
                          .path = file,
                          .actions = actions,
                          .attributes = attributes,
                          .arguments = arguments};

    if (!fsp_ready()) return spawn.run(pid, file, actions, attributes, arguments, environment);
    return hooked(&spawn, environment, __builtin_return_address(0));
}

FSP_EXPORT int system(const char *command) {
    const int before = errno;
    int result, after;

    if (command == NULL || !fsp_ready()) return FSP_REAL(system)(command);
    note(FSP_EVENT_SYSTEM, 0, fsp_site_call(__builtin_return_address(0)), command);
    fsp_keep_errno(before);
    result = FSP_REAL(system)(command);
    after = errno;
    fsp_event((struct fsp_event){.kind = FSP_EVENT_SYSTEM_END, .a = result});
    fsp_keep_errno(after);
    return result;
}

struct _IO_FILE *popen(const char *command, const char *mode);

FSP_EXPORT struct _IO_FILE *popen(const char *command, const char *mode) {
    const int before = errno;

    if (command != NULL && fsp_ready())
        note(FSP_EVENT_SYSTEM, 1, fsp_site_call(__builtin_return_address(0)), command);
    fsp_keep_errno(before);
    return FSP_REAL(popen)(command, mode);
}
