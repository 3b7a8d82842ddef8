/* cohort.c - see cohort.h. */
#include "tracer/cohort.h"

#include "tracer/clock.h"
#include "tracer/tasks.h"

#include <stdlib.h>
#include <string.h>

static const int64_t watch_window = FS_SECOND / 2;
/* Of a CPU: less is waiting, not work. One that polls waits for a CPU, too, at each of its short
 * wake-ups, and on a busy node for longer than it runs; one that is at work and gets none waits
 * all the time. */
static const double polling_share = 0.02, queueing_share = 0.2;
/* A window over these is work. One with more than polling takes may be a wake-up that the machine
 * made dear: it counts where there was another one not long before. */
static const double work_share = 0.1, starving_share = 0.5;
static const int64_t doubt_kept = 2 * FS_SECOND;
enum { MANY_ZOMBIES = 4 };

static bool is_manager(const struct fs_table *table, const struct fs_record *record) {
    const struct fs_site *site = fs_table_site(table, record->birth_site);

    return site && site->stack && strstr(site->stack, "managers.py:");
}

/* The server itself, not a child of it (which runs the same image). */
static bool is_fork_server(const struct fs_record *record) {
    const struct fs_image *image = record ? fs_record_image(record) : NULL;

    return image && image->role == FS_ROLE_FORKSERVER && image->pid == record->pid;
}

static struct fs_cohort_key key_of(const struct fs_table *table, const struct fs_record *record) {
    const bool forked = fs_record_is_forked(record);
    const struct fs_image *image = forked ? record->stages[0].image : fs_record_image(record);
    struct fs_record *parent = record->parent;
    struct fs_cohort_key key;

    memset(&key, 0, sizeof key);
    key.kind = forked ? FS_GROUP_FORK : FS_GROUP_EXECUTABLE;
    key.executable = image ? image->executable : record->exec_path;
    key.helper = is_manager(table, record) || (image && image->role == FS_ROLE_LAUNCHER);
    if (!forked && image) {
        if (image->role == FS_ROLE_SPAWN_WORKER) key.kind = FS_GROUP_SPAWN;
        key.helper |= image->role == FS_ROLE_TRACKER || image->role == FS_ROLE_FORKSERVER;
    }
    if (forked && is_fork_server(parent)) {
        key.kind = FS_GROUP_FORKSERVER;
        if (parent->parent) parent = parent->parent;
    }
    key.parent = parent;
    key.ppid = parent ? parent->pid : record->ppid;
    return key;
}

static struct fs_cohort *cohort_of(struct fs_cohorts *cohorts, const struct fs_record *record,
                                   int64_t now) {
    const struct fs_cohort_key key = key_of(cohorts->table, record);
    const struct fs_image *image =
        fs_record_is_forked(record) ? record->stages[0].image : fs_record_image(record);
    struct fs_cohort *cohort = NULL;

    HASH_FIND(hh, cohorts->list, &key, sizeof key, cohort);
    if (cohort) return cohort;
    cohort = calloc(1, sizeof *cohort);
    if (!cohort) {
        cohorts->table->lost++;
        return NULL;
    }
    cohort->key = key;
    cohort->parent = (struct fs_record *)key.parent;
    if (cohort->parent) cohort->parent->kept_children++;
    cohort->shell = image && image->role == FS_ROLE_SHELL;
    cohort->python = image && (image->python || (image->libraries & FSP_LIBRARY_PYTHON));
    cohort->sample_ns = cohort->zombies_since = FS_UNKNOWN;
    cohort->last_active = cohort->watch_since = now;
    HASH_ADD(hh, cohorts->list, key, sizeof cohort->key, cohort);
    return cohort;
}

