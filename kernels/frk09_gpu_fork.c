/*
 * frk09_gpu_fork.c - memory of a GPU, asked for by a parent and by the children it forks.
 *
 *   frk09_gpu_fork [count-only]
 *
 * CUDA ties its context to the process that made it: the calls of children that are forked
 * after that fail. With count-only the parent just asks how many devices there are, and
 * the context is each child's own.
 *
 * forksight: FRK-09; with count-only nothing.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* As in cuda.h, which not every machine has. */
typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
CUresult cuInit(unsigned flags);
CUresult cuDeviceGetCount(int *count);
CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device);
CUresult cuMemAlloc_v2(CUdeviceptr *memory, size_t bytes);

enum { WORKERS = 2, MIB = 1 << 20 };

static CUresult use_device(void) {
    CUcontext context;
    CUdeviceptr memory;
    CUresult result = cuInit(0);

    if (result == 0) result = cuCtxCreate_v2(&context, 0, 0);
    if (result == 0) result = cuMemAlloc_v2(&memory, MIB);
    return result;
}

int main(int argc, char **argv) {
    const int count_only = argc > 1 && strcmp(argv[1], "count-only") == 0;
    int devices = 0;

    if (!count_only) printf("parent: CUDA says %d\n", use_device());
    if (count_only && cuInit(0) == 0) cuDeviceGetCount(&devices);
    fflush(stdout);
    for (int i = 0; i < WORKERS; i++)
        if (fork() == 0) {
            printf("worker: CUDA says %d\n", use_device());
            fflush(stdout);
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    return 0;
}
