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

#include "preload/shim.h"

typedef __typeof__(posix_spawn) spawner;

struct spawn {
    spawner *run;
    pid_t *pid;
    const char *path;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
    char *const *arguments;
};

static int run_repaired(const struct spawn *spawn, char *const environment[], size_t room) {
    char *stack = __builtin_alloca_with_align(room, 8 * sizeof(void *));

    return spawn->run(spawn->pid, spawn->path, spawn->actions, spawn->attributes, spawn->arguments,
                      fsp_repair(environment, stack));
}

static int hooked(struct spawn *spawn, char *const environment[], const void *return_address) {
    static char *const none[] = {NULL};
    const int before = errno;
    struct fsp_process *slot = fsp_birth_reserve(FSP_BIRTH_SPAWN, return_address);
    if (environment == NULL) environment = none;
    const size_t room = fsp_repair_room(environment);
    pid_t local = -1, *wanted = spawn->pid;
    int error;

    fsp_exec_begin(slot, spawn->path);
    if (room != 0) fsp_event_text(FSP_EVENT_ENV_REPAIRED, 0, 0, spawn->path);
    spawn->pid = &local;
    error = room != 0 ? run_repaired(spawn, environment, room)
                      : spawn->run(&local, spawn->path, spawn->actions, spawn->attributes,
                                   spawn->arguments, environment);
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
    fsp_event_text(FSP_EVENT_SYSTEM, 0, fsp_site_call(__builtin_return_address(0)), command);
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
        fsp_event_text(FSP_EVENT_SYSTEM, 1, fsp_site_call(__builtin_return_address(0)), command);
    fsp_keep_errno(before);
    return FSP_REAL(popen)(command, mode);
}
