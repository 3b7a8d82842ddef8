/*
 * stack_reader.c - see stack_reader.h.
 *
 * The child sends lines: a letter, the index of the thread, a blank, text.
 *   N  a C frame            R  the C frames so far are void: better ones follow
 *   P  a Python frame       O  an obstacle (index 0)       H  owner of a lock (a tid)
 */
#include "tracer/stack_reader.h"

#include "tracer/child_answer.h"
#include "tracer/stack_native.h"
#include "tracer/stack_python.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_TEXT = 512, PYTHON_TEXT = 32 * 1024, STACK_TEXT_MAX = 8192 };

/* --- in the child --- */

struct order {
    const struct fs_stack_request *request;
    int memory;
};

struct work {
    const struct fs_stack_request *request;
    int memory;
    struct fs_names *names;
    FILE *out;
    size_t counts[64]; /* C frames of each thread */
    uint64_t counters[64][FS_NATIVE_FRAMES_MAX];
};

static void send_line(struct work *work, char letter, size_t index, const char *text,
                      size_t length) {
    fprintf(work->out, "%c %zu ", letter, index);
    for (size_t i = 0; i < length; i++)
        fputc((unsigned char)text[i] < 0x20 ? '?' : text[i], work->out);
    fputc('\n', work->out);
}

static void send_native(struct work *work, size_t index, bool lines) {
    char text[FRAME_TEXT];

    for (size_t i = 0; i < work->counts[index]; i++) {
        fs_names_describe(work->names, work->counters[index][i], i > 0, lines, text, sizeof text);
        send_line(work, 'N', index, text, strlen(text));
    }
}

/* A mutex of glibc begins with the lock word, a count and its owner's tid. */
static void send_holder(struct work *work, size_t index) {
    const uint64_t lock = work->request->stacks[index].wait.address;
    int32_t words[3];
    char text[FRAME_TEXT];
    bool mutex = false;

    for (size_t i = 0; i < work->counts[index] && i < 4; i++) {
        fs_names_describe(work->names, work->counters[index][i], i > 0, false, text, sizeof text);
        mutex |= strstr(text, "mutex_lock") != NULL;
    }
    if (!lock || !mutex ||
        pread(work->memory, words, sizeof words, (off_t)lock) != (ssize_t)sizeof words ||
        words[2] <= 0)
        return;
    snprintf(text, sizeof text, "%d", words[2]);
    send_line(work, 'H', index, text, strlen(text));
}

static int read_target(void *context, uint64_t address, void *into, size_t size) {
    const struct work *work = context;

    return pread(work->memory, into, size, (off_t)address) == (ssize_t)size ? 0 : -1;
}

/* 3.N by the interpreter's own variable (3.11 and later), or by the name of its file; 0. */
static int python_minor(struct work *work, const char *file) {
    const uint64_t at = fs_names_of_python(work->names, "Py_Version", NULL, 0);
    const char *dot = strstr(file, "python3.");
    unsigned long version = 0;

    if (at && read_target(work, at, &version, sizeof version) == 0 && version >> 24 == 3)
        return (int)(version >> 16 & 0xff);
    return dot ? atoi(dot + strlen("python3.")) : 0;
}

static void send_frames(struct work *work, size_t index, const char *text) {
    while (*text) {
        const size_t length = strcspn(text, "\n");
        send_line(work, 'P', index, text, length);
        text += length + (text[length] == '\n');
    }
}

static void send_python(struct work *work) {
    static char text[PYTHON_TEXT];
    struct fs_python python;
    char file[256] = "";
    const uint64_t runtime = fs_names_of_python(work->names, "_PyRuntime", file, sizeof file);

    if (!runtime) return;
    const int minor = python_minor(work, file);
    if (fs_python_open(&python, read_target, work, runtime, minor) != 0) {
        const int length =
            snprintf(text, sizeof text, "Python 3.%d keeps its frames in an unknown way", minor);
        send_line(work, 'O', 0, text, (size_t)length);
        return;
    }
    for (size_t i = 0; i < work->request->count; i++) {
        const struct fs_snapshot *snapshot = &work->request->stacks[i].snapshot;
        if (fs_python_stack(&python, snapshot->tid, snapshot->thread_pointer,
                            work->request->only && work->request->count == 1, text,
                            sizeof text) > 0)
            send_frames(work, i, text);
    }
}

static void do_work(struct work *work) {
    const struct fs_stack_request *request = work->request;

    work->names = fs_names_open(request->pid);
    if (!work->names) {
        static const char text[] = "its mapped files cannot be read";
        send_line(work, 'O', 0, text, strlen(text));
        fflush(work->out);
        return;
    }
    for (size_t i = 0; i < request->count; i++) {
        if (!request->stacks[i].copied) continue;
        work->counts[i] = fs_stack_unwind(request->pid, work->memory, &request->stacks[i].snapshot,
                                          work->counters[i], FS_NATIVE_FRAMES_MAX);
        send_native(work, i, false);
        send_holder(work, i);
    }
    fflush(work->out);
    send_python(work);
    fflush(work->out);
    /* Debug information may be huge: lines come last. */
    for (size_t i = 0; i < request->count; i++) {
        if (!work->counts[i]) continue;
        send_line(work, 'R', i, "", 0);
        send_native(work, i, true);
        fflush(work->out);
    }
}

