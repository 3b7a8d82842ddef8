/* OVS-01, 02, 03, 04, 08: each fires, and each exception keeps it silent. */
#include "tests/unit/rule_fixture.h"

#include <errno.h>

static void clean_job_has_no_finding(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    const struct fs_verdict *verdict = fixture_judge(&f, NULL);
    for (size_t i = 0; i < verdict->count; i++)
        print_error("%s: %s\n", verdict->findings[i].rule->id, verdict->findings[i].title);
    assert_int_equal(verdict->count, 0);
    assert_int_equal(verdict->unknown, 0);
    assert_int_equal(verdict->passed + verdict->not_applicable, FS_RULE_COUNT);
    fixture_free(&f);
}

/* Eight workers with a BLAS team of 16 each on 16 CPUs. */
static void teams(struct fixture *f) {
    fixture_machine(f, "pack:1 core:16 pu:1", "0-15");
    fixture_pool(f, &f->group[0], 8, "0-15");
    f->digest.group_count = 1;
    f->group[0].threads_busy_peak = 16;
    f->group[0].threads_owner = (char *)"/usr/lib/libopenblas.so.0";
    f->group[0].libraries = FSP_LIBRARY_OPENBLAS;
    f->group[0].wait_ns = f->group[0].run_ns;
}

static void teams_are_counted(void **state) {
    (void)state;
    struct fixture f;
    teams(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-01");
    assert_string_equal(finding->title, "8 workers x 16 threads = 128 on 16 CPUs");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->fix[0].text, "export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2");
    fixture_free(&f);
}

/* What is said of threads that no thread library made: its variables would not help. */
static void threads_of_the_program_itself(void **state) {
    (void)state;
    static const struct {
        const char *owner, *fix;
    } cases[] = {
        {"/home/u/solver", "threads = 2;  /* CPUs / workers */"},
        {"/usr/bin/python3.11", "threads = 2  # CPUs / workers"},
        {"/usr/lib/jvm/lib/server/libjvm.so",
         "export JAVA_TOOL_OPTIONS=-XX:ActiveProcessorCount=2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        teams(&f);
        f.group[0].threads_owner = (char *)(uintptr_t)cases[i].owner;
        f.group[0].python = strstr(cases[i].owner, "python") != NULL;
        if (f.group[0].python) f.group[0].wait_ns = 9 * f.group[0].run_ns;
        const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-01");
        assert_int_equal(finding->fix_count, 1);
        assert_string_equal(finding->fix[0].text, cases[i].fix);
        for (size_t j = 0; j < finding->cause_count; j++)
            assert_null(strstr(finding->cause[j], "OMP_NUM_THREADS"));
        fixture_free(&f);
    }
}

static void one_thread(struct fixture *f) {
    f->group[0].threads_busy_peak = 1;
}
static void threads_unknown(struct fixture *f) {
    f->group[0].threads_busy_peak = FS_UNKNOWN;
}
static void threads_of_an_mpi(struct fixture *f) {
    f->group[0].threads_busy_peak = 3;
    f->group[0].threads_owner = (char *)"/lib/x86_64-linux-gnu/libpmix.so.2";
}
/* One thread computes, one feeds a queue; others on the machine make both wait. */
static void python_threads_that_take_turns(struct fixture *f) {
    f->group[0].workers = f->group[0].workers_peak = 16;
    f->group[0].threads_busy_peak = 2;
    f->group[0].threads_owner = (char *)"/usr/bin/python3.11";
    f->group[0].libraries = FSP_LIBRARY_PYTHON;
    f->group[0].run_ns = f->group[0].wait_ns = 16 * 5 * SECOND;
}
static void few_threads(struct fixture *f) {
    f->group[0].threads_busy_peak = 2;
}
static void idle_pool(struct fixture *f) {
    f->group[0].workers_busy_peak = 1;
}
static void short_overlap(struct fixture *f) {
    f->group[0].overlap_ns = SECOND / 2;
}
static void short_life(struct fixture *f) {
    f->group[0].overlap_ns = f->group[0].window_ns = SECOND / 2;
}
static void no_contention(struct fixture *f) {
    f->group[0].wait_ns = f->group[0].run_ns / 20;
}
static void no_schedstat(struct fixture *f) {
    f->group[0].workers_scheduled = 0;
}
static void no_masks(struct fixture *f) {
    f->group[0].masks_known = false;
}

static void teams_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"one thread each", one_thread, FS_PASS},
        {"threads of an MPI", threads_of_an_mpi, FS_PASS},
        {"Python's threads take turns", python_threads_that_take_turns, FS_PASS},
        {"the threads fit", few_threads, FS_PASS},
        {"idle pool", idle_pool, FS_PASS},
        {"short overlap", short_overlap, FS_PASS},
        {"short life", short_life, FS_NOT_APPLICABLE},
        {"no contention", no_contention, FS_PASS},
        {"threads unknown", threads_unknown, FS_STATUS_UNKNOWN},
        {"wait unknown", no_schedstat, FS_STATUS_UNKNOWN},
        {"masks unknown", no_masks, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-01", teams, guards);
}

