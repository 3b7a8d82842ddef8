/*
 * collector_digest.c - the digest as a whole: the node, the job, and what the parts add.
 */
#include "tracer/collector.h"

#include "tracer/clock.h"
#include "tracer/clock_mark.h"
#include "tracer/earlier.h"
#include "tracer/job_mask.h"
#include "tracer/launches.h"
#include "tracer/login.h"
#include "tracer/scheduler.h"
#include "tracer/step_environment.h"
#include "tracer/steps.h"
#include "tracer/text.h"
#include "tracer/topology.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void fill_job_mask(const struct fs_collector *collector, struct fs_digest *digest) {
    if (!collector->mask_start) return;
    digest->mask_start = hwloc_bitmap_dup(collector->mask_start);
    digest->mask_job =
        fs_job_mask(collector->mask_start, collector->at_start.cpuset, collector->topology,
                    digest->scheduler.cpus_on_node, &digest->mask_job_from);
}

/* A record that was made from the segments alone has no marks: nobody looked at the clocks. */
static int fill_clocks(const struct fs_collector *collector, const struct fs_evaluation *evaluation,
                       struct fs_digest *digest) {
    struct fs_clocks *clocks = &digest->clocks;

    if (collector->recovered || collector->sampler.captured) return 0;
    clocks->begin = collector->clock_begin;
    clocks->end = fs_clock_mark();
    clocks->begin.t = fs_job_time(evaluation, clocks->begin.t);
    clocks->end.t = fs_job_time(evaluation, clocks->end.t);
    if (!collector->meta.boot_id || !*collector->meta.boot_id) return 0;
    clocks->boot = strdup(collector->meta.boot_id);
    return clocks->boot ? 0 : -1;
}

static int fill_command(const struct fs_meta *meta, struct fs_digest *digest) {
    digest->host = strdup(meta->host);
    digest->directory = fs_copy_text(meta->directory);
    digest->command = calloc(meta->command_count + 1, sizeof *digest->command);
    if (!digest->host || !digest->command) return -1;
    for (size_t i = 0; i < meta->command_count; i++) {
        digest->command[i] = strdup(meta->command[i]);
        if (!digest->command[i]) return -1;
        digest->command_count = i + 1;
    }
    const char *program = meta->command_count ? meta->command[0] : "";
    if (fs_is_launcher(program)) digest->launcher = strdup(fs_file_name(program));
    return 0;
}

/* The scheduler's variables are those of the job: of `run`, or what its main program had. */
static int fill_scheduler(const struct fs_collector *collector, struct fs_digest *digest) {
    const struct fs_record *record =
        fs_table_find(&collector->table, collector->table.main_pid, collector->meta.start);
    const struct fs_image *image = record && record->stage_count ? record->stages[0].image : NULL;
    const size_t count = image ? image->variable_count : 0;

    if (collector->outside.facts)
        return fs_scheduler_read(collector->outside.environment, collector->meta.host,
                                 &digest->scheduler);
    char **steps = fs_step_environment_load(collector->meta.folder);
    if (steps || !collector->recovered) {
        const int read =
            fs_scheduler_read(steps ? steps : environ, collector->meta.host, &digest->scheduler);
        free(steps);
        return read;
    }
    char **environment = calloc(count + 1, sizeof *environment);
    if (!environment) return -1;
    for (size_t i = 0; i < count; i++)
        if (asprintf(&environment[i], "%s=%s", image->variables[i].name,
                     image->variables[i].value) < 0)
            environment[i] = NULL;
    const int result = fs_scheduler_read(environment, collector->meta.host, &digest->scheduler);
    for (size_t i = 0; i < count; i++)
        free(environment[i]);
    free(environment);
    return result;
}

/* They come and go: whoever was seen once counts. */
static void fill_steps(struct fs_collector *collector, struct fs_digest *digest) {
    const int beside =
        collector->recovered || collector->sampler.captured
            ? FS_UNKNOWN
            : fs_steps_beside(collector->sampler.proc, &collector->table, &digest->scheduler);

    if (beside > collector->steps_beside) collector->steps_beside = beside;
    digest->scheduler.steps_beside = beside == FS_UNKNOWN ? FS_UNKNOWN : collector->steps_beside;
}

