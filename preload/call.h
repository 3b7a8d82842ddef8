/*
 * call.h - system calls without libc.
 *
 * For the children of forks and for exits: a call through libc would fault in
 * pages of its code that a short-lived child never touches otherwise, and write
 * errno. fsp_call returns what the kernel does: a value, or an errno with a minus.
 */
#ifndef FSP_CALL_H
#define FSP_CALL_H

#include <sys/syscall.h>

#if defined __x86_64__
static inline long fsp_call(long number, long a, long b, long c, long d) {
    register long r10 __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined __aarch64__
static inline long fsp_call(long number, long a, long b, long c, long d) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#include <errno.h>
#include <unistd.h>

static inline long fsp_call(long number, long a, long b, long c, long d) {
    const int error = errno;
    const long result = syscall(number, a, b, c, d);
    const long returned = result == -1 ? -errno : result;

    errno = error;
    return returned;
}
#endif

#endif
