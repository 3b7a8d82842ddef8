/* run_task.c - forksight run as one task of many; see run.h. */
#include "tracer/run.h"

#include "tracer/clock.h"
#include "tracer/commands.h"
#include "tracer/launch.h"
#include "tracer/recover.h"
#include "tracer/rendezvous.h"
#include "tracer/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long the last task of a node waits for the digest, and how long a signal to end is kept
 * back for a last look at what hangs. */
static const int64_t wait_for_digest = 20 * FS_SECOND;
/* A key's signal is not passed on, so nobody but the supervisor's clock tells of it. */
static const int64_t notice_every = FS_SECOND;
enum { LOOK_MS = 200 };

struct task {
    struct fs_supervisor supervisor;
    struct fs_membership membership;
    struct fs_jobdir job;
    bool told; /* that somebody asks the job to end */
};

static bool say(struct task *task, const struct fs_message *message) {
    if (task->membership.connection < 0) return false;
    if (fs_message_send(task->membership.connection, message) == 0) return true;
    close(task->membership.connection);
    task->membership.connection = -1;
    return false;
}

/* Before a signal to end is passed on: what only shows while it hangs is looked at now. */
static void tell_of_interrupt(void *data) {
    struct task *task = data;
    const struct fs_supervisor *supervisor = &task->supervisor;
    const struct fs_message message = {.word = FS_WORD_INTERRUPTED,
                                       .status = supervisor->interrupted,
                                       .t = supervisor->t_interrupted};
    struct fs_message answer;
    struct pollfd waiting = {.events = POLLIN};

    if (!supervisor->interrupted || task->told || !say(task, &message)) return;
    task->told = true;
    waiting.fd = task->membership.connection;
    if (poll(&waiting, 1, LOOK_MS) > 0) fs_message_receive(waiting.fd, &answer);
}

static void tell_of_start(struct task *task) {
    struct fs_message message = {.word = FS_WORD_STARTED,
                                 .pid = task->supervisor.pid,
                                 .ppid = getpid(),
                                 .t = task->supervisor.t_start};

    fs_message_mask(&message);
    say(task, &message);
}

/* The word that ends the waiting; 0: it took too long, somebody asked to end, or the
 * collector is gone (which *gone tells). */
static enum fs_word wait_for_word(struct task *task, bool *gone) {
    const int64_t deadline = fs_now() + wait_for_digest;
    struct pollfd waiting[2] = {{.fd = task->membership.connection, .events = POLLIN},
                                {.fd = task->supervisor.descriptor, .events = POLLIN}};
    struct fs_message answer;

    *gone = false;
    while (fs_now() < deadline) {
        if (poll(waiting, 2, (int)((deadline - fs_now()) / FS_MILLISECOND) + 1) <= 0) continue;
        if (waiting[0].revents) {
            if (fs_message_receive(waiting[0].fd, &answer) == 0) return (enum fs_word)answer.word;
            *gone = true;
            return 0;
        }
        if (fs_supervise_until(&task->supervisor, fs_now()) != 0) return 0;
    }
    return 0;
}

/* Says how it ended, and stays if it is the last one here. */
static void end(const struct fs_run_options *options, struct task *task) {
    const struct fs_message message = {.word = FS_WORD_ENDED,
                                       .end = fs_task_end_of(&task->supervisor)};
    bool gone = true;

    if (say(task, &message)) wait_for_word(task, &gone);
    /* A killed collector leaves its record in the segments: whoever ends last writes it. */
    if (gone) fs_recover_in(options->place, task->job.path);
}

static int supervise(const struct fs_run_options *options, struct task *task,
                     char *const environment[]) {
    bool exec_failed;

    task->supervisor = (struct fs_supervisor){.flush = tell_of_interrupt, .data = task};
    if (fs_supervise_start(&task->supervisor, options->command, environment, &exec_failed) != 0)
        return fs_run_not_started(options, exec_failed, errno);
    tell_of_start(task);
    while (!task->supervisor.ended) {
        fs_supervise_until(&task->supervisor, fs_now() + notice_every);
        tell_of_interrupt(task);
    }
    end(options, task);
    fs_supervise_end(&task->supervisor);
    return fs_exit_status(task->supervisor.status);
}

/* A launcher that sees a task die of a signal ends the others; an exit status of 128 + n might
 * not have it do so. The core, if any, is the command's. */
static void die_alike(int status) {
    const struct sigaction action = {.sa_handler = SIG_DFL};
    const struct rlimit none = {0};
    sigset_t set;

    if (!WIFSIGNALED(status)) return;
    setrlimit(RLIMIT_CORE, &none);
    fflush(NULL);
    sigaction(WTERMSIG(status), &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, WTERMSIG(status));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(WTERMSIG(status));
}

int fs_run_task(const struct fs_run_options *options, const char *preload,
                const struct fs_launched *launch) {
    static struct task task;
    const struct fs_gathering gathering = {.place = options->place,
                                           .command = options->command,
                                           .period_ns = options->period_ms * FS_MILLISECOND,
                                           .hang_after_ns = options->hang_after_s * FS_SECOND,
                                           .attach = options->attach};
    const struct fs_message come = {
        .word = FS_WORD_COME, .rank = launch->rank, .expected = launch->tasks_here};
    char error[FS_ERROR_SIZE], fallback[224];

    snprintf(fallback, sizeof fallback, "forksight-%s", launch->label);
    fs_safe_name(fallback, fallback, sizeof fallback);
    if (fs_jobdir_share(&task.job, options->directory, fallback, launch->identity, options->command,
                        error, sizeof error) != 0 ||
        fs_join(&task.membership, &task.job, &gathering, &come, error, sizeof error) != 0)
        return fs_run_complain(FS_EXIT_FAILED, error);
    char **environment = fs_environment_make(preload, task.membership.folder, options->repair_env,
                                             options->command[0]);
    const int status = environment ? supervise(options, &task, environment)
                                   : fs_run_complain(FS_EXIT_FAILED, "out of memory");
    fs_environment_free(environment);
    if (task.membership.connection >= 0) close(task.membership.connection);
    if (launch->rank == 0 && !options->quiet)
        fprintf(stderr, "forksight: recorded; to see it: forksight report %s\n", task.job.path);
    if (task.supervisor.ended) die_alike(task.supervisor.status);
    return status;
}
