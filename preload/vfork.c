/*
 * vfork.c - both sides of the assembly stubs of vfork.
 *
 * The child of a vfork returns from the stub first and overwrites the stack
 * frame, so a wrapper in C cannot work: vfork_<machine>.S keeps the return
 * address in a register and calls these two functions in the parent, before and
 * after. On other machines the vfork is counted and passed on: its child comes
 * back into sight when its new image starts.
 */
#include <errno.h>

#include "preload/shim.h"

#if defined __x86_64__ || defined __aarch64__
void fsp_vfork_before(const void *return_address);
long fsp_vfork_after(long result);

void fsp_vfork_before(const void *return_address) {
    if (fsp_ready_for_birth()) fsp_tls.vfork = fsp_birth_reserve(FSP_BIRTH_VFORK, return_address);
}

/* result is the system call's: a pid, or an errno value with a minus. */
long fsp_vfork_after(long result) {
    struct fsp_process *slot = fsp_tls.vfork;

    fsp_tls.vfork = NULL;
    if (result < 0) {
        errno = (int)-result;
        result = -1;
    }
    if (fsp_ready()) fsp_birth_parent(slot, FSP_BIRTH_VFORK, (pid_t)result, true);
    return result;
}
#else
/* A frame of ours would not survive the child: this must be a jump. */
#ifdef __clang__
#define TAIL __attribute__((musttail))
#else
#define TAIL
#pragma GCC optimize("O2")
#endif

FSP_EXPORT pid_t vfork(void) {
    if (fsp_ready() && fsp_tls.self != NULL)
        atomic_fetch_add_explicit(&fsp_tls.self->forks, 1, memory_order_relaxed);
    TAIL return FSP_REAL(vfork)();
}

FSP_ALIAS(__vfork, vfork);
#endif
