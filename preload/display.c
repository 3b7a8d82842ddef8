/*
 * display.c - X displays that hwloc could not open.
 *
 * Interposes XOpenDisplay. Normal code. hwloc's GL component looks for graphics cards by
 * opening the displays ":0" to ":9", whatever DISPLAY says, and libX11 prints the reason
 * when a server there refuses. Which displays failed for hwloc is noted, and whether
 * anybody else in the image asked for one.
 */
#include <errno.h>

#include "preload/entries.h"
#include "preload/shim.h"
#include "preload/text.h"

FSP_EXPORT void *XOpenDisplay(const char *name);

/* The component is a plugin, hwloc_gl.so, or a part of the library. */
static bool is_hwloc(const void *return_address) {
    const char *file = fsp_entry_file(return_address);

    return file != NULL && fsp_find(fsp_text_basename(file), "hwloc") != NULL;
}

/* The number of a display like ":7"; -1: it is another one. */
static int number_of(const char *name) {
    return name != NULL && name[0] == ':' && name[1] >= '0' && name[1] <= '9' && name[2] == '\0'
               ? name[1] - '0'
               : -1;
}

static void note(const char *name, bool opened, const void *return_address) {
    const int number = number_of(name);
    struct fsp_displays *displays;

    if (fsp_tls.no_loader || !fsp_ready()) return;
    displays = &fsp_segment(0)->displays;
    if (number < 0 || !is_hwloc(return_address))
        atomic_store_explicit(&displays->others, 1, memory_order_relaxed);
    else if (!opened)
        atomic_fetch_or_explicit(&displays->closed, 1u << number, memory_order_relaxed);
}

void *XOpenDisplay(const char *name) {
    const struct fsp_target *target =
        fsp_target_of(FSP_ENTRY_XOpenDisplay, __builtin_return_address(0));
    fsp_XOpenDisplay_type *real = NULL;
    void *display;
    int error;

    if (target != NULL)
        real =
            (fsp_XOpenDisplay_type *)atomic_load_explicit(&target->function, memory_order_relaxed);
    display = real != NULL ? real(name) : NULL;
    error = errno;
    note(name, display != NULL, __builtin_return_address(0));
    fsp_keep_errno(error);
    return display;
}
