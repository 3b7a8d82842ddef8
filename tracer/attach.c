/*
 * attach.c - see attach.h.
 *
 * A traced thread that ends stays until its tracer waits for it, and keeps its process
 * from ending: whatever was seized and dies is waited for. Not so our own child: its
 * status belongs to the supervisor.
 */
#include "tracer/attach.h"

#include "tracer/clock.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

static const int64_t spin = 300 * 1000, patience = 20 * FS_MILLISECOND;
/* Our child's stop must not be met by who waits for its end. */
static const int64_t child_patience = FS_SECOND;
enum { LATE_MAX = 16 };

/* Seized, asked to stop, not stopped yet. Empty but for a moment in years. */
static struct late {
    int tid;
    bool child;
} late[LATE_MAX];
static int late_count;

static bool let_go(int tid, int signal) {
    return ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal) == 0;
}

static void bury(int tid, bool child) {
    siginfo_t info;

    if (!child) waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL);
}

/* The signal that a stopped thread was about to receive, and must get; 0: none. -1: it does
 * not stand still, or is gone. */
static int held_signal(int tid) {
    siginfo_t info;

    if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) != 0) return errno == EINVAL ? 0 : -1;
    return info.si_code >> 8 == PTRACE_EVENT_STOP ? 0 : info.si_signo;
}

bool fs_attach_release(void) {
    int kept = 0;

    for (int i = 0; i < late_count; i++) {
        const int signal = held_signal(late[i].tid);
        if (signal >= 0 && let_go(late[i].tid, signal)) continue;
        bury(late[i].tid, late[i].child);
        if (kill(late[i].tid, 0) == 0) late[kept++] = late[i];
    }
    late_count = kept;
    return kept > 0;
}

/* Waits until the thread stands still. */
static int await_stop(int tid, bool child) {
    const int64_t begin = fs_now(), most = child ? child_patience : patience;
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | WNOWAIT | WNOHANG | __WALL) != 0)
            return -1;
        if (info.si_pid) break;
        const int64_t waited = fs_now() - begin;
        if (waited > most) return errno = ETIMEDOUT, -1;
        const struct timespec pause = {.tv_nsec = 50000};
        if (waited < spin)
            sched_yield();
        else
            nanosleep(&pause, NULL);
    }
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
        bury(tid, child);
        return errno = ESRCH, -1;
    }
    waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL);
    return 0;
}

#if defined __x86_64__
static void name_registers(const struct user_regs_struct *from, struct fs_snapshot *snapshot) {
    const uint64_t in_order[] = {from->rax, from->rdx, from->rcx, from->rbx, from->rsi, from->rdi,
                                 from->rbp, from->rsp, from->r8,  from->r9,  from->r10, from->r11,
                                 from->r12, from->r13, from->r14, from->r15, from->rip};

    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++)
        snapshot->reg[i] = in_order[i];
    snapshot->program_counter = from->rip;
    snapshot->stack_pointer = from->rsp;
    snapshot->thread_pointer = from->fs_base;
}
#elif defined __aarch64__
static void name_registers(const struct user_regs_struct *from, struct fs_snapshot *snapshot) {
    for (size_t i = 0; i < 31; i++)
        snapshot->reg[i] = from->regs[i];
    snapshot->reg[31] = snapshot->stack_pointer = from->sp;
    snapshot->reg[32] = snapshot->program_counter = from->pc;
}
#else
/* A machine whose registers nobody has named yet: its threads have no C frames. */
static void name_registers(const struct user_regs_struct *from, struct fs_snapshot *snapshot) {
    (void)from;
    (void)snapshot;
}
#endif

static int copy(int tid, int memory, struct fs_snapshot *snapshot) {
    struct user_regs_struct registers;
    struct iovec into = {.iov_base = &registers, .iov_len = sizeof registers};

    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &into) != 0) return -1;
    name_registers(&registers, snapshot);
    /* Below the stack pointer lies the red zone, which a leaf function may use. */
    snapshot->stack_from = (snapshot->stack_pointer - 128) & ~(uint64_t)7;
    const ssize_t got = pread(memory, snapshot->stack, FS_STACK_COPY, (off_t)snapshot->stack_from);
    snapshot->stack_size = got > 0 ? (size_t)got : 0;
    return 0;
}

int fs_attach_copy(int tid, bool child, int memory, struct fs_snapshot *snapshot) {
    int result = -1;

    snapshot->tid = tid;
    snapshot->stop_ns = 0;
    snapshot->stack_size = 0;
    if (late_count == LATE_MAX) return errno = EAGAIN, -1;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) return -1;
    const int64_t asked = fs_now();
    if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0 && await_stop(tid, child) == 0)
        result = copy(tid, memory, snapshot);
    const int reason = errno, signal = held_signal(tid);
    if ((signal < 0 || !let_go(tid, signal)) && kill(tid, 0) == 0)
        late[late_count++] = (struct late){tid, child};
    snapshot->stop_ns = fs_now() - asked;
    return errno = reason, result;
}
