/*
 * libraries.c - which thread, message-passing and interpreter libraries are there.
 *
 * Normal code; never in the child of _Fork, and not in the child of a fork while
 * other threads ran: the lock of dl_iterate_phdr may be held there for ever.
 * Standing in front of dlopen would break RUNPATH, so the loader's count of added
 * objects is compared at hooks that we own: the objects are looked at only when
 * it moved. A hook that changes a thread variable looks first, so it is certain which
 * libraries were there before the change.
 *
 * No library is asked anything: the getters of a thread library may take its locks or
 * start it up. What they would tell is told by variables, masks and threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "preload/call.h"
#include "preload/shim.h"
#include "preload/text.h"

/* The texts lie in the tables: pointers to them would be relocated at every exec. */
enum { TEXT_MAX = 20 };

static const struct {
    char prefix[TEXT_MAX]; /* of the file name, after "lib" */
    uint32_t library;
} families[] = {
    {"gomp.", FSP_LIBRARY_GOMP},         {"gomp-", FSP_LIBRARY_GOMP},
    {"omp.", FSP_LIBRARY_OMP},           {"omp5", FSP_LIBRARY_OMP},
    {"omp-", FSP_LIBRARY_OMP},           {"iomp5", FSP_LIBRARY_IOMP},
    {"openblas", FSP_LIBRARY_OPENBLAS},  {"scipy_openblas", FSP_LIBRARY_OPENBLAS},
    {"mkl_", FSP_LIBRARY_MKL},           {"blis", FSP_LIBRARY_BLIS},
    {"tbb.", FSP_LIBRARY_TBB},           {"tbb12", FSP_LIBRARY_TBB},
    {"mpi.", FSP_LIBRARY_MPI},           {"mpi_", FSP_LIBRARY_MPI},
    {"mpich", FSP_LIBRARY_MPI},          {"mpifort", FSP_LIBRARY_MPI},
    {"python3", FSP_LIBRARY_PYTHON},     {"cuda.", FSP_LIBRARY_CUDA},
    {"cudart", FSP_LIBRARY_CUDA},        {"amdhip64", FSP_LIBRARY_ROCM},
    {"hsa-runtime64", FSP_LIBRARY_ROCM}, {"goto", FSP_LIBRARY_OPENBLAS},
    {"ugni.", FSP_LIBRARY_UGNI},         {"cxi.", FSP_LIBRARY_CXI},
    {"ibverbs.", FSP_LIBRARY_VERBS},     {"efa.", FSP_LIBRARY_EFA},
    {"fabric.", FSP_LIBRARY_FABRIC},     {"ucp.", FSP_LIBRARY_UCX},
};

static const struct {
    char part[TEXT_MAX]; /* of the path, from a slash on */
    uint32_t library;
} folders[] = {
    {"/numexpr/", FSP_LIBRARY_NUMEXPR},
    {"/numba/", FSP_LIBRARY_NUMBA},
    {"/polars/", FSP_LIBRARY_POLARS},
    {"/_polars_runtime", FSP_LIBRARY_POLARS},
};

/* Of a package's many modules, those that stand for it: the others make no threads. */
static const struct {
    uint32_t library;
    char prefix[TEXT_MAX]; /* of the file name */
} modules[] = {
    {FSP_LIBRARY_NUMEXPR, "interpreter."},   {FSP_LIBRARY_NUMBA, "_dispatcher."},
    {FSP_LIBRARY_NUMBA, "workqueue."},       {FSP_LIBRARY_NUMBA, "omppool."},
    {FSP_LIBRARY_NUMBA, "tbbpool."},         {FSP_LIBRARY_POLARS, "polars."},
    {FSP_LIBRARY_POLARS, "_polars_runtime"},
};

/* Families that get an event of their own when they come. */
enum {
    PACKAGES = FSP_LIBRARY_NUMEXPR | FSP_LIBRARY_NUMBA | FSP_LIBRARY_POLARS,
    THREADED = FSP_LIBRARY_GOMP | FSP_LIBRARY_OMP | FSP_LIBRARY_IOMP | FSP_LIBRARY_OPENBLAS |
               FSP_LIBRARY_MKL | FSP_LIBRARY_BLIS | FSP_LIBRARY_TBB | PACKAGES,
};

/* Distributions put BLAS behind links: the name is one thing, the file another. */
static const struct {
    char part[TEXT_MAX]; /* of the file's real path */
    uint32_t library;
} blas[] = {
    {"openblas", FSP_LIBRARY_OPENBLAS},
    {"blis", FSP_LIBRARY_BLIS},
    {"mkl", FSP_LIBRARY_MKL},
};

/* dl_iterate_phdr takes a lock, which after a fork is a page to copy: so births
 * ask only now and then. */
enum { BIRTHS_ASK_EVERY_NS = 50 * 1000 * 1000 };

static _Atomic uint64_t adds_seen FSP_DATA, t_seen FSP_DATA;

