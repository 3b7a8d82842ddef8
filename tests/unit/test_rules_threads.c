/* THR-08, AFF-09, PYT-03 and PRC-05: each fires, and each exception keeps it silent. */
#include "tests/unit/team_fixture.h"

/* --- THR-08 --- */

static void collapsed(struct fixture *f) {
    fixture_machine(f, "pack:1 core:4 pu:2", "0-7");
    f->digest.team_count = 1;
    fixture_team(f, &f->teams[0], 4, "0");
    f->teams[0].owner = (char *)"/usr/lib/libopenblas.so.0";
    f->teams[0].family = FSP_LIBRARY_OPENBLAS;
    f->teams[0].libraries = FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_GOMP;
    f->narrowing = (struct fs_narrowing){.pid = 100,
                                         .executable = (char *)"/usr/bin/python3.11",
                                         .place.module = (char *)"/usr/lib/libgomp.so.1",
                                         .before = fixture_mask(f, "0-7"),
                                         .after = fixture_mask(f, "0")};
    f->teams[0].narrowing = &f->narrowing;
    team_variable(f, "OMP_PROC_BIND", "close");
    team_variable(f, "OMP_PLACES", "cores");
}

static void thr_08_fires_and_names_library_and_variable(void **state) {
    (void)state;
    struct fixture f;
    collapsed(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-08");
    assert_string_equal(finding->title, "4 threads of OpenBLAS on one core: OMP_PROC_BIND");
    assert_string_equal(finding->fix[0].text, "unset OMP_PROC_BIND OMP_PLACES");
    assert_non_null(strstr(finding->cause[1], "libgomp.so.1"));
    fixture_free(&f);
}

static void both_threads_of_a_core(struct fixture *f) {
    f->teams[0].cpus = fixture_mask(f, "0-1"); /* still one core: the rule fires */
}

static void thr_08_fires_on_both_hardware_threads(void **state) {
    (void)state;
    struct fixture f;
    collapsed(&f);
    both_threads_of_a_core(&f);
    assert_int_equal(fixture_find(&f, "THR-08")->severity, FS_WARNING);
    fixture_free(&f);
}

static void on_two_cores(struct fixture *f) {
    f->teams[0].cpus = fixture_mask(f, "0,2");
}
static void not_bound(struct fixture *f) {
    f->teams[0].variable_count = 0;
}
static void bind_false(struct fixture *f) {
    f->variables[0].value = (char *)"FALSE";
}
static void by_taskset(struct fixture *f) {
    f->narrowing.place.module = (char *)"/usr/bin/taskset";
}
static void one_core_job(struct fixture *f) {
    f->digest.mask_job = fixture_mask(f, "0-1");
}
static void openmp_team(struct fixture *f) {
    f->teams[0].family = FSP_LIBRARY_GOMP;
}
static void cpus_unknown(struct fixture *f) {
    f->teams[0].cpus = NULL;
}

/* One SMT core for each task of srun, of which libgomp may take a half. */
static void core_of_srun(struct fixture *f) {
    f->teams[0].narrowing = NULL;
    f->teams[0].mask = fixture_mask(f, "0-1");
    fixture_task(f, "0-1")->pid = f->teams[0].pid;
}
static void half_of_a_core(struct fixture *f) {
    f->narrowing.before = fixture_mask(f, "0-1");
}

static void thr_08_fires_for_a_task_that_was_bound_by_bare_calls(void **state) {
    (void)state;
    struct fixture f;
    collapsed(&f);
    core_of_srun(&f);
    f.tasks[0].mask_before = fixture_mask(&f, "0-3");
    assert_int_equal(fixture_find(&f, "THR-08")->severity, FS_WARNING);
    fixture_free(&f);
}

static void thr_08_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"seen on two cores", on_two_cores, FS_PASS},
        {"narrowed by taskset", by_taskset, FS_PASS},
        {"a core that srun gave", core_of_srun, FS_PASS},
        {"half of a core that srun gave", half_of_a_core, FS_PASS},
        {"short", short_work, FS_PASS},
        {"short job", short_job, FS_NOT_APPLICABLE},
        {"not bound", not_bound, FS_NOT_APPLICABLE},
        {"binding switched off", bind_false, FS_NOT_APPLICABLE},
        {"one core in all", one_core_job, FS_NOT_APPLICABLE},
        {"a team of OpenMP", openmp_team, FS_NOT_APPLICABLE},
        {"CPUs not seen", cpus_unknown, FS_STATUS_UNKNOWN},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("THR-08", collapsed, guards);
}

