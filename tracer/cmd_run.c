/*
 * cmd_run.c - forksight run: starts the job, collects while it runs, reports at its end.
 */
#include "tracer/commands.h"

#include "report/commands.h"
#include "report/options.h"
#include "report/thresholds.h"
#include "tracer/clock.h"
#include "tracer/collector.h"
#include "tracer/door.h"
#include "tracer/jobdir.h"
#include "tracer/launch.h"
#include "tracer/outer.h"
#include "tracer/rendezvous.h"
#include "tracer/run.h"
#include "tracer/supervise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Processes that outlive the main one by this much are worth a word. */
static const int64_t linger = 1200 * FS_MILLISECOND;
static const int64_t linger_step = 20 * FS_MILLISECOND;
static const long period_default_ms = 1000, period_least_ms = 20, period_most_ms = 60000;
static const long hang_default_s = 30, hang_most_s = 86400;

static const char help[] =
    "Usage: forksight run [OPTION]... -- CMD...\n"
    "\n"
    "Runs CMD, records its processes and threads, and prints at its end (to stderr)\n"
    "what is wrong with the job. The exit status is CMD's; 125: forksight failed and\n"
    "CMD was not started, 126: CMD cannot be executed, 127: CMD was not found.\n"
    "\n"
    "  -o, --output DIR          job directory, new or empty (default: FORKSIGHT_DIR,\n"
    "                            else forksight-<job or host-pid-time> here);\n"
    "                            %j job, %A_%a array_task, %s step, %h host, %p pid\n"
    "  -q, --quiet               record only; `forksight report DIR` prints\n" FS_LIMIT_HELP
    "      --no-env-repair       do not follow into programs that are started with an\n"
    "                            empty environment\n"
    "      --no-attach           never hold a process to read its stack\n"
    "      --hang-after SECONDS  a process that waits so long while others compute\n"
    "                            may hang: look at it (default 30)\n"
    "      --period MS           longest time between two samples (default 1000)\n"
    "  -h, --help                this text\n"
    "\n"
    "Environment: FORKSIGHT_DIR (as -o), FORKSIGHT_LOCAL_DIR (node-local place of\n"
    "the segments, default /dev/shm), FORKSIGHT_MAX_MB (their limit),\n"
    "FORKSIGHT_PERIOD (as --period), FORKSIGHT_NO_ATTACH (1: as --no-attach).\n";

int fs_run_complain(int status, const char *text) {
    fprintf(stderr, "forksight: %s\n", text);
    return status;
}

/* -1: no such period. */
static long parse_period(const char *text) {
    char *end;
    const long period = strtol(text, &end, 10);

    return *text && !*end && period >= period_least_ms && period <= period_most_ms ? period : -1;
}

static int set_period(struct fs_run_options *options, const char *text, const char *from) {
    char message[256];

    options->period_ms = parse_period(text);
    if (options->period_ms > 0) return 0;
    snprintf(message, sizeof message, "%s: \"%.80s\" is no period; give %ld to %ld milliseconds",
             from, text, period_least_ms, period_most_ms);
    fs_run_complain(FS_EXIT_USAGE, message);
    return -1;
}

static int set_hang(struct fs_run_options *options, const char *text) {
    char message[256], *end;

    options->hang_after_s = strtol(text, &end, 10);
    if (*text && !*end && options->hang_after_s >= 1 && options->hang_after_s <= hang_most_s)
        return 0;
    snprintf(message, sizeof message, "--hang-after: \"%.80s\" is no time; give 1 to %ld seconds",
             text, hang_most_s);
    fs_run_complain(FS_EXIT_USAGE, message);
    return -1;
}

