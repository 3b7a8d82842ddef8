/*
 * Things that an application does and a recorder must survive or leave alone.
 * usage: manners KIND, one of the table at the end
 *
 * Prints what went wrong; the status is 0 when nothing did.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define CHECK(condition)                                                                           \
    do                                                                                             \
        if (!(condition)) errx(1, "line %d: not so: %s", __LINE__, #condition);                    \
    while (0)

static void *nothing(void *argument) {
    return argument;
}

static int open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = -1; /* the folder itself */

    CHECK(folder != NULL);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char target[256] = "";

        if (entry->d_name[0] == '.') continue;
        CHECK(readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) > 0);
        CHECK(strstr(target, ".seg") == NULL);
        count++;
    }
    closedir(folder);
    return count;
}

/* None of ours is open, and whatever is may be closed. */
static void descriptors(void) {
    pthread_t thread;
    pid_t pid;
    int status;

    CHECK(open_descriptors() >= 3);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    pid = fork();
    if (pid == 0) exit(open_descriptors());
    CHECK(waitpid(pid, &status, 0) == pid && status == 3 << 8);
    CHECK(open_descriptors() == 3);
}

/* Successful calls leave errno alone, failed ones set their own. */
static void errno_kept(void) {
    cpu_set_t set;
    pid_t pid;

    errno = EDOM;
    pid = fork();
    if (pid == 0) _exit(errno);
    CHECK(errno == EDOM);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == EDOM << 8 && errno == EDOM);
    CHECK(setenv("OMP_NUM_THREADS", "2", 1) == 0 && errno == EDOM);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0 && errno == EDOM);
    CHECK(kill(getpid(), 0) == 0 && errno == EDOM);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
    CHECK(execl("/nonexistent", "x", (char *)NULL) == -1 && errno == ENOENT);
    CHECK(kill(-1234567, SIGTERM) == -1 && errno == ESRCH);
    CHECK(sched_setaffinity(0, 0, &set) == -1 && errno == EINVAL);
}

static void *narrow_self(void *set) {
    CHECK(pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), set) == 0);
    return NULL;
}

static pthread_t main_thread;

static void *narrow_main(void *set) {
    CHECK(pthread_setaffinity_np(main_thread, sizeof(cpu_set_t), set) == 0);
    return NULL;
}

/* A probe that ends where it began, a thread of its own, then for good, by another thread. */
static void affinity(void) {
    cpu_set_t all, one;
    pthread_t thread;
    int first = 0;

    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0 &&
          sched_setaffinity(0, sizeof all, &all) == 0);
    CHECK(pthread_create(&thread, NULL, narrow_self, &one) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    main_thread = pthread_self();
    CHECK(pthread_create(&thread, NULL, narrow_main, &one) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void *leaves(void *argument) {
    pthread_exit(argument);
}

static void *waits(void *argument) {
    for (;;)
        pause();
    return argument;
}

static int token;

/* Threads end by return, pthread_exit and cancellation. */
static void ends(void) {
    void *(*const routines[])(void *) = {nothing, leaves, waits};

    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        void *result;

        CHECK(pthread_create(&thread, NULL, routines[i], &token) == 0);
        if (i == 2) CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == (i == 2 ? PTHREAD_CANCELED : (void *)&token));
    }
}

/* Every form of wait, also those that reap nobody. */
static void wait_forms(void) {
    siginfo_t info;
    int status;

    for (int form = 0; form < 4; form++) {
        const pid_t pid = fork();

        if (pid == 0) _exit(form);
        if (form == 0) CHECK(wait(&status) == pid && status == 0);
        if (form == 1) CHECK(wait3(NULL, 0, NULL) == pid);
        if (form == 2) CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
        if (form == 2) CHECK(waitid(P_ALL, 0, NULL, WEXITED) == 0);
        if (form == 3) CHECK(waitpid(-1, NULL, 0) == pid);
    }
    CHECK(waitid(P_ALL, 0, (siginfo_t *)8, WEXITED) == -1 && errno == EFAULT);
    CHECK(wait(NULL) == -1 && errno == ECHILD);
}

