/* The files that say what is asked of a job: read whole, or refused with a line that says why. */
#include "tests/unit/gate_fixture.h"

#include "report/gate.h"

static void write_file(const char *text) {
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void refuses(int (*read)(char *error, size_t error_size), const char *text,
                    const char *word) {
    char error[1000] = "";
    write_file(text);
    assert_int_equal(read(error, sizeof error), -1);
    if (!strstr(error, word) || strchr(error, '\n')) print_error("%s\n", error);
    assert_non_null(strstr(error, word));
    assert_non_null(strstr(error, path));
    assert_null(strchr(error, '\n'));
}

static struct fs_expectation read_into;

static int read_variant_a(char *error, size_t error_size) {
    return fs_expectation_read(&read_into, path, "a", error, error_size);
}

static int read_only_variant(char *error, size_t error_size) {
    return fs_expectation_read(&read_into, path, NULL, error, error_size);
}

static int read_baseline(char *error, size_t error_size) {
    struct fs_baseline baseline;
    return fs_baseline_read(&baseline, path, error, error_size);
}

static void expectation_files(void **state) {
    (void)state;
    char error[1000];
    write_file("{\"variants\": [{\"name\": \"b\"}, {\"name\": \"a\", \"must\": [\"aff-01\"],"
               " \"must_not\": [\"PRC-03\", \"OVS-01\"], \"later\": [\"XYZ-99\", \"EFF-01\"],"
               " \"pass\": [\"OVS-01\"], \"not_applicable\": [\"MPI-01\", \"mpi-02\"],"
               " \"guards\": 3}]}");
    assert_int_equal(read_variant_a(error, sizeof error), 0);
    assert_true(read_into.must[rule_number("AFF-01")]);
    assert_true(read_into.must_not[rule_number("PRC-03")]);
    assert_true(read_into.must_not[rule_number("OVS-01")]);
    assert_true(read_into.tolerated[rule_number("EFF-01")]);
    assert_true(read_into.pass[rule_number("OVS-01")]);
    assert_false(read_into.pass[rule_number("MPI-01")]);
    assert_true(read_into.not_applicable[rule_number("MPI-02")]);
    assert_false(read_into.no_other);
    write_file("{\"variants\": [{\"name\": \"x\", \"must_not\": \"any other\","
               " \"incomplete\": \"ldconfig is static\"}]}");
    assert_int_equal(read_only_variant(error, sizeof error), 0);
    assert_true(read_into.may_be_incomplete);
    assert_string_equal(read_into.name, "x");
    assert_true(read_into.no_other);

    refuses(read_variant_a, "", "no JSON");
    refuses(read_variant_a, "{", "no JSON");
    refuses(read_variant_a, "[]", "no JSON object");
    refuses(read_variant_a, "{}", "no \"variants\"");
    refuses(read_variant_a, "{\"variants\": 3}", "no \"variants\"");
    refuses(read_variant_a, "{\"variants\": [1, {}]}", "no variant 'a'");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"b\"}, {\"name\": \"c\"}]}", "b, c");
    refuses(read_only_variant, "{\"variants\": [{\"name\": \"b\"}, {\"name\": \"c\"}]}",
            "--variant");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"must\": [\"AFF-99\"]}]}",
            "AFF-99");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"must\": [7]}]}", "no rule");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"must\": \"AFF-01\"}]}", "no list");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"must_not\": \"others\"}]}",
            "any other");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"must_not\": {}}]}", "no list");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"pass\": \"AFF-01\"}]}", "no list");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"pass\": [\"AFF-99\"]}]}",
            "AFF-99");
    refuses(read_variant_a, "{\"variants\": [{\"name\": \"a\", \"not_applicable\": [null]}]}",
            "no rule '?' (in \"not_applicable\")");
    refuses(read_variant_a,
            "{\"variants\": [{\"name\": \"a\", \"pass\": [\"AFF-01\"], \"must\": [\"AFF-01\"]}]}",
            "AFF-01 is in \"pass\" and in \"must\"");
    refuses(read_variant_a,
            "{\"variants\": [{\"name\": \"a\", \"not_applicable\": [\"OVS-02\", \"AFF-01\"],"
            " \"later\": [\"XYZ-99\", \"AFF-01\"]}]}",
            "AFF-01 is in \"not_applicable\" and in \"later\"");
    refuses(read_variant_a,
            "{\"variants\": [{\"name\": \"a\", \"not_applicable\": [\"AFF-01\"],"
            " \"pass\": [\"AFF-01\"]}]}",
            "AFF-01 is in \"pass\" and in \"not_applicable\"");
    unlink(path);
    assert_int_equal(read_variant_a(error, sizeof error), -1);
    assert_non_null(strstr(error, "No such file"));
}

