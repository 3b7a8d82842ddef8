/*
 * Makes one process in one way, and every process writes down what is true about it.
 *
 * usage: lineage KIND TRUTH [STATIC]   makes the child
 *        lineage child PPID KIND TRUTH [STEPS]   is the child, after an exec
 *
 * KIND: fork _Fork vfork clone posix_spawn posix_spawnp system popen daemon
 * double-fork exec-chain env-i static. STATIC is a statically linked copy of this
 * program. TRUTH gets a JSON line for each process, before it ends: pid, ppid (of its
 * maker), birth (the call), cpu_ns so far, exit (the status it will leave with), and
 * the bits of its mask's first 64 CPUs.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CHILD_STATUS = 5, WORK_MS = 25 };

static const char *self, *truth, *static_copy;

static long cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000l + now.tv_nsec;
}

/* Uses some CPU time and writes the process's line. */
static void testify(pid_t ppid, const char *birth, int status) {
    cpu_set_t mask;
    unsigned long long bits = 0;
    while (cpu_ns() < WORK_MS * 1000000l) {}
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) memcpy(&bits, &mask, sizeof bits);
    char line[256];
    const int length = snprintf(line, sizeof line,
                                "{\"pid\": %d, \"ppid\": %d, \"birth\": \"%s\", \"exit\": %d, "
                                "\"cpu_ns\": %ld, \"mask\": %llu}\n",
                                (int)getpid(), (int)ppid, birth, status, cpu_ns(), bits);
    const int file = open(truth, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, (size_t)length) != length) _exit(99);
    close(file);
}

struct child_arguments {
    char ppid[16], *list[8];
};

static char **child_arguments(struct child_arguments *to, const char *program, const char *kind,
                              const char *steps) {
    snprintf(to->ppid, sizeof to->ppid, "%d", (int)getpid());
    char *list[] = {(char *)program, "child",       to->ppid, (char *)kind,
                    (char *)truth,   (char *)steps, NULL};
    memcpy(to->list, list, sizeof list);
    return to->list;
}

static void await_child(pid_t child) {
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) err(1, "no child");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != CHILD_STATUS)
        errx(1, "the child ended with status %#x", status);
}

static void make_by_fork(const char *kind) {
    const pid_t maker = getpid(), child = strcmp(kind, "_Fork") ? fork() : _Fork();
    if (child == 0) {
        testify(maker, kind, CHILD_STATUS);
        _exit(CHILD_STATUS);
    }
    await_child(child);
}

static void make_by_vfork(const char *kind) {
    struct child_arguments arguments;
    char **list = child_arguments(&arguments, self, kind, NULL);
    const pid_t child = vfork();
    if (child == 0) {
        execv(self, list);
        _exit(98);
    }
    await_child(child);
}

static int clone_child(void *maker) {
    testify(*(pid_t *)maker, "clone", CHILD_STATUS);
    return CHILD_STATUS;
}

static void make_by_clone(const char *kind) {
    (void)kind;
    static char stack[256 * 1024] __attribute__((aligned(64)));
    pid_t maker = getpid();
    await_child(clone(clone_child, stack + sizeof stack, SIGCHLD, &maker));
}

static void make_by_spawn(const char *kind) {
    struct child_arguments arguments;
    char **list = child_arguments(&arguments, self, kind, NULL);
    pid_t child = -1;
    if (strcmp(kind, "posix_spawn") == 0 ? posix_spawn(&child, self, NULL, NULL, list, environ)
                                         : posix_spawnp(&child, self, NULL, NULL, list, environ))
        err(1, "%s", kind);
    await_child(child);
}

static void make_by_shell(const char *kind) {
    char command[4096];
    snprintf(command, sizeof command, "exec '%s' child %d %s '%s'", self, (int)getpid(), kind,
             truth);
    int status;
    if (strcmp(kind, "system") == 0) {
        status = system(command);
    } else {
        FILE *pipe = popen(command, "r");
        status = pipe ? pclose(pipe) : -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != CHILD_STATUS)
        errx(1, "%s: status %#x", kind, status);
}

