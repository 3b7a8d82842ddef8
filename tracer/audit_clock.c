/* audit_clock.c - the moments of a look: of this system, or of captured ones (audit.h). */
#include "tracer/audit.h"

#include "tracer/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A captured moment has its time in ROOT/proc/uptime, in seconds since the boot. */
static int64_t uptime(struct fs_proc *proc) {
    char text[64];

    if (fs_proc_text(proc, 0, "uptime", text, sizeof text) <= 0) return 0;
    return (int64_t)(strtod(text, NULL) * 1e9);
}

int64_t fs_audit_now(const struct fs_audit *audit) {
    return *audit->options->root ? uptime(audit->collector.sampler.proc) : fs_now();
}

/* The control groups as they were at that moment. */
static void move_groups(struct fs_audit *audit, const char *place) {
    struct fs_collector *collector = &audit->collector;

    if (!collector->cgroups) return; /* of the first moment they are found with the job */
    fs_cgroups_free(collector->cgroups);
    collector->cgroups = fs_cgroups_find(place, audit->roots[0]);
}

static bool open_snapshot(struct fs_audit *audit) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%d", audit->options->root, audit->snapshot + 1);
    struct fs_proc *proc = fs_proc_open(path);
    if (!proc) return false;
    fs_proc_close(audit->collector.sampler.proc);
    audit->collector.sampler.proc = proc;
    audit->snapshot++;
    move_groups(audit, path);
    return true;
}

bool fs_audit_next(struct fs_audit *audit, int64_t due) {
    if (*audit->options->root) return open_snapshot(audit);
    const struct timespec until = {.tv_sec = due / FS_SECOND, .tv_nsec = due % FS_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
    return true;
}
