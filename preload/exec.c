/*
 * exec.c - the exec family.
 *
 * Any context, and above all the child of a vfork, which runs in its parent's
 * memory: stores into the child's own slot, arrays on the stack, nothing else there.
 * What lies behind the arguments is the kernel's to judge (given.h).
 * The attempt is stored before the call, for a success does not come back.
 * The variadic forms are served by the array forms: libc's own do not pass
 * through them.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/given.h"
#include "preload/shim.h"
#include "preload/text.h"

struct fsp_process *fsp_exec_begin(struct fsp_process *slot, const char *path) {
    struct fsp_given given = {{0}};

    if (slot == NULL) return NULL;
    slot->execs++;
    slot->exec_errno = 0;
    slot->t_exec = fsp_now_cold();
    fsp_given_copy_tail(&given, slot->exec_path, sizeof slot->exec_path, path);
    return slot;
}

void fsp_exec_failed(struct fsp_process *slot, int error) {
    if (slot != NULL) slot->exec_errno = error;
}

struct call { /* an exec, whichever of the forms */
    int (*run)(const struct call *call, char *const environment[]);
    bool by_descriptor;
    int fd, flags;
    const char *path;
    char *const *arguments;
};

static int run_execve(const struct call *call, char *const environment[]) {
    return FSP_REAL(execve)(call->path, call->arguments, environment);
}

static int run_execvpe(const struct call *call, char *const environment[]) {
    return FSP_REAL(execvpe)(call->path, call->arguments, environment);
}

static int run_fexecve(const struct call *call, char *const environment[]) {
    return FSP_REAL(fexecve)(call->fd, call->arguments, environment);
}

static int run_execveat(const struct call *call, char *const environment[]) {
    return FSP_REAL(execveat)(call->fd, call->path, call->arguments, environment, call->flags);
}

/* The file behind a descriptor; the buffer lives on the caller's stack. */
static const char *path_of(int fd, char *buffer, size_t size) {
    char link[32];
    struct fsp_text text = {.buffer = link, .size = sizeof link};
    ssize_t length;

    fsp_text_string(&text, "/proc/self/fd/");
    fsp_text_number(&text, (uint64_t)(fd >= 0 ? fd : 0));
    length = fsp_readlink(link, buffer, size - 1);
    buffer[length > 0 ? length : 0] = '\0';
    return buffer;
}

static int run_repaired(const struct call *call, char *const environment[],
                        const struct fsp_repair *repair) {
    const bool aside = repair->room > FSP_REPAIR_ON_STACK && fsp_tls.vfork == NULL;
    void *room = aside ? fsp_map(repair->room, MAP_PRIVATE | MAP_ANONYMOUS, -1)
                       : __builtin_alloca_with_align(repair->room, 8 * sizeof(void *));
    const int result =
        call->run(call, room != NULL ? fsp_repair(repair, environment, room) : environment);

    if (aside && room != NULL) fsp_unmap(room, repair->room);
    return result;
}

/* Of an exec by descriptor, the file behind it. */
static const char *named_by(const struct call *call, char *buffer, size_t size) {
    struct fsp_given given = {{0}};

    if (call->by_descriptor && (call->path == NULL || fsp_given_length(&given, call->path, 1) == 0))
        return path_of(call->fd, buffer, size);
    return call->path;
}

static int execute(const struct call *call, char *const environment[]) {
    static char *const none[] = {NULL};
    char file[sizeof((struct fsp_process *)0)->exec_path];
    const int before = errno;
    struct fsp_process *slot;
    struct fsp_repair repair;
    bool needed;
    int result;

    if (!fsp_ready()) return call->run(call, environment);
    if (environment == NULL) environment = none; /* as clearenv leaves it */
    slot = fsp_exec_begin(fsp_acting(), named_by(call, file, sizeof file));
    needed = fsp_repair_needed(environment, &repair);
    if (needed) fsp_event_text(FSP_EVENT_ENV_REPAIRED, 0, 0, slot != NULL ? slot->exec_path : "");
    fsp_keep_errno(before);
    result = needed ? run_repaired(call, environment, &repair) : call->run(call, environment);
    fsp_exec_failed(slot, errno);
    return result;
}

FSP_EXPORT int execve(const char *path, char *const arguments[], char *const environment[]) {
    return execute(&(struct call){.run = run_execve, .path = path, .arguments = arguments},
                   environment);
}

FSP_EXPORT int execv(const char *path, char *const arguments[]) {
    return execute(&(struct call){.run = run_execve, .path = path, .arguments = arguments},
                   environ);
}

FSP_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[]) {
    return execute(&(struct call){.run = run_execvpe, .path = file, .arguments = arguments},
                   environment);
}

FSP_EXPORT int execvp(const char *file, char *const arguments[]) {
    return execute(&(struct call){.run = run_execvpe, .path = file, .arguments = arguments},
                   environ);
}

FSP_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[]) {
    return execute(
        &(struct call){.run = run_fexecve, .by_descriptor = true, .fd = fd, .arguments = arguments},
        environment);
}

FSP_EXPORT int execveat(int fd, const char *path, char *const arguments[],
                        char *const environment[], int flags) {
    return execute(&(struct call){.run = run_execveat,
                                  .by_descriptor = true,
                                  .fd = fd,
                                  .path = path,
                                  .arguments = arguments,
                                  .flags = flags},
                   environment);
}

/* ---- execl, execlp, execle ---- */

static size_t count_arguments(va_list list) {
    va_list copy;
    size_t count = 1; /* the first one is a parameter of its own */

    va_copy(copy, list);
    while (va_arg(copy, char *) != NULL)
        count++;
    va_end(copy);
    return count;
}

/* Fills arguments[0..count] from the list; what follows the NULL is left in it. */
static void collect(char **arguments, const char *first, size_t count, va_list *list) {
    arguments[0] = (char *)first;
    for (size_t i = 1; i <= count; i++)
        arguments[i] = va_arg(*list, char *);
}

#define STACK_ARGUMENTS(count)                                                                     \
    __builtin_alloca_with_align(((count) + 1) * sizeof(char *), 8 * sizeof(void *))

FSP_EXPORT int execl(const char *path, const char *first, ...) {
    va_list list;
    char **arguments;
    size_t count;

    va_start(list, first);
    count = count_arguments(list);
    arguments = STACK_ARGUMENTS(count);
    collect(arguments, first, count, &list);
    va_end(list);
    return execute(&(struct call){.run = run_execve, .path = path, .arguments = arguments},
                   environ);
}

FSP_EXPORT int execlp(const char *file, const char *first, ...) {
    va_list list;
    char **arguments;
    size_t count;

    va_start(list, first);
    count = count_arguments(list);
    arguments = STACK_ARGUMENTS(count);
    collect(arguments, first, count, &list);
    va_end(list);
    return execute(&(struct call){.run = run_execvpe, .path = file, .arguments = arguments},
                   environ);
}

FSP_EXPORT int execle(const char *path, const char *first, ...) {
    va_list list;
    char **arguments, **environment;
    size_t count;

    va_start(list, first);
    count = count_arguments(list);
    arguments = STACK_ARGUMENTS(count);
    collect(arguments, first, count, &list);
    environment = va_arg(list, char **);
    va_end(list);
    return execute(&(struct call){.run = run_execve, .path = path, .arguments = arguments},
                   environment);
}
