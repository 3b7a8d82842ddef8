/*
 * Makes children in one way and leaves. usage: births KIND [PROGRAM]
 *
 * PROGRAM (default /bin/true) is what the kinds with an exec run. The status is 0
 * when the child ended as it should, the checks of the record are the caller's.
 */
#include <err.h>
#include <linux/sched.h> /* struct clone_args */
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/call.h"

extern char **environ;

static const char *program = "/bin/true";
static _Alignas(16) char stack[64 * 1024];

static int end(pid_t pid, int expected) {
    int status;

    if (pid < 0) err(1, "no child");
    if (waitpid(pid, &status, 0) != pid) err(1, "waitpid");
    return status != expected;
}

static int forked(void) {
    const pid_t pid = fork();

    if (pid == 0) _exit(3);
    return end(pid, 3 << 8);
}

static int under_forked(void) {
    const pid_t pid = _Fork();

    if (pid == 0) _exit(3);
    return end(pid, 3 << 8);
}

static int vforked(void) {
    const pid_t pid = vfork();

    if (pid == 0) {
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    return end(pid, 0);
}

static int vfork_failed(void) {
    const pid_t pid = vfork();

    if (pid == 0) {
        execl("/nonexistent", "nonexistent", (char *)NULL);
        _exit(4);
    }
    return end(pid, 4 << 8);
}

static int returns_seven(void *unused) {
    (void)unused;
    return 7;
}

static int cloned(void) {
    return end(clone(returns_seven, stack + sizeof stack, SIGCHLD, NULL), 7 << 8);
}

/* Nothing but what it is started with can run on storage that libc does not know. */
static int leaves(void *unused) {
    (void)unused;
    fsp_call(SYS_exit_group, 7, 0, 0, 0);
    return 0;
}

static int cloned_with_storage(void) {
    char *pages = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE) != 0) return 1;
    return end(
        clone(leaves, stack + sizeof stack, CLONE_SETTLS | SIGCHLD, NULL, NULL, pages + 4096),
        7 << 8);
}

static int raw_forked(void) {
    const pid_t pid = (pid_t)fsp_call6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);

    if (pid == 0) _exit(3);
    return end(pid, 3 << 8);
}

/* What the child changes is the child's. */
static int forked_by_syscall(void) {
    const pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        setenv("OMP_NUM_THREADS", "7", 1);
        _exit(3);
    }
    if (end(pid, 3 << 8)) return 1;
    printf("child %d\n", pid);
    return 0;
}

static int forked_with_descriptor(void) {
    int descriptor = -1;
    struct clone_args arguments = {
        .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&descriptor, .exit_signal = SIGCHLD};
    const pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);

    if (pid == 0) _exit(3);
    return end(pid, 3 << 8) || descriptor < 0 || syscall(SYS_clone3, (void *)8, 64) != -1;
}

static int spawned(void) {
    char *arguments[] = {(char *)program, NULL};
    pid_t pid;

    if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0) return 1;
    return end(pid, 0);
}

static int spawned_by_name(void) {
    char *arguments[] = {"true", NULL};
    pid_t pid;

    if (posix_spawnp(&pid, "true", NULL, NULL, arguments, environ) != 0) return 1;
    return end(pid, 0);
}

static int spawn_failed(void) {
    char *arguments[] = {"nonexistent", NULL};
    pid_t pid = 77;

    return posix_spawn(&pid, "/nonexistent", NULL, NULL, arguments, environ) != 2 || pid != 77;
}

static int scrubbed(void) {
    char *const environment[] = {"A=b", "LD_PRELOAD=libm.so.6", NULL};
    const pid_t pid = fork();

    if (pid == 0) {
        execle(program, program, (char *)NULL, environment);
        _exit(127);
    }
    return end(pid, 0);
}

static int by_shell(void) {
    FILE *pipe = popen("exit 5", "r");

    return system("exit 3") != 3 << 8 || pipe == NULL || pclose(pipe) != 5 << 8;
}

static int daemonised(void) {
    if (daemon(1, 1) != 0) return 1;
    usleep(20000);
    return 6;
}

static int on_terminal(void) {
    int master;
    const pid_t pid = forkpty(&master, NULL, NULL, NULL);

    if (pid == 0) exit(3);
    return end(pid, 3 << 8);
}

static int forked_twice(void) {
    const pid_t pid = fork();

    if (pid == 0) {
        if (fork() == 0) usleep(1000);
        _exit(3);
    }
    return end(pid, 3 << 8);
}

static int killed(void) {
    const pid_t pid = fork();

    if (pid == 0) pause();
    kill(pid, SIGKILL);
    return end(pid, SIGKILL);
}

static int exec_chain(void) {
    const pid_t pid = fork();

    if (pid == 0) {
        execlp("env", "env", "nice", "-n0", program, (char *)NULL);
        _exit(127);
    }
    return end(pid, 0);
}

static const struct {
    const char *name;
    int (*run)(void);
} kinds[] = {
    {"fork", forked},
    {"_Fork", under_forked},
    {"vfork", vforked},
    {"vfork_failed", vfork_failed},
    {"clone", cloned},
    {"clone_storage", cloned_with_storage},
    {"raw_fork", raw_forked},
    {"syscall_fork", forked_by_syscall},
    {"clone3", forked_with_descriptor},
    {"spawn", spawned},
    {"spawnp", spawned_by_name},
    {"scrubbed", scrubbed},
    {"spawn_failed", spawn_failed},
    {"shell", by_shell},
    {"daemon", daemonised},
    {"forkpty", on_terminal},
    {"twice", forked_twice},
    {"killed", killed},
    {"chain", exec_chain},
};

int main(int argc, char **argv) {
    if (argc > 2) program = argv[2];
    for (unsigned i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) return kinds[i].run();
    errx(64, "usage: births KIND [PROGRAM]");
}
