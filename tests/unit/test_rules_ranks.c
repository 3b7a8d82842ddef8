/* AFF-05, AFF-06, AFF-07 and OVS-05: each fires, and each exception keeps it silent. */
#include "tests/unit/placement_fixture.h"

static enum fs_status status_of(struct fixture *f, const char *rule) {
    fixture_judge(f, NULL);
    return fixture_outcome(f, rule)->status;
}

/* Half of the time that they could have run, the ranks wait. */
static void make_wait(struct fixture *f) {
    for (size_t i = 0; i < f->digest.task_count; i++)
        f->tasks[i].cpu_ns = f->tasks[i].wait_ns = 5 * SECOND;
}

static void no_ranks(struct fixture *f) {
    f->digest.task_count = 0;
}
static void no_topology(struct fixture *f) {
    f->digest.topology = NULL;
}
static void mask_unknown(struct fixture *f) {
    f->tasks[0].mask = NULL;
}
static void tasks_left_out(struct fixture *f) {
    no_ranks(f);
    f->digest.tasks_more = 3;
}

/* --- AFF-05: one rank on one of eight cores forks four workers --- */

static void bound(struct fixture *f) {
    fixture_machine(f, "pack:1 core:8 pu:1", "0-7");
    fixture_pool(f, &f->group[0], 4, "0");
    f->digest.group_count = 1;
    fixture_launch(f, "/usr/bin/orterun", "mpirun -n 1 --bind-to core python3 pool.py", 1);
    fixture_task(f, "0")->workers = 4;
    f->narrowing = (struct fs_narrowing){.pid = 100,
                                         .executable = (char *)"/usr/bin/orterun",
                                         .before = fixture_mask(f, "0-7"),
                                         .after = fixture_mask(f, "0")};
    f->group[0].narrowing = &f->narrowing;
}

static void a_bound_rank_that_forks_gets_its_command_line_back(void **state) {
    (void)state;
    struct fixture f;
    bound(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-05");
    assert_string_equal(finding->title, "4 workers of rank 0 on the 1 core that mpirun gave it");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->fix[0].text, "mpirun --bind-to none -n 1 python3 pool.py");
    assert_string_equal(finding->fix[1].text,
                        "mpirun --map-by slot:PE=8 --bind-to core -n 1 python3 pool.py");
    const struct fs_finding *symptom = fs_verdict_find(&f.verdict, "AFF-01");
    assert_non_null(symptom);
    assert_string_equal(symptom->follows->id, "AFF-05");
    fixture_free(&f);
}

static void hydra_has_words_of_its_own(void **state) {
    (void)state;
    struct fixture f;
    bound(&f);
    f.digest.launch_count = 0;
    fixture_launch(&f, "/usr/bin/mpiexec.hydra", "mpiexec -bind-to core -n 1 python3 pool.py", 1);
    f.tasks[0].launch = FS_LAUNCH_HYDRA;
    assert_string_equal(fixture_find(&f, "AFF-05")->fix[0].text,
                        "mpiexec -bind-to none -n 1 python3 pool.py");
    fixture_free(&f);
}

static void without_the_command_line_the_part_is_told(void **state) {
    (void)state;
    struct fixture f;
    bound(&f);
    f.digest.launch_count = 0;
    const struct fs_finding *finding = fixture_find(&f, "AFF-05");
    assert_string_equal(finding->fix[0].text, "mpirun --bind-to none ...");
    assert_int_equal(finding->fix[0].kind, FS_FIX_CODE);
    fixture_free(&f);
}

static void all_cores_distributed(struct fixture *f) {
    for (int i = 1; i < 8; i++)
        fixture_task(f, "1");
}
static void enough_cores(struct fixture *f) {
    hwloc_bitmap_set_range(f->tasks[0].mask, 0, 3);
}
static void no_pool(struct fixture *f) {
    f->digest.group_count = 0;
}
static void by_srun(struct fixture *f) {
    f->tasks[0].launch = FS_LAUNCH_SRUN;
}
static void narrowed_by_the_program(struct fixture *f) {
    f->narrowing.executable = (char *)"/usr/bin/python3.11";
}
static void narrowed_by_a_wrapper(struct fixture *f) {
    f->tasks[0].mask_before = fixture_mask(f, "0-7");
}
static void one_busy(struct fixture *f) {
    f->group[0].workers_busy_peak = 1;
}
static void no_wait(struct fixture *f) {
    f->group[0].wait_ns = 0;
}
static void wait_unknown(struct fixture *f) {
    f->group[0].workers_scheduled = 0;
}

