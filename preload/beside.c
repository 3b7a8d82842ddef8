/*
 * beside.c - which other threads were alive at a fork.
 *
 * The parent of a fork, right after it: the libraries' fork handlers have run by
 * then. OpenBLAS ends its threads in its prepare handler, which may run before or
 * after ours; others start theirs anew in the parent's. So what counts is a thread
 * that was created before the fork and has not ended after it. A process without
 * threads costs two loads and a store.
 */
#include "preload/call.h"
#include "preload/shim.h"

struct count {
    struct fsp_process *child;
    int32_t pid, forker;
    uint64_t since; /* slots that are older belong to a dead process of that number */
    uint32_t seen;  /* live threads of the process, whenever they were created */
};

static void add(const struct count *count, const struct fsp_thread *thread) {
    struct fsp_process *child = count->child;

    child->beside_threads++;
    for (unsigned i = 0; i < FSP_BESIDE_MAX; i++) {
        struct fsp_beside *kind = &child->beside[i];

        if (kind->threads != 0 &&
            (kind->routine != thread->start_site || kind->created != thread->create_site))
            continue;
        kind->routine = thread->start_site;
        kind->created = thread->create_site;
        kind->threads++;
        kind->by_forker += thread->creator == count->forker;
        return;
    }
}

/* t_create is the creator's last store: without it the slot is half written. */
static void look_at(struct count *count, const struct fsp_thread *thread) {
    const uint32_t state = atomic_load_explicit(&thread->state, memory_order_acquire);

    if ((state != FSP_THREAD_LIVE && state != FSP_THREAD_RESERVED) || thread->pid != count->pid ||
        thread->t_create < count->since)
        return;
    count->seen++;
    if (thread->tid != count->forker && thread->t_create <= count->child->t_fork)
        add(count, thread);
}

static void look_at_all(struct count *count, uint32_t alive) {
    for (unsigned s = 0; s < fsp_segment_count(); s++) {
        struct fsp_header *segment = fsp_segment(s);
        const uint32_t slots = segment != NULL ? segment->threads : 0;

        for (uint32_t i = 0; i < slots && count->seen < alive; i++) {
            const struct fsp_thread *thread =
                (struct fsp_thread *)((char *)segment + segment->threads_at) + i;

            if (fsp_segment_committed(segment, thread)) look_at(count, thread);
        }
    }
}

void fsp_beside_note(struct fsp_process *slot, const struct fsp_process *self) {
    uint32_t alive;

    if (self == NULL) return;
    alive = fsp_threads_alive(self);
    if (alive != 0) {
        struct count count = {.child = slot,
                              .pid = self->pid,
                              .forker = (int32_t)fsp_call(SYS_gettid, 0, 0, 0, 0),
                              .since = self->t_start != 0 ? self->t_start : 1};

        if (!fsp_thread_ends_seen()) return;
        look_at_all(&count, alive);
        if (count.seen < alive && atomic_load(&fsp_segment(0)->lost_threads) != 0)
            slot->beside_threads += alive - count.seen;
        slot->beside_main = count.forker != self->pid;
        slot->beside_threads += slot->beside_main;
    }
    atomic_store_explicit(&slot->beside_known, 1, memory_order_release);
}
