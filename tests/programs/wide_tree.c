/*
 * wide_tree.c - a tree of many processes with many threads that all do a little: a child for
 * each process but the first, and every thread wakes five times a second.
 *
 * usage: wide_tree PROCESSES THREADS
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void *work(void *none) {
    for (;;) {
        struct timespec pause = {.tv_nsec = 200000000};
        for (volatile int i = 0; i < 20000; i++) {}
        nanosleep(&pause, NULL);
    }
    return none;
}
int main(int argc, char **argv) {
    const int processes = argc > 2 ? atoi(argv[1]) : 1, threads = argc > 2 ? atoi(argv[2]) : 1;
    pthread_t id;

    for (int i = 1; i < processes; i++)
        if (fork() == 0) {
            for (int t = 1; t < threads; t++)
                pthread_create(&id, NULL, work, NULL);
            work(NULL);
        }
    while (wait(NULL) > 0) {}
    return 0;
}
