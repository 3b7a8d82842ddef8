/* audit.c - see audit.h. */
#include "tracer/audit.h"

#include "tracer/captured.h"
#include "tracer/clock.h"
#include "tracer/clock_mark.h"
#include "tracer/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t shortest_period = 100 * FS_MILLISECOND;
/* A sample costs at most this share of the time until the next one ... */
enum { COST_SHARE = 140 };
/* ... and there are at least so many in a window, for less would tell nothing. */
enum { SAMPLES_LEAST = 2 };
/* Less CPU time than this share of its life: it waited all along. */
enum { QUIET_SHARE = 300 };

static int fail(char *error, size_t size, const char *what) {
    const int reason = errno ? errno : ENOMEM;

    snprintf(error, size, "%s: %s", what, strerror(reason));
    return errno = reason, -1;
}

static void discover(struct fs_audit *audit) {
    struct fs_collector *collector = &audit->collector;

    if (collector->sampler.captured)
        collector->topology = fs_captured_topology(audit->place);
    else if (fs_topology_discover(&collector->topology) != 0)
        collector->topology = NULL;
}

static int open_collector(struct fs_audit *audit, char *error, size_t size) {
    struct fs_collector *collector = &audit->collector;

    *collector = (struct fs_collector){.job = &audit->job,
                                       .fold.directory = -1,
                                       .limit_bytes = INT64_MAX,
                                       .oom_kills = FS_UNKNOWN,
                                       .shm_size = FS_UNKNOWN,
                                       .shm_free_min = FS_UNKNOWN,
                                       .pss_peak = FS_UNKNOWN,
                                       .outside.facts = &audit->facts};
    fs_table_init(&collector->table);
    collector->cohorts.table = &collector->table;
    if (*audit->options->root && fs_captured_moment(audit->options->root, 1, audit->place) != 0)
        return fail(error, size, audit->options->root);
    if (fs_sampler_open(&collector->sampler, &collector->table, audit->place) != 0)
        return fail(error, size, "cannot read /proc; forksight needs it mounted");
    collector->sampler.from_now = true;
    if (*audit->place && fs_captured_time(collector->sampler.proc, &audit->t_moment) != 0)
        return fail(error, size, audit->place);
    audit->moment = 1;
    audit->facts.captured = collector->sampler.captured;
    collector->stuck.off = !audit->options->stacks;
    collector->stuck.all = audit->options->stacks;
    collector->stuck.why_off = "stacks are read with --stacks";
    collector->stuck.hang_after_ns = 2 * FS_SECOND;
    discover(audit);
    fs_teams_open(&collector->teams, &collector->table, collector->topology);
    fs_siblings_open(&collector->siblings,
                     collector->sampler.captured ? NULL : collector->topology);
    return 0;
}

static int drop_ended_roots(struct fs_audit *audit) {
    struct fs_proc_stat stat;
    size_t kept = 0;

    for (size_t i = 0; i < audit->root_count; i++)
        if (fs_proc_stat(audit->collector.sampler.proc, audit->roots[i], &stat) == 0)
            audit->roots[kept++] = audit->roots[i];
    audit->root_count = kept;
    return kept > 0 ? 0 : (errno = ESRCH, -1);
}

/* The time of a job whose processes carry records begins with its main process. */
static int64_t recorded_start(const struct fs_audit *audit, int64_t now) {
    const struct fs_record *record = fs_table_newest(&audit->collector.table, audit->roots[0]);
    const int64_t begin = record ? fs_record_begin(record) : FS_UNKNOWN;

    return begin != FS_UNKNOWN && begin < now ? begin : now;
}

/* The job begins with the look; how old it is, is a fact of its own. */
static void begin_window(struct fs_audit *audit, int64_t now) {
    struct fs_collector *collector = &audit->collector;
    const bool recorded = collector->fold.directory >= 0;

    for (struct fs_record *record = collector->table.first; record; record = record->next) {
        const int64_t age = now - fs_record_begin(record);
        if (age > audit->facts.age_ns) audit->facts.age_ns = age;
        if (recorded) continue;
        record->age_ns = age;
        record->t_start = now;
    }
    collector->meta.start = recorded ? recorded_start(audit, now) : now;
    if (!collector->sampler.captured) collector->clock_begin = fs_clock_mark();
    collector->t_oom_look = now;
    fs_collector_sample(collector, now);
    /* Who hardly ran since its birth did not begin to wait with the window. */
    for (struct fs_record *record = collector->table.first; record; record = record->next) {
        struct fs_activity *activity = record->activity;
        if (!activity || recorded || activity->before_run_ns > record->age_ns / QUIET_SHARE)
            continue;
        activity->quiet_since = now - record->age_ns;
        activity->quiet_run_ns = -activity->before_run_ns;
    }
}