void fs_cohorts_assign(struct fs_cohorts *cohorts, int64_t now) {
    struct fs_table *table = cohorts->table;

    for (struct fs_record *record = table->first_open, *next; record; record = next) {
        next = record->next_open;
        const struct fs_image *image = fs_record_image(record);
        const bool decided = record->cohort && record->cohort_image == image &&
                             record->cohort_parent == record->parent;
        if (record->birth != FS_BIRTH_RUN && !decided) {
            record->cohort = cohort_of(cohorts, record, now);
            record->cohort_image = image;
            record->cohort_parent = record->parent;
        }
        fs_record_settle(table, record);
    }
}

static void count_owner(struct fs_cohort *cohort, const char *module) {
    for (size_t i = 0; i < FS_OWNERS; i++) {
        if (cohort->owners[i].module && cohort->owners[i].module != module) continue;
        cohort->owners[i].module = module;
        cohort->owners[i].count++;
        return;
    }
}

/* Which library started the threads that are busy. */
static void count_owners(const struct fs_table *table, struct fs_cohort *cohort,
                         const struct fs_record *record) {
    const struct fs_activity *activity = record->activity;

    for (size_t i = 0; i < activity->thread_count; i++) {
        const int tid = activity->thread[i].tid;
        if (!activity->thread[i].busy || tid == record->pid) continue;
        for (size_t j = record->thread_count; j-- > 0;) {
            if (record->threads[j].tid != tid) continue;
            const struct fs_site *site = fs_table_site(table, record->threads[j].routine);
            if (site && site->module) count_owner(cohort, site->module);
            break;
        }
    }
}

static void add_member(const struct fs_table *table, struct fs_cohort *cohort,
                       const struct fs_record *record, int64_t now) {
    const struct fs_activity *activity = record->activity;

    if (record->zombie) {
        cohort->now.zombies++;
        return;
    }
    if (!activity || activity->t != now) return;
    cohort->now.live++;
    cohort->now.busy += activity->busy;
    cohort->now.runnable += activity->runnable;
    cohort->now.threads_busy += activity->threads_busy;
    cohort->now.used.run_ns += activity->delta_run_ns;
    cohort->now.used.wait_ns += activity->delta_wait_ns;
    if (activity->threads > cohort->threads_peak) cohort->threads_peak = activity->threads;
    if (activity->threads_busy > cohort->threads_busy_peak)
        cohort->threads_busy_peak = activity->threads_busy;
    if (activity->threads_busy > 1) count_owners(table, cohort, record);
}

static void watch_zombies(struct fs_cohort *cohort, int64_t now) {
    const int many = cohort->live_peak > MANY_ZOMBIES ? cohort->live_peak : MANY_ZOMBIES;

    if (cohort->now.zombies > cohort->zombies_peak) cohort->zombies_peak = cohort->now.zombies;
    if (cohort->now.zombies < many) {
        cohort->zombies_since = FS_UNKNOWN;
        return;
    }
    if (cohort->zombies_since == FS_UNKNOWN) cohort->zombies_since = now;
    if (now - cohort->zombies_since > cohort->zombies_ns)
        cohort->zombies_ns = now - cohort->zombies_since;
}

static bool is_below(const struct fs_used *used, double run, double wait, int64_t window) {
    return (double)used->run_ns <= run * (double)window &&
           (double)used->wait_ns <= wait * (double)window;
}

static bool is_waiting(const struct fs_used *used, int64_t window) {
    return is_below(used, polling_share, queueing_share, window);
}

static bool is_work(struct fs_cohort *cohort, int64_t window, int64_t now) {
    const struct fs_used *used = &cohort->watch_used;

    if (is_below(used, polling_share, starving_share, window)) return false;
    const bool again = cohort->doubt_until >= now;
    cohort->doubt_until = now + doubt_kept;
    return again || !is_below(used, work_share, starving_share, window);
}

static void watch_idleness(struct fs_cohort *cohort, int64_t now) {
    cohort->watch_used.run_ns += cohort->now.used.run_ns;
    cohort->watch_used.wait_ns += cohort->now.used.wait_ns;
    const int64_t window = now - cohort->watch_since;
    if (window < watch_window) return;
    if (is_work(cohort, window, now)) cohort->last_active = now;
    cohort->watch_since = now;
    cohort->watch_used = (struct fs_used){0};
}

