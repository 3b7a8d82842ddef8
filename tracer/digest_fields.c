/*
 * digest_fields.c - the members of a digest, structure by structure. See digest_fields.h.
 *
 * A name or type changes only together with FS_DIGEST_VERSION; members may be added.
 */
#include "tracer/digest_fields.h"

enum {
    SIGNAL_MAX = 64,
    DEATHS_MAX = 16,
    LEFTOVERS_MAX = 4096,
    INCIDENTS_MAX = 4096,
    COMMAND_MAX = 4096,
};

static const char *const scheduler_words[] = {"slurm", "pbs", NULL};
static const char *const mask_words[] = {"mask", "cpuset", "slurm", "pbs", NULL};

static const char *const build_words[] = {"pthreads", "openmp", "serial", "workqueue",
                                          "tbb",      "intel",  "gnu",    NULL};

static const struct fs_field place_field[] = {
    FIELD(fs_place, STRING, "file", file),         FIELD(fs_place, ID, "line", line),
    FIELD(fs_place, STRING, "function", function), FIELD(fs_place, STRING, "module", module),
    FIELD(fs_place, OFFSET, "offset", offset),     FIELD(fs_place, STRING, "stack", stack),
};
const struct fs_fields fs_place_fields = TABLE(place_field, fs_place);

static const struct fs_field narrowing_field[] = {
    FIELD(fs_narrowing, ID, "pid", pid),
    FIELD(fs_narrowing, STRING, "exe", executable),
    FIELD(fs_narrowing, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_narrowing, TIME, "t", t),
    FIELD(fs_narrowing, MASK, "before", before),
    FIELD(fs_narrowing, MASK, "after", after),
};
const struct fs_fields fs_narrowing_fields = TABLE(narrowing_field, fs_narrowing);

static const struct fs_field variable_field[] = {
    FIELD(fs_variable, STRING, "name", name, .required = true),
    FIELD(fs_variable, STRING, "value", value, .required = true),
};
const struct fs_fields fs_variable_fields = TABLE(variable_field, fs_variable);

static const struct fs_field spread_field[] = {
    FIELD(fs_spread, COUNT, "n", n),     FIELD(fs_spread, COUNT, "min", min),
    FIELD(fs_spread, COUNT, "p50", p50), FIELD(fs_spread, COUNT, "p90", p90),
    FIELD(fs_spread, COUNT, "max", max), FIELD(fs_spread, COUNT, "sum", sum),
};
static const struct fs_fields spread_fields = TABLE(spread_field, fs_spread);

static const struct fs_field death_field[] = {
    FIELD(fs_death, ID, "pid", pid),
    FIELD(fs_death, ID, "signal", signal, .max = SIGNAL_MAX),
    FIELD(fs_death, TIME, "t", t),
    FIELD(fs_death, ID, "by", sent_by),
    FIELD(fs_death, BOOL, "by_parent", sent_by_parent),
    FIELD(fs_death, BOOL, "oom", oom),
    FIELD(fs_death, COUNT, "shm_free", shm_free),
    FIELD(fs_death, COUNT, "shm_total", shm_total),
    FIELD(fs_death, COUNT, "idle", idle_ns),
    FIELD(fs_death, BOOL, "waited", parent_waited),
};
static const struct fs_fields death_fields = TABLE(death_field, fs_death);

