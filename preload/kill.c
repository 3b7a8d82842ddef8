/*
 * kill.c - who sent a signal to whom.
 *
 * Any context. Stored before the call, for the caller may be its own target; a
 * call that fails takes the time with it and leaves no event. Signal 0 asks
 * only, and threads of one process signalling each other are no death; raise is, of the
 * signals that end a process on purpose.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

static void note(int32_t target, int signal, uint64_t t) {
    const int error = errno;

    fsp_event((struct fsp_event){.kind = FSP_EVENT_KILL, .t = t, .a = target, .b = signal});
    fsp_keep_errno(error);
}

/* May the signal end us before the call comes back? */
static bool reaches_us(pid_t target) {
    return target <= 0 || target == fsp_pid();
}

/* A pool ends its workers by a signal, which leaves them no time for an exit hook. */
static void look_at(pid_t target) {
    struct fsp_process *slot = target > 0 ? fsp_process_find(target) : NULL;

    if (slot != NULL) fsp_random_look(slot, target, &slot->random_kill);
}

static bool recorded(int signal) {
    return signal != 0 && fsp_ready();
}

FSP_EXPORT int kill(pid_t pid, int signal) {
    const bool record = recorded(signal), before = record && reaches_us(pid);
    const uint64_t t = record ? fsp_now() : 0;
    int result;

    if (before) note(pid, signal, t);
    if (record) look_at(pid);
    result = FSP_REAL(kill)(pid, signal);
    if (record && !before && result == 0) note(pid, signal, t);
    return result;
}

/* Some libraries end their process where they see that it cannot go on, as numba's OpenMP
 * layer does in the child of a fork: the place of the call tells which one. */
FSP_EXPORT int raise(int signal) {
    if ((signal == SIGTERM || signal == SIGABRT) && fsp_ready()) {
        const int error = errno;

        fsp_event((struct fsp_event){.kind = FSP_EVENT_KILL,
                                     .a = fsp_pid(),
                                     .b = signal,
                                     .site = fsp_site_call(__builtin_return_address(0))});
        fsp_keep_errno(error);
    }
    return FSP_REAL(raise)(signal);
}

FSP_EXPORT int killpg(pid_t group, int signal) {
    if (recorded(signal)) note(-group, signal, fsp_now());
    return FSP_REAL(killpg)(group, signal);
}

FSP_EXPORT int tgkill(pid_t pid, pid_t tid, int signal) {
    const uint64_t t = recorded(signal) && !reaches_us(pid) ? fsp_now() : 0;
    const int result = FSP_REAL(tgkill)(pid, tid, signal);

    if (t != 0 && result == 0) note(pid, signal, t);
    return result;
}

FSP_EXPORT int sigqueue(pid_t pid, int signal, const union sigval value) {
    const bool record = recorded(signal), before = record && reaches_us(pid);
    const uint64_t t = record ? fsp_now() : 0;
    int result;

    if (before) note(pid, signal, t);
    result = FSP_REAL(sigqueue)(pid, signal, value);
    if (record && !before && result == 0) note(pid, signal, t);
    return result;
}

/* "Pid:\t123" of /proc/self/fdinfo/FD; 0: not known. */
static pid_t pid_of(int pidfd) {
    char path[40], info[256];
    struct fsp_text text = {.buffer = path, .size = sizeof path};
    const char *line;
    ssize_t length;
    int64_t pid = 0;
    int fd;

    fsp_text_string(&text, "/proc/self/fdinfo/");
    fsp_text_number(&text, (uint64_t)(pidfd >= 0 ? pidfd : 0));
    fd = fsp_open(path, O_RDONLY, 0);
    if (fd < 0) return 0;
    length = fsp_read(fd, info, sizeof info - 1);
    fsp_close(fd);
    info[length > 0 ? length : 0] = '\0';
    line = fsp_find(info, "Pid:\t");
    for (line = line != NULL ? line + 5 : ""; *line >= '0' && *line <= '9' && pid < INT32_MAX;
         line++)
        pid = pid * 10 + (*line - '0');
    return pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* The header of this function is younger than many a libc. */
int pidfd_send_signal(int, int, siginfo_t *, unsigned);

FSP_EXPORT int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags) {
    const int error = errno;
    const bool record = recorded(signal);
    const pid_t pid = record ? pid_of(pidfd) : 0;
    const uint64_t t = record ? fsp_now() : 0;
    const bool before = record && reaches_us(pid);
    int result;

    if (before) note(pid, signal, t);
    fsp_keep_errno(error);
    result = FSP_REAL(pidfd_send_signal)(pidfd, signal, info, flags);
    if (record && !before && result == 0) note(pid, signal, t);
    return result;
}
