/*
 * Many of one thing. usage: storms forks|threads|alive|events COUNT
 *
 * forks: one after the other. threads: one after the other. alive: threads on
 * the smallest stacks, all alive at once. events: changes of a variable.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void forks(int count) {
    for (int i = 0; i < count; i++) {
        const pid_t pid = fork();
        int status;

        if (pid < 0) err(1, "fork");
        if (pid == 0) _exit(i % 7);
        if (waitpid(pid, &status, 0) != pid || status != i % 7 << 8) errx(1, "child %d lost", i);
    }
}

static void *pass(void *number) {
    return number;
}

static void *meet(void *number) {
    pthread_barrier_wait(&barrier);
    return number;
}

static void start(pthread_t *thread, void *(*routine)(void *), long number) {
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    errno = pthread_create(thread, &attributes, routine, (void *)number);
    if (errno != 0) err(1, "pthread_create");
    pthread_attr_destroy(&attributes);
}

static void join(pthread_t thread, long number) {
    void *result;

    if (pthread_join(thread, &result) != 0 || result != (void *)number) errx(1, "wrong result");
}

static void threads(int count) {
    for (long i = 0; i < count; i++) {
        pthread_t thread;

        start(&thread, pass, i);
        join(thread, i);
    }
}

static void alive(int count) {
    pthread_t *list = calloc((size_t)count, sizeof *list);

    if (list == NULL) err(1, "calloc");
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    for (long i = 0; i < count; i++)
        start(&list[i], meet, i);
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < count; i++)
        join(list[i], i);
    free(list);
}

static void events(int count) {
    char value[16];

    for (int i = 0; i < count; i++) {
        snprintf(value, sizeof value, "%d", i);
        if (setenv("OMP_NUM_THREADS", value, 1) != 0) err(1, "setenv");
    }
}

static const struct {
    const char *name;
    void (*run)(int count);
} kinds[] = {{"forks", forks}, {"threads", threads}, {"alive", alive}, {"events", events}};

int main(int argc, char **argv) {
    for (unsigned i = 0; argc == 3 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run(atoi(argv[2]));
            return 0;
        }
    errx(64, "usage: storms forks|threads|alive|events COUNT");
}
