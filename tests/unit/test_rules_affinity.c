/* AFF-01, AFF-02 and SLM-02: each fires, and each exception keeps it silent. */
#include "tests/unit/rule_fixture.h"

static bool any_cause_has(const struct fs_finding *finding, const char *text) {
    for (size_t i = 0; i < finding->cause_count; i++)
        if (strstr(finding->cause[i], text)) return true;
    return false;
}

static void squeeze_names_cause_and_fix(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_non_null(finding);
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->title, "4 workers squeezed onto 1 CPU");
    assert_string_equal(finding->fix[0].text, "NUM_PROCS=2 taskset -c 0-1 pool.py");
    assert_int_equal(finding->fix_count, 1);
    assert_true(any_cause_has(finding, "by taskset (process 99): CPUs 0-1 -> 0"));
    assert_true(any_cause_has(finding, "pool.py:41 in main"));
    assert_non_null(strstr(finding->evidence[2].text, "75 % of the time"));
    fixture_free(&f);
}

static void squeeze_without_a_variable_sizes_the_pool(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    f.digest.variable_count = 0;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_string_equal(finding->fix[0].text, "taskset -c 0-1 pool.py");
    assert_string_equal(finding->fix[1].text, "Pool(len(os.sched_getaffinity(0)))");
    fixture_free(&f);
}

/* Two tasks of srun: each has one of the two cores, and a pool in one of them. */
static void share_of_a_task(struct fixture *f) {
    f->group[0].narrowing = NULL;
    fixture_task(f, "0");
    fixture_task(f, "1");
}
static void share_that_a_task_narrowed(struct fixture *f) {
    share_of_a_task(f);
    f->digest.tasks[0].mask_before = fixture_mask(f, "0-1");
}
static void share_while_a_core_is_left(struct fixture *f) {
    share_of_a_task(f);
    f->digest.tasks[1].mask = fixture_mask(f, "0");
}

