/* Stand-in for an extension module that keeps a pool of threads, as Polars does by Rayon. */
#include <pthread.h>
#include <unistd.h>

static void *idle(void *argument) {
    for (;;)
        pause();
    return argument;
}

void start_threads(int count);
void start_threads(int count) {
    while (count-- > 0) {
        pthread_t thread;
        if (pthread_create(&thread, 0, idle, 0) == 0) pthread_detach(thread);
    }
}
