/*
 * supervise.c - fork, exec, signals, job control, wait.
 *
 * Signals are blocked and read from a descriptor, so their dispositions (which
 * the application inherits: nohup, a shell's background job) stay untouched.
 * SIGCHLD is the exception: ignored, it would take the wait status away.
 */
#include "tracer/supervise.h"

#include "tracer/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The signals that forksight takes care of besides the real-time ones. Not among
 * them: those of its own faults, and those nobody can catch. */
static const int served[] = {SIGHUP,  SIGINT,   SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2,
                             SIGPIPE, SIGALRM,  SIGTERM, SIGCHLD, SIGCONT, SIGTSTP,
                             SIGTTIN, SIGTTOU,  SIGURG,  SIGXCPU, SIGXFSZ, SIGVTALRM,
                             SIGPROF, SIGWINCH, SIGIO,   SIGPWR};
static const int64_t stop_key_window = 2 * FS_SECOND;

static bool asks_to_end(int number) {
    return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

static void served_set(sigset_t *set) {
    sigemptyset(set);
    for (size_t i = 0; i < sizeof served / sizeof *served; i++)
        sigaddset(set, served[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        sigaddset(set, number);
}

static int take_signals(struct fs_supervisor *supervisor) {
    const struct sigaction default_action = {.sa_handler = SIG_DFL};
    sigset_t set;

    served_set(&set);
    sigprocmask(SIG_BLOCK, &set, &supervisor->inherited_mask);
    sigaction(SIGCHLD, &default_action, &supervisor->inherited_child);
    supervisor->descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return supervisor->descriptor < 0 ? -1 : 0;
}

void fs_supervise_end(struct fs_supervisor *supervisor) {
    const int saved = errno;

    if (supervisor->descriptor >= 0) close(supervisor->descriptor);
    supervisor->descriptor = -1;
    sigaction(SIGCHLD, &supervisor->inherited_child, NULL);
    sigprocmask(SIG_SETMASK, &supervisor->inherited_mask, NULL);
    errno = saved;
}

static struct {
    bool taken;
    mode_t mask;
    struct sigaction limit; /* disposition of SIGXFSZ */
} inherited;

void fs_supervise_prepare(void) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    inherited.mask = umask(S_IRWXG | S_IRWXO);
    sigaction(SIGXFSZ, &ignore, &inherited.limit);
    inherited.taken = true;
}

static _Noreturn void become(const struct fs_supervisor *supervisor, char *const command[],
                             char *const environment[], int report) {
    if (inherited.taken) {
        umask(inherited.mask);
        sigaction(SIGXFSZ, &inherited.limit, NULL);
    }
    sigaction(SIGCHLD, &supervisor->inherited_child, NULL);
    sigprocmask(SIG_SETMASK, &supervisor->inherited_mask, NULL);
    execvpe(command[0], command, environment);
    const int reason = errno;
    while (write(report, &reason, sizeof reason) < 0 && errno == EINTR) {}
    _exit(127);
}

int fs_supervise_start(struct fs_supervisor *supervisor, char *const command[],
                       char *const environment[], bool *exec_failed) {
    int ends[2], reason = 0;

    *exec_failed = false;
    supervisor->descriptor = -1;
    if (take_signals(supervisor) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
        fs_supervise_end(supervisor);
        return -1;
    }
    supervisor->t_start = fs_now();
    supervisor->pid = fork();
    if (supervisor->pid == 0) become(supervisor, command, environment, ends[1]);
    if (supervisor->pid < 0) reason = errno;
    close(ends[1]);
    ssize_t got = 0;
    while (supervisor->pid > 0 && (got = read(ends[0], &reason, sizeof reason)) < 0 &&
           errno == EINTR) {}
    close(ends[0]);
    if (supervisor->pid > 0 && got != (ssize_t)sizeof reason) return 0;
    if (supervisor->pid > 0) {
        *exec_failed = true;
        waitpid(supervisor->pid, NULL, 0);
    }
    fs_supervise_end(supervisor);
    return errno = reason, -1;
}

/* The application stopped: so does forksight, for the shell waits for it. */
static void follow_stop(struct fs_supervisor *supervisor, int stop_signal) {
    const bool by_key =
        supervisor->t_terminal_stop && fs_now() - supervisor->t_terminal_stop < stop_key_window;

    /* Any other is a stop for a tracer. */
    if (stop_signal != SIGSTOP && stop_signal != SIGTSTP && stop_signal != SIGTTIN &&
        stop_signal != SIGTTOU)
        return;
    /* SIGSTOP is job control only when a program does it after the key; a
     * debugger's stop of the application must not stop the record. */
    if (stop_signal == SIGSTOP && !by_key) return;
    raise(SIGSTOP);
    supervisor->t_terminal_stop = 0;
}

static void wait_for_child(struct fs_supervisor *supervisor) {
    int status;

    while (wait4(supervisor->pid, &status, WNOHANG | WUNTRACED, &supervisor->usage) > 0) {
        if (WIFSTOPPED(status)) {
            follow_stop(supervisor, WSTOPSIG(status));
            continue;
        }
        supervisor->t_end = fs_now();
        supervisor->status = status;
        supervisor->ended = true;
        return;
    }
}

static bool is_stopped(pid_t pid) {
    char path[64], text[512];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = descriptor < 0 ? 0 : read(descriptor, text, sizeof text - 1);
    if (descriptor >= 0) close(descriptor);
    text[length > 0 ? length : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && name_end[2] == 'T';
}

static void pass_on(const struct fs_supervisor *supervisor, const struct signalfd_siginfo *info) {
    const int number = (int)info->ssi_signo;

    /* A shell's `fg` reaches the whole group: the application has it already. */
    if (number == SIGCONT && !is_stopped(supervisor->pid)) return;
    if (info->ssi_code != SI_QUEUE) {
        kill(supervisor->pid, number);
        return;
    }
    const union sigval value = {.sival_ptr = (void *)(uintptr_t)info->ssi_ptr};
    sigqueue(supervisor->pid, number, value);
}

/* Returns whether the signal asks forksight itself to end. */
static bool serve(struct fs_supervisor *supervisor, const struct signalfd_siginfo *info) {
    const int number = (int)info->ssi_signo;
    const bool by_process = info->ssi_code <= 0;

    if (number == SIGCHLD && info->ssi_code > 0) return false; /* waited for below */
    if (number == SIGTSTP) supervisor->t_terminal_stop = fs_now();
    if (asks_to_end(number) && !supervisor->interrupted && !supervisor->ended) {
        supervisor->interrupted = number;
        supervisor->t_interrupted = fs_now();
    }
    if ((number == SIGTERM || number == SIGHUP) && supervisor->flush)
        supervisor->flush(supervisor->data);
    if (by_process && !supervisor->ended) pass_on(supervisor, info);
    return asks_to_end(number);
}

int fs_supervise_until(struct fs_supervisor *supervisor, int64_t deadline) {
    struct pollfd waiting[2] = {{.fd = supervisor->descriptor, .events = POLLIN},
                                {.fd = supervisor->beside, .events = POLLIN}};

    for (;;) {
        struct signalfd_siginfo info;
        const bool was_over = supervisor->ended;
        bool asked = false;

        const int64_t left = deadline - fs_now();
        const struct timespec timeout = {.tv_sec = left > 0 ? left / FS_SECOND : 0,
                                         .tv_nsec = left > 0 ? left % FS_SECOND : 0};
        ppoll(waiting, supervisor->serve_beside ? 2 : 1, &timeout, NULL);
        if (supervisor->serve_beside) supervisor->serve_beside(supervisor->data);
        while (read(supervisor->descriptor, &info, sizeof info) == (ssize_t)sizeof info)
            asked |= serve(supervisor, &info);
        if (!supervisor->ended) wait_for_child(supervisor);
        if (was_over && asked) return 1;
        if ((supervisor->ended && !was_over) || fs_now() >= deadline) return 0;
    }
}

int fs_exit_status(int wait_status) {
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}