/* --- AFF-09 --- */

static void migrants(struct fixture *f) {
    fixture_machine(f, "pack:2 [numa] core:4 pu:1", "0-7");
    f->digest.team_count = 1;
    fixture_team(f, &f->teams[0], 4, "0-7");
    f->teams[0].looks = 200;
    f->teams[0].moves = 50;
}

static void aff_09_fires_and_tells_how_often(void **state) {
    (void)state;
    struct fixture f;
    migrants(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-09");
    assert_int_equal(finding->severity, FS_NOTE);
    assert_non_null(strstr(finding->evidence[0].text, "in 25 % of 200 samples"));
    assert_string_equal(finding->fix[0].text, "export OMP_PROC_BIND=true OMP_PLACES=cores");
    fixture_free(&f);
}

static void few_moves(struct fixture *f) {
    f->teams[0].moves = 10;
}
static void few_looks(struct fixture *f) {
    f->teams[0].looks = 10;
    f->teams[0].moves = 5;
}
static void pinned(struct fixture *f) {
    team_variable(f, "OMP_PROC_BIND", "true");
}
static void kmp_affinity(struct fixture *f) {
    team_variable(f, "KMP_AFFINITY", "compact");
}
static void one_domain(struct fixture *f) {
    f->teams[0].looks = f->teams[0].moves = 0;
}
static void shared_node(struct fixture *f) {
    f->digest.mask_job = fixture_mask(f, "0-3");
}
static void with_openblas(struct fixture *f) {
    f->teams[0].libraries |= FSP_LIBRARY_OPENBLAS;
}
static void no_topology(struct fixture *f) {
    f->digest.topology = NULL;
}

static void aff_09_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"few moves", few_moves, FS_PASS},
        {"few samples", few_looks, FS_PASS},
        {"pinned", pinned, FS_PASS},
        {"pinned by Intel's variable", kmp_affinity, FS_PASS},
        {"one domain", one_domain, FS_NOT_APPLICABLE},
        {"beside a pool", beside_a_pool, FS_NOT_APPLICABLE},
        {"it forks", forks, FS_NOT_APPLICABLE},
        {"in a pool", workers_of_a_pool, FS_NOT_APPLICABLE},
        {"shared node", shared_node, FS_NOT_APPLICABLE},
        {"OpenBLAS", with_openblas, FS_NOT_APPLICABLE},
        {"other threads", other_owner, FS_NOT_APPLICABLE},
        {"topology unknown", no_topology, FS_STATUS_UNKNOWN},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-09", migrants, guards);
}

/* --- PYT-03 --- */

/* Three Python threads that share one CPU on a machine of four. */
static void gil_bound(struct fixture *f) {
    fixture_machine(f, "pack:1 core:4 pu:1", "0-3");
    f->digest.team_count = 1;
    struct fs_team *team = &f->teams[0];
    fixture_team(f, team, 3, "0-3");
    team->executable = team->owner = (char *)"/usr/bin/python3.11";
    team->family = team->libraries = FSP_LIBRARY_PYTHON;
    team->python = true;
    team->gil = 1;
    team->shared_ns = 10 * SECOND;
    team->shared_run_ns = 10 * SECOND;
    team->shared_wait_ns = SECOND / 10;
    team->shared_top_ns = 4 * SECOND;
    team->shared_threads_ns = 30 * SECOND;
}