static void bound_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"all cores distributed", all_cores_distributed, FS_PASS},
        {"a core for each worker", enough_cores, FS_PASS},
        {"no pool", no_pool, FS_PASS},
        {"the program narrowed it", narrowed_by_the_program, FS_PASS},
        {"a wrapper narrowed it", narrowed_by_a_wrapper, FS_PASS},
        {"one busy worker", one_busy, FS_PASS},
        {"no contention", no_wait, FS_PASS},
        {"started by srun", by_srun, FS_NOT_APPLICABLE},
        {"no ranks", no_ranks, FS_NOT_APPLICABLE},
        {"wait unknown", wait_unknown, FS_STATUS_UNKNOWN},
        {"mask unknown", mask_unknown, FS_STATUS_UNKNOWN},
        {"cores unknown", no_topology, FS_STATUS_UNKNOWN},
        {"tasks left out", tasks_left_out, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-05", bound, guards);
}

/* --- AFF-06: two ranks of srun on one core of eight --- */

static void overlapping(struct fixture *f) {
    fixture_machine(f, "pack:1 core:8 pu:1", "0-7");
    fixture_launch(f, "/usr/bin/srun", "srun -n2 --cpu-bind=map_cpu:3,3 app", 0);
    for (int i = 0; i < 2; i++) {
        struct fs_task *task = fixture_task(f, "3");
        task->launch = FS_LAUNCH_SRUN;
        task->launcher = 0;
        task->step = 0;
    }
    make_wait(f);
}