static const struct fs_field group_field[] = {
    FIELD(fs_group, ID, "type", kind, .max = FS_GROUP_KIND_COUNT - 1),
    FIELD(fs_group, ID, "parent", parent),
    FIELD(fs_group, STRING, "parent_exe", parent_executable),
    FIELD(fs_group, STRING, "parent_command", parent_command),
    FIELD(fs_group, STRING, "exe", executable),
    FIELD(fs_group, BOOL, "shell", shell),
    FIELD(fs_group, BOOL, "helper", helper),
    FIELD(fs_group, BOOL, "python", python),
    FIELD(fs_group, BOOL, "scripts_differ", scripts_differ),
    FIELD(fs_group, INLINE, "site", site, .fields = &fs_place_fields),
    FIELD(fs_group, INT, "workers", workers),
    FIELD(fs_group, INT, "peak", workers_peak),
    FIELD(fs_group, INT, "busy_peak", workers_busy_peak),
    FIELD(fs_group, IDS, "pids", examples),
    FIELD(fs_group, TIME, "begin", begin),
    FIELD(fs_group, TIME, "end", end),
    FIELD(fs_group, COUNT, "busy", busy_ns),
    FIELD(fs_group, COUNT, "overlap", overlap_ns),
    FIELD(fs_group, COUNT, "cpu", cpu_ns),
    FIELD(fs_group, COUNT, "run", run_ns),
    FIELD(fs_group, COUNT, "wait", wait_ns),
    FIELD(fs_group, INT, "scheduled", workers_scheduled),
    FIELD(fs_group, COUNT, "window", window_ns),
    FIELD(fs_group, COUNT, "window_cpu", window_cpu_ns),
    FIELD(fs_group, COUNT, "sample", sample_ns),
    FIELD(fs_group, INT, "threads_peak", threads_peak),
    FIELD(fs_group, INT, "threads_busy", threads_busy_peak),
    FIELD(fs_group, INT, "threads_total", threads_busy_total),
    FIELD(fs_group, STRING, "threads_owner", threads_owner),
    FIELD(fs_group, MASK, "mask", mask_union),
    FIELD(fs_group, MASK, "mask_parent", mask_parent),
    FIELD(fs_group, INT, "masks", masks_distinct),
    FIELD(fs_group, BOOL, "masks_known", masks_known),
    FIELD(fs_group, OBJECT, "narrowing", narrowing, .fields = &fs_narrowing_fields),
    FIELD(fs_group, INLINE, "worker_cpu", worker_cpu_ns, .fields = &spread_fields),
    FIELD(fs_group, TIME, "first_idle", first_idle),
    FIELD(fs_group, TIME, "last_busy", last_busy),
    FIELD(fs_group, COUNT, "parent_cpu", parent_cpu_ns),
    FIELD(fs_group, COUNT, "sleep", sleep_ns),
    FIELD(fs_group, BITS, "libraries", libraries),
    FIELD(fs_group, ARRAY, "variables", variables,
          .count_offset = offsetof(struct fs_group, variable_count),
          .length = FS_DIGEST_VARIABLES_MAX, .fields = &fs_variable_fields),
    FIELD(fs_group, ARRAY, "deaths", deaths, .count_offset = offsetof(struct fs_group, death_count),
          .length = DEATHS_MAX, .fields = &death_fields),
    FIELD(fs_group, INT, "deaths_more", deaths_more),
    FIELD(fs_group, INT, "unwaited", unwaited),
    FIELD(fs_group, ID, "later", later),
    FIELD(fs_group, ID, "later_example", later_example),
    FIELD(fs_group, COUNT, "later_ns", later_ns),
    FIELD(fs_group, INT, "zombies", zombies_peak),
    FIELD(fs_group, COUNT, "zombies_ns", zombies_ns),
    FIELD(fs_group, INT, "orphans", orphans),
    FIELD(fs_group, IDS, "orphan_pids", orphan_examples),
    FIELD(fs_group, COUNT, "orphans_ns", orphans_ns),
};
const struct fs_fields fs_group_fields = TABLE(group_field, fs_group);

static const struct fs_field lost_field[] = {
    FIELD(fs_lost_variable, STRING, "name", name, .required = true),
    FIELD(fs_lost_variable, STRING, "value", value, .required = true),
    FIELD(fs_lost_variable, STRING, "parent_exe", parent_executable),
    FIELD(fs_lost_variable, STRING, "exe", executable),
    FIELD(fs_lost_variable, ID, "pid", pid),
    FIELD(fs_lost_variable, INT, "count", count),
    FIELD(fs_lost_variable, BITS, "libraries", libraries),
    FIELD(fs_lost_variable, BOOL, "repaired", repaired),
    FIELD(fs_lost_variable, BOOL, "singled_out", singled_out),
    FIELD(fs_lost_variable, INLINE, "site", site, .fields = &fs_place_fields),
};
static const struct fs_fields lost_fields = TABLE(lost_field, fs_lost_variable);

