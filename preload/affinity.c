/*
 * affinity.c - who changed a mask.
 *
 * Any context. These hooks explain, they do not measure: libc applies thread
 * attributes by itself and LLVM's OpenMP makes bare system calls, so masks are
 * sampled at starts and ends. The last change is kept, and only calls that
 * change something are stored: libraries bind for a moment to see whether they
 * can.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "preload/shim.h"
#include "preload/text.h"

struct change {
    uint64_t before[FSP_MASK_WORDS], after[FSP_MASK_WORDS];
    uint64_t site;
    pid_t tid; /* whose mask */
};

static void note_thread(struct fsp_thread *thread, const struct change *change) {
    memcpy(thread->mask, change->after, sizeof thread->mask);
    thread->t_affinity = fsp_now();
    thread->affinity_site = change->site;
}

static void note_process(struct fsp_process *process, const struct change *change) {
    process->affinity_calls++;
    if (fsp_same((const char *)change->before, (const char *)change->after, sizeof change->before))
        return;
    memcpy(process->mask_before, change->before, sizeof process->mask_before);
    memcpy(process->mask, change->after, sizeof process->mask);
    process->t_affinity = fsp_now();
    process->affinity_site = change->site;
    process->affinity_caller = fsp_pid();
}

/* The slot of a thread of any process that this image knows. */
static void note(const struct change *change) {
    struct fsp_process *acting = fsp_acting();
    struct fsp_process *process = acting;
    struct fsp_thread *thread = NULL;

    if (acting == NULL) return;
    if (change->tid != acting->pid) thread = fsp_thread_find(acting->pid, change->tid, 0);
    if (thread == NULL && change->tid != acting->pid && acting->pid != 0)
        process = fsp_process_find(change->tid);
    if (thread != NULL)
        note_thread(thread, change);
    else if (process != NULL)
        note_process(process, change);
}

FSP_EXPORT int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set) {
    const int error = errno;
    struct change change;
    bool read;
    int result;

    if (!fsp_ready()) return FSP_REAL(sched_setaffinity)(pid, size, set);
    read = fsp_mask_read(pid, change.before) == 0;
    fsp_keep_errno(error);
    result = FSP_REAL(sched_setaffinity)(pid, size, set);
    if (result == 0 && read && fsp_mask_read(pid, change.after) == 0) {
        const bool vforked = fsp_tls.vfork != NULL && fsp_self() == NULL;

        change.tid = pid != 0 ? pid : vforked ? fsp_pid() : fsp_tid();
        change.site = vforked ? 0 : fsp_site_call(__builtin_return_address(0));
        note(&change);
        fsp_keep_errno(error);
    }
    return result;
}

/* Number of a thread of this process; 0: not known. Libc tells nobody; but the main thread has
 * the process's, and others have slots. */
static pid_t number_of(pthread_t thread) {
    const struct fsp_process *self = fsp_self();
    const struct fsp_thread *slot;

    if (thread == pthread_self()) return fsp_tid();
    if (self == NULL) return 0;
    if ((uint64_t)thread == fsp_main_handle) return self->pid;
    slot = fsp_thread_find(self->pid, 0, (uint64_t)thread);
    return slot != NULL ? slot->tid : 0;
}

FSP_EXPORT int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set) {
    const int error = errno;
    struct change change;
    bool read;
    int result;

    if (!fsp_ready()) return FSP_REAL(pthread_setaffinity_np)(thread, size, set);
    change.tid = number_of(thread);
    read = change.tid != 0 && fsp_mask_read(change.tid, change.before) == 0;
    result = FSP_REAL(pthread_setaffinity_np)(thread, size, set);
    if (result == 0 && read && fsp_mask_read(change.tid, change.after) == 0) {
        change.site = fsp_site_call(__builtin_return_address(0));
        note(&change);
    }
    fsp_keep_errno(error);
    return result;
}