static void ranks_on_one_core_are_named_with_what_bound_them(void **state) {
    (void)state;
    struct fixture f;
    overlapping(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-06");
    assert_string_equal(finding->title, "2 ranks share CPU 3");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_int_equal(finding->population, 2);
    assert_string_equal(finding->evidence[0].text,
                        "rank 0 has mask 3, rank 1 has 3; the job has CPU 0-7");
    assert_string_equal(finding->evidence[2].text, "in no rank's mask: CPU 0-2,4-7");
    assert_string_equal(finding->cause[0], "srun binds them so: map_cpu:3,3");
    assert_string_equal(finding->fix[0].text, "srun --exact --cpu-bind=cores -c 4 -n2 app");
    fixture_free(&f);
}

/* Slurm told how many CPUs the job has, nobody which. */
static void ranks_on_one_core_name_no_cpus_that_are_guessed(void **state) {
    (void)state;
    struct fixture f;
    overlapping(&f);
    f.digest.mask_job_from = "slurm";
    const struct fs_finding *finding = fixture_find(&f, "AFF-06");
    assert_string_equal(finding->evidence[0].text,
                        "rank 0 has mask 3, rank 1 has 3; the job has 8 CPUs");
    assert_int_equal(finding->evidence_count, 2);
    fixture_free(&f);
    /* The guess was wrong: the ranks have all of the job's CPUs. */
    overlapping(&f);
    f.digest.mask_job_from = "slurm";
    hwloc_bitmap_list_sscanf(f.digest.mask_job, "0-3");
    for (int i = 0; i < 2; i++)
        hwloc_bitmap_list_sscanf(f.tasks[i].mask, "4-7");
    fixture_judge(&f, NULL);
    assert_int_equal(fixture_outcome(&f, "AFF-06")->status, FS_PASS);
    fixture_free(&f);
}

/* 16 CPUs for 3 ranks: 5 each would be parts of 9 cores. */
static void ranks_are_given_whole_cores(void **state) {
    (void)state;
    struct fixture f;
    overlapping(&f);
    fixture_topology(&f, "pack:1 core:8 pu:2");
    hwloc_bitmap_list_sscanf(f.digest.mask_job, "0-15");
    fixture_task(&f, "8-15");
    assert_string_equal(fixture_find(&f, "AFF-06")->fix[0].text,
                        "srun --exact --cpu-bind=cores -c 4 -n2 app");
    fixture_free(&f);
}

static void a_taskset_in_front_of_the_ranks_is_taken_away(void **state) {
    (void)state;
    struct fixture f;
    overlapping(&f);
    f.digest.launch_count = 0;
    fixture_launch(&f, "/usr/bin/srun", "srun -n 2 taskset -c 3 app -c 3", 0);
    f.tasks[0].mask_before = f.tasks[1].mask_before = fixture_mask(&f, "0-3");
    const struct fs_finding *finding = fixture_find(&f, "AFF-06");
    assert_string_equal(finding->fix[0].text, "srun -n 2 app -c 3");
    fixture_free(&f);
}

static void steps_that_share_cpus_are_tasks_of_steps(void **state) {
    (void)state;
    struct fixture f;
    overlapping(&f);
    f.tasks[1].step = 1;
    assert_string_equal(fixture_find(&f, "AFF-06")->title,
                        "2 tasks of several launches share CPU 3");
    fixture_free(&f);
}

static void both_unbound(struct fixture *f) {
    for (int i = 0; i < 2; i++)
        hwloc_bitmap_copy(f->tasks[i].mask, f->digest.mask_job);
}
static void disjoint(struct fixture *f) {
    hwloc_bitmap_only(f->tasks[1].mask, 4);
}
static void one_after_the_other(struct fixture *f) {
    f->tasks[1].start = f->tasks[0].end;
    f->tasks[1].end = 20 * SECOND;
}
static void a_monitor(struct fixture *f) {
    f->tasks[1].step = 1;
    f->tasks[1].cpu_ns = f->tasks[1].wait_ns = SECOND / 10;
}
static void a_sleeper(struct fixture *f) {
    f->tasks[1].cpu_ns = SECOND;
    f->tasks[1].wait_ns = SECOND;
}
static void room_in_the_masks(struct fixture *f) {
    for (int i = 0; i < 2; i++) {
        f->tasks[i].cpu_ns = 10 * SECOND;
        f->tasks[i].wait_ns = SECOND / 10;
    }
}
static void one_rank(struct fixture *f) {
    f->digest.task_count = 1;
}
static void waits_unknown(struct fixture *f) {
    for (int i = 0; i < 2; i++) {
        f->tasks[i].cpu_ns = 9 * SECOND;
        f->tasks[i].wait_ns = FS_UNKNOWN;
    }
}
static void job_unknown(struct fixture *f) {
    f->digest.mask_job = NULL;
}

static void overlap_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"both unbound", both_unbound, FS_PASS},
        {"disjoint masks", disjoint, FS_PASS},
        {"one after the other", one_after_the_other, FS_PASS},
        {"a monitor", a_monitor, FS_PASS},
        {"a rank that sleeps", a_sleeper, FS_PASS},
        {"room in the masks", room_in_the_masks, FS_PASS},
        {"one rank", one_rank, FS_NOT_APPLICABLE},
        {"wait unknown", waits_unknown, FS_STATUS_UNKNOWN},
        {"mask unknown", mask_unknown, FS_STATUS_UNKNOWN},
        {"CPUs of the job unknown", job_unknown, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-06", overlapping, guards);
}

/* --- AFF-07: two ranks of four cores, one of them in both domains of 2 x 4 cores --- */

static void domains_of_ranks_are_counted(void **state) {
    (void)state;
    struct fixture f;
    straddling(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-07");
    assert_string_equal(finding->title, "2 ranks on 4 cores of 2 NUMA domains");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->fix[0].text, "mpirun --map-by numa:PE=4 --bind-to core -n 2 app");
    fixture_free(&f);
}