static int numa_of(hwloc_topology_t topology, int cpu) {
    hwloc_obj_t node = NULL;

    while (topology && (node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)))
        if (hwloc_bitmap_isset(node->cpuset, (unsigned)cpu)) return (int)node->logical_index;
    return FS_UNKNOWN;
}

static void count_moves(struct fs_audit *audit) {
    const struct fs_table *table = &audit->collector.table;

    for (const struct fs_record *record = table->first_open; record; record = record->next_open) {
        const struct fs_activity *activity = record->activity;
        for (size_t i = 0; activity && i < activity->thread_count; i++) {
            const struct fs_thread_activity *thread = &activity->thread[i];
            if (thread->delta_run_ns == 0 || thread->processor_before < 0) continue;
            audit->facts.looks++;
            if (thread->processor == thread->processor_before) continue;
            audit->facts.migrations++;
            audit->facts.numa_migrations +=
                numa_of(audit->collector.topology, thread->processor) !=
                numa_of(audit->collector.topology, thread->processor_before);
        }
    }
}

static void say_progress(const struct fs_audit *audit, int64_t elapsed) {
    if (!audit->options->progress) return;
    fprintf(stderr, "\rforksight audit: %zu processes, %.1f of %.1f s ",
            audit->collector.table.count, (double)elapsed / 1e9,
            (double)audit->options->window_ns / 1e9);
}

/* How long to wait after a sample that took so much CPU time. */
static int64_t period_after(const struct fs_audit *audit, int64_t cpu_ns) {
    const int64_t longest = audit->options->window_ns / SAMPLES_LEAST;
    const int64_t period =
        cpu_ns * COST_SHARE > shortest_period ? cpu_ns * COST_SHARE : shortest_period;

    return period < longest ? period : longest;
}

/* Samples until the window is over. sample_cpu_ns: what the first sample took. */
static int watch(struct fs_audit *audit, int64_t sample_cpu_ns) {
    struct fs_collector *collector = &audit->collector;
    const int64_t begin = collector->sampler.t_full, window = audit->options->window_ns;
    const bool captured = collector->sampler.captured;
    int64_t now = begin, period = period_after(audit, sample_cpu_ns);

    while (captured || now < begin + window) {
        say_progress(audit, now - begin);
        int64_t due = now + period;
        if (due > begin + window - period / 2) due = begin + window;
        if (!fs_audit_next(audit, due)) break;
        now = fs_audit_now(audit);
        const int64_t cpu = fs_clock_read(CLOCK_THREAD_CPUTIME_ID);
        /* Newcomers count from their birth; they are looked for once, when all else is known. */
        if (captured || now >= begin + window) {
            if (collector->fold.directory >= 0) fs_fold_pass(&collector->fold, now, false);
            if (fs_audit_scan(audit, now) != 0) return -1;
        }
        fs_collector_sample(collector, now);
        count_moves(audit);
        period = period_after(audit, fs_clock_read(CLOCK_THREAD_CPUTIME_ID) - cpu);
    }
    collector->outside.t_end = now;
    audit->facts.window_ns = now - begin;
    return 0;
}

/* Files of the record are named after the captured machine, too. */
static void name_host(struct fs_audit *audit) {
    char host[sizeof audit->job.host];

    if (fs_captured_text(audit->collector.sampler.proc, "sys/kernel/hostname", host, sizeof host))
        snprintf(host, sizeof host, "captured");
    fs_safe_name(host, audit->job.host, sizeof audit->job.host);
    snprintf(audit->job.node, sizeof audit->job.node, "%s", audit->job.host);
}

