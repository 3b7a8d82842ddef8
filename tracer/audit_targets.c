/* audit_targets.c - see audit_targets.h. */
#include "tracer/audit_targets.h"

#include "tracer/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fs_pids_list_free(struct fs_pids_list *list) {
    free(list->pid);
    *list = (struct fs_pids_list){0};
}

static int add(struct fs_pids_list *list, int pid) {
    for (size_t i = 0; i < list->count; i++)
        if (list->pid[i] == pid) return 0;
    int *grown = realloc(list->pid, (list->count + 1) * sizeof *grown);
    if (!grown) return -1;
    list->pid = grown;
    list->pid[list->count++] = pid;
    return 0;
}

static struct fs_proc *open_proc(const char *root, char *error, size_t error_size) {
    char first[PATH_MAX];

    /* A captured system is a folder of moments, numbered from 1. */
    snprintf(first, sizeof first, "%s%s", root, *root ? "/1" : "");
    struct fs_proc *proc = fs_proc_open(first);
    if (!proc)
        snprintf(error, error_size,
                 *root ? "cannot read %s/proc: %s; is it a captured system?"
                       : "cannot read %s/proc: %s; forksight needs it mounted",
                 first, strerror(errno));
    return proc;
}

enum { NAMES_SIZE = 4096 }; /* of an entry of the user data base */

static const char *name_of(uid_t uid) {
    static char name[NAMES_SIZE];
    struct passwd entry, *user = NULL;

    if (getpwuid_r(uid, &entry, name, sizeof name, &user) == 0 && user) return user->pw_name;
    snprintf(name, sizeof name, "number %u", (unsigned)uid);
    return name;
}

/* Why a process that /proc does not show cannot be looked at. */
static int missing(const char *root, int pid, char *error, size_t error_size) {
    if (!*root && (kill(pid, 0) == 0 || errno == EPERM)) {
        snprintf(error, error_size,
                 "process %d is hidden: /proc is mounted with hidepid, and it is not yours", pid);
        return errno = EPERM, -1;
    }
    snprintf(error, error_size, "there is no process %d in %.200s", pid, *root ? root : "/proc");
    return errno = ENOENT, -1;
}

static int check(struct fs_proc *proc, const char *root, int pid, char *error, size_t error_size) {
    struct fs_proc_status status = {.mask = NULL};
    struct fs_proc_stat stat;

    if (fs_proc_stat(proc, pid, &stat) != 0 || fs_proc_status(proc, pid, 0, &status) != 0)
        return missing(root, pid, error, error_size);
    if ((stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1) {
        snprintf(error, error_size,
                 "process %d is a zombie: it ended, and its parent, process %d, has not waited "
                 "for it; audit that one",
                 pid, stat.ppid);
        return errno = ESRCH, -1;
    }
    if (!*root && geteuid() != 0 && status.uid != FS_PROC_UNKNOWN &&
        (uid_t)status.uid != geteuid()) {
        snprintf(error, error_size,
                 "process %d belongs to %s; an audit reads your own processes only", pid,
                 name_of((uid_t)status.uid));
        return errno = EPERM, -1;
    }
    return 0;
}

int fs_target_pid(const char *root, const char *text, struct fs_pids_list *list, char *error,
                  size_t error_size) {
    char *end;
    errno = 0;
    const long pid = strtol(text, &end, 10);

    if (errno || end == text || *end || pid <= 0 || pid > INT_MAX || text[0] == '+') {
        snprintf(error, error_size, "\"%.80s\" is neither a process nor a job; give a number",
                 text);
        return errno = EINVAL, -1;
    }
    struct fs_proc *proc = open_proc(root, error, error_size);
    if (!proc) return -1;
    int result = check(proc, root, (int)pid, error, error_size);
    if (result == 0) result = add(list, (int)pid);
    const int reason = errno;
    fs_proc_close(proc);
    return errno = reason, result;
}

int fs_target_captured(const char *root, struct fs_pids_list *list, char *error,
                       size_t error_size) {
    enum { LIST_SIZE = 64 << 10 };
    char path[PATH_MAX], *text = calloc(1, LIST_SIZE), *rest = text;
    struct stat status;
    int result = 0;

    if (!text) return snprintf(error, error_size, "%s", strerror(errno)), -1;
    snprintf(path, sizeof path, "%s/targets", root);
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool told = file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
                      read(file, text, LIST_SIZE - 1) > 0;
    if (file >= 0) close(file);
    for (const char *line; told && result == 0 && (line = strsep(&rest, "\n"));)
        if (*line) result = fs_target_pid(root, line, list, error, error_size);
    free(text);
    if (result != 0) return errno = ENOENT, -1; /* whatever is wrong: nobody typed it */
    if (list->count > 0) return 0;
    snprintf(error, error_size, "%s does not say what was captured; name a process", path);
    return errno = ENOENT, -1;
}

static int find_user(const char *name, bool named, uid_t *uid) {
    char names[NAMES_SIZE], *end;
    struct passwd entry, *user = NULL;

    if (named && getpwnam_r(name, &entry, names, sizeof names, &user) == 0 && user)
        return *uid = user->pw_uid, 0;
    errno = 0;
    const unsigned long number = strtoul(name, &end, 10);
    if (errno || end == name || *end || name[0] == '-' || number >= UINT_MAX) return -1;
    return *uid = (uid_t)number, 0;
}

/* The user's processes, but for this one. own: of this system. */
static int list_user(struct fs_proc *proc, uid_t uid, bool own, struct fs_pids_list *list) {
    struct fs_proc_status status = {.mask = NULL};
    struct fs_proc_stat stat;
    const int *pids;
    size_t count;

    if (fs_proc_pids(proc, &pids, &count) != 0) return -1;
    for (size_t i = 0; i < count; i++) {
        if ((own && pids[i] == getpid()) || fs_proc_status(proc, pids[i], 0, &status) != 0 ||
            status.uid < 0 || (uid_t)status.uid != uid)
            continue;
        if (fs_proc_stat(proc, pids[i], &stat) != 0 || stat.state == 'Z' || stat.state == 'X')
            continue;
        if (add(list, pids[i]) != 0) return -1;
    }
    return 0;
}

int fs_target_user(const char *root, const char *name, struct fs_pids_list *list, char *error,
                   size_t error_size) {
    uid_t uid;

    if (find_user(name, !*root, &uid) != 0) {
        snprintf(error, error_size,
                 *root ? "a captured system has no names of users; give a number"
                       : "there is no user \"%.80s\" here",
                 name);
        return errno = ENOENT, -1;
    }
    if (!*root && geteuid() != 0 && uid != geteuid()) {
        snprintf(error, error_size, "an audit reads your own processes only, not those of %.80s",
                 name);
        return errno = EPERM, -1;
    }
    struct fs_proc *proc = open_proc(root, error, error_size);
    if (!proc) return -1;
    const int result = list_user(proc, uid, !*root, list);
    fs_proc_close(proc);
    if (result != 0) return snprintf(error, error_size, "%s", strerror(errno)), -1;
    if (list->count > 0) return 0;
    snprintf(error, error_size, "no process of %.80s runs here", name);
    return errno = ENOENT, -1;
}