/* Calls that a recorder makes and this program does not: they end it. */
static void confine(bool by_syscall) {
    static const int denied[] = {SYS_clock_gettime, SYS_sched_getaffinity, SYS_getrusage,
                                 SYS_ftruncate, SYS_readlinkat};
    struct sock_filter filter[2 * sizeof denied / sizeof *denied + 2];
    struct sock_fprog program = {.filter = filter};

    filter[program.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < sizeof denied / sizeof *denied; i++) {
        filter[program.len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], 0, 1);
        filter[program.len++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (by_syscall)
        CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
    else
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void expect_child(pid_t pid, int status) {
    int got;

    CHECK(waitpid(pid, &got, 0) == pid && got == status << 8);
}

/* Behind a filter it forks, runs a program and ends as ever; one that is refused changes
 * nothing. */
static void filters(void) {
    for (int form = 0; form < 2; form++) {
        pid_t pid = fork();

        if (pid == 0) {
            confine(form == 1);
            pid = fork();
            if (pid == 0) exit(5);
            expect_child(pid, 5);
            pid = fork();
            if (pid == 0) execl("/bin/true", "true", (char *)NULL);
            expect_child(pid, 0);
            _exit(4);
        }
        expect_child(pid, 4);
    }
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
    const pid_t pid = fork();
    if (pid == 0) _exit(6);
    expect_child(pid, 6);
}

/* A limit that comes later: files are made no more, and the signal for it does not come. */
static void limited(void) {
    const struct rlimit limit = {0, 0};
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    const pid_t pid = fork();
    if (pid == 0) _exit(3);
    expect_child(pid, 3);
}

/* After clearenv, which leaves no list at all, children are recorded all the same, and see
 * a clean environment but for what carries the recorder. */
static void environment(void) {
    char *const nothing_said[] = {"true", NULL};
    pid_t pid;
    int status;

    CHECK(clearenv() == 0 && environ == NULL);
    pid = fork();
    if (pid == 0) execl("/bin/true", "true", (char *)NULL);
    expect_child(pid, 0);
    CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, nothing_said, NULL) == 0);
    expect_child(pid, 0);
    CHECK(putenv("ONLY=1") == 0);
    pid = fork();
    if (pid == 0) {
        execlp("/usr/bin/env", "env", (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(environ[0] != NULL && environ[1] == NULL);
}

/* Two pages, of which the second cannot be read. */
static char *before_a_hole(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_NONE) == 0);
    return pages + 4096;
}

#define REFUSED(error, call) CHECK((errno = 0, call) == -1 && errno == (error))

/* What is not there is the kernel's to refuse. */
static void refused(void) {
    char *const nothing_said[] = {"true", NULL}, *const wrong[] = {"A=b", (char *)8, NULL};
    char *const nowhere = (char *)8, *const hole = before_a_hole();
    char *const *const no_list = (char *const *)hole;
    char **const cut = (char **)hole - 1;
    const int program = open("/bin/true", O_RDONLY | O_CLOEXEC);
    FILE *pipe;
    pid_t pid;

    memcpy(hole - 8, "/no/such", 8);
    *(hole - 9) = '\0';
    REFUSED(EFAULT, execv(nowhere, nothing_said));
    REFUSED(EFAULT, execve(nowhere, nothing_said, environ));
    REFUSED(EFAULT, execve(hole - 8, nothing_said, environ));
    REFUSED(ENOENT, execve(hole - 9, nothing_said, environ));
    REFUSED(EFAULT, execve("/bin/true", nothing_said, no_list));
    REFUSED(EFAULT, execve("/bin/true", nothing_said, wrong));
    REFUSED(EFAULT, execveat(AT_FDCWD, nowhere, nothing_said, environ, 0));
    REFUSED(EFAULT, fexecve(program, nothing_said, no_list));
    *cut = "A=b";
    REFUSED(EFAULT, execve("/bin/true", nothing_said, cut));
    CHECK(posix_spawn(&pid, nowhere, NULL, NULL, nothing_said, environ) == EFAULT);
    CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, nothing_said, no_list) == EFAULT);
    CHECK(system(nowhere) == 127 << 8);
    pipe = popen(nowhere, "r");
    CHECK(pipe == NULL || pclose(pipe) == 127 << 8);
    pid = vfork();
    if (pid == 0) {
        execve("/bin/true", nothing_said, wrong);
        _exit(errno == EFAULT ? 4 : 5);
    }
    expect_child(pid, 4);
}

