/* OVS-06, OVS-07 and THR-07: each fires, and each exception keeps it silent. */
#include "tests/unit/team_fixture.h"

/* --- OVS-06 --- */

/* A rank that srun gave one of the node's four CPUs, with a thread for each. */
static void large_team(struct fixture *f) {
    fixture_machine(f, "pack:1 core:4 pu:1", "0-3");
    f->digest.team_count = 1;
    fixture_team(f, &f->teams[0], 4, "0");
    team_variable(f, "OMP_NUM_THREADS", "4");
}

static void ovs_06_fires_and_names_the_variable(void **state) {
    (void)state;
    struct fixture f;
    large_team(&f);
    const struct fs_finding *finding = fixture_find(&f, "OVS-06");
    assert_string_equal(finding->title, "4 OpenMP threads of solve on 1 CPU");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->cause[0], "OMP_NUM_THREADS=4");
    assert_string_equal(finding->fix[0].text, "export OMP_NUM_THREADS=1");
    fixture_free(&f);
}

static void ovs_06_fires_for_a_number_in_the_program(void **state) {
    (void)state;
    struct fixture f;
    large_team(&f);
    f.teams[0].variable_count = 0;
    const struct fs_finding *finding = fixture_find(&f, "OVS-06");
    assert_non_null(strstr(finding->cause[0], "the program itself asks for 4 threads"));
    assert_string_equal(finding->fix[0].text, "export OMP_THREAD_LIMIT=1");
    fixture_free(&f);
}

static void ovs_06_fires_as_a_warning_below_two_per_cpu(void **state) {
    (void)state;
    struct fixture f;
    large_team(&f);
    fixture_team(&f, &f.teams[0], 3, "0-1");
    assert_int_equal(fixture_find(&f, "OVS-06")->severity, FS_WARNING);
    fixture_free(&f);
}

static void ovs_06_fires_for_ranks_together_and_explains_ovs_01(void **state) {
    (void)state;
    struct fixture f;
    large_team(&f);
    fixture_team(&f, &f.teams[0], 4, "0-3");
    team_variable(&f, "OMPI_COMM_WORLD_RANK", "0");
    fixture_pool(&f, &f.group[0], 2, "0-3");
    f.group[0].kind = FS_GROUP_EXECUTABLE;
    f.group[0].threads_busy_peak = 4;
    f.group[0].wait_ns = f.group[0].run_ns;
    f.digest.group_count = 1;
    f.teams[0].count = f.teams[0].workers = 2;
    f.teams[0].wait_ns = f.teams[0].run_ns;
    const struct fs_finding *finding = fixture_find(&f, "OVS-06");
    assert_string_equal(finding->title, "2 ranks x 4 OpenMP threads on 4 CPUs");
    assert_string_equal(finding->fix[0].text, "export OMP_NUM_THREADS=2");
    assert_ptr_equal(fs_verdict_find(&f.verdict, "OVS-01")->follows, finding->rule);
    fixture_free(&f);
}

static void ovs_06_fires_for_ranks_and_explains_thr_02(void **state) {
    (void)state;
    struct fixture f;
    large_team(&f);
    fixture_team(&f, &f.teams[0], 4, "0-3");
    f.variables[0].value = (char *)"2";
    team_variable(&f, "PMI_RANK", "0");
    fixture_pool(&f, &f.group[0], 2, "0-1");
    f.group[0].kind = FS_GROUP_EXECUTABLE;
    f.group[0].threads_busy_peak = 2;
    f.group[0].wait_ns = f.group[0].run_ns;
    f.digest.group_count = 1;
    f.teams[0].count = f.teams[0].workers = 2;
    f.teams[0].wait_ns = f.teams[0].run_ns;
    const struct fs_finding *finding = fixture_find(&f, "OVS-06");
    assert_ptr_equal(fs_verdict_find(&f.verdict, "THR-02")->follows, finding->rule);
    fixture_free(&f);
}

static void ovs_06_fires_and_speaks_to_srun(void **state) {
    (void)state;
    struct fixture f;
    large_team(&f);
    f.digest.scheduler = (struct fs_scheduler){.name = "slurm", .in_step = true};
    assert_string_equal(fixture_find(&f, "OVS-06")->fix[0].text, "srun -c 4");
    fixture_free(&f);
}

static void enough_cpus(struct fixture *f) {
    fixture_team(f, &f->teams[0], 4, "0-3");
}
static void hardware_threads(struct fixture *f) {
    fixture_topology(f, "pack:1 core:2 pu:2");
    fixture_team(f, &f->teams[0], 4, "0-3");
}
static void idle_threads(struct fixture *f) {
    f->teams[0].thread_ns = f->teams[0].team_ns;
}
static void no_waiting(struct fixture *f) {
    f->teams[0].wait_ns = 0;
}
static void workers_with_threads(struct fixture *f) {
    f->teams[0].workers = 4;
}
static void nothing_measured(struct fixture *f) {
    f->teams[0].run_ns = f->teams[0].wait_ns = 0;
}

