/*
 * verbs.c - memory that is registered with a network card, and fork support asked for.
 *
 * Interposes ibv_fork_init and the three functions of libibverbs that register memory.
 * Normal code, any thread. Each call is passed on unchanged; sending and receiving go
 * around these functions. A registration takes microseconds at least, the count of it a
 * few nanoseconds. Memory that the card pages in on demand stays the process's own after a
 * fork, so that is not counted.
 */
#include "preload/entries.h"
#include "preload/shim.h"

enum { ACCESS_ON_DEMAND = 1 << 6 }; /* IBV_ACCESS_ON_DEMAND */

#define DECLARE(type, name, arguments) FSP_EXPORT type name arguments;
FSP_ENTRIES(DECLARE)
#undef DECLARE

static void note_registration(unsigned access, const void *return_address) {
    const int error = errno;
    struct fsp_verbs *verbs;

    if ((access & ACCESS_ON_DEMAND) != 0 || !fsp_ready()) return;
    verbs = &fsp_segment(0)->verbs;
    if (atomic_load_explicit(&verbs->t, memory_order_relaxed) == 0) {
        atomic_store_explicit(&verbs->t, fsp_now(), memory_order_relaxed);
        atomic_store_explicit(&verbs->site, fsp_site_call(return_address), memory_order_relaxed);
    }
    fsp_count(&verbs->registrations);
    fsp_keep_errno(error);
}

static void *real_of(enum fsp_entry entry, const void *return_address) {
    const struct fsp_target *target = fsp_target_of(entry, return_address);

    if (target != NULL) return atomic_load_explicit(&target->function, memory_order_relaxed);
    errno = ENOSYS;
    return NULL;
}

/* NAME(...) with these parameters, passed on as these arguments. */
#define REGISTER(name, access, parameters, ...)                                                    \
    void *name parameters {                                                                        \
        fsp_##name##_type *real =                                                                  \
            (fsp_##name##_type *)real_of(FSP_ENTRY_##name, __builtin_return_address(0));           \
        void *region = real != NULL ? real(__VA_ARGS__) : NULL;                                    \
                                                                                                   \
        if (region != NULL) note_registration((unsigned)access, __builtin_return_address(0));      \
        return region;                                                                             \
    }

REGISTER(ibv_reg_mr, access, (void *domain, void *memory, size_t length, int access), domain,
         memory, length, access)
REGISTER(ibv_reg_mr_iova, access,
         (void *domain, void *memory, size_t length, uint64_t virtual, int access), domain, memory,
         length, virtual, access)
REGISTER(ibv_reg_mr_iova2, access,
         (void *domain, void *memory, size_t length, uint64_t virtual, unsigned access), domain,
         memory, length, virtual, access)

int ibv_fork_init(void) {
    fsp_ibv_fork_init_type *real =
        (fsp_ibv_fork_init_type *)real_of(FSP_ENTRY_ibv_fork_init, __builtin_return_address(0));
    const int result = real != NULL ? real() : ENOSYS;

    if (result == 0 && fsp_ready()) fsp_count(&fsp_segment(0)->verbs.fork_inits);
    return result;
}
