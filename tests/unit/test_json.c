/* The report for machines: valid by its schema, what is unknown is null, hostile text harmless,
 * and fingerprints that outlive a run. */
#include "tests/unit/rule_fixture.h"

#include "report/fingerprint.h"
#include "report/print/json.h"
#include "tracer/text_bytes.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static json_t *parse(const char *text) {
    json_error_t error;
    json_t *report = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!report) print_error("%s\n", error.text);
    assert_non_null(report);
    return report;
}

/* Judges, prints, checks that nothing but printable ASCII comes out, and parses. */
static json_t *render(struct fixture *f) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fixture_judge(f, NULL);
    assert_int_equal(fs_json_print(&f->job, &f->verdict, out), 0);
    fclose(out);
    assert_int_equal(strlen(text), size);
    for (const char *c = text; *c; c++)
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
    json_t *report = parse(text);
    free(text);
    return report;
}

/* The member at a path like "data.complete"; it must be there. */
static const json_t *at(const json_t *value, const char *path) {
    while (*path) {
        char name[64];
        const size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        value = *name >= '0' && *name <= '9' ? json_array_get(value, (size_t)atoi(name))
                                             : json_object_get(value, name);
        if (!value) print_error("no %s\n", path);
        assert_non_null(value);
        path += length + (path[length] == '.');
    }
    return value;
}

static const char *text_at(const json_t *report, const char *path) {
    return json_string_value(at(report, path));
}

static void schema_holds(const json_t *report) {
    char path[] = "/tmp/forksight-json-XXXXXX", command[128];
    if (system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0) {
        print_message("python3-jsonschema is not installed\n");
        skip();
    }
    const int descriptor = mkstemp(path);
    FILE *out = fdopen(descriptor, "w");
    assert_int_equal(json_dumpf(report, out, 0), 0);
    fclose(out);
    snprintf(command, sizeof command, "/usr/bin/python3 -B tests/lib/schema.py %s", path);
    const int status = system(command);
    unlink(path);
    assert_int_equal(status, 0);
}

static void squeezed(struct fixture *f) {
    fixture_squeezed(f);
    f->group[0].examples[0] = 101;
    f->digest.cpu_ns = 11 * SECOND;
}

static void finding_is_told(void **state) {
    (void)state;
    struct fixture f;
    squeezed(&f);
    json_t *report = render(&f);
    assert_string_equal(text_at(report, "schema"), "forksight.report/1");
    assert_string_equal(text_at(report, "findings.0.rule"), "AFF-01");
    assert_string_equal(text_at(report, "findings.0.severity"), "error");
    assert_string_equal(text_at(report, "findings.0.population.hostlist"), "node1");
    assert_int_equal(json_integer_value(at(report, "findings.0.population.processes")), 4);
    assert_int_equal(json_integer_value(at(report, "findings.0.population.examples.0.pid")), 101);
    assert_int_equal(json_integer_value(at(report, "findings.0.evidence.job_cpus.value")), 2);
    assert_true(fabs(json_number_value(at(report, "findings.0.evidence.run_queue_wait.value")) -
                     0.75) < 1e-9);
    assert_true(json_is_null(at(report, "findings.0.follows_from")));
    assert_string_equal(text_at(report, "findings.1.rule"), "OVS-02");
    assert_string_equal(text_at(report, "findings.1.follows_from"), "AFF-01");
    assert_string_equal(text_at(report, "rules.0.status"), "fail");
    assert_int_equal(json_array_size(at(report, "rules")), FS_RULE_COUNT);
    assert_int_equal(json_integer_value(at(report, "verdict.errors")), 1);
    assert_true(json_number_value(at(report, "verdict.cpu_used")) == 0.5);
    assert_true(json_is_true(at(report, "data.complete")));
    assert_true(json_is_null(at(report, "data.why")));
    assert_int_equal(json_integer_value(at(report, "classes.0.workers")), 4);
    assert_true(json_number_value(at(report, "classes.0.worker_cpu_s.p50")) == 2.5);
    schema_holds(report);
    json_decref(report);
    fixture_free(&f);
}

static void incomplete_data_is_said(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    f.digest.complete.recorded = 3;
    f.digest.complete.unseen[FS_UNSEEN_STATIC] = 2;
    f.digest.complete.unseen_example[FS_UNSEEN_STATIC] = (char *)"/bin/busybox";
    json_t *report = render(&f);
    assert_true(json_is_false(at(report, "data.complete")));
    assert_non_null(strstr(text_at(report, "data.why"), "3 of 5 processes"));
    assert_non_null(strstr(text_at(report, "data.why"), "busybox"));
    assert_int_equal(json_integer_value(at(report, "data.processes_not_entered.static")), 2);
    schema_holds(report);
    json_decref(report);
    fixture_free(&f);
}

