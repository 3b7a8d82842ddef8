/*
 * attach.h - one thread of another process, held for some microseconds and copied.
 *
 * The thread is seized (PTRACE_SEIZE, which stops nothing by itself), interrupted,
 * its registers and the top of its stack are copied, and it is let go: everything
 * else (unwinding, names) is done from the copy, while the thread goes on.
 *
 * What it notices of that: nothing. A system call that it sleeps in is resumed by the
 * kernel (callers leave threads alone whose call would not be, see waits.h); a signal
 * that came meanwhile is delivered; a stopped process stays stopped; and when this
 * process dies, the kernel lets the thread go.
 */
#ifndef FS_ATTACH_H
#define FS_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FS_REGISTERS = 33, FS_STACK_COPY = 64 * 1024 };

struct fs_snapshot {
    int tid;
    int64_t stop_ns;            /* from the request to stop until it was let go; 0: never stopped */
    uint64_t reg[FS_REGISTERS]; /* by the numbers of libunwind (DWARF's) */
    uint64_t program_counter, stack_pointer;
    uint64_t thread_pointer; /* pthread_self() on x86-64; 0: unknown */
    uint64_t stack_from;     /* address of stack[0] */
    size_t stack_size;
    unsigned char *stack; /* FS_STACK_COPY bytes; the caller's */
};

/*
 * Stops thread tid, copies, lets go. child: it is the main thread of a child of this
 * process. memory: descriptor of its process's /proc/PID/mem. snapshot->stack must have room.
 * Returns 0; -1 with errno: EPERM (not allowed, or traced by somebody else), ESRCH (gone),
 * ETIMEDOUT (it did not stop within 20 ms, as one that waits for a disk; fs_attach_release() lets
 * it go later).
 */
int fs_attach_copy(int tid, bool child, int memory, struct fs_snapshot *snapshot);

/* Threads that did not stop in time: tries again to let them go. To be called now and then
 * while it returns true. */
bool fs_attach_release(void);

#endif
