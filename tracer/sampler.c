/* sampler.c - see sampler.h. */
#include "tracer/sampler.h"

#include "tracer/clock.h"
#include "tracer/random_streams.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t start_slack = 30 * FS_MILLISECOND; /* ticks of /proc are 10 ms */
enum { CPUS_MAX = 8192 };

void fs_activity_free(struct fs_activity *activity) {
    if (activity) free(activity->thread);
    free(activity);
}

int fs_sampler_open(struct fs_sampler *sampler, struct fs_table *table, const char *root) {
    *sampler = (struct fs_sampler){
        .table = table, .t_full = FS_UNKNOWN, .environments_read = true, .captured = *root != '\0'};
    sampler->proc = fs_proc_open(root);
    sampler->scratch = hwloc_bitmap_alloc();
    if (sampler->proc && sampler->scratch) {
        char path[64], text[16];
        snprintf(path, sizeof path, "task/%d/children", (int)getpid());
        sampler->no_children_files =
            !sampler->captured &&
            fs_proc_text(sampler->proc, getpid(), path, text, sizeof text) < 0;
        return 0;
    }
    const int saved = errno;
    fs_sampler_close(sampler);
    return errno = saved, -1;
}

void fs_sampler_close(struct fs_sampler *sampler) {
    fs_proc_close(sampler->proc);
    hwloc_bitmap_free(sampler->scratch);
    free(sampler->cpu_busy_samples);
    free(sampler->sids);
    sampler->sids = NULL;
    sampler->sid_count = 0;
    sampler->proc = NULL;
    sampler->scratch = NULL;
    sampler->cpu_busy_samples = NULL;
}

static bool is_jobs_session(const struct fs_sampler *sampler, int sid) {
    for (size_t i = 0; i < sampler->sid_count; i++)
        if (sampler->sids[i] == sid) return true;
    return false;
}

void fs_sampler_add_session(struct fs_sampler *sampler, int sid) {
    if (is_jobs_session(sampler, sid)) return;
    int *sids = fs_table_grow(sampler->table, sampler->sids, sampler->sid_count, sizeof *sids);
    if (!sids) return;
    sampler->sids = sids;
    sids[sampler->sid_count++] = sid;
}

/* Of a process that no fork is known of. It may have begun before the first one that was seen:
 * a launcher starts many, in any order. Then one of ours maps the preload object. */
static bool may_be_ours(struct fs_sampler *sampler, const struct fs_record *record, int64_t start) {
    const struct fs_record *first = sampler->table->first;
    const int64_t begin = first && first != record ? fs_record_begin(first) : FS_UNKNOWN;

    return begin == FS_UNKNOWN || start >= begin - start_slack ||
           fs_proc_maps_object(sampler->proc, record->pid, "libforksight") != 0;
}

/* Whether what /proc shows under the pid is the record's process, not a later one, nor one of
 * ours where the record's is numbered by a pid namespace of its own. */
static bool is_same_process(struct fs_sampler *sampler, struct fs_record *record,
                            const struct fs_proc_stat *stat) {
    const int64_t start = fs_start_of(stat->starttime);

    if (record->start_ticks) return record->start_ticks == stat->starttime;
    if (record->t_fork != FS_UNKNOWN ? start < record->t_fork - start_slack
                                     : !may_be_ours(sampler, record, start))
        return false;
    const int64_t latest = record->t_start != FS_UNKNOWN ? record->t_start : record->t_seen;
    if (latest != FS_UNKNOWN && start > latest + start_slack) return false;
    record->start_ticks = stat->starttime;
    return true;
}

static void note_gone(struct fs_record *record, int64_t now) {
    if (record->t_gone == FS_UNKNOWN) record->t_gone = now;
    record->zombie = false;
    fs_record_close(record);
}

bool fs_sampler_knows(struct fs_sampler *sampler, struct fs_record *record, int64_t now) {
    struct fs_proc_stat stat;

    if (record->start_ticks || fs_proc_stat(sampler->proc, record->pid, &stat) != 0) return true;
    if (is_same_process(sampler, record, &stat)) return true;
    note_gone(record, now);
    return false;
}

static struct fs_activity *activity_of(struct fs_table *table, struct fs_record *record) {
    if (record->activity) return record->activity;
    record->activity = calloc(1, sizeof *record->activity);
    if (!record->activity) {
        table->lost++;
        return NULL;
    }
    record->activity->t = FS_UNKNOWN;
    record->activity->t_image = FS_UNKNOWN;
    return record->activity;
}

