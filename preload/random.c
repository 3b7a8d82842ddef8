/*
 * random.c - the state of numpy's global generator, which fork children inherit.
 *
 * Forks: before the real call, and only when the interpreter itself made the call and
 * its lock is held, for then dictionaries and objects are whole. Nothing is imported and
 * no code of the application runs: dictionaries are read as such, and attributes are read
 * of objects whose types are numpy's own. The numbers that come are not changed.
 *
 * Later looks: exit hooks and signals that others send, in any context but the child of
 * a vfork. The object may be gone by then: the kernel copies, and says so where a load
 * would crash.
 */
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

typedef void object; /* PyObject */

#define FUNCTIONS(X)                                                                               \
    X(object *, PySys_GetObject, (const char *))                                                   \
    X(object *, PyDict_GetItemString, (object *, const char *))                                    \
    X(object *, PyModule_GetDict, (object *))                                                      \
    X(object *, PyObject_Type, (object *))                                                         \
    X(int, PyType_IsSubtype, (object *, object *))                                                 \
    X(object *, PyObject_GetAttrString, (object *, const char *))                                  \
    X(void *, PyCapsule_GetPointer, (object *, const char *))                                      \
    X(void, PyErr_Clear, (void))                                                                   \
    X(void, Py_DecRef, (object *))

static struct {
    _Atomic uint32_t state;
    object *module_type; /* PyModule_Type */
#define POINTER(type, name, arguments) type(*name) arguments;
    FUNCTIONS(POINTER)
#undef POINTER
} python FSP_DATA;

enum { UNKNOWN, USABLE, UNUSABLE };

