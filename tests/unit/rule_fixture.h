/*
 * rule_fixture.h - a small hand-built job for tests of rules: a machine of 2 cores, one
 * pool of 4 Python workers that is as it should be but for what a test changes.
 */
#ifndef FS_TEST_RULE_FIXTURE_H
#define FS_TEST_RULE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/segment.h"
#include "report/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

struct fixture {
    struct fs_digest digest;
    struct fs_group group[2];
    struct fs_narrowing narrowing;
    struct fs_variable variables[4];
    struct fs_death deaths[4];
    struct fs_team teams[2];
    struct fs_watched watched;
    struct fs_launch launches[2];
    struct fs_task tasks[8];
    struct fs_audited audited;
    char *words[2][16];
    char *command[4];
    hwloc_topology_t topology;
    hwloc_bitmap_t masks[24];
    size_t mask_count;

    struct fs_job job;
    struct fs_verdict verdict;
};

static inline hwloc_bitmap_t fixture_mask(struct fixture *f, const char *list) {
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    hwloc_bitmap_list_sscanf(mask, list);
    f->masks[f->mask_count++] = mask;
    return mask;
}

/* A group of `workers` Python workers that shared `cpus` for 10 s, all busy. */
static inline void fixture_pool(struct fixture *f, struct fs_group *group, int workers,
                                const char *cpus) {
    fs_group_init(group);
    group->kind = FS_GROUP_FORK;
    group->parent = 100;
    group->parent_executable = (char *)"/usr/bin/python3.11";
    group->executable = (char *)"/usr/bin/python3.11";
    group->python = true;
    group->site = (struct fs_place){
        .file = (char *)"/home/u/pool.py", .line = 41, .function = (char *)"main"};
    group->mask_union = fixture_mask(f, cpus);
    group->masks_known = true;
    group->masks_distinct = 1;
    const int n = hwloc_bitmap_weight(group->mask_union);
    const int running = workers < n ? workers : n;
    group->workers = group->workers_peak = group->workers_busy_peak = workers;
    group->workers_scheduled = workers;
    group->begin = SECOND / 10;
    group->window_ns = group->busy_ns = group->overlap_ns = 10 * SECOND;
    group->cpu_ns = group->window_cpu_ns = group->run_ns = running * 10 * SECOND;
    group->wait_ns = (workers - running) * 10 * SECOND;
    group->sample_ns = SECOND / 10;
    group->threads_peak = group->threads_busy_peak = 1;
    group->threads_busy_total = workers;
    const int64_t each = group->cpu_ns / workers;
    group->worker_cpu_ns = (struct fs_spread){workers, each, each, each, each, each * workers};
    group->first_idle = group->last_busy = 10 * SECOND;
    group->parent_cpu_ns = 0;
    group->sleep_ns = 0;
    group->unwaited = group->zombies_peak = group->orphans = 0;
}

/* Another machine than before, in hwloc's synthetic syntax. */
static inline void fixture_topology(struct fixture *f, const char *topology) {
    if (f->topology) hwloc_topology_destroy(f->topology);
    hwloc_topology_init(&f->topology);
    hwloc_topology_set_synthetic(f->topology, topology);
    hwloc_topology_load(f->topology);
    f->digest.topology = f->topology;
}

static inline void fixture_machine(struct fixture *f, const char *topology, const char *job_cpus) {
    memset(f, 0, sizeof *f);
    fs_digest_init(&f->digest);
    fixture_topology(f, topology);
    f->digest.host = (char *)"node1";
    f->command[0] = (char *)"python3";
    f->command[1] = (char *)"pool.py";
    f->digest.command = f->command;
    f->digest.command_count = 2;
    f->digest.wall_ns = 11 * SECOND;
    f->digest.status = 0;
    f->digest.main_pid = 100;
    f->digest.interrupted = 0;
    f->digest.mask_job = fixture_mask(f, job_cpus);
    f->digest.mask_start = fixture_mask(f, job_cpus);
    f->digest.mask_job_from = "mask";
    f->digest.quota.cpus = INFINITY;
    f->digest.memory.oom_kills = 0;
    f->digest.shm = (struct fs_shm){.size = 1 << 26, .free_min = 1 << 26};
    f->digest.complete = (struct fs_completeness){.processes = 5, .recorded = 5, .samples = 100};
    f->digest.busy_mean = 2;
    f->digest.workers_busy_peak = 2;
    f->digest.threads_busy_peak = 2;
    f->digest.active_ns = 10 * SECOND;
    f->digest.environments_read = true;
    f->digest.teams_sampled = true;
    f->digest.teams = f->teams;
    f->digest.watched = &f->watched;
    f->digest.launches = f->launches;
    f->digest.tasks = f->tasks;
    f->digest.siblings = (struct fs_siblings){
        .looks = 100, .busy = fixture_mask(f, ""), .idle = fixture_mask(f, "")};
    f->digest.login = (struct fs_login){.users = 1};
    f->digest.pids.refused = 0;
    f->digest.display_searches = 0;
    f->digest.mpi_more = f->digest.mpi_silent = 0;
    f->digest.mpi_forks_more = 0;
    f->digest.random_births = (struct fs_random_births){0};
    f->digest.groups = f->group;
    f->digest.variables = f->variables;
}

