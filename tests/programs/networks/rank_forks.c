/*
 * rank_forks.c - a rank of MPI that makes a child, linked with a network's library.
 *
 *   rank_forks [WORD ...]
 *
 * init: asks for fork support. register, demand, fabric: registers memory with libibverbs,
 * to be paged in on demand, or lets libfabric do it. Then, in the order of the words: fork,
 * exec (fork and exec), spawn, system, finalize.
 */
#include <mpi.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
extern int ibv_fork_init(void) __attribute__((weak));
extern void *ibv_reg_mr(void *domain, void *memory, size_t length, int access)
    __attribute__((weak));
extern int fi_getinfo(unsigned version, const char *node, const char *service, unsigned long flags,
                      const void *hints, void **info) __attribute__((weak));

enum { ON_DEMAND = 1 << 6 };
static char buffer[4096];

static int register_memory(int access) {
    return ibv_reg_mr && ibv_reg_mr(buffer, buffer, sizeof buffer, access) ? 0 : 1;
}

static int make_child(int exec) {
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0 && exec) execlp("true", "true", (char *)NULL);
    if (pid == 0) _exit(0);
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : 1;
}

static int spawn_child(void) {
    char *arguments[] = {(char *)"true", NULL};
    int status = 0;
    pid_t pid;

    if (posix_spawnp(&pid, "true", NULL, NULL, arguments, environ) != 0) return 1;
    return waitpid(pid, &status, 0) == pid ? status : 1;
}

static int obey(const char *word) {
    void *info;

    if (strcmp(word, "init") == 0) return ibv_fork_init ? ibv_fork_init() : 1;
    if (strcmp(word, "register") == 0) return register_memory(0);
    if (strcmp(word, "demand") == 0) return register_memory(ON_DEMAND);
    if (strcmp(word, "fabric") == 0)
        return fi_getinfo ? fi_getinfo(0, NULL, NULL, 0, NULL, &info) : 1;
    if (strcmp(word, "fork") == 0) return make_child(0);
    if (strcmp(word, "exec") == 0) return make_child(1);
    if (strcmp(word, "spawn") == 0) return spawn_child();
    if (strcmp(word, "system") == 0) return system("true");
    return strcmp(word, "finalize") == 0 ? MPI_Finalize() : 1;
}

int main(int argc, char **argv) {
    int finalized = 0;

    MPI_Init(&argc, &argv);
    for (int i = 1; i < argc; i++)
        if (obey(argv[i]) != 0) {
            fprintf(stderr, "%s did not work\n", argv[i]);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    MPI_Finalized(&finalized);
    if (!finalized) MPI_Finalize();
    return 0;
}