static void baseline_files(void **state) {
    (void)state;
    refuses(read_baseline, "{}", "is no report");
    refuses(read_baseline, "{\"schema\": \"forksight.report/2\", \"findings\": []}",
            "is no report");
    refuses(read_baseline, "{\"schema\": \"forksight.report/1\"}", "is no report");
    refuses(read_baseline, "{\"schema\": \"forksight.report/1\", \"findings\": [{}]}",
            "fingerprint");
    refuses(read_baseline, "{\"schema\": \"forksight.report/1\", \"findings\": [3]}",
            "fingerprint");
    refuses(read_baseline, "\xff", "no JSON");
}

static void policy_file(void **state) {
    (void)state;
    struct fs_gate gate;
    struct fixture f;
    char error[1000] = "";
    struct fs_thresholds *thresholds = fs_thresholds_new();
    fs_gate_init(&gate);
    write_file(
        "# our machine\n\nfail-on = note\n disable AFF-01 = cpusets are cut small here # yes\n"
        "allow-incomplete = the launcher is static\nAFF-01.wait = 0.9\n");
    if (fs_policy_read(&gate, thresholds, path, error, sizeof error) != 0) fail_msg("%s", error);
    assert_int_equal(gate.fail_on, FS_FAIL_ON_NOTE);
    assert_true(gate.allow_incomplete);
    assert_string_equal(fs_disabled(thresholds, fs_rule_find("AFF-01")),
                        "cpusets are cut small here");
    assert_null(fs_disabled(thresholds, fs_rule_find("AFF-02")));

    fixture_squeezed(&f);
    fixture_judge(&f, thresholds);
    assert_int_equal(fixture_outcome(&f, "AFF-01")->status, FS_NOT_APPLICABLE);
    assert_string_equal(fixture_outcome(&f, "AFF-01")->why, "disabled: cpusets are cut small here");
    assert_null(fs_verdict_find(&f.verdict, "OVS-02")->follows); /* it stands by itself now */
    assert_int_equal(f.verdict.errors, 1);
    fixture_free(&f);
    fs_thresholds_free(thresholds);
}

static int read_policy(char *error, size_t error_size) {
    struct fs_gate gate;
    struct fs_thresholds *thresholds = fs_thresholds_new();
    fs_gate_init(&gate);
    const int status = fs_policy_read(&gate, thresholds, path, error, error_size);
    fs_thresholds_free(thresholds);
    return status;
}

static void policy_files(void **state) {
    (void)state;
    refuses(read_policy, "\nfail-on = often\n", ":2: fail-on wants");
    refuses(read_policy, "disable AFF-01 =\n", ":1: say why");
    refuses(read_policy, "disable AFF-01\n", ":1: no '='");
    refuses(read_policy, "disable NOT-01 = x\n", "NOT-01");
    refuses(read_policy, "allow-incomplete =  \n", "say why");
    refuses(read_policy, "AFF-01.nothing = 3\n", "AFF-01.nothing");
    refuses(read_policy, "nonsense = 3\n", "nonsense");
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectation_files),
        cmocka_unit_test(baseline_files),
        cmocka_unit_test(policy_file),
        cmocka_unit_test(policy_files),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
