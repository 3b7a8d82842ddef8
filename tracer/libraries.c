/* libraries.c - see libraries.h. */
#include "tracer/libraries.h"

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
};

/* Python packages: their extension modules have names of no meaning. */
static const struct {
    const char *folder;
    uint32_t bit;
} by_folder[] = {
    {"/numexpr/", FSP_LIBRARY_NUMEXPR},
    {"/numba/", FSP_LIBRARY_NUMBA},
};

static const struct {
    uint32_t bit;
    const char *name;
} names[] = {
    {FSP_LIBRARY_GOMP, "libgomp"},  {FSP_LIBRARY_OMP, "libomp"},
    {FSP_LIBRARY_IOMP, "libiomp5"}, {FSP_LIBRARY_OPENBLAS, "OpenBLAS"},
    {FSP_LIBRARY_MKL, "MKL"},       {FSP_LIBRARY_BLIS, "BLIS"},
    {FSP_LIBRARY_TBB, "TBB"},       {FSP_LIBRARY_NUMEXPR, "NumExpr"},
    {FSP_LIBRARY_NUMBA, "Numba"},   {FSP_LIBRARY_MPI, "MPI"},
    {FSP_LIBRARY_PYTHON, "Python"}, {FSP_LIBRARY_CUDA, "CUDA"},
    {FSP_LIBRARY_ROCM, "ROCm"},
};

static bool begins(const char *name, const char *prefix, enum follow follow) {
    const size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0) return false;
    return follow == ANYTHING || !isalpha((unsigned char)name[length]);
}

uint32_t fs_library_of(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    uint32_t bits = 0;
    for (size_t i = 0; i < sizeof by_name / sizeof by_name[0]; i++)
        if (begins(name, by_name[i].prefix, by_name[i].follow)) bits |= by_name[i].bit;
    for (size_t i = 0; i < sizeof by_folder / sizeof by_folder[0]; i++)
        if (strstr(path, by_folder[i].folder) && strstr(name, ".so")) bits |= by_folder[i].bit;
    return bits;
}

const char *fs_library_name(uint32_t bit) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].bit == bit) return names[i].name;
    return NULL;
}
