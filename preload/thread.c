/*
 * thread.c - the threads that pthread_create starts.
 *
 * Normal code. A trampoline tells what only the new thread knows (number, mask),
 * with no handshake: the creator never waits. Its arguments travel in a private
 * table, for a pointer to code has no place in shared memory. A thread-specific
 * destructor sees every end: return, pthread_exit, cancellation.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "preload/shim.h"

enum { STARTS = 512, RETRY_EVERY = 32 };

static struct start {
    _Atomic uint32_t taken;
    bool no_loader, no_objects;
    fsp_routine *routine;
    void *argument;
    struct fsp_process *self;
    struct fsp_thread *slot;
} starts[STARTS] FSP_DATA; /* threads that were created and do not run yet */

static struct {
    _Atomic uint32_t asked, there;
    pthread_key_t key;
    __typeof__(pthread_setspecific) *set;
} ending FSP_DATA;

static _Atomic uint32_t lost FSP_DATA; /* of this process and its forefathers: when to look again */

/* ---- slots ---- */

static struct fsp_thread *slots_of(struct fsp_header *segment) {
    return (struct fsp_thread *)((char *)segment + segment->threads_at);
}

/* *ended counts slots that the collector will free. */
static struct fsp_thread *claim_in(struct fsp_header *segment, uint32_t *ended) {
    const uint32_t hint = atomic_load_explicit(&segment->thread_hint, memory_order_relaxed);

    for (uint32_t k = 0; k < segment->threads; k++) {
        struct fsp_thread *slot = slots_of(segment) + (hint + k) % segment->threads;
        uint32_t state = FSP_THREAD_FREE;

        if (!fsp_segment_commit(segment, slot, sizeof *slot)) return NULL;
        if (atomic_compare_exchange_strong(&slot->state, &state, FSP_THREAD_RESERVED)) {
            atomic_store_explicit(&segment->thread_hint, (hint + k + 1) % segment->threads,
                                  memory_order_relaxed);
            memset((char *)slot + sizeof slot->state, 0, sizeof *slot - sizeof slot->state);
            return slot;
        }
        *ended += state == FSP_THREAD_ENDED;
    }
    return NULL;
}

static void count_lost(void) {
    atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&fsp_segment(0)->lost_threads, 1, memory_order_relaxed);
}

/* A storm of short threads is worth no memory: while the table is full of ended
 * ones the loss is counted, and the table is looked at again only now and then. */
static struct fsp_thread *claim(void) {
    uint32_t ended = 0, slots = 0;
    unsigned from = 0;

    if (atomic_load_explicit(&lost, memory_order_relaxed) % RETRY_EVERY != 0) {
        count_lost();
        return NULL;
    }
    do {
        const unsigned count = fsp_segment_count();

        for (unsigned i = from; i < count; i++) {
            struct fsp_header *segment = fsp_segment(i);
            struct fsp_thread *slot = segment != NULL ? claim_in(segment, &ended) : NULL;

            slots += segment != NULL ? segment->threads : 0;
            if (slot != NULL) return slot;
        }
        from = count;
    } while (ended < slots / 2 && fsp_segment_extend(FSP_EXTENSION_ANY));
    count_lost();
    return NULL;
}

struct fsp_thread *fsp_thread_find(pid_t pid, pid_t tid, uint64_t handle) {
    for (unsigned s = 0; s < fsp_segment_count(); s++) {
        struct fsp_header *segment = fsp_segment(s);
        const uint32_t count = segment != NULL ? segment->threads : 0;

        for (uint32_t i = 0; i < count; i++) {
            struct fsp_thread *slot = slots_of(segment) + i;

            if (!fsp_segment_committed(segment, slot)) continue;
            if (atomic_load(&slot->state) == FSP_THREAD_LIVE && slot->pid == pid &&
                (handle != 0 ? slot->handle == handle : slot->tid == tid))
                return slot;
        }
    }
    return NULL;
}

/* ---- the thread's own side ---- */

static void begin(struct fsp_thread *slot) {
    if (slot == NULL || !fsp_ready()) return;
    slot->tid = fsp_tid();
    slot->handle = (uint64_t)pthread_self();
    slot->t_start = fsp_now();
    fsp_mask_read(0, slot->mask);
    atomic_store_explicit(&slot->state, FSP_THREAD_LIVE, memory_order_release);
}

static void end_slot(struct fsp_process *self, struct fsp_thread *slot) {
    struct timespec cpu;

    slot->t_end = fsp_now();
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0)
        slot->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    if (slot->t_end - slot->t_start >= FSP_LONG_LIFE_NS) {
        fsp_usage_schedule(slot->tid, &slot->run_ns, &slot->wait_ns);
        __atomic_fetch_add(&self->threads_run_ns, slot->run_ns, __ATOMIC_RELAXED);
        __atomic_fetch_add(&self->threads_wait_ns, slot->wait_ns, __ATOMIC_RELAXED);
    }
    atomic_store_explicit(&slot->state, FSP_THREAD_ENDED, memory_order_release);
}

