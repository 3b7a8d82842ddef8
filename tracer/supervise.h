/*
 * supervise.h - the application as the child of `forksight run`.
 *
 * The application stays in the process group and session that forksight was
 * started in, with the signal mask and dispositions that forksight inherited, so
 * the terminal treats both alike: a key's signal reaches the application by
 * itself and is not passed on. What another process sends to forksight is.
 */
#ifndef FS_SUPERVISE_H
#define FS_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct fs_supervisor {
    pid_t pid;       /* of the application's main process */
    int64_t t_start; /* CLOCK_MONOTONIC before its fork */
    bool ended;      /* it was waited for: */
    int status;      /*   wait status */
    struct rusage usage;
    int64_t t_end;
    int interrupted; /* first signal to end the job that forksight saw or passed on; 0 */
    int64_t t_interrupted;

    /* Called before a SIGTERM or SIGHUP is passed on: nothing may come after it. */
    void (*flush)(void *data);
    void *data;

    /* A descriptor that is to be looked after meanwhile: serve_beside is called when it can be
     * read. NULL: there is none. */
    void (*serve_beside)(void *data);
    int beside;

    int descriptor; /* signalfd */
    sigset_t inherited_mask;
    struct sigaction inherited_child; /* disposition of SIGCHLD */
    int64_t t_terminal_stop;          /* the terminal's stop key was pressed; 0: never */
};

/*
 * Before forksight makes its first file: one that may not grow (RLIMIT_FSIZE) is an error
 * and not the end, and the umask leaves its files readable to itself. The command gets
 * what the caller had.
 */
void fs_supervise_prepare(void);

/*
 * Starts command with environment. Returns 0; -1 with the errno of what failed
 * (fork, exec) and *exec_failed telling which; no child is left then. The
 * members flush, serve_beside and data are the caller's to set before.
 */
int fs_supervise_start(struct fs_supervisor *supervisor, char *const command[],
                       char *const environment[], bool *exec_failed);

/*
 * Serves signals until the application ends or `deadline` (CLOCK_MONOTONIC) has
 * come, whichever is first. When the application ended: until the deadline or a
 * signal that asks forksight to end, which makes it return 1. Else returns 0.
 */
int fs_supervise_until(struct fs_supervisor *supervisor, int64_t deadline);

/* Releases the signals again; pending ones are delivered. */
void fs_supervise_end(struct fs_supervisor *supervisor);

/* Exit status as the shells give it: the program's, or 128 + n after signal n. */
int fs_exit_status(int wait_status);

#endif
