/*
 * sandbox.c - programs that shut themselves in: seccomp, chroot.
 *
 * Normal code. Behind a filter a system call that the program itself does not make may end
 * it. So before one comes the recorder of the process ends, and the programs that it starts
 * from then on go without. Behind a new root the loader of the next program would not find
 * this object and say so on stderr: then it is taken out of the environment, and this
 * process alone is recorded.
 *
 * syscall(), by which libseccomp asks for a filter, is called on, for others may stand in
 * front of it, too. But replacements of malloc use it while they start, when the loader must
 * not be asked: before our constructor the call is made in here.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"

/* The state before, for a filter that the kernel refuses. */
static uint32_t stop(void) {
    return atomic_exchange(&fsp_state, FSP_OFF);
}

/* After the attempt: gone for good, or on as before. */
static void stopped(uint32_t before, bool confined) {
    struct fsp_header *base = fsp_segment_count() > 0 ? fsp_segment(0) : NULL;

    if (!confined) {
        atomic_store_explicit(&fsp_state, before, memory_order_release);
        return;
    }
    fsp_withdraw();
    if (before != FSP_READY || base == NULL) return;
    atomic_store(&base->off, FSP_OFF_CONFINED);
    atomic_fetch_add(&base->off_count, 1);
}

FSP_EXPORT int prctl(int option, ...) {
    const bool confines = option == PR_SET_SECCOMP;
    uint32_t before = FSP_OFF;
    va_list list;
    long a, b, c, d;
    int result;

    va_start(list, option);
    a = va_arg(list, long);
    b = va_arg(list, long);
    c = va_arg(list, long);
    d = va_arg(list, long);
    va_end(list);
    if (confines) before = stop();
    result = FSP_REAL(prctl)(option, a, b, c, d);
    if (confines) stopped(before, result == 0);
    return result;
}

FSP_EXPORT int chroot(const char *path) {
    const int result = FSP_REAL(chroot)(path);

    if (result == 0 && fsp_ready() && !fsp_in_sight()) fsp_withdraw();
    return result;
}

#if defined __x86_64__ || defined __aarch64__
static long (*_Atomic next_syscall)(long, ...) FSP_DATA;

static bool is_early(void) {
    const uint32_t state = atomic_load_explicit(&fsp_state, memory_order_relaxed);

    return state == FSP_COLD || state == FSP_INIT;
}

/* What libc's gives, errno and all. */
static long call_on(long number, const long a[6]) {
    long (*next)(long, ...) = atomic_load_explicit(&next_syscall, memory_order_relaxed);
    long result;

    if (next == NULL && !is_early() && !fsp_tls.no_loader) {
        next = (__typeof__(next))fsp_symbol_of(RTLD_NEXT, "syscall");
        atomic_store_explicit(&next_syscall, next, memory_order_relaxed);
    }
    if (next != NULL) return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    result = fsp_call6(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result >= 0 || result < -4095) return result;
    errno = (int)-result;
    return -1;
}

FSP_EXPORT long syscall(long number, ...) {
    uint32_t before = FSP_OFF;
    va_list list;
    long a[6], result;
    bool confines;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    confines = number == SYS_seccomp &&
               (a[0] == SECCOMP_SET_MODE_STRICT || a[0] == SECCOMP_SET_MODE_FILTER);
    if (confines) before = stop();
    result = call_on(number, a);
    /* With SECCOMP_FILTER_FLAG_NEW_LISTENER a filter gives a descriptor. */
    if (confines) stopped(before, result != -1);
    if (number == SYS_pivot_root && result == 0 && fsp_ready() && !fsp_in_sight()) fsp_withdraw();
    return result;
}
#endif
