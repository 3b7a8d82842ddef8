/* siblings.c - see siblings.h. */
#include "tracer/siblings.h"

#include "tracer/clock.h"
#include "tracer/mask.h"
#include "tracer/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STAT_LINE = 160 }; /* bytes of a CPU's line in /proc/stat, at the most */

void fs_idle_ticks(const char *text, int64_t *ticks, size_t count) {
    for (size_t i = 0; i < count; i++)
        ticks[i] = FS_UNKNOWN;
    for (const char *line = text; line && fs_begins(line, "cpu");) {
        char *end;
        const char *at = line + 3;
        const unsigned long cpu = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : count;
        const char *next = strchr(line, '\n');
        unsigned long long value[5] = {0};
        bool whole = next && cpu < count;
        for (size_t i = 0; whole && i < 5; i++) {
            at = end;
            value[i] = strtoull(at, &end, 10);
            whole = end > at && end < next && value[i] < INT64_MAX / 4;
        }
        if (whole) ticks[cpu] = (int64_t)(value[3] + value[4]); /* idle, and idle for a disk */
        line = next ? next + 1 : NULL;
    }
}

static void free_cores(struct fs_siblings_watch *watch) {
    for (size_t i = 0; watch->cores && i < watch->core_count; i++)
        hwloc_bitmap_free(watch->cores[i]);
    free(watch->cores);
    watch->cores = NULL;
    watch->core_count = 0;
}

static bool find_cores(struct fs_siblings_watch *watch, hwloc_topology_t topology) {
    const int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    bool threads = false;

    watch->cores = count > 0 ? calloc((size_t)count, sizeof *watch->cores) : NULL;
    for (int i = 0; watch->cores && i < count; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        watch->cores[watch->core_count] = hwloc_bitmap_dup(core->cpuset);
        if (!watch->cores[watch->core_count]) return false;
        watch->core_count++;
        threads |= hwloc_bitmap_weight(core->cpuset) > 1;
    }
    return threads;
}

void fs_siblings_open(struct fs_siblings_watch *watch, hwloc_topology_t topology) {
    *watch = (struct fs_siblings_watch){.t_ticks = FS_UNKNOWN, .facts.looks = FS_UNKNOWN};
    if (!topology || !find_cores(watch, topology)) {
        free_cores(watch);
        return;
    }
    watch->cpu_room = (size_t)hwloc_bitmap_last(hwloc_topology_get_complete_cpuset(topology)) + 1;
    watch->text_size = (watch->cpu_room + 2) * STAT_LINE;
    watch->text = malloc(watch->text_size);
    watch->idle_ticks = calloc(watch->cpu_room, sizeof *watch->idle_ticks);
    watch->facts = (struct fs_siblings){.busy = hwloc_bitmap_alloc(), .idle = hwloc_bitmap_alloc()};
    if (!watch->text || !watch->idle_ticks || !watch->facts.busy || !watch->facts.idle)
        fs_siblings_close(watch);
}

void fs_siblings_close(struct fs_siblings_watch *watch) {
    free_cores(watch);
    free(watch->text);
    free(watch->idle_ticks);
    hwloc_bitmap_free(watch->facts.busy);
    hwloc_bitmap_free(watch->facts.idle);
    *watch = (struct fs_siblings_watch){.t_ticks = FS_UNKNOWN, .facts.looks = FS_UNKNOWN};
}

/* CPUs of cores of which two threads are busy, and of allowed cores of which none is. */
static void compare(const struct fs_siblings_watch *watch, hwloc_const_bitmap_t running,
                    hwloc_const_bitmap_t allowed, hwloc_bitmap_t shared, hwloc_bitmap_t idle) {
    hwloc_bitmap_t both = hwloc_bitmap_alloc();

    for (size_t i = 0; both && i < watch->core_count; i++) {
        hwloc_bitmap_and(both, watch->cores[i], running);
        if (hwloc_bitmap_weight(both) > 1)
            hwloc_bitmap_or(shared, shared, watch->cores[i]);
        else if (hwloc_bitmap_iszero(both) && hwloc_bitmap_intersects(watch->cores[i], allowed))
            hwloc_bitmap_or(idle, idle, watch->cores[i]);
    }
    hwloc_bitmap_free(both);
}

/* Leaves those cores in idle that the kernel says were idle for half of the time since the last
 * look, or none if nobody looked. */
static void confirm_idle(struct fs_siblings_watch *watch, const struct fs_sampler *sampler,
                         hwloc_bitmap_t idle, int64_t now) {
    const int64_t since = watch->t_ticks;
    int64_t *ticks = calloc(watch->cpu_room, sizeof *ticks);

    if (!ticks || fs_proc_text(sampler->proc, 0, "stat", watch->text, watch->text_size) < 0) {
        hwloc_bitmap_zero(idle);
        watch->t_ticks = FS_UNKNOWN;
        free(ticks);
        return;
    }
    fs_idle_ticks(watch->text, ticks, watch->cpu_room);
    for (size_t i = 0; i < watch->core_count; i++) {
        unsigned cpu;
        bool used = since == FS_UNKNOWN;
        hwloc_bitmap_foreach_begin(cpu, watch->cores[i]) {
            used |= cpu >= watch->cpu_room || ticks[cpu] < 0 || watch->idle_ticks[cpu] < 0 ||
                    2 * (ticks[cpu] - watch->idle_ticks[cpu]) * fs_tick_ns() < now - since;
        }
        hwloc_bitmap_foreach_end();
        if (used) hwloc_bitmap_andnot(idle, idle, watch->cores[i]);
    }
    free(watch->idle_ticks);
    watch->idle_ticks = ticks;
    watch->t_ticks = now;
}

void fs_siblings_sample(struct fs_siblings_watch *watch, const struct fs_sampler *sampler,
                        hwloc_const_bitmap_t allowed, int64_t now) {
    if (!watch->cores || !allowed || hwloc_bitmap_weight(sampler->scratch) < 2) {
        watch->t_ticks = FS_UNKNOWN;
        return;
    }
    hwloc_bitmap_t shared = hwloc_bitmap_alloc(), idle = hwloc_bitmap_alloc();
    if (shared && idle) compare(watch, sampler->scratch, allowed, shared, idle);
    watch->facts.looks++;
    if (!shared || !idle || hwloc_bitmap_iszero(shared) || hwloc_bitmap_iszero(idle)) {
        watch->t_ticks = FS_UNKNOWN;
    } else {
        confirm_idle(watch, sampler, idle, now);
        if (!hwloc_bitmap_iszero(idle)) {
            if (watch->facts.shared++ == 0)
                hwloc_bitmap_copy(watch->facts.idle, idle);
            else
                hwloc_bitmap_and(watch->facts.idle, watch->facts.idle, idle);
            hwloc_bitmap_or(watch->facts.busy, watch->facts.busy, shared);
        }
    }
    hwloc_bitmap_free(shared);
    hwloc_bitmap_free(idle);
}

int fs_siblings_evaluate(const struct fs_siblings_watch *watch, struct fs_siblings *facts) {
    if (!watch->cores) return 0;
    *facts = watch->facts;
    facts->busy = hwloc_bitmap_dup(watch->facts.busy);
    facts->idle = hwloc_bitmap_dup(watch->facts.idle);
    return facts->busy && facts->idle ? 0 : (errno = ENOMEM, -1);
}
