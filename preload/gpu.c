/*
 * gpu.c - calls that wake a GPU runtime up or need a context, counted.
 *
 * Interposes a few entry points of CUDA's driver (libcuda) and runtime (libcudart) and of
 * HIP (libamdhip64). Normal code, any thread. Each call is passed on unchanged. Questions
 * about devices are left alone: they do no harm before a fork. Who looks the functions up
 * by handle, as libcudart does with the driver's, is not seen.
 *
 * Without a library to call on, the answer is what each of the three interfaces calls
 * "not initialized".
 */
#include "preload/entries.h"
#include "preload/shim.h"

enum {
    NOT_INITIALIZED = 3
}; /* CUDA_ERROR_, cudaErrorInitializationError, hipErrorNotInitialized */

enum what { START, CONTEXT };

#define DECLARE(type, name, arguments) FSP_EXPORT type name arguments;
FSP_ENTRIES(DECLARE)
#undef DECLARE

static void note(enum fsp_gpu gpu, enum what what, const void *return_address) {
    struct fsp_process *self;
    struct fsp_gpu_use *use;

    if (!fsp_ready()) return;
    self = fsp_tls.self != NULL ? fsp_tls.self : fsp_self();
    if (self == NULL) return;
    use = &self->gpu[gpu];
    if (atomic_load_explicit(&use->site, memory_order_relaxed) == 0) {
        const int error = errno;

        atomic_store_explicit(&use->site, fsp_site_call(return_address), memory_order_relaxed);
        fsp_keep_errno(error);
    }
    fsp_count(what == START ? &use->starts : &use->contexts);
}

static void *begin(enum fsp_entry entry, enum fsp_gpu gpu, enum what what,
                   const void *return_address) {
    const struct fsp_target *target = fsp_target_of(entry, return_address);

    if (target == NULL) return NULL;
    note(gpu, what, return_address);
    return atomic_load_explicit(&target->function, memory_order_relaxed);
}

/* NAME(...) with these parameters, passed on as these arguments. */
#define FORWARD(gpu, what, name, parameters, ...)                                                  \
    int name parameters {                                                                          \
        fsp_##name##_type *real = (fsp_##name##_type *)begin(FSP_ENTRY_##name, FSP_GPU_##gpu,      \
                                                             what, __builtin_return_address(0));   \
                                                                                                   \
        return real != NULL ? real(__VA_ARGS__) : NOT_INITIALIZED;                                 \
    }

#define LAUNCH                                                                                     \
    (const void *function, struct fsp_dim3 grid, struct fsp_dim3 block, void **arguments,          \
     size_t shared, void *stream)

FORWARD(CUDA, START, cuInit, (unsigned flags), flags)
FORWARD(CUDA, CONTEXT, cuCtxCreate_v2, (void **context, unsigned flags, int device), context, flags,
        device)
FORWARD(CUDA, CONTEXT, cuDevicePrimaryCtxRetain, (void **context, int device), context, device)
FORWARD(CUDA, CONTEXT, cuMemAlloc_v2, (uint64_t * memory, size_t bytes), memory, bytes)
FORWARD(CUDA, CONTEXT, cuLaunchKernel,
        (void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
         unsigned block_y, unsigned block_z, unsigned shared, void *stream, void **arguments,
         void **extra),
        function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream, arguments,
        extra)
FORWARD(CUDA, START, cudaSetDevice, (int device), device)
FORWARD(CUDA, CONTEXT, cudaMalloc, (void **memory, size_t bytes), memory, bytes)
FORWARD(CUDA, CONTEXT, cudaLaunchKernel, LAUNCH, function, grid, block, arguments, shared, stream)
FORWARD(ROCM, START, hipInit, (unsigned flags), flags)
FORWARD(ROCM, START, hipSetDevice, (int device), device)
FORWARD(ROCM, CONTEXT, hipMalloc, (void **memory, size_t bytes), memory, bytes)
FORWARD(ROCM, CONTEXT, hipLaunchKernel, LAUNCH, function, grid, block, arguments, shared, stream)