enum { OPTION_NO_REPAIR = 256, OPTION_PERIOD, OPTION_NO_ATTACH, OPTION_HANG };
static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"quiet", no_argument, NULL, 'q'},
    FS_LIMIT_OPTIONS,
    {"no-env-repair", no_argument, NULL, OPTION_NO_REPAIR},
    {"no-attach", no_argument, NULL, OPTION_NO_ATTACH},
    {"hang-after", required_argument, NULL, OPTION_HANG},
    {"period", required_argument, NULL, OPTION_PERIOD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int set_limits(struct fs_run_options *options, int letter, const char *text) {
    char error[FS_ERROR_SIZE];

    if (!options->thresholds) options->thresholds = fs_thresholds_new();
    if (!options->thresholds) return fs_run_complain(FS_EXIT_FAILED, "out of memory"), -1;
    const int result = letter == FS_OPTION_CONFIG
                           ? fs_thresholds_read(options->thresholds, text, error, sizeof error)
                           : fs_thresholds_set(options->thresholds, text, error, sizeof error);
    if (result != 0) fs_run_complain(FS_EXIT_USAGE, error);
    return result;
}

static int refuse_option(bool lacks_value, const char *word) {
    char message[256];

    snprintf(message, sizeof message, "%s \"%.100s\"; see forksight run --help",
             lacks_value ? "a value is missing after" : "unknown option", word);
    return fs_run_complain(FS_EXIT_USAGE, message);
}

/* One pass over the arguments: the file of limits goes before single ones, wherever it stands. */
static int parse_pass(int argc, char **argv, struct fs_run_options *options, bool limits_only) {
    int letter;

    optind = 0;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "+:o:qh", long_options, NULL)) != -1) {
        const bool is_config = letter == FS_OPTION_CONFIG;
        if (is_config && limits_only && set_limits(options, letter, optarg) != 0)
            return FS_EXIT_USAGE;
        if (limits_only || is_config) continue;
        if (letter == 'o')
            options->directory = optarg;
        else if (letter == 'q')
            options->quiet = true;
        else if (letter == OPTION_NO_REPAIR)
            options->repair_env = false;
        else if (letter == OPTION_NO_ATTACH)
            options->attach = false;
        else if (letter == FS_OPTION_THRESHOLD) {
            if (set_limits(options, letter, optarg) != 0) return FS_EXIT_USAGE;
        } else if (letter == OPTION_PERIOD) {
            if (set_period(options, optarg, "--period") != 0) return FS_EXIT_USAGE;
        } else if (letter == OPTION_HANG) {
            if (set_hang(options, optarg) != 0) return FS_EXIT_USAGE;
        } else if (letter == 'h') {
            fputs(help, stdout);
            exit(fflush(stdout) == 0 ? FS_EXIT_OK : FS_EXIT_FAILED);
        } else {
            return refuse_option(letter == ':', argv[optind - 1]);
        }
    }
    return 0;
}

static int parse(int argc, char **argv, struct fs_run_options *options) {
    const char *period = getenv("FORKSIGHT_PERIOD"), *config = getenv("FORKSIGHT_CONFIG");

    const char *no_attach = getenv("FORKSIGHT_NO_ATTACH"), *place = getenv("FORKSIGHT_LOCAL_DIR");

    *options =
        (struct fs_run_options){.directory = getenv("FORKSIGHT_DIR"),
                                .place = place && *place ? place : NULL,
                                .repair_env = true,
                                .attach = !no_attach || !*no_attach || !strcmp(no_attach, "0"),
                                .period_ms = period_default_ms,
                                .hang_after_s = hang_default_s};
    if (period && *period && set_period(options, period, "FORKSIGHT_PERIOD") != 0)
        return FS_EXIT_USAGE;
    int status = parse_pass(argc, argv, options, true);
    if (status == 0 && !options->thresholds && config && *config &&
        set_limits(options, FS_OPTION_CONFIG, config) != 0)
        status = FS_EXIT_USAGE;
    if (status == 0) status = parse_pass(argc, argv, options, false);
    if (status != 0) return status;
    options->command = argv + optind;
    if (options->command[0] && options->command[0][0]) return 0;
    return fs_run_complain(
        FS_EXIT_USAGE, "no command; say what to run: forksight run -- CMD (forksight run --help)");
}

