/*
 * hip_fork.c - calls HIP (a stand-in) before and after a fork.
 *
 *   hip_fork memory    the parent allocates and launches, then its child does
 *   hip_fork queried   the parent chooses its device only
 *
 * Exits 1 when arguments or results of a call did not come through unchanged.
 */
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct dim3 {
    unsigned x, y, z;
};
int hipInit(unsigned flags);
int hipSetDevice(int device);
int hipMalloc(void **memory, size_t bytes);
int hipLaunchKernel(const void *function, struct dim3 grid, struct dim3 block, void **arguments,
                    size_t shared, void *stream);

static int launches;

static void kernel(void **arguments) {
    launches += *(int *)arguments[0];
}

static int use(void) {
    int step = 2;
    void *memory = NULL, *arguments[] = {&step};

    if (hipMalloc(&memory, 4096) != 0 || memory == NULL) return -1;
    memset(memory, 1, 4096);
    return hipLaunchKernel((const void *)kernel, (struct dim3){2, 3, 1}, (struct dim3){5, 1, 7},
                           arguments, 0, NULL);
}

int main(int argc, char **argv) {
    const int before = argc > 1 && strcmp(argv[1], "memory") == 0;
    int status;

    if (hipInit(1) != 1 || hipInit(0) != 0 || hipSetDevice(7) != 1 || hipSetDevice(0) != 0)
        return 1;
    if (before && (use() != 0 || launches != 2 * 3 * 5 * 7 * 2)) return 1;
    if (fork() == 0) _exit(use() == 0);
    wait(&status);
    return WEXITSTATUS(status) != !before;
}
