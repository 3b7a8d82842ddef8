/*
 * birth.c - fork, _Fork, clone, daemon, forkpty, setsid and forks inside libc.
 *
 * Parents: any context. Children: the child of a fork of a threaded parent may
 * find every lock held, and each page that it writes is a fault or a copy. So
 * the parent does the work before the fork, and the child stores into the slot
 * that it was given and into its thread-local storage, nothing else.
 *
 * The atfork handlers record births that no hook of ours saw: daemon and forkpty
 * fork inside libc, and so does whoever got hold of libc's fork by itself.
 */
#include <errno.h>
#include <pty.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "preload/entries.h"
#include "preload/shim.h"

/* The children of _Fork and clone cannot ask the loader, so what they may call is looked
 * up before; those of a fork with threads should not have to. */
static void note_libraries(enum fsp_birth birth, uint64_t now) {
    if (birth == FSP_BIRTH__FORK || birth == FSP_BIRTH_CLONE)
        fsp_libraries_note(now);
    else
        fsp_libraries_note_at(now);
    fsp_entries_prepare(atomic_load_explicit(&fsp_segment(0)->libraries, memory_order_relaxed));
}

/* Of forks that rules may speak of: beside threads, or where a library has memory that
 * a device writes into. */
static bool stack_matters(enum fsp_birth birth, uint32_t flags) {
    const uint32_t libraries =
        atomic_load_explicit(&fsp_segment(0)->libraries, memory_order_relaxed);

    return (birth == FSP_BIRTH_FORK || birth == FSP_BIRTH__FORK || birth == FSP_BIRTH_CLONE) &&
           ((flags & FSP_PROCESS_OF_THREADS) != 0 ||
            (libraries & (FSP_LIBRARY_MPI | FSP_LIBRARY_CUDA | FSP_LIBRARY_ROCM)) != 0);
}

struct fsp_process *fsp_birth_reserve(enum fsp_birth birth, const void *return_address) {
    const int error = errno;
    const uint64_t now = fsp_now();
    struct fsp_process *self = fsp_self();
    struct fsp_process *slot;

    /* The child of a vfork must not touch what it shares with its parent. */
    if (self == NULL && fsp_tls.vfork != NULL) return NULL;
    note_libraries(birth, now);
    slot = fsp_process_claim();
    if (slot != NULL) {
        slot->birth = (uint8_t)birth;
        slot->ppid = self != NULL ? self->pid : fsp_pid();
        if (fsp_tls.thread != NULL || (self != NULL && fsp_threads_alive(self) != 0))
            slot->flags |= FSP_PROCESS_OF_THREADS;
        if (self != NULL) fsp_inherit(slot, self);
        slot->birth_site = return_address != NULL ? fsp_site_call(return_address) : 0;
        if (birth != FSP_BIRTH_VFORK && birth != FSP_BIRTH_SPAWN)
            fsp_random_note(slot, return_address);
        slot->t_fork = now;
        if (stack_matters(birth, slot->flags)) fsp_snapshot_note(slot->birth_site);
        atomic_store_explicit(&slot->state, FSP_PROCESS_RESERVED, memory_order_release);
    }
    fsp_keep_errno(error);
    return slot;
}

/* The slot is written to before it is read: a read would map the pages around it first,
 * and the write would fault again. */
void fsp_birth_child(struct fsp_process *slot) {
    bool of_threads = true;

    if (slot != NULL) {
        slot->pid = fsp_pid();
        atomic_signal_fence(memory_order_seq_cst);
        of_threads = (slot->flags & FSP_PROCESS_OF_THREADS) != 0;
    }
    fsp_tls = (struct fsp_tls){.self = slot,
                               .no_loader = fsp_tls.no_loader,
                               .no_objects = fsp_tls.no_objects || of_threads};
    if (slot == NULL) return;
    slot->t_start = fsp_now_cold();
    if (fsp_mask_read(0, slot->mask) != 0) slot->flags |= FSP_PROCESS_MASK_UNKNOWN;
    atomic_store_explicit(&slot->state, FSP_PROCESS_LIVE, memory_order_release);
}