/* value is the process in which the thread began: after a fork in this thread it
 * is the child's main thread, and its end is no thread's end. */
static void end(void *value) {
    struct fsp_process *self = fsp_tls.self;
    struct fsp_thread *slot = fsp_tls.thread;
    const int error = errno;

    if (self == NULL || self != value) return;
    fsp_tls.thread = NULL;
    if (slot != NULL && fsp_ready()) end_slot(self, slot);
    atomic_fetch_add_explicit(&self->threads_ended, 1, memory_order_relaxed);
    fsp_keep_errno(error);
}

static void *trampoline(void *pointer) {
    struct start *start = pointer;
    fsp_routine *routine = start->routine;
    void *argument = start->argument;

    fsp_tls.self = start->self;
    fsp_tls.thread = start->slot;
    fsp_tls.of_create = true;
    fsp_tls.no_loader = start->no_loader;
    fsp_tls.no_objects = start->no_objects;
    atomic_store_explicit(&start->taken, 0, memory_order_release);
    begin(fsp_tls.thread);
    if (atomic_load_explicit(&ending.there, memory_order_acquire))
        ending.set(ending.key, fsp_tls.self);
    return routine(argument);
}

/* ---- the creator's side ---- */

static struct start *take_start(void) {
    for (unsigned i = 0; i < STARTS; i++) {
        uint32_t expected = 0;

        if (atomic_load_explicit(&starts[i].taken, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&starts[i].taken, &expected, 1))
            return &starts[i];
    }
    return NULL;
}

static void count_start(struct fsp_process *self) {
    const uint32_t started =
        atomic_fetch_add_explicit(&self->threads_started, 1, memory_order_relaxed) + 1;
    const uint32_t alive =
        started - atomic_load_explicit(&self->threads_ended, memory_order_relaxed);
    uint32_t peak = atomic_load_explicit(&self->threads_peak, memory_order_relaxed);

    while (alive > peak && alive <= started &&
           !atomic_compare_exchange_weak(&self->threads_peak, &peak, alive))
        ;
}

static void note_failure(struct fsp_process *self, struct fsp_thread *slot, int error) {
    if (slot != NULL) atomic_store(&slot->state, FSP_THREAD_FREE);
    atomic_fetch_sub_explicit(&self->threads_started, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->thread_failures, 1, memory_order_relaxed);
    fsp_event((struct fsp_event){.kind = FSP_EVENT_THREAD_FAILED, .a = error});
}

static struct fsp_thread *reserve(struct fsp_process *self, fsp_routine *routine,
                                  const void *return_address) {
    struct fsp_thread *slot = claim();

    if (slot == NULL) return NULL;
    slot->pid = self->pid;
    slot->start_site = fsp_site_routine(routine);
    slot->create_site = fsp_site_thread(return_address);
    slot->creator = fsp_tid();
    slot->t_create = fsp_now();
    return slot;
}

/* By dlsym, for it is in libpthread before glibc 2.34, which not every program has;
 * and at the first thread, for most programs make none. */
static void register_end(void) {
    __typeof__(pthread_key_create) *create;

    if (atomic_load_explicit(&ending.asked, memory_order_relaxed) ||
        atomic_exchange(&ending.asked, 1))
        return;
    create = (__typeof__(create))fsp_symbol("pthread_key_create");
    ending.set = (__typeof__(ending.set))fsp_symbol("pthread_setspecific");
    if (create != NULL && ending.set != NULL && create(&ending.key, end) == 0)
        atomic_store_explicit(&ending.there, 1, memory_order_release);
}

bool fsp_thread_ends_seen(void) {
    return atomic_load_explicit(&ending.there, memory_order_acquire) != 0;
}

static int hooked(pthread_t *thread, const pthread_attr_t *attributes, fsp_routine *routine,
                  void *argument, const void *return_address) {
    const int error = errno;
    struct fsp_process *self = fsp_self();
    struct start *start = self != NULL ? take_start() : NULL;
    struct fsp_thread *slot;
    int result;

    if (start == NULL) {
        count_lost();
        fsp_keep_errno(error);
        return FSP_REAL(pthread_create)(thread, attributes, routine, argument);
    }
    register_end();
    fsp_libraries_note(fsp_now());
    slot = reserve(self, routine, return_address);
    start->no_loader = fsp_tls.no_loader;
    start->no_objects = fsp_tls.no_objects;
    start->routine = routine;
    start->argument = argument;
    start->self = self;
    start->slot = slot;
    count_start(self);
    fsp_keep_errno(error);
    result = FSP_REAL(pthread_create)(thread, attributes, trampoline, start);
    if (result != 0) {
        atomic_store(&start->taken, 0);
        note_failure(self, slot, result);
        fsp_keep_errno(error);
    }
    return result;
}

FSP_EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                              fsp_routine *routine, void *restrict argument) {
    if (!fsp_ready()) return FSP_REAL(pthread_create)(thread, attributes, routine, argument);
    return hooked(thread, attributes, routine, argument, __builtin_return_address(0));
}
