/* The derived quantities, and jobs that are loaded from directories. */
#include "tests/unit/rule_fixture.h"

#include "report/commands.h"

#include <sys/stat.h>
#include <unistd.h>

static void quantities(void **state) {
    (void)state;
    struct fixture f;
    fixture_machine(&f, "pack:2 core:4 pu:2", "0-7");
    fixture_pool(&f, &f.group[0], 4, "0-1,4");
    f.digest.group_count = 1;
    assert_int_equal(fs_job_build(&f.job, &f.digest, 1), 0);
    const struct fs_node *node = &f.job.nodes[0];
    assert_int_equal(node->cpus, 16);
    assert_int_equal(node->job_cpus, 8);
    assert_int_equal(node->job_cores, 4);
    assert_int_equal(node->loads[0].cpus, 3);
    assert_int_equal(node->loads[0].cores, 2);
    assert_true(node->loads[0].effective == 3);
    assert_true(fabs(node->loads[0].wait - 0.25) < 1e-9);
    assert_true(fabs(node->loads[0].use - 1) < 1e-9);
    assert_true(fabs(node->loads[0].demand - 4) < 1e-9);
    assert_true(fabs(node->loads[0].worth - 4) < 1e-9);
    fs_job_free(&f.job);

    f.digest.quota.cpus = 1.5;
    assert_int_equal(fs_job_build(&f.job, &f.digest, 1), 0);
    assert_true(f.job.nodes[0].loads[0].effective == 1.5);
    fs_job_free(&f.job);

    f.digest.quota.cpus = NAN;
    f.group[0].masks_known = false;
    f.group[0].workers_scheduled = 0;
    assert_int_equal(fs_job_build(&f.job, &f.digest, 1), 0);
    assert_true(isnan(f.job.nodes[0].loads[0].effective));
    assert_true(isnan(f.job.nodes[0].loads[0].wait));
    assert_true(isnan(f.job.nodes[0].loads[0].use));
    fixture_free(&f);
}

/* Of a launcher's end its tasks know nothing. */
static void front_is_where_the_command_was_started(void **state) {
    (void)state;
    struct fs_digest digests[3];
    struct fs_task tasks[3] = {{.pid = 7}, {.pid = 7}};
    struct fs_job job;
    for (int i = 0; i < 3; i++) {
        fs_digest_init(&digests[i]);
        digests[i].main_pid = 7;
        digests[i].status = 0;
        digests[i].tasks = &tasks[i];
        digests[i].task_count = 1;
    }
    digests[0].status = FS_UNKNOWN;
    digests[2].status = 3 << 8;
    assert_int_equal(fs_job_build(&job, digests, 3), 0);
    assert_ptr_equal(fs_job_front(&job), &digests[2]);
    fs_job_free(&job);

    tasks[2].pid = 7;
    assert_int_equal(fs_job_build(&job, digests, 3), 0);
    assert_ptr_equal(fs_job_front(&job), &digests[1]);
    fs_job_free(&job);
}

static void unknown_digest_yields_no_finding(void **state) {
    (void)state;
    struct fs_digest digest;
    struct fs_group group;
    struct fs_job job;
    struct fs_verdict verdict;
    fs_digest_init(&digest);
    fs_group_init(&group);
    group.workers_peak = group.workers = 4;
    group.cpu_ns = 10 * SECOND;
    digest.groups = &group;
    digest.group_count = 1;
    assert_int_equal(fs_job_build(&job, &digest, 1), 0);
    assert_int_equal(fs_judge(&job, NULL, &verdict), 0);
    for (size_t i = 0; i < verdict.count; i++)
        print_error("%s: %s\n", verdict.findings[i].rule->id, verdict.findings[i].title);
    assert_int_equal(verdict.count, 0);
    assert_true(verdict.unknown >= 6);
    fs_verdict_free(&verdict);
    fs_job_free(&job);
}

static void empty_job_yields_no_finding(void **state) {
    (void)state;
    struct fs_job job;
    struct fs_verdict verdict;
    assert_int_equal(fs_job_build(&job, NULL, 0), 0);
    assert_int_equal(fs_judge(&job, NULL, &verdict), 0);
    assert_int_equal(verdict.count, 0);
    fs_verdict_free(&verdict);
    fs_job_free(&job);
}

static char directory[] = "/tmp/forksight-model-XXXXXX";
static char digest_path[sizeof directory + 16];

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return -1;
    snprintf(digest_path, sizeof digest_path, "%s/node1.digest", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    unlink(digest_path);
    return rmdir(directory);
}