static void count_failure(enum fsp_birth birth, int error) {
    struct fsp_process *self = fsp_self();

    if (self != NULL) atomic_fetch_add_explicit(&self->fork_failures, 1, memory_order_relaxed);
    fsp_event((struct fsp_event){.kind = FSP_EVENT_FORK_FAILED, .a = error, .b = birth});
}

void fsp_birth_parent(struct fsp_process *slot, enum fsp_birth birth, pid_t pid, bool in_memory) {
    const int error = errno;
    struct fsp_process *self = fsp_tls.self;

    if (pid < 0) {
        if (slot != NULL) fsp_process_release(slot);
        count_failure(birth, error);
    } else {
        if (slot != NULL && in_memory) {
            slot->pid = pid;
            atomic_store_explicit(&slot->state, FSP_PROCESS_LIVE, memory_order_release);
        }
        if (slot != NULL && !in_memory) fsp_beside_note(slot, self);
        if (slot != NULL) fsp_process_identify(slot, pid);
        if (self != NULL) atomic_fetch_add_explicit(&self->forks, 1, memory_order_relaxed);
    }
    fsp_keep_errno(error);
}

/* ---- fork, _Fork ---- */

static pid_t hooked_fork(enum fsp_birth birth, pid_t (*real)(void), const void *return_address) {
    struct fsp_process *slot = fsp_birth_reserve(birth, return_address);
    struct fsp_process *self = fsp_tls.self;
    pid_t pid;

    if (self != NULL) atomic_fetch_add_explicit(&self->forking, 1, memory_order_relaxed);
    pid = real();
    if (pid == 0) {
        fsp_birth_child(slot);
        if (birth == FSP_BIRTH__FORK) fsp_tls.no_loader = fsp_tls.no_objects = true;
        return 0;
    }
    if (self != NULL) atomic_fetch_sub_explicit(&self->forking, 1, memory_order_relaxed);
    fsp_birth_parent(slot, birth, pid, false);
    return pid;
}

FSP_EXPORT pid_t fork(void) {
    if (!fsp_ready_for_birth()) return FSP_REAL(fork)();
    return hooked_fork(FSP_BIRTH_FORK, FSP_REAL(fork), __builtin_return_address(0));
}

FSP_ALIAS(__fork, fork);

/* After _Fork nobody has put malloc's and the loader's locks in order. */
FSP_EXPORT pid_t _Fork(void) {
    if (!fsp_ready_for_birth()) return FSP_REAL(_Fork)();
    return hooked_fork(FSP_BIRTH__FORK, FSP_REAL(_Fork), __builtin_return_address(0));
}

/* ---- clone ---- */

struct clone_start { /* on the parent's stack: the child has a copy at the same place */
    int (*function)(void *);
    void *argument;
    struct fsp_process *slot;
};

/* libc leaves the process by a bare system call when the function returns. */
static int clone_child(void *pointer) {
    const struct clone_start *start = pointer;
    int code;

    fsp_birth_child(start->slot);
    fsp_tls.no_loader = fsp_tls.no_objects = true;
    code = start->function(start->argument);
    fsp_exit_record(FSP_EXIT__EXIT, code);
    return code;
}

/* Threads are not ours to look at; a child that shares our memory and runs
 * beside us is known by its pid only, and so is one with thread-local storage that
 * libc knows nothing of. With CLONE_VFORK we stand still, as in vfork. */
FSP_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...) {
    const bool apart = (flags & (CLONE_VM | CLONE_SETTLS)) == 0;
    struct clone_start start = {.function = function, .argument = argument};
    va_list list;
    pid_t *parent_tid, *child_tid;
    void *tls;
    int pid;

    va_start(list, argument);
    parent_tid = va_arg(list, pid_t *);
    tls = va_arg(list, void *);
    child_tid = va_arg(list, pid_t *);
    va_end(list);
    if ((flags & CLONE_THREAD) != 0 || function == NULL || stack == NULL || !fsp_ready_for_birth())
        return FSP_REAL(clone)(function, stack, flags, argument, parent_tid, tls, child_tid);

    start.slot = fsp_birth_reserve(FSP_BIRTH_CLONE, __builtin_return_address(0));
    if (apart) {
        pid = FSP_REAL(clone)(clone_child, stack, flags, &start, parent_tid, tls, child_tid);
    } else {
        struct fsp_process *outer = fsp_tls.vfork;

        if ((flags & CLONE_VFORK) != 0 && (flags & CLONE_SETTLS) == 0) fsp_tls.vfork = start.slot;
        pid = FSP_REAL(clone)(function, stack, flags, argument, parent_tid, tls, child_tid);
        fsp_tls.vfork = outer;
    }
    fsp_birth_parent(start.slot, FSP_BIRTH_CLONE, pid, !apart);
    return pid;
}