static void ovs_06_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"a CPU for each", enough_cpus, FS_PASS},
        {"a hardware thread for each", hardware_threads, FS_PASS},
        {"idle on average", idle_threads, FS_PASS},
        {"no contention", no_waiting, FS_PASS},
        {"short", short_work, FS_PASS},
        {"short job", short_job, FS_NOT_APPLICABLE},
        {"forked workers", workers_with_threads, FS_PASS},
        {"threads of a JVM", other_owner, FS_NOT_APPLICABLE},
        {"owner unknown", unknown_owner, FS_STATUS_UNKNOWN},
        {"mask unknown", mask_unknown, FS_STATUS_UNKNOWN},
        {"wait unknown", nothing_measured, FS_STATUS_UNKNOWN},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"not kept", not_kept, FS_STATUS_UNKNOWN},
        {"no team", no_team, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("OVS-06", large_team, guards);
}

/* --- OVS-07 --- */

/* Two programs with a team of two each on two CPUs, which wait by spinning. */
static void spinners(struct fixture *f) {
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    f->digest.team_count = 2;
    fixture_team(f, &f->teams[0], 2, "0-1");
    fixture_team(f, &f->teams[1], 2, "0-1");
    f->teams[1].executable = (char *)"/home/u/other";
    f->digest.rivals = (struct fs_rivals){.teams = 2,
                                          .threads = 4,
                                          .ns = 10 * SECOND,
                                          .run_ns = 20 * SECOND,
                                          .wait_ns = 20 * SECOND,
                                          .mask = fixture_mask(f, "0-1")};
    team_variable(f, "OMP_WAIT_POLICY", "ACTIVE");
}

static void ovs_07_fires_and_names_the_setting(void **state) {
    (void)state;
    struct fixture f;
    spinners(&f);
    const struct fs_finding *finding = fixture_find(&f, "OVS-07");
    assert_string_equal(finding->title, "2 spinning OpenMP teams on 2 CPUs");
    assert_non_null(strstr(finding->cause[0], "OMP_WAIT_POLICY=active"));
    assert_string_equal(finding->fix[0].text, "export OMP_WAIT_POLICY=passive");
    fixture_free(&f);
}

static void ovs_07_fires_for_a_spin_count(void **state) {
    (void)state;
    struct fixture f;
    spinners(&f);
    f.digest.variable_count = 0;
    team_variable(&f, "GOMP_SPINCOUNT", "20M");
    assert_string_equal(fixture_find(&f, "OVS-07")->fix[0].text,
                        "export OMP_WAIT_POLICY=passive; unset GOMP_SPINCOUNT");
    fixture_free(&f);
}

static void llvm_runtime(struct fixture *f) {
    f->digest.variable_count = f->teams[0].variable_count = f->teams[1].variable_count = 0;
    f->teams[0].family = f->teams[1].family = FSP_LIBRARY_OMP;
}

static void ovs_07_fires_for_the_block_time_of_llvm(void **state) {
    (void)state;
    struct fixture f;
    spinners(&f);
    llvm_runtime(&f);
    assert_string_equal(fixture_find(&f, "OVS-07")->fix[0].text,
                        "export OMP_WAIT_POLICY=passive KMP_BLOCKTIME=0");
    fixture_free(&f);
}

static void ovs_07_follows_from_ovs_01(void **state) {
    (void)state;
    struct fixture f;
    spinners(&f);
    fixture_pool(&f, &f.group[0], 2, "0-1");
    f.digest.group_count = 1;
    f.group[0].threads_busy_peak = 2;
    f.group[0].wait_ns = f.group[0].run_ns;
    const struct fs_finding *finding = fixture_find(&f, "OVS-07");
    assert_string_equal(finding->follows->id, "OVS-01");
    fixture_free(&f);
}

static void policy(struct fixture *f, const char *name, const char *value) {
    f->digest.variable_count = 0;
    team_variable(f, name, value);
}
static void passive(struct fixture *f) {
    policy(f, "OMP_WAIT_POLICY", "passive");
}
static void policy_unset(struct fixture *f) {
    f->teams[0].variable_count = f->teams[1].variable_count = 0;
}
static void small_count(struct fixture *f) {
    policy(f, "GOMP_SPINCOUNT", "1000");
}
static void no_block_time(struct fixture *f) {
    llvm_runtime(f);
    team_variable(f, "KMP_BLOCKTIME", "0");
}
static void passive_llvm(struct fixture *f) {
    llvm_runtime(f);
    team_variable(f, "OMP_WAIT_POLICY", "passive");
}
static void room_for_all(struct fixture *f) {
    f->digest.rivals.mask = fixture_mask(f, "0-3");
}
static void little_demand(struct fixture *f) {
    f->digest.rivals.wait_ns = 0;
    f->digest.rivals.run_ns = 15 * SECOND;
}
static void met_shortly(struct fixture *f) {
    f->digest.rivals.ns = SECOND / 2;
}
static void met_in_a_short_job(struct fixture *f) {
    met_shortly(f);
    f->digest.wall_ns = SECOND / 2;
}
static void never_met(struct fixture *f) {
    f->digest.rivals.teams = 0;
}
static void masks_unknown(struct fixture *f) {
    f->digest.rivals.mask = NULL;
}