/* A process that turns itself into a daemon; its maker waits for the original only. */
static void make_daemon(const char *kind) {
    const pid_t maker = getpid(), child = fork();
    if (child == 0) {
        testify(maker, "fork", 0); /* daemon() ends the original with status 0 */
        const pid_t original = getpid();
        if (daemon(1, 1)) _exit(97);
        testify(original, kind, CHILD_STATUS);
        _exit(CHILD_STATUS);
    }
    if (waitpid(child, NULL, 0) != child) err(1, "daemon");
    struct timespec pause = {.tv_nsec = 200 * 1000000l};
    nanosleep(&pause, NULL);
}

static void make_by_double_fork(const char *kind) {
    (void)kind;
    const pid_t maker = getpid(), child = fork();
    if (child == 0) {
        const pid_t middle = getpid();
        if (fork() == 0) {
            testify(middle, "fork", CHILD_STATUS);
            _exit(CHILD_STATUS);
        }
        testify(maker, "fork", 0);
        _exit(0);
    }
    if (waitpid(child, NULL, 0) != child) err(1, "double fork");
    struct timespec pause = {.tv_nsec = 200 * 1000000l};
    nanosleep(&pause, NULL);
}

static void make_chain(const char *kind) {
    (void)kind;
    struct child_arguments arguments;
    char **list = child_arguments(&arguments, self, "fork", "3");
    const pid_t child = fork();
    if (child == 0) {
        execv(self, list);
        _exit(98);
    }
    await_child(child);
}

static void make_without_environment(const char *kind) {
    (void)kind;
    struct child_arguments arguments;
    char **list = child_arguments(&arguments, self, "fork", NULL);
    char *command[12] = {"env", "-i"};
    memcpy(command + 2, list, sizeof arguments.list);
    const pid_t child = fork();
    if (child == 0) {
        execv("/usr/bin/env", command);
        _exit(98);
    }
    await_child(child);
}

static void make_static(const char *kind) {
    (void)kind;
    struct child_arguments arguments;
    char **list = child_arguments(&arguments, static_copy, "fork", NULL);
    const pid_t child = fork();
    if (child == 0) {
        execv(static_copy, list);
        _exit(98);
    }
    await_child(child);
}

static const struct {
    const char *kind;
    void (*make)(const char *);
} kinds[] = {
    {"fork", make_by_fork},         {"_Fork", make_by_fork},
    {"vfork", make_by_vfork},       {"clone", make_by_clone},
    {"posix_spawn", make_by_spawn}, {"posix_spawnp", make_by_spawn},
    {"system", make_by_shell},      {"popen", make_by_shell},
    {"daemon", make_daemon},        {"double-fork", make_by_double_fork},
    {"exec-chain", make_chain},     {"env-i", make_without_environment},
    {"static", make_static},
};

static int be_child(int argc, char **argv) {
    const int steps = argc > 5 ? atoi(argv[5]) : 0;
    truth = argv[4];
    if (steps > 0) {
        char next[16];
        snprintf(next, sizeof next, "%d", steps - 1);
        execl(argv[0], argv[0], "child", argv[2], argv[3], argv[4], next, (char *)NULL);
        return 98;
    }
    testify(atoi(argv[2]), argv[3], CHILD_STATUS);
    return CHILD_STATUS;
}

int main(int argc, char **argv) {
    if (argc > 4 && strcmp(argv[1], "child") == 0) return be_child(argc, argv);
    if (argc < 3) errx(2, "usage: lineage KIND TRUTH [STATIC]");
    self = argv[0];
    truth = argv[2];
    static_copy = argc > 3 ? argv[3] : self;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].kind, argv[1])) continue;
        kinds[i].make(argv[1]);
        testify(getppid(), "main", 0);
        return 0;
    }
    errx(2, "no such kind: %s", argv[1]);
}
