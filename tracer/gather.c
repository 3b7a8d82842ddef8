/* gather.c - see gather.h. */
#include "tracer/gather.h"

#include "tracer/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nobody came at all; fewer came than were told of; all came, or nobody knows how many. */
static const int64_t patience_none = 10 * FS_SECOND, patience_some = 3 * FS_SECOND,
                     patience_all = 200 * FS_MILLISECOND;
static const int64_t linger = 1200 * FS_MILLISECOND, linger_step = 20 * FS_MILLISECOND;

enum { FIXED_ARGUMENTS = 9, READY_FD = 3 };

/* --- the starter's side --- */

static void close_all_but(int kept) {
    if (syscall(SYS_close_range, READY_FD + 1, ~0u, 0) == 0) return;
    for (int descriptor = READY_FD + 1; descriptor < 65536; descriptor++)
        if (descriptor != kept) close(descriptor);
}

static void clean_environment(void) {
    static const char *const ours[] = {"LD_PRELOAD", FSP_ENV_DIR, FSP_ENV_FLAGS};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        unsetenv(ours[i]);
}

/* In a child of a child: a session of its own, nothing open but the way to say "ready". */
static _Noreturn void become_collector(char **arguments, int ready) {
    sigset_t none;
    const int null = open("/dev/null", O_RDWR);

    for (int descriptor = 0; descriptor < READY_FD; descriptor++)
        dup2(null, descriptor);
    dup2(ready, READY_FD);
    close_all_but(READY_FD);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    clean_environment();
    execv("/proc/self/exe", arguments);
    const char *reason = strerror(errno);
    dprintf(READY_FD, "!cannot start the collector: %s", reason);
    _exit(1);
}

static char **make_arguments(const struct fs_jobdir *job, const struct fs_gathering *gathering,
                             char numbers[3][32]) {
    size_t count = 0;

    while (gathering->command[count])
        count++;
    char **arguments = calloc(FIXED_ARGUMENTS + count + 1, sizeof *arguments);
    if (!arguments) return NULL;
    snprintf(numbers[0], 32, "%lld", (long long)gathering->period_ns);
    snprintf(numbers[1], 32, "%lld", (long long)gathering->hang_after_ns);
    snprintf(numbers[2], 32, "%d", gathering->attach);
    const char *const fixed[FIXED_ARGUMENTS] = {
        FS_GATHER_NAME,
        job->path,
        job->step,
        gathering->place ? gathering->place : "",
        gathering->folder ? gathering->folder : "",
        numbers[0],
        numbers[1],
        numbers[2],
        "--",
    };
    memcpy(arguments, fixed, sizeof fixed);
    memcpy(arguments + FIXED_ARGUMENTS, gathering->command, count * sizeof *arguments);
    return arguments;
}

/* What it says when it is ready: its folder, or "!" and what went wrong. */
static int read_ready(int ready, char *folder, char *error, size_t error_size) {
    char text[FS_ERROR_SIZE];
    size_t length = 0;
    ssize_t got;

    while (length < sizeof text - 1 &&
           ((got = read(ready, text + length, sizeof text - 1 - length)) > 0 ||
            (got < 0 && errno == EINTR)))
        length += got > 0 ? (size_t)got : 0;
    text[length] = '\0';
    if (text[0] == '/' && length < PATH_MAX) {
        memcpy(folder, text, length + 1);
        return 0;
    }
    snprintf(error, error_size, "%s",
             text[0] == '!' ? text + 1 : "the collector of this node could not be started");
    return errno = EIO, -1;
}

int fs_gather_start(const struct fs_jobdir *job, const struct fs_gathering *gathering, char *folder,
                    char *error, size_t error_size) {
    char numbers[3][32];
    int ends[2];
    char **arguments = make_arguments(job, gathering, numbers);

    if (!arguments || pipe2(ends, O_CLOEXEC) != 0) {
        free(arguments);
        snprintf(error, error_size, "cannot start the collector: %s", strerror(errno));
        return -1;
    }
    const pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) become_collector(arguments, ends[1]);
        _exit(0);
    }
    free(arguments);
    close(ends[1]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    const int result = read_ready(ends[0], folder, error, error_size);
    close(ends[0]);
    return result;
}

/* --- the collector's side --- */

