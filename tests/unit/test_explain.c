/* `forksight explain`: every rule is told whole, offline, and a wrong name is helped. */
#include "tests/unit/rule_fixture.h"

#include "report/commands.h"
#include "report/sources.h"

#include <stdio.h>
#include <unistd.h>

/* What the command prints on descriptor (1 or 2); the caller frees it. */
static char *explain(const char *argument, int descriptor, int *status) {
    char *argv[] = {(char *)"explain", (char *)argument, NULL};
    FILE *file = tmpfile();
    fflush(NULL);
    const int saved = dup(descriptor);
    dup2(fileno(file), descriptor);
    *status = fs_cmd_explain(argument ? 2 : 1, argv);
    fflush(NULL);
    dup2(saved, descriptor);
    close(saved);
    const long size = ftell(file);
    char *text = calloc(1, (size_t)size + 1);
    rewind(file);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    return text;
}

static void lists_every_rule(void **state) {
    (void)state;
    int status;
    char *text = explain(NULL, STDOUT_FILENO, &status);
    assert_int_equal(status, FS_REPORT_OK);
    for (int i = 0; fs_rules[i]; i++)
        assert_non_null(strstr(text, fs_rules[i]->id));
    free(text);
}

static void tells_every_rule_whole(void **state) {
    (void)state;
    static const char *const parts[] = {"\nwhy", "\ndecided", "\nexcept", "\nfix", "\nsources"};
    for (int i = 0; fs_rules[i]; i++) {
        const struct fs_rule *rule = fs_rules[i];
        int status;
        char *text = explain(rule->id, STDOUT_FILENO, &status);
        assert_int_equal(status, FS_REPORT_OK);
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            assert_non_null(strstr(text, parts[j]));
        for (int j = 0; rule->thresholds && rule->thresholds[j].name; j++)
            assert_non_null(strstr(text, rule->thresholds[j].name));
        for (int j = 0; rule->sources[j]; j++) {
            const struct fs_source *source = fs_source_find(rule->sources[j]);
            assert_non_null(source);
            if (source->link) assert_non_null(strstr(text, source->link));
        }
        free(text);
    }
}

static void shows_current_values(void **state) {
    (void)state;
    char path[] = "/tmp/forksight-config-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    fputs("AFF-01.wait = 0.35\n", file);
    fclose(file);
    setenv("FORKSIGHT_CONFIG", path, 1);
    int status;
    char *text = explain("aff-01", STDOUT_FILENO, &status);
    unsetenv("FORKSIGHT_CONFIG");
    unlink(path);
    assert_non_null(strstr(text, "AFF-01.wait = 0.35 fraction"));
    assert_non_null(strstr(text, "default 0.2"));
    free(text);
}

static void suggests_the_nearest(void **state) {
    (void)state;
    static const struct {
        const char *wrong, *right;
    } cases[] = {{"AF-01", "AFF-01"}, {"PRC-2", "PRC-02"}, {"ovs08", "OVS-08"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status;
        char *text = explain(cases[i].wrong, STDERR_FILENO, &status);
        assert_int_equal(status, FS_REPORT_USAGE);
        assert_non_null(strstr(text, "did you mean"));
        assert_non_null(strstr(text, cases[i].right));
        free(text);
    }
}

static void hostile_name_is_harmless(void **state) {
    (void)state;
    int status;
    char *text = explain("\033[2J\xff", STDERR_FILENO, &status);
    assert_null(strchr(text, '\033'));
    assert_int_equal(status, FS_REPORT_USAGE);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_every_rule),         cmocka_unit_test(tells_every_rule_whole),
        cmocka_unit_test(shows_current_values),     cmocka_unit_test(suggests_the_nearest),
        cmocka_unit_test(hostile_name_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