/* Pool() sized by the machine's 4 CPUs, of which the job was given 2. */
static void crowd(struct fixture *f) {
    fixture_machine(f, "pack:1 core:4 pu:1", "0-1");
    fixture_pool(f, &f->group[0], 4, "0-1");
    f->digest.group_count = 1;
}

static void crowd_names_cpu_count(void **state) {
    (void)state;
    struct fixture f;
    crowd(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-02");
    assert_string_equal(finding->title, "4 workers on 2 CPUs");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_non_null(strstr(finding->cause[0], "os.cpu_count()"));
    assert_string_equal(finding->fix[0].text, "Pool(len(os.sched_getaffinity(0)))");
    assert_null(fs_verdict_find(&f.verdict, "AFF-01"));
    fixture_free(&f);
}

/* The fix speaks the language of whoever made the workers. */
static void crowd_of_an_executor(void **state) {
    static const struct {
        const char *stack, *fix;
    } cases[] = {
        {"popen_fork.py:66:_launch\npool.py:329:_repopulate\n/u/a.py:3:main",
         "Pool(len(os.sched_getaffinity(0)))"},
        {"process.py:783:_launch_processes\nprocess.py:819:submit\n/u/a.py:3:main",
         "ProcessPoolExecutor(len(os.sched_getaffinity(0)))"},
        {"site-packages/joblib/externals/loky/process_executor.py:1111:_adjust_process_count",
         "Parallel(n_jobs=len(os.sched_getaffinity(0)))"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        crowd(&f);
        f.group[0].site.stack = (char *)(uintptr_t)cases[i].stack;
        const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-02");
        assert_string_equal(finding->fix[0].text, cases[i].fix);
        fixture_free(&f);
    }
}

/* coreutils' nproc obeys OMP_NUM_THREADS, which is to be 1 beside workers. */
static void crowd_of_a_tool_gets_a_number(void **state) {
    static const struct {
        const char *executable, *command, *fix;
    } cases[] = {
        {"/usr/bin/xargs", NULL, "xargs -P 2"},
        {"/usr/bin/parallel", NULL, "parallel -j 2"},
        {"/usr/bin/perl", "/usr/bin/perl /usr/bin/parallel -j4 ./fit", "parallel -j 2"},
        {"/usr/bin/make", NULL, "make -j2"},
        {"/usr/bin/ninja", NULL, "ninja -j 2"},
        {"/usr/bin/bash", NULL, "xargs -P 2"},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        crowd(&f);
        f.group[0].kind = FS_GROUP_EXECUTABLE;
        f.group[0].python = i % 2; /* what it starts may be an interpreter */
        f.group[0].parent_executable = (char *)(uintptr_t)cases[i / 2].executable;
        f.group[0].parent_command = (char *)(uintptr_t)cases[i / 2].command;
        const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-02");
        assert_string_equal(finding->fix[0].text, cases[i / 2].fix);
        fixture_free(&f);
    }
}

/* The mask has four CPUs, a quota allows two: the mask would be counted wrongly. */
static void crowd_under_a_quota_gets_a_number(void **state) {
    static const struct {
        const char *stack, *fix;
    } cases[] = {
        {NULL, "Pool(2)"},
        {"process.py:783:_launch_processes", "ProcessPoolExecutor(2)"},
        {"joblib/externals/loky/process_executor.py:1111:f", "Parallel(n_jobs=2)"},
    };
    (void)state;
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        const bool python = i < sizeof cases / sizeof *cases;
        struct fixture f;
        fixture_machine(&f, "pack:1 core:4 pu:1", "0-3");
        fixture_pool(&f, &f.group[0], 4, "0-3");
        f.digest.group_count = 1;
        f.digest.quota.cpus = 2;
        f.group[0].cpu_ns = f.group[0].window_cpu_ns = f.group[0].run_ns = 20 * SECOND;
        f.group[0].wait_ns = 20 * SECOND;
        f.group[0].python = python;
        f.group[0].site.stack = (char *)(uintptr_t)(python ? cases[i].stack : NULL);
        const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-02");
        assert_non_null(finding);
        assert_string_equal(finding->fix[0].text, python ? cases[i].fix : "workers = 2;");
        fixture_free(&f);
    }
}

static void crowd_by_a_variable(void **state) {
    (void)state;
    struct fixture f;
    crowd(&f);
    f.group[0].workers = f.group[0].workers_peak = f.group[0].workers_busy_peak = 3;
    fixture_variable(&f, "NUM_PROCS", "3");
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-02");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->fix[0].text, "NUM_PROCS=2 python3 pool.py");
    fixture_free(&f);
}

static void sleepers(struct fixture *f) {
    f->group[0].window_cpu_ns = 10 * SECOND;
    f->group[0].run_ns = 10 * SECOND;
    f->group[0].wait_ns = 2 * SECOND;
}
static void bursts_beside_others(struct fixture *f) {
    f->group[0].window_cpu_ns = f->group[0].run_ns = 8 * SECOND;
    f->group[0].wait_ns = 14 * SECOND;
}
static void work_beside_others(struct fixture *f) {
    f->group[0].window_cpu_ns = f->group[0].run_ns = 4 * SECOND;
    f->group[0].wait_ns = f->group[0].workers_peak * 10 * SECOND - 4 * SECOND;
}
static void few_busy(struct fixture *f) {
    f->group[0].workers_busy_peak = 2;
}
static void smt(struct fixture *f) {
    f->group[0].mask_union = fixture_mask(f, "0-3");
}
static void busy_unknown(struct fixture *f) {
    f->group[0].workers_busy_peak = FS_UNKNOWN;
}

static void crowd_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"sleeping workers", sleepers, FS_PASS},
        {"bursts, held up by others", bursts_beside_others, FS_PASS},
        {"... that work all the time", work_beside_others, FS_FINDING},
        {"few busy at once", few_busy, FS_PASS},
        {"a CPU each", smt, FS_PASS},
        {"short overlap", short_overlap, FS_PASS},
        {"short life", short_life, FS_NOT_APPLICABLE},
        {"no contention", no_contention, FS_PASS},
        {"load unknown", busy_unknown, FS_STATUS_UNKNOWN},
        {"wait unknown", no_schedstat, FS_STATUS_UNKNOWN},
        {"masks unknown", no_masks, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-02", crowd, guards);
}

