/* cmd_report.c - `forksight report`: reads job directories, judges, prints. */
#include "report/commands.h"
#include "report/judge.h"
#include "report/print/text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
    "Usage: forksight report [OPTION]... DIR...\n"
    "Judges a recorded job and prints verdict, evidence, cause and fix.\n\n"
    "  -o, --output FILE            write to FILE instead of standard output\n"
    "      --format text            the form of the report\n"
    "      --rules                  also what every rule came to, with the reason\n"
    "      --top N                  print N findings in full (3), without a limit of lines\n"
    "      --threshold RULE.NAME=VALUE\n"
    "                               override a number that a rule compares with\n"
    "      --config FILE            read such overrides, a line each (FORKSIGHT_CONFIG)\n"
    "      --color WHEN             auto, always or never\n"
    "  -h, --help                   this text\n\n"
    "Exit status: 0 printed, 2 wrong usage, 3 no or incomplete data.\n";

/* The option decides, then NO_COLOR, CLICOLOR_FORCE, the terminal. */
static bool want_color(enum fs_color color, FILE *out) {
    const char *none = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"),
               *term = getenv("TERM");
    if (color != FS_COLOR_AUTO) return color == FS_COLOR_ALWAYS;
    if (none && *none) return false;
    if (force && *force && strcmp(force, "0") != 0) return true;
    return isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
}

/* One line on stderr; names of files in it may hold anything. */
static int complain(int status, const char *text) {
    struct fs_arena arena = {0};
    fprintf(stderr, "forksight report: %s\n", fs_harmless(&arena, text, false));
    fs_arena_free(&arena);
    return status;
}

/* The defaults and what config (or FORKSIGHT_CONFIG) overrides; NULL: told on stderr. */
static struct fs_thresholds *make_thresholds(const char *config) {
    char error[PATH_MAX + 256];
    struct fs_thresholds *thresholds = fs_thresholds_new();
    if (!config) config = getenv("FORKSIGHT_CONFIG");
    if (!thresholds) {
        complain(0, strerror(errno));
        return NULL;
    }
    if (!config || !*config || fs_thresholds_read(thresholds, config, error, sizeof error) == 0)
        return thresholds;
    complain(0, error);
    fs_thresholds_free(thresholds);
    return NULL;
}

struct judgement {
    struct fs_verdict verdict;
    const struct fs_thresholds *thresholds;
};

static int judge_node(const struct fs_node *node, void *context) {
    struct judgement *judgement = context;
    return fs_judge_node(&judgement->verdict, node, judgement->thresholds);
}

static int print_job(const struct fs_job *job, struct judgement *judgement, const char *directory,
                     FILE *out, const struct fs_report_options *options) {
    setlocale(LC_CTYPE, "");
    const struct fs_text_options text = {
        .directory = directory,
        .top = options->top,
        .rules = options->rules,
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .color = want_color(options->color, out),
    };
    if (fs_judge_end(&judgement->verdict, &job->totals) < 0) return -1;
    return fs_text_print(job, &judgement->verdict, out, &text);
}

int fs_report_print(const char *const *directories, size_t count, FILE *out,
                    const struct fs_report_options *options) {
    static const struct fs_report_options defaults = {0};
    char error[PATH_MAX + 512];
    struct fs_job job;
    struct fs_thresholds *own = NULL;
    int status = FS_REPORT_OK;

    if (!options) options = &defaults;
    if (!options->thresholds && !(own = make_thresholds(NULL))) return FS_REPORT_USAGE;
    struct judgement judgement = {.thresholds = own ? own : options->thresholds};
    if (fs_job_load(&job, directories, count, judge_node, &judgement, error, sizeof error) < 0) {
        fs_verdict_free(&judgement.verdict);
        fs_thresholds_free(own);
        return complain(FS_REPORT_NO_DATA, error);
    }
    if (print_job(&job, &judgement, directories[0], out, options) < 0) {
        snprintf(error, sizeof error,
                 "cannot write the report: %s; free some space or give -o FILE", strerror(errno));
        status = complain(FS_REPORT_NO_DATA, error);
    }
    fs_verdict_free(&judgement.verdict);
    fs_job_free(&job);
    fs_thresholds_free(own);
    return status;
}

struct arguments {
    struct fs_report_options options;
    const char *output, *config;
    const char **overrides; /* in order; the table is as long as argv */
    size_t override_count;
};

static int parse_count(const char *text, int *count) {
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > 100000) return -1;
    *count = (int)number;
    return 0;
}

