/* Which processes a launcher started, and what their trees did. */
#include "tests/unit/fold_fixture.h"

#include "tracer/cohort.h"
#include "tracer/tasks.h"

static void set_environment(struct made_segment *made, const char *text, size_t length) {
    memcpy(made->header->environment, text, length);
    made->header->env_length = (uint32_t)length;
}
#define SET_ENVIRONMENT(made, text) set_environment(made, text, sizeof text)

static void put_as(struct made_segment *made, const char *name) {
    put(made, name);
    free(made->bytes);
}

static struct fs_digest evaluated(void) {
    struct fs_cohorts cohorts = {.table = &table};
    const struct fs_evaluation evaluation = {.table = &table, .cohorts = &cohorts, .t_closed = now};
    struct fs_digest digest;
    fs_fold_pass(&fold, now, false);
    fs_cohorts_assign(&cohorts, now);
    fs_digest_init(&digest);
    assert_int_equal(fs_evaluate_tasks(&evaluation, false, &digest), 0);
    fs_cohorts_free(&cohorts);
    return digest;
}

/* What srun starts has no recorded parent; what a task starts inherits its rank. */
static void the_processes_of_a_step_are_tasks_but_not_their_children(void **state) {
    (void)state;
    struct made_segment one = image(PARENT, 1, 10 * MILLISECOND, "/usr/bin/bash");
    SET_ENVIRONMENT(&one, "SLURM_STEP_ID=0\0SLURM_PROCID=4\0SLURM_STEP_NUM_TASKS=6\0"
                          "SLURM_LOCALID=1\0SLURM_CPUS_PER_TASK=3");
    struct fsp_process *forked = add_child(&one, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    forked->exit = FSP_EXIT_EXIT;
    forked->self = (struct fsp_usage){.user_us = 1500000, .maxrss_kib = 1};
    struct made_segment program = image(CHILD, PARENT, 21 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&program, "SLURM_STEP_ID=0\0SLURM_PROCID=4\0SLURM_STEP_NUM_TASKS=6");
    struct made_segment other = image(2000, 1, 12 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&other, "SLURM_STEP_ID=0\0SLURM_PROCID=3\0SLURM_STEP_NUM_TASKS=6");
    put_as(&one, "1000-10.seg");
    put_as(&program, "1001-21.seg");
    put_as(&other, "2000-12.seg");

    struct fs_digest digest = evaluated();
    assert_int_equal(digest.task_count, 2);
    const struct fs_task *first = &digest.tasks[0], *second = &digest.tasks[1];
    assert_int_equal(first->rank, 3);
    assert_int_equal(first->pid, 2000);
    assert_int_equal(first->local_rank, 0);
    assert_int_equal(first->cpus_per_task, FS_UNKNOWN);
    assert_int_equal(second->rank, 4);
    assert_int_equal(second->pid, PARENT);
    assert_int_equal(second->launch, FS_LAUNCH_SRUN);
    assert_int_equal(second->size, 6);
    assert_int_equal(second->local_rank, 1);
    assert_int_equal(second->cpus_per_task, 3);
    assert_int_equal(second->processes, 2);
    assert_int_equal(second->cpu_ns, 1500000000);
    assert_string_equal(second->executable, "/home/u/solve");
    assert_int_equal(hwloc_bitmap_weight(second->mask), 2);
    fs_digest_free(&digest);
}

/* LLVM's runtime binds by bare system calls: only sampling shows the other mask. */
static void a_mask_that_changed_without_a_call_was_not_given(void **state) {
    (void)state;
    struct made_segment one = image(PARENT, 1, 10 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&one, "SLURM_STEP_ID=0\0SLURM_PROCID=0\0SLURM_STEP_NUM_TASKS=2");
    struct made_segment other = image(2000, 1, 12 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&other, "SLURM_STEP_ID=0\0SLURM_PROCID=1\0SLURM_STEP_NUM_TASKS=2");
    put_as(&one, "1000-10.seg");
    put_as(&other, "2000-12.seg");
    fs_fold_pass(&fold, now, false);
    uint64_t bound[FSP_MASK_WORDS] = {1};
    for (struct fs_record *record = table.first; record; record = record->next)
        if (record->pid == 2000) record->mask = fs_intern_words(&table.interned, bound);
    struct fs_digest digest = evaluated();
    assert_int_equal(digest.task_count, 2);
    assert_null(digest.tasks[0].mask_before);
    assert_int_equal(hwloc_bitmap_weight(digest.tasks[1].mask), 1);
    assert_int_equal(hwloc_bitmap_weight(digest.tasks[1].mask_before), 2);
    fs_digest_free(&digest);
}

/* A batch script has a rank of Slurm as well, but no step. */
static void a_batch_script_is_no_task(void **state) {
    (void)state;
    struct made_segment script = image(PARENT, 1, 10 * MILLISECOND, "/usr/bin/bash");
    SET_ENVIRONMENT(&script, "SLURM_PROCID=0\0SLURM_NTASKS=4");
    put_as(&script, "1000-10.seg");
    struct made_segment interactive = image(2000, 1, 12 * MILLISECOND, "/usr/bin/bash");
    SET_ENVIRONMENT(&interactive, "SLURM_STEP_ID=4294967290\0SLURM_PROCID=0");
    put_as(&interactive, "2000-12.seg");
    struct fs_digest digest = evaluated();
    assert_int_equal(digest.task_count, 0);
    assert_int_equal(digest.tasks_more, 0);
    fs_digest_free(&digest);
}

/* mpirun starts ranks; inside a step of Slurm its own rank is not theirs. */
static void a_launcher_and_its_daemon_are_no_tasks(void **state) {
    (void)state;
    struct made_segment launcher = image(PARENT, 1, 10 * MILLISECOND, "/usr/bin/mpirun");
    SET_ENVIRONMENT(&launcher, "SLURM_STEP_ID=7\0SLURM_PROCID=0\0OMPI_COMM_WORLD_RANK=0");
    add_child(&launcher, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    add_child(&launcher, 2, SECOND_CHILD, FSP_BIRTH_FORK, 22 * MILLISECOND);
    struct made_segment zero = image(CHILD, PARENT, 21 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&zero, "SLURM_STEP_ID=7\0SLURM_PROCID=0\0OMPI_COMM_WORLD_RANK=0\0"
                           "OMPI_COMM_WORLD_SIZE=2");
    struct made_segment one = image(SECOND_CHILD, PARENT, 23 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&one, "SLURM_STEP_ID=7\0SLURM_PROCID=0\0OMPI_COMM_WORLD_RANK=1\0"
                          "OMPI_COMM_WORLD_SIZE=2");
    put_as(&launcher, "1000-10.seg");
    put_as(&zero, "1001-21.seg");
    put_as(&one, "1002-23.seg");
    struct fs_digest digest = evaluated();
    assert_int_equal(digest.task_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(digest.tasks[i].rank, i);
        assert_int_equal(digest.tasks[i].local_rank, i);
        assert_int_equal(digest.tasks[i].launch, FS_LAUNCH_OPENMPI);
        assert_int_equal(digest.tasks[i].launcher, PARENT);
        assert_int_equal(digest.tasks[i].size, 2);
    }
    fs_digest_free(&digest);
}

/* An MPI library without a launcher puts a rank into its own environment. */
static void a_rank_that_a_process_gave_itself_makes_no_task_of_its_children(void **state) {
    (void)state;
    struct made_segment single = image(PARENT, 1, 10 * MILLISECOND, "/home/u/solve");
    single.chunks[0].owner = PARENT;
    single.chunks[0].used = 1;
    single.chunks[0].event[0].kind = FSP_EVENT_SETENV;
    single.chunks[0].event[0].tid = PARENT;
    single.chunks[0].event[0].t = 15 * MILLISECOND;
    strcpy(single.chunks[0].event[0].text, "PMIX_RANK=0");
    add_child(&single, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    struct made_segment helper = image(CHILD, PARENT, 21 * MILLISECOND, "/usr/bin/helper");
    SET_ENVIRONMENT(&helper, "PMIX_RANK=0");
    put_as(&single, "1000-10.seg");
    put_as(&helper, "1001-21.seg");
    struct fs_digest digest = evaluated();
    assert_int_equal(digest.task_count, 0);
    fs_digest_free(&digest);
}

/* Of two roots with one rank the earlier is the task: the other lost its parent. */
static void a_rank_has_one_task(void **state) {
    (void)state;
    struct made_segment first = image(PARENT, 1, 10 * MILLISECOND, "/home/u/solve");
    SET_ENVIRONMENT(&first, "PMI_RANK=1\0PMI_SIZE=2");
    struct made_segment second = image(2000, 1, 50 * MILLISECOND, "/usr/bin/helper");
    SET_ENVIRONMENT(&second, "PMI_RANK=1\0PMI_SIZE=2");
    put_as(&first, "1000-10.seg");
    put_as(&second, "2000-50.seg");
    struct fs_digest digest = evaluated();
    assert_int_equal(digest.task_count, 1);
    assert_int_equal(digest.tasks[0].pid, PARENT);
    assert_int_equal(digest.tasks[0].launch, FS_LAUNCH_HYDRA);
    fs_digest_free(&digest);
}

static void ranks_are_read_as_launchers_mean_them(void **state) {
    (void)state;
    static const struct {
        struct fs_variable variables[5];
        bool found;
        enum fs_launch_kind launch;
        int rank, size;
    } cases[] = {
        /* srun --mpi=pmi2: both speak of the same task. */
        {{{"SLURM_STEP_ID", "0"},
          {"SLURM_PROCID", "2"},
          {"SLURM_STEP_NUM_TASKS", "4"},
          {"PMI_RANK", "2"},
          {"PMI_SIZE", "4"}},
         true,
         FS_LAUNCH_SRUN,
         2,
         4},
        /* srun --mpi=pmix */
        {{{"SLURM_STEP_ID", "0"},
          {"SLURM_PROCID", "2"},
          {"SLURM_STEP_NUM_TASKS", "4"},
          {"PMIX_RANK", "2"}},
         true,
         FS_LAUNCH_SRUN,
         2,
         4},
        /* hydra's proxies are a step of one task for each node. */
        {{{"SLURM_STEP_ID", "0"},
          {"SLURM_PROCID", "1"},
          {"SLURM_STEP_NUM_TASKS", "2"},
          {"PMI_RANK", "1"},
          {"PMI_SIZE", "8"}},
         true,
         FS_LAUNCH_HYDRA,
         1,
         8},
        {{{"MV2_COMM_WORLD_RANK", "3"}, {"MV2_COMM_WORLD_SIZE", "4"}},
         true,
         FS_LAUNCH_MVAPICH,
         3,
         4},
        {{{"OMPI_COMM_WORLD_RANK", "-1"}}, false, 0, 0, 0},
        {{{"PMI_RANK", ""}}, false, 0, 0, 0},
        {{{"PMI_RANK", "99999999999"}}, false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_rank rank;
        size_t count = 0;
        while (count < 5 && cases[i].variables[count].name)
            count++;
        assert_int_equal(fs_rank_read(cases[i].variables, count, &rank), cases[i].found);
        if (!cases[i].found) continue;
        assert_int_equal(rank.launch, cases[i].launch);
        assert_int_equal(rank.rank, cases[i].rank);
        assert_int_equal(rank.size, cases[i].size);
    }
}

int main(void) {
#define FOLDED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FOLDED(the_processes_of_a_step_are_tasks_but_not_their_children),
        FOLDED(a_mask_that_changed_without_a_call_was_not_given),
        FOLDED(a_batch_script_is_no_task),
        FOLDED(a_launcher_and_its_daemon_are_no_tasks),
        FOLDED(a_rank_that_a_process_gave_itself_makes_no_task_of_its_children),
        FOLDED(a_rank_has_one_task),
        cmocka_unit_test(ranks_are_read_as_launchers_mean_them),
    };
    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
