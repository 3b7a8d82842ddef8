/*
 * entries.h - entry points of libraries that are not libc and may come late.
 *
 * FSP_ENTRIES(X) expands X(type, name, arguments) per function: the one list from which
 * the enum, the table of names and a check of forksight.map are made. A function of the
 * list is exported by the shim, which is in the global scope, so whoever calls it by name
 * calls the shim; the shim counts and calls on. Who asks by handle (dlsym) passes it by.
 *
 * The real function is the one that the caller would have been bound to: the next one in
 * the global scope; else what is found among the caller's own dependencies, for a Python
 * extension and the libraries below it are loaded for themselves (RTLD_LOCAL); else that
 * of the first such library that came. The answer is kept, for each calling object of its
 * own when it is not global, and the object that holds the function is never unloaded.
 * So one program may have two OpenMP runtimes, and each caller gets its own.
 *
 * The loader is asked when a library appears (fsp_entries_prepare) and at a caller's first
 * call. In the child of _Fork (fsp_tls.no_loader) it is not asked at all: there the answer
 * is what was known before.
 *
 * A new entry is a line here, a name in forksight.map and a function like those of gomp.c,
 * gpu.c or mpi.c, which does what the program asked for when there is nobody to call.
 */
#ifndef FSP_ENTRIES_H
#define FSP_ENTRIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/segment.h"

typedef void fsp_region(void *); /* the body of a parallel region */

/* clang-format off */
#define FSP_ENTRIES(X)                                                                             \
    X(void, GOMP_parallel, (fsp_region *, void *, unsigned, unsigned))                             \
    X(unsigned, GOMP_parallel_reductions, (fsp_region *, void *, unsigned, unsigned))              \
    X(void, GOMP_parallel_start, (fsp_region *, void *, unsigned))                                 \
    X(void, GOMP_parallel_end, (void))                                                             \
    X(void, GOMP_parallel_sections, (fsp_region *, void *, unsigned, unsigned, unsigned))          \
    X(void, GOMP_parallel_sections_start, (fsp_region *, void *, unsigned, unsigned))              \
    X(void, GOMP_parallel_loop_static, FSP_LOOP_CHUNKS)                                            \
    X(void, GOMP_parallel_loop_dynamic, FSP_LOOP_CHUNKS)                                           \
    X(void, GOMP_parallel_loop_guided, FSP_LOOP_CHUNKS)                                            \
    X(void, GOMP_parallel_loop_nonmonotonic_dynamic, FSP_LOOP_CHUNKS)                              \
    X(void, GOMP_parallel_loop_nonmonotonic_guided, FSP_LOOP_CHUNKS)                               \
    X(void, GOMP_parallel_loop_runtime, FSP_LOOP)                                                  \
    X(void, GOMP_parallel_loop_nonmonotonic_runtime, FSP_LOOP)                                     \
    X(void, GOMP_parallel_loop_maybe_nonmonotonic_runtime, FSP_LOOP)                               \
    X(void, GOMP_parallel_loop_static_start, FSP_LOOP_CHUNKS_START)                                \
    X(void, GOMP_parallel_loop_dynamic_start, FSP_LOOP_CHUNKS_START)                               \
    X(void, GOMP_parallel_loop_guided_start, FSP_LOOP_CHUNKS_START)                                \
    X(void, GOMP_parallel_loop_runtime_start, FSP_LOOP_START)                                      \
    X(int, cuInit, (unsigned))                                                                     \
    X(int, cuCtxCreate_v2, (void **, unsigned, int))                                               \
    X(int, cuDevicePrimaryCtxRetain, (void **, int))                                               \
    X(int, cuMemAlloc_v2, (uint64_t *, size_t))                                                    \
    X(int, cuLaunchKernel, (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,    \
                            unsigned, void *, void **, void **))                                   \
    X(int, cudaSetDevice, (int))                                                                   \
    X(int, cudaMalloc, (void **, size_t))                                                          \
    X(int, cudaLaunchKernel, FSP_LAUNCH)                                                           \
    X(int, hipInit, (unsigned))                                                                    \
    X(int, hipSetDevice, (int))                                                                    \
    X(int, hipMalloc, (void **, size_t))                                                           \
    X(int, hipLaunchKernel, FSP_LAUNCH)                                                            \
    X(void *, ibv_reg_mr, (void *, void *, size_t, int))                                           \
    X(void *, ibv_reg_mr_iova, (void *, void *, size_t, uint64_t, int))                            \
    X(void *, ibv_reg_mr_iova2, (void *, void *, size_t, uint64_t, unsigned))                      \
    X(int, ibv_fork_init, (void))                                                                  \
    X(void *, XOpenDisplay, (const char *))                                                        \
    X(int, MPI_Init, (int *, char ***))                                                            \
    X(int, PMPI_Init, (int *, char ***))                                                           \
    X(int, MPI_Init_thread, (int *, char ***, int, int *))                                         \
    X(int, PMPI_Init_thread, (int *, char ***, int, int *))                                        \
    X(int, MPI_Finalize, (void))                                                                   \
    X(int, PMPI_Finalize, (void))                                                                  \
    X(int, MPI_Abort, (uintptr_t, int))                                                            \
    X(int, PMPI_Abort, (uintptr_t, int))                                                           \
    X(void, mpi_init_, (int *))                                                                    \
    X(void, pmpi_init_, (int *))                                                                   \
    X(void, mpi_init_thread_, (int *, int *, int *))                                               \
    X(void, pmpi_init_thread_, (int *, int *, int *))                                              \
    X(void, mpi_finalize_, (int *))                                                                \
    X(void, pmpi_finalize_, (int *))                                                               \
    X(void, mpi_abort_, (void *, int *, int *))                                                    \
    X(void, pmpi_abort_, (void *, int *, int *))
