/* THR-01 to THR-06: each fires, and each exception keeps it silent. */
#include "tests/unit/program_fixture.h"

/* --- THR-01 --- */

static void unset(struct fixture *f) {
    pool(f, 2);
    add_library(FSP_LIBRARY_OPENBLAS, "/lib/libopenblas.so.0", "pthreads", 1);
    f->group[0].libraries = FSP_LIBRARY_OPENBLAS;
    f->group[0].threads_owner = (char *)"/lib/libopenblas.so.0";
    f->group[0].threads_busy_peak = 2;
    f->group[0].threads_busy_total = 4;
}

static void thr_01_fires_and_names_variable_and_fix(void **state) {
    (void)state;
    struct fixture f;
    unset(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-01");
    assert_non_null(finding);
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->title,
                        "OPENBLAS_NUM_THREADS unset: 2 workers with teams of 2 threads");
    assert_true(any_fix_is(finding, "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"));
    fixture_free(&f);
    unset(&f);
    f.group[0].threads_busy_peak = 1;
    assert_int_equal(fixture_find(&f, "THR-01")->severity, FS_NOTE);
    fixture_free(&f);
    unset(&f);
    f.group[0].wait_ns = f.group[0].run_ns;
    finding = fixture_find(&f, "THR-01");
    assert_string_equal(finding->follows->id, "OVS-01");
    fixture_free(&f);
}

static void it_is_set(struct fixture *f) {
    (void)f;
    reads(&libraries[0], "OMP_NUM_THREADS", "2");
}
static void limited_by_a_call(struct fixture *f) {
    (void)f;
    program.cpus = 4;
}
static void pool_not_used(struct fixture *f) {
    (void)f;
    libraries[0].threads_working = 0;
}
static void not_sampled(struct fixture *f) {
    (void)f;
    for (size_t i = 0; i < program.library_count; i++)
        if (libraries[i].threads_peak > 0) libraries[i].threads_working = FS_UNKNOWN;
}
static void no_threads(struct fixture *f) {
    (void)f;
    libraries[0].threads_peak = libraries[0].threads_working = 0;
    libraries[0].t_started = FS_UNKNOWN;
}
static void fits(struct fixture *f) {
    f->group[0].mask_union = fixture_mask(f, "0-3");
}
static void no_library(struct fixture *f) {
    f->group[0].libraries = 0;
    f->digest.program_count = 0;
}
static void not_recorded(struct fixture *f) {
    f->digest.program_count = 0;
}