static void work_in_child(FILE *out, void *context) {
    struct work *work = calloc(1, sizeof *work);
    const struct order *order = context;

    if (!work) return;
    work->request = order->request;
    work->memory = order->memory;
    work->out = out;
    do_work(work);
    free(work);
}

/* --- here --- */

static void set_obstacle(struct fs_stack_request *request, const char *text) {
    if (!request->obstacle) request->obstacle = strdup(text);
}

static void add_frame(char **stack, const char *text) {
    const size_t before = *stack ? strlen(*stack) : 0, length = strlen(text);
    char *longer = before + length < STACK_TEXT_MAX ? realloc(*stack, before + length + 2) : NULL;

    if (!longer) return;
    *stack = longer;
    if (before) longer[before] = '\n';
    memcpy(longer + before + (before > 0), text, length + 1);
}

static void take_line(struct fs_stack_request *request, const char *line) {
    char *text;
    const unsigned long index = strtoul(line + 1, &text, 10);

    if (index >= request->count || *text != ' ') return;
    struct fs_stack *stack = &request->stacks[index];
    text++;
    switch (line[0]) {
    case 'R':
        free(stack->native);
        stack->native = NULL;
        break;
    case 'N':
        add_frame(&stack->native, text);
        break;
    case 'P':
        add_frame(&stack->python, text);
        break;
    case 'O':
        set_obstacle(request, text);
        break;
    case 'H':
        if (!request->holder) request->holder = (int)strtol(text, NULL, 10);
        break;
    default:
        break;
    }
}

static void take_answer(struct fs_stack_request *request, char *answer) {
    char *rest = NULL;

    for (char *line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_line(request, line);
}

static void interpret(struct fs_stack_request *request, int memory, int64_t patience) {
    struct order order = {.request = request, .memory = memory};
    char *answer = fs_child_answer(work_in_child, &order, patience, &request->cpu_ns);

    if (answer)
        take_answer(request, answer);
    else
        set_obstacle(request, "no memory or process to read its stacks with");
    free(answer);
}

/* Whom the kernel lets look into a process: '0' is who always may. */
static char ptrace_scope(void) {
    char scope = '0';
    const int file = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

    if (file >= 0 && read(file, &scope, 1) < 1) scope = '0';
    if (file >= 0) close(file);
    return scope;
}

/* Why a thread could not be held, for a reader. */
static const char *reason_text(int pid, int reason) {
    static char text[160];
    char path[32], status[4096];

    if (reason != EPERM && reason != EACCES) return strerror(reason);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? 0 : read(file, status, sizeof status - 1);
    if (file >= 0) close(file);
    status[length > 0 ? length : 0] = '\0';
    const char *tracer = strstr(status, "\nTracerPid:\t");
    const int by = tracer ? atoi(tracer + strlen("\nTracerPid:\t")) : 0;
    const char scope = ptrace_scope();
    if (by > 0)
        snprintf(text, sizeof text, "process %d traces it (a debugger?)", by);
    else if (scope != '0')
        snprintf(text, sizeof text, "%s may look at it (kernel.yama.ptrace_scope is %c)",
                 scope == '1' ? "only its ancestors" : "no user", scope);
    else
        snprintf(text, sizeof text, "no permission to look at it (ptrace: %s)", strerror(reason));
    return text;
}

static void copy_threads(struct fs_stack_request *request, int memory) {
    for (size_t i = 0; i < request->count; i++) {
        struct fs_stack *stack = &request->stacks[i];
        struct fs_snapshot *snapshot = &stack->snapshot;
        if (!stack->wait.restarts) continue;
        snapshot->stack = malloc(FS_STACK_COPY);
        if (!snapshot->stack) continue;
        stack->copied =
            fs_attach_copy(snapshot->tid, request->child && snapshot->tid == request->pid, memory,
                           snapshot) == 0;
        if (!stack->copied && errno != ESRCH)
            set_obstacle(request, reason_text(request->pid, errno));
        if (snapshot->stop_ns > request->stop_max) request->stop_max = snapshot->stop_ns;
        request->stop_sum += snapshot->stop_ns;
    }
}

void fs_stacks_read(struct fs_stack_request *request, int64_t patience) {
    char path[32];

    snprintf(path, sizeof path, "/proc/%d/mem", request->pid);
    const int memory = open(path, O_RDONLY | O_CLOEXEC);
    if (memory < 0) {
        set_obstacle(request, reason_text(request->pid, errno));
        return;
    }
    copy_threads(request, memory);
    interpret(request, memory, patience);
    close(memory);
    for (size_t i = 0; i < request->count; i++) {
        free(request->stacks[i].snapshot.stack);
        request->stacks[i].snapshot.stack = NULL;
    }
}
