/*
 * Things that an application does and a recorder must survive or leave alone.
 * usage: manners descriptors|errno|affinity|ends|wait|environment
 *
 * Prints what went wrong; the status is 0 when nothing did.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* A probe that ends where it began, a thread of its own, then for good. */
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
    CHECK(pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0);
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
    CHECK(wait(NULL) == -1 && errno == ECHILD);
}

/* After clearenv a child is recorded all the same, and sees a clean environment
 * but for what carries the recorder. */
static void environment(void) {
    pid_t pid;
    int status;

    CHECK(clearenv() == 0 && putenv("ONLY=1") == 0);
    pid = fork();
    if (pid == 0) {
        execlp("/usr/bin/env", "env", (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(environ[0] != NULL && environ[1] == NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"descriptors", descriptors}, {"errno", errno_kept},
    {"affinity", affinity},       {"ends", ends},
    {"wait", wait_forms},         {"environment", environment},
};

int main(int argc, char **argv) {
    for (unsigned i = 0; argc == 2 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run();
            return 0;
        }
    errx(64, "usage: manners descriptors|errno|affinity|ends|wait|environment");
}