static const struct fs_field odd_field[] = {
    FIELD(fs_odd_variable, ID, "oddity", oddity, .max = FS_ODD_MISSPELT),
    FIELD(fs_odd_variable, STRING, "name", name, .required = true),
    FIELD(fs_odd_variable, STRING, "value", value),
    FIELD(fs_odd_variable, STRING, "meant", meant),
    FIELD(fs_odd_variable, STRING, "exe", executable),
    FIELD(fs_odd_variable, ID, "pid", pid),
    FIELD(fs_odd_variable, INT, "count", count),
    FIELD(fs_odd_variable, BITS, "libraries", libraries),
};
static const struct fs_fields odd_fields = TABLE(odd_field, fs_odd_variable);

static const struct fs_field setting_field[] = {
    FIELD(fs_setting, STRING, "name", name, .required = true),
    FIELD(fs_setting, STRING, "value", value),
    FIELD(fs_setting, ID, "pid", pid),
    FIELD(fs_setting, TIME, "t", t),
    FIELD(fs_setting, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_setting, BITS, "loaded", loaded),
    FIELD(fs_setting, BITS, "started", started),
    FIELD(fs_setting, BOOL, "passed_on", passed_on),
};
static const struct fs_fields setting_fields = TABLE(setting_field, fs_setting);

static const struct fs_field library_field[] = {
    FIELD(fs_thread_library, BITS, "family", family),
    FIELD(fs_thread_library, STRING, "file", file, .required = true),
    FIELD(fs_thread_library, STRING, "real_file", real_file),
    FIELD(fs_thread_library, STRING, "version", version),
    FIELD(fs_thread_library, LITERAL, "build", build, .words = build_words),
    FIELD(fs_thread_library, TIME, "t", t_loaded),
    FIELD(fs_thread_library, TIME, "t_before", t_before),
    FIELD(fs_thread_library, TIME, "t_started", t_started),
    FIELD(fs_thread_library, ARRAY, "variables", variables,
          .count_offset = offsetof(struct fs_thread_library, variable_count),
          .length = FS_DIGEST_VARIABLES_MAX, .fields = &fs_variable_fields),
    FIELD(fs_thread_library, INT, "started", threads_started),
    FIELD(fs_thread_library, INT, "peak", threads_peak),
    FIELD(fs_thread_library, INT, "working", threads_working),
    FIELD(fs_thread_library, INT, "team_late", team_late),
};
static const struct fs_fields library_fields = TABLE(library_field, fs_thread_library);

static const struct fs_field program_field[] = {
    FIELD(fs_thread_program, STRING, "exe", executable),
    FIELD(fs_thread_program, STRING, "command", command),
    FIELD(fs_thread_program, ID, "pid", pid),
    FIELD(fs_thread_program, INT, "count", count),
    FIELD(fs_thread_program, BOOL, "forked", forked),
    FIELD(fs_thread_program, BOOL, "helper", helper),
    FIELD(fs_thread_program, INT, "cpus", cpus),
    FIELD(fs_thread_program, COUNT, "cpu", cpu_ns),
    FIELD(fs_thread_program, ID, "parent", group_parent),
    FIELD(fs_thread_program, ID, "type", group_kind, .max = FS_GROUP_KIND_COUNT - 1),
    FIELD(fs_thread_program, INT, "workers", workers),
    FIELD(fs_thread_program, ARRAY, "settings", settings,
          .count_offset = offsetof(struct fs_thread_program, setting_count),
          .length = FS_SETTINGS_MAX, .fields = &setting_fields),
    FIELD(fs_thread_program, ARRAY, "libraries", libraries,
          .count_offset = offsetof(struct fs_thread_program, library_count),
          .length = FS_LIBRARIES_MAX, .fields = &library_fields),
};
static const struct fs_fields program_fields = TABLE(program_field, fs_thread_program);

void fs_thread_program_init(struct fs_thread_program *program) {
    fs_fields_init(&program_fields, program);
}

