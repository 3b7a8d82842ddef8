/*
 * hooks.h - the one list of functions that the shim stands in front of.
 *
 * FSP_HOOKS(X) expands X(type, name, arguments) per function. The list makes
 * the table of real functions (fsp_real) and its resolver; forksight.map, the
 * version script, holds the same names and the aliases of FSP_ALIASES, which a
 * check compares. A new hook is a line here, a name there and a function.
 *
 * The exported functions carry no version: one with a version of libc's own
 * would never be bound.
 */
#ifndef FSP_HOOKS_H
#define FSP_HOOKS_H

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

struct termios;
struct _IO_FILE; /* what popen returns; nothing in here knows stdio */
struct winsize;

typedef void *fsp_routine(void *);

/* clang-format off */
#define FSP_HOOKS(X)                                                                               \
    X(pid_t, fork, (void))                                                                         \
    X(pid_t, _Fork, (void))                                                                        \
    X(pid_t, vfork, (void))                                                                        \
    X(int, clone, (int (*)(void *), void *, int, void *, ...))                                     \
    X(int, daemon, (int, int))                                                                     \
    X(pid_t, forkpty, (int *, char *, const struct termios *, const struct winsize *))             \
    X(pid_t, setsid, (void))                                                                       \
    X(int, posix_spawn, (pid_t *, const char *, const posix_spawn_file_actions_t *,                \
                         const posix_spawnattr_t *, char *const[], char *const[]))                 \
    X(int, posix_spawnp, (pid_t *, const char *, const posix_spawn_file_actions_t *,               \
                          const posix_spawnattr_t *, char *const[], char *const[]))                \
    X(int, system, (const char *))                                                                 \
    X(struct _IO_FILE *, popen, (const char *, const char *))                                                 \
    X(int, execv, (const char *, char *const[]))                                                   \
    X(int, execve, (const char *, char *const[], char *const[]))                                   \
    X(int, execvp, (const char *, char *const[]))                                                  \
    X(int, execvpe, (const char *, char *const[], char *const[]))                                  \
    X(int, fexecve, (int, char *const[], char *const[]))                                           \
    X(int, execveat, (int, const char *, char *const[], char *const[], int))                       \
    X(int, pthread_create, (pthread_t *, const pthread_attr_t *, fsp_routine *, void *))           \
    X(int, sched_setaffinity, (pid_t, size_t, const cpu_set_t *))                                  \
    X(int, pthread_setaffinity_np, (pthread_t, size_t, const cpu_set_t *))                         \
    X(int, setenv, (const char *, const char *, int))                                              \
    X(int, putenv, (char *))                                                                       \
    X(int, unsetenv, (const char *))                                                               \
    X(int, clearenv, (void))                                                                       \
    X(pid_t, waitpid, (pid_t, int *, int))                                                         \
    X(pid_t, wait4, (pid_t, int *, int, struct rusage *))                                          \
    X(int, waitid, (idtype_t, id_t, siginfo_t *, int))                                             \
    X(void, exit, (int))                                                                           \
    X(void, _exit, (int))                                                                          \
    X(void, quick_exit, (int))                                                                     \
    X(void, abort, (void))                                                                         \
    X(int, kill, (pid_t, int))                                                                     \
    X(int, raise, (int))                                                                           \
    X(int, killpg, (pid_t, int))                                                                   \
    X(int, tgkill, (pid_t, pid_t, int))                                                            \
    X(int, sigqueue, (pid_t, int, union sigval))                                                   \
    X(int, pidfd_send_signal, (int, int, siginfo_t *, unsigned))                                   \
    X(int, sigaction, (int, const struct sigaction *, struct sigaction *))                         \
    X(int, prctl, (int, ...))                                                                      \
    X(int, chroot, (const char *))                                                                 \
    X(int, shm_open, (const char *, int, mode_t))                                                  \
    X(int, shm_unlink, (const char *))

/* Exported names that are served by a hook above, or call no function of libc: X(name). */
#if defined __x86_64__ || defined __aarch64__
#define FSP_BARE_CALLS(X) X(syscall)
#else
#define FSP_BARE_CALLS(X)
#endif
#define FSP_ALIASES(X)                                                                             \
    X(__fork) X(__vfork) X(__clone) X(execl) X(execle) X(execlp) X(wait) X(wait3) X(__waitpid)     \
    X(__wait) X(_Exit) FSP_BARE_CALLS(X)
/* clang-format on */

#endif