/* srun sets it for its tasks; in front of srun it means another number of tasks. */
static void squeeze_leaves_what_srun_sets(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    f.digest.variable_count = 0;
    fixture_variable(&f, "SLURM_NTASKS", "4");
    share_while_a_core_is_left(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_false(any_fix_has(finding, "SLURM_NTASKS"));
    fixture_free(&f);
}

static void squeeze_by_a_library_widens_the_workers(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    f.digest.command_count = 0;
    f.narrowing.executable = (char *)"/usr/bin/python3.11";
    f.narrowing.place.module = (char *)"/usr/lib/libopenblas.so.0";
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_true(any_fix_has(
        finding, "Pool(2, initializer=os.sched_setaffinity, initargs=(0, range(0, 2)))"));
    assert_true(any_cause_has(finding, "libopenblas.so.0"));
    fixture_free(&f);
}

static void check_no_cpu_list(const struct fs_finding *finding) {
    for (size_t i = 0; i < finding->fix_count; i++) {
        assert_null(strstr(finding->fix[i].text, "taskset -c"));
        assert_null(strstr(finding->fix[i].text, "os.sched_setaffinity"));
    }
}

/* Slurm told how many CPUs the job has, nobody which. */
static void squeeze_names_no_cpus_that_are_guessed(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    f.digest.mask_job_from = "slurm";
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_string_equal(finding->evidence[1].text, "the job may use 2 CPUs");
    assert_true(any_fix_has(finding, "remove the job's call of taskset"));
    check_no_cpu_list(finding);
    fixture_free(&f);
    fixture_squeezed(&f);
    f.digest.mask_job_from = "slurm";
    f.digest.command_count = 0;
    f.group[0].narrowing = NULL;
    finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_string_equal(finding->fix[0].text, "srun -c 2");
    check_no_cpu_list(finding);
    fixture_free(&f);
}

static void taskset_bit_mask_is_rewritten(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    f.command[1] = (char *)"0x1";
    f.command[2] = (char *)"a b.py";
    f.digest.command_count = 3;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_string_equal(finding->fix[0].text, "NUM_PROCS=2 taskset 0x3 'a b.py'");
    fixture_free(&f);
}

static void numactl_is_rewritten(void **state) {
    (void)state;
    struct fixture f;
    fixture_squeezed(&f);
    f.command[0] = (char *)"numactl";
    f.command[1] = (char *)"--physcpubind=0";
    f.command[2] = (char *)"-l";
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-01");
    assert_string_equal(finding->fix[0].text, "NUM_PROCS=2 numactl --physcpubind=0-1 -l pool.py");
    fixture_free(&f);
}

static void job_is_small(struct fixture *f) {
    f->digest.mask_job = fixture_mask(f, "0");
}
static void one_core_each(struct fixture *f) {
    f->group[0].workers_peak = 1;
}
static void idle_workers(struct fixture *f) {
    f->group[0].workers_busy_peak = 1;
}
static void short_overlap(struct fixture *f) {
    f->group[0].overlap_ns = SECOND / 2;
}
static void short_life(struct fixture *f) {
    f->group[0].overlap_ns = f->group[0].window_ns = SECOND / 2;
}
static void no_wait(struct fixture *f) {
    f->group[0].wait_ns = f->group[0].run_ns / 10;
}
static void bursts_beside_others(struct fixture *f) {
    f->group[0].run_ns = 4 * SECOND;
    f->group[0].wait_ns = 10 * SECOND;
}
static void work_beside_others(struct fixture *f) {
    f->group[0].run_ns = 2 * SECOND;
    f->group[0].wait_ns = 38 * SECOND;
}
static void nothing_but_wait(struct fixture *f) {
    f->group[0].wait_ns = 41 * SECOND;
}
static void no_masks(struct fixture *f) {
    f->group[0].masks_known = false;
}
static void no_topology(struct fixture *f) {
    f->digest.topology = NULL;
}
static void no_samples(struct fixture *f) {
    f->group[0].sample_ns = FS_UNKNOWN;
}
static void no_schedstat(struct fixture *f) {
    f->group[0].workers_scheduled = 0;
}
static void little_cpu(struct fixture *f) {
    f->group[0].cpu_ns = SECOND / 3;
}
static void a_helper(struct fixture *f) {
    f->group[0].helper = true;
}
static void a_shell(struct fixture *f) {
    f->group[0].shell = true;
}
static void pinned_apart(struct fixture *f) {
    f->group[0].mask_union = fixture_mask(f, "0-1");
    f->group[0].masks_distinct = 2;
}

static void squeeze_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"the job was given no more", job_is_small, FS_PASS},
        {"a single worker", one_core_each, FS_NOT_APPLICABLE},
        {"demand below the union", idle_workers, FS_PASS},
        {"short overlap", short_overlap, FS_PASS},
        {"short life", short_life, FS_NOT_APPLICABLE},
        {"no contention", no_wait, FS_PASS},
        {"bursts, held up by others", bursts_beside_others, FS_PASS},
        {"... that work all the time", work_beside_others, FS_FINDING},
        {"... and hardly run", nothing_but_wait, FS_FINDING},
        {"pinned apart", pinned_apart, FS_PASS},
        {"a launcher's share of all cores", share_of_a_task, FS_PASS},
        {"... that the task narrowed", share_that_a_task_narrowed, FS_FINDING},
        {"... while cores are left", share_while_a_core_is_left, FS_FINDING},
        {"masks unknown", no_masks, FS_STATUS_UNKNOWN},
        {"cores unknown", no_topology, FS_STATUS_UNKNOWN},
        {"not sampled", no_samples, FS_STATUS_UNKNOWN},
        {"wait unknown", no_schedstat, FS_STATUS_UNKNOWN},
        {"less than half a CPU-second", little_cpu, FS_NOT_APPLICABLE},
        {"helper", a_helper, FS_NOT_APPLICABLE},
        {"shell", a_shell, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("AFF-01", fixture_squeezed, guards);
}

static void bound(struct fixture *f) {
    fixture_squeezed(f);
    f->digest.command_count = 0;
    f->digest.variable_count = 0;
    fixture_variable(f, "OMP_PROC_BIND", "true");
    f->narrowing.executable = (char *)"/usr/bin/python3.11";
    f->narrowing.place = (struct fs_place){.module = (char *)"/usr/lib/libgomp.so.1"};
    f->narrowing.t = SECOND / 20;
}