static struct fs_thread_activity *thread_of(struct fs_table *table, struct fs_activity *activity,
                                            int tid, size_t hint) {
    if (hint < activity->thread_count && activity->thread[hint].tid == tid)
        return &activity->thread[hint];
    for (size_t i = 0; i < activity->thread_count; i++)
        if (activity->thread[i].tid == tid) return &activity->thread[i];
    struct fs_thread_activity *threads =
        fs_table_grow(table, activity->thread, activity->thread_count, sizeof *threads);
    if (!threads) return NULL;
    activity->thread = threads;
    threads += activity->thread_count++;
    *threads = (struct fs_thread_activity){
        .tid = tid, .processor = FS_UNKNOWN, .processor_before = FS_UNKNOWN, .t_start = FS_UNKNOWN};
    return threads;
}

/* The thread's record gets its numbers too: a killed thread has no exit hook. */
static void note_thread(struct fs_record *record, const struct fs_thread_activity *thread) {
    for (size_t i = record->thread_count; i-- > 0;) {
        struct fs_thread *known = &record->threads[i];
        if (known->tid != thread->tid || known->ended) continue;
        known->run_ns = thread->run_ns;
        known->wait_ns = thread->wait_ns;
        return;
    }
}

struct thread_sums {
    int64_t run_ns, wait_ns;
    int busy, runnable;
};

/* srun and its like start the job's processes: where they run says nothing of the job's CPUs. */
static bool is_launcher(const struct fs_record *record) {
    const struct fs_image *image = fs_record_image(record);

    return image && image->role == FS_ROLE_LAUNCHER;
}

static void sample_thread(struct fs_sampler *sampler, struct fs_record *record, int tid,
                          size_t hint, const struct fs_proc_stat *process,
                          struct thread_sums *sums) {
    struct fs_activity *activity = record->activity;
    struct fs_proc_schedstat schedule = {0};
    struct fs_proc_stat stat = *process;
    struct fs_thread_activity *thread = thread_of(sampler->table, activity, tid, hint);

    if (!thread) return;
    if (fs_proc_schedstat(sampler->proc, record->pid, tid, &schedule) != 0) {
        /* One that never ran yet, or a kernel without these numbers. */
        if (errno != ENODATA) return;
        if (process->threads > 1 &&
            fs_proc_thread_stat(sampler->proc, record->pid, tid, &stat) != 0)
            return;
        schedule.run_ns = (stat.utime + stat.stime) * (uint64_t)fs_tick_ns();
    }
    if (sampler->from_now && sampler->samples == 0) {
        thread->before_run_ns = (int64_t)schedule.run_ns;
        thread->before_wait_ns = (int64_t)schedule.wait_ns;
        activity->before_run_ns += thread->before_run_ns;
    }
    schedule.run_ns -= (uint64_t)thread->before_run_ns;
    schedule.wait_ns -= (uint64_t)thread->before_wait_ns;
    const int64_t run = (int64_t)schedule.run_ns - thread->run_ns;
    const int64_t wait = (int64_t)schedule.wait_ns - thread->wait_ns;
    thread->delta_run_ns = run > 0 ? run : 0;
    thread->delta_wait_ns = wait > 0 ? wait : 0;
    /* A thread that did nothing since the last sample sleeps: its state need not be read; nor,
     * where a look must cost little, that of one which only looked around. */
    const int64_t little = sampler->from_now ? activity->interval_ns / 200 : 0;
    if (process->threads > 1 && (run > little || wait > little || thread->runnable) &&
        fs_proc_thread_stat(sampler->proc, record->pid, tid, &stat) != 0)
        return;
    const bool runs_now = stat.state == 'R' && (process->threads == 1 || run > little ||
                                                wait > little || thread->runnable);
    thread->busy = run + wait > activity->interval_ns / 100 || (runs_now && thread->runnable);
    thread->runnable = runs_now;
    thread->seen = true;
    if (run > little) {
        thread->processor_before = thread->processor;
        thread->processor = stat.processor;
    }
    thread->run_ns = (int64_t)schedule.run_ns;
    thread->wait_ns = (int64_t)schedule.wait_ns;
    sums->run_ns += thread->run_ns;
    sums->wait_ns += thread->wait_ns;
    sums->busy += thread->busy;
    sums->runnable += runs_now;
    if (run + wait > activity->interval_ns / 2 && stat.processor >= 0 && !is_launcher(record))
        hwloc_bitmap_set(sampler->scratch, (unsigned)stat.processor);
    if (tid != record->pid && run > 0) note_thread(record, thread);
}

