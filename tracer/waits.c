/* waits.c - see waits.h. */
#include "tracer/waits.h"

#include "tracer/proc_handle.h"
#include "tracer/text.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum restart { NEVER, ALWAYS, ON_PIPE };

/*
 * signal(7) lists the calls that fail with EINTR after a stop even when no handler ran
 * (epoll_wait, semop, sockets with a time limit ...): a thread in one of those, or in one
 * that is not known here, is left alone.
 */
static const struct {
    long number;
    const char *name;
    enum restart restart;
} calls[] = {
    {SYS_futex, "futex", ALWAYS},
    {SYS_read, "read", ON_PIPE},
    {SYS_write, "write", ON_PIPE},
    {SYS_wait4, "wait4", ALWAYS},
    {SYS_waitid, "waitid", ALWAYS},
#ifdef SYS_poll
    {SYS_poll, "poll", ALWAYS},
#endif
    {SYS_ppoll, "poll", ALWAYS},
#ifdef SYS_select
    {SYS_select, "select", ALWAYS},
#endif
    {SYS_pselect6, "select", ALWAYS},
#ifdef SYS_pause
    {SYS_pause, "pause", ALWAYS},
#endif
    {SYS_nanosleep, "nanosleep", ALWAYS},
    {SYS_clock_nanosleep, "nanosleep", ALWAYS},
    {SYS_restart_syscall, "a resumed wait", ALWAYS},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait", NEVER},
#endif
    {SYS_epoll_pwait, "epoll_wait", NEVER},
    {SYS_recvfrom, "recv", NEVER},
    {SYS_recvmsg, "recv", NEVER},
    {SYS_accept, "accept", NEVER},
    {SYS_accept4, "accept", NEVER},
    {SYS_rt_sigtimedwait, "sigwait", NEVER},
    {SYS_semop, "semop", NEVER},
    {SYS_semtimedop, "semop", NEVER},
    {SYS_flock, "flock", NEVER},
    {SYS_fcntl, "fcntl", NEVER},
};

static bool is_pipe(struct fs_proc *proc, int pid, uint64_t descriptor) {
    char path[64], target[64];

    snprintf(path, sizeof path, "fd/%llu", (unsigned long long)descriptor);
    return fs_proc_link(proc, pid, path, target, sizeof target) > 0 &&
           (fs_begins(target, "pipe:") || fs_begins(target, "/dev/pts/"));
}

/* Whether the memory at address belongs to the process alone (a fork copies it). */
static bool is_private(struct fs_proc *proc, int pid, uint64_t address) {
    const int file = fs_proc_open_file(proc, pid, 0, "maps");
    FILE *maps = file < 0 ? NULL : fdopen(file, "r");
    char line[512];
    bool found = false, begins = true;

    while (maps && !found && fgets(line, sizeof line, maps)) {
        unsigned long long low, high;
        char shared;
        if (begins && sscanf(line, "%llx-%llx %*3c%c", &low, &high, &shared) == 3 &&
            address >= low && address < high)
            found = shared == 'p';
        begins = strchr(line, '\n') != NULL;
    }
    if (maps)
        fclose(maps);
    else if (file >= 0)
        close(file);
    return found;
}

static void look_at_futex(struct fs_proc *proc, int pid, const unsigned long long *argument,
                          struct fs_wait *wait) {
    const unsigned long long command = argument[1] & FUTEX_CMD_MASK;
    const bool endless =
        argument[3] == 0 && (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET);

    wait->futex = true;
    wait->address = argument[0];
    wait->private_wait =
        endless && ((argument[1] & FUTEX_PRIVATE_FLAG) || is_private(proc, pid, argument[0]));
}

static void note_call(struct fs_proc *proc, int pid, long number,
                      const unsigned long long *argument, struct fs_wait *wait) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].number != number) continue;
        snprintf(wait->name, sizeof wait->name, "%s", calls[i].name);
        wait->restarts = calls[i].restart == ALWAYS ||
                         (calls[i].restart == ON_PIPE && is_pipe(proc, pid, argument[0]));
        if (number == SYS_futex) look_at_futex(proc, pid, argument, wait);
        return;
    }
    snprintf(wait->name, sizeof wait->name, "system call %ld", number);
}

/* What anybody may know. */
static void note_channel(struct fs_proc *proc, int pid, int tid, struct fs_wait *wait) {
    char name[64], text[64];

    snprintf(name, sizeof name, "task/%d/wchan", tid);
    if (fs_proc_text(proc, pid, name, text, sizeof text) <= 0) return;
    if (!fs_begins(text, "futex_") && !fs_begins(text, "__futex_")) return;
    snprintf(wait->name, sizeof wait->name, "futex");
    wait->futex = true;
}

int fs_wait_read(struct fs_proc *proc, int pid, int tid, struct fs_wait *wait) {
    unsigned long long argument[6];
    char name[64], text[256];
    long number;

    *wait = (struct fs_wait){0};
    snprintf(name, sizeof name, "task/%d/syscall", tid);
    if (fs_proc_text(proc, pid, name, text, sizeof text) < 0) {
        const int reason = errno;
        note_channel(proc, pid, tid, wait);
        return errno = reason, -1;
    }
    if (fs_begins(text, "running")) {
        snprintf(wait->name, sizeof wait->name, "running");
        wait->restarts = true;
    } else if (sscanf(text, "%ld %llx %llx %llx %llx %llx %llx", &number, &argument[0],
                      &argument[1], &argument[2], &argument[3], &argument[4], &argument[5]) == 7) {
        note_call(proc, pid, number, argument, wait);
    }
    return 0;
}
