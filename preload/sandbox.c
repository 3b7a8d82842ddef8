/*
 * sandbox.c - programs that shut themselves in: seccomp, chroot.
 *
 * Normal code. Behind a filter a system call that the program itself does not make may end
 * it. So before one comes the recorder of the process ends, and the programs that it starts
 * from then on go without. Behind a new root the loader of the next program would not find
 * this object and say so on stderr: then it is taken out of the environment, and this
 * process alone is recorded. By syscall(), as libseccomp does, the same is asked in bare.c.
 */
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "preload/shim.h"

uint32_t fsp_sandbox_stop(void) {
    return atomic_exchange(&fsp_state, FSP_OFF);
}

void fsp_sandbox_stopped(uint32_t before, bool confined) {
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
    if (confines) before = fsp_sandbox_stop();
    result = FSP_REAL(prctl)(option, a, b, c, d);
    if (confines) fsp_sandbox_stopped(before, result == 0);
    return result;
}

void fsp_sandbox_new_root(void) {
    if (fsp_ready() && !fsp_in_sight()) fsp_withdraw();
}

FSP_EXPORT int chroot(const char *path) {
    const int result = FSP_REAL(chroot)(path);

    if (result == 0) fsp_sandbox_new_root();
    return result;
}