/* Two pools of two workers, at the same time on the same two CPUs. */
static void two_pools(struct fixture *f) {
    fixture_clean(f);
    fixture_pool(f, &f->group[1], 2, "0-1");
    f->digest.group_count = 2;
    f->group[1].site.line = 50;
    for (int i = 0; i < 2; i++)
        f->group[i].run_ns = f->group[i].wait_ns = f->group[i].cpu_ns = 10 * SECOND;
    f->digest.workers_busy_peak = 4;
}

static void one_after_the_other(struct fixture *f) {
    f->digest.workers_busy_peak = 2;
}
static void two_relaxed_pools(struct fixture *f) {
    f->digest.active_ns = 20 * SECOND;
}

static void pools_are_judged_together(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"one after the other", one_after_the_other, FS_PASS},
        {"little demand", two_relaxed_pools, FS_PASS},
    };
    CHECK_GUARDS("OVS-02", two_pools, guards);
}

/* A serial program in an allocation of 8 cores. */
static void idle(struct fixture *f) {
    fixture_machine(f, "pack:1 core:8 pu:1", "0-7");
    f->digest.scheduler = (struct fs_scheduler){.name = "slurm", .cpus_on_node = 8};
    f->digest.busy_mean = 0.99;
    f->digest.workers_busy_peak = 0;
    f->digest.threads_busy_peak = 1;
}

static void no_scheduler(struct fixture *f) {
    f->digest.scheduler.name = NULL;
}
static void one_core(struct fixture *f) {
    f->digest.mask_job = fixture_mask(f, "0");
}
static void short_job(struct fixture *f) {
    f->digest.active_ns = 3 * SECOND;
}
static void used(struct fixture *f) {
    f->digest.busy_mean = 7;
}
static void many_workers(struct fixture *f) {
    f->digest.workers_busy_peak = 8;
}
static void team_of_threads(struct fixture *f) {
    f->teams[0].busy = 8; /* of one program, on CPUs that others used, too */
    f->teams[0].team_ns = f->digest.active_ns;
    f->digest.team_count = 1;
}
static void memory_bound(struct fixture *f) {
    f->digest.memory.limit = 8 << 20;
    f->digest.memory.workers_pss_peak = 4 << 20;
}
static void load_unknown(struct fixture *f) {
    f->digest.busy_mean = NAN;
}