static void pyt_03_fires_and_counts_threads(void **state) {
    (void)state;
    struct fixture f;
    gil_bound(&f);
    f.teams[0].shared_wait_ns = 3 * SECOND / 2; /* as of threads that hand the lock on */
    const struct fs_finding *finding = fixture_find(&f, "PYT-03");
    assert_string_equal(finding->title, "3 Python threads share 1.0 CPUs");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_non_null(strstr(finding->fix[0].text, "ProcessPoolExecutor"));
    fixture_free(&f);
}

static void gil_released(struct fixture *f) {
    f->teams[0].shared_run_ns = 25 * SECOND;
}
static void waiting_for_input(struct fixture *f) {
    f->teams[0].shared_run_ns = 5 * SECOND;
    f->teams[0].shared_top_ns = 2 * SECOND;
}
static void one_works(struct fixture *f) {
    f->teams[0].shared_top_ns = 9 * SECOND;
}
static void crowded(struct fixture *f) {
    f->teams[0].shared_wait_ns = 10 * SECOND;
}
static void one_cpu(struct fixture *f) {
    f->teams[0].mask = fixture_mask(f, "2");
}
static void quota_of_one(struct fixture *f) {
    f->digest.quota.cpus = 1;
}
static void free_threaded(struct fixture *f) {
    f->teams[0].gil = 0;
}
static void gil_unknown(struct fixture *f) {
    f->teams[0].gil = FS_UNKNOWN;
}
static void no_interpreter(struct fixture *f) {
    f->teams[0].python = false;
}

static void pyt_03_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"the lock is given up", gil_released, FS_PASS},
        {"threads wait for input", waiting_for_input, FS_PASS},
        {"one thread works", one_works, FS_PASS},
        {"short", short_work, FS_PASS},
        {"short job", short_job, FS_NOT_APPLICABLE},
        {"one CPU", one_cpu, FS_NOT_APPLICABLE},
        {"quota", quota_of_one, FS_NOT_APPLICABLE},
        {"free-threaded", free_threaded, FS_NOT_APPLICABLE},
        {"no interpreter", no_interpreter, FS_NOT_APPLICABLE},
        {"other threads", other_owner, FS_NOT_APPLICABLE},
        {"crowded machine", crowded, FS_STATUS_UNKNOWN},
        {"interpreter unknown", gil_unknown, FS_STATUS_UNKNOWN},
        {"mask unknown", mask_unknown, FS_STATUS_UNKNOWN},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("PYT-03", gil_bound, guards);
}

/* --- PRC-05 --- */

static void missed(struct fixture *f) {
    fixture_clean(f);
    f->command[0] = (char *)"strace";
    f->command[1] = (char *)"./pool";
    f->digest.cpu_ns = 20 * SECOND;
    f->watched = (struct fs_watched){.pid = 100,
                                     .executable = (char *)"/home/u/pool",
                                     .tracer = true,
                                     .tool = (char *)"/usr/bin/strace",
                                     .children = 2,
                                     .missed = 2,
                                     .missed_cpu_ns = 19 * SECOND,
                                     .example = 101,
                                     .example_executable = (char *)"/home/u/pool"};
    f->digest.watched_count = 1;
}

static void prc_05_fires_and_repeats_the_command(void **state) {
    (void)state;
    struct fixture f;
    missed(&f);
    const struct fs_finding *finding = fixture_find(&f, "PRC-05");
    assert_int_equal(finding->severity, FS_NOTE);
    assert_string_equal(finding->title, "strace misses 2 of 2 children");
    assert_string_equal(finding->fix[0].text, "strace -f ./pool");
    fixture_free(&f);
}

static void prc_05_fires_for_gdb(void **state) {
    (void)state;
    struct fixture f;
    missed(&f);
    f.watched.tool = (char *)"/usr/bin/gdb";
    assert_string_equal(fixture_find(&f, "PRC-05")->fix[0].text,
                        "gdb -ex \"set follow-fork-mode child\" -ex \"set detach-on-fork off\"");
    fixture_free(&f);
}