static const struct fs_field failure_field[] = {
    FIELD(fs_fork_failure, STRING, "exe", executable),
    FIELD(fs_fork_failure, ID, "pid", pid),
    FIELD(fs_fork_failure, BOOL, "thread", thread),
    FIELD(fs_fork_failure, ID, "error", error),
    FIELD(fs_fork_failure, INT, "count", count),
    FIELD(fs_fork_failure, BOOL, "recovered", recovered),
};
static const struct fs_fields failure_fields = TABLE(failure_field, fs_fork_failure);

static const struct fs_field stuck_thread_field[] = {
    FIELD(fs_stuck_thread, ID, "tid", tid),
    FIELD(fs_stuck_thread, STRING, "name", name),
    FIELD(fs_stuck_thread, STRING, "wait", wait),
    FIELD(fs_stuck_thread, BOOL, "private", private_wait),
    FIELD(fs_stuck_thread, STRING, "native", native),
    FIELD(fs_stuck_thread, STRING, "python", python),
};
static const struct fs_fields stuck_thread_fields = TABLE(stuck_thread_field, fs_stuck_thread);

static const struct fs_field stuck_field[] = {
    FIELD(fs_stuck, ID, "pid", pid),
    FIELD(fs_stuck, ID, "parent", parent),
    FIELD(fs_stuck, STRING, "exe", executable),
    FIELD(fs_stuck, BOOL, "python", python),
    FIELD(fs_stuck, BOOL, "forked", forked),
    FIELD(fs_stuck, INLINE, "site", site, .fields = &fs_place_fields),
    FIELD(fs_stuck, TIME, "since", since),
    FIELD(fs_stuck, COUNT, "idle", idle_ns),
    FIELD(fs_stuck, COUNT, "run", run_ns),
    FIELD(fs_stuck, COUNT, "life_run", life_run_ns),
    FIELD(fs_stuck, BOOL, "went_on", went_on),
    FIELD(fs_stuck, BOOL, "job_idle", job_idle),
    FIELD(fs_stuck, TIME, "t", t),
    FIELD(fs_stuck, STRING, "obstacle", obstacle),
    FIELD(fs_stuck, COUNT, "stop_max", stop_max),
    FIELD(fs_stuck, COUNT, "stop_sum", stop_sum),
    FIELD(fs_stuck, ID, "holder", holder),
    FIELD(fs_stuck, INLINE, "holder_site", holder_site, .fields = &fs_place_fields),
    FIELD(fs_stuck, ID, "left_gomp", left_gomp),
    FIELD(fs_stuck, ARRAY, "threads", threads,
          .count_offset = offsetof(struct fs_stuck, thread_count), .length = FS_STUCK_THREADS_MAX,
          .fields = &stuck_thread_fields),
    FIELD(fs_stuck, INT, "threads_more", threads_more),
};
static const struct fs_fields stuck_fields = TABLE(stuck_field, fs_stuck);

static const struct fs_field quota_field[] = {
    FIELD(fs_quota, ID, "version", version, .max = 2),
    FIELD(fs_quota, STRING, "path", path),
    FIELD(fs_quota, REAL, "cpus", cpus),
    FIELD(fs_quota, COUNT, "periods", periods),
    FIELD(fs_quota, COUNT, "throttled", throttled),
    FIELD(fs_quota, COUNT, "throttled_ns", throttled_ns),
    FIELD(fs_quota, REAL, "runnable_mean", runnable_mean),
    FIELD(fs_quota, REAL, "runnable_peak", runnable_peak),
};
static const struct fs_fields quota_fields = TABLE(quota_field, fs_quota);

static const struct fs_field memory_field[] = {
    FIELD(fs_memory, STRING, "path", path),
    FIELD(fs_memory, ID, "version", version, .max = 2),
    FIELD(fs_memory, COUNT, "limit", limit),
    FIELD(fs_memory, COUNT, "peak", peak),
    FIELD(fs_memory, COUNT, "oom_kills", oom_kills),
    FIELD(fs_memory, COUNT, "pss_peak", workers_pss_peak),
};
static const struct fs_fields memory_fields = TABLE(memory_field, fs_memory);

static const struct fs_field pids_field[] = {
    FIELD(fs_pids, COUNT, "max", max),
    FIELD(fs_pids, COUNT, "peak", peak),
    FIELD(fs_pids, COUNT, "refused", refused),
};
static const struct fs_fields pids_fields = TABLE(pids_field, fs_pids);

