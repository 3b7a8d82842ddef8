/*
 * process.c - claims, finds and frees process slots.
 *
 * Any context but the child of a vfork. A slot belongs to who turned its index
 * entry from 0 to -1; entries are the one thing that is searched, so finding a
 * pid among hundreds touches a page or two.
 */
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

static _Atomic int32_t *index_of(struct fsp_header *segment) {
    return (_Atomic int32_t *)((char *)segment + segment->index_at);
}

static struct fsp_process *slots_of(struct fsp_header *segment) {
    return (struct fsp_process *)((char *)segment + segment->processes_at);
}

static struct fsp_process *claim_in(struct fsp_header *segment) {
    const uint32_t count = segment->processes;
    const uint32_t hint = atomic_load_explicit(&segment->process_hint, memory_order_relaxed);
    _Atomic int32_t *index = index_of(segment);

    for (uint32_t k = 0, i = hint % count; k < count; k++, i = i + 1 < count ? i + 1 : 0) {
        struct fsp_process *slot = slots_of(segment) + i;
        int32_t expected = 0;

        if (atomic_load_explicit(&index[i], memory_order_relaxed) != 0 ||
            !atomic_compare_exchange_strong(&index[i], &expected, -1))
            continue;
        if (!fsp_segment_commit(segment, slot, sizeof *slot)) {
            atomic_store(&index[i], 0);
            return NULL;
        }
        atomic_store_explicit(&segment->process_hint, i + 1, memory_order_relaxed);
        fsp_clear(slot, sizeof *slot);
        return slot;
    }
    return NULL;
}

struct fsp_process *fsp_process_claim(void) {
    static _Atomic uint32_t last FSP_DATA; /* the segment that had room: the others are full */
    unsigned from = 0;

    do {
        const unsigned count = fsp_segment_count();
        const unsigned hint = atomic_load_explicit(&last, memory_order_relaxed);

        for (unsigned k = from; k < count; k++) {
            const unsigned i = from == 0 ? (hint + k) % count : k;
            struct fsp_header *segment = fsp_segment(i);
            struct fsp_process *slot = segment != NULL ? claim_in(segment) : NULL;

            if (slot == NULL) continue;
            if (i != hint) atomic_store_explicit(&last, i, memory_order_relaxed);
            return slot;
        }
        from = count;
    } while (fsp_segment_extend(FSP_EXTENSION_PROCESSES));
    atomic_fetch_add_explicit(&fsp_segment(0)->lost_processes, 1, memory_order_relaxed);
    return NULL;
}

static _Atomic int32_t *entry_of(const struct fsp_process *slot) {
    for (unsigned i = 0; i < fsp_segment_count(); i++) {
        struct fsp_header *segment = fsp_segment(i);

        if (segment != NULL && slot >= slots_of(segment) &&
            slot < slots_of(segment) + segment->processes)
            return index_of(segment) + (slot - slots_of(segment));
    }
    return NULL;
}

void fsp_process_identify(struct fsp_process *slot, pid_t pid) {
    _Atomic int32_t *entry = entry_of(slot);

    if (entry != NULL) atomic_store_explicit(entry, pid, memory_order_release);
}

void fsp_process_release(struct fsp_process *slot) {
    atomic_store_explicit(&slot->state, FSP_PROCESS_FREE, memory_order_release);
    fsp_process_identify(slot, 0);
}

/* Its own number counts; but a child with an entry of its parent's may have died
 * before it stored one, or have another number in a pid namespace of its own. */
static bool matches(struct fsp_process *slot, int32_t entry, pid_t pid, pid_t parent) {
    if (atomic_load_explicit(&slot->reaped, memory_order_relaxed)) return false;
    if (parent != 0 && entry > 0) return slot->ppid == parent;
    return (parent == 0 || slot->ppid == parent) && slot->pid == pid &&
           atomic_load_explicit(&slot->state, memory_order_acquire) == FSP_PROCESS_LIVE;
}

/* The slot with index entry `entry` that is pid's; parent 0: anybody's. The youngest
 * first: who forks and waits in turn asks for the one that it made last. */
static struct fsp_process *find_in(struct fsp_header *segment, int32_t entry, pid_t pid,
                                   pid_t parent) {
    const uint32_t count = segment->processes;
    const uint32_t hint = atomic_load_explicit(&segment->process_hint, memory_order_relaxed);

    for (uint32_t k = 0, i = hint % count; k < count; k++) {
        struct fsp_process *slot;

        i = i > 0 ? i - 1 : count - 1;
        slot = slots_of(segment) + i;
        if (atomic_load_explicit(&index_of(segment)[i], memory_order_relaxed) == entry &&
            matches(slot, entry, pid, parent))
            return slot;
    }
    return NULL;
}

static struct fsp_process *find(int32_t entry, pid_t pid, pid_t parent) {
    for (unsigned s = fsp_segment_count(); s-- > 0;) {
        struct fsp_header *segment = fsp_segment(s);
        struct fsp_process *slot = segment != NULL ? find_in(segment, entry, pid, parent) : NULL;

        if (slot != NULL) return slot;
    }
    return NULL;
}

struct fsp_process *fsp_process_child(pid_t pid, pid_t parent) {
    struct fsp_process *slot = find(pid, pid, parent);

    /* Another thread may reap a child before the one that made it stored the
     * pid, and a fork inside libc is known to the child only. */
    return slot != NULL ? slot : find(-1, pid, parent);
}

struct fsp_process *fsp_process_find(pid_t pid) {
    struct fsp_process *slot = find(pid, pid, 0);

    return slot != NULL ? slot : find(-1, pid, 0);
}

static struct fsp_process *adopt(pid_t pid) {
    struct fsp_process *slot = fsp_process_claim();

    if (slot == NULL) return NULL;
    slot->pid = pid;
    slot->ppid = (int32_t)fsp_call(SYS_getppid, 0, 0, 0, 0);
    slot->birth = FSP_BIRTH_UNKNOWN;
    slot->t_start = fsp_now();
    if (fsp_mask_read(pid, slot->mask) != 0) slot->flags |= FSP_PROCESS_MASK_UNKNOWN;
    atomic_store_explicit(&slot->state, FSP_PROCESS_LIVE, memory_order_release);
    fsp_process_identify(slot, pid);
    return slot;
}

struct fsp_process *fsp_self(void) {
    struct fsp_process *self = fsp_tls.self;
    const pid_t pid = fsp_pid();

    if (self != NULL && self->pid == pid) return self;
    if (fsp_tls.vfork != NULL) return NULL;
    self = fsp_process_find(pid);
    if (self == NULL) self = adopt(pid);
    /* A raw vfork shares this storage with its parent, which then misses its own
     * slot at its next call and finds it again. */
    if (self != NULL) {
        fsp_tls.self = self;
        fsp_tls.tid = 0;
    }
    return self;
}

struct fsp_process *fsp_acting(void) {
    struct fsp_process *self = fsp_self();

    return self != NULL ? self : fsp_tls.vfork;
}