static void ovs_07_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"passive", passive, FS_PASS},
        {"libgomp's default", policy_unset, FS_PASS},
        {"small spin count", small_count, FS_PASS},
        {"LLVM without block time", no_block_time, FS_PASS},
        {"LLVM, passive", passive_llvm, FS_PASS},
        {"a CPU for each", room_for_all, FS_PASS},
        {"little demand", little_demand, FS_PASS},
        {"short", met_shortly, FS_PASS},
        {"short job", met_in_a_short_job, FS_NOT_APPLICABLE},
        {"one after the other", never_met, FS_NOT_APPLICABLE},
        {"masks unknown", masks_unknown, FS_STATUS_UNKNOWN},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-07", spinners, guards);
}

/* --- THR-07 --- */

static void small_team(struct fixture *f) {
    fixture_machine(f, "pack:1 core:8 pu:1", "0-7");
    f->digest.scheduler = (struct fs_scheduler){.name = "slurm", .cpus_per_task = 8};
    f->digest.team_count = 1;
    fixture_team(f, &f->teams[0], 2, "0-7");
    team_variable(f, "OMP_NUM_THREADS", "2");
}

static void thr_07_fires_for_a_small_team(void **state) {
    (void)state;
    struct fixture f;
    small_team(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-07");
    assert_string_equal(finding->title, "2 OpenMP threads, 8 CPUs per task");
    assert_string_equal(finding->fix[0].text, "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK");
    fixture_free(&f);
}

static void thr_07_fires_and_follows_from_ovs_06_for_a_large_one(void **state) {
    (void)state;
    struct fixture f;
    small_team(&f);
    fixture_team(&f, &f.teams[0], 16, "0-7");
    assert_string_equal(fixture_find(&f, "THR-07")->follows->id, "OVS-06");
    fixture_free(&f);
}

static void right_size(struct fixture *f) {
    fixture_team(f, &f->teams[0], 8, "0-7");
}
static void thread_per_core(struct fixture *f) {
    fixture_topology(f, "pack:1 core:4 pu:2");
    fixture_team(f, &f->teams[0], 4, "0-7");
}
static void no_slurm(struct fixture *f) {
    f->digest.scheduler.cpus_per_task = FS_UNKNOWN;
}
static void small_part(struct fixture *f) {
    f->digest.cpu_ns = 100 * f->teams[0].cpu_ns;
}

static void thr_07_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"right size", right_size, FS_PASS},
        {"a thread for each core", thread_per_core, FS_PASS},
        {"short", short_work, FS_PASS},
        {"short job", short_job, FS_NOT_APPLICABLE},
        {"a small part of the job", small_part, FS_PASS},
        {"beside a pool", beside_a_pool, FS_NOT_APPLICABLE},
        {"it forks", forks, FS_NOT_APPLICABLE},
        {"in a pool", workers_of_a_pool, FS_NOT_APPLICABLE},
        {"no batch job", no_slurm, FS_NOT_APPLICABLE},
        {"other threads", other_owner, FS_NOT_APPLICABLE},
        {"owner unknown", unknown_owner, FS_STATUS_UNKNOWN},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("THR-07", small_team, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ovs_06_fires_and_names_the_variable),
        cmocka_unit_test(ovs_06_fires_for_a_number_in_the_program),
        cmocka_unit_test(ovs_06_fires_as_a_warning_below_two_per_cpu),
        cmocka_unit_test(ovs_06_fires_for_ranks_together_and_explains_ovs_01),
        cmocka_unit_test(ovs_06_fires_for_ranks_and_explains_thr_02),
        cmocka_unit_test(ovs_06_fires_and_speaks_to_srun),
        cmocka_unit_test(ovs_06_guards),
        cmocka_unit_test(ovs_07_fires_and_names_the_setting),
        cmocka_unit_test(ovs_07_fires_for_a_spin_count),
        cmocka_unit_test(ovs_07_fires_for_the_block_time_of_llvm),
        cmocka_unit_test(ovs_07_follows_from_ovs_01),
        cmocka_unit_test(ovs_07_guards),
        cmocka_unit_test(thr_07_fires_for_a_small_team),
        cmocka_unit_test(thr_07_fires_and_follows_from_ovs_06_for_a_large_one),
        cmocka_unit_test(thr_07_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
