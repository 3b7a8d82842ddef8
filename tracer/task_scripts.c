/* task_scripts.c - what the prolog and the epilog of a Slurm task do; see outer.h. */
#include "tracer/outer.h"

#include "preload/segment.h"
#include "preload/task_script.h"
#include "tracer/clock.h"
#include "tracer/commands.h"
#include "tracer/recover.h"
#include "tracer/rendezvous.h"
#include "tracer/scheduler.h"
#include "tracer/step_environment.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Slurm ends a task's epilog after 5 seconds. */
static const int64_t epilog_patience = 4 * FS_SECOND;

/* The user's own; its standard output goes to `out` or, -1, stays. */
static pid_t start_users(const char *program, int out) {
    if (!program[0]) return 0;
    const pid_t child = fork();
    if (child != 0) return child;
    if (out >= 0) dup2(out, STDOUT_FILENO);
    execl(program, program, (char *)NULL);
    _exit(127);
}

static int wait_for_users(pid_t child) {
    int status = 0;

    if (child <= 0) return 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs the user's own prolog, whose lines are for Slurm; what it says of LD_PRELOAD, and that
 * of the task without it, ends up in *preloaded (to be freed). */
static int run_users_prolog(const char *program, char **preloaded) {
    static const char line_start[] = "export LD_PRELOAD=";
    const char *own = getenv("LD_PRELOAD");
    char *line = NULL;
    size_t room = 0;
    int ends[2];

    *preloaded = strdup(own ? own : "");
    if (!program[0] || pipe(ends) != 0) return 0;
    const pid_t child = start_users(program, ends[1]);
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    while (in && getline(&line, &room, in) > 0) {
        fputs(line, stdout);
        if (strncmp(line, line_start, sizeof line_start - 1) != 0) continue;
        line[strcspn(line, "\n")] = '\0';
        free(*preloaded);
        *preloaded = strdup(line + sizeof line_start - 1);
    }
    if (in) fclose(in);
    free(line);
    return wait_for_users(child);
}

/* The task will be what Slurm forked for it: the prolog's parent. */
static void describe_task(struct fs_message *come) {
    const char *number = getenv("SLURM_TASK_PID");
    struct fs_launched launch;

    *come = (struct fs_message){.word = FS_WORD_COME, .pid = getppid(), .rank = FS_UNKNOWN};
    if (number && fs_count_of(number) > 0) come->pid = fs_count_of(number);
    come->ppid = fs_parent_of(come->pid);
    const uint64_t start = fs_start_ticks(come->pid);
    come->t = start ? fs_start_of(start) : fs_now();
    if (fs_launch_of_slurm(environ, &launch)) {
        come->rank = launch.rank;
        come->expected = launch.tasks_here;
        snprintf(come->step, sizeof come->step, "%.60s", launch.name);
    }
    /* `run` gave this to the launcher, which was told not to hand it down. */
    come->variables_lost = getenv(FSP_ENV_DIR) == NULL;
    fs_message_mask(come);
}

static void print_exports(char **argv, const char *folder, const char *preloaded) {
    const char *shim = argv[FS_SCRIPT_PRELOAD];
    const bool there = preloaded && strstr(preloaded, shim);

    printf("export LD_PRELOAD=%s%s%s\n", preloaded ? preloaded : "",
           preloaded && preloaded[0] && !there ? ":" : "", there ? "" : shim);
    printf("export %s=%s\n", FSP_ENV_DIR, folder);
    printf("export %s=%s\n", FSP_ENV_FLAGS, argv[FS_SCRIPT_FLAGS]);
    puts("unset " FSP_SCRIPT_CONTEXT);
}

int fs_task_prolog(int argc, char **argv) {
    static struct fs_membership membership;
    struct fs_message come;
    struct fs_jobdir job;
    char error[FS_ERROR_SIZE], *preloaded;

    if (argc <= FS_SCRIPT_COMMAND) return FS_EXIT_USAGE;
    const int status = run_users_prolog(argv[FS_SCRIPT_USERS], &preloaded);
    describe_task(&come);
    fs_jobdir_join(&job, argv[FS_SCRIPT_JOB], come.step);
    const struct fs_gathering gathering = {
        .place = argv[FS_SCRIPT_PLACE][0] ? argv[FS_SCRIPT_PLACE] : NULL,
        .folder = argv[FS_SCRIPT_FOLDER],
        .command = argv + FS_SCRIPT_COMMAND,
        .period_ns = atoll(argv[FS_SCRIPT_PERIOD]),
        .hang_after_ns = atoll(argv[FS_SCRIPT_HANG]),
        .attach = atoi(argv[FS_SCRIPT_ATTACH]) != 0,
    };
    if (fs_join(&membership, &job, &gathering, &come, error, sizeof error) == 0) {
        fs_step_environment_store(membership.folder);
        print_exports(argv, membership.folder, preloaded);
        close(membership.connection);
    }
    free(preloaded);
    return fflush(stdout) == 0 ? status : 1;
}

/* The folder of this step's collector, also of one that is about to end. */
static bool find_collector(const struct fs_jobdir *job, const char *place, char *folder) {
    return fs_find_folder(job, place, true, folder, PATH_MAX) ||
           fs_find_folder(job, place, false, folder, PATH_MAX);
}

static void wait_until_written(int connection, const char *folder, int64_t deadline) {
    const struct timespec step = {.tv_nsec = 10 * FS_MILLISECOND};
    struct pollfd waiting = {.fd = connection, .events = POLLIN};

    if (connection >= 0) {
        poll(&waiting, 1, (int)((deadline - fs_now()) / FS_MILLISECOND));
        return;
    }
    while (access(folder, F_OK) == 0 && fs_now() < deadline)
        nanosleep(&step, NULL);
}

int fs_task_epilog(int argc, char **argv) {
    const int64_t deadline = fs_now() + epilog_patience;
    struct fs_message left;
    struct fs_jobdir job;
    char folder[PATH_MAX];
    int connection = -1;

    if (argc <= FS_SCRIPT_COMMAND) return FS_EXIT_USAGE;
    const char *place = argv[FS_SCRIPT_PLACE][0] ? argv[FS_SCRIPT_PLACE] : NULL;
    describe_task(&left);
    left.word = FS_WORD_LEFT;
    fs_jobdir_join(&job, argv[FS_SCRIPT_JOB], left.step);
    const bool found = find_collector(&job, place, folder);
    if (found) connection = fs_door_knock(folder);
    if (connection >= 0) fs_message_send(connection, &left);
    const int status = wait_for_users(start_users(argv[FS_SCRIPT_USERS], -1));
    if (found)
        wait_until_written(connection, folder, deadline);
    else /* it has written and gone, or it was killed */
        fs_recover_in(place, job.path);
    return status;
}
