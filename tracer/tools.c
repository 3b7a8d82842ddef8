/* tools.c - see tools.h. */
#include "tracer/tools.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool fs_is_profiler(const char *path) {
    static const char *const objects[] = {
        "libscorep_", /* Score-P */
        "libTAU",     /* TAU */
        "libseqtrace",
        "libmpitrace", /* Extrae */
        "libomptrace",
        "libpttrace",
        "libhpcrun",              /* HPCToolkit */
        "libittnotify_collector", /* VTune */
        "libtpsstool",
        "libipm", /* VTune, IPM */
        "libdarshan",
        "libmpiP",
        "libmap-sampler",  /* Linaro MAP */
        "libmcount",       /* uftrace */
        "libgp-collector", /* gprofng */
        "libheaptrack_preload",
        "_memray.",
        "vgpreload_core",    /* valgrind's tools */
        "libToolsInjection", /* Nsight Systems */
    };
    const char *name = base_name(path);

    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        if (strncmp(name, objects[i], strlen(objects[i])) == 0) return true;
    return false;
}

/* "_json.cpython-313t-x86_64-linux-gnu.so", "libpython3.13t.so.1.0": without; without the
 * t: with. */
int fs_gil_of(const char *path) {
    static const char *const marks[] = {".cpython-3", "libpython3."};
    const char *name = base_name(path);

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *mark = strstr(name, marks[i]);
        if (!mark) continue;
        const char *behind = mark + strlen(marks[i]);
        const size_t digits = strspn(behind, "0123456789");
        if (digits > 0) return behind[digits] != 't';
    }
    return -1;
}

int fs_gil_of_executable(const char *path) {
    enum { FIRST_WITHOUT = 13 };
    const char *name = path ? base_name(path) : "";
    char *end;

    if (strncmp(name, "pypy", 4) == 0) return 1;
    if (strncmp(name, "python", 6) != 0 || !isdigit((unsigned char)name[6])) return -1;
    const long major = strtol(name + 6, &end, 10);
    if (major == 2) return 1;
    if (major != 3 || *end != '.') return -1;
    const long minor = strtol(end + 1, &end, 10);
    if (*end == 't') return 0;
    return minor < FIRST_WITHOUT ? 1 : -1; /* later ones may have a link without the t */
}
