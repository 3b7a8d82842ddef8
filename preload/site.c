/*
 * site.c - places in the code, each stored once per image.
 *
 * Normal code and signal handlers, parents of births. A place that was seen
 * before costs a look into a small private table, which children inherit. In the
 * child of _Fork new places stay unknown: dladdr may wait for a lock that nobody
 * will release. Files of libraries are kept in the same table.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>

#include "preload/shim.h"
#include "preload/text.h"

enum { CALLS = 32, KNOWN = 64, PROBES = 4, THREAD_SITES = 48 };

static struct { /* return addresses: does the interpreter call there? */
    _Atomic uintptr_t address;
    _Atomic uint32_t python;
} calls[CALLS] FSP_DATA;

static _Atomic uint64_t known[KNOWN] FSP_DATA; /* keys whose site is stored */

static uint64_t key_of(uint64_t kind, const void *address) {
    uint64_t key =
        (uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15ull ^ kind * 0xff51afd7ed558ccdull;

    key ^= key >> 29;
    return key != 0 ? key : 1;
}

static bool is_known(uint64_t key) {
    return atomic_load_explicit(&known[key % KNOWN], memory_order_relaxed) == key;
}

/* A main program has no name in the loader's books but argv[0]. */
static bool is_main_program(const void *base) {
    __typeof__(&getauxval) ask = (__typeof__(ask))fsp_symbol("getauxval");
    const uintptr_t headers = ask != NULL ? ask(AT_PHDR) : 0;

    return base == (const void *)(headers & ~(uintptr_t)(FSP_PAGE - 1));
}

static void describe(struct fsp_site *site, const void *address) {
    Dl_info info;

    if (address == NULL || !fsp_address(address, &info)) return;
    site->offset = (uint64_t)((uintptr_t)address - (uintptr_t)info.dli_fbase);
    fsp_text_copy_tail(site->module, sizeof site->module,
                       is_main_program(info.dli_fbase) ? fsp_segment(0)->executable
                                                       : info.dli_fname);
    if (info.dli_sname != NULL) fsp_text_copy(site->symbol, sizeof site->symbol, info.dli_sname);
}

enum found { SITE_THERE, SITE_NEW, SITE_FULL };

/* Looks the key up in a segment, or claims a place for it. */
static enum found claim_in(struct fsp_header *segment, uint64_t key, struct fsp_site **place) {
    struct fsp_site *sites = (struct fsp_site *)((char *)segment + segment->sites_at);

    for (uint32_t i = 0; i < segment->sites; i++) {
        struct fsp_site *site = &sites[i];
        uint64_t expected = 0;

        if (!fsp_segment_commit(segment, site, sizeof *site)) return SITE_FULL;
        *place = site;
        if (__atomic_load_n(&site->key, __ATOMIC_ACQUIRE) == key) return SITE_THERE;
        if (site->key == 0 && __atomic_compare_exchange_n(&site->key, &expected, key, false,
                                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return SITE_NEW;
        if (expected == key) return SITE_THERE;
    }
    return SITE_FULL;
}

static enum found claim(uint64_t key, struct fsp_site **place) {
    unsigned from = 0;

    do {
        const unsigned count = fsp_segment_count();

        for (unsigned i = from; i < count; i++) {
            struct fsp_header *segment = fsp_segment(i);
            const enum found found = segment != NULL ? claim_in(segment, key, place) : SITE_FULL;

            if (found != SITE_FULL) return found;
        }
        from = count;
    } while (fsp_segment_extend(FSP_EXTENSION_ANY));
    return SITE_FULL;
}

static _Atomic uint32_t thread_sites FSP_DATA; /* new ones, of this process and its forefathers */

/* The key, once its site is stored; 0 when it cannot be. subject: an address in the
 * code, or the path of a file. count (NULL: none) counts new sites, THREAD_SITES at
 * most. */
static uint64_t store(uint64_t key, enum fsp_site_kind kind, const void *subject,
                      _Atomic uint32_t *count) {
    struct fsp_site *site = NULL;
    enum found found;

    if (is_known(key)) return key;
    if (fsp_tls.no_loader) return 0;
    if (count != NULL && atomic_load_explicit(count, memory_order_relaxed) >= THREAD_SITES)
        return 0;
    found = claim(key, &site);
    if (found == SITE_FULL) {
        atomic_fetch_add_explicit(&fsp_segment(0)->lost_sites, 1, memory_order_relaxed);
        return 0;
    }
    if (found == SITE_NEW) {
        if (count != NULL) atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
        if (kind == FSP_SITE_OBJECT)
            fsp_text_copy_tail(site->module, sizeof site->module, subject);
        else
            describe(site, subject);
        if (kind == FSP_SITE_PYTHON) fsp_python_text(site);
        atomic_store_explicit(&site->kind, kind, memory_order_release);
    }
    atomic_store_explicit(&known[key % KNOWN], key, memory_order_relaxed);
    return key;
}

/*
 * Only the interpreter and its own extension modules are asked for Python's
 * frames: a C library may fork in a signal handler, when the frames are in
 * pieces although this thread holds the lock.
 */
static bool called_by_python(const void *address) {
    Dl_info info, interpreter;
    const char *name;

    if (!fsp_address(address, &info)) return false;
    if (fsp_address(fsp_python_address(), &interpreter) && info.dli_fbase == interpreter.dli_fbase)
        return true;
    name = fsp_text_basename(info.dli_fname);
    return fsp_find(name, ".cpython-") != NULL || fsp_find(name, ".abi3.") != NULL;
}

static bool python_calls(const void *address) {
    const uint64_t hash = key_of(0, address);
    bool python;

    for (unsigned i = 0; i < PROBES; i++) {
        const unsigned at = (unsigned)((hash + i) % CALLS);
        const uintptr_t there = atomic_load_explicit(&calls[at].address, memory_order_acquire);

        if (there == (uintptr_t)address) return atomic_load(&calls[at].python) != 0;
    }
    if (fsp_tls.no_loader) return false;
    python = called_by_python(address);
    for (unsigned i = 0; i < PROBES; i++) {
        const unsigned at = (unsigned)((hash + i) % CALLS);

        if (atomic_load(&calls[at].address) != 0) continue;
        atomic_store(&calls[at].python, python);
        atomic_store_explicit(&calls[at].address, (uintptr_t)address, memory_order_release);
        break;
    }
    return python;
}

bool fsp_python_called(const void *return_address) {
    return fsp_python_there() && python_calls((const char *)return_address - 1);
}

static uint64_t site_of_call(const void *return_address, _Atomic uint32_t *count) {
    const char *call = (const char *)return_address - 1; /* inside the call, not after it */
    uint64_t key = 0;

    if (fsp_python_called(return_address)) key = fsp_python_key();
    if (key != 0) return store(key, FSP_SITE_PYTHON, call, count);
    return store(key_of(FSP_SITE_CALL, call), FSP_SITE_CALL, call, count);
}

uint64_t fsp_site_call(const void *return_address) {
    return site_of_call(return_address, NULL);
}

uint64_t fsp_site_thread(const void *return_address) {
    return site_of_call(return_address, &thread_sites);
}

uint64_t fsp_site_routine(fsp_routine *start) {
    return store(key_of(FSP_SITE_ROUTINE, (const void *)start), FSP_SITE_ROUTINE,
                 (const void *)start, NULL);
}

uint64_t fsp_site_failure(void) {
    const uint64_t key = fsp_python_failure_key();

    return key != 0 ? store(key, FSP_SITE_PYTHON, NULL, NULL) : 0;
}

uint64_t fsp_site_object(const char *path) {
    uint64_t key = FSP_SITE_OBJECT;

    for (size_t i = 0; path[i] != '\0'; i++)
        key = (key ^ (unsigned char)path[i]) * 0x100000001b3ull;
    return store(key != 0 ? key : 1, FSP_SITE_OBJECT, path, NULL);
}
