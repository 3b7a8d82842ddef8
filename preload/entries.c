/*
 * entries.c - finds the real functions behind the entry points of entries.h.
 *
 * Any context but the child of a vfork. Answers are stored once and never change, so
 * readers take no lock; two threads that find the same one store the same. What the
 * loader is asked goes through dlsym and dladdr (the path of an object) and dlopen
 * without loading, whose handle is kept: an object with a function that is called on
 * must not go away.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "preload/entries.h"
#include "preload/names.h"
#include "preload/shim.h"
#include "preload/text.h"

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Phdr) elf_segment;

enum { MODULES = 64, PROVIDERS = 16, CALLS = 256, OBJECTS = 32 };
enum {
    LIBRARIES_WITH_ENTRIES = FSP_LIBRARY_GOMP | FSP_LIBRARY_OMP | FSP_LIBRARY_IOMP |
                             FSP_LIBRARY_CUDA | FSP_LIBRARY_ROCM | FSP_LIBRARY_MPI,
};

struct fsp_target fsp_global_targets[FSP_ENTRY_COUNT] FSP_DATA;

FSP_NAMES(FSP_ENTRIES)

/* Objects that call, and what was found for them. */
static struct module {
    _Atomic uintptr_t low; /* 0: not filled yet */
    uintptr_t high;
    void *handle; /* NULL: its scope is the global one, or it cannot be asked */
    struct fsp_target target[FSP_ENTRY_COUNT];
} modules[MODULES] FSP_DATA;
static _Atomic uint32_t module_count FSP_DATA;

/* Of the places that call, so that the modules need not be searched each time. A place
 * is never overwritten. */
static struct call {
    _Atomic uint32_t taken;
    _Atomic uintptr_t key;
    const struct fsp_target *target;
} calls[CALLS] FSP_DATA;

static struct fsp_provider providers[PROVIDERS] FSP_DATA;
static _Atomic uint32_t provider_count FSP_DATA, provider_ready FSP_DATA;

/* Of the first library that came. */
static struct fsp_target first[FSP_ENTRY_COUNT] FSP_DATA;
static _Atomic uint32_t several FSP_DATA; /* others came, with functions of the same names */
static _Atomic uint32_t prepared FSP_DATA;

static const void *base_of(const void *address) {
    Dl_info info;

    return fsp_address(address, &info) ? info.dli_fbase : NULL;
}

/* ---- providers ---- */

/* Of this object, not of one that it depends on. */
static void *member(void *handle, const void *base, const char *name) {
    void *function = fsp_symbol_of(handle != NULL ? handle : RTLD_DEFAULT, name);

    return function != NULL && base_of(function) == base ? function : NULL;
}

static void describe(struct fsp_provider *provider, const char *path) {
    void *handle = fsp_loaded(path);
    const void *base = provider->base;

#define MEMBER(name) provider->name = (__typeof__(provider->name))member(handle, base, #name)
    MEMBER(omp_get_max_threads);
    MEMBER(omp_get_active_level);
    MEMBER(omp_get_max_active_levels);
#undef MEMBER
    provider->runtime =
        member(handle, base, "__kmpc_fork_call") != NULL ? FSP_RUNTIME_KMP : FSP_RUNTIME_GOMP;
}

/* NULL for functions that are none to call on: our own. */
static const struct fsp_provider *provider_of(const void *function) {
    static const struct fsp_provider nobody = {.runtime = FSP_RUNTIME_COUNT};
    const uint32_t ready = atomic_load_explicit(&provider_ready, memory_order_acquire);
    Dl_info info;
    uint32_t i;

    if (!fsp_address(function, &info)) return &nobody;
    if (info.dli_fbase == base_of(fsp_global_targets)) return NULL;
    for (i = 0; i < PROVIDERS; i++)
        if ((ready >> i & 1) != 0 && providers[i].base == info.dli_fbase) return &providers[i];
    i = atomic_fetch_add(&provider_count, 1);
    if (i >= PROVIDERS) {
        atomic_store(&provider_count, PROVIDERS);
        return &nobody;
    }
    providers[i].base = info.dli_fbase;
    describe(&providers[i], info.dli_fname);
    atomic_fetch_or_explicit(&provider_ready, 1u << i, memory_order_release);
    return &providers[i];
}

static bool set_target(struct fsp_target *target, void *function) {
    const struct fsp_provider *provider = function != NULL ? provider_of(function) : NULL;

    if (provider == NULL) return false;
    target->provider = provider;
    atomic_store_explicit(&target->function, function, memory_order_release);
    return true;
}

static bool is_set(const struct fsp_target *target) {
    return atomic_load_explicit(&target->function, memory_order_acquire) != NULL;
}

/* ---- callers ---- */

static struct module *module_of(uintptr_t address) {
    const uint32_t count = atomic_load_explicit(&module_count, memory_order_relaxed);

    for (uint32_t i = 0; i < count && i < MODULES; i++) {
        const uintptr_t low = atomic_load_explicit(&modules[i].low, memory_order_acquire);

        if (low != 0 && address >= low && address < modules[i].high) return &modules[i];
    }
    return NULL;
}

/* Bytes that an object takes in memory, as its own headers say. */
static uintptr_t size_of(const void *base) {
    const elf_header *header = base;
    const elf_segment *segments;
    uintptr_t from = UINTPTR_MAX, to = 0;

    if (!fsp_same((const char *)header->e_ident, ELFMAG, SELFMAG)) return 0;
    segments = (const elf_segment *)((const char *)base + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD) continue;
        if (segments[i].p_vaddr < from) from = segments[i].p_vaddr;
        if (segments[i].p_vaddr + segments[i].p_memsz > to)
            to = segments[i].p_vaddr + segments[i].p_memsz;
    }
    return to > from ? to - from : 0;
}