static int parse_color(const char *text, enum fs_color *color) {
    static const char *const names[] = {
        [FS_COLOR_AUTO] = "auto", [FS_COLOR_ALWAYS] = "always", [FS_COLOR_NEVER] = "never"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *color = (enum fs_color)i;
        return 0;
    }
    return -1;
}

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments) {
    enum { FORMAT = 256, RULES, TOP, THRESHOLD, CONFIG, COLOR };
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"format", required_argument, NULL, FORMAT},
        {"rules", no_argument, NULL, RULES},
        {"top", required_argument, NULL, TOP},
        {"config", required_argument, NULL, CONFIG},
        {"threshold", required_argument, NULL, THRESHOLD},
        {"color", optional_argument, NULL, COLOR},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
        const char *value = optarg ? optarg : "";
        switch (option) {
        case 'o':
            arguments->output = value;
            break;
        case FORMAT:
            if (strcmp(value, "text") == 0) break;
            return complain(FS_REPORT_USAGE, "unknown format; use --format text");
        case RULES:
            arguments->options.rules = true;
            break;
        case TOP:
            if (parse_count(value, &arguments->options.top) == 0) break;
            return complain(FS_REPORT_USAGE, "--top wants a number of 1 or more");
        case THRESHOLD:
            arguments->overrides[arguments->override_count++] = value;
            break;
        case CONFIG:
            arguments->config = value;
            break;
        case COLOR:
            if (parse_color(optarg ? value : "always", &arguments->options.color) == 0) break;
            return complain(FS_REPORT_USAGE, "--color wants auto, always or never");
        case 'h':
            return fputs(usage_text, stdout) < 0 || fflush(stdout) ? FS_REPORT_NO_DATA
                                                                   : FS_REPORT_OK;
        default:
            fprintf(stderr, "forksight report: %s '%s'; see forksight report --help\n",
                    option == ':' ? "nothing follows option" : "unknown option", argv[optind - 1]);
            return FS_REPORT_USAGE;
        }
    }
    return optind < argc ? -1
                         : complain(FS_REPORT_USAGE,
                                    "no job directory; give the one that `forksight run` named");
}

/* The report appears under its name whole or not at all. */
static int report_to_file(const char *const *directories, size_t count,
                          const struct arguments *arguments) {
    char temporary[PATH_MAX], message[PATH_MAX + 128];
    const char *path = arguments->output;
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
        return complain(FS_REPORT_USAGE, "the name of the output file is too long");
    const int descriptor = mkostemp(temporary, O_CLOEXEC);
    FILE *out = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (!out) {
        snprintf(message, sizeof message, "cannot write '%s': %s; give another -o FILE", path,
                 strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return complain(FS_REPORT_NO_DATA, message);
    }
    int status = fs_report_print(directories, count, out, &arguments->options);
    if (fclose(out) != 0 && status == FS_REPORT_OK) status = FS_REPORT_NO_DATA;
    if (status == FS_REPORT_OK && rename(temporary, path) == 0) return FS_REPORT_OK;
    if (status == FS_REPORT_OK) {
        snprintf(message, sizeof message, "cannot write '%s': %s; give another -o FILE", path,
                 strerror(errno));
        status = complain(FS_REPORT_NO_DATA, message);
    }
    unlink(temporary);
    return status;
}

static int run_report(int argc, char **argv, struct arguments *arguments) {
    char error[256];
    int status = parse_arguments(argc, argv, arguments);
    if (status >= 0) return status;

    struct fs_thresholds *thresholds = make_thresholds(arguments->config);
    if (!thresholds) return FS_REPORT_USAGE;
    for (size_t i = 0; i < arguments->override_count; i++) {
        if (fs_thresholds_set(thresholds, arguments->overrides[i], error, sizeof error) == 0)
            continue;
        fs_thresholds_free(thresholds);
        return complain(FS_REPORT_USAGE, error);
    }
    arguments->options.thresholds = thresholds;
    const char *const *directories = (const char *const *)(argv + optind);
    const size_t count = (size_t)(argc - optind);
    status = arguments->output ? report_to_file(directories, count, arguments)
                               : fs_report_print(directories, count, stdout, &arguments->options);
    fs_thresholds_free(thresholds);
    return status;
}

int fs_cmd_report(int argc, char **argv) {
    struct arguments arguments = {.overrides = calloc((size_t)argc + 1, sizeof(char *))};
    if (!arguments.overrides) return complain(FS_REPORT_NO_DATA, strerror(errno));
    const int status = run_report(argc, argv, &arguments);
    free(arguments.overrides);
    return status;
}