void fs_collector_look_beside(struct fs_collector *collector, int64_t now) {
    const int64_t age = now - collector->meta.start;
    struct fs_digest digest;

    if (age < FS_SECOND || now < collector->t_beside) return;
    collector->t_beside = now + (age / 2 > FS_SECOND ? age / 2 : FS_SECOND);
    fs_digest_init(&digest);
    if (fill_scheduler(collector, &digest) == 0) fill_steps(collector, &digest);
    fs_digest_free(&digest);
}

static void fill_topology(const struct fs_collector *collector, struct fs_digest *digest) {
    char hash[FS_TOPOLOGY_HASH_SIZE];

    if (!collector->topology || hwloc_topology_dup(&digest->topology, collector->topology) != 0) {
        digest->topology = NULL;
        return;
    }
    char *text = fs_topology_text(collector->topology);
    if (!text) return;
    fs_topology_hash(text, hash);
    digest->topology_hash = strdup(hash);
    free(text);
}

static void fill_cgroups(const struct fs_collector *collector, struct fs_digest *digest) {
    struct fs_cgroup_snapshot at_end = {0};

    if (!collector->cgroups || fs_cgroups_read(collector->cgroups, &at_end) != 0) return;
    fs_cgroup_difference(&collector->at_start, &at_end, digest);
    fs_cgroup_snapshot_free(&at_end);
    digest->memory.workers_pss_peak = collector->pss_peak;
}

static void fill_samples(const struct fs_collector *collector, struct fs_digest *digest) {
    const struct fs_sampler *sampler = &collector->sampler;

    if (collector->recovered || sampler->samples == 0) return;
    digest->busy_cpus_peak = sampler->busy_cpus_peak;
    digest->cpus_busy = fs_sampler_busy_cpus(sampler);
    digest->active_ns = sampler->active_ns;
    if (sampler->runnable_samples > 0) {
        digest->quota.runnable_mean =
            (double)sampler->runnable_sum / (double)sampler->runnable_samples;
        digest->quota.runnable_peak = sampler->runnable_peak;
    }
}

static void fill_shm(const struct fs_collector *collector, struct fs_digest *digest) {
    digest->shm.size = collector->shm_size;
    digest->shm.free_min = collector->shm_free_min;
    digest->shm.ours = fs_begins(collector->meta.folder, "/dev/shm/");
    digest->shm.own_bytes = digest->shm.ours ? collector->fold.bytes : 0;
}

static void fill_own_cost(const struct fs_collector *collector, struct fs_digest *digest) {
    struct rusage usage;

    digest->complete.samples = collector->sampler.samples;
    if (collector->recovered) return;
    digest->complete.collector_cpu_ns =
        collector->outside.facts ? collector->outside.cpu_ns
                                 : fs_clock_read(CLOCK_PROCESS_CPUTIME_ID) - collector->cpu_start +
                                       collector->stuck.cpu_ns + collector->mpi_watch.cpu_ns;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        digest->complete.collector_maxrss_kib = usage.ru_maxrss;
}

static void fill_work(const struct fs_collector *collector, const struct fs_evaluation *evaluation,
                      struct fs_digest *digest) {
    digest->cpu_ns = collector->table.forgotten_cpu_ns;
    for (const struct fs_record *record = collector->table.first; record; record = record->next) {
        const int64_t cpu = fs_record_cpu(record);
        if (cpu > 0) digest->cpu_ns += cpu;
    }
    digest->wall_ns = evaluation->t_end - evaluation->t_start;
    if (digest->wall_ns > 0) digest->busy_mean = (double)digest->cpu_ns / (double)digest->wall_ns;
}

/* The first that is not 0; 0 when all are known to be. */
static int status_of_tasks(const struct fs_collector *collector, int otherwise) {
    bool all = collector->task_count > 0;

    for (size_t i = 0; i < collector->task_count; i++) {
        if (collector->tasks[i].ended && collector->tasks[i].status != 0)
            return collector->tasks[i].status;
        all = all && collector->tasks[i].ended;
    }
    return all ? 0 : otherwise;
}

