/* tools.c - see tools.h. */
#include "tracer/tools.h"

#include "tracer/text.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
    const char *name = fs_file_name(path);

    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        if (fs_begins(name, objects[i])) return true;
    return false;
}

bool fs_is_python(const char *name) {
    return fs_begins(name, "python") || fs_begins(name, "pypy");
}

/* "_json.cpython-313t-x86_64-linux-gnu.so", "libpython3.13t.so.1.0": without; without the
 * t: with. */
int fs_gil_of(const char *path) {
    static const char *const marks[] = {".cpython-3", "libpython3."};
    const char *name = fs_file_name(path);

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
    const char *name = path ? fs_file_name(path) : "";
    char *end;

    if (fs_begins(name, "pypy")) return 1;
    if (!fs_begins(name, "python") || !isdigit((unsigned char)name[6])) return -1;
    const long major = strtol(name + 6, &end, 10);
    if (major == 2) return 1;
    if (major != 3 || *end != '.') return -1;
    const long minor = strtol(end + 1, &end, 10);
    if (*end == 't') return 0;
    return minor < FIRST_WITHOUT ? 1 : -1; /* later ones may have a link without the t */
}
