/* Rules on ranks, tasks and placement, of jobs that were only looked at from outside: what they
 * still find, and what is unknown then. */
#include "tests/unit/placement_fixture.h"

static void no_launcher(struct fixture *f) {
    f->digest.launch_count = 0;
}
static void another_rank_elsewhere(struct fixture *f) {
    no_launcher(f);
    f->tasks[0].size = f->tasks[1].size = 3;
}
static void apart_in_a_short_look(struct fixture *f) {
    hwloc_bitmap_only(f->tasks[1].mask, 4);
    f->audited.window_ns = SECOND;
}
static void apart_and_some_denied(struct fixture *f) {
    hwloc_bitmap_only(f->tasks[1].mask, 4);
    f->audited.denied = 1;
}

/* --- AFF-05: one rank on one of eight cores has a pool of four --- */

static void bound_by(struct fixture *f, const char *line) {
    fixture_machine(f, "pack:2 core:4 pu:2", "0-15");
    fixture_pool(f, &f->group[0], 4, "0-1");
    f->digest.group_count = 1;
    fixture_launch(f, "/usr/bin/orterun", line, 1);
    fixture_task(f, "0-1")->workers = 4;
    fixture_audit(f);
}

static void bound(struct fixture *f) {
    bound_by(f, "mpirun -n 1 python3 pool.py");
}
static void behind_taskset(struct fixture *f) {
    f->digest.launch_count = 0;
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 1 taskset -c 0,1 python3 pool.py", 1);
}
static void told_not_to_bind(struct fixture *f) {
    f->digest.launch_count = 0;
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 1 --bind-to none python3 pool.py", 1);
}
static void told_to_bind_to_sockets(struct fixture *f) {
    f->digest.launch_count = 0;
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 1 --bind-to socket python3 pool.py", 1);
}
static void told_what_is_not_known(struct fixture *f) {
    f->digest.launch_count = 0;
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 1 --no-such-option python3 pool.py", 1);
}
static void half_a_core(struct fixture *f) {
    hwloc_bitmap_only(f->tasks[0].mask, 0);
}
static void by_hydra(struct fixture *f) {
    f->digest.launch_count = 0;
    fixture_launch(f, "/usr/bin/mpiexec.hydra", "mpiexec -n 1 python3 pool.py", 1);
    f->tasks[0].launch = FS_LAUNCH_HYDRA;
}
static void enough_cores(struct fixture *f) {
    hwloc_bitmap_set_range(f->tasks[0].mask, 0, 7);
}

static void aff_05_guard_audited_masks_that_others_may_have_set(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"behind a taskset", behind_taskset, FS_STATUS_UNKNOWN},
        {"mpirun does not bind", told_not_to_bind, FS_STATUS_UNKNOWN},
        {"a mask that mpirun does not give", half_a_core, FS_STATUS_UNKNOWN},
        {"bound to sockets", told_to_bind_to_sockets, FS_STATUS_UNKNOWN},
        {"an option that is not known", told_what_is_not_known, FS_STATUS_UNKNOWN},
        {"hydra, which does not bind", by_hydra, FS_STATUS_UNKNOWN},
        {"launcher not looked at", no_launcher, FS_STATUS_UNKNOWN},
        {"a core for each", enough_cores, FS_PASS},
    };
    CHECK_GUARDS("AFF-05", bound, guards);
}

static void aff_05_takes_a_mask_for_the_launchers_if_it_gives_such_ones(void **state) {
    (void)state;
    static const struct {
        const char *line, *mask;
    } cases[] = {
        {"mpirun -n 1 python3 pool.py", "0-1"},
        {"mpirun -n 1 --bind-to core python3 pool.py", "0-1"},
        {"mpirun -n 1 --bind-to hwthread python3 pool.py", "0"},
        {"mpirun -n 1 --map-by slot:PE=2 --bind-to core python3 pool.py", "0-3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        bound_by(&f, cases[i].line);
        hwloc_bitmap_list_sscanf(f.tasks[0].mask, cases[i].mask);
        assert_int_equal(fixture_find(&f, "AFF-05")->confidence, FS_INFERRED);
        fixture_free(&f);
    }
}

/* --- AFF-01: what was before is not known --- */

static void squeezed_workers(struct fixture *f) {
    fixture_squeezed(f);
    fixture_audit(f);
}
static void seldom_at_once(struct fixture *f) {
    f->group[0].overlap_ns = SECOND / 2;
}
static void seen_shortly(struct fixture *f) {
    f->group[0].overlap_ns = f->group[0].window_ns = SECOND / 2;
}

static void aff_01_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"seldom at once", seldom_at_once, FS_PASS},
        {"seen for half a second", seen_shortly, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-01", squeezed_workers, guards);
}

