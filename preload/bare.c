/*
 * bare.c - syscall(), for the few numbers that matter.
 *
 * Any context. Programs come by a million times a second (futexes, gettid), so
 * bare_<architecture>.S lets all other numbers go on by a jump: nothing is stored or called.
 *
 * Those that come here: filters of system calls and a new root, before and after which sandbox.c
 * wants to act, and forks, which some runtimes make in this way (with a pidfd, or in a control
 * group). A child gets a slot where it is a child of ours, runs on the same stack, in memory of
 * its own, with our thread-local storage; its libc knows as little of the fork as after _Fork.
 *
 * The call is handed to the next syscall(), for others may stand in front of libc's, too. But
 * replacements of malloc use it while they start, when the loader must not be asked: before our
 * constructor the call is made in here.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/given.h"
#include "preload/shim.h"

#if defined __x86_64__ || defined __aarch64__

#define PARAMETERS long number, long a, long b, long c, long d, long e, long f
#define ARGUMENTS  number, a, b, c, d, e, f

typedef long system_call(long, ...);

extern system_call *_Atomic fsp_next_syscall;
system_call fsp_bare_call;

system_call *_Atomic fsp_next_syscall FSP_DATA; /* NULL: not known yet */

void fsp_bare_next(void *function) {
    atomic_store_explicit(&fsp_next_syscall, (system_call *)function, memory_order_relaxed);
}

static bool is_early(void) {
    const uint32_t state = atomic_load_explicit(&fsp_state, memory_order_relaxed);

    return state == FSP_COLD || state == FSP_INIT;
}

/* What libc's gives, errno and all. */
static long call_on(PARAMETERS) {
    system_call *next = atomic_load_explicit(&fsp_next_syscall, memory_order_relaxed);
    long result;

    if (next == NULL && !is_early() && !fsp_tls.no_loader) {
        next = (system_call *)fsp_symbol_of(RTLD_NEXT, "syscall");
        atomic_store_explicit(&fsp_next_syscall, next, memory_order_relaxed);
    }
    if (next != NULL) return next(ARGUMENTS);
    result = fsp_call6(ARGUMENTS);
    if (result >= 0 || result < -4095) return result;
    errno = (int)-result;
    return -1;
}

/* ---- filters ---- */

/* With SECCOMP_FILTER_FLAG_NEW_LISTENER a filter gives a descriptor. */
static long confine(PARAMETERS) {
    const uint32_t before = fsp_sandbox_stop();
    const long result = call_on(ARGUMENTS);

    fsp_sandbox_stopped(before, result != -1);
    return result;
}

/* ---- forks ---- */

/* As clone3 wants it, up to the stack. */
struct clone_request {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack;
};

static bool is_fork_with(uint64_t flags, uint64_t stack) {
    return stack == 0 && (flags & (CLONE_VM | CLONE_SETTLS | CLONE_PARENT)) == 0;
}

static bool is_fork(long number, long a, long b) {
    const struct clone_request *request = (const struct clone_request *)a;
    struct fsp_given given = {{0}};

    switch (number) {
#ifdef SYS_fork
    case SYS_fork:
        return true;
#endif
    case SYS_clone:
        return is_fork_with((uint64_t)a, (uint64_t)b);
#ifdef SYS_clone3
    case SYS_clone3:
        return (size_t)b >= sizeof *request && fsp_given_there(&given, request) &&
               fsp_given_there(&given, (const char *)(request + 1) - 1) &&
               is_fork_with(request->flags, request->stack);
#endif
    default:
        return false;
    }
}

static long fork_by(const void *return_address, PARAMETERS) {
    struct fsp_process *slot;
    long pid;

    if (is_early() || !fsp_ready_for_birth()) return call_on(ARGUMENTS);
    slot = fsp_birth_reserve(FSP_BIRTH_CLONE, return_address);
    pid = call_on(ARGUMENTS);
    if (pid == 0) {
        fsp_birth_child(slot);
        fsp_tls.no_loader = fsp_tls.no_objects = true;
    } else {
        fsp_birth_parent(slot, FSP_BIRTH_CLONE, (pid_t)pid, false);
    }
    return pid;
}

/* ---- the hook ---- */

long fsp_bare_call(long number, ...) {
    va_list list;
    long a, b, c, d, e, f, result;

    va_start(list, number);
    a = va_arg(list, long);
    b = va_arg(list, long);
    c = va_arg(list, long);
    d = va_arg(list, long);
    e = va_arg(list, long);
    f = va_arg(list, long);
    va_end(list);
    if (number == SYS_seccomp && (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER))
        return confine(ARGUMENTS);
    if (is_fork(number, a, b)) return fork_by(__builtin_return_address(0), ARGUMENTS);
    result = call_on(ARGUMENTS);
    if (number == SYS_pivot_root && result == 0) fsp_sandbox_new_root();
    return result;
}

#else

void fsp_bare_next(void *function) {
    (void)function;
}

#endif
