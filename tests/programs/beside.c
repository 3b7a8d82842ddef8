/*
 * Forks beside threads, for tests of what is recorded then. usage: beside KIND, where
 * KIND is a function below. Each child ends at once; each fork must succeed.
 */
#include <err.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *argument) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return argument;
}

static void fork_once(void) {
    const pid_t pid = fork();

    if (pid == 0) _exit(0);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid) err(1, "fork");
}

static void *fork_as_thread(void *argument) {
    fork_once();
    return argument;
}

static pthread_t start(void *(*routine)(void *), size_t stack) {
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    if (stack) pthread_attr_setstacksize(&attributes, stack);
    if (pthread_create(&thread, &attributes, routine, NULL) != 0) errx(1, "pthread_create");
    return thread;
}

/* Two threads, both started by the one that forks. */
static void alive(void) {
    pthread_t threads[2];

    pthread_mutex_lock(&gate);
    for (int i = 0; i < 2; i++)
        threads[i] = start(wait_at_gate, 0);
    fork_once();
    fork_once();
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void joined(void) {
    pthread_join(start(wait_at_gate, 0), NULL);
    fork_once();
}

/* The smallest stack that a thread can have; the main thread is the other one. */
static void by_thread(void) {
    pthread_join(start(fork_as_thread, 16384), NULL);
}

static pthread_t helper;

static void stop_helper(void) {
    pthread_mutex_unlock(&gate);
    pthread_join(helper, NULL);
}

static void restart_helper(void) {
    pthread_mutex_lock(&gate);
    helper = start(wait_at_gate, 0);
}

/* A library that stops its thread before a fork and makes another one after it. */
static void renewed(void) {
    pthread_atfork(stop_helper, restart_helper, NULL);
    restart_helper();
    fork_once();
    stop_helper();
}

/* Forks at more places than stacks are kept of. */
static void many(void) {
    pthread_mutex_lock(&gate);
    const pthread_t thread = start(wait_at_gate, 0);
#define fork_once_here()                                                                           \
    do {                                                                                           \
        const pid_t pid = fork();                                                                  \
        if (pid == 0) _exit(0);                                                                    \
        waitpid(pid, NULL, 0);                                                                     \
    } while (0)
#define FOUR()                                                                                     \
    fork_once_here();                                                                              \
    fork_once_here();                                                                              \
    fork_once_here();                                                                              \
    fork_once_here()
    FOUR();
    FOUR();
    FOUR();
    FOUR();
    fork_once_here();
    fork_once_here();
    pthread_mutex_unlock(&gate);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {{"alive", alive},
                 {"joined", joined},
                 {"by_thread", by_thread},
                 {"renewed", renewed},
                 {"many", many}};

    for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run();
            return 0;
        }
    errx(2, "usage: beside KIND");
}