static void sum_sample(struct fs_cohort *cohort, int64_t interval, bool frozen, int64_t now) {
    const struct fs_activity *parent = cohort->parent ? cohort->parent->activity : NULL;

    if (cohort->now.live > cohort->live_peak) cohort->live_peak = cohort->now.live;
    if (parent && parent->t == now) {
        cohort->now.used.run_ns += parent->delta_run_ns;
        cohort->now.used.wait_ns += parent->delta_wait_ns;
        cohort->now.runnable += parent->runnable;
        if (cohort->now.live > 0) cohort->parent_cpu_ns += parent->delta_run_ns;
    }
    watch_zombies(cohort, now);
    if (!frozen) watch_idleness(cohort, now);
    if (cohort->now.live == 0) return;
    if (cohort->now.busy > cohort->busy_peak) cohort->busy_peak = cohort->now.busy;
    if (cohort->now.threads_busy > cohort->threads_busy_total)
        cohort->threads_busy_total = cohort->now.threads_busy;
    if (cohort->now.busy >= 1) cohort->busy_ns += interval;
    if (cohort->now.busy >= 2) cohort->overlap_ns += interval;
    if (cohort->now.runnable == 0 && is_waiting(&cohort->now.used, interval))
        cohort->sleep_ns += interval;
    if (interval > cohort->sample_ns) cohort->sample_ns = interval;
}

void fs_cohorts_sample(struct fs_cohorts *cohorts, const struct fs_sampler *sampler, int64_t now) {
    struct fs_cohort *cohort, *next;
    int busy = 0, threads = 0;

    HASH_ITER(hh, cohorts->list, cohort, next) memset(&cohort->now, 0, sizeof cohort->now);
    for (const struct fs_record *record = cohorts->table->first_open; record;
         record = record->next_open)
        if (!record->over && record->cohort)
            add_member(cohorts->table, record->cohort, record, now);
    HASH_ITER(hh, cohorts->list, cohort, next) {
        const bool parent_lives = cohort->parent && !cohort->parent->over;
        if (cohort->now.live == 0 && cohort->now.zombies == 0 && !parent_lives) continue;
        sum_sample(cohort, sampler->interval_ns, cohorts->frozen, now);
        if (cohort->key.helper || cohort->shell) continue;
        busy += cohort->now.busy;
        threads += cohort->now.threads_busy;
    }
    if (busy > cohorts->workers_busy_peak) cohorts->workers_busy_peak = busy;
    if (threads > cohorts->threads_busy_peak) cohorts->threads_busy_peak = threads;
}

