/* FRK-07 and FRK-09: each fires, and each exception keeps it silent. */
#include "tests/unit/rule_fixture.h"

#include <signal.h>

/* --- FRK-07 --- */

static struct fs_runtime_fork runtime_fork;
static struct fs_stuck stuck;
static struct fs_stuck_thread stuck_thread;

static void hung_child(struct fixture *f) {
    fixture_clean(f);
    runtime_fork = (struct fs_runtime_fork){
        .runtime = FSP_RUNTIME_GOMP,
        .reuse = FS_REUSE_STUCK,
        .parent = 100,
        .pid = 102,
        .count = 2,
        .executable = (char *)"/usr/bin/python3.11",
        .python = true,
        .regions = 12,
        .team = 4,
        .place = {.function = (char *)"exec_blas", .module = (char *)"/usr/lib/libopenblas.so.0"},
        .entered = 1,
        .left = 0,
        .child_team = 4,
        .child_place = {.function = (char *)"exec_blas",
                        .module = (char *)"/usr/lib/libopenblas.so.0"},
        .site = {.file = (char *)"/home/u/pool.py", .line = 41, .function = (char *)"main"},
        .signal = SIGTERM,
        .t_fork = SECOND,
        .t_end = 9 * SECOND,
    };
    f->digest.runtime_forks = &runtime_fork;
    f->digest.runtime_fork_count = 1;
    f->digest.runtimes_more = 0;
}

static void of_libomp(struct fixture *f) {
    (void)f;
    runtime_fork.runtime = FSP_RUNTIME_KMP;
}
static void one_thread(struct fixture *f) {
    (void)f;
    runtime_fork.team = 1;
}
static void region_left(struct fixture *f) {
    (void)f;
    runtime_fork.reuse = FS_REUSE_WORKED;
}
static void not_used_again(struct fixture *f) {
    (void)f;
    runtime_fork.reuse = FS_REUSE_NONE;
}
static void no_region(struct fixture *f) {
    f->digest.runtime_fork_count = 0;
}
static void some_not_kept(struct fixture *f) {
    runtime_fork.reuse = FS_REUSE_NONE;
    f->digest.runtimes_more = 3;
}
static void some_unrecorded(struct fixture *f) {
    runtime_fork.reuse = FS_REUSE_NONE;
    f->digest.complete.recorded--;
}

static void frk_07_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"libomp starts anew", of_libomp, FS_PASS},
        {"regions of one thread", one_thread, FS_PASS},
        {"the child's regions ended", region_left, FS_PASS},
        {"the child used none", not_used_again, FS_PASS},
        {"no region before a fork", no_region, FS_NOT_APPLICABLE},
        {"not all were kept", some_not_kept, FS_STATUS_UNKNOWN},
        {"a process was not recorded", some_unrecorded, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("FRK-07", hung_child, guards);
}

static const struct fs_finding *judge(struct fixture *f, const char *rule) {
    fixture_judge(f, NULL);
    const struct fs_outcome *outcome = fixture_outcome(f, rule);
    assert_int_equal(outcome->status, FS_FINDING);
    assert_int_equal(outcome->count, 1);
    return &outcome->findings[0];
}

static bool says(const struct fs_finding *finding, const char *text) {
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (finding->evidence[i].text && strstr(finding->evidence[i].text, text)) return true;
    for (size_t i = 0; i < finding->cause_count; i++)
        if (strstr(finding->cause[i], text)) return true;
    return false;
}

static void hung_child_with_its_stack(void **state) {
    (void)state;
    struct fixture f;
    hung_child(&f);
    stuck_thread = (struct fs_stuck_thread){
        .tid = 102,
        .native = (char *)"futex_wait (libgomp.so.1)\nGOMP_parallel (libforksight.so)\n"
                          "exec_blas (libopenblas.so.0)",
        .python = (char *)"/home/u/pool.py:12 in product",
    };
    stuck =
        (struct fs_stuck){.pid = 102, .parent = 100, .threads = &stuck_thread, .thread_count = 1};
    f.digest.stuck = &stuck;
    f.digest.stuck_count = 1;
    const struct fs_finding *finding = judge(&f, "FRK-07");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_int_equal(finding->population, 2);
    assert_ptr_equal(finding->load, &f.job.nodes[0].loads[0]);
    assert_true(says(finding, "12 libgomp regions"));
    assert_true(says(finding, "4 threads, from exec_blas in libopenblas.so.0"));
    assert_true(says(finding, "child 102"));
    assert_true(says(finding, "futex_wait (libgomp.so.1) < exec_blas (libopenblas.so.0)"));
    assert_true(says(finding, "pool.py:12 in product"));
    assert_true(says(finding, "pool.py:41 in main"));
    assert_string_equal(finding->fix[0].text, "export OMP_NUM_THREADS=1");
    assert_non_null(strstr(finding->fix[1].text, "forkserver"));
    fixture_free(&f);
}

