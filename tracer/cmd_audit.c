/*
 * cmd_audit.c - forksight audit: looks at a job that runs, without touching it, and reports.
 */
#include "tracer/commands.h"

#include "report/commands.h"
#include "report/inputs.h"
#include "report/options.h"
#include "tracer/audit.h"
#include "tracer/audit_job.h"
#include "tracer/audit_targets.h"
#include "tracer/capture.h"
#include "tracer/captured.h"
#include "tracer/clock.h"
#include "tracer/scheduler.h"
#include "tracer/steps.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char command_name[] = "audit";
static const double window_default = 3, window_least = 0.2, window_most = 3600;

static const char help[] =
    "Usage: forksight audit [OPTION]... PID...\n"
    "       forksight audit [OPTION]... JOBID[.STEP]\n"
    "       forksight audit [OPTION]... --user NAME\n"
    "\n"
    "Looks at processes that run already, and at all their descendants, for some\n"
    "seconds, and prints what is wrong with them. Nothing is loaded into them and\n"
    "nothing is stopped. What only a recorded run can tell is unknown. A number is a\n"
    "process if there is one, else a job of Slurm, looked at on all its nodes.\n"
    "\n"
    "      --user NAME           all processes of a user (your own)\n"
    "      --job JOBID[.STEP]    a job of Slurm, also if a process has that number\n"
    "      --node JOBID[.STEP]   a job's processes on this node only\n"
    "      --window SECONDS      how long to look (default 3)\n"
    "      --stacks              read the stacks of processes that make no progress;\n"
    "                            holds each of their threads for some microseconds\n"
    "  -o, --output DIR          keep what was seen in DIR, new or empty, for\n"
    "                            `forksight report DIR`\n"
    "      --format FORM         text (default) or json\n" FS_PRINT_HELP
    "      --capture             only copy what would be looked at into the directory\n"
    "                            of -o, for --root elsewhere\n"
    "      --root DIR            look at a captured system instead of this one;\n"
    "                            without PID at the processes it was captured for\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit status: 0 printed, 2 wrong usage, 3 no such process, or not yours to read.\n";

