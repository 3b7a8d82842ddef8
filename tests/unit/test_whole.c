/* What is known of a job as a whole: its nodes, those that are missing, its launches. */
#include "tests/unit/whole_fixture.h"

#include "report/totals.h"

static struct whole_fixture f;

static void build(size_t nodes) {
    for (size_t i = 0; i < nodes; i++)
        f.digests[i] = f.node[i].digest;
    assert_int_equal(fs_job_build(&f.job, f.digests, nodes), 0);
}

static void nodes_without_a_record_are_named(void **state) {
    (void)state;
    struct fs_arena arena = {0};
    whole_allocation(&f, 4, 4);
    whole_step(&f, 2, 2);
    build(2);
    assert_int_equal(f.job.totals.missing, 2);
    assert_string_equal(f.job.totals.missing_hosts, "n[3-4]");
    assert_false(f.job.totals.complete);
    assert_non_null(strstr(fs_incomplete_text(&arena, &f.job), "no record of 2 nodes (n[3-4])"));
    fs_arena_free(&arena);
    whole_free(&f);

    whole_allocation(&f, 4, 4);
    whole_step(&f, 2, 2);
    build(4);
    assert_int_equal(f.job.totals.missing, 0);
    assert_true(f.job.totals.complete);
    whole_free(&f);
}

/* A prolog that did not run (srun --task-prolog) is no clean job. */
static void launch_without_a_task_is_no_whole_record(void **state) {
    (void)state;
    struct fs_arena arena = {0};
    whole_allocation(&f, 1, 4);
    f.node[0].digest.launchers_only = true;
    f.node[0].digest.status = 0;
    build(1);
    assert_false(f.job.totals.complete);
    assert_non_null(strstr(fs_incomplete_text(&arena, &f.job), "no record of the tasks"));
    fs_arena_free(&arena);
    whole_free(&f);

    whole_allocation(&f, 1, 4);
    f.node[0].digest.launchers_only = true;
    f.node[0].digest.status = 1 << 8; /* it may have started none */
    build(1);
    assert_true(f.job.totals.complete);
    whole_free(&f);

    for (int asks = 0; asks < 2; asks++) {
        whole_allocation(&f, 1, 4);
        f.node[0].digest.launchers_only = true;
        f.node[0].digest.status = 0;
        fixture_launch(&f.node[0], "/usr/bin/srun", asks ? "srun --version" : "srun app", 0);
        build(1);
        assert_int_equal(f.job.totals.complete, asks);
        whole_free(&f);
    }
}

/* Only a step's nodes are expected to leave a record: a script runs on the first of its job. */
static void nodes_without_a_task_are_not_missing(void **state) {
    (void)state;
    whole_allocation(&f, 3, 4);
    build(1);
    assert_int_equal(f.job.totals.missing, 0);
    assert_true(f.job.totals.complete);
    assert_int_equal(f.job.whole->allocated.count, 3);
    assert_true(fs_names_has(&f.job.whole->allocated, "n3.cluster.example"));
    assert_false(fs_names_has(&f.job.whole->allocated, "n4"));
    whole_free(&f);
}

static void the_scheduler_may_call_a_node_otherwise(void **state) {
    (void)state;
    whole_allocation(&f, 2, 4);
    whole_step(&f, 1, 4);
    f.node[0].digest.host = (char *)"ip-10-0-0-1.compute";
    f.node[0].digest.scheduler.node_name = (char *)"n1";
    f.node[1].digest.host = (char *)"n2.cluster";
    build(2);
    assert_int_equal(f.job.totals.missing, 0);
    whole_free(&f);
}

static void a_list_that_is_none_makes_nothing_missing(void **state) {
    (void)state;
    whole_allocation(&f, 2, 4);
    whole_step(&f, 1, 4);
    f.node[0].digest.scheduler.step_node_list = (char *)"n[1-";
    f.node[1].digest.scheduler.step_node_list = (char *)"n[1-2147483647]";
    f.node[0].digest.scheduler.node_list = (char *)"n[2-1]";
    build(2);
    assert_false(f.job.whole->missing.known);
    assert_false(f.job.whole->allocated.known);
    assert_int_equal(f.job.totals.missing, 0);
    whole_free(&f);
}

static void a_launch_has_its_tasks_of_all_nodes(void **state) {
    (void)state;
    whole_allocation(&f, 3, 4);
    whole_step(&f, 2, 2);
    f.tasks[2][1].cpu_ns = 4 * SECOND;
    f.tasks[1][0].workers = 5;
    f.node[0].digest.task_count = 1;
    build(3);
    const struct fs_whole *whole = f.job.whole;
    assert_int_equal(whole->launch_count, 1);
    const struct fs_whole_launch *launch = &whole->launches[0];
    assert_int_equal(launch->tasks, 5);
    assert_int_equal(launch->size, 6);
    assert_int_equal(launch->where.count, 3);
    assert_int_equal(launch->tasks_most, 2);
    assert_int_equal(launch->tasks_least, 1);
    assert_true(launch->alike);
    assert_int_equal(launch->rank_use, FS_RANK_UNUSED);
    assert_int_equal(launch->workers, 5);
    assert_true(launch->cpu_least_s == 4 && launch->cpu_most_s == 10 && launch->cpu_s == 44);
    assert_int_equal(whole->nodes[1].task_cpus, 4);
    whole_free(&f);
}

/* Two mpiruns one after the other on a node are two launches; a step is one on all nodes. */
static void launches_are_kept_apart(void **state) {
    (void)state;
    whole_allocation(&f, 1, 4);
    whole_step(&f, 4, 1);
    for (int i = 0; i < 4; i++) {
        f.tasks[0][i].launch = FS_LAUNCH_OPENMPI;
        f.tasks[0][i].size = 2;
        f.tasks[0][i].launcher = i < 2 ? 500 : 600;
    }
    f.tasks[0][3].command = (char *)"./other";
    f.tasks[0][3].rank_use = FS_RANK_USED;
    build(1);
    assert_int_equal(f.job.whole->launch_count, 2);
    assert_int_equal(f.job.whole->launches[0].tasks, 2);
    assert_true(f.job.whole->launches[0].alike);
    assert_int_equal(f.job.whole->launches[1].ordinal, 1);
    assert_false(f.job.whole->launches[1].alike);
    assert_int_equal(f.job.whole->launches[1].rank_use, FS_RANK_USED);
    whole_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_without_a_record_are_named),
        cmocka_unit_test(launch_without_a_task_is_no_whole_record),
        cmocka_unit_test(nodes_without_a_task_are_not_missing),
        cmocka_unit_test(the_scheduler_may_call_a_node_otherwise),
        cmocka_unit_test(a_list_that_is_none_makes_nothing_missing),
        cmocka_unit_test(a_launch_has_its_tasks_of_all_nodes),
        cmocka_unit_test(launches_are_kept_apart),
    };
    return cmocka_run_group_tests_name("whole", tests, NULL, NULL);
}
