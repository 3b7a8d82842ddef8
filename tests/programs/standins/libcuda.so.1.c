/*
 * libcuda.so.1.c - a stand-in for CUDA's driver library, which needs a GPU: the functions
 * that tests call, with the one property that matters here. A context belongs to the
 * process that made it and has a thread of the library's own; in a child that was forked
 * after that, every call fails with CUDA_ERROR_NOT_INITIALIZED, as the driver's do.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3 };

int cuInit(unsigned flags);
int cuDeviceGetCount(int *count);
int cuCtxCreate_v2(void **context, unsigned flags, int device);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuMemAlloc_v2(uint64_t *memory, size_t bytes);
int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                   void *stream, void **arguments, void **extra);

static int initialised;
static pid_t owner; /* of the context; 0: there is none */

static void *handle_events(void *unused) {
    for (;;)
        pause();
    return unused;
}

static int broken(void) {
    return !initialised || (owner != 0 && owner != getpid());
}

int cuInit(unsigned flags) {
    if (flags != 0) return INVALID_VALUE;
    if (owner != 0 && owner != getpid()) return NOT_INITIALIZED;
    initialised = 1;
    return SUCCESS;
}

int cuDeviceGetCount(int *count) {
    if (broken()) return NOT_INITIALIZED;
    *count = 1;
    return SUCCESS;
}

int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    pthread_t thread;

    (void)flags;
    if (broken()) return NOT_INITIALIZED;
    if (device != 0) return INVALID_VALUE;
    if (owner == 0 && pthread_create(&thread, NULL, handle_events, NULL) != 0) return OUT_OF_MEMORY;
    owner = getpid();
    *context = &owner;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    return cuCtxCreate_v2(context, 0, device);
}

int cuMemAlloc_v2(uint64_t *memory, size_t bytes) {
    if (broken() || owner == 0) return NOT_INITIALIZED;
    *memory = (uint64_t)(uintptr_t)malloc(bytes);
    return *memory ? SUCCESS : OUT_OF_MEMORY;
}

int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                   void *stream, void **arguments, void **extra) {
    void (*body)(void **) = (void (*)(void **))function;

    (void)shared, (void)stream, (void)extra;
    if (broken() || owner == 0) return NOT_INITIALIZED;
    for (unsigned i = 0; i < grid_x * grid_y * grid_z * block_x * block_y * block_z; i++)
        body(arguments);
    return SUCCESS;
}
