/* audit_clock.c - the moments of a look: of this system, or of captured ones (audit.h). */
#include "tracer/audit.h"

#include "tracer/captured.h"
#include "tracer/clock.h"

#include <errno.h>
#include <string.h>

int64_t fs_audit_now(const struct fs_audit *audit) {
    return *audit->place ? audit->t_moment : fs_now();
}

/* The control groups as they were at that moment. */
static void move_groups(struct fs_audit *audit) {
    struct fs_collector *collector = &audit->collector;

    if (!collector->cgroups) return;
    fs_cgroups_free(collector->cgroups);
    collector->cgroups = fs_cgroups_find(audit->place, audit->roots[0]);
}

static bool open_moment(struct fs_audit *audit) {
    char place[PATH_MAX];

    if (fs_captured_moment(audit->options->root, audit->moment + 1, place) != 0) return false;
    struct fs_proc *proc = fs_proc_open(place);
    if (!proc || fs_captured_time(proc, &audit->t_moment) != 0) {
        fs_proc_close(proc);
        return false;
    }
    fs_proc_close(audit->collector.sampler.proc);
    audit->collector.sampler.proc = proc;
    audit->moment++;
    memcpy(audit->place, place, sizeof place);
    move_groups(audit);
    return true;
}

bool fs_audit_next(struct fs_audit *audit, int64_t due) {
    if (*audit->place) return open_moment(audit);
    const struct timespec until = {.tv_sec = due / FS_SECOND, .tv_nsec = due % FS_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
    return true;
}