static void drop_ended_threads(struct fs_activity *activity) {
    size_t kept = 0;

    for (size_t i = 0; i < activity->thread_count; i++) {
        struct fs_thread_activity *thread = &activity->thread[i];
        if (!thread->seen) {
            activity->gone_run_ns += thread->run_ns;
            activity->gone_wait_ns += thread->wait_ns;
            continue;
        }
        thread->seen = false;
        activity->thread[kept++] = *thread;
    }
    activity->thread_count = kept;
}

static void sample_threads(struct fs_sampler *sampler, struct fs_record *record,
                           const struct fs_proc_stat *stat, int64_t now) {
    struct fs_activity *activity = record->activity;
    struct thread_sums sums = {0};
    const int *tids = &record->pid;
    size_t count = 1;
    const bool was_runnable = activity->runnable;

    activity->interval_ns =
        now - (activity->t != FS_UNKNOWN ? activity->t : fs_record_begin(record));
    if (activity->interval_ns < 1) activity->interval_ns = 1;
    if (stat->threads > 1 && fs_proc_tids(sampler->proc, record->pid, &tids, &count) != 0) return;
    for (size_t i = 0; i < count; i++)
        sample_thread(sampler, record, tids[i], i, stat, &sums);
    drop_ended_threads(activity);
    sums.run_ns += activity->gone_run_ns;
    sums.wait_ns += activity->gone_wait_ns;
    activity->delta_run_ns = sums.run_ns > activity->run_ns ? sums.run_ns - activity->run_ns : 0;
    activity->delta_wait_ns =
        sums.wait_ns > activity->wait_ns ? sums.wait_ns - activity->wait_ns : 0;
    activity->run_ns = sums.run_ns;
    activity->wait_ns = sums.wait_ns;
    activity->runnable = sums.runnable > 0;
    activity->busy = activity->delta_run_ns + activity->delta_wait_ns > activity->interval_ns / 2 ||
                     (activity->runnable && was_runnable);
    activity->threads = stat->threads;
    activity->threads_busy = sums.busy;
    activity->state = stat->state;
    activity->t = now;
    if (activity->busy) record->last_busy = now;
}

static void set_mask(struct fs_table *table, struct fs_record *record, hwloc_const_bitmap_t mask) {
    const uint32_t number = fs_intern_mask(&table->interned, mask);

    if (number) record->mask = number;
}

/* The union over its threads, by their status files. */
static void read_mask(struct fs_sampler *sampler, struct fs_record *record) {
    struct fs_proc_status status = {.mask = hwloc_bitmap_alloc()};
    hwloc_bitmap_t whole = hwloc_bitmap_alloc();
    const struct fs_activity *activity = record->activity;

    for (size_t i = 0; status.mask && whole && i < activity->thread_count; i++)
        if (fs_proc_status(sampler->proc, record->pid, activity->thread[i].tid, &status) == 0)
            hwloc_bitmap_or(whole, whole, status.mask);
    if (whole) set_mask(sampler->table, record, whole);
    hwloc_bitmap_free(whole);
    hwloc_bitmap_free(status.mask);
}

/* sched_getaffinity() needs no privilege and costs a hundredth of reading the status file. */
static void sample_mask(struct fs_sampler *sampler, struct fs_record *record) {
    static unsigned long words[CPUS_MAX / (8 * sizeof(unsigned long))];
    unsigned long whole[sizeof words / sizeof *words] = {0};
    const struct fs_activity *activity = record->activity;
    const size_t count = activity->thread_count ? activity->thread_count : 1;
    bool any = false;

    if (sampler->captured) {
        read_mask(sampler, record);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const int tid = activity->thread_count ? activity->thread[i].tid : record->pid;
        memset(words, 0, sizeof words);
        if (sched_getaffinity(tid, sizeof words, (cpu_set_t *)words) != 0) continue;
        any = true;
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            whole[w] |= words[w];
    }
    hwloc_bitmap_t mask = any ? hwloc_bitmap_alloc() : NULL;
    if (!mask) return;
    hwloc_bitmap_from_ulongs(mask, sizeof whole / sizeof *whole, whole);
    set_mask(sampler->table, record, mask);
    hwloc_bitmap_free(mask);
}

