/* AFF-03 and AFF-04: each fires, and each exception keeps it silent. */
#include "tests/unit/program_fixture.h"

static void bound_by_llvm(struct fixture *f) {
    pool(f, 4);
    f->group[0].mask_union = fixture_mask(f, "0");
    f->group[0].wait_ns = 3 * f->group[0].run_ns;
    add_library(FSP_LIBRARY_OMP, "/usr/lib/libomp.so.5", NULL, 0);
}

static void aff_03_fires_by_masks(void **state) {
    (void)state;
    struct fixture f;
    bound_by_llvm(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-03");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->title, "KMP_AFFINITY is not disabled: libomp bound 4 workers");
    assert_true(any_fix_is(finding, "export KMP_AFFINITY=disabled"));
    assert_string_equal(fs_verdict_find(&f.verdict, "AFF-01")->follows->id, "AFF-03");
    fixture_free(&f);
    bound_by_llvm(&f);
    f.group[0].mask_union = fixture_mask(&f, "0-1");
    finding = fixture_find(&f, "AFF-03");
    assert_int_equal(finding->severity, FS_NOTE);
    assert_null(fs_verdict_find(&f.verdict, "OVS-02")->follows); /* advice explains nothing */
    fixture_free(&f);
}

static void disabled(struct fixture *f) {
    fixture_variable(f, "KMP_AFFINITY", "disabled");
}
static void other_runtime(struct fixture *f) {
    (void)f;
    libraries[0].family = FSP_LIBRARY_GOMP;
}
static void by_taskset(struct fixture *f) {
    f->narrowing = (struct fs_narrowing){.pid = 99, .executable = (char *)"/usr/bin/taskset"};
    f->group[0].narrowing = &f->narrowing;
}

/* srun -n 2 -c 2 on four CPUs: its daemon set the masks, and is not recorded. */
static void given_by_srun(struct fixture *f, int parent, const char *cpus) {
    bound_by_llvm(f);
    for (int i = 0; i < 2; i++) {
        struct fs_task *task = fixture_task(f, i ? "1" : cpus);
        task->launch = FS_LAUNCH_SRUN;
        task->pid = i ? 300 : parent;
    }
}

static void aff_03_guard_mask_of_the_launcher(void **state) {
    (void)state;
    struct fixture f;
    given_by_srun(&f, 100, "0");
    assert_int_equal(fixture_find(&f, "AFF-03")->severity, FS_NOTE);
    assert_null(fs_verdict_find(&f.verdict, "OVS-02")->follows);
    fixture_free(&f);
    given_by_srun(&f, 99, "0"); /* the pool is made by a child of the task */
    assert_int_equal(fixture_find(&f, "AFF-03")->severity, FS_NOTE);
    fixture_free(&f);
    given_by_srun(&f, 100, "0"); /* bound by bare system calls */
    f.tasks[0].mask_before = fixture_mask(&f, "0-1");
    assert_int_equal(fixture_find(&f, "AFF-03")->severity, FS_WARNING);
    fixture_free(&f);
    given_by_srun(&f, 100, "0-1"); /* the workers bound themselves */
    assert_int_equal(fixture_find(&f, "AFF-03")->severity, FS_WARNING);
    fixture_free(&f);
}

static void aff_03_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"disabled", disabled, FS_PASS},
        {"libgomp", other_runtime, FS_NOT_APPLICABLE},
        {"narrowed by taskset", by_taskset, FS_PASS},
        {"masks unknown", masks_unknown, FS_STATUS_UNKNOWN},
        {"less than half a CPU-second", little_cpu, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("AFF-03", bound_by_llvm, guards);
}

static void bound_by_blas(struct fixture *f) {
    pool(f, 4);
    f->group[0].mask_union = fixture_mask(f, "0");
    f->group[0].wait_ns = 3 * f->group[0].run_ns;
    f->narrowing = (struct fs_narrowing){.pid = 100,
                                         .executable = (char *)"/usr/bin/python3.11",
                                         .place = {.module = (char *)"/lib/libopenblas.so.0"},
                                         .t = SECOND / 20,
                                         .before = fixture_mask(f, "0-1"),
                                         .after = fixture_mask(f, "0")};
    f->group[0].narrowing = &f->narrowing;
}

static void aff_04_fires_and_folds_the_squeeze(void **state) {
    (void)state;
    struct fixture f;
    bound_by_blas(&f);
    const struct fs_finding *finding = fixture_find(&f, "AFF-04");
    assert_string_equal(finding->title, "libopenblas.so.0 bound the parent: 4 workers on 1 CPU");
    assert_true(any_fix_is(finding, "export OPENBLAS_MAIN_FREE=1"));
    assert_string_equal(fs_verdict_find(&f.verdict, "AFF-01")->follows->id, "AFF-04");
    fixture_free(&f);
}

static void whole_mask(struct fixture *f) {
    f->group[0].mask_union = fixture_mask(f, "0-1");
}
static void after_the_fork(struct fixture *f) {
    f->narrowing.t = SECOND;
}
static void by_the_user(struct fixture *f) {
    f->narrowing.place.module = (char *)"/usr/bin/python3.11";
}

static void aff_04_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"whole mask", whole_mask, FS_PASS},
        {"after the fork", after_the_fork, FS_PASS},
        {"user code", by_the_user, FS_PASS},
        {"masks unknown", masks_unknown, FS_STATUS_UNKNOWN},
        {"less than half a CPU-second", little_cpu, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("AFF-04", bound_by_blas, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aff_03_fires_by_masks),
        cmocka_unit_test(aff_03_guard_mask_of_the_launcher),
        cmocka_unit_test(aff_03_guards),
        cmocka_unit_test(aff_04_fires_and_folds_the_squeeze),
        cmocka_unit_test(aff_04_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