static void fill_main(const struct fs_collector *collector, const struct fs_supervisor *supervisor,
                      struct fs_digest *digest) {
    const struct fs_record *record =
        fs_table_find(&collector->table, collector->table.main_pid, collector->meta.start);

    digest->main_pid = collector->table.main_pid;
    digest->status = FS_UNKNOWN;
    if (supervisor && supervisor->ended)
        digest->status = supervisor->status;
    else if (record && record->exit != FSP_EXIT_NONE && record->exit != FSP_EXIT_ABORT &&
             record->over)
        digest->status = (record->exit_code & 0xff) << 8;
    if (digest->status == FS_UNKNOWN || !supervisor)
        digest->status = status_of_tasks(collector, digest->status);
    digest->interrupted = supervisor ? supervisor->interrupted : collector->interrupted;
    const struct fs_image *image = record ? fs_record_image(record) : NULL;
    if (!image) return;
    digest->variables = fs_copy_variables(image->variables, image->variable_count);
    digest->variable_count = digest->variables ? image->variable_count : 0;
}

/* What a supervisor learned from its wait for a command. */
static void note_end(struct fs_table *table, const struct fs_task_end *end) {
    struct fs_record *record = fs_table_find(table, end->pid, end->t_start);

    if (!end->ended || !record || record->reaper) return;
    record->status = end->status;
    record->status_known = true;
    record->reaper = record->ppid;
    record->t_reaped = end->t_end;
    record->reaped_ns = end->cpu_ns;
    if (record->maxrss_kib == FS_UNKNOWN) record->maxrss_kib = end->maxrss_kib;
    fs_record_close(record);
}

static void note_ends(struct fs_collector *collector, const struct fs_supervisor *supervisor) {
    if (supervisor) {
        const struct fs_task_end end = fs_task_end_of(supervisor);
        note_end(&collector->table, &end);
    }
    for (size_t i = 0; i < collector->task_count; i++)
        note_end(&collector->table, &collector->tasks[i]);
}

/* The end of the last task; FS_UNKNOWN while one of them lives, or without any. */
static int64_t end_of_tasks(const struct fs_collector *collector) {
    int64_t last = FS_UNKNOWN;

    for (size_t i = 0; i < collector->task_count; i++) {
        const struct fs_task_end *task = &collector->tasks[i];
        const struct fs_record *record = fs_table_find(&collector->table, task->pid, task->t_start);
        const int64_t end = task->ended ? task->t_end : record ? fs_record_end(record) : FS_UNKNOWN;
        if (end == FS_UNKNOWN) return FS_UNKNOWN;
        if (end > last) last = end;
    }
    return last;
}

static struct fs_evaluation evaluation_of(struct fs_collector *collector,
                                          const struct fs_supervisor *supervisor) {
    const struct fs_record *record =
        fs_table_find(&collector->table, collector->table.main_pid, collector->meta.start);
    const int64_t now = collector->outside.facts ? collector->outside.t_end : fs_now();
    const int64_t end = collector->task_count ? end_of_tasks(collector)
                        : record              ? fs_record_end(record)
                                              : FS_UNKNOWN;
    struct fs_evaluation evaluation = {
        .table = &collector->table,
        .cohorts = &collector->cohorts,
        .sampler = collector->recovered ? NULL : &collector->sampler,
        .fold = &collector->fold,
        .t_start = collector->meta.start,
        .t_end = now,
        .t_closed = now,
        .t_interrupted = FS_UNKNOWN,
        .outside = collector->outside.facts && !collector->outside.facts->whole,
        .elsewhere = collector->sampler.captured,
        .ooms = collector->ooms,
        .oom_count = collector->oom_count,
    };

    if (supervisor && supervisor->ended)
        evaluation.t_end = supervisor->t_end;
    else if (end != FS_UNKNOWN)
        evaluation.t_end = end;
    if (supervisor && supervisor->interrupted) {
        evaluation.interrupted = supervisor->interrupted;
        evaluation.t_interrupted = supervisor->t_interrupted;
    } else if (collector->interrupted) {
        evaluation.interrupted = collector->interrupted;
        evaluation.t_interrupted = collector->t_interrupted;
    }
    return evaluation;
}