/* --- AFF-06: two ranks on one core --- */

static void overlapping(struct fixture *f) {
    fixture_machine(f, "pack:1 core:8 pu:1", "0-7");
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 2 taskset -c 3 app", 2);
    fixture_task(f, "3");
    fixture_task(f, "3");
    f->tasks[0].cpu_ns = f->tasks[0].wait_ns = 5 * SECOND;
    f->tasks[1].cpu_ns = f->tasks[1].wait_ns = 5 * SECOND;
    fixture_audit(f);
}

static void aff_06_says_what_is_seen_of_who_did_it(void **state) {
    (void)state;
    struct fixture f;
    overlapping(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-06");
    assert_string_equal(finding->cause[0], "a taskset stands in front of each rank's program");
    assert_string_equal(finding->fix[0].text, "mpirun -n 2 app");
    fixture_free(&f);
    overlapping(&f);
    no_launcher(&f);
    finding = fixture_find(&f, "AFF-06");
    assert_string_equal(finding->cause[0], "who gave them these masks is not seen from outside");
    fixture_free(&f);
}

static void disjoint(struct fixture *f) {
    hwloc_bitmap_only(f->tasks[1].mask, 4);
}
static void disjoint_and_one_elsewhere(struct fixture *f) {
    disjoint(f);
    another_rank_elsewhere(f);
}
static void one_of_two(struct fixture *f) {
    no_launcher(f);
    f->digest.task_count = 1;
    f->tasks[0].size = 2;
}

static void aff_06_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"disjoint masks", disjoint, FS_PASS},
        {"a rank was not looked at", disjoint_and_one_elsewhere, FS_STATUS_UNKNOWN},
        {"one of two ranks", one_of_two, FS_STATUS_UNKNOWN},
        {"short look", apart_in_a_short_look, FS_STATUS_UNKNOWN},
        {"not all may be read", apart_and_some_denied, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-06", overlapping, guards);
}

/* --- AFF-07, AFF-08, OVS-05 --- */

static void audited_straddling(struct fixture *f) {
    straddling(f);
    fixture_audit(f);
}

static void aff_07_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"a rank was not looked at", another_rank_elsewhere, FS_STATUS_UNKNOWN},
        {"one of two ranks", one_of_two, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-07", audited_straddling, guards);
}

static void siblings(struct fixture *f) {
    fixture_machine(f, "pack:1 core:8 pu:2", "0-15");
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 2 app", 2);
    fixture_task(f, "0");
    fixture_task(f, "1");
    f->digest.siblings.looks = 12;
    f->digest.siblings.shared = 12;
    hwloc_bitmap_list_sscanf(f->digest.siblings.busy, "0-1");
    hwloc_bitmap_list_sscanf(f->digest.siblings.idle, "2-15");
    fixture_audit(f);
}
static void few_samples(struct fixture *f) {
    f->digest.siblings.looks = f->digest.siblings.shared = 4;
}

static void aff_08_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"few samples", few_samples, FS_STATUS_UNKNOWN},
        {"what was asked for is not seen", no_launcher, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-08", siblings, guards);
}

static void crowded(struct fixture *f) {
    fixture_machine(f, "pack:1 core:2 pu:2", "0-3");
    fixture_launch(f, "/usr/bin/orterun", "mpirun --oversubscribe -n 3 app", 3);
    for (int i = 0; i < 3; i++) {
        struct fs_task *task = fixture_task(f, "0-3");
        task->cpu_ns = task->wait_ns = 5 * SECOND;
    }
    fixture_audit(f);
}
static void some_of_them(struct fixture *f) {
    no_launcher(f);
    for (int i = 0; i < 3; i++)
        f->tasks[i].size = 8;
}
static void all_but_what_was_asked(struct fixture *f) {
    no_launcher(f);
    for (int i = 0; i < 3; i++)
        f->tasks[i].size = 3;
}

static void ovs_05_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"not all ranks were looked at", some_of_them, FS_STATUS_UNKNOWN},
        {"what was asked for is not seen", all_but_what_was_asked, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-05", crowded, guards);
}

/* --- SLM-01, SLM-02, SLM-05 --- */

static void audited_dropped(struct fixture *f) {
    dropped(f);
    fixture_audit(f);
    f->audited.given = 1;
}
static void given_unknown(struct fixture *f) {
    f->audited.given = 0;
}