static void in_one_domain(struct fixture *f) {
    hwloc_bitmap_list_sscanf(f->tasks[0].mask, "0-3");
    hwloc_bitmap_list_sscanf(f->tasks[1].mask, "4-7");
}
static void unbound(struct fixture *f) {
    hwloc_bitmap_copy(f->tasks[0].mask, f->digest.mask_job);
    hwloc_bitmap_copy(f->tasks[1].mask, f->digest.mask_job);
}
static void larger_than_a_domain(struct fixture *f) {
    hwloc_bitmap_list_sscanf(f->tasks[0].mask, "0-4");
    hwloc_bitmap_list_sscanf(f->tasks[1].mask, "5-7");
    hwloc_bitmap_list_sscanf(f->tasks[1].mask, "4-7");
}
static void more_than_fit(struct fixture *f) {
    hwloc_bitmap_list_sscanf(f->tasks[0].mask, "0-2");
    hwloc_bitmap_list_sscanf(f->tasks[1].mask, "3-5");
    fixture_task(f, "6-7");
}
static void idle_ranks(struct fixture *f) {
    f->tasks[0].cpu_ns = f->tasks[1].cpu_ns = SECOND / 10;
}
static void one_domain(struct fixture *f) {
    fixture_topology(f, "pack:1 core:8 pu:1");
}

static void straddle_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"each in one domain", in_one_domain, FS_PASS},
        {"unbound", unbound, FS_PASS},
        {"larger than a domain", larger_than_a_domain, FS_PASS},
        {"more than fit whole", more_than_fit, FS_PASS},
        {"idle ranks", idle_ranks, FS_PASS},
        {"one rank", one_rank, FS_NOT_APPLICABLE},
        {"one domain", one_domain, FS_NOT_APPLICABLE},
        {"domains unknown", no_topology, FS_STATUS_UNKNOWN},
        {"tasks left out", tasks_left_out, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-07", straddling, guards);
}

/* --- OVS-05: four ranks on two cores --- */

static void crowded(struct fixture *f) {
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    fixture_launch(f, "/usr/bin/orterun", "mpirun --oversubscribe -n 4 app", 4);
    for (int i = 0; i < 4; i++)
        fixture_task(f, "0-1");
    make_wait(f);
}

static void crowded_smt(struct fixture *f) {
    fixture_machine(f, "pack:1 core:2 pu:2", "0-3");
    fixture_launch(f, "/usr/bin/orterun", "mpirun --oversubscribe -n 4 app", 4);
    for (int i = 0; i < 4; i++)
        fixture_task(f, "0-3");
}

static void ranks_beyond_the_cores_are_counted(void **state) {
    (void)state;
    struct fixture f;
    crowded(&f);
    const struct fs_finding *finding = fixture_find(&f, "OVS-05");
    assert_string_equal(finding->title, "4 ranks on 2 cores");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->cause[0], "mpirun was allowed to oversubscribe the cores");
    assert_string_equal(finding->fix[0].text, "mpirun --oversubscribe -n 2 app");
    fixture_free(&f);
}

/* The launcher's -n is of all nodes: half of the ranks fit, here and on the other one. */
static void ranks_on_other_nodes_count_in_the_fix(void **state) {
    (void)state;
    struct fixture f;
    crowded(&f);
    f.digest.launch_count = 0;
    fixture_launch(&f, "/usr/bin/orterun", "mpirun -n 8 --host a:4,b:4 app", 4);
    assert_string_equal(fixture_find(&f, "OVS-05")->fix[0].text, "mpirun -n 4 --host a:4,b:4 app");
    fixture_free(&f);
    crowded(&f);
    f.digest.launch_count = 0;
    for (int i = 0; i < 4; i++)
        f.tasks[i].size = 12;
    assert_string_equal(fixture_find(&f, "OVS-05")->fix[0].text, "mpirun -n 6 ...");
    fixture_free(&f);
}

static void little_waiting_is_a_warning(void **state) {
    (void)state;
    struct fixture f;
    crowded(&f);
    for (int i = 0; i < 4; i++) {
        f.tasks[i].cpu_ns = 9 * SECOND;
        f.tasks[i].wait_ns = SECOND;
    }
    assert_int_equal(fixture_find(&f, "OVS-05")->severity, FS_WARNING);
    fixture_free(&f);
}