static int fill_audited(const struct fs_collector *collector, struct fs_digest *digest) {
    const struct fs_audited *facts = collector->outside.facts;

    if (!facts) return 0;
    digest->audited = malloc(sizeof *digest->audited);
    if (!digest->audited) return -1;
    *digest->audited = *facts;
    digest->audited->deleted_example = fs_copy_text(facts->deleted_example);
    return 0;
}

static bool has_launchers_only(const struct fs_table *table) {
    for (const struct fs_record *record = table->first; record; record = record->next) {
        const struct fs_image *image = fs_record_image(record);
        if (!image || image->role != FS_ROLE_LAUNCHER) return false;
    }
    return table->count > 0 && table->forgotten == 0;
}

int fs_collector_digest(struct fs_collector *collector, const struct fs_supervisor *supervisor,
                        bool final, struct fs_digest *digest, struct fs_evaluation *evaluation) {
    const bool asks_machine = final && !collector->recovered && !collector->outside.facts;

    fs_digest_init(digest);
    note_ends(collector, supervisor);
    fs_fold_settle(&collector->table);
    *evaluation = evaluation_of(collector, supervisor);
    digest->start_realtime = collector->meta.start_realtime;
    if (fill_command(&collector->meta, digest) != 0 || fill_scheduler(collector, digest) != 0 ||
        fill_clocks(collector, evaluation, digest) != 0)
        return errno = ENOMEM, -1;
    fill_steps(collector, digest);
    fill_topology(collector, digest);
    fill_job_mask(collector, digest);
    evaluation->mask_job = digest->mask_job;
    evaluation->mask_guessed =
        digest->mask_job && strcmp(digest->mask_job_from, FS_JOB_MASK_GUESSED) == 0;
    fill_cgroups(collector, digest);
    fill_samples(collector, digest);
    fill_shm(collector, digest);
    fill_work(collector, evaluation, digest);
    fill_main(collector, supervisor, digest);
    digest->launchers_only = has_launchers_only(&collector->table);
    digest->login.elsewhere = collector->recovered || collector->sampler.captured;
    if (!digest->login.elsewhere) fs_login_read("", collector->sampler.proc, &digest->login);
    digest->complete.interim = !final;
    digest->complete.recovered = collector->recovered;
    digest->complete.bare_tasks = collector->bare_tasks;
    if (fill_audited(collector, digest) != 0) return errno = ENOMEM, -1;
    fs_evaluate_completeness(evaluation, digest);
    fill_own_cost(collector, digest);
    if (fs_evaluate_groups(evaluation, digest) != 0 ||
        fs_evaluate_incidents(evaluation, digest) != 0 ||
        fs_evaluate_fork_sites(evaluation, digest) != 0 ||
        fs_evaluate_runtimes(evaluation, digest) != 0 || fs_evaluate_mpi(evaluation, digest) != 0 ||
        fs_evaluate_mpi_forks(evaluation, asks_machine, digest) != 0 ||
        fs_evaluate_displays(evaluation, asks_machine, digest) != 0 ||
        fs_evaluate_random(evaluation, final ? FS_RANDOM_SEARCH : 0, digest) != 0 ||
        fs_evaluate_programs(evaluation, digest) != 0 ||
        fs_stuck_evaluate(&collector->stuck, evaluation, digest) != 0 ||
        fs_evaluate_teams(evaluation, &collector->teams.rivals, digest) != 0 ||
        fs_evaluate_watched(evaluation, digest) != 0 ||
        fs_evaluate_launches(evaluation, digest) != 0 ||
        fs_evaluate_tasks(evaluation, final && !collector->sampler.captured, digest) != 0 ||
        fs_siblings_evaluate(&collector->siblings, &digest->siblings) != 0)
        return errno = ENOMEM, -1;
    if (collector->earlier) fs_digest_take_samples(digest, collector->earlier);
    return 0;
}