enum { MANY = 3000 };

static void *execute_there(void *environment) {
    char *const nothing_said[] = {"true", NULL};

    execve("/bin/true", nothing_said, environment);
    _exit(126);
}

/* An environment that is larger than the stack of the thread that passes it on. */
static void small_stack(void) {
    static char *environment[MANY + 1];
    pthread_attr_t attributes;
    pthread_t thread;

    for (unsigned i = 0; i < MANY; i++)
        environment[i] = "A=b";
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        CHECK(pthread_create(&thread, &attributes, execute_there, environment) == 0);
        for (;;)
            pause();
    }
    expect_child(pid, 0);
}

/* libc's syscall hands six arguments down, and leaves errno alone when all went well. */
static void system_calls(void) {
    FILE *file = tmpfile();
    const char *map;

    CHECK(file != NULL && ftruncate(fileno(file), 8192) == 0);
    CHECK(pwrite(fileno(file), "second", 6, 4096) == 6);
    errno = EDOM;
    map = (const char *)syscall(SYS_mmap, NULL, 4096L, PROT_READ, MAP_PRIVATE, fileno(file), 4096L);
    CHECK(map != MAP_FAILED && errno == EDOM && memcmp(map, "second", 6) == 0);
    CHECK(syscall(SYS_getpid) == getpid() && errno == EDOM);
    CHECK(syscall(SYS_close, -1) == -1 && errno == EBADF);
    CHECK(syscall(-1L) == -1 && errno == ENOSYS);
}

static sigjmp_buf out_of_the_wait;

static void leave_the_wait(int signal) {
    siglongjmp(out_of_the_wait, signal);
}

/* One child is waited for without libc, one where a handler leaves the call. */
static void unseen_waits(void) {
    pid_t pid = fork();

    if (pid == 0) _exit(0);
    CHECK(syscall(SYS_wait4, pid, NULL, 0, NULL) == pid);
    signal(SIGCHLD, leave_the_wait);
    if (sigsetjmp(out_of_the_wait, 1) == 0) {
        pid = fork();
        if (pid == 0) _exit(usleep(20000));
        for (;;)
            waitpid(pid, NULL, 0);
    }
    signal(SIGCHLD, SIG_DFL);
    while (syscall(SYS_wait4, -1, NULL, 0, NULL) > 0)
        continue;
}

/* A child that ended and is not waited for by anybody. */
static void forsaken(void) {
    siginfo_t info;
    const pid_t pid = fork();

    if (pid == 0) _exit(0);
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"descriptors", descriptors}, {"errno", errno_kept},
    {"affinity", affinity},       {"ends", ends},
    {"wait", wait_forms},         {"environment", environment},
    {"filters", filters},         {"limited", limited},
    {"refused", refused},         {"small_stack", small_stack},
    {"syscalls", system_calls},   {"unseen_waits", unseen_waits},
    {"forsaken", forsaken},
};

int main(int argc, char **argv) {
    for (unsigned i = 0; argc == 2 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run();
            return 0;
        }
    errx(64, "usage: manners KIND");
}
