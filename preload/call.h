/*
 * call.h - system calls without libc.
 *
 * A call through libc would fault in pages of its code that a short-lived child
 * never touches otherwise, and write errno; and each function of libc that the shim
 * names is looked up at the start of every program. What is in here returns what the
 * kernel does: a value, or an errno with a minus.
 */
#ifndef FSP_CALL_H
#define FSP_CALL_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#if defined __x86_64__
static inline long fsp_call6(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

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
static inline long fsp_call6(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

static inline long fsp_call(long number, long a, long b, long c, long d) {
    return fsp_call6(number, a, b, c, d, 0, 0);
}
#else
#include <errno.h>
#include <unistd.h>

static inline long fsp_call6(long number, long a, long b, long c, long d, long e, long f) {
    const int error = errno;
    const long result = syscall(number, a, b, c, d, e, f);
    const long returned = result == -1 ? -errno : result;

    errno = error;
    return returned;
}

static inline long fsp_call(long number, long a, long b, long c, long d) {
    return fsp_call6(number, a, b, c, d, 0, 0);
}
#endif

static inline int fsp_openat(int folder, const char *path, int flags, mode_t mode) {
    return (int)fsp_call(SYS_openat, folder, (long)path, flags | O_CLOEXEC, (long)mode);
}

static inline int fsp_open(const char *path, int flags, mode_t mode) {
    return fsp_openat(AT_FDCWD, path, flags, mode);
}

/* A new file for our own eyes; they see it whatever the application's umask takes away. */
static inline int fsp_create(const char *path, int access) {
    const int fd = fsp_open(path, access | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

    if (fd >= 0) fsp_call(SYS_fchmod, fd, 0600, 0, 0);
    return fd;
}

static inline void fsp_close(int fd) {
    fsp_call(SYS_close, fd, 0, 0, 0);
}

static inline ssize_t fsp_read(int fd, void *buffer, size_t size) {
    return fsp_call(SYS_read, fd, (long)buffer, (long)size, 0);
}

static inline ssize_t fsp_readlink(const char *path, char *buffer, size_t size) {
    return fsp_call(SYS_readlinkat, AT_FDCWD, (long)path, (long)buffer, (long)size);
}

/* NULL: there is no memory, or the file cannot be mapped. */
static inline void *fsp_map(size_t size, int flags, int fd) {
#ifdef SYS_mmap
    const long number = SYS_mmap;
#else
    const long number = SYS_mmap2; /* the same but for offsets, of which there are none */
#endif
    const long map = fsp_call6(number, 0, (long)size, PROT_READ | PROT_WRITE, flags, fd, 0);

    return map < 0 && map > -4096 ? NULL : (void *)map;
}

static inline void fsp_unmap(void *map, size_t size) {
    fsp_call(SYS_munmap, (long)map, (long)size, 0, 0);
}

#endif
