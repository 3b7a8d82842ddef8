/*
 * whole_fixture.h - a hand-built job of several nodes under Slurm, for rules that speak of the
 * whole job: srun started `tasks` tasks on each of them.
 */
#ifndef FS_TEST_WHOLE_FIXTURE_H
#define FS_TEST_WHOLE_FIXTURE_H

#include "tests/unit/rule_fixture.h"

#include "report/whole.h"

#include <stdio.h>

enum { WHOLE_NODES = 4, WHOLE_TASKS = 8 };

struct whole_fixture {
    size_t nodes;
    struct fixture node[WHOLE_NODES];
    char host[WHOLE_NODES][16];
    struct fs_task tasks[WHOLE_NODES][WHOLE_TASKS];
    struct fs_mpi_ranks mpi;
    struct fs_digest digests[WHOLE_NODES];
    struct fs_job job;
    struct fs_verdict verdict;
};

/* Node names n1, n2 ...; a machine of `cpus` cores each, all of them the job's, used by nobody. */
static inline void whole_allocation(struct whole_fixture *f, size_t nodes, int cpus) {
    static char list[32], counts[32];
    memset(f, 0, sizeof *f);
    f->nodes = nodes;
    snprintf(list, sizeof list, "n[1-%zu]", nodes);
    snprintf(counts, sizeof counts, "%d(x%zu)", cpus, nodes);
    for (size_t i = 0; i < nodes; i++) {
        struct fixture *node = &f->node[i];
        char topology[64], mask[16];
        snprintf(topology, sizeof topology, "pack:1 core:%d pu:1", cpus);
        snprintf(mask, sizeof mask, "0-%d", cpus - 1);
        fixture_machine(node, topology, mask);
        snprintf(f->host[i], sizeof f->host[i], "n%zu", i + 1);
        node->digest.host = f->host[i];
        node->digest.cpu_ns = 0;
        node->digest.group_count = 0;
        node->digest.scheduler.name = "slurm";
        node->digest.scheduler.nodes = (int)nodes;
        node->digest.scheduler.cpus_on_node = cpus;
        node->digest.scheduler.node_list = list;
        node->digest.scheduler.cpus_per_node = counts;
    }
}

/* `tasks` tasks of one step on each node, alike, each busy for 10 s on CPUs of its own. */
static inline void whole_step(struct whole_fixture *f, int tasks, int cpus_each) {
    for (size_t i = 0; i < f->nodes; i++) {
        struct fixture *node = &f->node[i];
        struct fs_scheduler *scheduler = &node->digest.scheduler;
        scheduler->in_step = true;
        scheduler->step_node_list = scheduler->node_list;
        scheduler->step_tasks = tasks * (int)f->nodes;
        scheduler->step_tasks_on_node = tasks;
        node->digest.tasks = f->tasks[i];
        node->digest.task_count = (size_t)tasks;
        node->digest.tasks_more = 0;
        node->digest.cpu_ns = tasks * 10 * SECOND;
        for (int t = 0; t < tasks; t++) {
            char mask[32];
            snprintf(mask, sizeof mask, "%d-%d", t * cpus_each, (t + 1) * cpus_each - 1);
            f->tasks[i][t] = (struct fs_task){
                .launch = FS_LAUNCH_SRUN,
                .rank = (int)i * tasks + t,
                .size = scheduler->step_tasks,
                .local_rank = t,
                .cpus_per_task = cpus_each,
                .pid = 1000 + t,
                .command = (char *)"python3 mc.py",
                .executable = (char *)"/usr/bin/python3.11",
                .python = true,
                .status = 0,
                .end = 10 * SECOND,
                .cpu_ns = 10 * SECOND,
                .processes = 1,
                .threads = 1,
                .libraries = FSP_LIBRARY_PYTHON,
                .libraries_known = true,
                .rank_use = FS_RANK_UNUSED,
                .mask = fixture_mask(node, mask),
            };
        }
    }
}

static inline struct fs_verdict *whole_judge(struct whole_fixture *f) {
    for (size_t i = 0; i < f->nodes; i++)
        f->digests[i] = f->node[i].digest;
    assert_int_equal(fs_job_build(&f->job, f->digests, f->nodes), 0);
    assert_int_equal(fs_judge(&f->job, NULL, &f->verdict), 0);
    return &f->verdict;
}

static inline const struct fs_outcome *whole_outcome(struct whole_fixture *f, const char *rule) {
    return &f->verdict.outcomes[fs_rule_index(fs_rule_find(rule))];
}

static inline void whole_free(struct whole_fixture *f) {
    fs_verdict_free(&f->verdict);
    fs_job_free(&f->job);
    for (size_t i = 0; i < WHOLE_NODES; i++) {
        for (size_t m = 0; m < f->node[i].mask_count; m++)
            hwloc_bitmap_free(f->node[i].masks[m]);
        if (f->node[i].topology) hwloc_topology_destroy(f->node[i].topology);
    }
}

/* As struct guard, for a whole job. */
struct whole_guard {
    const char *name;
    void (*change)(struct whole_fixture *f);
    enum fs_status status;
};

/* Every guard starts from `build`, for which the rule must fire. */
static inline void check_whole_guards(const char *rule, void (*build)(struct whole_fixture *f),
                                      const struct whole_guard *guards, size_t count) {
    static struct whole_fixture f;
    for (size_t i = 0; i <= count; i++) {
        const enum fs_status status = i < count ? guards[i].status : FS_FINDING;
        build(&f);
        if (i < count) guards[i].change(&f);
        whole_judge(&f);
        const struct fs_outcome *outcome = whole_outcome(&f, rule);
        if (outcome->status != status)
            print_error("%s, '%s': %s\n", rule, i < count ? guards[i].name : "as built",
                        outcome->why ? outcome->why : "a finding");
        assert_int_equal(outcome->status, status);
        whole_free(&f);
    }
    print_message("guards %s %zu\n", rule, count); /* the table of tests/run counts them */
}

#define CHECK_WHOLE_GUARDS(rule, build, guards)                                                    \
    check_whole_guards(rule, build, guards, sizeof guards / sizeof *(guards))

#endif