/* Nothing is known: null, never 0 and never -1. */
static void unknown_is_null(void **state) {
    (void)state;
    struct fixture f;
    fixture_clean(&f);
    hwloc_topology_t topology = f.topology;
    struct fs_group *group = &f.group[0];
    fs_digest_init(&f.digest);
    fs_group_init(group);
    group->workers = group->workers_peak = 4;
    group->cpu_ns = 10 * SECOND;
    f.digest.groups = group;
    f.digest.group_count = 1;
    json_t *report = render(&f);
    static const char *const nulls[] = {
        "job.id",
        "job.wall_s",
        "job.exit_status",
        "job.signal",
        "job.start",
        "job.directory",
        "scope.tasks",
        "data.overhead",
        "verdict.cpu_used",
        "nodes.0.host",
        "nodes.0.job_cpus",
        "nodes.0.busy_cpus",
        "nodes.0.processes_seen",
        "classes.0.worker_cpu_s",
        "classes.0.example_cpus",
        "classes.0.example_run_queue_wait",
        "classes.0.place",
    };
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        if (!json_is_null(at(report, nulls[i]))) print_error("%s is not null\n", nulls[i]);
        assert_true(json_is_null(at(report, nulls[i])));
    }
    assert_int_equal(json_array_size(at(report, "findings")), 0);
    assert_int_equal(json_object_size(at(report, "metrics")), 1);
    assert_int_equal(json_integer_value(at(report, "metrics.node_workers.max")), 4);
    schema_holds(report);
    json_decref(report);
    f.topology = topology;
    fixture_free(&f);
}

static void no_node_at_all(void **state) {
    (void)state;
    struct fs_job job;
    struct fs_verdict verdict;
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(fs_job_build(&job, NULL, 0), 0);
    assert_int_equal(fs_judge(&job, NULL, &verdict), 0);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(fs_json_print(&job, &verdict, out), 0);
    fclose(out);
    json_t *report = parse(text);
    assert_true(json_is_false(at(report, "data.complete")));
    schema_holds(report);
    json_decref(report);
    free(text);
    fs_verdict_free(&verdict);
    fs_job_free(&job);
}

static void hostile_text_is_kept_and_harmless(void **state) {
    (void)state;
    static char hostile[] = "a\033[2J\r\n\x07\x7f\"\\\xff\xc3\x28\xc2\x9b"
                            "31m\xe2\x80\xae"
                            "b c'd</script>";
    static char control[] = "\x01\x7f\033]0;x\x07\n\"";
    struct fixture f;
    squeezed(&f);
    f.command[0] = hostile;
    f.command[1] = control;
    f.digest.host = f.digest.directory = hostile;
    f.group[0].executable = f.group[0].parent_executable = hostile;
    f.group[0].site.file = f.group[0].site.function = hostile;
    f.narrowing.executable = hostile;
    fixture_variable(&f, "NUM_PROCS", hostile);
    json_t *report = render(&f);
    size_t length;
    char *bytes = fs_base64_decode(text_at(report, "job.directory_base64"), &length);
    assert_string_equal(bytes, hostile);
    free(bytes);
    bytes = fs_base64_decode(text_at(report, "job.cmd_base64.0"), &length);
    assert_string_equal(bytes, hostile);
    free(bytes);
    assert_true(json_is_null(at(report, "job.cmd_base64.1")));
    assert_string_equal(text_at(report, "job.cmd.1"), control);
    assert_non_null(strstr(text_at(report, "job.cmd.0"), "\xef\xbf\xbd"));
    schema_holds(report);
    json_decref(report);
    fixture_free(&f);
}

static void megabyte_of_text_is_cut(void **state) {
    (void)state;
    char *long_text = malloc((1 << 20) + 1);
    memset(long_text, 'x', 1 << 20);
    long_text[1 << 20] = '\0';
    long_text[8191] = '\xc3'; /* the cut may not go through this character */
    long_text[8192] = '\xa9';
    struct fixture f;
    squeezed(&f);
    f.command[1] = f.digest.directory = long_text;
    json_t *report = render(&f);
    assert_int_equal(json_integer_value(at(report, "job.directory_bytes")), 1 << 20);
    assert_null(json_object_get(at(report, "job"), "directory_base64"));
    assert_int_equal(json_string_length(at(report, "job.directory")), 8191 + 3);
    assert_int_equal(json_string_length(at(report, "job.cmd.1")), 8191 + 3);
    schema_holds(report);
    json_decref(report);
    fixture_free(&f);
    free(long_text);
}

