/* SLM-01: it fires, says how to get the CPUs, and each exception keeps it silent. */
#include "tests/unit/placement_fixture.h"

static void names_what_was_asked_and_what_came(void **state) {
    (void)state;
    struct fixture f;
    dropped(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "SLM-01");
    assert_non_null(finding);
    assert_string_equal(finding->title, "srun dropped -c 8: 2 CPUs for 8 workers");
    assert_string_equal(finding->evidence[0].text, "task 0 was given CPUs 0-1: 2 CPUs (1 core)");
    assert_string_equal(finding->fix[0].text, "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK");
    assert_int_equal(finding->fix_count, 1);
    assert_string_equal(finding->gain, "up to 4.0x CPU time (est)");
    assert_string_equal(fs_verdict_find(&f.verdict, "SLM-02")->follows->id, "SLM-01");
    fixture_free(&f);
}

static void a_recorded_srun_gets_its_option(void **state) {
    (void)state;
    struct fixture f;
    dropped(&f);
    fixture_launch(&f, "/usr/bin/srun", "srun --cpu-bind=cores python3 pool.py", 1);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "SLM-01");
    assert_string_equal(finding->fix[1].text, "srun -c 8 --cpu-bind=cores python3 pool.py");
    fixture_free(&f);
}

static void threads_that_fill_the_mask_count(void **state) {
    (void)state;
    struct fixture f;
    dropped(&f);
    f.tasks[0].workers = 0;
    f.tasks[0].threads = 2;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "SLM-01");
    assert_string_equal(finding->title, "srun dropped -c 8: 2 CPUs for 2 threads");
    assert_string_equal(finding->gain, "up to 4.0x CPU time (est)");
    fixture_free(&f);
}

static void no_tasks(struct fixture *f) {
    f->digest.task_count = 0;
}
static void of_mpirun(struct fixture *f) {
    f->tasks[0].launch = FS_LAUNCH_OPENMPI;
}
static void not_asked(struct fixture *f) {
    f->tasks[0].cpus_per_task = FS_UNKNOWN;
}
static void mask_unknown(struct fixture *f) {
    f->tasks[0].mask = NULL;
}
static void given(struct fixture *f) {
    f->tasks[0].mask = fixture_mask(f, "0-7");
}
static void unbound(struct fixture *f) {
    f->tasks[0].mask = fixture_mask(f, "0-15");
    f->tasks[0].cpus_per_task = 32;
    f->tasks[0].cpu_ns = 150 * SECOND;
}
static void told_on_the_line(struct fixture *f) {
    fixture_launch(f, "/usr/bin/srun", "srun -c 2 python3 pool.py", 1);
}
static void bound_by_hand(struct fixture *f) {
    fixture_launch(f, "/usr/bin/srun", "srun --cpu-bind=map_cpu:0 python3 pool.py", 1);
}
static void told_by_variable(struct fixture *f) {
    fixture_variable(f, "SRUN_CPUS_PER_TASK", "8");
}
static void serial(struct fixture *f) {
    f->tasks[0].workers = 0;
    f->tasks[0].threads = 1;
    f->tasks[0].cpu_ns = 10 * SECOND;
}
static void brief(struct fixture *f) {
    f->tasks[0].cpu_ns = SECOND / 2;
    f->tasks[0].end = SECOND / 4;
}
static void mostly_idle(struct fixture *f) {
    f->tasks[0].cpu_ns = 5 * SECOND;
}

static void dropped_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no tasks", no_tasks, FS_NOT_APPLICABLE},
        {"started by mpirun", of_mpirun, FS_NOT_APPLICABLE},
        {"nothing was asked for", not_asked, FS_NOT_APPLICABLE},
        {"mask unknown", mask_unknown, FS_STATUS_UNKNOWN},
        {"the CPUs were given", given, FS_PASS},
        {"the task narrowed its mask itself", narrowed_itself, FS_PASS},
        {"not bound", unbound, FS_PASS},
        {"-c on the command line", told_on_the_line, FS_PASS},
        {"bound by hand", bound_by_hand, FS_PASS},
        {"SRUN_CPUS_PER_TASK", told_by_variable, FS_PASS},
        {"more CPUs for more memory", serial, FS_PASS},
        {"too brief", brief, FS_PASS},
        {"not for want of CPUs", mostly_idle, FS_PASS},
    };
    CHECK_GUARDS("SLM-01", dropped, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_was_asked_and_what_came),
        cmocka_unit_test(a_recorded_srun_gets_its_option),
        cmocka_unit_test(threads_that_fill_the_mask_count),
        cmocka_unit_test(dropped_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
