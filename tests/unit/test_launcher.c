/* Whether a process is a task of a launcher, and of which launch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/clock.h"
#include "tracer/launcher.h"

static void tasks_of_srun_are_told_by_the_step(void **state) {
    (void)state;
    char *environment[] = {"SLURM_JOB_ID=12",
                           "SLURM_STEP_ID=3",
                           "SLURM_PROCID=5",
                           "SLURM_STEP_NUM_TASKS=6",
                           "SLURM_NODEID=1",
                           "SLURM_STEP_TASKS_PER_NODE=4,2",
                           NULL};
    struct fs_launched launch;
    assert_true(fs_task_of_launch(environment, &launch));
    assert_string_equal(launch.identity, "slurm 12.3");
    assert_string_equal(launch.name, "12.3");
    assert_int_equal(launch.rank, 5);
    assert_string_equal(launch.label, "12.3");
    assert_int_equal(launch.tasks_here, 2);
}

/* Numbers of jobs and steps come again. */
static void a_requeued_job_is_another_launch(void **state) {
    (void)state;
    char *environment[] = {"SLURM_JOB_ID=12",
                           "SLURM_STEP_ID=3",
                           "SLURM_PROCID=5",
                           "SLURM_STEP_NUM_TASKS=6",
                           "SLURM_RESTART_COUNT=1",
                           NULL,
                           NULL,
                           NULL};
    struct fs_launched launch;
    assert_true(fs_task_of_launch(environment, &launch));
    assert_string_equal(launch.identity, "slurm 12.3-2");
    assert_string_equal(launch.label, "12.3-2");
    assert_string_equal(launch.name, "12.3");
    environment[5] = "SLURM_ARRAY_JOB_ID=10";
    environment[6] = "SLURM_ARRAY_TASK_ID=2";
    assert_true(fs_task_of_launch(environment, &launch));
    assert_string_equal(launch.identity, "slurm 12.3-2");
    assert_string_equal(launch.label, "10_2.3-2");
}

/* A batch script and a step of one task have nobody to share a record with. */
static void scripts_and_single_tasks_are_alone(void **state) {
    (void)state;
    char *script[] = {"SLURM_JOB_ID=12", "SLURM_STEP_ID=4294967291", "SLURM_PROCID=0",
                      "SLURM_NTASKS=6", NULL};
    char *single[] = {"SLURM_JOB_ID=12", "SLURM_STEP_ID=0", "SLURM_PROCID=0",
                      "SLURM_STEP_NUM_TASKS=1", NULL};
    char *nothing[] = {"HOME=/root", NULL};
    struct fs_launched launch;
    assert_false(fs_task_of_launch(script, &launch));
    assert_false(fs_task_of_launch(single, &launch));
    assert_false(fs_task_of_launch(nothing, &launch));
    assert_true(fs_launch_of_slurm(single, &launch));
    assert_int_equal(launch.tasks, 1);
}

/* mpirun's daemons are tasks of srun, and its ranks have the variables of both. */
static void innermost_launcher_counts(void **state) {
    (void)state;
    char *environment[] = {"SLURM_JOB_ID=12",
                           "SLURM_STEP_ID=0",
                           "SLURM_PROCID=1",
                           "SLURM_STEP_NUM_TASKS=2",
                           "PMIX_NAMESPACE=1706491905",
                           "OMPI_COMM_WORLD_RANK=3",
                           "OMPI_COMM_WORLD_SIZE=4",
                           "OMPI_COMM_WORLD_LOCAL_SIZE=2",
                           NULL};
    struct fs_launched launch;
    assert_true(fs_task_of_launch(environment, &launch));
    assert_string_equal(launch.identity, "openmpi 1706491905");
    assert_int_equal(launch.rank, 3);
    assert_int_equal(launch.tasks, 4);
    assert_int_equal(launch.tasks_here, 2);
}

static void nonsense_is_no_launch(void **state) {
    (void)state;
    char *ranks[] = {"PMIX_NAMESPACE=x", "OMPI_COMM_WORLD_RANK=-1", "OMPI_COMM_WORLD_SIZE=4", NULL};
    char *size[] = {"PMIX_NAMESPACE=x", "OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=4x", NULL};
    char *hydra[] = {"PMI_RANK=1", "PMI_SIZE=4", NULL}; /* no mpiexec is among our parents */
    struct fs_launched launch;
    assert_false(fs_task_of_launch(ranks, &launch));
    assert_false(fs_task_of_launch(size, &launch));
    assert_false(fs_task_of_launch(hydra, &launch));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_srun_are_told_by_the_step),
        cmocka_unit_test(a_requeued_job_is_another_launch),
        cmocka_unit_test(scripts_and_single_tasks_are_alone),
        cmocka_unit_test(innermost_launcher_counts),
        cmocka_unit_test(nonsense_is_no_launch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
