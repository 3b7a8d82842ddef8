#include "report/thread_libraries.h"

#include "preload/recorded_variables.h"
#include "report/remedy.h"
#include "tracer/libraries.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct fsp_recorded_variable variables[] = {
#define VARIABLE(name, what, value, libraries) {#name, what, value, libraries},
    FSP_RECORDED_VARIABLES(VARIABLE)
#undef VARIABLE
};

/* In the order in which a page names them. */
static const uint32_t known[] = {
    FSP_LIBRARY_GOMP, FSP_LIBRARY_OMP,    FSP_LIBRARY_IOMP,    FSP_LIBRARY_OPENBLAS,
    FSP_LIBRARY_MKL,  FSP_LIBRARY_BLIS,   FSP_LIBRARY_NUMEXPR, FSP_LIBRARY_NUMBA,
    FSP_LIBRARY_TBB,  FSP_LIBRARY_POLARS,
};
enum { KNOWN = sizeof known / sizeof *known };

uint32_t fs_variable_readers(const char *name) {
    for (size_t i = 0; name && i < sizeof variables / sizeof *variables; i++)
        if (strcmp(name, variables[i].name) == 0) return variables[i].libraries;
    return 0;
}

const char *fs_library_names(struct fs_arena *arena, uint32_t libraries) {
    const char *names = "";
    for (size_t i = 0; i < KNOWN; i++)
        if (libraries & known[i])
            names = fs_arena_printf(arena, "%s%s%s", names, *names ? ", " : "",
                                    fs_library_name(known[i]));
    return *names ? names : "no known library";
}

bool fs_is_openmp_runtime(const char *path) {
    static const char *const runtimes[] = {"libgomp", "libomp", "libiomp5"};
    for (size_t i = 0; path && i < sizeof runtimes / sizeof *runtimes; i++)
        if (fs_begins(fs_base_name(path), runtimes[i])) return true;
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
    for (size_t i = 0; i < KNOWN; i++) {
        const char *name = fs_library_sizing(known[i], NULL)[0];
        if ((libraries & known[i]) && name && strcmp(name, "OMP_NUM_THREADS") != 0)
            line = fs_arena_printf(arena, "%s %s=%d", line, name, count);
    }
    return line;
}

/* --- libraries of a program --- */

static bool is_of_load(const struct fs_thread_program *program, const struct fs_load *load) {
    const struct fs_group *group = load->group;
    return program->workers > 0 && program->group_parent == group->parent &&
           program->group_kind == group->kind && program->executable && group->executable &&
           strcmp(program->executable, group->executable) == 0;
}

const struct fs_thread_program *fs_load_program(const struct fs_load *load) {
    const struct fs_digest *digest = load->node->digest;
    for (size_t i = 0; i < digest->program_count; i++)
        if (is_of_load(&digest->programs[i], load)) return &digest->programs[i];
    return NULL;
}

const struct fs_thread_library *fs_program_library(const struct fs_thread_program *program,
                                                   uint32_t families) {
    for (size_t i = 0; i < program->library_count; i++)
        if (program->libraries[i].family & families) return &program->libraries[i];
    return NULL;
}

bool fs_teams_unsampled(const struct fs_thread_program *program) {
    for (size_t i = 0; i < program->library_count; i++)
        if (program->libraries[i].threads_peak > 0 && program->libraries[i].threads_working < 0)
            return true;
    return false;
}

/* Libraries of an MPI start a thread or two in every rank that sleep until something comes: no
 * team that shares out work. */
static bool serves_messages(const char *owner) {
    static const char *const prefixes[] = {"libpmix",  "libucs",    "libuct",      "libucp",
                                           "libevent", "libmpi",    "libopen-pal", "libopen-rte",
                                           "libprrte", "libfabric", "libpsm",      "libibverbs"};
    const char *slash = owner ? strrchr(owner, '/') : NULL;
    const char *name = slash ? slash + 1 : owner;

    for (size_t i = 0; name && i < sizeof prefixes / sizeof *prefixes; i++)
        if (fs_begins(name, prefixes[i])) return true;
    return false;
}

bool fs_threads_only_spun(const struct fs_load *load) {
    const struct fs_digest *digest = load->node->digest;
    const char *owner = load->group->threads_owner;
    const uint32_t family = owner ? fs_library_of(owner) : 0;
    bool found = false;
    if (serves_messages(owner)) return true;
    for (size_t i = 0; i < digest->program_count; i++) {
        if (!is_of_load(&digest->programs[i], load)) continue;
        const struct fs_thread_library *library = fs_program_library(&digest->programs[i], family);
        if (library && library->threads_working != 0) return false;
        found |= library != NULL;
    }
    return found;
}

const struct fs_thread_library *fs_library_threads(const struct fs_thread_program *program,
                                                   const struct fs_thread_library *library) {
    static const struct {
        const char *build;
        uint32_t families;
    } makers[] = {
        {"openmp", FSP_LIBRARIES_OPENMP},
        {"intel", FSP_LIBRARY_IOMP | FSP_LIBRARY_OMP},
        {"gnu", FSP_LIBRARY_GOMP},
        {"tbb", FSP_LIBRARY_TBB},
    };
    for (size_t i = 0; library->build && i < sizeof makers / sizeof *makers; i++)
        if (strcmp(library->build, makers[i].build) == 0)
            return fs_program_library(program, makers[i].families);
    return library;
}

const char *fs_library_read(const struct fs_thread_library *library, const char *name) {
    return fs_variable_value(library->variables, library->variable_count, name);
}

int fs_thread_count(const char *value) {
    char *end;
    if (!value) return FS_UNKNOWN;
    errno = 0;
    const long number = strtol(value, &end, 10);
    /* "4,2" counts for nested levels: the first is meant. */
    return errno || end == value || number < 1 || number > INT_MAX ? FS_UNKNOWN : (int)number;
}

const char *fs_library_sized_by(const struct fs_thread_library *library) {
    for (const char *const *name = fs_library_sizing(library->family, library->build); *name;
         name++)
        if (fs_thread_count(fs_library_read(library, *name)) != FS_UNKNOWN) return *name;
    return NULL;
}

int fs_library_pool(const struct fs_thread_program *program,
                    const struct fs_thread_library *library) {
    const char *name = fs_library_sized_by(library);
    if (name) return fs_thread_count(fs_library_read(library, name));
    switch (fs_library_default(library->family)) {
    case FS_POOL_ONE:
        return 1;
    case FS_POOL_MASK:
        return program->cpus;
    default:
        return FS_UNKNOWN;
    }
}

const char *fs_library_label(struct fs_arena *arena, const struct fs_thread_library *library) {
    const char *name = fs_library_name(library->family);
    const bool version = library->version && !(library->family & FSP_LIBRARIES_OPENMP);
    const char *text = fs_arena_printf(arena, "%s%s%s", name ? name : "?", version ? " " : "",
                                       version ? library->version : "");
    return library->build && (library->family & (FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_BLIS))
               ? fs_arena_printf(arena, "%s (%s build)", text, library->build)
               : text;
}