static void ended_by_numba(void **state) {
    (void)state;
    struct fixture f;
    hung_child(&f);
    runtime_fork.reuse = FS_REUSE_ENDED;
    runtime_fork.place = (struct fs_place){
        .module = (char *)"/usr/lib/python3/dist-packages/numba/np/ufunc/omppool.so"};
    const struct fs_finding *finding = judge(&f, "FRK-07");
    assert_true(says(finding, "raised SIGTERM on itself"));
    assert_string_equal(finding->fix[0].text, "export NUMBA_THREADING_LAYER=forksafe");
    fixture_free(&f);
}

/* Children of one parent, of which some hung and one was ended: each of all children. */
static void hung_and_ended_children_are_two_findings(void **state) {
    (void)state;
    struct fixture f;
    hung_child(&f);
    struct fs_runtime_fork forks[2] = {runtime_fork, runtime_fork};
    forks[1].reuse = FS_REUSE_ENDED;
    forks[1].count = 1;
    f.digest.runtime_forks = forks;
    f.digest.runtime_fork_count = 2;
    const struct fs_verdict *verdict = fixture_judge(&f, NULL);
    int told = 0;
    for (size_t i = 0; i < verdict->count; i++) {
        if (strcmp(verdict->findings[i].rule->id, "FRK-07") != 0) continue;
        assert_int_equal(verdict->findings[i].of, 3);
        told += (int)verdict->findings[i].population;
    }
    assert_int_equal(told, 3);
    fixture_free(&f);
}

/* Who set the variable to 1 and has a team all the same, asks for it in the code. */
static void team_beyond_the_variable(void **state) {
    (void)state;
    struct fixture f;
    hung_child(&f);
    fixture_variable(&f, "OMP_NUM_THREADS", "1");
    assert_string_equal(judge(&f, "FRK-07")->fix[0].text, "export OMP_THREAD_LIMIT=1");
    fixture_free(&f);
}

/* --- FRK-09 --- */

static struct fs_gpu_fork gpu_fork;

static void gpu_before_fork(struct fixture *f) {
    fixture_clean(f);
    gpu_fork = (struct fs_gpu_fork){
        .kind = FSP_GPU_CUDA,
        .parent = 100,
        .executable = (char *)"/usr/bin/python3.11",
        .python = true,
        .children = 4,
        .callers = 3,
        .pid = 102,
        .starts = 1,
        .contexts = 5,
        .child_contexts = 1,
        .place = {.module = (char *)"/opt/libtorch_cuda.so", .offset = 0x40},
        .child_place = {.module = (char *)"/opt/libtorch_cuda.so", .offset = 0x40},
        .site = {.file = (char *)"/home/u/train.py", .line = 7, .function = (char *)"main"},
    };
    f->digest.gpu_forks = &gpu_fork;
    f->digest.gpu_fork_count = 1;
    f->digest.runtimes_more = 0;
}

static void queried_only(struct fixture *f) {
    (void)f;
    gpu_fork.contexts = 0;
}
static void not_called(struct fixture *f) {
    (void)f;
    gpu_fork.callers = 0;
}
static void children_only(struct fixture *f) {
    (void)f;
    gpu_fork.starts = gpu_fork.contexts = 0;
}
static void not_seen(struct fixture *f) {
    (void)f;
    gpu_fork.starts = gpu_fork.contexts = gpu_fork.callers = 0;
}
static void parent_by_threads_only(struct fixture *f) {
    not_seen(f);
    gpu_fork.threads = 2;
}
static void no_gpu(struct fixture *f) {
    f->digest.gpu_fork_count = 0;
}

static void frk_09_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"the parent only asked", queried_only, FS_PASS},
        {"no child called it", not_called, FS_PASS},
        {"the children's own", children_only, FS_PASS},
        {"loaded, nothing seen", not_seen, FS_STATUS_UNKNOWN},
        {"calls that are not seen", parent_by_threads_only, FS_STATUS_UNKNOWN},
        {"no GPU runtime", no_gpu, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("FRK-09", gpu_before_fork, guards);
}

static void gpu_finding(void **state) {
    (void)state;
    struct fixture f;
    gpu_before_fork(&f);
    const struct fs_finding *finding = judge(&f, "FRK-09");
    assert_int_equal(finding->population, 3);
    assert_int_equal(finding->of, 4);
    assert_true(says(finding, "CUDA context before the fork: 5 calls"));
    assert_true(says(finding, "train.py:7 in main"));
    assert_non_null(strstr(finding->fix[0].text, "spawn"));
    fixture_free(&f);
    gpu_before_fork(&f);
    gpu_fork.contexts = 0;
    gpu_fork.threads = 2;
    assert_true(says(judge(&f, "FRK-09"), "2 threads in process 100"));
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hung_and_ended_children_are_two_findings),
        cmocka_unit_test(frk_07_guards),
        cmocka_unit_test(hung_child_with_its_stack),
        cmocka_unit_test(ended_by_numba),
        cmocka_unit_test(team_beyond_the_variable),
        cmocka_unit_test(frk_09_guards),
        cmocka_unit_test(gpu_finding),
    };
    return cmocka_run_group_tests_name("rules_runtimes", tests, NULL, NULL);
}