/* The job that this process itself supervises and collects. */
struct here {
    const struct fs_run_options *options;
    struct fs_jobdir job;
    struct fs_collector collector;
    struct fs_supervisor supervisor;
    struct fs_door door;
    bool opened, started;
    bool outer; /* it may start tasks by Slurm, which come to the door */
};

static void flush_interim(void *data) {
    struct here *here = data;

    fs_collector_last_look(&here->collector);
    fs_collector_interim(&here->collector, &here->supervisor);
}

static void serve_door(void *data) {
    struct here *here = data;

    fs_door_serve(&here->door, &here->collector);
}

/* While the main process lives. */
static void follow(struct here *here) {
    struct fs_collector *collector = &here->collector;
    struct fs_supervisor *supervisor = &here->supervisor;
    int64_t due = fs_now();

    while (!supervisor->ended) {
        fs_supervise_until(supervisor, due);
        const int64_t now = fs_now();
        collector->cohorts.frozen = supervisor->interrupted != 0;
        collector->t_interrupted = supervisor->interrupted ? supervisor->t_interrupted : 0;
        if (supervisor->ended || now < due) continue;
        due = fs_collector_tick(collector, now);
        if (now - collector->t_interim >= collector->interim_every_ns || collector->stuck.fresh)
            fs_collector_interim(collector, supervisor);
    }
}

/* Others may outlive the main process a little, and some for good. */
static void follow_rest(struct here *here) {
    struct fs_collector *collector = &here->collector;
    const int64_t until = here->supervisor.t_end + linger;

    fs_collector_look(collector, fs_now());
    while (fs_collector_alive(collector) > 0 && fs_now() < until) {
        if (fs_supervise_until(&here->supervisor, fs_now() + linger_step) != 0) return;
        fs_collector_look(collector, fs_now());
    }
}

int fs_run_not_started(const struct fs_run_options *options, bool exec_failed, int reason) {
    char message[512];

    if (!exec_failed) {
        snprintf(message, sizeof message, "cannot start a process: %s", strerror(reason));
        return fs_run_complain(FS_EXIT_FAILED, message);
    }
    const bool not_found = reason == ENOENT || reason == ENOTDIR;
    snprintf(message, sizeof message, "%.300s: %s%s", options->command[0],
             not_found ? "not found" : strerror(reason),
             not_found && !strchr(options->command[0], '/')
                 ? " (neither in PATH nor a command of forksight, see forksight --help)"
                 : "; name a program that can be executed");
    return fs_run_complain(not_found ? FS_EXIT_NOT_FOUND : FS_EXIT_NOT_EXECUTABLE, message);
}

static void close_door(struct here *here) {
    const char *place = here->options->place;
    char error[FS_ERROR_SIZE];

    if (!here->outer) return;
    const int lock = fs_lock_any(&place, error, sizeof error);
    fs_door_serve(&here->door, &here->collector);
    fs_door_close(&here->door);
    fs_unlock(lock, place);
    here->supervisor.serve_beside = NULL;
    fs_door_farewell(&here->door, NULL);
}

static void print_report(const struct here *here) {
    const char *directory = here->job.path;
    const struct fs_report_options report = {.thresholds = here->options->thresholds};

    fs_report_print(&directory, 1, stderr, &report);
}

