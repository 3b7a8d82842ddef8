/* cmd_report.c - `forksight report`: reads job directories, judges, prints. */
#include "report/commands.h"
#include "report/inputs.h"
#include "report/judge.h"
#include "report/options.h"
#include "report/output.h"
#include "report/print/json.h"
#include "report/print/text.h"
#include "tracer/text.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char command_name[] = "report";
static const char usage_text[] =
    "Usage: forksight report [OPTION]... DIR...\n"
    "Judges a recorded job and prints verdict, evidence, cause and fix.\n\n"
    "  -o, --output FILE         write to FILE instead of standard output; of several\n"
    "                            formats to FILE.txt, FILE.json, or, when it is a\n"
    "                            directory, to report.txt, report.json in it\n"
    "      --format LIST         forms of the report: text, json, or text,json\n" FS_PRINT_HELP
    "  -h, --help                this text\n\n"
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

/* A judged job, and how to print it. */
struct report {
    struct fs_job job;
    struct fs_verdict verdict;
    const char *directory; /* the first one */
    const struct fs_report_options *options;
};

static int write_text(FILE *out, void *data) {
    const struct report *report = data;
    setlocale(LC_CTYPE, "");
    const struct fs_text_options text = {
        .directory = report->options->unnamed ? NULL : report->directory,
        .top = report->options->top,
        .rules = report->options->rules,
        .verbose = report->options->verbose,
        .charset = fs_terminal_charset(),
        .color = want_color(report->options->color, out),
    };
    return fs_text_print(&report->job, &report->verdict, out, &text);
}

static int write_json(FILE *out, void *data) {
    const struct report *report = data;
    return fs_json_print(&report->job, &report->verdict, out);
}

static const struct {
    const char *name, *ending;
    int (*write)(FILE *out, void *data);
} formats[] = {
    {"text", ".txt", write_text},
    {"json", ".json", write_json},
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats, FORMAT_TEXT = 1 };

/* Loads and judges. FS_REPORT_OK, or what went wrong was told. */
static int open_report(struct report *report, const char *const *directories, size_t count,
                       const struct fs_report_options *options,
                       const struct fs_thresholds *thresholds) {
    char error[PATH_MAX + 512];
    *report = (struct report){.directory = directories[0], .options = options};
    if (fs_load_and_judge(&report->job, &report->verdict, directories, count, thresholds, error,
                          sizeof error) == 0)
        return FS_REPORT_OK;
    return fs_complain(command_name, FS_REPORT_NO_DATA, error);
}

static void close_report(struct report *report) {
    fs_verdict_free(&report->verdict);
    fs_job_free(&report->job);
}

/* path NULL: to out. */
static int write_report(struct report *report, size_t format, const char *path, FILE *out) {
    char error[PATH_MAX + 256];
    const int result = path ? fs_output_write(path, formats[format].write, report)
                            : formats[format].write(out, report);
    if (result == 0) return FS_REPORT_OK;
    fs_output_error(path ? path : "the report", error, sizeof error);
    return fs_complain(command_name, FS_REPORT_NO_DATA, error);
}

int fs_report_print(const char *const *directories, size_t count, FILE *out,
                    const struct fs_report_options *options) {
    static const struct fs_report_options defaults = {0};
    struct fs_thresholds *own = NULL;
    struct report report;

    if (!options) options = &defaults;
    if (!options->thresholds && !(own = fs_make_thresholds(command_name, NULL, NULL, 0)))
        return FS_REPORT_USAGE;
    int status = open_report(&report, directories, count, options, own ? own : options->thresholds);
    if (status == FS_REPORT_OK) {
        status = write_report(&report, 0, NULL, out);
        close_report(&report);
    }
    fs_thresholds_free(own);
    return status;
}

struct arguments {
    struct fs_report_options options;
    const char *output, *config;
    unsigned formats;       /* bits: numbers in the table */
    const char **overrides; /* in order; the table is as long as argv */
    size_t override_count;
};