static struct module *add_module(const void *address) {
    Dl_info info;
    struct module *module;
    uint32_t i;
    uintptr_t size;

    if (!fsp_address(address, &info)) return NULL;
    size = size_of(info.dli_fbase);
    if (size == 0) return NULL;
    i = atomic_fetch_add(&module_count, 1);
    if (i >= MODULES) {
        atomic_store(&module_count, MODULES);
        return NULL;
    }
    module = &modules[i];
    module->high = (uintptr_t)info.dli_fbase + size;
    module->handle = info.dli_fname[0] != '\0' ? fsp_loaded(info.dli_fname) : NULL;
    atomic_store_explicit(&module->low, (uintptr_t)info.dli_fbase, memory_order_release);
    return module;
}

/* ---- libraries ---- */

struct search {
    uint32_t libraries;
    unsigned skip;
    char path[256];
};

static int next_object(struct dl_phdr_info *info, size_t size, void *pointer) {
    struct search *search = pointer;

    (void)size;
    if (info->dlpi_name == NULL || info->dlpi_name[0] != '/' ||
        (fsp_library_of(info->dlpi_name) & search->libraries) == 0 ||
        fsp_length(info->dlpi_name) >= sizeof search->path || search->skip-- > 0)
        return 0;
    fsp_text_copy(search->path, sizeof search->path, info->dlpi_name);
    return 1;
}

static void prepare_object(const char *path) {
    void *handle = fsp_loaded(path);

    for (unsigned i = 0; handle != NULL && i < FSP_ENTRY_COUNT; i++) {
        void *function = fsp_symbol_of(handle, name_at(i));

        if (!is_set(&first[i]))
            set_target(&first[i], function);
        else if (function != NULL && function != atomic_load(&first[i].function))
            atomic_store(&several, 1);
    }
}

void fsp_entries_prepare(uint32_t libraries) {
    const uint32_t wanted = libraries & LIBRARIES_WITH_ENTRIES;
    struct search search = {.libraries = wanted};
    int error;

    if (fsp_tls.no_loader || fsp_tls.no_objects ||
        (wanted & ~atomic_load_explicit(&prepared, memory_order_relaxed)) == 0)
        return;
    error = errno;
    for (unsigned n = 0; n < OBJECTS; n++) {
        search.skip = n;
        if (dl_iterate_phdr(next_object, &search) == 0) break;
        prepare_object(search.path);
    }
    atomic_fetch_or(&prepared, wanted);
    fsp_keep_errno(error);
}

/* ---- answers ---- */

static const struct fsp_target *first_of(enum fsp_entry entry) {
    return is_set(&first[entry]) ? &first[entry] : NULL;
}

/* What that caller would have been bound to: the next one in the global scope (*module NULL),
 * else one of the caller's own dependencies. */
static void *bound_to(const char *name, const void *address, struct module **module) {
    void *function = fsp_symbol_of(RTLD_NEXT, name);

    *module = NULL;
    if (function != NULL && provider_of(function) != NULL) return function;
    *module = module_of((uintptr_t)address);
    if (*module == NULL) *module = add_module(address);
    if (*module == NULL || (*module)->handle == NULL) return NULL;
    function = fsp_symbol_of((*module)->handle, name);
    return function != NULL && provider_of(function) != NULL ? function : NULL;
}

static const struct fsp_target *ask(enum fsp_entry entry, const void *address) {
    struct module *module;
    void *function = bound_to(name_at(entry), address, &module);
    struct fsp_target *target =
        module != NULL ? &module->target[entry] : &fsp_global_targets[entry];

    if (set_target(target, function)) return target;
    fsp_entries_prepare(LIBRARIES_WITH_ENTRIES);
    return first_of(entry);
}

static void remember(uintptr_t key, const struct fsp_target *target) {
    struct call *call = &calls[(key ^ key >> 8) % CALLS];
    uint32_t expected = 0;

    if (!atomic_compare_exchange_strong(&call->taken, &expected, 1)) return;
    call->target = target;
    atomic_store_explicit(&call->key, key, memory_order_release);
}

const struct fsp_target *fsp_entry_find(enum fsp_entry entry, const void *return_address) {
    const void *address = (const char *)return_address - 1; /* inside the call, not after it */
    const uintptr_t key = (uintptr_t)address ^ (uintptr_t)entry << (8 * sizeof key - 7);
    const struct call *call = &calls[(key ^ key >> 8) % CALLS];
    const struct fsp_target *target;
    struct module *module;
    int error;

    if (atomic_load_explicit(&call->key, memory_order_acquire) == key) return call->target;
    module = module_of((uintptr_t)address);
    target = module != NULL && is_set(&module->target[entry]) ? &module->target[entry] : NULL;
    /* A child in which the loader's locks may be held asks only where one answer is not
     * the only one that there can be. */
    if (target == NULL && (fsp_tls.no_loader || fsp_tls.no_objects) && atomic_load(&several) == 0)
        target = first_of(entry);
    if (target == NULL && fsp_tls.no_loader) return NULL;
    if (target == NULL) {
        error = errno;
        target = ask(entry, address);
        fsp_keep_errno(error);
    }
    if (target != NULL) remember(key, target);
    return target;
}

void *fsp_entry_other(const char *name, const void *return_address) {
    const int error = errno;
    struct module *module;
    void *function;

    if (fsp_tls.no_loader) return NULL;
    function = bound_to(name, (const char *)return_address - 1, &module);
    fsp_keep_errno(error);
    return function;
}

const char *fsp_entry_file(const void *function) {
    Dl_info info;

    return fsp_address(function, &info) ? info.dli_fname : NULL;
}

bool fsp_entries_several(void) {
    return atomic_load_explicit(&several, memory_order_relaxed) != 0;
}