static void slm_01_slm_02_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"what srun gave is not known", given_unknown, FS_STATUS_UNKNOWN},
        {"the task narrowed its mask", narrowed_itself, FS_PASS},
    };
    CHECK_GUARDS("SLM-01", audited_dropped, guards);
    static const struct guard of_the_step[] = {
        {"what srun gave is not known", given_unknown, FS_STATUS_UNKNOWN},
        {"the task narrowed its mask", narrowed_itself, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("SLM-02", audited_dropped, of_the_step);
}

static void login(struct fixture *f) {
    fixture_clean(f);
    f->digest.login = (struct fs_login){.users = 3, .scheduler = "slurm"};
    fixture_audit(f);
}
static void captured(struct fixture *f) {
    f->digest.login = (struct fs_login){.users = FS_UNKNOWN, .elsewhere = true};
}
static void used_little_in_the_window(struct fixture *f) {
    f->group[0].cpu_ns = SECOND;
}

static void slm_05_guard_audited(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"a captured machine", captured, FS_STATUS_UNKNOWN},
        {"little in the window", used_little_in_the_window, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("SLM-05", login, guards);
}

/* --- several nodes --- */

static void audit_nodes(struct whole_fixture *job, int step) {
    for (size_t i = 0; i < WHOLE_NODES; i++) {
        fixture_audit(&job->node[i]);
        job->node[i].audited.step = step;
        job->node[i].digest.scheduler.steps_beside = 0;
    }
}

static void copies(struct whole_fixture *job) {
    whole_allocation(job, 2, 4);
    whole_step(job, 2, 2);
    audit_nodes(job, 1);
}
static void half_of_the_copies(struct whole_fixture *job) {
    job->node[1].digest.task_count = 0;
}
static void other_work(struct whole_fixture *job) {
    job->tasks[0][0].cpu_ns = 25 * SECOND;
}

static void mpi_03_guard_audited(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"not all tasks were looked at", half_of_the_copies, FS_STATUS_UNKNOWN},
        {"other amounts of work: now", other_work, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("MPI-03", copies, guards);
}

/* A pool on the first of 3 nodes, and the look is the first step of the job. */
static void audited_one_of_three(struct whole_fixture *job) {
    one_of_three(job);
    audit_nodes(job, 0);
}
static void a_step_before(struct whole_fixture *job) {
    job->node[0].audited.step = 1;
}
static void one_node_was_looked_at(struct whole_fixture *job) {
    job->node[0].audited.step = FS_UNKNOWN;
}

static void mpi_04_guard_audited(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"a step before", a_step_before, FS_STATUS_UNKNOWN},
        {"one node was looked at", one_node_was_looked_at, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("MPI-04", audited_one_of_three, guards);
}

static void audited_narrow_tasks(struct whole_fixture *job) {
    narrow_tasks(job);
    audit_nodes(job, 1);
}
static void steps_not_seen(struct whole_fixture *job) {
    job->node[1].digest.scheduler.steps_beside = FS_UNKNOWN;
}
static void a_node_not_seen(struct whole_fixture *job) {
    job->node[2].digest.task_count = 0;
}

static void slm_03_guard_audited(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"steps beside unknown", steps_not_seen, FS_STATUS_UNKNOWN},
        {"tasks that were not looked at", a_node_not_seen, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("SLM-03", audited_narrow_tasks, guards);
}

/* --- MPI libraries --- */

static void calls_of_mpi_are_unknown_where_a_library_is(void **state) {
    (void)state;
    static const char *const rules[] = {"MPI-01", "MPI-02", "MPI-08", "FRK-01",
                                        "FRK-02", "FRK-03", "FRK-04", "FRK-05"};
    for (int silent = -1; silent <= 1; silent++) {
        struct fixture f;
        fixture_clean(&f);
        fixture_audit(&f);
        f.digest.mpi_silent = silent;
        fixture_judge(&f, NULL);
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
            assert_int_equal(fixture_outcome(&f, rules[i])->status,
                             silent == 0 ? FS_NOT_APPLICABLE : FS_STATUS_UNKNOWN);
        fixture_free(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aff_05_guard_audited_masks_that_others_may_have_set),
        cmocka_unit_test(aff_05_takes_a_mask_for_the_launchers_if_it_gives_such_ones),
        cmocka_unit_test(aff_06_says_what_is_seen_of_who_did_it),
        cmocka_unit_test(aff_01_guard_audited),
        cmocka_unit_test(aff_06_guard_audited),
        cmocka_unit_test(aff_07_guard_audited),
        cmocka_unit_test(aff_08_guard_audited),
        cmocka_unit_test(ovs_05_guard_audited),
        cmocka_unit_test(slm_01_slm_02_guard_audited),
        cmocka_unit_test(slm_05_guard_audited),
        cmocka_unit_test(mpi_03_guard_audited),
        cmocka_unit_test(mpi_04_guard_audited),
        cmocka_unit_test(slm_03_guard_audited),
        cmocka_unit_test(calls_of_mpi_are_unknown_where_a_library_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
