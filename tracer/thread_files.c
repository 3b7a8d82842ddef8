/* thread_files.c - see thread_files.h. */
#include "tracer/thread_files.h"

#include "preload/segment.h"
#include "tracer/elf_file.h"
#include "tracer/text.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION_MAX = 24 };

/* --- how it was built, by its name where that says it --- */

static const struct {
    uint32_t family;
    const char *name; /* begin of the file's name */
    const char *build;
    int rank;
} by_name[] = {
    {FSP_LIBRARY_NUMBA, "workqueue.", "workqueue", 2},
    {FSP_LIBRARY_NUMBA, "omppool.", "openmp", 2},
    {FSP_LIBRARY_NUMBA, "tbbpool.", "tbb", 2},
    {FSP_LIBRARY_NUMBA, "_dispatcher.", NULL, 1}, /* no threads yet */
    {FSP_LIBRARY_MKL, "libmkl_intel_thread", "intel", 2},
    {FSP_LIBRARY_MKL, "libmkl_gnu_thread", "gnu", 2},
    {FSP_LIBRARY_MKL, "libmkl_tbb_thread", "tbb", 2},
    {FSP_LIBRARY_MKL, "libmkl_sequential", "serial", 2},
    {FSP_LIBRARY_MKL, "libmkl_core", NULL, 1},
};

/* OpenBLAS and BLIS come as OpenMP builds, with threads of their own and without any. */
static const char *build_of_blas(const char *real) {
    static const char *const runtimes[] = {"libgomp", "libomp", "libiomp5"};

    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
        if (fs_elf_needs(real, runtimes[i])) return "openmp";
    return fs_elf_names(real, "pthread_create") ? "pthreads" : "serial";
}

static void find_build(struct fs_thread_file *file, uint32_t family) {
    const char *name = fs_file_name(file->real ? file->real : file->path);

    for (size_t i = 0; i < sizeof by_name / sizeof *by_name; i++) {
        if (by_name[i].family != family || !fs_begins(name, by_name[i].name)) continue;
        file->build = by_name[i].build;
        file->rank = by_name[i].rank;
        return;
    }
    if (family != FSP_LIBRARY_OPENBLAS && family != FSP_LIBRARY_BLIS) return;
    /* libblas.so.3 of a distribution may be the library itself or lead to it. */
    file->rank = !fs_begins(name, "libblas.") && !fs_begins(name, "liblapack.");
    if (file->real) file->build = build_of_blas(file->real);
}

/* --- its version --- */

static char *number_at(const char *text) {
    size_t length = 0;

    while (isdigit((unsigned char)text[length]) || text[length] == '.')
        length++;
    while (length > 0 && text[length - 1] == '.')
        length--;
    return length > 0 && length < VERSION_MAX ? strndup(text, length) : NULL;
}

/* "libopenblasp-r0.3.21.so": a release; "libtbb.so.12.8": the object's. */
static char *version_of_name(const char *name) {
    const char *release = strstr(name, "-r"), *object = strstr(name, ".so.");

    if (release && isdigit((unsigned char)release[2])) return number_at(release + 2);
    return object && strchr(object + 4, '.') ? number_at(object + 4) : NULL;
}

/* A Python package's, from the name of its metadata beside it: "numba-0.56.4.egg-info". */
static char *version_of_package(const char *path, const char *package) {
    char part[32], folder[PATH_MAX];
    char *version = NULL;

    snprintf(part, sizeof part, "/%s/", package);
    const char *at = strstr(path, part);
    if (!at || (size_t)(at - path) >= sizeof folder) return NULL;
    memcpy(folder, path, (size_t)(at - path));
    folder[at - path] = '\0';
    DIR *directory = opendir(folder);
    const size_t length = strlen(package);
    for (struct dirent *entry; directory && !version && (entry = readdir(directory));) {
        const char *name = entry->d_name;
        if (strncmp(name, package, length) == 0 && name[length] == '-' &&
            (strstr(name, ".dist-info") || strstr(name, ".egg-info")))
            version = number_at(name + length + 1);
    }
    if (directory) closedir(directory);
    return version;
}

static void find_version(struct fs_thread_file *file, uint32_t family, bool names_alone) {
    const char *path = file->real ? file->real : file->path;
    const bool package = family == FSP_LIBRARY_NUMBA || family == FSP_LIBRARY_NUMEXPR ||
                         family == FSP_LIBRARY_POLARS;

    if (package && names_alone) return;
    if (family == FSP_LIBRARY_NUMBA)
        file->version = version_of_package(path, "numba");
    else if (family == FSP_LIBRARY_NUMEXPR)
        file->version = version_of_package(path, "numexpr");
    else if (family == FSP_LIBRARY_POLARS)
        file->version = version_of_package(path, "polars");
    else
        file->version = version_of_name(fs_file_name(path));
}

const struct fs_thread_file *fs_thread_file(struct fs_thread_files *files, uint32_t family,
                                            const char *path) {
    char real[PATH_MAX];

    for (size_t i = 0; i < files->count; i++)
        if (files->list[i].path == path) return &files->list[i];
    if ((files->count & (files->count - 1)) == 0) {
        const size_t room = files->count ? 2 * files->count : 1;
        struct fs_thread_file *grown = realloc(files->list, room * sizeof *grown);
        if (!grown) return NULL;
        files->list = grown;
    }
    struct fs_thread_file *file = &files->list[files->count++];
    *file = (struct fs_thread_file){.path = path, .rank = 1};
    if (!files->names_alone && realpath(path, real)) file->real = strdup(real);
    find_build(file, family);
    find_version(file, family, files->names_alone);
    return file;
}

void fs_thread_files_free(struct fs_thread_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        free(files->list[i].real);
        free(files->list[i].version);
    }
    free(files->list);
    *files = (struct fs_thread_files){0};
}
