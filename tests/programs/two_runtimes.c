/*
 * two_runtimes.c - a program without OpenMP that loads objects with it, each for itself.
 *
 *   two_runtimes HOW OBJECT...
 *
 * Every OBJECT is a shared object with `int team(void)`: the size of a region's team, told
 * from inside by its own runtime, which knows nothing of a region that another one runs.
 * HOW: "now" calls each in turn; "fork", "_Fork" do so in a child that is the first to;
 * "thread" in a forked child of a program with a thread. Prints the sizes.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS_MAX = 8 };

static void *sleep_on(void *unused) {
    sleep(30);
    return unused;
}

static int call(int (*const *teams)(void), int count) {
    char line[64] = "";
    size_t length = 0;

    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(line + length, sizeof line - length, "%d ", teams[i]());
    line[length > 0 ? length - 1 : 0] = '\n';
    return write(STDOUT_FILENO, line, length) == (ssize_t)length ? 0 : 1;
}

int main(int argc, char **argv) {
    int (*teams[OBJECTS_MAX])(void), count = 0, status = 0;
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t thread;
    pid_t child;

    for (int i = 2; i < argc && count < OBJECTS_MAX; i++) {
        void *object = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);

        if (object == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        *(void **)&teams[count++] = dlsym(object, "team");
    }
    if (strcmp(how, "now") == 0) return call(teams, count);
    if (strcmp(how, "thread") == 0 && pthread_create(&thread, NULL, sleep_on, NULL) != 0) return 2;
    child = strcmp(how, "_Fork") == 0 ? _Fork() : fork();
    if (child == 0) _exit(call(teams, count));
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}