static void thr_01_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"a variable was set at load", it_is_set, FS_PASS},
        {"a call held the team smaller", limited_by_a_call, FS_PASS},
        {"a pool that started and never worked", pool_not_used, FS_PASS},
        {"no team", no_threads, FS_PASS},
        {"the teams fit", fits, FS_PASS},
        {"threads not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"no thread library", no_library, FS_NOT_APPLICABLE},
        {"libraries not recorded", not_recorded, FS_STATUS_UNKNOWN},
        {"masks unknown", masks_unknown, FS_STATUS_UNKNOWN},
        {"less than half a CPU-second", little_cpu, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("THR-01", unset, guards);
}

static void crowded(struct fixture *f) {
    unset(f);
    f->group[0].wait_ns = f->group[0].run_ns;
}

static void ovs_01_guard_threads_that_only_spun(void **state) {
    (void)state;
    static const struct guard guards[] = {{"an idle pool spins", pool_not_used, FS_PASS}};
    CHECK_GUARDS("OVS-01", crowded, guards);
}

/* --- THR-02 --- */

static void misused(struct fixture *f) {
    unset(f);
    reads(&libraries[0], "OMP_NUM_THREADS", "2");
    fixture_variable(f, "OMP_NUM_THREADS", "2");
}

static void thr_02_fires_with_three_severities(void **state) {
    (void)state;
    struct fixture f;
    misused(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-02");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->title, "OMP_NUM_THREADS=2 counts the workers, not their threads");
    assert_true(any_fix_is(finding, "export NUM_PROCS=2 OMP_NUM_THREADS=1"));
    fixture_free(&f);
    misused(&f);
    f.group[0].wait_ns = f.group[0].run_ns;
    finding = fixture_find(&f, "THR-02");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(fs_verdict_find(&f.verdict, "OVS-01")->follows->id, "THR-02");
    fixture_free(&f);
    misused(&f);
    f.digest.program_count = 0;
    f.group[0].threads_busy_peak = 1;
    assert_int_equal(fixture_find(&f, "THR-02")->severity, FS_NOTE);
    fixture_free(&f);
}

static void not_the_workers(struct fixture *f) {
    f->variables[0].value = (char *)"3";
}
static void one_thread(struct fixture *f) {
    f->variables[0].value = (char *)"1";
}
static void no_variable(struct fixture *f) {
    f->digest.variable_count = 0;
}

static void compilers_of_make(struct fixture *f) {
    f->group[0].kind = FS_GROUP_EXECUTABLE;
    f->group[0].threads_busy_peak = 1;
    f->digest.program_count = 0;
}

static void thr_02_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"another number", not_the_workers, FS_PASS},
        {"one thread", one_thread, FS_PASS},
        {"unset", no_variable, FS_PASS},
        {"a hybrid job that fits", fits, FS_PASS},
        {"programs of make", compilers_of_make, FS_PASS},
        {"masks unknown", masks_unknown, FS_STATUS_UNKNOWN},
        {"less than half a CPU-second", little_cpu, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("THR-02", misused, guards);
}

/* --- THR-03 --- */

static void ignored(struct fixture *f) {
    pool(f, 2);
    f->digest.group_count = 0;
    program.forked = false;
    program.workers = 0;
    reads(add_library(FSP_LIBRARY_OPENBLAS, "/openmp/libopenblas.so.0", "openmp", 0),
          "OPENBLAS_NUM_THREADS", "1");
    add_library(FSP_LIBRARY_GOMP, "/lib/libgomp.so.1", NULL, 1);
}

static void thr_03_fires_and_says_which_file(void **state) {
    (void)state;
    struct fixture f;
    ignored(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-03");
    assert_string_equal(finding->title, "OPENBLAS_NUM_THREADS=1 is ignored by this OpenBLAS");
    assert_non_null(
        strstr(finding->evidence[1].text, "/openmp/libopenblas.so.0 needs libgomp.so.1"));
    assert_true(any_fix_is(finding, "export OMP_NUM_THREADS=1"));
    fixture_free(&f);
}

static void other_build(struct fixture *f) {
    (void)f;
    libraries[0].build = "pthreads";
}
static void build_unknown(struct fixture *f) {
    (void)f;
    libraries[0].build = NULL;
}
static void general_one_too(struct fixture *f) {
    (void)f;
    reads(&libraries[1], "OMP_NUM_THREADS", "1");
}
static void own_unset(struct fixture *f) {
    (void)f;
    libraries[0].variable_count = 0;
}
static void no_team(struct fixture *f) {
    (void)f;
    libraries[1].threads_working = 0;
}
static void as_large_as_said(struct fixture *f) {
    (void)f;
    libraries[0].variables[0].value = (char *)"2";
}

static void thr_03_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"threads of its own", other_build, FS_PASS},
        {"OMP_NUM_THREADS is set, too", general_one_too, FS_PASS},
        {"no variable", own_unset, FS_PASS},
        {"no team ran", no_team, FS_PASS},
        {"the team has that size", as_large_as_said, FS_PASS},
        {"little work", little_cpu, FS_PASS},
        {"threads not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"file not there", build_unknown, FS_STATUS_UNKNOWN},
        {"no thread library", not_recorded, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("THR-03", ignored, guards);
}

/* --- THR-04 --- */

static void overruled(struct fixture *f) {
    unset(f);
    reads(&libraries[0], "OMP_NUM_THREADS", "1");
    reads(&libraries[0], "OPENBLAS_NUM_THREADS", "2");
    fixture_variable(f, "OMP_NUM_THREADS", "1");
}

static void thr_04_fires_for_blas_and_numba(void **state) {
    (void)state;
    struct fixture f;
    overruled(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-04");
    assert_string_equal(finding->title,
                        "OMP_NUM_THREADS=1 does not hold OpenBLAS: OPENBLAS_NUM_THREADS=2");
    assert_true(any_fix_is(finding, "export OPENBLAS_NUM_THREADS=1"));
    fixture_free(&f);
    pool(&f, 2);
    fixture_variable(&f, "OMP_NUM_THREADS", "1");
    add_library(FSP_LIBRARY_NUMBA, "/numba/workqueue.so", "workqueue", 1);
    finding = fixture_find(&f, "THR-04");
    assert_string_equal(finding->title,
                        "OMP_NUM_THREADS=1 does not hold Numba: NUMBA_NUM_THREADS unset");
    fixture_free(&f);
}

static const struct fs_finding *titled(const struct fs_verdict *verdict, const char *part) {
    const struct fs_finding *found = NULL;
    for (size_t i = 0; i < verdict->count; i++)
        if (strstr(verdict->findings[i].title, part)) {
            assert_null(found);
            found = &verdict->findings[i];
        }
    assert_non_null(found);
    return found;
}

/* Two libraries in the same workers are two matters, on whatever node each comes first; two
 * copies of one library are one. */
static void thr_04_fires_for_each_library(void **state) {
    enum { NODES = 3 };
    struct fs_digest nodes[NODES];
    struct fs_thread_program programs[NODES];
    struct fs_thread_library lists[NODES][3];
    static const char *const hosts[NODES] = {"n1", "n2", "n3"};
    (void)state;
    struct fixture f;
    overruled(&f);
    *add_library(FSP_LIBRARY_OPENBLAS, "/scipy/libopenblas.so.0", "pthreads", 1) = libraries[0];
    add_library(FSP_LIBRARY_NUMBA, "/numba/workqueue.so", "workqueue", 1);
    for (int i = 0; i < NODES; i++) {
        programs[i] = program;
        for (int j = 0; j < 3; j++)
            lists[i][j] = libraries[i == 1 ? 2 - j : j];
        programs[i].libraries = lists[i];
        if (i == 0) programs[i].library_count = 1;
        nodes[i] = f.digest;
        nodes[i].programs = &programs[i];
        nodes[i].host = (char *)(uintptr_t)hosts[i];
    }
    assert_int_equal(fs_job_build(&f.job, nodes, NODES), 0);
    assert_int_equal(fs_judge(&f.job, NULL, &f.verdict), 0);
    const struct fs_finding *blas = titled(&f.verdict, "does not hold OpenBLAS");
    const struct fs_finding *numba = titled(&f.verdict, "does not hold Numba");
    assert_int_equal(blas->nodes, NODES);
    assert_int_equal(blas->population, 2 * NODES);
    assert_int_equal(blas->of, 2 * NODES);
    assert_true(any_fix_is(blas, "export OPENBLAS_NUM_THREADS=1"));
    assert_int_equal(numba->nodes, 2);
    assert_int_equal(numba->population, 4);
    assert_int_equal(numba->of, 4);
    assert_true(any_fix_is(numba, "export NUMBA_NUM_THREADS=1"));
    fixture_free(&f);
}

static void both_one(struct fixture *f) {
    (void)f;
    libraries[0].variables[1].value = (char *)"1";
}
static void openmp_build(struct fixture *f) {
    (void)f;
    libraries[0].build = "openmp";
}

static void thr_04_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"OMP_NUM_THREADS is not 1", not_the_workers, FS_NOT_APPLICABLE},
        {"both are 1", both_one, FS_PASS},
        {"pool not used", no_threads, FS_PASS},
        {"an OpenMP build", openmp_build, FS_PASS},
        {"threads not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"libraries not recorded", not_recorded, FS_STATUS_UNKNOWN},
        {"less than half a CPU-second", little_cpu, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("THR-04", overruled, guards);
}

/* --- THR-05 --- */

static void too_late(struct fixture *f) {
    unset(f);
    setting = (struct fs_setting){
        .name = (char *)"OMP_NUM_THREADS",
        .value = (char *)"1",
        .pid = 100,
        .t = SECOND / 10,
        .place = {.file = (char *)"/home/u/a.py", .line = 4, .function = (char *)"<module>"},
        .loaded = FSP_LIBRARY_OPENBLAS};
    program.setting_count = 1;
    libraries[0].team_late = 2;
}

static void thr_05_fires_and_names_the_line(void **state) {
    (void)state;
    struct fixture f;
    too_late(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-05");
    assert_string_equal(finding->title, "OMP_NUM_THREADS=1 set after OpenBLAS had read it");
    assert_string_equal(finding->cause[1], "set at a.py:4 in <module>, too late");
    assert_true(any_fix_is(finding, "export OMP_NUM_THREADS=1"));
    assert_true(any_fix_is(finding, "threadpoolctl.threadpool_limits(1)"));
    fixture_free(&f);
}

static void before_the_load(struct fixture *f) {
    (void)f;
    setting.loaded = 0;
}
static void for_another_program(struct fixture *f) {
    (void)f;
    setting.passed_on = true;
}
static void team_changed(struct fixture *f) {
    (void)f;
    libraries[0].team_late = 1;
}
static void sized_by_a_call(struct fixture *f) {
    (void)f;
    libraries[0].team_late = 3;
}
static void unset_late(struct fixture *f) {
    (void)f;
    setting.value = NULL;
}
static void of_another_library(struct fixture *f) {
    (void)f;
    setting.name = (char *)"NUMEXPR_NUM_THREADS";
}
static void reads_at_first_use(struct fixture *f) {
    (void)f;
    libraries[0].family = FSP_LIBRARY_OMP;
    setting.loaded = FSP_LIBRARY_OMP;
    setting.started = 0;
}

static void thr_05_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"set before the load", before_the_load, FS_PASS},
        {"meant for a program that came later", for_another_program, FS_PASS},
        {"no team afterwards", team_changed, FS_PASS},
        {"sized by a call", sized_by_a_call, FS_PASS},
        {"unset", unset_late, FS_PASS},
        {"a variable of another library", of_another_library, FS_PASS},
        {"a runtime that had not started", reads_at_first_use, FS_PASS},
        {"a pool that never worked", pool_not_used, FS_PASS},
        {"threads not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"little work", little_cpu, FS_PASS},
        {"no thread library", not_recorded, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("THR-05", too_late, guards);
}

/* --- THR-06 --- */

static void two_runtimes(struct fixture *f) {
    pool(f, 2);
    add_library(FSP_LIBRARY_OMP, "/usr/lib/libomp.so.5", NULL, 0);
    add_library(FSP_LIBRARY_IOMP, "/opt/intel/libiomp5.so", NULL, 0);
}

static void thr_06_fires_by_runtime(void **state) {
    (void)state;
    struct fixture f;
    two_runtimes(&f);
    const struct fs_finding *finding = fixture_find(&f, "THR-06");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->title, "two OpenMP runtimes in python3.11: libomp and libiomp5");
    fixture_free(&f);
    two_runtimes(&f);
    libraries[0].family = FSP_LIBRARY_GOMP;
    add_library(FSP_LIBRARY_MKL, "/opt/intel/libmkl_rt.so.2", NULL, 0);
    finding = fixture_find(&f, "THR-06");
    assert_int_equal(finding->severity, FS_NOTE);
    assert_true(any_fix_is(finding, "export MKL_THREADING_LAYER=GNU"));
    fixture_free(&f);
}

static void one_file(struct fixture *f) {
    (void)f;
    libraries[1].real_file = libraries[0].real_file;
}
static void llvm_and_gnu(struct fixture *f) {
    (void)f;
    libraries[1].family = FSP_LIBRARY_GOMP;
}

static void thr_06_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"two names of one file", one_file, FS_PASS},
        {"libomp and libgomp", llvm_and_gnu, FS_PASS},
        {"no thread library", not_recorded, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("THR-06", two_runtimes, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thr_01_fires_and_names_variable_and_fix),
        cmocka_unit_test(thr_01_guards),
        cmocka_unit_test(ovs_01_guard_threads_that_only_spun),
        cmocka_unit_test(thr_02_fires_with_three_severities),
        cmocka_unit_test(thr_02_guards),
        cmocka_unit_test(thr_03_fires_and_says_which_file),
        cmocka_unit_test(thr_03_guards),
        cmocka_unit_test(thr_04_fires_for_blas_and_numba),
        cmocka_unit_test(thr_04_fires_for_each_library),
        cmocka_unit_test(thr_04_guards),
        cmocka_unit_test(thr_05_fires_and_names_the_line),
        cmocka_unit_test(thr_05_guards),
        cmocka_unit_test(thr_06_fires_by_runtime),
        cmocka_unit_test(thr_06_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
