#include "report/thread_libraries.h"

#include "preload/recorded_variables.h"
#include "report/remedy.h"

#include <string.h>
#include <strings.h>

static const struct fsp_recorded_variable variables[] = {
#define VARIABLE(name, what, value, libraries) {#name, what, value, libraries},
    FSP_RECORDED_VARIABLES(VARIABLE)
#undef VARIABLE
};

static const struct {
    uint32_t bit;
    const char *name, *threads; /* the variable that sets its threads, if it has its own */
} libraries_known[] = {
    {FSP_LIBRARY_GOMP, "libgomp", NULL},
    {FSP_LIBRARY_OMP, "libomp", NULL},
    {FSP_LIBRARY_IOMP, "libiomp5", NULL},
    {FSP_LIBRARY_OPENBLAS, "OpenBLAS", "OPENBLAS_NUM_THREADS"},
    {FSP_LIBRARY_MKL, "MKL", "MKL_NUM_THREADS"},
    {FSP_LIBRARY_BLIS, "BLIS", "BLIS_NUM_THREADS"},
    {FSP_LIBRARY_NUMEXPR, "NumExpr", "NUMEXPR_NUM_THREADS"},
    {FSP_LIBRARY_NUMBA, "Numba", "NUMBA_NUM_THREADS"},
};
enum { KNOWN = sizeof libraries_known / sizeof *libraries_known };

uint32_t fs_variable_readers(const char *name) {
    for (size_t i = 0; name && i < sizeof variables / sizeof *variables; i++)
        if (strcmp(name, variables[i].name) == 0) return variables[i].libraries;
    return 0;
}

const char *fs_library_names(struct fs_arena *arena, uint32_t libraries) {
    const char *names = "";
    for (size_t i = 0; i < KNOWN; i++)
        if (libraries & libraries_known[i].bit)
            names = fs_arena_printf(arena, "%s%s%s", names, *names ? ", " : "",
                                    libraries_known[i].name);
    return *names ? names : "no known library";
}

bool fs_is_openmp_runtime(const char *path) {
    static const char *const runtimes[] = {"libgomp", "libomp", "libiomp5"};
    for (size_t i = 0; path && i < sizeof runtimes / sizeof *runtimes; i++)
        if (strncmp(fs_base_name(path), runtimes[i], strlen(runtimes[i])) == 0) return true;
    return false;
}

static bool binding_wanted(const char *value) {
    return value && *value && strcasecmp(value, "false") != 0 && strcasecmp(value, "disabled") != 0;
}

const char *fs_binding_variable(const char *(*value_of)(const void *environment, const char *name),
                                const void *environment) {
    static const char *const places[] = {"GOMP_CPU_AFFINITY", "OMP_PLACES"};
    const char *bind = value_of(environment, "OMP_PROC_BIND");
    if (binding_wanted(bind)) return "OMP_PROC_BIND";
    if (bind && strcasecmp(bind, "false") == 0) return NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = value_of(environment, places[i]);
        if (value && *value) return places[i];
    }
    return NULL;
}

const char *fs_threads_export(struct fs_arena *arena, uint32_t libraries, int count) {
    const char *line = fs_arena_printf(arena, "export OMP_NUM_THREADS=%d", count);
    for (size_t i = 0; i < KNOWN; i++)
        if (libraries_known[i].threads && (libraries & libraries_known[i].bit))
            line = fs_arena_printf(arena, "%s %s=%d", line, libraries_known[i].threads, count);
    return line;
}