static void full_disk_is_an_error(void **state) {
    (void)state;
    struct fixture f;
    squeezed(&f);
    fixture_judge(&f, NULL);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(fs_json_print(&f.job, &f.verdict, full), -1);
    assert_int_equal(errno, ENOSPC);
    fclose(full);
    fixture_free(&f);
}

/* --- fingerprints --- */

static char *fingerprint_of(struct fixture *f, const char *rule) {
    struct fs_arena arena = {0};
    fixture_judge(f, NULL);
    const struct fs_finding *finding = fs_verdict_find(&f->verdict, rule);
    assert_non_null(finding);
    char *copy = strdup(fs_fingerprint(&arena, finding));
    fs_arena_free(&arena);
    fs_verdict_free(&f->verdict);
    fs_job_free(&f->job);
    return copy;
}

/* The job again: other pids, host, counts, folders, an edited script, another Python. */
static void same_fault_again(struct fixture *f) {
    fixture_machine(f, "pack:1 core:4 pu:1", "0-3");
    fixture_pool(f, &f->group[0], 9, "0");
    f->digest.group_count = 1;
    f->digest.host = (char *)"node4711";
    f->group[0].parent = 77777;
    f->group[0].examples[0] = 77778;
    f->group[0].executable = f->group[0].parent_executable = (char *)"/opt/py/bin/python3.12";
    f->group[0].site.file = (char *)"/builds/17/pool.py";
    f->group[0].site.line = 57;
}

static void fingerprint_outlives_a_run(void **state) {
    (void)state;
    struct fixture one, other;
    squeezed(&one);
    same_fault_again(&other);
    char *a = fingerprint_of(&one, "AFF-01"), *b = fingerprint_of(&other, "AFF-01");
    assert_string_equal(a, b);
    assert_int_equal(strncmp(a, "AFF-01-", 7), 0);
    free(b);
    fixture_free(&other);

    b = fingerprint_of(&one, "OVS-02");
    assert_string_not_equal(a, b); /* another rule */
    free(b);
    fixture_free(&one);

    same_fault_again(&other);
    other.group[0].site.function = (char *)"elsewhere";
    b = fingerprint_of(&other, "AFF-01");
    assert_string_not_equal(a, b); /* another place */
    free(a);
    free(b);
    fixture_free(&other);
}

static void fingerprint_of_title(struct fs_arena *arena, const char *host, const char *title,
                                 char *into) {
    struct fs_digest digest = {.host = (char *)(uintptr_t)host};
    const struct fs_node node = {.digest = &digest};
    const struct fs_finding finding = {.rule = fs_rules[0], .title = title, .node = &node};
    snprintf(into, 64, "%s", fs_fingerprint(arena, &finding));
}

static void fingerprint_of_a_node_forgets_numbers(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {
        {"4 shared memory segments were left behind", "1 shared memory segment was left behind",
         true},
        {"out of memory: the kernel killed process 17",
         "out of memory: the kernel killed process 4", true},
        {"node1: 3.5 of 4 cores used", "node2: 1 of 64 cores used", true},
        {"on node1 17 %", "on node2 18 %", true},
        {"fork at /a/b.py:17 with 3 threads", "fork at /c/b.py:9 with 1 thread", true},
        {"3 children", "1 child", true},
        {"OMP_NUM_THREADS lost at exec of sh", "MKL_NUM_THREADS lost at exec of sh", false},
        {"OMP_NUM_THREADS lost at exec of sh", "OMP_NUM_THREADS lost at exec of env", false},
        {"", "x", false},
    };
    struct fs_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char one[64], other[64];
        fingerprint_of_title(&arena, "node1", cases[i].one, one);
        fingerprint_of_title(&arena, "node2", cases[i].other, other);
        if ((strcmp(one, other) == 0) != cases[i].same) print_error("%s\n", cases[i].one);
        assert_int_equal(strcmp(one, other) == 0, cases[i].same);
    }
    fs_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding_is_told),
        cmocka_unit_test(incomplete_data_is_said),
        cmocka_unit_test(unknown_is_null),
        cmocka_unit_test(no_node_at_all),
        cmocka_unit_test(hostile_text_is_kept_and_harmless),
        cmocka_unit_test(megabyte_of_text_is_cut),
        cmocka_unit_test(full_disk_is_an_error),
        cmocka_unit_test(fingerprint_outlives_a_run),
        cmocka_unit_test(fingerprint_of_a_node_forgets_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
