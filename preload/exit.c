/*
 * exit.c - the ways out of a process that it takes itself.
 *
 * Any context; in the child of a vfork the exit code alone is stored. No record
 * depends on this: signals leave no time for it, and the parent's wait and the
 * collector see every death. exit and a return from main are caught by a handler
 * registered before all others, so it runs last; exit itself is a hook only
 * because other libcs have no such handler.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"

extern int on_exit(void (*)(int, void *), void *) __attribute__((weak));

static bool handler_registered FSP_DATA;

/* What no hook may have seen: time in the run queue, a mask that a library set by a
 * bare system call, libraries. */
static void record_long_life(struct fsp_process *self) {
    const int error = errno;
    uint64_t run = self->threads_run_ns, wait = self->threads_wait_ns;

    fsp_usage_schedule(fsp_threads_alive(self) != 0 ? 0 : self->pid, &run, &wait);
    self->run_ns = run;
    self->wait_ns = wait;
    if (fsp_mask_read(self->pid, self->mask) != 0) self->flags |= FSP_PROCESS_MASK_UNKNOWN;
    fsp_libraries_note_last();
    fsp_keep_errno(error);
}

/* Children for which no hook saw a wait: a program may wait by a bare system call, leave a wait
 * by siglongjmp, or ignore SIGCHLD. Is one of them left to wait for? */
static void record_children(struct fsp_process *self) {
    const int options = WEXITED | WNOHANG | WNOWAIT | __WALL;
    siginfo_t info = {0};

    if (atomic_load(&self->forks) > atomic_load(&self->reaps) &&
        (fsp_call6(SYS_waitid, P_ALL, 0, (long)&info, options, 0, 0) == -ECHILD ||
         info.si_pid == 0))
        self->flags |= FSP_PROCESS_NO_ZOMBIES;
}

void fsp_exit_record(enum fsp_exit how, int code) {
    struct fsp_process *self = fsp_self();
    struct rusage usage;

    if (self == NULL) {
        if (fsp_tls.vfork != NULL) {
            fsp_tls.vfork->exit = (uint8_t)how;
            fsp_tls.vfork->exit_code = code;
            fsp_tls.vfork->t_exit = fsp_now_cold();
        }
        return;
    }
    self->exit = (uint8_t)how;
    self->exit_code = code;
    self->t_exit = fsp_now_cold();
    if (self->t_exit - self->t_start >= FSP_LONG_LIFE_NS) record_long_life(self);
    record_children(self);
    /* Asked here, for its code is a fault away from all else that a forked child runs. */
    if (self->random_at != 0) fsp_random_look(self, self->pid, &self->random_exit);
    if (fsp_call(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0, 0) == 0)
        fsp_usage_condense(&self->self, &usage);
}

static void last_handler(int code, void *unused) {
    (void)unused;
    if (!fsp_ready()) return;
    fsp_exit_record(FSP_EXIT_EXIT, code);
    /* An image may be over in less than 10 ms and have loaded what a rule asks for. */
    fsp_libraries_note_last();
}

void fsp_exit_register(void) {
    handler_registered = on_exit != NULL && on_exit(last_handler, NULL) == 0;
}

FSP_EXPORT __attribute__((noreturn)) void exit(int code) {
    if (!handler_registered) last_handler(code, NULL);
    FSP_REAL(exit)(code);
    __builtin_unreachable();
}

FSP_EXPORT __attribute__((noreturn)) void _exit(int code) {
    if (fsp_ready()) fsp_exit_record(FSP_EXIT__EXIT, code);
    FSP_REAL(_exit)(code);
    __builtin_unreachable();
}

FSP_EXPORT __attribute__((noreturn)) void _Exit(int code) {
    if (fsp_ready()) fsp_exit_record(FSP_EXIT__EXIT, code);
    FSP_REAL(_exit)(code);
    __builtin_unreachable();
}

FSP_EXPORT __attribute__((noreturn)) void quick_exit(int code) {
    if (fsp_ready()) fsp_exit_record(FSP_EXIT_QUICK, code);
    FSP_REAL(quick_exit)(code);
    __builtin_unreachable();
}

FSP_EXPORT __attribute__((noreturn)) void abort(void) {
    if (fsp_ready()) fsp_exit_record(FSP_EXIT_ABORT, 0);
    FSP_REAL(abort)();
    __builtin_unreachable();
}