static void sample_record(struct fs_sampler *sampler, struct fs_record *record, int64_t now) {
    struct fs_table *table = sampler->table;
    struct fs_proc_stat stat;

    if (fs_proc_stat(sampler->proc, record->pid, &stat) != 0) {
        if (errno == ENOENT || errno == ESRCH) note_gone(record, now);
        return;
    }
    if (!is_same_process(sampler, record, &stat)) {
        note_gone(record, now);
        return;
    }
    record->witnesses |= FS_WITNESS_PROC;
    record->pgid = stat.pgid;
    record->sid = stat.sid;
    if (!is_jobs_session(sampler, stat.sid)) record->own_session = true;
    if (record->t_start == FS_UNKNOWN) record->t_start = fs_start_of(stat.starttime);
    /* A main thread that ended before the others is a zombie of its own. */
    if ((stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1) {
        if (record->t_gone == FS_UNKNOWN) record->t_gone = now;
        record->zombie = true;
        if (record->activity) record->activity->busy = record->activity->runnable = false;
        return;
    }
    record->t_seen = now;
    if (!activity_of(table, record)) return;
    sample_threads(sampler, record, &stat, now);
    const int64_t all_ticks = (int64_t)(stat.utime + stat.stime) * fs_tick_ns();
    if (sampler->from_now && sampler->samples == 0) record->activity->before_ticks_ns = all_ticks;
    const int64_t ticks = all_ticks - record->activity->before_ticks_ns;
    record->sampled_ns = ticks > record->activity->run_ns ? ticks : record->activity->run_ns;
    record->t_sampled = now;
    record->run_ns = record->activity->run_ns;
    record->wait_ns = record->activity->wait_ns;
    if ((uint32_t)stat.threads > record->threads_peak + 1)
        record->threads_peak = (uint32_t)stat.threads - 1;
    sample_mask(sampler, record);
    if (record->heir) fs_random_sample(record, fs_now());
}

static void count_cpus(struct fs_sampler *sampler) {
    const int last = hwloc_bitmap_last(sampler->scratch);
    const int busy = hwloc_bitmap_weight(sampler->scratch);

    if (busy > sampler->busy_cpus_peak) sampler->busy_cpus_peak = busy;
    if (last >= (int)sampler->cpu_room) {
        const size_t room = (size_t)last + 64;
        int64_t *samples = realloc(sampler->cpu_busy_samples, room * sizeof *samples);
        if (!samples) return;
        memset(samples + sampler->cpu_room, 0, (room - sampler->cpu_room) * sizeof *samples);
        sampler->cpu_busy_samples = samples;
        sampler->cpu_room = room;
    }
    unsigned cpu;
    hwloc_bitmap_foreach_begin(cpu, sampler->scratch) sampler->cpu_busy_samples[cpu]++;
    hwloc_bitmap_foreach_end();
}

void fs_sampler_sample(struct fs_sampler *sampler, int64_t now) {
    struct fs_record *next;
    int runnable = 0;
    bool busy = false;

    sampler->interval_ns = sampler->t_full == FS_UNKNOWN ? 0 : now - sampler->t_full;
    hwloc_bitmap_zero(sampler->scratch);
    for (struct fs_record *record = sampler->table->first_open; record; record = next) {
        next = record->next_open;
        if (record->over) continue;
        sample_record(sampler, record, now);
        const struct fs_activity *activity = record->activity;
        if (!activity || record->zombie) continue;
        busy |= activity->busy;
        for (size_t i = 0; i < activity->thread_count; i++)
            runnable += activity->thread[i].runnable;
    }
    count_cpus(sampler);
    sampler->samples++;
    sampler->t_full = now;
    if (runnable > 0) {
        sampler->runnable_sum += runnable;
        sampler->runnable_samples++;
        if (runnable > sampler->runnable_peak) sampler->runnable_peak = runnable;
    }
    if (!hwloc_bitmap_iszero(sampler->scratch)) sampler->busy_samples++;
    if (busy) sampler->active_ns += sampler->interval_ns;
}

hwloc_bitmap_t fs_sampler_busy_cpus(const struct fs_sampler *sampler) {
    hwloc_bitmap_t cpus = sampler->busy_samples ? hwloc_bitmap_alloc() : NULL;

    for (size_t cpu = 0; cpus && cpu < sampler->cpu_room; cpu++)
        if (2 * sampler->cpu_busy_samples[cpu] > sampler->busy_samples)
            hwloc_bitmap_set(cpus, (unsigned)cpu);
    return cpus;
}
