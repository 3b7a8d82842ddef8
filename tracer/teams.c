/* teams.c - see teams.h. */
#include "tracer/teams.h"

#include "tracer/libraries.h"
#include "tracer/mask.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t openmp = FSP_LIBRARY_GOMP | FSP_LIBRARY_OMP | FSP_LIBRARY_IOMP;

void fs_team_watch_free(struct fs_team_watch *watch) {
    for (size_t i = 0; watch && i < watch->count; i++)
        hwloc_bitmap_free(watch->tally[i].cpus);
    free(watch);
}

static void learn_domains(struct fs_teams *teams, hwloc_topology_t topology) {
    const int last = hwloc_bitmap_last(hwloc_topology_get_complete_cpuset(topology));
    hwloc_obj_t node = NULL;
    unsigned cpu;

    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) < 2) return;
    if (last < 0 || last >= FS_MASK_CPUS) return;
    teams->domain = calloc((size_t)last + 1, sizeof *teams->domain);
    if (!teams->domain) return;
    teams->domain_cpus = (size_t)last + 1;
    for (size_t i = 0; i < teams->domain_cpus; i++)
        teams->domain[i] = FS_UNKNOWN;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != NULL) {
        hwloc_bitmap_foreach_begin(cpu, node->cpuset) {
            if (cpu < teams->domain_cpus) teams->domain[cpu] = (int)node->logical_index;
        }
        hwloc_bitmap_foreach_end();
    }
}

void fs_teams_open(struct fs_teams *teams, struct fs_table *table, hwloc_topology_t topology) {
    *teams = (struct fs_teams){.table = table, .scratch = hwloc_bitmap_alloc()};
    if (topology) learn_domains(teams, topology);
}

void fs_teams_close(struct fs_teams *teams) {
    free(teams->domain);
    hwloc_bitmap_free(teams->scratch);
    hwloc_bitmap_free(teams->rivals.mask);
    *teams = (struct fs_teams){0};
}

/* A thread that is younger than the last look into the segments is known in the next sample;
 * one that is not known then was not recorded. */
static bool learn_owner(const struct fs_table *table, const struct fs_record *record,
                        struct fs_thread_activity *thread) {
    for (size_t i = record->thread_count; i-- > 0;) {
        const struct fs_thread *known = &record->threads[i];
        if (known->tid != thread->tid || known->ended) continue;
        const struct fs_site *site = fs_table_site(table, known->routine);
        thread->t_start = known->t_start;
        thread->owner = site ? site->module : NULL;
        return thread->owner_known = true;
    }
    const bool again = thread->owner_missed;
    thread->owner_missed = true;
    return again;
}

static struct fs_team_tally *tally_of(struct fs_team_watch *watch, const char *owner) {
    for (size_t i = 0; i < watch->count; i++)
        if (watch->tally[i].owner == owner) return &watch->tally[i];
    if (watch->count == FS_TEAM_OWNERS) return NULL;
    struct fs_team_tally *tally = &watch->tally[watch->count++];
    tally->owner = owner;
    tally->family = owner ? fs_library_of(owner) : 0;
    return tally;
}

/* What one sample says of the threads of an owner. */
struct now {
    int alive, wanting, active;
    int64_t run_ns, wait_ns, top_ns;
};

static bool wants_cpu(const struct fs_thread_activity *thread, int64_t interval, int64_t now) {
    int64_t span = interval;

    if (thread->t_start != FS_UNKNOWN && now - thread->t_start < span) span = now - thread->t_start;
    return 2 * (thread->delta_run_ns + thread->delta_wait_ns) > span;
}

static int domain_of(const struct fs_teams *teams, int cpu) {
    return cpu >= 0 && (size_t)cpu < teams->domain_cpus ? teams->domain[cpu] : FS_UNKNOWN;
}

static void note_place(const struct fs_teams *teams, struct fs_team_tally *tally,
                       const struct fs_thread_activity *thread) {
    if (thread->delta_run_ns == 0 || thread->processor < 0 || thread->processor >= FS_MASK_CPUS)
        return;
    if (!tally->cpus) tally->cpus = hwloc_bitmap_alloc();
    if (tally->cpus) hwloc_bitmap_set(tally->cpus, (unsigned)thread->processor);
    const int before = domain_of(teams, thread->processor_before);
    const int after = domain_of(teams, thread->processor);
    if (before == FS_UNKNOWN || after == FS_UNKNOWN) return;
    tally->looks++;
    tally->moves += before != after;
}

static void add_thread(const struct fs_teams *teams, struct fs_team_tally *tally, struct now *sums,
                       const struct fs_thread_activity *thread, int64_t interval, int64_t now) {
    if (10 * thread->delta_run_ns > interval) {
        sums->active++;
        if (thread->delta_run_ns > sums->top_ns) sums->top_ns = thread->delta_run_ns;
    }
    if (!wants_cpu(thread, interval, now)) return;
    sums->wanting++;
    sums->run_ns += thread->delta_run_ns;
    sums->wait_ns += thread->delta_wait_ns;
    note_place(teams, tally, thread);
}