static void prc_05_fires_for_a_profiler(void **state) {
    (void)state;
    struct fixture f;
    missed(&f);
    f.watched.tracer = false;
    f.watched.tool = (char *)"/opt/lib/libhpcrun.so";
    const struct fs_finding *finding = fixture_find(&f, "PRC-05");
    assert_string_equal(finding->fix[0].text, "export LD_PRELOAD=/opt/lib/libhpcrun.so");
    assert_non_null(strstr(finding->evidence[0].text, "has libhpcrun.so loaded"));
    fixture_free(&f);
}

/* Its object, but the command's word; a tool's own module is not to be preloaded. */
static void prc_05_fires_for_tools_with_objects(void **state) {
    static const struct {
        const char *tool, *command[4], *fix;
    } cases[] = {
        {"/usr/libexec/valgrind/vgpreload_core-amd64-linux.so",
         {"/usr/bin/valgrind", "-q", "./pool", "8"},
         "/usr/bin/valgrind --trace-children=yes -q ./pool 8"},
        {"/usr/libexec/valgrind/vgpreload_core-amd64-linux.so",
         {"./script", "./pool"},
         "valgrind --trace-children=yes"},
        {"/opt/memray/_memray.cpython-311-x86_64-linux-gnu.so",
         {"memray", "run", "-q", "pool.py"},
         "memray run --follow-fork -q pool.py"},
        {"/opt/memray/_memray.cpython-311-x86_64-linux-gnu.so",
         {"python3", "memray"},
         "memray run --follow-fork"},
        {"/opt/memray/_memray.cpython-311-x86_64-linux-gnu.so",
         {"memray", "run", "--follow-fork", "pool.py"},
         "multiprocessing.set_start_method(\"fork\")"},
        {"/opt/nsys/libToolsInjection64.so",
         {"nsys", "profile", "./pool"},
         "start pool with the tool of libToolsInjection64.so, too"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        missed(&f);
        f.watched.tracer = false;
        f.watched.tool = (char *)(uintptr_t)cases[i].tool;
        for (f.digest.command_count = 0;
             f.digest.command_count < 4 && cases[i].command[f.digest.command_count];
             f.digest.command_count++)
            f.command[f.digest.command_count] =
                (char *)(uintptr_t)cases[i].command[f.digest.command_count];
        const struct fs_finding *finding = fixture_find(&f, "PRC-05");
        assert_string_equal(finding->fix[0].text, cases[i].fix);
        if (strstr(cases[i].tool, "memray"))
            assert_string_equal(finding->fix[finding->fix_count - 1].text,
                                "multiprocessing.set_start_method(\"fork\")");
        fixture_free(&f);
    }
}

static void all_seen(struct fixture *f) {
    f->watched.missed = 0;
}
static void little_missed(struct fixture *f) {
    f->watched.missed_cpu_ns = SECOND;
}
static void own_environment(struct fixture *f) {
    f->watched.scrubbed = true;
}
static void nobody_looked(struct fixture *f) {
    f->watched.children = f->watched.missed = 0;
}
static void no_tool(struct fixture *f) {
    f->digest.watched_count = 0;
}

static void prc_05_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"all seen", all_seen, FS_PASS},
        {"little missed", little_missed, FS_PASS},
        {"environment replaced", own_environment, FS_PASS},
        {"nobody looked", nobody_looked, FS_NOT_APPLICABLE},
        {"no tool", no_tool, FS_NOT_APPLICABLE},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("PRC-05", missed, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thr_08_fires_and_names_library_and_variable),
        cmocka_unit_test(thr_08_fires_on_both_hardware_threads),
        cmocka_unit_test(thr_08_fires_for_a_task_that_was_bound_by_bare_calls),
        cmocka_unit_test(thr_08_guards),
        cmocka_unit_test(aff_09_fires_and_tells_how_often),
        cmocka_unit_test(aff_09_guards),
        cmocka_unit_test(pyt_03_fires_and_counts_threads),
        cmocka_unit_test(pyt_03_guards),
        cmocka_unit_test(prc_05_fires_and_repeats_the_command),
        cmocka_unit_test(prc_05_fires_for_gdb),
        cmocka_unit_test(prc_05_fires_for_a_profiler),
        cmocka_unit_test(prc_05_fires_for_tools_with_objects),
        cmocka_unit_test(prc_05_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