/* From the start of the application to its exit status. */
static int run_job(struct here *here, char *const environment[]) {
    struct fs_supervisor *supervisor = &here->supervisor;
    char error[FS_ERROR_SIZE];
    bool exec_failed;

    *supervisor = (struct fs_supervisor){.flush = flush_interim,
                                         .data = here,
                                         .serve_beside = here->outer ? serve_door : NULL,
                                         .beside = here->door.poll};
    if (fs_supervise_start(supervisor, here->options->command, environment, &exec_failed) != 0) {
        const int reason = errno;
        return fs_run_not_started(here->options, exec_failed, reason);
    }
    here->started = true;
    fs_collector_started(&here->collector, supervisor);
    here->collector.stuck.off = !here->options->attach;
    here->collector.stuck.hang_after_ns = here->options->hang_after_s * FS_SECOND;
    follow(here);
    follow_rest(here);
    close_door(here);
    if (fs_collector_finish(&here->collector, supervisor, error, sizeof error) != 0) {
        fs_run_complain(FS_EXIT_FAILED, error);
    } else {
        fs_folder_remove(&here->job);
        if (here->outer) fs_outer_end(&here->job);
        if (!here->options->quiet) print_report(here);
    }
    fs_supervise_end(supervisor);
    return fs_exit_status(supervisor->status);
}

static int open_job(struct here *here, const char *preload, char *error, size_t error_size) {
    const struct fs_run_options *options = here->options;

    fs_folder_sweep(options->place);
    if (fs_folder_make(&here->job, options->place, error, error_size) != 0) return -1;
    here->opened = true;
    if (fs_collector_open(&here->collector, &here->job, options->command,
                          options->period_ms * FS_MILLISECOND, error, error_size) != 0)
        return -1;
    here->outer = fs_outer_wanted(options);
    here->door.stays = true;
    if (!here->outer || (fs_door_open(&here->door, here->job.folder) == 0 &&
                         fs_outer_prepare(options, &here->job, preload) == 0))
        return 0;
    snprintf(error, error_size, "cannot make way for the tasks of the job: %s", strerror(errno));
    return -1;
}

static int run_here(const struct fs_run_options *options, const char *preload) {
    static struct here here;
    char error[FS_ERROR_SIZE];
    int status = FS_EXIT_FAILED;

    here.options = options;
    if (fs_jobdir_make(&here.job, options->directory, error, sizeof error) != 0 ||
        fs_jobdir_claim(&here.job, error, sizeof error) != 0)
        return fs_run_complain(status, error);
    if (open_job(&here, preload, error, sizeof error) != 0) {
        fs_run_complain(status, error);
    } else {
        char **environment =
            fs_environment_make(preload, here.job.folder, options->repair_env, options->command[0]);
        status =
            environment ? run_job(&here, environment) : fs_run_complain(status, "out of memory");
        fs_environment_free(environment);
    }
    if (!here.started) {
        if (here.outer) fs_outer_end(&here.job);
        fs_jobdir_undo(&here.job);
    }
    if (here.opened) fs_collector_close(&here.collector);
    return status;
}

/* Else its numbers would be those of strangers. */
static bool proc_is_ours(void) {
    char self[16];
    const ssize_t length = readlink("/proc/self", self, sizeof self - 1);

    self[length > 0 ? length : 0] = '\0';
    return strtol(self, NULL, 10) == getpid();
}

static int run(const struct fs_run_options *options) {
    char preload[PATH_MAX], error[FS_ERROR_SIZE];
    struct fs_launched launch;

    if (fs_start_ticks(getpid()) == 0)
        return fs_run_complain(FS_EXIT_FAILED, "cannot read /proc; mount it, forksight needs it");
    if (!proc_is_ours())
        return fs_run_complain(FS_EXIT_FAILED, "/proc is that of another PID namespace; mount "
                                               "this one's (unshare --mount-proc)");
    fs_supervise_prepare();
    if (fs_preload_find(preload, sizeof preload, error, sizeof error) != 0)
        return fs_run_complain(FS_EXIT_FAILED, error);
    if (fs_task_of_launch(environ, &launch)) return fs_run_task(options, preload, &launch);
    return run_here(options, preload);
}

int fs_cmd_run(int argc, char **argv) {
    struct fs_run_options options;
    int status = parse(argc, argv, &options);

    if (status == 0) status = run(&options);
    fs_thresholds_free(options.thresholds);
    return status;
}