static const struct fs_field shm_field[] = {
    FIELD(fs_shm, COUNT, "size", size),
    FIELD(fs_shm, COUNT, "free_min", free_min),
    FIELD(fs_shm, BOOL, "ours", ours),
    FIELD(fs_shm, COUNT, "own", own_bytes),
    FIELD(fs_shm, ARRAY, "leftovers", leftovers,
          .count_offset = offsetof(struct fs_shm, leftover_count), .length = LEFTOVERS_MAX,
          .fields = &fs_variable_fields),
};
static const struct fs_fields shm_fields = TABLE(shm_field, fs_shm);

static const struct fs_field completeness_field[] = {
    FIELD(fs_completeness, INT, "processes", processes),
    FIELD(fs_completeness, INT, "recorded", recorded),
    FIELD(fs_completeness, INTS, "unseen", unseen, .length = FS_UNSEEN_COUNT),
    FIELD(fs_completeness, STRINGS, "unseen_example", unseen_example, .length = FS_UNSEEN_COUNT),
    FIELD(fs_completeness, STRING, "lacks", lacks),
    FIELD(fs_completeness, STRING, "binds", binds),
    FIELD(fs_completeness, INT, "told", told),
    FIELD(fs_completeness, STRING, "told_example", told_example),
    FIELD(fs_completeness, INT, "alive", alive),
    FIELD(fs_completeness, COUNT, "threads", threads),
    FIELD(fs_completeness, COUNT, "lost_processes", lost_processes),
    FIELD(fs_completeness, COUNT, "lost_threads", lost_threads),
    FIELD(fs_completeness, COUNT, "lost_events", lost_events),
    FIELD(fs_completeness, COUNT, "lost_sites", lost_sites),
    FIELD(fs_completeness, INT, "off", shim_off),
    FIELD(fs_completeness, INT, "bad", bad_segments),
    FIELD(fs_completeness, INT, "bare_tasks", bare_tasks),
    FIELD(fs_completeness, BOOL, "recovered", recovered),
    FIELD(fs_completeness, BOOL, "interim", interim),
    FIELD(fs_completeness, COUNT, "cpu", collector_cpu_ns),
    FIELD(fs_completeness, COUNT, "maxrss", collector_maxrss_kib),
    FIELD(fs_completeness, COUNT, "samples", samples),
};
static const struct fs_fields completeness_fields = TABLE(completeness_field, fs_completeness);

static const struct fs_field scheduler_field[] = {
    FIELD(fs_scheduler, LITERAL, "name", name, .words = scheduler_words),
    FIELD(fs_scheduler, STRING, "job", job),
    FIELD(fs_scheduler, STRING, "step", step),
    FIELD(fs_scheduler, STRING, "array_task", array_task),
    FIELD(fs_scheduler, INT, "cpus_on_node", cpus_on_node),
    FIELD(fs_scheduler, INT, "cpus_per_task", cpus_per_task),
    FIELD(fs_scheduler, INT, "tasks", tasks),
    FIELD(fs_scheduler, INT, "step_tasks", step_tasks),
    FIELD(fs_scheduler, INT, "nodes", nodes),
    FIELD(fs_scheduler, INT, "threads_per_core", threads_per_core),
    FIELD(fs_scheduler, INT, "step_tasks_on_node", step_tasks_on_node),
    FIELD(fs_scheduler, INT, "steps_beside", steps_beside),
    FIELD(fs_scheduler, STRING, "node_name", node_name),
    FIELD(fs_scheduler, STRING, "node_list", node_list),
    FIELD(fs_scheduler, STRING, "step_node_list", step_node_list),
    FIELD(fs_scheduler, STRING, "cpus_per_node", cpus_per_node),
    FIELD(fs_scheduler, STRING, "tasks_per_node", tasks_per_node),
    FIELD(fs_scheduler, BOOL, "in_step", in_step),
};
static const struct fs_fields scheduler_fields = TABLE(scheduler_field, fs_scheduler);