/* A list of names with commas. */
static int parse_formats(const char *text, unsigned *bits) {
    *bits = 0;
    for (const char *name = text;; name++) {
        const size_t length = strcspn(name, ",");
        size_t i = 0;
        while (i < FORMAT_COUNT && !fs_text_is(name, length, formats[i].name))
            i++;
        if (i == FORMAT_COUNT) return -1;
        *bits |= 1u << i;
        name += length;
        if (!*name) return 0;
    }
}

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

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    FS_PRINT_OPTIONS,
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments) {
    const char *wrong = NULL;
    int option;
    optind = 0;
    opterr = 0;
    while (!wrong && (option = getopt_long(argc, argv, ":o:vh", long_options, NULL)) != -1) {
        const char *value = optarg ? optarg : "";
        switch (option) {
        case 'o':
            arguments->output = value;
            break;
        case FS_OPTION_FORMAT:
            if (parse_formats(value, &arguments->formats) < 0)
                wrong = "unknown format; use --format text, json, or text,json";
            break;
        case FS_OPTION_RULES:
            arguments->options.rules = true;
            break;
        case 'v':
            arguments->options.verbose = true;
            break;
        case FS_OPTION_TOP:
            if (parse_count(value, &arguments->options.top) < 0)
                wrong = "--top wants a number of 1 or more";
            break;
        case FS_OPTION_THRESHOLD:
            arguments->overrides[arguments->override_count++] = value;
            break;
        case FS_OPTION_CONFIG:
            arguments->config = value;
            break;
        case FS_OPTION_COLOR:
            if (parse_color(optarg ? value : "always", &arguments->options.color) < 0)
                wrong = "--color wants auto, always or never";
            break;
        case 'h':
            return fputs(usage_text, stdout) < 0 || fflush(stdout) ? FS_REPORT_NO_DATA
                                                                   : FS_REPORT_OK;
        default:
            return fs_complain_option(command_name, option, argv);
        }
    }
    if (!wrong && optind == argc)
        wrong = "no job directory; give the one that `forksight run` named";
    if (!wrong && !arguments->output && (arguments->formats & (arguments->formats - 1)))
        wrong = "several formats want a place: -o DIR, or -o NAME for NAME.txt and NAME.json";
    return wrong ? fs_complain(command_name, FS_REPORT_USAGE, wrong) : -1;
}

/* Where a format goes: output itself, or beside the others. */
static int make_path(const char *output, size_t format, bool several, char path[PATH_MAX]) {
    struct stat about;
    const size_t length = strlen(output);
    int needed;
    if (stat(output, &about) == 0 && S_ISDIR(about.st_mode)) {
        needed = snprintf(path, PATH_MAX, "%s/report%s", output, formats[format].ending);
    } else if (several) {
        size_t stem = length;
        for (size_t i = 0; i < FORMAT_COUNT && stem == length; i++) {
            const size_t ending = strlen(formats[i].ending);
            if (length > ending && strcmp(output + length - ending, formats[i].ending) == 0)
                stem = length - ending;
        }
        needed = snprintf(path, PATH_MAX, "%.*s%s", (int)stem, output, formats[format].ending);
    } else {
        needed = snprintf(path, PATH_MAX, "%s", output);
    }
    return needed < PATH_MAX ? 0 : -1;
}

static int write_formats(struct report *report, const struct arguments *arguments) {
    const unsigned bits = arguments->formats;
    char path[PATH_MAX];
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (!(bits & 1u << i)) continue;
        if (arguments->output &&
            make_path(arguments->output, i, (bits & (bits - 1)) != 0, path) < 0)
            return fs_complain(command_name, FS_REPORT_USAGE,
                               "the name of the output file is too long");
        const int status = write_report(report, i, arguments->output ? path : NULL, stdout);
        if (status != FS_REPORT_OK) return status;
    }
    return FS_REPORT_OK;
}

static int run_report(int argc, char **argv, struct arguments *arguments) {
    struct report report;
    int status = parse_arguments(argc, argv, arguments);
    if (status >= 0) return status;

    struct fs_thresholds *thresholds = fs_make_thresholds(
        command_name, arguments->config, arguments->overrides, arguments->override_count);
    if (!thresholds) return FS_REPORT_USAGE;
    status = open_report(&report, (const char *const *)(argv + optind), (size_t)(argc - optind),
                         &arguments->options, thresholds);
    if (status == FS_REPORT_OK) {
        status = write_formats(&report, arguments);
        close_report(&report);
    }
    fs_thresholds_free(thresholds);
    return status;
}

static int report_as(int argc, char **argv, bool unnamed) {
    struct arguments arguments = {.overrides = calloc((size_t)argc + 1, sizeof(char *)),
                                  .formats = FORMAT_TEXT,
                                  .options.unnamed = unnamed};
    if (!arguments.overrides) return fs_complain(command_name, FS_REPORT_NO_DATA, strerror(errno));
    const int status = run_report(argc, argv, &arguments);
    free(arguments.overrides);
    return status;
}

int fs_cmd_report(int argc, char **argv) {
    return report_as(argc, argv, false);
}

int fs_cmd_report_unnamed(int argc, char **argv) {
    return report_as(argc, argv, true);
}
