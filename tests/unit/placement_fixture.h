/*
 * placement_fixture.h - jobs with misplaced tasks that are judged twice: as they were recorded,
 * and as an audit sees them.
 */
#ifndef FS_TEST_PLACEMENT_FIXTURE_H
#define FS_TEST_PLACEMENT_FIXTURE_H

#include "tests/unit/whole_fixture.h"

/* AFF-07: two ranks of four cores, one of them in both domains of 2 x 4 cores. */
static inline void straddling(struct fixture *f) {
    fixture_machine(f, "pack:2 [numa] core:4 pu:1", "0-7");
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 2 --map-by slot:PE=4 app", 2);
    fixture_task(f, "2-5");
    fixture_task(f, "0-1,6-7");
}

/* SLM-01: a batch of -c 8 on 16 CPUs, whose srun gave the task one core; eight workers share it. */
static inline void dropped(struct fixture *f) {
    fixture_machine(f, "pack:2 core:4 pu:2", "0-1");
    fixture_pool(f, &f->group[0], 8, "0-1");
    f->digest.group_count = 1;
    f->digest.scheduler = (struct fs_scheduler){.name = "slurm",
                                                .cpus_on_node = 8,
                                                .cpus_per_task = 8,
                                                .step_tasks_on_node = 1,
                                                .in_step = true};
    *fixture_task(f, "0-1") = (struct fs_task){.launch = FS_LAUNCH_SRUN,
                                               .size = 1,
                                               .cpus_per_task = 8,
                                               .pid = 100,
                                               .end = 10 * SECOND,
                                               .cpu_ns = 19 * SECOND,
                                               .workers = 8,
                                               .threads = 3,
                                               .mask = fixture_mask(f, "0-1")};
}

static inline void narrowed_itself(struct fixture *f) {
    f->tasks[0].mask_before = fixture_mask(f, "0-7");
}

/* MPI-04: a pool of 4 workers on the first of 3 nodes, started without srun: one record. */
static inline void one_of_three(struct whole_fixture *job) {
    whole_allocation(job, 3, 4);
    fixture_pool(&job->node[0], &job->node[0].group[0], 4, "0-3");
    job->node[0].digest.group_count = 1;
    job->node[0].digest.cpu_ns = 40 * SECOND;
    job->nodes = 1;
}

/* SLM-03: 2 tasks with one CPU each on nodes of 4. */
static inline void narrow_tasks(struct whole_fixture *job) {
    whole_allocation(job, 3, 4);
    whole_step(job, 2, 1);
}

#endif