/* A launcher that ran for a second and started `started` programs: "mpirun -n 2 app". */
static inline struct fs_launch *fixture_launch(struct fixture *f, const char *executable,
                                               const char *line, int started) {
    static char text[2][256];
    const size_t number = f->digest.launch_count++;
    struct fs_launch *launch = &f->launches[number];

    *launch = (struct fs_launch){.pid = 90,
                                 .executable = (char *)(uintptr_t)executable,
                                 .words = f->words[number],
                                 .started = started,
                                 .end = SECOND,
                                 .hostfile_slots = FS_UNKNOWN,
                                 .variables = f->variables};
    strncpy(text[number], line, sizeof text[number] - 1);
    for (char *word = strtok(text[number], " "); word && launch->word_count < 15;
         word = strtok(NULL, " "))
        launch->words[launch->word_count++] = word;
    return launch;
}

/* A rank that mpirun (process 90) started and that computed for 10 s. */
static inline struct fs_task *fixture_task(struct fixture *f, const char *cpus) {
    struct fs_task *task = &f->tasks[f->digest.task_count];

    *task = (struct fs_task){.launch = FS_LAUNCH_OPENMPI,
                             .launcher = 90,
                             .step = FS_UNKNOWN,
                             .rank = (int)f->digest.task_count,
                             .size = FS_UNKNOWN,
                             .local_rank = (int)f->digest.task_count,
                             .cpus_per_task = FS_UNKNOWN,
                             .pid = 100 + (int)f->digest.task_count,
                             .command = (char *)"app",
                             .executable = (char *)"/home/u/app",
                             .end = 10 * SECOND,
                             .cpu_ns = 10 * SECOND,
                             .processes = 1,
                             .threads = 1,
                             .libraries_known = true,
                             .mask = fixture_mask(f, cpus)};
    f->digest.task_count++;
    return task;
}

/* The same job, but only looked at while it ran: for 3 s, from outside. */
static inline void fixture_audit(struct fixture *f) {
    f->audited = (struct fs_audited){.window_ns = 3 * SECOND, .step = FS_UNKNOWN};
    f->digest.audited = &f->audited;
}

/* A correct job: a pool of two workers on two cores. */
static inline void fixture_clean(struct fixture *f) {
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    fixture_pool(f, &f->group[0], 2, "0-1");
    f->digest.group_count = 1;
}

static inline void fixture_variable(struct fixture *f, const char *name, const char *value) {
    f->variables[f->digest.variable_count++] = (struct fs_variable){(char *)name, (char *)value};
}

static inline struct fs_verdict *fixture_judge(struct fixture *f,
                                               const struct fs_thresholds *thresholds) {
    assert_int_equal(fs_job_build(&f->job, &f->digest, 1), 0);
    assert_int_equal(fs_judge(&f->job, thresholds, &f->verdict), 0);
    return &f->verdict;
}

static inline const struct fs_outcome *fixture_outcome(struct fixture *f, const char *rule) {
    return &f->verdict.outcomes[fs_rule_index(fs_rule_find(rule))];
}

/* AFF-01 and what follows from it: four workers of a taskset on one of two CPUs. */
static inline void fixture_squeezed(struct fixture *f) {
    static const char *const words[] = {"taskset", "-c", "0", "pool.py"};
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    fixture_pool(f, &f->group[0], 4, "0");
    f->digest.group_count = 1;
    for (size_t i = 0; i < 4; i++)
        f->command[i] = (char *)words[i];
    f->digest.command_count = 4;
    fixture_variable(f, "NUM_PROCS", "4");
    f->narrowing = (struct fs_narrowing){.pid = 99,
                                         .executable = (char *)"/usr/bin/taskset",
                                         .before = fixture_mask(f, "0-1"),
                                         .after = fixture_mask(f, "0")};
    f->group[0].narrowing = &f->narrowing;
}

/* What the rule finds, which must be something. */
static inline const struct fs_finding *fixture_find(struct fixture *f, const char *rule) {
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(f, NULL), rule);
    assert_non_null(finding);
    return finding;
}

static inline bool any_fix_has(const struct fs_finding *finding, const char *text) {
    for (size_t i = 0; i < finding->fix_count; i++)
        if (strstr(finding->fix[i].text, text)) return true;
    return false;
}

static inline void fixture_free(struct fixture *f) {
    fs_verdict_free(&f->verdict);
    fs_job_free(&f->job);
    for (size_t i = 0; i < f->mask_count; i++)
        hwloc_bitmap_free(f->masks[i]);
    hwloc_topology_destroy(f->topology);
}

/* One line of a guard table: a change of the job and what the rule must say then. */
struct guard {
    const char *name;
    void (*change)(struct fixture *f);
    enum fs_status status;
};

/* Every guard starts from `build`, for which the rule must fire. */
static inline void check_guards(const char *rule, void (*build)(struct fixture *f),
                                const struct guard *guards, size_t count) {
    struct fixture f;
    build(&f);
    fixture_judge(&f, NULL);
    if (fixture_outcome(&f, rule)->status != FS_FINDING)
        print_error("%s does not fire: %s\n", rule, fixture_outcome(&f, rule)->why);
    assert_int_equal(fixture_outcome(&f, rule)->status, FS_FINDING);
    fixture_free(&f);
    for (size_t i = 0; i < count; i++) {
        build(&f);
        guards[i].change(&f);
        fixture_judge(&f, NULL);
        const struct fs_outcome *outcome = fixture_outcome(&f, rule);
        if (outcome->status != guards[i].status)
            print_error("%s, guard '%s': %s\n", rule, guards[i].name,
                        outcome->why ? outcome->why : "a finding");
        assert_int_equal(outcome->status, guards[i].status);
        fixture_free(&f);
    }
    print_message("guards %s %zu\n", rule, count); /* the table of tests/run counts them */
}

#define CHECK_GUARDS(rule, build, guards)                                                          \
    check_guards(rule, build, guards, sizeof guards / sizeof *(guards))

#endif