static void unset(struct fixture *f) {
    f->digest.variable_count = 0;
}
static void bind_false(struct fixture *f) {
    f->variables[0].value = (char *)"FALSE";
}
static void bind_false_with_places(struct fixture *f) {
    bind_false(f);
    fixture_variable(f, "OMP_PLACES", "cores");
}
static void whole_mask(struct fixture *f) {
    f->group[0].mask_union = fixture_mask(f, "0-1");
}
static void fork_first(struct fixture *f) {
    f->narrowing.t = SECOND;
}
static void another_caller(struct fixture *f) {
    f->narrowing.place.module = (char *)"/usr/lib/libopenblas.so.0";
}
static void no_call(struct fixture *f) {
    f->group[0].narrowing = NULL;
}
static void several_masks(struct fixture *f) {
    f->group[0].masks_distinct = 2;
}

static void binding_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"unset", unset, FS_NOT_APPLICABLE},
        {"false", bind_false, FS_NOT_APPLICABLE},
        {"false with places", bind_false_with_places, FS_NOT_APPLICABLE},
        {"mask intact", whole_mask, FS_PASS},
        {"fork before binding", fork_first, FS_PASS},
        {"another library", another_caller, FS_PASS},
        {"no call", no_call, FS_PASS},
        {"several masks", several_masks, FS_PASS},
        {"masks unknown", no_masks, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-02", bound, guards);
}

static void places_alone_bind(void **state) {
    (void)state;
    struct fixture f;
    bound(&f);
    f.variables[0] = (struct fs_variable){(char *)"GOMP_CPU_AFFINITY", (char *)"0-1"};
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "AFF-02");
    assert_true(any_cause_has(finding, "GOMP_CPU_AFFINITY=0-1: libgomp.so.1 bound the parent"));
    assert_true(any_fix_has(finding, "unset GOMP_CPU_AFFINITY"));
    fixture_free(&f);
}

/* srun gave the only task one core of 32, and a pool of 64 runs there. */
static void narrow_step(struct fixture *f) {
    fixture_machine(f, "pack:2 core:16 pu:2", "0,1");
    fixture_pool(f, &f->group[0], 64, "0,1");
    f->digest.group_count = 1;
    f->digest.scheduler = (struct fs_scheduler){.name = "slurm",
                                                .cpus_on_node = 64,
                                                .cpus_per_task = FS_UNKNOWN,
                                                .step_tasks_on_node = 1,
                                                .in_step = true};
}

static void step_finding(void **state) {
    (void)state;
    struct fixture f;
    narrow_step(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "SLM-02");
    assert_true(any_fix_has(finding, "srun -n 1 -c 64 --cpu-bind=cores python3 pool.py"));
    assert_string_equal(finding->gain, "up to 32x CPU time (est)");
    fixture_free(&f);
}

/* In front of srun its line is the job's command: no step inside a step is advised. */
static void step_finding_in_front_of_srun(void **state) {
    static const struct {
        const char *command[2], *srun, *fix, *also;
    } cases[] = {
        {{"srun", "app"},
         "srun -n 1 -c1 --cpu-bind=threads app",
         "srun -c 64 --cpu-bind=cores -n 1 app",
         "export NUM_PROCS=64"},
        {{"./job.sh", "x"},
         "srun -n 1 env NUM_PROCS=64 app",
         "srun -c 64 --cpu-bind=cores -n 1 env NUM_PROCS=64 app",
         "Pool(len(os.sched_getaffinity(0)))"},
        {{"srun", "app"}, NULL, "srun -n 1 -c 64 --cpu-bind=cores env NUM_PROCS=64 app 7", NULL},
        {{"./job.sh", "7"}, NULL, "srun -n 1 -c 64 --cpu-bind=cores env NUM_PROCS=64 app 7", NULL},
        {{"/opt/app", "7"},
         NULL,
         "srun -n 1 -c 64 --cpu-bind=cores env NUM_PROCS=64 /opt/app 7",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        narrow_step(&f);
        fixture_pool(&f, &f.group[0], 65, "0,1");
        fixture_variable(&f, "NUM_PROCS", "65");
        for (int word = 0; word < 2; word++)
            f.command[word] = (char *)(uintptr_t)cases[i].command[word];
        if (strcmp(cases[i].command[0], "srun") == 0) f.digest.launcher = (char *)"srun";
        if (cases[i].srun) fixture_launch(&f, "/usr/bin/srun", cases[i].srun, 1);
        struct fs_task *task = fixture_task(&f, "0,1");
        task->launch = FS_LAUNCH_SRUN;
        task->launcher = 0;
        task->command = (char *)"app 7";
        const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "SLM-02");
        assert_string_equal(finding->fix[0].text, cases[i].fix);
        assert_int_equal(finding->fix_count, cases[i].also ? 2 : 1);
        if (cases[i].also) assert_string_equal(finding->fix[1].text, cases[i].also);
        fixture_free(&f);
    }
}

