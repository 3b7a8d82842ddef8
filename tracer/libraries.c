/* libraries.c - see libraries.h. */
#include "tracer/libraries.h"
#include "tracer/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "preload/segment.h"

enum follow { /* what may follow the prefix of a base name */
              ANYTHING,
              NO_LETTER, /* libomp.so, libomp-2f1e.so; but not libompitrace.so */
};

static const struct {
    const char *prefix;
    enum follow follow;
    uint32_t bit;
} by_name[] = {
    {"libgomp", NO_LETTER, FSP_LIBRARY_GOMP},
    {"libomp", NO_LETTER, FSP_LIBRARY_OMP},
    {"libiomp", NO_LETTER, FSP_LIBRARY_IOMP},
    {"libopenblas", ANYTHING, FSP_LIBRARY_OPENBLAS}, /* libopenblaso, libopenblas64_p-r0 ... */
    {"libscipy_openblas", ANYTHING, FSP_LIBRARY_OPENBLAS},
    {"libgoto", ANYTHING, FSP_LIBRARY_OPENBLAS},
    {"libmkl_", ANYTHING, FSP_LIBRARY_MKL},
    {"libblis", NO_LETTER, FSP_LIBRARY_BLIS},
    {"libtbb", NO_LETTER, FSP_LIBRARY_TBB},
    {"libmpi", NO_LETTER, FSP_LIBRARY_MPI},
    {"libmpich", NO_LETTER, FSP_LIBRARY_MPI},
    {"libpython", NO_LETTER, FSP_LIBRARY_PYTHON},
    {"python", NO_LETTER, FSP_LIBRARY_PYTHON}, /* an executable that holds the interpreter */
    {"libcuda", NO_LETTER, FSP_LIBRARY_CUDA},
    {"libcudart", NO_LETTER, FSP_LIBRARY_CUDA},
    {"libamdhip64", NO_LETTER, FSP_LIBRARY_ROCM},
    {"libhsa-runtime64", NO_LETTER, FSP_LIBRARY_ROCM},
    {"libugni", NO_LETTER, FSP_LIBRARY_UGNI},
    {"libcxi", NO_LETTER, FSP_LIBRARY_CXI},
    {"libibverbs", NO_LETTER, FSP_LIBRARY_VERBS},
    {"libefa", NO_LETTER, FSP_LIBRARY_EFA},
    {"libfabric", NO_LETTER, FSP_LIBRARY_FABRIC},
    {"libucp", NO_LETTER, FSP_LIBRARY_UCX},
};

/* Python packages: their extension modules have names of no meaning. */
static const struct {
    const char *folder;
    uint32_t bit;
} by_folder[] = {
    {"/numexpr/", FSP_LIBRARY_NUMEXPR},
    {"/numba/", FSP_LIBRARY_NUMBA},
    {"/polars/", FSP_LIBRARY_POLARS},
    {"/_polars_runtime", FSP_LIBRARY_POLARS},
};

/*
 * What a family is called, and what sizes its teams. As its sources say: OpenBLAS
 * (driver/others/openblas_env.c, memory.c) and libgomp (env.c) read the environment in
 * their constructors, numexpr when it is imported; libomp (kmp_runtime.cpp), BLIS
 * (bli_init.c) and MKL at the first call of theirs, Numba when it first compiles. BLIS
 * runs alone unless a variable says otherwise. numexpr counts the processors of the
 * machine and takes a part of them, which depends on its version.
 */
static const struct family {
    uint32_t bit;
    const char *name;
    bool at_load;
    enum fs_pool_default without;
    const char *sizing[4];
} families[] = {
    {FSP_LIBRARY_GOMP, "libgomp", true, FS_POOL_MASK, {"OMP_NUM_THREADS"}},
    {FSP_LIBRARY_OMP, "libomp", false, FS_POOL_MASK, {"OMP_NUM_THREADS"}},
    {FSP_LIBRARY_IOMP, "libiomp5", false, FS_POOL_MASK, {"OMP_NUM_THREADS"}},
    {FSP_LIBRARY_OPENBLAS,
     "OpenBLAS",
     true,
     FS_POOL_MASK,
     {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"}},
    {FSP_LIBRARY_MKL, "MKL", false, FS_POOL_MASK, {"MKL_NUM_THREADS", "OMP_NUM_THREADS"}},
    {FSP_LIBRARY_BLIS, "BLIS", false, FS_POOL_ONE, {"BLIS_NUM_THREADS", "OMP_NUM_THREADS"}},
    {FSP_LIBRARY_TBB, "TBB", false, FS_POOL_MASK, {NULL}},
    {FSP_LIBRARY_NUMEXPR,
     "NumExpr",
     true,
     FS_POOL_UNKNOWN,
     {"NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"}},
    {FSP_LIBRARY_NUMBA, "Numba", false, FS_POOL_MASK, {"NUMBA_NUM_THREADS"}},
    {FSP_LIBRARY_POLARS, "Polars", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_MPI, "MPI", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_PYTHON, "Python", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_CUDA, "CUDA", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_ROCM, "ROCm", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_UGNI, "libugni", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_CXI, "libcxi", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_VERBS, "libibverbs", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_EFA, "libefa", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_FABRIC, "libfabric", false, FS_POOL_UNKNOWN, {NULL}},
    {FSP_LIBRARY_UCX, "UCX", false, FS_POOL_UNKNOWN, {NULL}},
};

static bool begins(const char *name, const char *prefix, enum follow follow) {
    const size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0) return false;
    return follow == ANYTHING || !isalpha((unsigned char)name[length]);
}

uint32_t fs_library_of(const char *path) {
    const char *name = fs_file_name(path);
    uint32_t bits = 0;
    for (size_t i = 0; i < sizeof by_name / sizeof by_name[0]; i++)
        if (begins(name, by_name[i].prefix, by_name[i].follow)) bits |= by_name[i].bit;
    for (size_t i = 0; i < sizeof by_folder / sizeof by_folder[0]; i++)
        if (strstr(path, by_folder[i].folder) && strstr(name, ".so")) bits |= by_folder[i].bit;
    return bits;
}

static const struct family *find_family(uint32_t bit) {
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (families[i].bit == bit) return &families[i];
    return NULL;
}

const char *fs_library_name(uint32_t bit) {
    const struct family *family = find_family(bit);
    return family ? family->name : NULL;
}

bool fs_build_is_openmp(const char *build) {
    return build && (strcmp(build, "openmp") == 0 || strcmp(build, "intel") == 0 ||
                     strcmp(build, "gnu") == 0);
}

const char *const *fs_library_sizing(uint32_t bit, const char *build) {
    static const char *const none[] = {NULL};
    /* Of these OpenBLAS asks its runtime before each call, whatever else it read. */
    if (bit == FSP_LIBRARY_OPENBLAS && fs_build_is_openmp(build)) bit = FSP_LIBRARY_GOMP;
    const struct family *family = find_family(bit);
    return family ? family->sizing : none;
}

bool fs_library_is_sized_by(uint32_t bit, const char *build, const char *name) {
    for (const char *const *sizing = fs_library_sizing(bit, build); *sizing; sizing++)
        if (strcmp(*sizing, name) == 0) return true;
    return false;
}

enum fs_pool_default fs_library_default(uint32_t bit) {
    const struct family *family = find_family(bit);
    return family ? family->without : FS_POOL_UNKNOWN;
}

bool fs_library_reads_at_load(uint32_t bit) {
    const struct family *family = find_family(bit);
    return family && family->at_load;
}
