/* collector.c - see collector.h. */
#include "tracer/collector.h"

#include "tracer/clock.h"
#include "tracer/clock_mark.h"
#include "tracer/detail.h"
#include "tracer/fork_stacks.h"
#include "tracer/mask.h"
#include "tracer/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const int64_t shortest_period = 20 * FS_MILLISECOND;
static const int64_t shortest_sample = 100 * FS_MILLISECOND; /* ticks of /proc are 10 ms */
static const int64_t first_interim = 10 * FS_SECOND, longest_interim = 60 * FS_SECOND;
static const int64_t pss_every = 2 * FS_SECOND;
enum {
    COST_SHARE = 250,
    PRESSED_SHARE = 25,
    ELAPSED_SHARE = 100,
    EARLY_SHARE = 2,
    RECORDS_MAX = 20000
};

/* FORKSIGHT_MAX_MB, or 16 MiB or 128 KiB for each CPU of the job, the larger. */
static int64_t folder_limit(hwloc_const_bitmap_t mask) {
    const char *wanted = getenv("FORKSIGHT_MAX_MB");
    const long megabytes = wanted ? strtol(wanted, NULL, 10) : 0;
    const int64_t by_cpus = (int64_t)fs_mask_weight(mask) * (128 << 10);

    if (megabytes > 0) return (int64_t)megabytes << 20;
    return by_cpus > 16 << 20 ? by_cpus : 16 << 20;
}

/* Over its limit the folder gets another name, so that the shim finds no place for
 * more: segments that exist go on. */
static void hide_folder(struct fs_collector *collector, bool hide) {
    char hidden[PATH_MAX + 16];

    if (hide == collector->folder_hidden || !collector->job->folder[0]) return;
    snprintf(hidden, sizeof hidden, "%s.full", collector->job->folder);
    if (hide ? rename(collector->job->folder, hidden) == 0
             : rename(hidden, collector->job->folder) == 0)
        collector->folder_hidden = hide;
}

static int fill_meta(struct fs_collector *collector, char **command) {
    struct fs_meta *meta = &collector->meta;
    char boot_id[64], here[PATH_MAX];

    fs_boot_id(boot_id, sizeof boot_id);
    meta->host = strdup(collector->job->host);
    meta->folder = strdup(collector->job->folder);
    meta->boot_id = strdup(boot_id);
    meta->directory = getcwd(here, sizeof here) ? strdup(here) : NULL;
    meta->command = command;
    for (meta->command_count = 0; command[meta->command_count];)
        meta->command_count++;
    meta->start = fs_now();
    meta->start_realtime = fs_clock_read(CLOCK_REALTIME);
    meta->collector = getpid();
    meta->collector_start = fs_start_ticks(getpid());
    meta->pid_namespace = fs_pid_namespace();
    meta->mask_start = collector->mask_start ? fs_mask_text(collector->mask_start) : NULL;
    meta->oom_kills = collector->oom_kills;
    return meta->host && meta->folder && meta->boot_id ? 0 : -1;
}

static void read_node(struct fs_collector *collector) {
    collector->mask_start = fs_mask_own();
    if (fs_topology_discover(&collector->topology) != 0) collector->topology = NULL;
    collector->cgroups = fs_cgroups_find("", 0);
    collector->oom_kills = FS_UNKNOWN;
    if (!collector->cgroups) return;
    fs_cgroups_read(collector->cgroups, &collector->at_start);
    collector->oom_kills = fs_cgroups_oom_kills(collector->cgroups);
}

int fs_collector_open(struct fs_collector *collector, struct fs_jobdir *job, char **command,
                      int64_t period_max_ns, char *error, size_t error_size) {
    *collector = (struct fs_collector){.job = job,
                                       .fold.directory = -1,
                                       .clock_begin = fs_clock_mark(),
                                       .period_ns = shortest_period,
                                       .period_max_ns = period_max_ns,
                                       .interim_every_ns = first_interim,
                                       .t_interim = fs_now(),
                                       .shm_size = FS_UNKNOWN,
                                       .shm_free_min = FS_UNKNOWN,
                                       .pss_peak = FS_UNKNOWN};
    fs_table_init(&collector->table);
    collector->table.run_pid = getpid();
    collector->cohorts.table = &collector->table;
    read_node(collector);
    fs_teams_open(&collector->teams, &collector->table, collector->topology);
    fs_siblings_open(&collector->siblings, collector->topology);
    collector->limit_bytes = folder_limit(collector->mask_start);
    if (fs_sampler_open(&collector->sampler, &collector->table, "") != 0) {
        snprintf(error, error_size, "cannot read /proc: %s; forksight needs it mounted",
                 strerror(errno));
        return -1;
    }
    if (fs_fold_open(&collector->fold, &collector->table, job->folder) != 0 ||
        fill_meta(collector, command) != 0) {
        snprintf(error, error_size, "cannot open %s: %s", job->folder, strerror(errno));
        return -1;
    }
    return fs_meta_write(job, &collector->meta) == 0 ? 0
                                                     : fs_jobdir_refused(job, error, error_size);
}

