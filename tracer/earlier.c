/* earlier.c - see earlier.h. */
#include "tracer/earlier.h"

#include "tracer/text.h"

static void take_number(int *to, int from) {
    if (*to == FS_UNKNOWN) *to = from;
}

static void take_time(int64_t *to, int64_t from) {
    if (*to == FS_UNKNOWN) *to = from;
}

static void take_text(char **to, char **from) {
    if (*to) return;
    *to = *from;
    *from = NULL;
}

static void take_death(struct fs_group *group, const struct fs_death *earlier) {
    for (size_t i = 0; i < group->death_count; i++) {
        struct fs_death *death = &group->deaths[i];
        if (death->pid != earlier->pid || death->signal != earlier->signal) continue;
        take_time(&death->idle_ns, earlier->idle_ns);
        death->oom |= earlier->oom;
        return;
    }
}

static void take_group(struct fs_group *group, struct fs_group *earlier) {
    take_number(&group->workers_busy_peak, earlier->workers_busy_peak);
    take_number(&group->threads_busy_peak, earlier->threads_busy_peak);
    take_number(&group->threads_busy_total, earlier->threads_busy_total);
    take_time(&group->busy_ns, earlier->busy_ns);
    take_time(&group->overlap_ns, earlier->overlap_ns);
    take_time(&group->sleep_ns, earlier->sleep_ns);
    take_time(&group->sample_ns, earlier->sample_ns);
    take_time(&group->parent_cpu_ns, earlier->parent_cpu_ns);
    take_time(&group->first_idle, earlier->first_idle);
    take_time(&group->last_busy, earlier->last_busy);
    take_text(&group->threads_owner, &earlier->threads_owner);
    if (earlier->workers_scheduled > group->workers_scheduled) {
        group->workers_scheduled = earlier->workers_scheduled;
        group->run_ns = earlier->run_ns;
        group->wait_ns = earlier->wait_ns;
    }
    if (earlier->cpu_ns > group->cpu_ns) {
        group->cpu_ns = earlier->cpu_ns;
        group->window_cpu_ns = earlier->window_cpu_ns;
        group->worker_cpu_ns = earlier->worker_cpu_ns;
    }
    if (earlier->threads_peak > group->threads_peak) group->threads_peak = earlier->threads_peak;
    if (earlier->zombies_peak > group->zombies_peak) group->zombies_peak = earlier->zombies_peak;
    if (earlier->zombies_ns > group->zombies_ns) group->zombies_ns = earlier->zombies_ns;
    group->libraries |= earlier->libraries;
    for (size_t i = 0; i < earlier->death_count; i++)
        take_death(group, &earlier->deaths[i]);
}

static void take_groups(struct fs_digest *digest, struct fs_digest *earlier) {
    for (size_t i = 0; i < digest->group_count; i++) {
        struct fs_group *group = &digest->groups[i];
        for (size_t j = 0; j < earlier->group_count; j++) {
            struct fs_group *other = &earlier->groups[j];
            if (other->kind == group->kind && other->parent == group->parent &&
                other->helper == group->helper &&
                fs_same_text(other->executable, group->executable))
                take_group(group, other);
        }
    }
}

/* The counters of control groups as of the interim digest; a lower bound of the whole. */
static void take_limits(struct fs_digest *digest, struct fs_digest *earlier) {
    if (digest->quota.version <= 0) {
        digest->quota = earlier->quota;
        earlier->quota.path = NULL;
    }
    if (digest->memory.version <= 0) {
        digest->memory = earlier->memory;
        earlier->memory.path = NULL;
    }
    take_time(&digest->pids.max, earlier->pids.max);
    take_time(&digest->pids.peak, earlier->pids.peak);
    take_time(&digest->pids.refused, earlier->pids.refused);
    take_time(&digest->shm.size, earlier->shm.size);
    if (earlier->shm.free_min != FS_UNKNOWN &&
        (digest->shm.free_min == FS_UNKNOWN || earlier->shm.free_min < digest->shm.free_min))
        digest->shm.free_min = earlier->shm.free_min;
}

static void swap_teams(struct fs_digest *digest, struct fs_digest *earlier) {
    const struct fs_digest own = *digest;

    digest->teams = earlier->teams;
    digest->team_count = earlier->team_count;
    digest->teams_more = earlier->teams_more;
    digest->rivals = earlier->rivals;
    earlier->teams = own.teams;
    earlier->team_count = own.team_count;
    earlier->rivals = own.rivals;
}

/* Only the killed collector looked at the clocks. */
static void take_clocks(struct fs_digest *digest, struct fs_digest *earlier) {
    if (digest->clocks.begin.realtime != FS_UNKNOWN) return;
    const struct fs_clocks own = digest->clocks;
    digest->clocks = earlier->clocks;
    earlier->clocks = own;
}

/* The environment of the collector told more than that of the job's main program, of which only
 * what rules name was recorded. */
static void take_scheduler(struct fs_digest *digest, struct fs_digest *earlier) {
    const struct fs_scheduler own = digest->scheduler;
    if (own.node_list || !earlier->scheduler.name) return;
    digest->scheduler = earlier->scheduler;
    earlier->scheduler = own;
}

void fs_digest_take_samples(struct fs_digest *digest, struct fs_digest *earlier) {
    take_limits(digest, earlier);
    take_clocks(digest, earlier);
    take_scheduler(digest, earlier);
    take_groups(digest, earlier);
    take_number(&digest->busy_cpus_peak, earlier->busy_cpus_peak);
    take_number(&digest->workers_busy_peak, earlier->workers_busy_peak);
    take_number(&digest->threads_busy_peak, earlier->threads_busy_peak);
    take_time(&digest->active_ns, earlier->active_ns);
    take_time(&digest->complete.collector_cpu_ns, earlier->complete.collector_cpu_ns);
    take_time(&digest->complete.collector_maxrss_kib, earlier->complete.collector_maxrss_kib);
    if (earlier->complete.samples > digest->complete.samples)
        digest->complete.samples = earlier->complete.samples;
    if (!digest->teams_sampled && earlier->teams_sampled) {
        swap_teams(digest, earlier);
        digest->teams_sampled = true;
    }
    if (digest->siblings.looks == FS_UNKNOWN) {
        digest->siblings = earlier->siblings;
        earlier->siblings = (struct fs_siblings){.looks = FS_UNKNOWN};
    }
    if (digest->login.users == FS_UNKNOWN) digest->login = earlier->login;
    if (!digest->cpus_busy) {
        digest->cpus_busy = earlier->cpus_busy;
        earlier->cpus_busy = NULL;
    }
    if (earlier->cpu_ns > digest->cpu_ns) {
        digest->cpu_ns = earlier->cpu_ns;
        if (digest->wall_ns > 0)
            digest->busy_mean = (double)digest->cpu_ns / (double)digest->wall_ns;
    }
    if (!digest->interrupted) digest->interrupted = earlier->interrupted;
    if (digest->stuck_count == 0) {
        digest->stuck = earlier->stuck;
        digest->stuck_count = earlier->stuck_count;
        earlier->stuck = NULL;
        earlier->stuck_count = 0;
    }
    digest->environments_read |= earlier->environments_read;
    if (earlier->odd_variable_count > digest->odd_variable_count) {
        struct fs_odd_variable *const list = digest->odd_variables;
        const size_t count = digest->odd_variable_count;
        digest->odd_variables = earlier->odd_variables;
        digest->odd_variable_count = earlier->odd_variable_count;
        earlier->odd_variables = list;
        earlier->odd_variable_count = count;
    }
}
