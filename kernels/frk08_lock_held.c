/*
 * A thread holds a mutex while main() forks: in the child it stays locked for ever,
 * for the thread that would unlock it was not copied. FRK-08 names it, and FRK-06.
 *
 *   frk08_lock_held [--fork-first]
 *
 * --fork-first: the child is forked before there is a thread, and nothing hangs.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static long table[1000];

static void *fill_table(void *unused) {
    pthread_mutex_lock(&table_lock);
    for (int i = 0; i < 1000; i++) {
        table[i] = (long)i * i;
        usleep(500);
    }
    pthread_mutex_unlock(&table_lock);
    return unused;
}

static int sum_table(void) {
    long sum = 0;

    pthread_mutex_lock(&table_lock);
    for (int i = 0; i < 1000; i++)
        sum += table[i];
    pthread_mutex_unlock(&table_lock);
    return sum >= 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    const int fork_first = argc > 1 && strcmp(argv[1], "--fork-first") == 0;
    pthread_t filler;
    int status;

    pid_t child = fork_first ? fork() : -1;
    if (child == 0) _exit(sum_table());
    pthread_create(&filler, NULL, fill_table, NULL);
    usleep(100000);
    if (!fork_first) child = fork();
    if (child == 0) _exit(sum_table());
    pthread_join(filler, NULL);
    waitpid(child, &status, 0);
    printf("child ended with %d\n", WEXITSTATUS(status));
    return 0;
}
