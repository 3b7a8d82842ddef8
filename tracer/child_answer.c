/* child_answer.c - see child_answer.h. */
#include "tracer/child_answer.h"

#include "tracer/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 512 * 1024 };

static _Noreturn void be_child(void (*work)(FILE *, void *), void *context, int to) {
    const struct rlimit no_core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    FILE *out = fdopen(to, "w");
    if (out) {
        work(out, context);
        fflush(out);
    }
    _exit(0);
}

/* Everything that comes until the end or the deadline, NUL-terminated. */
static char *read_answer(int from, int64_t deadline) {
    char *answer = malloc(ANSWER_MAX);
    size_t length = 0;

    while (answer && length < ANSWER_MAX - 1) {
        struct pollfd waiting = {.fd = from, .events = POLLIN};
        const int64_t left = deadline - fs_now();
        if (left <= 0 || poll(&waiting, 1, (int)(left / FS_MILLISECOND) + 1) < 0) break;
        if (!waiting.revents) continue;
        const ssize_t got = read(from, answer + length, ANSWER_MAX - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
    }
    if (!answer) return NULL;
    /* A cut line is none. */
    while (length > 0 && answer[length - 1] != '\n')
        length--;
    answer[length] = '\0';
    return answer;
}

char *fs_child_answer(void (*work)(FILE *, void *), void *context, int64_t patience,
                      int64_t *cpu_ns) {
    struct rusage usage;
    int ends[2], status;

    if (pipe2(ends, O_CLOEXEC) != 0) return NULL;
    const pid_t child = fork();
    if (child == 0) be_child(work, context, ends[1]);
    close(ends[1]);
    char *answer = child > 0 ? read_answer(ends[0], fs_now() + patience) : NULL;
    close(ends[0]);
    if (child <= 0) return NULL;
    kill(child, SIGKILL);
    if (wait4(child, &status, 0, &usage) == child && cpu_ns)
        *cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * FS_SECOND +
                  (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
    return answer;
}