static void start_clocks(struct fs_collector *collector, int64_t t) {
    collector->meta.start = t;
    collector->cpu_start = fs_clock_read(CLOCK_PROCESS_CPUTIME_ID);
    collector->t_interim = t;
    collector->t_oom_look = t;
}

/* t was taken before the fork, which may have waited for a CPU, but the process is there now. */
static void note_root(struct fs_collector *collector, int pid, int ppid, int64_t t) {
    struct fs_record *root = fs_table_add_root(&collector->table, pid, ppid, t);

    if (root && !collector->recovered) root->t_seen = fs_now();
}

void fs_collector_started(struct fs_collector *collector, const struct fs_supervisor *supervisor) {
    note_root(collector, supervisor->pid, collector->table.run_pid, supervisor->t_start);
    fs_sampler_add_session(&collector->sampler, getsid(0));
    collector->meta.main_pid = supervisor->pid;
    start_clocks(collector, supervisor->t_start);
    fs_meta_write(collector->job, &collector->meta);
}

void fs_collector_task_started(struct fs_collector *collector, int pid, int ppid, int64_t t,
                               hwloc_const_bitmap_t mask) {
    struct fs_task_end *tasks =
        fs_table_grow(&collector->table, collector->tasks, collector->task_count, sizeof *tasks);

    if (tasks) {
        collector->tasks = tasks;
        tasks[collector->task_count++] = (struct fs_task_end){.pid = pid, .t_start = t};
    }
    if (mask && collector->mask_start)
        hwloc_bitmap_or(collector->mask_start, collector->mask_start, mask);
    note_root(collector, pid, ppid, t);
    const int sid = getsid(pid);
    if (sid > 0) fs_sampler_add_session(&collector->sampler, sid);
    if (collector->meta.main_pid) return;
    collector->meta.main_pid = pid;
    start_clocks(collector, t);
}

struct fs_task_end fs_task_end_of(const struct fs_supervisor *supervisor) {
    const struct rusage *usage = &supervisor->usage;