static void no_slurm(struct fixture *f) {
    f->digest.scheduler.name = NULL;
}
static void not_in_step(struct fixture *f) {
    f->digest.scheduler.in_step = false;
}
static void many_tasks(struct fixture *f) {
    f->digest.scheduler.step_tasks_on_node = 4;
}
static void tasks_unknown(struct fixture *f) {
    f->digest.scheduler.step_tasks_on_node = FS_UNKNOWN;
}
static void enough(struct fixture *f) {
    f->group[0].mask_union = fixture_mask(f, "0-63");
}
static void narrowed_inside(struct fixture *f) {
    f->digest.mask_start = fixture_mask(f, "0-63");
    f->group[0].narrowing = &f->narrowing;
}

static void steps_beside(struct fixture *f) {
    f->digest.scheduler.steps_beside = 1;
}
/* A script that started two steps at once, both of which are recorded. */
static void steps_after_each_other(struct fixture *f) {
    for (int step = 0; step < 2; step++) {
        struct fs_task *task = fixture_task(f, "0,1");
        task->launch = FS_LAUNCH_SRUN;
        task->step = step;
        task->start = 10 * SECOND * step;
        task->end = task->start + 10 * SECOND;
    }
}
static void packed_steps(struct fixture *f) {
    steps_after_each_other(f);
    f->tasks[1].start -= 5 * SECOND;
}
static void few_have_work(struct fixture *f) {
    f->group[0].workers_busy_peak = 2;
}
static void busy_unknown(struct fixture *f) {
    f->group[0].workers_busy_peak = FS_UNKNOWN;
}

static void squeezed_beside_another_step(void **state) {
    (void)state;
    static void (*const besides[])(struct fixture *) = {steps_beside, packed_steps};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        narrow_step(&f);
        f.digest.mask_job = fixture_mask(&f, "0-63");
        besides[i](&f);
        fixture_judge(&f, NULL);
        assert_int_equal(fixture_outcome(&f, "AFF-01")->status, FS_PASS);
        assert_non_null(fs_verdict_find(&f.verdict, "OVS-02"));
        fixture_free(&f);
    }
}

static void slm_02_fires_for_steps_after_each_other(void **state) {
    (void)state;
    struct fixture f;
    narrow_step(&f);
    steps_after_each_other(&f);
    assert_non_null(fs_verdict_find(fixture_judge(&f, NULL), "SLM-02"));
    fixture_free(&f);
}

static void step_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no Slurm", no_slurm, FS_NOT_APPLICABLE},
        {"outside srun", not_in_step, FS_NOT_APPLICABLE},
        {"several tasks", many_tasks, FS_NOT_APPLICABLE},
        {"tasks unknown", tasks_unknown, FS_STATUS_UNKNOWN},
        {"enough CPUs", enough, FS_PASS},
        {"narrowed by the job", narrowed_inside, FS_PASS},
        {"another step has the rest", steps_beside, FS_NOT_APPLICABLE},
        {"another step of the record has it", packed_steps, FS_NOT_APPLICABLE},
        {"few have work at once", few_have_work, FS_PASS},
        {"not sampled", busy_unknown, FS_STATUS_UNKNOWN},
        {"masks unknown", no_masks, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("SLM-02", narrow_step, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squeeze_names_cause_and_fix),
        cmocka_unit_test(squeeze_without_a_variable_sizes_the_pool),
        cmocka_unit_test(squeeze_by_a_library_widens_the_workers),
        cmocka_unit_test(squeeze_names_no_cpus_that_are_guessed),
        cmocka_unit_test(taskset_bit_mask_is_rewritten),
        cmocka_unit_test(numactl_is_rewritten),
        cmocka_unit_test(squeeze_guards),
        cmocka_unit_test(squeeze_leaves_what_srun_sets),
        cmocka_unit_test(binding_guards),
        cmocka_unit_test(places_alone_bind),
        cmocka_unit_test(step_finding),
        cmocka_unit_test(step_finding_in_front_of_srun),
        cmocka_unit_test(squeezed_beside_another_step),
        cmocka_unit_test(slm_02_fires_for_steps_after_each_other),
        cmocka_unit_test(step_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