static bool find_functions(void) {
    bool all = true;

#define FIND(type, name, arguments)                                                                \
    python.name = (__typeof__(python.name))fsp_symbol(#name);                                      \
    all = all && python.name != NULL;
    FUNCTIONS(FIND)
#undef FIND
    python.module_type = fsp_symbol("PyModule_Type");
    return all && python.module_type != NULL;
}

static bool usable(void) {
    uint32_t state = atomic_load_explicit(&python.state, memory_order_acquire);

    if (state == UNKNOWN && !fsp_tls.no_loader) {
        state = find_functions() ? USABLE : UNUSABLE;
        atomic_store_explicit(&python.state, state, memory_order_release);
    }
    return state == USABLE;
}

/* The types of two objects, or an object's type and a type, compared by identity. */
static bool is_exactly(object *thing, object *type) {
    object *its = thing != NULL && type != NULL ? python.PyObject_Type(thing) : NULL;

    if (its != NULL) python.Py_DecRef(its);
    return its != NULL && its == type;
}

/* The names of a module that is loaded already; NULL: it is not, or is no plain module. */
static object *names_of(const char *module) {
    object *modules = python.PySys_GetObject("modules");
    object *found = modules != NULL ? python.PyDict_GetItemString(modules, module) : NULL;
    object *type = found != NULL ? python.PyObject_Type(found) : NULL;
    const bool plain = type != NULL && python.PyType_IsSubtype(type, python.module_type) != 0;

    if (type != NULL) python.Py_DecRef(type);
    return plain ? python.PyModule_GetDict(found) : NULL;
}

static object *attribute(object *owner, const char *name) {
    object *value = python.PyObject_GetAttrString(owner, name);

    if (value == NULL) python.PyErr_Clear();
    return value;
}

/* The state behind a bit generator's capsule: the first member of numpy's bitgen_t. */
static const uint32_t *state_of(object *bit_generator) {
    object *capsule = attribute(bit_generator, "capsule");
    void *const *bitgen =
        capsule != NULL ? python.PyCapsule_GetPointer(capsule, "BitGenerator") : NULL;

    if (capsule != NULL && bitgen == NULL) python.PyErr_Clear();
    if (capsule != NULL) python.Py_DecRef(capsule);
    return bitgen != NULL && (uintptr_t)*bitgen % sizeof(uint32_t) == 0 ? *bitgen : NULL;
}

/* Where the global generator keeps its 624 words and its position. */
static enum fsp_random find_state(const uint32_t **state) {
    object *names = names_of("numpy.random.mtrand"), *twister;
    object *global, *bit_generator;

    if (names == NULL) return FSP_RANDOM_NONE;
    global = python.PyDict_GetItemString(names, "_rand");
    if (!is_exactly(global, python.PyDict_GetItemString(names, "RandomState")))
        return FSP_RANDOM_OTHER;
    names = names_of("numpy.random._mt19937");
    twister = names != NULL ? python.PyDict_GetItemString(names, "MT19937") : NULL;
    bit_generator = attribute(global, "_bit_generator");
    if (is_exactly(bit_generator, twister)) *state = state_of(bit_generator);
    if (bit_generator != NULL) python.Py_DecRef(bit_generator);
    return *state != NULL ? FSP_RANDOM_READ : FSP_RANDOM_OTHER;
}

/* ---- the state ---- */

/* Four chains at once: a multiplication waits for the one before. */
static uint64_t key_of(const uint32_t *state) {
    uint64_t chain[4] = {1, 2, 3, 4}, key = state[FSP_RANDOM_WORDS];

    for (unsigned i = 0; i < FSP_RANDOM_WORDS; i += 8) {
        for (unsigned k = 0; k < 4; k++) {
            const uint64_t pair = state[i + 2 * k] | (uint64_t)state[i + 2 * k + 1] << 32;

            chain[k] = (chain[k] ^ pair) * 0x9e3779b97f4a7c15ull;
            chain[k] ^= chain[k] >> 29;
        }
    }
    for (unsigned k = 0; k < 4; k++)
        key = (key ^ chain[k]) * 0xff51afd7ed558ccdull ^ chain[k] >> 32;
    return key != 0 ? key : 1;
}

enum { KEYS = 16 };

static struct { /* of forks before; children inherit them with the generator */
    uint64_t key;
    bool stored;
} known[KEYS] FSP_DATA;

/* One child's numbers repeat nobody's. A second one from the same state makes the state
 * worth a file of 2.5 KiB. */
static void keep(const uint32_t *state, uint64_t key) {
    const struct fsp_random_head head = {.magic = FSP_RANDOM_MAGIC,
                                         .image = fsp_segment(0)->image,
                                         .key = key,
                                         .position = state[FSP_RANDOM_WORDS]};
    const unsigned at = (unsigned)(key % KEYS);

    if (known[at].key != key) {
        known[at].key = key;
        known[at].stored = false;
    } else if (!known[at].stored) {
        known[at].stored = true;
        fsp_segment_beside(key, FSP_SUFFIX_RANDOM, &head, sizeof head, state,
                           FSP_RANDOM_WORDS * sizeof *state);
    }
}

void fsp_random_note(struct fsp_process *slot, const void *return_address) {
    const uint32_t *state = NULL;

    if (!fsp_python_there()) return;
    slot->random = FSP_RANDOM_UNASKED;
    if (return_address == NULL || !fsp_python_called(return_address) || !fsp_python_may_ask() ||
        !usable())
        return;
    slot->random = (uint8_t)find_state(&state);
    if (state == NULL) return;
    slot->random_key = key_of(state);
    slot->random_at = (uint64_t)(uintptr_t)state;
    keep(state, slot->random_key);
}

enum { VIEWED = sizeof((unsigned[])FSP_RANDOM_VIEWED) / sizeof(unsigned), LOOKS = 16 };

/* The words of the view, then the position. */
static bool read_view(pid_t pid, uintptr_t at, uint32_t words[VIEWED + 1]) {
    static const unsigned viewed[] = FSP_RANDOM_VIEWED;
    const long size = (long)((VIEWED + 1) * sizeof *words);
    struct iovec here = {words, (size_t)size}, there[VIEWED + 1];

    for (unsigned i = 0; i <= VIEWED; i++)
        there[i] = (struct iovec){
            (void *)(at + (i < VIEWED ? viewed[i] : FSP_RANDOM_WORDS) * sizeof *words),
            sizeof *words};
    return fsp_call6(SYS_process_vm_readv, pid, (long)&here, 1, (long)there, VIEWED + 1, 0) == size;
}

/* The process draws on meanwhile: words that are the same in two looks are of one state, unless
 * the position was at the end in the first, where numpy makes them anew (the reader judges). */
void fsp_random_look(const struct fsp_process *slot, pid_t pid, struct fsp_random_view *view) {
    const uintptr_t at = (uintptr_t)slot->random_at;
    uint32_t words[2][VIEWED + 1] = {{0}};
    unsigned look = 0;

    if (at == 0 || !read_view(pid, at, words[0])) return;
    do {
        if (++look == LOOKS || !read_view(pid, at, words[look % 2])) return;
    } while (!fsp_same((const char *)words[0], (const char *)words[1], VIEWED * sizeof **words));
    const uint32_t *whole = words[(look - 1) % 2];

    atomic_store_explicit(&view->seen, 0, memory_order_release);
    for (unsigned i = 0; i < VIEWED; i++)
        view->word[i] = whole[i];
    view->position = (uint16_t)(whole[VIEWED] < UINT16_MAX ? whole[VIEWED] : UINT16_MAX);
    atomic_store_explicit(&view->seen, 1, memory_order_release);
}