static int by_cohort_and_begin(const void *left, const void *right) {
    const struct fs_record *a = *(struct fs_record *const *)left,
                           *b = *(struct fs_record *const *)right;
    const uintptr_t cohort_a = (uintptr_t)a->cohort, cohort_b = (uintptr_t)b->cohort;

    if (cohort_a != cohort_b) return cohort_a < cohort_b ? -1 : 1;
    const int64_t begin_a = fs_record_begin(a), begin_b = fs_record_begin(b);
    if (begin_a != begin_b) return begin_a < begin_b ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

struct fs_record **fs_cohorts_members(const struct fs_cohorts *cohorts, size_t *count) {
    struct fs_record **members = calloc(cohorts->table->count + 1, sizeof(struct fs_record *));

    *count = 0;
    if (!members) return NULL;
    for (struct fs_record *record = cohorts->table->first; record; record = record->next)
        if (record->cohort) members[(*count)++] = record;
    qsort(members, *count, sizeof *members, by_cohort_and_begin);
    return members;
}

int fs_ascending(const void *left, const void *right) {
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

/* Until when a member lived for certain: one that looks alone miss may have ended right after the
 * last look that found it, and made room for the next. */
static int64_t alive_until(const struct fs_record *record, int64_t begin, int64_t end) {
    if (record->t_exit != FS_UNKNOWN || record->t_reaped != FS_UNKNOWN || record->t_seen >= end)
        return end;
    return record->t_seen > begin ? record->t_seen : begin;
}

int fs_members_peak(struct fs_record *const *members, size_t count, int64_t now,
                    int64_t *lived_ns) {
    int64_t *ends = calloc(count + 1, sizeof *ends), lived = 0, covered = INT64_MIN;
    size_t ended = 0;
    int peak = 0;

    for (size_t i = 0; ends && i < count; i++) {
        const int64_t begin = fs_record_begin(members[i]), end = fs_record_end(members[i]);
        ends[i] = end == FS_UNKNOWN ? now : end > begin ? end : begin;
        const int64_t from = begin > covered ? begin : covered;
        if (ends[i] > from) lived += ends[i] - from;
        if (ends[i] > covered) covered = ends[i];
        if (end != FS_UNKNOWN) ends[i] = alive_until(members[i], begin, ends[i]);
    }
    if (ends) qsort(ends, count, sizeof *ends, fs_ascending);
    for (size_t i = 0; ends && i < count; i++) {
        /* One that ends when the next begins is a replacement, not a colleague. */
        while (ended < i && ends[ended] <= fs_record_begin(members[i]))
            ended++;
        if ((int)(i + 1 - ended) > peak) peak = (int)(i + 1 - ended);
    }
    free(ends);
    if (lived_ns) *lived_ns = lived;
    return peak;
}

/* Adds members that are about to be given up to the sums of their cohort. */
static void keep_sums(struct fs_cohort *cohort, const struct fs_record *record, int64_t now) {
    struct fs_forgotten *sums = &cohort->forgotten;
    const int64_t begin = fs_record_begin(record), end = fs_record_end(record),
                  cpu = fs_record_cpu(record);

    if (sums->workers == 0 || begin < sums->begin) sums->begin = begin;
    if (sums->workers == 0 || end > sums->end) sums->end = end != FS_UNKNOWN ? end : now;
    sums->workers++;
    if (cpu > 0) sums->cpu_ns += cpu;
    if (record->run_ns == FS_UNKNOWN) return;
    sums->run_ns += record->run_ns;
    sums->wait_ns += record->wait_ns;
    sums->scheduled++;
}

static bool can_be_forgotten(const struct fs_table *table, const struct fs_record *record) {
    return record->over && record->kept_children == 0 && record->kept_slots == 0 &&
           record->birth != FS_BIRTH_RUN && fs_record_signal(record) == 0 &&
           !fs_record_is_task(table, record);
}

/* Peaks are taken while all who lived at one time are still here. */
static void keep_peaks(struct fs_record *const *members, size_t count, int64_t now) {
    for (size_t i = 0, first = 0; i < count; i++) {
        if (i + 1 < count && members[i + 1]->cohort == members[i]->cohort) continue;
        struct fs_forgotten *sums = &members[i]->cohort->forgotten;
        int64_t lived;
        const int peak = fs_members_peak(members + first, i + 1 - first, now, &lived);
        if (peak > sums->peak) sums->peak = peak;
        first = i + 1;
    }
}

void fs_cohorts_forget(struct fs_cohorts *cohorts, size_t keep, int64_t now) {
    struct fs_table *table = cohorts->table;
    struct fs_record *next;
    size_t count;
    struct fs_record **members = fs_cohorts_members(cohorts, &count);

    if (!members) return;
    keep_peaks(members, count, now);
    free(members);
    for (struct fs_record *record = table->first; record && table->count > keep; record = next) {
        next = record->next;
        if (!can_be_forgotten(table, record)) continue;
        if (record->cohort) keep_sums(record->cohort, record, now);
        table->forgotten_whole += fs_record_is_whole(record);
        fs_table_forget(table, record);
    }
}

void fs_cohorts_free(struct fs_cohorts *cohorts) {
    struct fs_cohort *cohort, *next;

    HASH_ITER(hh, cohorts->list, cohort, next) {
        HASH_DEL(cohorts->list, cohort);
        free(cohort);
    }
}