/* The thread that leads a team is the program's own: it counts with those whose library keeps
 * most threads at work, and runs Python code wherever threads of the interpreter do. */
static void add_leader(const struct fs_teams *teams, struct fs_team_watch *watch, struct now *sums,
                       const struct fs_thread_activity *leader, int64_t interval, int64_t now) {
    size_t largest = FS_TEAM_OWNERS;

    for (size_t i = 0; i < watch->count; i++) {
        sums[i].alive += sums[i].alive > 0;
        if (sums[i].wanting > 0 &&
            (largest == FS_TEAM_OWNERS || sums[i].wanting > sums[largest].wanting))
            largest = i;
    }
    for (size_t i = 0; leader && i < watch->count; i++) {
        struct fs_team_tally *tally = &watch->tally[i];
        if (i == largest || (largest == FS_TEAM_OWNERS && sums[i].active > 0 &&
                             (tally->family & FSP_LIBRARY_PYTHON)))
            add_thread(teams, tally, &sums[i], leader, interval, now);
    }
}

static void add_sample(struct fs_team_tally *tally, const struct now *sums,
                       const struct fs_activity *activity) {
    const int64_t interval = activity->interval_ns;

    if (sums->active >= 2) {
        tally->shared_ns += interval;
        tally->shared_run_ns += activity->delta_run_ns;
        tally->shared_wait_ns += activity->delta_wait_ns;
        tally->shared_top_ns += sums->top_ns;
        tally->shared_threads_ns += sums->active * interval;
    }
    if (sums->wanting < 2) return;
    if (sums->alive > tally->threads) tally->threads = sums->alive;
    if (sums->wanting > tally->busy) tally->busy = sums->wanting;
    tally->team_ns += interval;
    tally->thread_ns += sums->wanting * interval;
    tally->run_ns += sums->run_ns;
    tally->wait_ns += sums->wait_ns;
}

static void note_rival(struct fs_teams *teams, const struct fs_record *record,
                       const struct now *sums, struct fs_rivals *at_once) {
    hwloc_const_bitmap_t mask = fs_mask_of(&teams->table->interned, record->mask);

    at_once->teams++;
    at_once->threads += sums->wanting;
    at_once->run_ns += sums->run_ns;
    at_once->wait_ns += sums->wait_ns;
    if (mask && teams->scratch) hwloc_bitmap_or(teams->scratch, teams->scratch, mask);
}

static void sample_process(struct fs_teams *teams, struct fs_record *record, int64_t now,
                           struct fs_rivals *at_once) {
    struct fs_activity *activity = record->activity;
    struct now sums[FS_TEAM_OWNERS] = {0};
    const struct fs_thread_activity *leader = NULL;

    if (!record->teams) record->teams = calloc(1, sizeof *record->teams);
    struct fs_team_watch *watch = record->teams;
    for (size_t i = 0; watch && i < activity->thread_count; i++) {
        struct fs_thread_activity *thread = &activity->thread[i];
        if (thread->tid == record->pid) {
            leader = thread;
            continue;
        }
        if (!thread->owner_known && !learn_owner(teams->table, record, thread)) continue;
        struct fs_team_tally *tally = tally_of(watch, thread->owner);
        if (!tally) continue;
        sums[tally - watch->tally].alive++;
        add_thread(teams, tally, &sums[tally - watch->tally], thread, activity->interval_ns, now);
    }
    if (!watch) return;
    add_leader(teams, watch, sums, leader, activity->interval_ns, now);
    for (size_t i = 0; i < watch->count; i++) {
        add_sample(&watch->tally[i], &sums[i], activity);
        if (sums[i].wanting >= 2 && (watch->tally[i].family & openmp))
            note_rival(teams, record, &sums[i], at_once);
    }
}

static void add_rivals(struct fs_teams *teams, const struct fs_rivals *at_once, int64_t interval) {
    struct fs_rivals *rivals = &teams->rivals;

    if (at_once->teams < 2) return;
    if (at_once->teams > rivals->teams) rivals->teams = at_once->teams;
    if (at_once->threads > rivals->threads) rivals->threads = at_once->threads;
    rivals->ns += interval;
    rivals->run_ns += at_once->run_ns;
    rivals->wait_ns += at_once->wait_ns;
    if (!rivals->mask) rivals->mask = hwloc_bitmap_alloc();
    if (rivals->mask && teams->scratch) hwloc_bitmap_or(rivals->mask, rivals->mask, teams->scratch);
}

void fs_teams_sample(struct fs_teams *teams, const struct fs_sampler *sampler, int64_t now) {
    struct fs_rivals at_once = {0};

    if (teams->scratch) hwloc_bitmap_zero(teams->scratch);
    for (struct fs_record *record = teams->table->first_open; record; record = record->next_open) {
        const struct fs_activity *activity = record->activity;
        if (record->over || !activity || activity->t != now || activity->threads_busy < 2) continue;
        sample_process(teams, record, now, &at_once);
    }
    add_rivals(teams, &at_once, sampler->interval_ns);
}
