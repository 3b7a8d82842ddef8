/* cmd_check.c - `forksight check`: a recorded job held against what a test system asks. */
#include "report/commands.h"
#include "report/gate.h"
#include "report/inputs.h"
#include "report/options.h"
#include "report/output.h"
#include "report/print/junit.h"
#include "report/print/page.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char command_name[] = "check";
static const char usage_text[] =
    "Usage: forksight check [OPTION]... DIR...\n"
    "Says by its exit status whether a recorded job is as it should be. Prints a line\n"
    "of numbers, and a line for each condition that does not hold.\n\n"
    "      --fail-on LEVEL       findings that fail: error (default), warning, note\n"
    "                            or never\n"
    "      --max RULE=N          the rule may find something N times, whatever its\n"
    "                            level\n"
    "      --expect FILE         what must and must not be found, and what must have\n"
    "                            passed: a file of the form of\n"
    "                            kernels/expectations.json\n"
    "      --variant NAME        the entry of that file\n"
    "      --baseline FILE       findings of this JSON report are known: they do not\n"
    "                            fail\n"
    "      --policy FILE         a site's rules: fail-on, disable, thresholds\n"
    "      --junit FILE          also JUnit XML, a test case for each rule\n"
    "      --name NAME           of the job there (the variant's, or job)\n" FS_LIMIT_HELP
    "  -h, --help                this text\n\n"
    "Exit status: 0 all conditions hold, 1 one does not, 2 wrong usage, 3 data are\n"
    "incomplete or missing.\n";

enum { EXIT_FAILED = 1, EXIT_INCOMPLETE = FS_REPORT_NO_DATA };

struct arguments {
    const char *expect, *variant, *baseline, *policy, *junit, *name, *config;
    const char *fail_on;
    const char **overrides, **limits; /* in order; each table is as long as argv */
    size_t override_count, limit_count;
};

/* Everything that is asked of the job. */
struct request {
    struct fs_gate gate;
    struct fs_expectation expectation;
    struct fs_baseline baseline;
    struct fs_thresholds *thresholds;
    const char *name;
};

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {
        {"fail-on", required_argument, NULL, 'f'},
        {"max", required_argument, NULL, 'm'},
        {"expect", required_argument, NULL, 'e'},
        {"variant", required_argument, NULL, 'v'},
        {"baseline", required_argument, NULL, 'b'},
        {"policy", required_argument, NULL, 'p'},
        {"junit", required_argument, NULL, 'j'},
        {"name", required_argument, NULL, 'n'},
        FS_LIMIT_OPTIONS,
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const struct {
        int letter;
        const char **value;
    } values[] = {{'f', &arguments->fail_on}, {'e', &arguments->expect},
                  {'v', &arguments->variant}, {'b', &arguments->baseline},
                  {'p', &arguments->policy},  {'j', &arguments->junit},
                  {'n', &arguments->name},    {FS_OPTION_CONFIG, &arguments->config}};
    int option;
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(usage_text, stdout) < 0 || fflush(stdout) ? FS_REPORT_NO_DATA
                                                                   : FS_REPORT_OK;
        if (option == ':' || option == '?') return fs_complain_option(command_name, option, argv);
        if (option == FS_OPTION_THRESHOLD)
            arguments->overrides[arguments->override_count++] = optarg;
        if (option == 'm') arguments->limits[arguments->limit_count++] = optarg;
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            if (values[i].letter == option) *values[i].value = optarg;
    }
    if (optind < argc && !(arguments->variant && !arguments->expect)) return -1;
    return fs_complain(command_name, FS_REPORT_USAGE,
                       optind < argc
                           ? "--variant is an entry of a file; name the file with --expect"
                           : "no job directory; give the one that `forksight run` named");
}

/* RULE=N */
static int set_limit(struct fs_gate *gate, const char *text, char *error, size_t error_size) {
    const char *equals = strchr(text, '=');
    char id[16], *end = NULL;
    snprintf(id, sizeof id, "%.*s", equals ? (int)(equals - text) : 0, text);
    const struct fs_rule *rule = fs_rule_find(id);
    errno = 0;
    const long most = equals && equals[1] ? strtol(equals + 1, &end, 10) : -1;
    if (rule && end && !*end && !errno && most >= 0 && most <= INT_MAX) {
        gate->most[fs_rule_index(rule)] = (int)most;
        return 0;
    }
    snprintf(error, error_size, "--max wants RULE=N, such as PRC-03=2, not '%.60s'", text);
    return -1;
}

/* Files that say what is asked; -1: error says what is wrong. */
static int read_files(struct request *request, const struct arguments *arguments, char *error,
                      size_t error_size) {
    if (arguments->policy && fs_policy_read(&request->gate, request->thresholds, arguments->policy,
                                            error, error_size) < 0)
        return -1;
    if (arguments->expect) {
        if (fs_expectation_read(&request->expectation, arguments->expect, arguments->variant, error,
                                error_size) < 0)
            return -1;
        request->gate.expectation = &request->expectation;
    }
    if (!arguments->baseline) return 0;
    if (fs_baseline_read(&request->baseline, arguments->baseline, error, error_size) < 0) return -1;
    request->gate.baseline = &request->baseline;
    return 0;
}