enum { USER = 256, JOB, NODE, WINDOW, STACKS, CAPTURE, ROOT };
static const struct option long_options[] = {
    {"user", required_argument, NULL, USER},
    {"job", required_argument, NULL, JOB},
    {"node", required_argument, NULL, NODE},
    {"window", required_argument, NULL, WINDOW},
    {"stacks", no_argument, NULL, STACKS},
    {"output", required_argument, NULL, 'o'},
    {"capture", no_argument, NULL, CAPTURE},
    FS_PRINT_OPTIONS,
    {"root", required_argument, NULL, ROOT},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct options {
    struct fs_audit_options audit;
    const char *user, *node, *job;
    bool capture;
    /* For the report: its own command line, for it knows its options. */
    char **report;
    int report_count;
};

static void pass_on(struct options *options, const char *name, const char *value) {
    options->report[options->report_count++] = (char *)(uintptr_t)name;
    if (value) options->report[options->report_count++] = (char *)(uintptr_t)value;
}

static int set_window(struct options *options, const char *text) {
    char *end;
    errno = 0;
    const double seconds = strtod(text, &end);

    if (errno || end == text || *end || !(seconds >= window_least) || seconds > window_most)
        return -1;
    options->audit.window_ns = (int64_t)llround(seconds * 1e9);
    return 0;
}

/* With its dashes. */
static const char *option_name(int letter) {
    static const char *const names[] = {
        [0] = "--threshold",
        [FS_OPTION_CONFIG - FS_OPTION_THRESHOLD] = "--config",
        [FS_OPTION_FORMAT - FS_OPTION_THRESHOLD] = "--format",
        [FS_OPTION_RULES - FS_OPTION_THRESHOLD] = "--rules",
        [FS_OPTION_TOP - FS_OPTION_THRESHOLD] = "--top",
    };
    return names[letter - FS_OPTION_THRESHOLD];
}

/* NULL, or what is wrong. */
static const char *take_option(struct options *options, int letter, const char *value) {
    if (letter == USER) {
        options->user = value;
    } else if (letter == JOB) {
        options->job = value;
    } else if (letter == NODE) {
        options->node = value;
    } else if (letter == WINDOW) {
        if (set_window(options, value) != 0) return "--window wants 0.2 to 3600 seconds";
    } else if (letter == STACKS) {
        options->audit.stacks = true;
    } else if (letter == 'o') {
        options->audit.directory = value;
    } else if (letter == CAPTURE) {
        options->capture = true;
    } else if (letter == ROOT) {
        options->audit.root = value;
    } else if (letter == 'v') {
        pass_on(options, "--verbose", NULL);
    } else if (letter == FS_OPTION_COLOR) {
        pass_on(options, "--color", NULL); /* its value is optional: in one word */
        if (!value) return NULL;
        if (asprintf(&options->report[options->report_count - 1], "--color=%s", value) < 0)
            return "out of memory";
    } else if (letter == FS_OPTION_FORMAT && strcmp(value, "text") != 0 &&
               strcmp(value, "json") != 0) {
        return "--format wants text or json";
    } else {
        pass_on(options, option_name(letter), value);
    }
    return NULL;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct options *options) {
    const char *wrong = NULL;
    int letter;

    optind = 0;
    opterr = 0;
    while (!wrong && (letter = getopt_long(argc, argv, ":o:vh", long_options, NULL)) != -1) {
        if (letter == 'h') return fputs(help, stdout) < 0 || fflush(stdout) ? 3 : FS_EXIT_OK;
        if (letter == '?' || letter == ':') return fs_complain_option(command_name, letter, argv);
        wrong = take_option(options, letter, optarg);
    }
    const int kinds = (optind < argc) + (options->user != NULL) + (options->node != NULL) +
                      (options->job != NULL);
    const bool captured = options->audit.root && *options->audit.root;
    if (!wrong && kinds == 0 && !captured)
        wrong = "nothing to look at; give process ids, a job, or --user NAME";
    if (!wrong && kinds > 1) wrong = "either process ids, or a job, or --user NAME";
    if (!wrong && options->node && !options->audit.directory) wrong = "--node wants -o DIR";
    if (!wrong && captured && (options->node || options->job || options->capture))
        wrong = "--root looks at processes or a user's, and copies nothing";
    if (!wrong && options->capture && (options->node || options->job))
        wrong = "--capture copies processes of this node, not a job; name them";
    return wrong ? fs_complain(command_name, FS_REPORT_USAGE, wrong) : -1;
}

static bool has_slurm(void) {
    const char *path = getenv("PATH"), *conf = getenv("SLURM_CONF");
    char file[PATH_MAX];

    if ((!conf || !*conf) && access("/etc/slurm/slurm.conf", R_OK) != 0) return false;
    for (const char *folder = path; folder && *folder; folder += *folder == ':') {
        const size_t length = strcspn(folder, ":");
        snprintf(file, sizeof file, "%.*s/srun", (int)length, folder);
        if (access(file, X_OK) == 0) return true;
        folder += length;
    }
    return false;
}

/* A word that is a job: it names a step, or is the number of no process here. */
static bool is_job(const struct options *options, char *const *words) {
    char job[FS_JOB_NAME_SIZE], step[FS_JOB_NAME_SIZE], path[64];

    if (*options->audit.root || options->capture || !words[0] || words[1] ||
        fs_job_name(words[0], job, step) != 0)
        return false;
    if (*step) return true;
    snprintf(path, sizeof path, "/proc/%.20s", job);
    return access(path, F_OK) != 0 && has_slurm();
}

static int find_targets(struct options *options, char *const *words, struct fs_pids_list *list) {
    const char *root = options->audit.root;
    char error[FS_ERROR_SIZE];
    int result = 0;

    if (*root && fs_captured_check(root, error, sizeof error) != 0)
        return fs_complain(command_name, FS_REPORT_NO_DATA, error);
    if (options->job) {
        char job[FS_JOB_NAME_SIZE], step[FS_JOB_NAME_SIZE];
        if (fs_job_name(options->job, job, step) == 0) return FS_EXIT_OK;
        return fs_complain(command_name, FS_REPORT_USAGE, "--job wants JOBID or JOBID.STEP");
    }
    if (!options->user && !options->node && is_job(options, words)) {
        options->job = *words;
        return FS_EXIT_OK;
    }
    if (options->node) { result = fs_target_job(options->node, list, error, sizeof error); }
    if (*root && !options->user && !*words)
        result = fs_target_captured(root, list, error, sizeof error);
    if (options->user) result = fs_target_user(root, options->user, list, error, sizeof error);
    for (; !options->user && *words && result == 0; words++)
        result = fs_target_pid(root, *words, list, error, sizeof error);
    if (result == 0) return FS_EXIT_OK;
    return fs_complain(command_name, errno == EINVAL ? FS_REPORT_USAGE : FS_REPORT_NO_DATA, error);
}

/* The directory that was asked for, or one that goes away with the report. */
static int make_directory(const struct options *options, struct fs_jobdir *job) {
    const char *place = getenv("TMPDIR"), *wanted = options->audit.directory;
    char error[FS_ERROR_SIZE], name[PATH_MAX] = "";

    if (options->node) { /* made by who started one of us on each node */
        char path[PATH_MAX];
        if (realpath(wanted, path)) return fs_jobdir_join(job, path, ""), FS_EXIT_OK;
        snprintf(error, sizeof error, "cannot write into %.200s: %s; it must be on all nodes",
                 wanted, strerror(errno));
        return fs_complain(command_name, FS_REPORT_NO_DATA, error);
    }
    if (!wanted) {
        /* All nodes of a job must see it: here, that is where the user works. */
        if (options->job) place = ".";
        snprintf(name, sizeof name, "%s/forksight-audit-XXXXXX", place && *place ? place : "/tmp");
        if (!mkdtemp(name)) {
            snprintf(error, sizeof error, "cannot make %s: %s; name a place with -o DIR", name,
                     strerror(errno));
            return fs_complain(command_name, FS_REPORT_NO_DATA, error);
        }
    }
    if (fs_jobdir_make(job, wanted ? wanted : name, error, sizeof error) == 0) return FS_EXIT_OK;
    if (!wanted) rmdir(name);
    return fs_complain(command_name, FS_REPORT_NO_DATA, error);
}

static void remove_directory(struct fs_jobdir *job) {
    snprintf(job->folder, sizeof job->folder, "%s", job->path);
    fs_folder_remove(job);
}

static int report(struct options *options, const struct fs_jobdir *job) {
    pass_on(options, "--", NULL);
    pass_on(options, job->path, NULL);
    return options->audit.directory ? fs_cmd_report(options->report_count, options->report)
                                    : fs_cmd_report_unnamed(options->report_count, options->report);
}

static int own_step(const struct options *options) {
    char job[FS_JOB_NAME_SIZE], step[FS_JOB_NAME_SIZE];
    const bool named = options->node && fs_job_name(options->node, job, step) == 0;
    const char *own = named ? fs_own_step(job) : NULL;

    return own ? fs_count_of(own) : FS_UNKNOWN;
}

static int audit(struct options *options, const struct fs_pids_list *list) {
    struct fs_jobdir job;
    char error[FS_ERROR_SIZE];
    int status = make_directory(options, &job);

    if (status != FS_EXIT_OK) return status;
    options->audit.part = options->node != NULL;
    options->audit.step = own_step(options);
    options->audit.progress = !options->job && isatty(STDERR_FILENO);
    options->audit.siblings = !options->user;
    const int result =
        options->job ? fs_audit_job(&options->audit, options->job, &job, error, sizeof error)
                     : fs_audit(&options->audit, list->pid, list->count, &job, error, sizeof error);
    if (options->node) {
        if (result != 0) status = fs_complain(command_name, FS_REPORT_NO_DATA, error);
        return status;
    }
    if (result != 0) {
        status = fs_complain(command_name, FS_REPORT_NO_DATA, error);
        if (options->audit.directory) fs_jobdir_undo(&job);
    } else {
        status = report(options, &job);
    }
    if (!options->audit.directory) remove_directory(&job);
    return status;
}

static int capture(const struct options *options, const struct fs_pids_list *list) {
    struct fs_jobdir job;
    char error[FS_ERROR_SIZE];
    size_t processes;

    if (fs_jobdir_make(&job, options->audit.directory, error, sizeof error) != 0)
        return fs_complain(command_name, FS_REPORT_NO_DATA, error);
    if (fs_capture(job.path, list->pid, list->count, options->audit.window_ns, &processes, error,
                   sizeof error) != 0)
        return fs_complain(command_name, FS_REPORT_NO_DATA, error);
    printf("%zu process%s captured; look at it with: forksight audit --root %s\n", processes,
           processes == 1 ? "" : "es", job.path);
    return fflush(stdout) ? FS_REPORT_NO_DATA : FS_EXIT_OK;
}

int fs_cmd_audit(int argc, char **argv) {
    struct options options = {.audit = {.window_ns = (int64_t)(window_default * 1e9), .root = ""}};
    struct fs_pids_list list = {0};

    options.report = calloc((size_t)argc * 2 + 8, sizeof *options.report);
    if (!options.report) return fs_complain(command_name, FS_REPORT_NO_DATA, strerror(errno));
    pass_on(&options, "report", NULL);
    int status = parse(argc, argv, &options);
    if (status < 0) {
        status = find_targets(&options, argv + optind, &list);
        if (status == FS_EXIT_OK)
            status = options.capture ? capture(&options, &list) : audit(&options, &list);
    }
    fs_pids_list_free(&list);
    free(options.report);
    return status;
}