static void hostfiles_that_promise_too_much_are_named(void **state) {
    (void)state;
    struct fixture f;
    crowded(&f);
    f.digest.launch_count = 0;
    fixture_launch(&f, "/usr/bin/orterun", "mpirun --hostfile hosts -n 4 app", 4)->hostfile_slots =
        4;
    const struct fs_finding *finding = fixture_find(&f, "OVS-05");
    assert_non_null(strstr(finding->cause[0], "the hostfile hosts says 4 slots"));
    assert_string_equal(finding->fix[1].text, "node1 slots=2");
    fixture_free(&f);
}

static void hardware_threads_are_a_note_unless_asked_for(void **state) {
    (void)state;
    struct fixture f;
    crowded_smt(&f);
    assert_int_equal(fixture_find(&f, "OVS-05")->severity, FS_NOTE);
    fixture_free(&f);
    crowded_smt(&f);
    f.digest.launch_count = 0;
    fixture_launch(&f, "/usr/bin/orterun", "mpirun --use-hwthread-cpus -n 4 app", 4);
    assert_int_equal(status_of(&f, "OVS-05"), FS_PASS);
    fixture_free(&f);
    crowded_smt(&f);
    f.digest.scheduler.threads_per_core = 2;
    assert_int_equal(status_of(&f, "OVS-05"), FS_PASS);
    fixture_free(&f);
}

static void as_many_as_cores(struct fixture *f) {
    f->digest.task_count = 2;
}
static void not_at_once(struct fixture *f) {
    for (int i = 0; i < 4; i++) {
        f->tasks[i].start = i * 10 * SECOND;
        f->tasks[i].end = f->tasks[i].start + 10 * SECOND;
    }
}
static void ranks_that_sleep(struct fixture *f) {
    for (int i = 1; i < 4; i++)
        f->tasks[i].cpu_ns = f->tasks[i].wait_ns = SECOND / 10;
}
static void hardly_wait(struct fixture *f) {
    for (int i = 0; i < 4; i++) {
        f->tasks[i].cpu_ns = 6 * SECOND;
        f->tasks[i].wait_ns = SECOND / 10;
    }
}
static void a_wait_unknown(struct fixture *f) {
    f->tasks[0].wait_ns = FS_UNKNOWN;
    f->tasks[0].cpu_ns = 6 * SECOND;
}
static void jobs_cpus_unknown(struct fixture *f) {
    f->digest.mask_job = NULL;
}

static void crowded_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"as many as cores", as_many_as_cores, FS_PASS},
        {"one after the other", not_at_once, FS_PASS},
        {"ranks that sleep", ranks_that_sleep, FS_PASS},
        {"ranks hardly wait", hardly_wait, FS_PASS},
        {"no ranks", no_ranks, FS_NOT_APPLICABLE},
        {"wait unknown", a_wait_unknown, FS_STATUS_UNKNOWN},
        {"CPUs of the job unknown", jobs_cpus_unknown, FS_STATUS_UNKNOWN},
        {"tasks left out", tasks_left_out, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-05", crowded, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_rank_that_forks_gets_its_command_line_back),
        cmocka_unit_test(hydra_has_words_of_its_own),
        cmocka_unit_test(without_the_command_line_the_part_is_told),
        cmocka_unit_test(bound_guards),
        cmocka_unit_test(ranks_on_one_core_are_named_with_what_bound_them),
        cmocka_unit_test(ranks_on_one_core_name_no_cpus_that_are_guessed),
        cmocka_unit_test(ranks_are_given_whole_cores),
        cmocka_unit_test(a_taskset_in_front_of_the_ranks_is_taken_away),
        cmocka_unit_test(steps_that_share_cpus_are_tasks_of_steps),
        cmocka_unit_test(overlap_guards),
        cmocka_unit_test(domains_of_ranks_are_counted),
        cmocka_unit_test(straddle_guards),
        cmocka_unit_test(ranks_beyond_the_cores_are_counted),
        cmocka_unit_test(ranks_on_other_nodes_count_in_the_fix),
        cmocka_unit_test(little_waiting_is_a_warning),
        cmocka_unit_test(hostfiles_that_promise_too_much_are_named),
        cmocka_unit_test(hardware_threads_are_a_note_unless_asked_for),
        cmocka_unit_test(crowded_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
