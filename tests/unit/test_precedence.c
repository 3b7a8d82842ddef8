/* Which finding follows from which, in what order they come, and how equals merge. */
#include "tests/unit/rule_fixture.h"

#include <signal.h>
#include <stdio.h>

static void expect_follows(struct fixture *f, const char *symptom, const char *cause) {
    const struct fs_finding *finding = fs_verdict_find(&f->verdict, symptom);
    assert_non_null(finding);
    if (!cause) {
        assert_null(finding->follows);
        return;
    }
    assert_non_null(finding->follows);
    assert_string_equal(finding->follows->id, cause);
}

static void squeeze(struct fixture *f, int workers) {
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    fixture_pool(f, &f->group[0], workers, "0");
    f->digest.group_count = 1;
}

static void squeeze_explains_crowd(void **state) {
    (void)state;
    struct fixture f;
    squeeze(&f, 4);
    fixture_judge(&f, NULL);
    expect_follows(&f, "AFF-01", NULL);
    expect_follows(&f, "OVS-02", "AFF-01");
    assert_int_equal(f.verdict.errors, 1);
    assert_ptr_equal(f.verdict.findings[0].rule, fs_rule_find("AFF-01"));
    fixture_free(&f);
}

static void binding_explains_squeeze(void **state) {
    (void)state;
    struct fixture f;
    squeeze(&f, 2);
    fixture_variable(&f, "OMP_PROC_BIND", "close");
    f.narrowing = (struct fs_narrowing){.pid = 100, .place.module = (char *)"/lib/libgomp.so.1"};
    f.group[0].narrowing = &f.narrowing;
    fixture_judge(&f, NULL);
    expect_follows(&f, "AFF-01", "AFF-02");
    expect_follows(&f, "OVS-02", "AFF-02");
    fixture_free(&f);
}

static void step_explains_squeeze(void **state) {
    (void)state;
    struct fixture f;
    squeeze(&f, 2);
    f.digest.scheduler = (struct fs_scheduler){
        .name = "slurm", .cpus_on_node = 2, .step_tasks_on_node = 1, .in_step = true};
    f.digest.busy_mean = 2;
    fixture_judge(&f, NULL);
    expect_follows(&f, "AFF-01", "SLM-02");
    fixture_free(&f);
}

static void teams_explain_crowd_only_when_workers_fit(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    f.group[0].threads_busy_peak = 4;
    f.group[0].wait_ns = f.group[0].run_ns;
    fixture_judge(&f, NULL);
    expect_follows(&f, "OVS-02", "OVS-01");
    fixture_free(&f);

    fixture_machine(&f, "pack:1 core:2 pu:1", "0-1");
    fixture_pool(&f, &f.group[0], 4, "0-1");
    f.group[0].threads_busy_peak = 4;
    f.digest.group_count = 1;
    fixture_judge(&f, NULL);
    expect_follows(&f, "OVS-02", NULL);
    fixture_free(&f);
}

static void quota_explains_crowd(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    f.digest.quota = (struct fs_quota){.version = 2,
                                       .cpus = 0.5,
                                       .periods = 100,
                                       .throttled = 80,
                                       .runnable_mean = 2,
                                       .runnable_peak = 2};
    f.group[0].wait_ns = 3 * f.group[0].run_ns;
    fixture_judge(&f, NULL);
    expect_follows(&f, "OVS-02", "OVS-04");
    fixture_free(&f);
}

static void load_error_explains_low_use(void **state) {
    (void)state;
    struct fixture f;
    squeeze(&f, 4);
    fixture_pool(&f, &f.group[1], 2, "1");
    f.group[1].site.line = 50;
    f.group[1].window_cpu_ns = 3 * SECOND;
    f.group[1].wait_ns = 0;
    f.digest.group_count = 2;
    fixture_judge(&f, NULL);
    expect_follows(&f, "EFF-05", "AFF-01");
    fixture_free(&f);
}

static void memory_explains_death(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    f.deaths[0] = (struct fs_death){
        .pid = 102, .signal = SIGKILL, .oom = true, .idle_ns = 5 * SECOND, .parent_waited = true};
    f.group[0].deaths = f.deaths;
    f.group[0].death_count = 1;
    f.digest.memory.oom_kills = 1;
    fixture_judge(&f, NULL);
    expect_follows(&f, "PRC-02", "MEM-01");
    fixture_free(&f);

    fixture_clean(&f);
    f.deaths[0] = (struct fs_death){.pid = 102,
                                    .signal = SIGBUS,
                                    .shm_total = 1 << 20,
                                    .idle_ns = 5 * SECOND,
                                    .parent_waited = true};
    f.group[0].deaths = f.deaths;
    f.group[0].death_count = 1;
    fixture_judge(&f, NULL);
    expect_follows(&f, "PRC-02", "MEM-02");
    fixture_free(&f);
}

static void equal_findings_of_nodes_merge(void **state) {
    (void)state;
    enum { NODES = 3 };
    struct fixture f;
    struct fs_digest nodes[NODES];
    squeeze(&f, 4);
    static char hosts[NODES][8];
    for (int i = 0; i < NODES; i++) {
        nodes[i] = f.digest;
        snprintf(hosts[i], sizeof hosts[i], "n%d", i);
        nodes[i].host = hosts[i];
    }
    assert_int_equal(fs_job_build(&f.job, nodes, NODES), 0);
    assert_int_equal(fs_judge(&f.job, NULL, &f.verdict), 0);
    const struct fs_finding *finding = fs_verdict_find(&f.verdict, "AFF-01");
    assert_int_equal(f.verdict.count, 2);
    assert_int_equal(finding->nodes, NODES);
    assert_int_equal(finding->population, 4 * NODES);
    fixture_free(&f);
}

/* "1 CPU" here, "2 CPUs" there: numbers and plurals are no other words. */
static void findings_in_other_numbers_merge(void **state) {
    (void)state;
    struct fixture f;
    struct fs_group group[2];
    struct fs_digest nodes[2];
    fixture_machine(&f, "pack:1 core:4 pu:1", "0-3");
    fixture_pool(&f, &group[0], 4, "0");
    fixture_pool(&f, &group[1], 6, "0-1");
    for (int i = 0; i < 2; i++) {
        nodes[i] = f.digest;
        nodes[i].host = (char *)(uintptr_t)(i ? "n2" : "n1");
        nodes[i].groups = &group[i];
        nodes[i].group_count = 1;
    }
    assert_int_equal(fs_job_build(&f.job, nodes, 2), 0);
    assert_int_equal(fs_judge(&f.job, NULL, &f.verdict), 0);
    const struct fs_finding *finding = fs_verdict_find(&f.verdict, "AFF-01");
    assert_string_equal(finding->title, "4 workers squeezed onto 1 CPU");
    assert_int_equal(f.verdict.count, 2);
    assert_int_equal(finding->nodes, 2);
    assert_int_equal(finding->population, 10);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squeeze_explains_crowd),
        cmocka_unit_test(binding_explains_squeeze),
        cmocka_unit_test(step_explains_squeeze),
        cmocka_unit_test(teams_explain_crowd_only_when_workers_fit),
        cmocka_unit_test(quota_explains_crowd),
        cmocka_unit_test(load_error_explains_low_use),
        cmocka_unit_test(memory_explains_death),
        cmocka_unit_test(equal_findings_of_nodes_merge),
        cmocka_unit_test(findings_in_other_numbers_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