static int set_meta(struct fs_audit *audit) {
    struct fs_meta *meta = &audit->collector.meta;
    struct fs_proc *proc = audit->collector.sampler.proc;
    const bool captured = audit->collector.sampler.captured;
    char boot_id[64] = "";

    if (captured)
        fs_captured_text(proc, "sys/kernel/random/boot_id", boot_id, sizeof boot_id);
    else
        fs_boot_id(boot_id, sizeof boot_id);
    meta->host = strdup(audit->job.host);
    meta->folder = strdup("");
    meta->boot_id = strdup(boot_id);
    meta->start_realtime =
        captured ? fs_captured_realtime(proc, audit->t_moment) : fs_clock_read(CLOCK_REALTIME);
    meta->collector = getpid();
    meta->collector_start = captured ? 0 : fs_start_ticks(getpid());
    meta->main_pid = audit->roots[0];
    meta->oom_kills = audit->collector.oom_kills;
    meta->finished = true;
    audit->collector.table.main_pid = audit->roots[0];
    audit->collector.table.run_pid = captured ? 0 : getpid();
    return meta->host && meta->folder && meta->boot_id ? 0 : -1;
}

static int look(struct fs_audit *audit, char *error, size_t size) {
    struct fs_collector *collector = &audit->collector;
    const int64_t cpu = fs_clock_read(CLOCK_PROCESS_CPUTIME_ID), begin = fs_now();

    if (collector->sampler.captured) name_host(audit);
    if (drop_ended_roots(audit) != 0)
        return snprintf(error, size, "the processes ended before they could be looked at"), -1;
    fs_audit_open_inside(audit);
    if (fs_audit_place(audit) != 0 || set_meta(audit) != 0)
        return fail(error, size, "cannot describe the job");
    if (fs_audit_scan(audit, fs_audit_now(audit)) != 0)
        return fail(error, size, "cannot list the processes in /proc");
    if (collector->table.count == 0)
        return errno = ESRCH,
               snprintf(error, size, "the processes ended before they could be looked at"), -1;
    fs_audit_count_inside(audit);
    const int64_t first = fs_clock_read(CLOCK_PROCESS_CPUTIME_ID);
    begin_window(audit, fs_audit_now(audit));
    audit->facts.scan_ns = fs_now() - begin;
    audit->facts.scan_cpu_ns = fs_clock_read(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (collector->sampler.captured) audit->facts.scan_ns = audit->facts.scan_cpu_ns = FS_UNKNOWN;
    collector->cpu_start = fs_clock_read(CLOCK_PROCESS_CPUTIME_ID);
    if (watch(audit, collector->cpu_start - first) != 0)
        return fail(error, size, "cannot read /proc");
    collector->outside.cpu_ns =
        collector->sampler.captured
            ? FS_UNKNOWN
            : fs_clock_read(CLOCK_PROCESS_CPUTIME_ID) - collector->cpu_start;
    fs_stuck_last_look(&collector->stuck, &collector->sampler, collector->outside.t_end);
    if (audit->options->progress) fputs("\r\033[K", stderr);
    fs_audit_given(audit);
    if (fs_collector_write(collector) != 0 ||
        (!audit->options->part && fs_meta_write(&audit->job, &collector->meta) != 0))
        return fail(error, size, audit->job.path);
    return 0;
}

static void close_audit(struct fs_audit *audit) {
    struct fs_meta *meta = &audit->collector.meta;

    for (size_t i = 0; i < meta->command_count; i++)
        free(meta->command[i]);
    free(meta->command);
    for (size_t i = 0; audit->environment && audit->environment[i]; i++)
        free(audit->environment[i]);
    free(audit->environment);
    free(audit->facts.deleted_example);
    free(audit->roots);
    fs_collector_close(&audit->collector);
}

int fs_audit(const struct fs_audit_options *options, const int *roots, size_t count,
             struct fs_jobdir *job, char *error, size_t error_size) {
    struct fs_audit *audit = calloc(1, sizeof *audit);
    int result = -1;

    if (!audit) return fail(error, error_size, "cannot begin");
    audit->options = options;
    audit->job = *job;
    audit->facts.stacks = options->stacks;
    audit->facts.step = options->step;
    audit->roots = malloc((count + 1) * sizeof *audit->roots);
    if (audit->roots) {
        memcpy(audit->roots, roots, count * sizeof *roots);
        audit->root_count = count;
        result = open_collector(audit, error, error_size);
        if (result == 0) result = look(audit, error, error_size);
    }
    const int reason = errno;
    close_audit(audit);
    free(audit);
    return errno = reason, result;
}