FSP_ALIAS(__clone, clone);

/* ---- forks inside libc ---- */

/* A fork of another thread may hide behind a hooked one: its child then records
 * itself at its first call. */
static bool is_hooked(void) {
    const struct fsp_process *self = fsp_tls.self;

    return fsp_tls.birth == 0 && self != NULL &&
           atomic_load_explicit(&self->forking, memory_order_relaxed) != 0;
}

static void before_fork(void) {
    const uint8_t birth = fsp_tls.birth;

    if (!fsp_ready_for_birth() || is_hooked()) return;
    fsp_tls.pending = fsp_birth_reserve(birth != 0 ? birth : FSP_BIRTH_ATFORK, NULL);
}

/* daemon's parent leaves by libc's inner exit as soon as the handlers are done. */
static void after_fork_parent(void) {
    struct fsp_process *self = fsp_tls.self;

    if (fsp_tls.pending == NULL) return;
    fsp_beside_note(fsp_tls.pending, self);
    if (self != NULL) atomic_fetch_add_explicit(&self->forks, 1, memory_order_relaxed);
    if (fsp_tls.birth == FSP_BIRTH_DAEMON) fsp_exit_record(FSP_EXIT__EXIT, 0);
    if (fsp_tls.birth == 0) fsp_tls.pending = NULL; /* a hook that waits for it clears it */
}

static void after_fork_child(void) {
    if (fsp_tls.pending == NULL) return;
    fsp_birth_child(fsp_tls.pending);
    fsp_process_identify(fsp_tls.self, fsp_tls.self->pid); /* the parent will not know it */
}

extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *)
    __attribute__((weak));

void fsp_birth_register(void) {
    if (__register_atfork != NULL)
        __register_atfork(before_fork, after_fork_parent, after_fork_child, NULL);
}

FSP_EXPORT int daemon(int nochdir, int noclose) {
    int result;

    if (!fsp_ready()) return FSP_REAL(daemon)(nochdir, noclose);
    fsp_tls.birth = FSP_BIRTH_DAEMON;
    result = FSP_REAL(daemon)(nochdir, noclose);
    fsp_tls.birth = 0;
    fsp_tls.pending = NULL;
    if (result == 0 && fsp_tls.self != NULL) fsp_tls.self->flags |= FSP_PROCESS_SETSID;
    return result;
}

FSP_EXPORT pid_t forkpty(int *master, char *name, const struct termios *terminal,
                         const struct winsize *size) {
    struct fsp_process *slot;
    pid_t pid;

    if (!fsp_ready()) return FSP_REAL(forkpty)(master, name, terminal, size);
    fsp_tls.birth = FSP_BIRTH_FORKPTY;
    pid = FSP_REAL(forkpty)(master, name, terminal, size);
    slot = fsp_tls.pending;
    fsp_tls.birth = 0;
    fsp_tls.pending = NULL;
    if (pid > 0 && slot != NULL) fsp_process_identify(slot, pid);
    if (pid == 0 && fsp_tls.self != NULL) fsp_tls.self->flags |= FSP_PROCESS_SETSID;
    return pid;
}

FSP_EXPORT pid_t setsid(void) {
    const pid_t session = FSP_REAL(setsid)();

    if (session >= 0 && fsp_ready()) {
        struct fsp_process *acting = fsp_acting();

        if (acting != NULL) acting->flags |= FSP_PROCESS_SETSID;
    }
    return session;
}