static const struct fs_field digest_field[] = {
    FIELD(fs_digest, STRING, "directory", directory),
    FIELD(fs_digest, TIME, "start", start_realtime),
    FIELD(fs_digest, INLINE, "clocks", clocks, .fields = &fs_clocks_fields),
    FIELD(fs_digest, COUNT, "wall", wall_ns),
    FIELD(fs_digest, INT, "status", status),
    FIELD(fs_digest, ID, "pid", main_pid),
    FIELD(fs_digest, ID, "interrupted", interrupted, .max = SIGNAL_MAX),
    FIELD(fs_digest, STRING, "launcher", launcher),
    FIELD(fs_digest, BOOL, "launchers_only", launchers_only),
    FIELD(fs_digest, STRING, "topology", topology_hash),
    FIELD(fs_digest, MASK, "mask_start", mask_start),
    FIELD(fs_digest, MASK, "mask_job", mask_job),
    FIELD(fs_digest, LITERAL, "mask_job_from", mask_job_from, .words = mask_words),
    FIELD(fs_digest, LIST, "command", command,
          .count_offset = offsetof(struct fs_digest, command_count), .length = COMMAND_MAX),
    FIELD(fs_digest, INLINE, "scheduler", scheduler, .fields = &scheduler_fields),
    FIELD(fs_digest, INLINE, "quota", quota, .fields = &quota_fields),
    FIELD(fs_digest, INLINE, "memory", memory, .fields = &memory_fields),
    FIELD(fs_digest, INLINE, "pids", pids, .fields = &pids_fields),
    FIELD(fs_digest, INLINE, "shm", shm, .fields = &shm_fields),
    FIELD(fs_digest, INLINE, "complete", complete, .fields = &completeness_fields),
    FIELD(fs_digest, OBJECT, "audited", audited, .fields = &fs_audited_fields),
    FIELD(fs_digest, COUNT, "cpu", cpu_ns),
    FIELD(fs_digest, INT, "busy_cpus", busy_cpus_peak),
    FIELD(fs_digest, MASK, "cpus_busy", cpus_busy),
    FIELD(fs_digest, REAL, "busy_mean", busy_mean),
    FIELD(fs_digest, INT, "workers_busy", workers_busy_peak),
    FIELD(fs_digest, INT, "threads_busy", threads_busy_peak),
    FIELD(fs_digest, COUNT, "active", active_ns),
    FIELD(fs_digest, INT, "groups_more", groups_more),
    FIELD(fs_digest, ARRAY, "lost", lost_variables,
          .count_offset = offsetof(struct fs_digest, lost_variable_count), .length = INCIDENTS_MAX,
          .fields = &lost_fields),
    FIELD(fs_digest, ARRAY, "odd", odd_variables,
          .count_offset = offsetof(struct fs_digest, odd_variable_count), .length = INCIDENTS_MAX,
          .fields = &odd_fields),
    FIELD(fs_digest, BOOL, "environments", environments_read),
    FIELD(fs_digest, ARRAY, "failures", fork_failures,
          .count_offset = offsetof(struct fs_digest, fork_failure_count), .length = INCIDENTS_MAX,
          .fields = &failure_fields),
    FIELD(fs_digest, ARRAY, "stuck", stuck, .count_offset = offsetof(struct fs_digest, stuck_count),
          .length = FS_STUCK_MAX, .fields = &stuck_fields),
    FIELD(fs_digest, ARRAY, "programs", programs,
          .count_offset = offsetof(struct fs_digest, program_count), .length = FS_PROGRAMS_MAX,
          .fields = &program_fields),
    FIELD(fs_digest, INT, "programs_more", programs_more),
    FIELD(fs_digest, ARRAY, "teams", teams, .count_offset = offsetof(struct fs_digest, team_count),
          .length = FS_TEAMS_MAX, .fields = &fs_team_fields),
    FIELD(fs_digest, INT, "teams_more", teams_more),
    FIELD(fs_digest, BOOL, "teams_sampled", teams_sampled),
    FIELD(fs_digest, INLINE, "rivals", rivals, .fields = &fs_rivals_fields),
    FIELD(fs_digest, ARRAY, "watched", watched,
          .count_offset = offsetof(struct fs_digest, watched_count), .length = FS_WATCHED_MAX,
          .fields = &fs_watched_fields),
    FIELD(fs_digest, ARRAY, "fork_sites", fork_sites,
          .count_offset = offsetof(struct fs_digest, fork_site_count), .length = FS_FORK_SITES_MAX,
          .fields = &fs_fork_site_fields),
    FIELD(fs_digest, INT, "fork_sites_more", fork_sites_more),
    FIELD(fs_digest, COUNT, "fork_stacks_lost", fork_stacks_lost),
    FIELD(fs_digest, ARRAY, "regions", region_uses,
          .count_offset = offsetof(struct fs_digest, region_use_count),
          .length = FS_REGION_USES_MAX, .fields = &fs_region_use_fields),
    FIELD(fs_digest, ARRAY, "runtime_forks", runtime_forks,
          .count_offset = offsetof(struct fs_digest, runtime_fork_count),
          .length = FS_RUNTIME_FORKS_MAX, .fields = &fs_runtime_fork_fields),
    FIELD(fs_digest, ARRAY, "gpu_forks", gpu_forks,
          .count_offset = offsetof(struct fs_digest, gpu_fork_count), .length = FS_GPU_FORKS_MAX,
          .fields = &fs_gpu_fork_fields),
    FIELD(fs_digest, INT, "runtimes_more", runtimes_more),
    FIELD(fs_digest, ARRAY, "mpi_forks", mpi_forks,
          .count_offset = offsetof(struct fs_digest, mpi_fork_count), .length = FS_MPI_FORKS_MAX,
          .fields = &fs_mpi_fork_fields),
    FIELD(fs_digest, INT, "mpi_forks_more", mpi_forks_more),
    FIELD(fs_digest, INT, "copies_on_fork", copies_on_fork, .max = 1),
    FIELD(fs_digest, ARRAY, "displays", closed_displays,
          .count_offset = offsetof(struct fs_digest, closed_display_count),
          .length = FS_DISPLAYS_MAX, .fields = &fs_closed_display_fields),
    FIELD(fs_digest, INT, "display_searches", display_searches),
    FIELD(fs_digest, BOOL, "displays_asked", displays_asked),
    FIELD(fs_digest, ARRAY, "mpi", mpi, .count_offset = offsetof(struct fs_digest, mpi_count),
          .length = FS_MPI_RANKS_MAX, .fields = &fs_mpi_ranks_fields),
    FIELD(fs_digest, INT, "mpi_more", mpi_more),
    FIELD(fs_digest, INT, "mpi_silent", mpi_silent),
    FIELD(fs_digest, INLINE, "random_births", random_births, .fields = &fs_random_births_fields),
    FIELD(fs_digest, ARRAY, "random", random_streams,
          .count_offset = offsetof(struct fs_digest, random_stream_count),
          .length = FS_RANDOM_STREAMS_MAX, .fields = &fs_random_streams_fields),
    FIELD(fs_digest, INT, "random_more", random_streams_more),
    FIELD(fs_digest, ARRAY, "launches", launches,
          .count_offset = offsetof(struct fs_digest, launch_count), .length = FS_LAUNCHES_MAX,
          .fields = &fs_launch_fields),
    FIELD(fs_digest, INT, "launches_more", launches_more),
    FIELD(fs_digest, INLINE, "siblings", siblings, .fields = &fs_siblings_fields),
    FIELD(fs_digest, INLINE, "login", login, .fields = &fs_login_fields),
    FIELD(fs_digest, COLUMNS, "tasks", tasks,
          .count_offset = offsetof(struct fs_digest, task_count), .length = FS_TASKS_MAX,
          .fields = &fs_task_fields),
    FIELD(fs_digest, INT, "tasks_more", tasks_more),
    FIELD(fs_digest, STRING, "framework", framework),
    FIELD(fs_digest, ARRAY, "variables", variables,
          .count_offset = offsetof(struct fs_digest, variable_count),
          .length = FS_DIGEST_VARIABLES_MAX, .fields = &fs_variable_fields),
};
const struct fs_fields fs_digest_fields = TABLE(digest_field, fs_digest);