/* What the command line asks outranks the files. FS_REPORT_OK, or it was told what is wrong. */
static int make_request(struct request *request, const struct arguments *arguments) {
    char error[PATH_MAX + 512];
    fs_gate_init(&request->gate);
    request->thresholds = fs_thresholds_new();
    if (!request->thresholds) return fs_complain(command_name, FS_REPORT_NO_DATA, strerror(errno));
    if (read_files(request, arguments, error, sizeof error) < 0)
        return fs_complain(command_name, FS_REPORT_USAGE, error);
    if (fs_override(request->thresholds, command_name, arguments->config, arguments->overrides,
                    arguments->override_count) < 0)
        return FS_REPORT_USAGE;
    if (arguments->fail_on && fs_fail_on_parse(arguments->fail_on, &request->gate.fail_on) < 0)
        return fs_complain(command_name, FS_REPORT_USAGE,
                           "--fail-on wants error, warning, note or never");
    for (size_t i = 0; i < arguments->limit_count; i++)
        if (set_limit(&request->gate, arguments->limits[i], error, sizeof error) < 0)
            return fs_complain(command_name, FS_REPORT_USAGE, error);
    request->name = arguments->name     ? arguments->name
                    : arguments->expect ? request->expectation.name
                                        : "job";
    return FS_REPORT_OK;
}

static int count_disabled(const struct fs_thresholds *thresholds) {
    int count = 0;
    for (int i = 0; i < FS_RULE_COUNT; i++)
        count += fs_disabled(thresholds, fs_rules[i]) != NULL;
    return count;
}

static void print_summary(const struct request *request, const struct fs_job *job,
                          const struct fs_verdict *verdict) {
    const int disabled = count_disabled(request->thresholds);
    printf("forksight-summary v=1 errors=%d warnings=%d notes=%d unknown=%d", verdict->errors,
           verdict->warnings, verdict->notes, verdict->unknown);
    if (isnan(job->totals.cpu_used)) /* some would print a sign */
        printf(" cpu_used=nan");
    else
        printf(" cpu_used=%.3f", job->totals.cpu_used);
    printf(" complete=%d", job->totals.complete);
    if (disabled > 0) printf(" disabled=%d", disabled);
    putchar('\n');
}

static void print_conditions(struct fs_arena *arena, const struct fs_gate_result *result) {
    enum { COLUMNS = 300 };
    for (size_t i = 0; i < result->count; i++) {
        const char *text = fs_harmless(arena, result->conditions[i].text, FS_ASCII);
        printf("%s: %s\n", result->conditions[i].unknown ? "unknown" : "failed",
               fs_text_cut(arena, text, COLUMNS, FS_ASCII));
    }
}

static int write_junit(FILE *out, void *data) {
    return fs_junit_print(data, out);
}

/* Status, or what it becomes when the file cannot be written. */
static int save_junit(const char *path, struct fs_junit *junit, int status) {
    char error[PATH_MAX + 256];
    if (!path || fs_output_write(path, write_junit, junit) == 0) return status;
    fs_output_error(path, error, sizeof error);
    return fs_complain(command_name, FS_REPORT_NO_DATA, error);
}

static int check_job(const struct request *request, const struct fs_job *job,
                     const struct fs_verdict *verdict, const char *junit_path) {
    struct fs_arena arena = {0};
    struct fs_gate_result result;
    fs_gate_hold(&request->gate, job, verdict, &arena, &result);
    int status = result.failed ? EXIT_FAILED : result.unknown ? EXIT_INCOMPLETE : FS_REPORT_OK;
    print_summary(request, job, verdict);
    print_conditions(&arena, &result);
    if (fflush(stdout) != 0 || arena.failed)
        status = fs_complain(command_name, FS_REPORT_NO_DATA,
                             arena.failed ? strerror(ENOMEM) : "cannot write to standard output");
    struct fs_junit junit = {
        .name = request->name, .job = job, .verdict = verdict, .result = &result};
    status = save_junit(junit_path, &junit, status);
    fs_arena_free(&arena);
    return status;
}

static int run_check(int argc, char **argv, struct arguments *arguments, struct request *request) {
    char error[PATH_MAX + 512];
    struct fs_job job;
    struct fs_verdict verdict;
    int status = parse_arguments(argc, argv, arguments);
    if (status >= 0) return status;
    status = make_request(request, arguments);
    if (status != FS_REPORT_OK) return status;
    if (fs_load_and_judge(&job, &verdict, (const char *const *)(argv + optind),
                          (size_t)(argc - optind), request->thresholds, error, sizeof error) < 0) {
        struct fs_junit junit = {.name = request->name, .no_data = error};
        fs_complain(command_name, 0, error);
        return save_junit(arguments->junit, &junit, FS_REPORT_NO_DATA);
    }
    status = check_job(request, &job, &verdict, arguments->junit);
    fs_verdict_free(&verdict);
    fs_job_free(&job);
    return status;
}

int fs_cmd_check(int argc, char **argv) {
    const size_t room = (size_t)argc + 1;
    const char **texts = calloc(2 * room, sizeof *texts);
    struct request request = {0};
    if (!texts) return fs_complain(command_name, FS_REPORT_NO_DATA, strerror(errno));
    struct arguments arguments = {.overrides = texts, .limits = texts + room};
    const int status = run_check(argc, argv, &arguments, &request);
    fs_baseline_free(&request.baseline);
    fs_thresholds_free(request.thresholds);
    free(texts);
    return status;
}
