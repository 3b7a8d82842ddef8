/* library_teams.c - see library_teams.h. */
#include "tracer/library_teams.h"

#include "tracer/libraries.h"

#include <stdlib.h>

static const int64_t working_ns = 20 * 1000000;
/* An idle thread of OpenBLAS spins for 60 to 120 ms before it sleeps for good; one that works
 * in a team gets about as much as the thread that leads it, however crowded the CPUs are. */
enum { LEADER_SHARE = 4 };

/* The shim knows what is behind a link: libblas.so.3 may be BLIS. */
static uint32_t family_of_module(const struct fs_table *table, const char *module) {
    for (size_t i = 0; i < table->loading_count; i++) {
        const struct fs_site *object = fs_table_site(table, table->loadings[i].object);
        if (object && object->module == module) return table->loadings[i].family;
    }
    return fs_library_of(module);
}

static uint32_t family_of(struct fs_routines *routines, const struct fs_thread *thread) {
    const struct fs_site *site = fs_table_site(routines->table, thread->routine);
    const char *module = site ? site->module : NULL;

    if (!module) return 0;
    for (size_t i = 0; i < routines->count; i++)
        if (routines->known[i].module == module) return routines->known[i].family;
    const uint32_t family = family_of_module(routines->table, module);
    if (routines->count < FS_ROUTINES) {
        routines->known[routines->count].module = module;
        routines->known[routines->count++].family = family;
    }
    return family;
}

static bool is_of(const struct fs_span *span, const struct fs_thread *thread) {
    return thread->t_start >= span->from && thread->t_start <= span->until;
}

uint32_t fs_started_until(struct fs_routines *routines, struct fs_span span, int64_t t) {
    uint32_t families = 0;

    for (bool more = true; more; more = fs_span_before(&span, &span))
        for (size_t i = 0; i < span.record->thread_count; i++) {
            const struct fs_thread *thread = &span.record->threads[i];
            if (is_of(&span, thread) && thread->t_start <= t)
                families |= family_of(routines, thread);
        }
    return families;
}

int64_t fs_first_start(struct fs_routines *routines, struct fs_span span, uint32_t family) {
    int64_t first = INT64_MAX;

    for (bool more = true; more; more = fs_span_before(&span, &span))
        for (size_t i = 0; i < span.record->thread_count; i++) {
            const struct fs_thread *thread = &span.record->threads[i];
            if (is_of(&span, thread) && thread->t_start < first &&
                (family_of(routines, thread) & family))
                first = thread->t_start;
        }
    return first;
}

struct moment {
    int64_t t;
    int change;
};

static int by_moment(const void *left, const void *right) {
    const struct moment *a = left, *b = right;

    if (a->t != b->t) return a->t < b->t ? -1 : 1;
    return a->change - b->change; /* ends first */
}

static int most_at_once(struct moment *moments, size_t count, int64_t since) {
    int alive = 0, most = 0;

    qsort(moments, count, sizeof *moments, by_moment);
    for (size_t i = 0; i < count; i++) {
        if (moments[i].t > since && alive > most) most = alive; /* those that lived on */
        alive += moments[i].change;
        if (moments[i].t >= since && alive > most) most = alive;
    }
    return alive > most ? alive : most;
}

/* For each thread that is recorded, how many there were: a storm of them loses some. */
static double threads_each(const struct fs_record *record) {
    const double recorded = (double)record->thread_count, all = (double)record->threads_started;

    return recorded > 0 && all > recorded ? all / recorded : 1;
}

/* Of the main thread: what is left of the process's. */
static int64_t cpu_of_leader(const struct fs_record *record) {
    int64_t sum = 0;

    for (size_t i = 0; i < record->thread_count; i++) {
        const struct fs_thread *thread = &record->threads[i];
        const int64_t cpu = thread->ended ? thread->cpu_ns : thread->run_ns;
        if (cpu > 0) sum += cpu;
    }
    return fs_record_cpu(record) - (int64_t)((double)sum * threads_each(record));
}

void fs_count_team(struct fs_routines *routines, const struct fs_span *span, uint32_t family,
                   int64_t t_late, struct fs_library_team *team) {
    const struct fs_record *record = span->record;
    const int64_t share = cpu_of_leader(record) / LEADER_SHARE;
    const int64_t least = share > working_ns ? share : working_ns;
    int64_t sum = 0;
    bool sampled = true;
    struct moment *moments = calloc(2 * record->thread_count + 1, sizeof *moments);
    size_t count = 0;

    *team = (struct fs_library_team){.t_first = FS_UNKNOWN, .late = FS_UNKNOWN};
    if (!moments) return;
    for (size_t i = 0; i < record->thread_count; i++) {
        const struct fs_thread *thread = &record->threads[i];
        if (!is_of(span, thread) || !(family_of(routines, thread) & family)) continue;
        const int64_t cpu = thread->ended ? thread->cpu_ns : thread->run_ns;
        team->started++;
        team->working += cpu >= least;
        sum += cpu > 0 ? cpu : 0;
        sampled &= cpu >= 0;
        if (team->t_first == FS_UNKNOWN || thread->t_start < team->t_first)
            team->t_first = thread->t_start;
        moments[count++] = (struct moment){thread->t_start, 1};
        if (thread->t_end != FS_UNKNOWN) moments[count++] = (struct moment){thread->t_end, -1};
    }
    team->peak = most_at_once(moments, count, INT64_MIN);
    if (team->working > team->peak) team->working = team->peak;
    /* BLIS makes its threads anew for each call: together they worked as one team. */
    if (team->peak > team->working &&
        (double)sum * threads_each(record) >= (double)least * team->peak)
        team->working = team->peak;
    if (team->working == 0 && !sampled) team->working = FS_UNKNOWN;
    if (t_late != FS_UNKNOWN) team->late = most_at_once(moments, count, t_late) + 1;
    free(moments);
}

void fs_merge_team(struct fs_library_team *into, const struct fs_library_team *team) {
    into->started += team->started;
    if (team->peak > into->peak) into->peak = team->peak;
    if (into->working <= 0 && team->working <= 0) /* unknown beats none */
        into->working = into->working < team->working ? into->working : team->working;
    else if (team->working > into->working)
        into->working = team->working;
    if (team->late > into->late) into->late = team->late;
}