static void idle_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no allocation", no_scheduler, FS_NOT_APPLICABLE},
        {"one core", one_core, FS_NOT_APPLICABLE},
        {"short", short_job, FS_NOT_APPLICABLE},
        {"used", used, FS_PASS},
        {"enough workers", many_workers, FS_PASS},
        {"a team of threads", team_of_threads, FS_PASS},
        {"memory", memory_bound, FS_PASS},
        {"unknown", load_unknown, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-03", idle, guards);
}

static void idle_gpu_job_is_a_note(void **state) {
    (void)state;
    struct fixture f;
    idle(&f);
    fixture_pool(&f, &f.group[0], 1, "0-7");
    f.group[0].libraries = FSP_LIBRARY_CUDA;
    f.digest.group_count = 1;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "OVS-03");
    assert_int_equal(finding->severity, FS_NOTE);
    assert_non_null(strstr(finding->title, "serial job"));
    fixture_free(&f);
}

static void throttled(struct fixture *f) {
    fixture_clean(f);
    f->digest.quota = (struct fs_quota){.version = 2,
                                        .path = (char *)"/job",
                                        .cpus = 0.5,
                                        .periods = 100,
                                        .throttled = 80,
                                        .throttled_ns = 6 * SECOND,
                                        .runnable_mean = 2,
                                        .runnable_peak = 2};
}

static void no_quota(struct fixture *f) {
    f->digest.quota.cpus = INFINITY;
}
static void wide_quota(struct fixture *f) {
    f->digest.quota.cpus = 2;
}
static void burst(struct fixture *f) {
    f->digest.quota.periods = 9;
}
static void hardly(struct fixture *f) {
    f->digest.quota.throttled = 5;
}
static void one_runnable(struct fixture *f) {
    f->digest.quota.runnable_mean = 0.4;
}
static void unseen(struct fixture *f) {
    f->digest.quota.runnable_mean = NAN;
}
static void hardly_and_unseen(struct fixture *f) {
    hardly(f);
    unseen(f);
}
static void quota_unknown(struct fixture *f) {
    f->digest.quota.cpus = NAN;
}

static void quota_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"none", no_quota, FS_NOT_APPLICABLE},
        {"as wide as the mask", wide_quota, FS_PASS},
        {"burst", burst, FS_PASS},
        {"hardly throttled", hardly, FS_PASS},
        {"runnable below it", one_runnable, FS_PASS},
        {"hardly throttled, never seen to run", hardly_and_unseen, FS_PASS},
        {"never seen to run", unseen, FS_STATUS_UNKNOWN},
        {"unknown", quota_unknown, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-04", throttled, guards);
}

static struct fs_fork_failure failure;

static void limited(struct fixture *f) {
    fixture_clean(f);
    failure = (struct fs_fork_failure){
        .executable = (char *)"/usr/bin/python3.11", .pid = 100, .error = EAGAIN, .count = 3};
    f->digest.fork_failures = &failure;
    f->digest.fork_failure_count = 1;
}

static void recovered(struct fixture *f) {
    (void)f;
    failure.recovered = true;
}
static void no_memory(struct fixture *f) {
    (void)f;
    failure.error = ENOMEM;
}
static void no_failure(struct fixture *f) {
    f->digest.fork_failure_count = 0;
}
static void unseen_failure(struct fixture *f) {
    f->digest.fork_failure_count = 0;
    f->digest.pids.refused = 2;
}

static void limit_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"succeeded later", recovered, FS_PASS},
        {"another error", no_memory, FS_PASS},
        {"none", no_failure, FS_PASS},
        {"counter without a call", unseen_failure, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("OVS-08", limited, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_job_has_no_finding),
        cmocka_unit_test(teams_are_counted),
        cmocka_unit_test(threads_of_the_program_itself),
        cmocka_unit_test(teams_guards),
        cmocka_unit_test(crowd_names_cpu_count),
        cmocka_unit_test(crowd_of_an_executor),
        cmocka_unit_test(crowd_of_a_tool_gets_a_number),
        cmocka_unit_test(crowd_under_a_quota_gets_a_number),
        cmocka_unit_test(crowd_by_a_variable),
        cmocka_unit_test(crowd_guards),
        cmocka_unit_test(pools_are_judged_together),
        cmocka_unit_test(idle_guards),
        cmocka_unit_test(idle_gpu_job_is_a_note),
        cmocka_unit_test(quota_guards),
        cmocka_unit_test(limit_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