static void write_digest(void) {
    struct fixture f;
    fixture_clean(&f);
    f.digest.topology_hash = (char *)"abc";
    FILE *out = fopen(digest_path, "w");
    assert_non_null(out);
    assert_int_equal(fs_digest_write(&f.digest, out), 0);
    fclose(out);
    fixture_free(&f);
}

static int visit(const struct fs_node *node, void *context) {
    (void)context;
    assert_non_null(node->digest);
    return 0;
}

static void loads_what_was_written(void **state) {
    (void)state;
    char error[1024] = "";
    struct fs_job job;
    const char *const directories[] = {directory};
    write_digest();
    if (fs_job_load(&job, directories, 1, visit, NULL, error, sizeof error) != 0)
        print_error("%s\n", error);
    assert_int_equal(job.node_count, 1);
    assert_string_equal(job.nodes[0].digest->host, "node1");
    assert_int_equal(job.nodes[0].load_count, 1);
    assert_int_equal(job.nodes[0].loads[0].cores, 2);
    fs_job_free(&job);
}

static void refuses_what_is_no_record(void **state) {
    (void)state;
    char error[1024] = "";
    struct fs_job job;
    const char *const missing[] = {"/nonexistent/job"}, *const present[] = {directory},
                      *const file[] = {digest_path};
    assert_int_equal(fs_job_load(&job, missing, 1, visit, NULL, error, sizeof error), -1);
    assert_non_null(strstr(error, "No such file"));
    write_digest();
    assert_int_equal(fs_job_load(&job, file, 1, visit, NULL, error, sizeof error), -1);
    assert_non_null(strstr(error, "Not a directory"));

    FILE *out = fopen(digest_path, "w");
    fputs("not a digest\n", out);
    fclose(out);
    assert_int_equal(fs_job_load(&job, present, 1, visit, NULL, error, sizeof error), -1);
    assert_non_null(strstr(error, digest_path));
    assert_null(strchr(error, '\n'));

    struct stat about;
    write_digest();
    assert_int_equal(stat(digest_path, &about), 0);
    assert_int_equal(truncate(digest_path, about.st_size / 2), 0);
    assert_int_equal(fs_job_load(&job, present, 1, visit, NULL, error, sizeof error), -1);
    unlink(digest_path);
    assert_int_equal(fs_job_load(&job, present, 1, visit, NULL, error, sizeof error), -1);
    assert_int_not_equal(strlen(error), 0);
}

static void report_goes_to_a_file(void **state) {
    (void)state;
    char output[] = "/tmp/forksight-report-XXXXXX", line[128] = "";
    close(mkstemp(output));
    write_digest();
    char *argv[] = {(char *)"report", (char *)"-o", output, directory, NULL};
    assert_int_equal(fs_cmd_report(4, argv), FS_REPORT_OK);
    FILE *in = fopen(output, "r");
    assert_non_null(fgets(line, sizeof line, in));
    assert_int_equal(strncmp(line, "forksight ", 10), 0);
    fclose(in);
    unlink(output);
}

static void report_usage(void **state) {
    (void)state;
    static const struct {
        const char *argument, *other;
        int status;
    } cases[] = {
        {"--nonsense", directory, FS_REPORT_USAGE},
        {"--top=0", directory, FS_REPORT_USAGE},
        {"--color=blue", directory, FS_REPORT_USAGE},
        {"--format=pdf", directory, FS_REPORT_USAGE},
        {"--threshold=X.y=1", directory, FS_REPORT_USAGE},
        {"--config=/nonexistent", directory, FS_REPORT_USAGE},
        {"-o", NULL, FS_REPORT_USAGE},
        {"--top=3", NULL, FS_REPORT_USAGE},
        {"/nonexistent", NULL, FS_REPORT_NO_DATA},
        {"-o/nonexistent/file", directory, FS_REPORT_NO_DATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *argv[] = {(char *)"report", (char *)cases[i].argument, (char *)cases[i].other, NULL};
        assert_int_equal(fs_cmd_report(cases[i].other ? 3 : 2, argv), cases[i].status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities),
        cmocka_unit_test(front_is_where_the_command_was_started),
        cmocka_unit_test(unknown_digest_yields_no_finding),
        cmocka_unit_test(empty_job_yields_no_finding),
        cmocka_unit_test(loads_what_was_written),
        cmocka_unit_test(refuses_what_is_no_record),
        cmocka_unit_test(report_goes_to_a_file),
        cmocka_unit_test(report_usage),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
