/* Overrides of thresholds: by text, by file, and what they refuse. */
#include "tests/unit/rule_fixture.h"

#include <stdio.h>
#include <unistd.h>

static void set_and_get(void **state) {
    (void)state;
    char error[256];
    struct fs_thresholds *thresholds = fs_thresholds_new();
    const struct fs_rule *rule = fs_rule_find("aff-01");
    assert_true(fs_threshold(thresholds, rule, 0) == rule->thresholds[0].value);
    assert_int_equal(fs_thresholds_set(thresholds, "AFF-01.wait = 0.5", error, sizeof error), 0);
    assert_true(fs_threshold(thresholds, rule, 0) == 0.5);
    assert_true(fs_threshold(NULL, rule, 0) == rule->thresholds[0].value);
    fs_thresholds_free(thresholds);
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"AFF-01.wait", "RULE.NAME=VALUE"}, {"AFF-01=1", "no threshold"},
        {"XXX-99.wait=1", "no threshold"},  {"AFF-01.nothing=1", "forksight explain AFF-01"},
        {"AFF-02.wait=1", "no threshold"},  {"AFF-01.wait=high", "no value"},
        {"AFF-01.wait=", "no value"},       {"AFF-01.wait=-1", "no value"},
        {"AFF-01.wait=nan", "no value"},    {"AFF-01.wait=0.5x", "no value"},
    };
    struct fs_thresholds *thresholds = fs_thresholds_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[256] = "";
        assert_int_equal(fs_thresholds_set(thresholds, cases[i].text, error, sizeof error), -1);
        assert_non_null(strstr(error, cases[i].says));
        assert_null(strchr(error, '\n'));
    }
    fs_thresholds_free(thresholds);
}

static void reads_a_file(void **state) {
    (void)state;
    char path[] = "/tmp/thresholds-XXXXXX", error[256];
    FILE *file = fdopen(mkstemp(path), "w");
    fputs("# ours\n\nAFF-01.wait = 0.3 # a third\nEFF-01.ratio=2\nOVS-01.bad=1\n", file);
    fclose(file);
    struct fs_thresholds *thresholds = fs_thresholds_new();
    assert_int_equal(fs_thresholds_read(thresholds, path, error, sizeof error), -1);
    assert_non_null(strstr(error, ":5: no threshold 'OVS-01.bad'"));
    assert_true(fs_threshold(thresholds, fs_rule_find("EFF-01"), 0) == 2);
    unlink(path);
    assert_int_equal(fs_thresholds_read(thresholds, path, error, sizeof error), -1);
    assert_non_null(strstr(error, "cannot read"));
    fs_thresholds_free(thresholds);
}

static void an_override_changes_the_outcome(void **state) {
    (void)state;
    char error[256];
    struct fixture f;
    struct fs_thresholds *thresholds = fs_thresholds_new();
    assert_int_equal(fs_thresholds_set(thresholds, "OVS-02.wait=0.9", error, sizeof error), 0);
    fixture_machine(&f, "pack:1 core:2 pu:1", "0-1");
    fixture_pool(&f, &f.group[0], 4, "0-1");
    f.digest.group_count = 1;
    fixture_judge(&f, thresholds);
    assert_int_equal(fixture_outcome(&f, "OVS-02")->status, FS_PASS);
    fixture_free(&f);
    fs_thresholds_free(thresholds);
}

/* Every table fits, is whole, and its names are not given twice. */
static void tables_are_sound(void **state) {
    (void)state;
    for (int i = 0; fs_rules[i]; i++) {
        const struct fs_threshold *row = fs_rules[i]->thresholds;
        for (int j = 0; row && row[j].name; j++) {
            assert_true(j < FS_THRESHOLDS_MAX);
            assert_non_null(row[j].unit);
            assert_non_null(row[j].meaning);
            assert_non_null(row[j].source);
            for (int k = 0; k < j; k++)
                assert_string_not_equal(row[j].name, row[k].name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_and_get),      cmocka_unit_test(refuses),
        cmocka_unit_test(reads_a_file),     cmocka_unit_test(an_override_changes_the_outcome),
        cmocka_unit_test(tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