/* Files that this process (or a forefather before the fork) told of. */
enum { TOLD = 24 };
static _Atomic uint64_t told[TOLD] FSP_DATA;

static uint32_t family_of_blas(const char *path) {
    char link[32], target[256];
    struct fsp_text text = {.buffer = link, .size = sizeof link};
    const int fd = fsp_open(path, O_PATH, 0);
    ssize_t length;

    if (fd < 0) return 0;
    fsp_text_string(&text, "/proc/self/fd/");
    fsp_text_number(&text, (uint64_t)fd);
    length = fsp_readlink(link, target, sizeof target - 1);
    fsp_close(fd);
    target[length > 0 ? length : 0] = '\0';
    for (unsigned i = 0; i < sizeof blas / sizeof *blas; i++)
        if (fsp_find(target, blas[i].part) != NULL) return blas[i].library;
    return 0;
}

static uint32_t family_of_folder(const char *slash) {
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++)
        if (fsp_starts(slash, folders[i].part)) return folders[i].library;
    return 0;
}

/* Every program's objects are asked about at its end, so the path is gone through once. */
static uint32_t family_of(const char *path) {
    const char *name = path;
    uint32_t folder = 0;

    for (const char *at = path; *at != '\0'; at++) {
        FSP_PLAIN_LOOP();
        if (*at != '/') continue;
        name = at + 1;
        if (folder == 0) folder = family_of_folder(at);
    }
    if (fsp_starts(name, "lib"))
        for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
            if (fsp_starts(name + 3, families[i].prefix)) return families[i].library;
    if (folder != 0) return folder;
    if (fsp_starts(name, "libblas.") || fsp_starts(name, "liblapack.")) return family_of_blas(path);
    return 0;
}

uint32_t fsp_library_of(const char *path) {
    return family_of(path);
}

static int count(struct dl_phdr_info *info, size_t size, void *adds) {
    (void)size;
    *(uint64_t *)adds = info->dlpi_adds;
    return 1; /* one object is enough */
}

static bool stands_for(uint32_t family, const char *path) {
    const char *name = fsp_text_basename(path);

    if ((family & PACKAGES) == 0) return (family & THREADED) != 0;
    for (unsigned i = 0; i < sizeof modules / sizeof *modules; i++)
        if (modules[i].library == family && fsp_starts(name, modules[i].prefix)) return true;
    return false;
}

/* Of a file, once in a process. Two threads that look at one time may both tell. */
static void tell(uint32_t family, const char *path, uint64_t now) {
    const uint64_t key = fsp_site_object(path);
    struct fsp_event event = {
        .kind = FSP_EVENT_LIBRARY, .t = now, .a = (int32_t)family, .site = key};

    for (unsigned i = 0; key != 0 && i < TOLD; i++) {
        uint64_t expected = 0;

        if (atomic_load_explicit(&told[i], memory_order_relaxed) == key) return;
        if (!atomic_compare_exchange_strong(&told[i], &expected, key)) continue;
        event.u[0] = atomic_load_explicit(&t_seen, memory_order_relaxed);
        fsp_event(event);
        return;
    }
}

struct look {
    uint32_t found;
    uint64_t now;
};

static int look(struct dl_phdr_info *info, size_t size, void *pointer) {
    struct look *at = pointer;
    uint32_t family;

    (void)size;
    if (info->dlpi_name == NULL || info->dlpi_name[0] != '/') return 0;
    family = family_of(info->dlpi_name);
    at->found |= family;
    if (stands_for(family, info->dlpi_name)) tell(family, info->dlpi_name, at->now);
    return 0;
}

/* now: the time to note, 0: to be asked when there is something. */
static void note(uint64_t now) {
    const int error = errno;
    uint64_t adds = 0;
    struct look at = {.now = now};

    if (fsp_tls.no_objects || fsp_tls.no_loader) return;
    dl_iterate_phdr(count, &adds);
    if (adds == atomic_load_explicit(&adds_seen, memory_order_relaxed)) return;
    atomic_store_explicit(&adds_seen, adds, memory_order_relaxed);
    if (now == 0) at.now = fsp_now_cold();
    dl_iterate_phdr(look, &at);
    if (fsp_python_there()) at.found |= FSP_LIBRARY_PYTHON;
    atomic_fetch_or_explicit(&fsp_segment(0)->libraries, at.found, memory_order_relaxed);
    fsp_keep_errno(error);
}

void fsp_libraries_note_last(void) {
    note(0);
}

void fsp_libraries_note(uint64_t now) {
    note(now);
    atomic_store_explicit(&t_seen, now, memory_order_relaxed);
}

void fsp_libraries_note_at(uint64_t now) {
    if (now - atomic_load_explicit(&t_seen, memory_order_relaxed) >= BIRTHS_ASK_EVERY_NS)
        fsp_libraries_note(now);
}
