/* EFF-01 and EFF-05: each fires, and each exception keeps it silent. */
#include "tests/unit/rule_fixture.h"

static void short_overlap(struct fixture *f) {
    f->group[0].overlap_ns = SECOND / 2;
}

static void uneven(struct fixture *f) {
    fixture_clean(f);
    f->group[0].worker_cpu_ns =
        (struct fs_spread){2, 4 * SECOND, 4 * SECOND, 10 * SECOND, 10 * SECOND, 14 * SECOND};
    f->group[0].first_idle = 4 * SECOND;
}

static void turnover(struct fixture *f) {
    f->group[0].workers = 9;
}
static void even(struct fixture *f) {
    f->group[0].worker_cpu_ns =
        (struct fs_spread){2, 6 * SECOND, 6 * SECOND, 7 * SECOND, 7 * SECOND, 13 * SECOND};
}
static void no_tail(struct fixture *f) {
    f->group[0].first_idle = 95 * SECOND / 10;
}
static void coarse(struct fixture *f) {
    f->group[0].sample_ns = 3 * SECOND;
}
static void server(struct fixture *f) {
    f->group[0].busy_ns = 4 * SECOND;
}
static void spread_unknown(struct fixture *f) {
    f->group[0].worker_cpu_ns.n = 0;
}
static void small_total(struct fixture *f) {
    f->group[0].worker_cpu_ns.sum = SECOND / 2;
}

static void threads_beyond_cpus(struct fixture *f) {
    f->group[0].threads_busy_peak = 16;
}

/* Five workers with the same work on four cores: two of them share one. */
static void a_shared_core_is_no_imbalance(void **state) {
    (void)state;
    static const struct {
        const char *topology;
        enum fs_status status;
    } cases[] = {{"pack:1 core:4 pu:2", FS_NOT_APPLICABLE}, {"pack:1 core:8 pu:1", FS_FINDING}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        fixture_machine(&f, cases[i].topology, "0-7");
        fixture_pool(&f, &f.group[0], 5, "0-7");
        f.digest.group_count = 1;
        f.group[0].worker_cpu_ns =
            (struct fs_spread){5, 6 * SECOND, 6 * SECOND, 10 * SECOND, 10 * SECOND, 38 * SECOND};
        f.group[0].first_idle = 6 * SECOND;
        fixture_judge(&f, NULL);
        assert_int_equal(fixture_outcome(&f, "EFF-01")->status, cases[i].status);
        fixture_free(&f);
    }
}

static void pipeline(struct fixture *f) {
    f->group[0].kind = FS_GROUP_EXECUTABLE;
    f->group[0].scripts_differ = true;
}

static void balance_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"one after the other", turnover, FS_NOT_APPLICABLE},
        {"within the limit", even, FS_PASS},
        {"no tail", no_tail, FS_PASS},
        {"tail within two samples", coarse, FS_PASS},
        {"server", server, FS_NOT_APPLICABLE},
        {"short", small_total, FS_NOT_APPLICABLE},
        {"a pipeline of scripts", pipeline, FS_NOT_APPLICABLE},
        {"short overlap", short_overlap, FS_NOT_APPLICABLE},
        {"unknown", spread_unknown, FS_STATUS_UNKNOWN},
        {"more busy threads than CPUs", threads_beyond_cpus, FS_NOT_APPLICABLE},
    };
    CHECK_GUARDS("EFF-01", uneven, guards);
}

/* A loop of Pool.apply: one worker busy at a time. */
static void blocking(struct fixture *f) {
    fixture_clean(f);
    f->group[0].cpu_ns = f->group[0].window_cpu_ns = f->group[0].run_ns = 10 * SECOND;
    f->group[0].overlap_ns = 0;
}

static void blocking_is_named(void **state) {
    (void)state;
    struct fixture f;
    blocking(&f);
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "EFF-05");
    assert_non_null(strstr(finding->cause[0], "Pool.apply"));
    assert_non_null(strstr(finding->fix[0].text, "apply_async"));
    assert_int_equal(finding->severity, FS_WARNING);
    fixture_free(&f);
}

static void sleeping_pool_is_a_note(void **state) {
    (void)state;
    struct fixture f;
    blocking(&f);
    f.group[0].sleep_ns = 6 * SECOND;
    assert_int_equal(fs_verdict_find(fixture_judge(&f, NULL), "EFF-05")->severity, FS_NOTE);
    fixture_free(&f);
}

/* With chunks of 0, Pool.map() runs nothing and returns a list of None. */
static void advised_chunks_are_never_empty(void **state) {
    (void)state;
    struct fixture f;
    blocking(&f);
    f.group[0].overlap_ns = f.group[0].busy_ns;
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(&f, NULL), "EFF-05");
    assert_string_equal(finding->fix[0].text,
                        "pool.map(f, items, chunksize=max(1, len(items)//(4*W)))");
    fixture_free(&f);
}

static void workers_that_load_data_are_a_note(void **state) {
    (void)state;
    struct fixture f;
    blocking(&f);
    f.group[0].window_cpu_ns = SECOND;
    f.group[0].parent_cpu_ns = 95 * SECOND / 10;
    assert_int_equal(fs_verdict_find(fixture_judge(&f, NULL), "EFF-05")->severity, FS_NOTE);
    fixture_free(&f);
}

/* Two workers on 16 CPUs, each busy with one thread, but for a moment with many. */
static void a_burst_of_threads_is_no_waiting(void **state) {
    (void)state;
    struct fixture f;
    fixture_machine(&f, "pack:1 core:16 pu:1", "0-15");
    fixture_pool(&f, &f.group[0], 2, "0-15");
    f.digest.group_count = 1;
    f.group[0].threads_busy_peak = 8;
    fixture_judge(&f, NULL);
    assert_int_equal(fixture_outcome(&f, "EFF-05")->status, FS_PASS);
    fixture_free(&f);
}

static void parent_computes_too(struct fixture *f) {
    f->group[0].parent_cpu_ns = 3 * SECOND;
}
static void side_by_side(struct fixture *f) {
    f->group[0].kind = FS_GROUP_EXECUTABLE;
}
static void short_use(struct fixture *f) {
    f->group[0].busy_ns = 4 * SECOND;
}
static void well_used(struct fixture *f) {
    f->group[0].window_cpu_ns = 13 * SECOND;
}
static void waits_for_requests(struct fixture *f) {
    f->group[0].sleep_ns = 95 * SECOND / 10;
}
static void cpus_taken(struct fixture *f) {
    f->group[0].wait_ns = f->group[0].run_ns;
}
static void not_sampled(struct fixture *f) {
    f->group[0].sample_ns = FS_UNKNOWN;
}

static void use_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"side by side", side_by_side, FS_NOT_APPLICABLE},
        {"short", short_use, FS_NOT_APPLICABLE},
        {"used", well_used, FS_PASS},
        {"the parent used the CPUs", parent_computes_too, FS_PASS},
        {"server", waits_for_requests, FS_NOT_APPLICABLE},
        {"CPUs taken by others", cpus_taken, FS_NOT_APPLICABLE},
        {"unknown", not_sampled, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("EFF-05", blocking, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_core_is_no_imbalance),
        cmocka_unit_test(balance_guards),
        cmocka_unit_test(blocking_is_named),
        cmocka_unit_test(sleeping_pool_is_a_note),
        cmocka_unit_test(advised_chunks_are_never_empty),
        cmocka_unit_test(workers_that_load_data_are_a_note),
        cmocka_unit_test(a_burst_of_threads_is_no_waiting),
        cmocka_unit_test(use_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
