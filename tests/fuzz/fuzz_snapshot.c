/* fuzz_snapshot.c - a copied stack is refused, or it is unwound without harm to the reader. */
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tracer/stack_offline.h"

static void must(bool condition) {
    if (!condition) abort();
}

/* The input is a snapshot; whatever it names as its objects, this program is one of them. */
static void use_own_program(char *data) {
    const struct fsp_snapshot *snapshot = (const void *)data;
    struct fsp_module *module = (void *)(data + sizeof *snapshot + snapshot->stack_size);

    if (snapshot->modules == 0) return;
    const ssize_t length = readlink("/proc/self/exe", module->path, sizeof module->path - 1);
    module->path[length > 0 ? length : 0] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *out;
    char *copy = aligned_alloc(8, (size + 8) / 8 * 8);
    if (!out) out = fopen("/dev/null", "we");
    must(out && copy);
    memcpy(copy, data, size);
    if (fs_snapshot_sound(copy, size)) {
        use_own_program(copy);
        must(fs_offline_frames(copy, out, "N 0 ") <= FS_OFFLINE_FRAMES_MAX);
    }
    free(copy);
    return 0;
}

/* The program and the C library that called its main. */
static int add_module(struct dl_phdr_info *info, size_t size, void *context) {
    struct fsp_module *module = context;
    (void)size;
    if (module[0].low == 0)
        module[0] = (struct fsp_module){.base = info->dlpi_addr, .low = 1};
    else if (strstr(info->dlpi_name, "libc.so")) {
        module[1].base = info->dlpi_addr;
        strncpy(module[1].path, info->dlpi_name, sizeof module[1].path - 1);
    }
    return 0;
}

/* This function's own stack, so that there is something to unwind; twice, the second time
 * too short. Other architectures than this one find nothing in it. */
uint8_t *fuzz_seed(unsigned number, size_t *size) {
    uint64_t pc = 0, sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    if (number > 1) return NULL;
    __builtin_unwind_init();
#ifdef __x86_64__
    __asm__ volatile("movq %%rsp, %1\n\tleaq 0f(%%rip), %0\n0:" : "=&r"(pc), "=&r"(sp));
#endif
    const uint32_t stack = number ? 256 : 1024;
    *size = sizeof(struct fsp_snapshot) + stack + 2 * sizeof(struct fsp_module);
    char *bytes = aligned_alloc(64, (*size + 63) / 64 * 64);
    memset(bytes, 0, *size);
    *(struct fsp_snapshot *)(void *)bytes =
        (struct fsp_snapshot){.magic = FSP_SNAPSHOT_MAGIC,
                              .version = FSP_SNAPSHOT_VERSION,
                              .machine = FSP_MACHINE_X86_64,
                              .image = 1,
                              .site = 2,
                              .pc = pc,
                              .sp = sp,
                              .fp = (uint64_t)(uintptr_t)__builtin_frame_address(0),
                              .stack_size = stack,
                              .modules = 2};
    /* By the kernel: a sanitizer knows nothing of frames above this one's. */
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    must(memory >= 0 && pread(memory, bytes + sizeof(struct fsp_snapshot), stack, (off_t)sp) > 0);
    close(memory);
    struct fsp_module *module = (void *)(bytes + sizeof(struct fsp_snapshot) + stack);
    dl_iterate_phdr(add_module, module);
    return (uint8_t *)bytes;
}
