/*
 * snapshot.c - copies the stack of a fork site for the collector to unwind.
 *
 * The parent of a birth, before it; never in the child of _Fork or of a fork of a
 * threaded process, for the loader's locks may be held there. Once for each site at
 * which a stack can matter: other threads are alive, or a library is there with
 * which forks are dangerous. About 50 us then, nothing ever after.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/snapshot.h"
#include "preload/text.h"

enum { KEYS = 32, WORDS = FSP_SNAPSHOT_STACK / sizeof(uint64_t) };

static _Atomic uint64_t done[KEYS] FSP_DATA; /* keys of sites that need no look any more */

struct scratch { /* a mapping for the moment: application stacks may be tiny */
    struct fsp_snapshot header;
    uint32_t candidates;
    uint64_t candidate[WORDS]; /* words of the stack that may be addresses of code */
    struct fsp_module module[FSP_SNAPSHOT_MODULES];
};

/* Words that point into the stack itself, small numbers and the like are no code. */
static void find_candidates(struct scratch *scratch) {
    const uint64_t *stack = (const uint64_t *)(uintptr_t)scratch->header.sp;
    const uint64_t low = scratch->header.sp - (1u << 20), high = scratch->header.sp + (1u << 24);

    scratch->candidate[scratch->candidates++] = scratch->header.pc;
    for (uint32_t i = 0; i < scratch->header.stack_size / sizeof *stack; i++)
        if (stack[i] > FSP_PAGE && stack[i] >> 56 == 0 && (stack[i] < low || stack[i] > high) &&
            scratch->candidates < WORDS)
            scratch->candidate[scratch->candidates++] = stack[i];
}

static bool points_into(const struct scratch *scratch, uint64_t low, uint64_t high) {
    for (uint32_t i = 0; i < scratch->candidates; i++)
        if (scratch->candidate[i] - low < high - low) return true;
    return false;
}

/* dl_iterate_phdr tells the main program first, and without a name. */
static int add_module(struct dl_phdr_info *info, size_t size, void *pointer) {
    struct scratch *scratch = pointer;
    const bool named = info->dlpi_name != NULL && info->dlpi_name[0] != '\0';
    struct fsp_module *module = &scratch->module[scratch->header.modules];

    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        const uint64_t low = info->dlpi_addr + header->p_vaddr, high = low + header->p_memsz;

        if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0 ||
            !points_into(scratch, low, high))
            continue;
        module->base = info->dlpi_addr;
        module->low = low;
        module->high = high;
        fsp_text_copy_tail(module->path, sizeof module->path,
                           named ? info->dlpi_name : fsp_segment(0)->executable);
        return ++scratch->header.modules == FSP_SNAPSHOT_MODULES;
    }
    return 0;
}

static bool write_at(int fd, const void *from, size_t bytes, size_t at) {
    return fsp_call(SYS_pwrite64, fd, (long)from, (long)bytes, (long)at) == (long)bytes;
}

/* What lies above the frames of the main thread is nobody's business. */
static size_t wanted(uint64_t sp) {
    const uint64_t above = (uint64_t)(uintptr_t)fsp_stack_end() - sp;

    return above < FSP_SNAPSHOT_STACK ? above : FSP_SNAPSHOT_STACK;
}

/* The stack first: what the kernel could copy can be read afterwards. */
static bool fill(int fd, struct scratch *scratch) {
    struct fsp_snapshot *header = &scratch->header;
    const long copied = fsp_call(SYS_pwrite64, fd, (long)header->sp, (long)wanted(header->sp),
                                 (long)sizeof *header);

    if (copied <= 0) return false;
    header->stack_size = (uint32_t)copied & ~7u;
    find_candidates(scratch);
    dl_iterate_phdr(add_module, scratch);
    return write_at(fd, scratch->module, header->modules * sizeof *scratch->module,
                    sizeof *header + header->stack_size) &&
           write_at(fd, header, sizeof *header, 0);
}

/* All registers that the callers may still need lie in this frame, so that pc, sp
 * and fp are enough to find them. */
__attribute__((noinline)) static bool capture(int fd, struct scratch *scratch) {
    uint64_t pc, sp, fp;

    __builtin_unwind_init();
#if defined __x86_64__
    __asm__ volatile("movq %%rbp, %2\n\tmovq %%rsp, %1\n\tleaq 0f(%%rip), %0\n0:"
                     : "=&r"(pc), "=&r"(sp), "=&r"(fp));
    scratch->header.machine = FSP_MACHINE_X86_64;
#elif defined __aarch64__
    __asm__ volatile("mov %2, x29\n\tmov %1, sp\n\tadr %0, ." : "=&r"(pc), "=&r"(sp), "=&r"(fp));
    scratch->header.machine = FSP_MACHINE_AARCH64;
#else
    return false;
#endif
    scratch->header.pc = pc;
    scratch->header.sp = sp;
    scratch->header.fp = fp;
    return fill(fd, scratch);
}

/* Whether the file is whole. */
static bool take(int fd, uint64_t key) {
    struct scratch *scratch = fsp_map(sizeof *scratch, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    bool whole;

    if (scratch == NULL) return false;
    scratch->header = (struct fsp_snapshot){.magic = FSP_SNAPSHOT_MAGIC,
                                            .version = FSP_SNAPSHOT_VERSION,
                                            .image = fsp_segment(0)->image,
                                            .site = key};
    whole = capture(fd, scratch);
    fsp_unmap(scratch, sizeof *scratch);
    return whole;
}

static void count_lost(void) {
    atomic_fetch_add_explicit(&fsp_segment(0)->lost_snapshots, 1, memory_order_relaxed);
}

/* The file's name is the site's: who can make it is the first of the image's processes. */
static void make(uint64_t key) {
    const uint64_t most = sizeof(struct fsp_snapshot) + FSP_SNAPSHOT_STACK +
                          FSP_SNAPSHOT_MODULES * sizeof(struct fsp_module);
    char path[FSP_PATH_MAX];
    long fd;

    if (!fsp_segment_may_grow(most)) {
        count_lost();
        return;
    }
    if (!fsp_segment_path(path, sizeof path, key, FSP_SUFFIX_SNAPSHOT)) return;
    fd = fsp_create(path, O_WRONLY);
    if (fd == -EEXIST) return;
    if (fd < 0) {
        count_lost();
        return;
    }
    atomic_fetch_add_explicit(&fsp_segment(0)->snapshots, 1, memory_order_relaxed);
    if (!take((int)fd, key)) {
        fsp_call(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0);
        count_lost();
    }
    fsp_call(SYS_close, fd, 0, 0, 0);
}

void fsp_snapshot_note(uint64_t key) {
    _Atomic uint64_t *place = &done[key % KEYS];
    const int error = errno;

    if (key == 0 || atomic_load_explicit(place, memory_order_relaxed) == key || fsp_tls.no_loader ||
        fsp_tls.no_objects)
        return;
    atomic_store_explicit(place, key, memory_order_relaxed);
    if (atomic_load_explicit(&fsp_segment(0)->snapshots, memory_order_relaxed) < FSP_SNAPSHOTS_MAX)
        make(key);
    else
        count_lost();
    fsp_keep_errno(error);
}
