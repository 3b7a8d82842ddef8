/*
 * mpi_calls.c - who calls message passing, asked once per thread, and where it goes on.
 *
 * Behind the entries of mpi_calls_<architecture>.S; without these nothing is watched. Any
 * context but the child of a vfork. A function in the global scope serves every caller, and
 * its address goes where the entries jump. Others (of an MPI that an extension of Python
 * loaded for itself) are kept for each place that calls: two libraries with functions of the
 * same names may be there, and each caller has its own.
 */
#include "preload/mpi_calls.h"

#include <dlfcn.h>
#include <errno.h>

#include "preload/entries.h"
#include "preload/mpi.h"
#include "preload/names.h"
#include "preload/shim.h"

#if defined __x86_64__

#define ROOM(name) FSP_NAMES_ROOM(, PMPI_##name, )
#define TEXT(name) FSP_NAMES_TEXT(, PMPI_##name, )
#define AT(name)   FSP_NAMES_AT(, PMPI_##name, )
FSP_NAMES_BY(FSP_MPI_CALLS, ROOM, TEXT, AT)

enum { COUNT = 2 * NAMES, PLACES = 256, NO_MPI = 15 };

/* First the entries for C, then those for profiling, whose names have a letter more. */
static const char *entry_at(size_t i) {
    return i < NAMES ? name_at(i) + 1 : name_at(i - NAMES);
}

extern _Atomic uintptr_t fsp_mpi_targets[COUNT];
void *fsp_mpi_call(_Atomic uintptr_t *target, const void *return_address);

_Static_assert(offsetof(struct fsp_tls, mpi_known) == FSP_TLS_MPI_KNOWN, "the entries know it");

/* Of places that call what is not global. One is never overwritten. */
static struct place {
    _Atomic uint32_t taken;
    _Atomic uintptr_t key;
    uintptr_t function;
} places[PLACES] FSP_DATA;

static _Atomic int32_t child_noted FSP_DATA; /* pid */

static int missing(void) {
    return NO_MPI;
}

static void note(const char *name, const void *return_address) {
    const struct fsp_mpi *mpi;
    const struct fsp_process *self;

    /* Whatever the answer, it is asked once: where nothing is recorded, or MPI was initialised
     * by handle or is being so, no later call of this thread has anything to tell. */
    fsp_tls.mpi_known = true;
    if (!fsp_ready()) return;
    mpi = &fsp_segment(0)->mpi;
    if (atomic_load_explicit(&mpi->t_ready, memory_order_acquire) == 0) return;
    self = fsp_self();
    if (self == NULL) return;
    if (self->pid != atomic_load_explicit(&mpi->pid, memory_order_relaxed)) {
        if (atomic_exchange(&child_noted, self->pid) != self->pid)
            fsp_mpi_note_caller(FSP_MPI_CHILD, name, return_address);
    } else if (fsp_tid() != mpi->tid) {
        fsp_mpi_note_caller(FSP_MPI_THREAD, name, return_address);
    }
}

static uintptr_t find(_Atomic uintptr_t *target, const char *name, const void *return_address) {
    const uintptr_t key = (uintptr_t)return_address ^ (uintptr_t)name << 16;
    struct place *place = &places[(key ^ key >> 8 ^ key >> 16) % PLACES];
    uint32_t expected = 0;
    uintptr_t function;

    if (atomic_load_explicit(&place->key, memory_order_acquire) == key) return place->function;
    function = fsp_tls.no_loader ? 0 : (uintptr_t)fsp_symbol_of(RTLD_NEXT, name);
    if (function != 0) {
        atomic_store_explicit(target, function, memory_order_release);
        return function;
    }
    function = (uintptr_t)fsp_entry_other(name, return_address);
    if (function != 0 && atomic_compare_exchange_strong(&place->taken, &expected, 1)) {
        place->function = function;
        atomic_store_explicit(&place->key, key, memory_order_release);
    }
    return function;
}

void *fsp_mpi_call(_Atomic uintptr_t *target, const void *return_address) {
    const int error = errno;
    const char *name = entry_at((size_t)(target - fsp_mpi_targets));
    uintptr_t function = atomic_load_explicit(target, memory_order_acquire);

    if (!fsp_tls.mpi_known) note(name, return_address);
    if (function == 0) function = find(target, name, return_address);
    fsp_keep_errno(error);
    return function != 0 ? (void *)function : (void *)missing;
}

bool fsp_mpi_watch_calls(const void *return_address) {
    (void)return_address;
    return true;
}

#else

bool fsp_mpi_watch_calls(const void *return_address) {
    (void)return_address;
    return false;
}

#endif
