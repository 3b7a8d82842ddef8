/*
 * libamdhip64.so.6.c - a stand-in for HIP's runtime, which needs a GPU: the functions that
 * tests call. Memory and kernels are the processor's; both are refused in a process that
 * was forked after the first of them.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3 };

struct dim3 {
    unsigned x, y, z;
};

int hipInit(unsigned flags);
int hipGetDeviceCount(int *count);
int hipSetDevice(int device);
int hipMalloc(void **memory, size_t bytes);
int hipLaunchKernel(const void *function, struct dim3 grid, struct dim3 block, void **arguments,
                    size_t shared, void *stream);

static pid_t owner;

static int claim(void) {
    if (owner == 0) owner = getpid();
    return owner == getpid();
}

int hipInit(unsigned flags) {
    return flags == 0 ? SUCCESS : INVALID_VALUE;
}

int hipGetDeviceCount(int *count) {
    *count = 1;
    return SUCCESS;
}

int hipSetDevice(int device) {
    return device == 0 ? SUCCESS : INVALID_VALUE;
}

int hipMalloc(void **memory, size_t bytes) {
    if (!claim()) return NOT_INITIALIZED;
    *memory = malloc(bytes);
    return *memory ? SUCCESS : OUT_OF_MEMORY;
}

int hipLaunchKernel(const void *function, struct dim3 grid, struct dim3 block, void **arguments,
                    size_t shared, void *stream) {
    void (*body)(void **) = (void (*)(void **))(size_t)function;

    (void)shared, (void)stream;
    if (!claim()) return NOT_INITIALIZED;
    for (unsigned i = 0; i < grid.x * grid.y * grid.z * block.x * block.y * block.z; i++)
        body(arguments);
    return SUCCESS;
}
