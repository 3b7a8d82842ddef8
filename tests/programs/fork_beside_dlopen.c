/*
 * A thread loads and unloads a library all the time while the main thread calls
 * _Fork, whose children find the loader's locks as they were: a child that asks
 * the loader anything may hang. usage: fork_beside_dlopen LIBRARY COUNT
 */
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int stop;

static void *load(void *library) {
    while (!stop) {
        void *handle = dlopen(library, RTLD_NOW);

        if (handle == NULL) errx(1, "%s", dlerror());
        dlclose(handle);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t thread;

    if (argc != 3) errx(64, "usage: fork_beside_dlopen LIBRARY COUNT");
    if (pthread_create(&thread, NULL, load, argv[1]) != 0) errx(1, "pthread_create");
    for (int i = atoi(argv[2]); i > 0; i--) {
        const pid_t pid = _Fork();
        int status;

        if (pid < 0) err(1, "_Fork");
        if (pid == 0) {
            alarm(10); /* a child that hangs ends by a signal */
            if (i % 2 == 0) execl("/bin/true", "true", (char *)NULL);
            _exit(0);
        }
        if (waitpid(pid, &status, 0) != pid || status != 0) errx(1, "status %x", status);
    }
    stop = 1;
    pthread_join(thread, NULL);
    return 0;
}
