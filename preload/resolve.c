/*
 * resolve.c - finds the real functions behind the hooks.
 *
 * Runs in any context before the first record, normally in the constructor.
 * dlsym may allocate, so the shim never stands in front of malloc. RTLD_NEXT is
 * judged by the return address of the call: a dlsym that the compiler turned
 * into a tail call would search from the caller's object, hence look_up.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

#include "preload/names.h"
#include "preload/shim.h"

/* dlsym moved from libdl to libc in glibc 2.34 and got a new version there. The
 * first version exists on both sides; weak, for an old program may have no libdl:
 * then the shim stays off. */
#if defined __GLIBC__ && defined __x86_64__
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
#elif defined __GLIBC__ && defined __aarch64__
__asm__(".symver dlsym, dlsym@GLIBC_2.17");
#endif
extern void *dlsym(void *restrict handle, const char *restrict name) __attribute__((weak));

struct fsp_real fsp_real_functions FSP_DATA;

FSP_NAMES(FSP_HOOKS)
_Static_assert(sizeof(struct fsp_real) == NAMES * sizeof(void *), "a pointer per name");

/* Stands in for a function that this libc does not have. */
static long missing(void) {
    errno = ENOSYS;
    return -1;
}

/* The empty statement needs the result, so the call returns here. */
static void *look_up(void *handle, const char *name) {
    void *symbol = dlsym != NULL ? dlsym(handle, name) : NULL;

    __asm__ volatile("" : "+r"(symbol));
    return symbol;
}

static void *find(unsigned i) {
    void *function = look_up(RTLD_NEXT, name_at(i));

    if (function == NULL) function = (void *)missing;
    __atomic_store_n((void **)&fsp_real_functions + i, function, __ATOMIC_RELEASE);
    return function;
}

void *fsp_resolve(size_t offset) {
    return find((unsigned)(offset / sizeof(void *)));
}

void *fsp_symbol(const char *name) {
    return look_up(RTLD_DEFAULT, name);
}

void *fsp_symbol_of(void *handle, const char *name) {
    return look_up(handle, name);
}

/* What few programs come to ask for is looked up when they do, once: each name that the
 * object itself needs is one more that the loader looks up at every start. */
static void *look_up_once(void *_Atomic *known, const char *name) {
    void *function = atomic_load_explicit(known, memory_order_acquire);

    if (function == NULL) {
        function = look_up(RTLD_DEFAULT, name);
        atomic_store_explicit(known, function, memory_order_release);
    }
    return function;
}

bool fsp_address(const void *address, Dl_info *info) {
    static void *_Atomic known FSP_DATA;
    int (*ask)(const void *, Dl_info *) =
        (int (*)(const void *, Dl_info *))look_up_once(&known, "dladdr");

    return ask != NULL && ask(address, info) != 0;
}

void *fsp_loaded(const char *path) {
    static void *_Atomic known FSP_DATA;
    void *(*ask)(const char *, int) = (void *(*)(const char *, int))look_up_once(&known, "dlopen");

    return ask != NULL ? ask(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

bool fsp_resolvable(void) {
    return dlsym != NULL;
}

void fsp_resolve_all(void) {
    static _Atomic uint32_t done FSP_DATA;

    if (atomic_load_explicit(&done, memory_order_acquire)) return;
    for (unsigned i = 0; i < NAMES; i++)
        find(i);
    atomic_store_explicit(&done, 1, memory_order_release);
}