/* clang-format on */

/* Body, its data, threads; first, last, step of the loop; chunk; flags. */
#define FSP_LOOP_CHUNKS       (fsp_region *, void *, unsigned, long, long, long, long, unsigned)
#define FSP_LOOP              (fsp_region *, void *, unsigned, long, long, long, unsigned)
#define FSP_LOOP_CHUNKS_START (fsp_region *, void *, unsigned, long, long, long, long)
#define FSP_LOOP_START        (fsp_region *, void *, unsigned, long, long, long)

/* Function, grid, block, arguments, shared memory, stream. */
struct fsp_dim3 {
    unsigned x, y, z;
};
#define FSP_LAUNCH (const void *, struct fsp_dim3, struct fsp_dim3, void **, size_t, void *)

enum fsp_entry {
#define FSP_ENTRY(type, name, arguments) FSP_ENTRY_##name,
    FSP_ENTRIES(FSP_ENTRY)
#undef FSP_ENTRY
        FSP_ENTRY_COUNT
};

#define FSP_ENTRY_TYPE(type, name, arguments) typedef type fsp_##name##_type arguments;
FSP_ENTRIES(FSP_ENTRY_TYPE)
#undef FSP_ENTRY_TYPE

/* The shared object that holds real functions, and what of it is asked for beside them;
 * NULL: it has no such function. */
struct fsp_provider {
    const void *base;
    enum fsp_runtime runtime;
    int (*omp_get_max_threads)(void);
    int (*omp_get_active_level)(void);
    int (*omp_get_max_active_levels)(void);
};

struct fsp_target {
    void *_Atomic function; /* NULL: not known */
    const struct fsp_provider *provider;
};

/* Functions in the global scope, which serve every caller (entries.c). */
extern struct fsp_target fsp_global_targets[FSP_ENTRY_COUNT];

/* As fsp_target_of, for callers that it has no answer for yet. */
const struct fsp_target *fsp_entry_find(enum fsp_entry entry, const void *return_address);

/* Where a call that came from return_address belongs; NULL: nowhere. */
static inline const struct fsp_target *fsp_target_of(enum fsp_entry entry,
                                                     const void *return_address) {
    const struct fsp_target *target = &fsp_global_targets[entry];

    if (atomic_load_explicit(&target->function, memory_order_acquire) != NULL) return target;
    return fsp_entry_find(entry, return_address);
}

/* Looks up the entry points of libraries (bits of enum fsp_library) that were mapped
 * since. Asks the loader: not in the child of _Fork. */
void fsp_entries_prepare(uint32_t libraries);

/* A function that is no entry, as that caller would have been bound to it, kept by nobody;
 * NULL: not found, or the loader cannot be asked. */
void *fsp_entry_other(const char *name, const void *return_address);

/* Path of the object that holds a function; NULL: not known. */
const char *fsp_entry_file(const void *function);

/* Two libraries with functions of the same names are there. */
bool fsp_entries_several(void);

#endif