    return (struct fs_task_end){
        .pid = supervisor->pid,
        .t_start = supervisor->t_start,
        .ended = supervisor->ended,
        .status = supervisor->status,
        .cpu_ns = (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * FS_SECOND +
                  (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000,
        .maxrss_kib = usage->ru_maxrss,
        .t_end = supervisor->t_end,
    };
}

void fs_collector_task_ended(struct fs_collector *collector, const struct fs_task_end *end) {
    for (size_t i = collector->task_count; i-- > 0;) {
        struct fs_task_end *task = &collector->tasks[i];
        if (task->pid != end->pid || task->ended) continue;
        const int64_t t_start = task->t_start;
        *task = *end;
        task->t_start = t_start;
        task->ended = true;
        return;
    }
}

static void look_for_oom(struct fs_collector *collector, int64_t now) {
    const int64_t kills =
        collector->cgroups ? fs_cgroups_oom_kills(collector->cgroups) : FS_UNKNOWN;

    if (kills > collector->oom_kills && collector->oom_kills != FS_UNKNOWN &&
        collector->oom_count < FS_OOMS_KEPT)
        collector->ooms[collector->oom_count++] =
            (struct fs_oom){.after = collector->t_oom_look, .before = now};
    collector->oom_kills = kills;
    collector->t_oom_look = now;
}

static void look_at_shm(struct fs_collector *collector) {
    struct statvfs space;

    if (collector->sampler.captured || statvfs("/dev/shm", &space) != 0) return;
    const int64_t available = (int64_t)space.f_bfree * (int64_t)space.f_frsize;
    collector->shm_size = (int64_t)space.f_blocks * (int64_t)space.f_frsize;
    if (collector->shm_free_min == FS_UNKNOWN || available < collector->shm_free_min)
        collector->shm_free_min = available;
}

/* What the processes hold together, shared pages once: dear to ask for, so only where it
 * can run into a limit. */
static void look_at_memory(struct fs_collector *collector, int64_t now) {
    int64_t sum = 0, bytes;

    if (collector->outside.facts) return; /* a short look must cost little */
    if (collector->at_start.memory_limit <= 0 || now - collector->t_pss < pss_every) return;
    collector->t_pss = now;
    for (const struct fs_record *record = collector->table.first_open; record;
         record = record->next_open)
        if (!record->over && !record->zombie &&
            fs_proc_pss(collector->sampler.proc, record->pid, &bytes) == 0)
            sum += bytes;
    if (sum > collector->pss_peak) collector->pss_peak = sum;
}

/* An eighth of the room is enough for what lives, and quickly read; until then the dead
 * are kept for a reader after an accident. */
static bool is_pressed(const struct fs_collector *collector) {
    return collector->fold.bytes > collector->limit_bytes / 8 ||
           collector->table.count > RECORDS_MAX;
}

static void look(struct fs_collector *collector, int64_t now, bool full) {
    const bool pressed = is_pressed(collector);

    fs_fold_pass(&collector->fold, now, pressed);
    hide_folder(collector, collector->fold.bytes > collector->limit_bytes);
    fs_sampler_discover(&collector->sampler, now, full);
    if (full)
        fs_collector_sample(collector, now);
    else
        fs_cohorts_assign(&collector->cohorts, now);
}

void fs_collector_sample(struct fs_collector *collector, int64_t now) {
    fs_sampler_sample(&collector->sampler, now);
    fs_cohorts_assign(&collector->cohorts, now);
    fs_cohorts_sample(&collector->cohorts, &collector->sampler, now);
    fs_stuck_tick(&collector->stuck, &collector->sampler, now, collector->t_interrupted);
    if (!collector->t_interrupted)
        fs_mpi_watch_tick(&collector->mpi_watch, &collector->sampler, collector->stuck.off, now);
    collector->stuck.fresh |= collector->mpi_watch.fresh;
    collector->mpi_watch.fresh = false;
    fs_teams_sample(&collector->teams, &collector->sampler, now);
    fs_siblings_sample(&collector->siblings, &collector->sampler, collector->mask_start, now);
    look_for_oom(collector, now);
    look_at_shm(collector);
    look_at_memory(collector, now);
    if (collector->table.count > RECORDS_MAX)
        fs_cohorts_forget(&collector->cohorts, RECORDS_MAX / 2, now);
}

void fs_collector_last_look(struct fs_collector *collector) {
    const int64_t now = fs_now();

    fs_stuck_last_look(&collector->stuck, &collector->sampler, now);
    fs_mpi_watch_last_look(&collector->mpi_watch, &collector->sampler, collector->stuck.off, now);
}

void fs_collector_look(struct fs_collector *collector, int64_t now) {
    look(collector, now, true);
}

int64_t fs_collector_tick(struct fs_collector *collector, int64_t now) {
    const int64_t cpu = fs_clock_read(CLOCK_THREAD_CPUTIME_ID);
    const int64_t since = collector->sampler.t_full == FS_UNKNOWN ? now - collector->meta.start
                                                                  : now - collector->sampler.t_full;
    const bool full = since >= shortest_sample || collector->period_ns >= shortest_sample;

    look(collector, now, full);
    fs_collector_look_beside(collector, now);
    const int64_t cost = fs_clock_read(CLOCK_THREAD_CPUTIME_ID) - cpu;
    int64_t period = (now - collector->meta.start) / ELAPSED_SHARE;
    if (period < shortest_period) period = shortest_period;
    if (period > collector->period_max_ns) period = collector->period_max_ns;
    /* Losing records costs more than a little CPU time. */
    const int share = is_pressed(collector) ? PRESSED_SHARE : COST_SHARE;
    if (period < cost * share) period = cost * share;
    /* A short job on a slow node must be seen more than once all the same. */
    int64_t early = (now - collector->meta.start) / EARLY_SHARE;
    if (early < shortest_sample) early = shortest_sample;
    if (period > early) period = early;
    collector->period_ns = period;
    return fs_now() + period;
}

int fs_collector_alive(const struct fs_collector *collector) {
    int alive = 0;

    for (const struct fs_record *record = collector->table.first_open; record;
         record = record->next_open)
        alive += !record->over && !record->zombie;
    return alive;
}

static int write_digest(FILE *out, const void *digest) {
    return fs_digest_write(digest, out);
}

struct detail {
    const struct fs_evaluation *evaluation;
    const struct fs_meta *meta;
};

static int write_detail(FILE *out, const void *data) {
    const struct detail *detail = data;

    return fs_detail_write(detail->evaluation, detail->meta->host, detail->meta->start_realtime,
                           out);
}

static int write_files(struct fs_collector *collector, const struct fs_supervisor *supervisor,
                       bool final) {
    struct fs_evaluation evaluation;
    struct fs_digest digest;
    char name[300];
    int failed =
        fs_collector_digest(collector, supervisor, final, &digest, &evaluation) != 0 ? errno : 0;

    snprintf(name, sizeof name, "%s.detail", collector->job->node);
    const struct detail detail = {&evaluation, &collector->meta};
    if (!failed && fs_jobdir_write(collector->job, name, write_detail, &detail) != 0)
        failed = errno;
    snprintf(name, sizeof name, "%s.digest", collector->job->node);
    if (!failed && fs_jobdir_write(collector->job, name, write_digest, &digest) != 0)
        failed = errno;
    fs_digest_free(&digest);
    return failed ? (errno = failed, -1) : 0;
}

void fs_collector_interim(struct fs_collector *collector, const struct fs_supervisor *supervisor) {
    const int64_t now = fs_now();

    write_files(collector, supervisor, false);
    /* What another PID namespace knows of it is how long nobody touched it (folder.c). */
    if (collector->fold.directory >= 0) futimens(collector->fold.directory, NULL);
    collector->t_interim = now;
    collector->stuck.fresh = false;
    if (collector->interim_every_ns < longest_interim) collector->interim_every_ns *= 2;
    if (collector->interim_every_ns > longest_interim)
        collector->interim_every_ns = longest_interim;
}

int fs_collector_save(struct fs_collector *collector) {
    fs_fork_stacks_resolve(&collector->fold);
    return write_files(collector, NULL, true);
}

int fs_collector_write(struct fs_collector *collector) {
    return write_files(collector, NULL, true);
}

/* A process may end between the two parts of a look: then its segment, which was read first, did
 * not tell how, and /proc no more. */
static void read_once_more(struct fs_collector *collector) {
    const int64_t now = fs_now();

    fs_fold_pass(&collector->fold, now, false);
    fs_cohorts_assign(&collector->cohorts, now);
}

int fs_collector_finish(struct fs_collector *collector, const struct fs_supervisor *supervisor,
                        char *error, size_t error_size) {
    read_once_more(collector);
    fs_fork_stacks_resolve(&collector->fold);
    int failed = write_files(collector, supervisor, true) != 0 ? errno : 0;

    hide_folder(collector, false);
    collector->meta.finished = true;
    if (!failed && fs_meta_write(collector->job, &collector->meta) != 0) failed = errno;
    if (!failed) return 0;
    snprintf(error, error_size,
             "cannot write the record into %s: %s; make room there, then: forksight report %s",
             collector->job->path, strerror(failed), collector->job->path);
    return errno = failed, -1;
}

void fs_collector_close(struct fs_collector *collector) {
    struct fs_meta *meta = &collector->meta;

    hide_folder(collector, false);
    fs_cohorts_free(&collector->cohorts);
    fs_stuck_free(&collector->stuck);
    fs_teams_close(&collector->teams);
    fs_siblings_close(&collector->siblings);
    fs_sampler_close(&collector->sampler);
    fs_fold_close(&collector->fold);
    fs_table_free(&collector->table);
    fs_cgroup_snapshot_free(&collector->at_start);
    fs_cgroups_free(collector->cgroups);
    if (collector->topology) hwloc_topology_destroy(collector->topology);
    hwloc_bitmap_free(collector->mask_start);
    free(collector->tasks);
    meta->command = NULL; /* the caller's */
    meta->command_count = 0;
    fs_meta_free(meta);
}