static int open_signals(void) {
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGILL);
    sigdelset(&set, SIGFPE);
    sigdelset(&set, SIGABRT);
    sigdelset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve_signals(int signals, struct fs_collector *collector) {
    struct signalfd_siginfo info;

    while (signals >= 0 && read(signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM) {
            fs_collector_look(collector, fs_now());
            fs_collector_interim(collector, NULL);
        }
}

/* Waits until somebody wants something or the time has come. */
static void serve_until(struct fs_collector *collector, struct fs_door *door, int signals,
                        int64_t deadline) {
    struct pollfd waiting[2] = {{.fd = door->poll, .events = POLLIN},
                                {.fd = signals, .events = POLLIN}};
    const int64_t left = deadline - fs_now();
    const struct timespec timeout = {.tv_sec = left > 0 ? left / FS_SECOND : 0,
                                     .tv_nsec = left > 0 ? left % FS_SECOND : 0};

    ppoll(waiting, 2, &timeout, NULL);
    serve_signals(signals, collector);
    fs_door_serve(door, collector);
}

static int64_t patience(const struct fs_door *door) {
    const int seen = fs_door_seen(door);

    if (seen == 0) return patience_none;
    return seen < door->expected ? patience_some : patience_all;
}

static void follow_tasks(struct fs_collector *collector, struct fs_door *door, int signals) {
    int64_t due = fs_now();

    for (;;) {
        const bool present = fs_door_present(door, collector);
        const int64_t until = door->t_change + patience(door);
        int64_t now = fs_now();
        if (!present && now >= until) return;
        serve_until(collector, door, signals, present || due < until ? due : until);
        now = fs_now();
        if (now < due) continue;
        due = fs_collector_tick(collector, now);
        if (now - collector->t_interim >= collector->interim_every_ns || collector->stuck.fresh)
            fs_collector_interim(collector, NULL);
    }
}

/* False: somebody new came meanwhile. */
static bool follow_rest(struct fs_collector *collector, struct fs_door *door, int signals) {
    const int64_t until = fs_now() + linger;

    fs_collector_look(collector, fs_now());
    while (fs_collector_alive(collector) > 0 && fs_now() < until) {
        serve_until(collector, door, signals, fs_now() + linger_step);
        if (fs_door_present(door, collector)) return false;
        fs_collector_look(collector, fs_now());
    }
    return true;
}

int fs_gather_follow(struct fs_collector *collector, struct fs_door *door, int signals,
                     const char *place) {
    char error[FS_ERROR_SIZE];

    for (;;) {
        follow_tasks(collector, door, signals);
        if (!follow_rest(collector, door, signals)) continue;
        const int lock = fs_lock_any(&place, error, sizeof error);
        fs_door_serve(door, collector);
        if (!fs_door_present(door, collector)) {
            fs_door_close(door);
            fs_unlock(lock, place);
            return 0;
        }
        fs_unlock(lock, place);
    }
}

static int say_ready(const char *text) {
    const ssize_t length = (ssize_t)strlen(text);
    const bool told = write(READY_FD, text, (size_t)length) == length;

    close(READY_FD);
    return told ? 0 : -1;
}

struct gathering {
    struct fs_jobdir job;
    struct fs_collector collector;
    struct fs_door door;
    const char *place;
};

static int gather(struct gathering *all, char **argv, char *error, size_t error_size) {
    struct fs_collector *collector = &all->collector;
    const int signals = open_signals();

    if (fs_jobdir_claim_node(&all->job) != 0) {
        snprintf(error, error_size, "cannot write into %s: %s", all->job.path, strerror(errno));
        return -1;
    }
    if (fs_collector_open(collector, &all->job, argv + FIXED_ARGUMENTS, atoll(argv[5]), error,
                          error_size) != 0)
        return -1;
    collector->stuck.hang_after_ns = atoll(argv[6]);
    collector->stuck.off = atoi(argv[7]) == 0;
    fs_gather_follow(collector, &all->door, signals, all->place);
    if (collector->task_count == 0) {
        fs_jobdir_withdraw_node(&all->job);
        return 0;
    }
    return fs_collector_finish(collector, NULL, error, error_size);
}

/* On all nodes under one name, if that is to be had: some launchers hand down one environment. */
static int make_folder(struct gathering *all, const char *wanted, char *error, size_t error_size) {
    if (wanted[0] && fs_folder_make_as(&all->job, wanted) == 0) return 0;
    return fs_folder_make(&all->job, all->place, error, error_size);
}

int fs_gather_main(int argc, char **argv) {
    static struct gathering all;
    char error[FS_ERROR_SIZE] = "";

    if (argc <= FIXED_ARGUMENTS || fcntl(READY_FD, F_SETFD, FD_CLOEXEC) != 0) return FS_GATHER_USE;
    all.place = argv[3][0] ? argv[3] : NULL;
    fs_jobdir_join(&all.job, argv[1], argv[2]);
    fs_folder_sweep(all.place);
    if (make_folder(&all, argv[4], error, sizeof error) != 0 ||
        fs_door_open(&all.door, all.job.folder) != 0) {
        char text[FS_ERROR_SIZE + 1];
        snprintf(text, sizeof text, "!%s", error[0] ? error : strerror(errno));
        fs_folder_remove(&all.job);
        return say_ready(text), 1;
    }
    say_ready(all.job.folder);
    const int result = gather(&all, argv, error, sizeof error);
    if (result == 0) fs_folder_remove(&all.job);
    fs_door_close(&all.door);
    fs_door_farewell(&all.door, result == 0 ? NULL : error);
    fs_collector_close(&all.collector);
    return result == 0 ? 0 : 1;
}
