/* stacks.c - see stacks.h. */
#include "report/stacks.h"

#include "report/remedy.h"
#include "tracer/text.h"

#include <stdlib.h>
#include <string.h>

enum { INNERMOST = 8 }; /* frames that can belong to the wait itself */

const struct fs_stuck *fs_stuck_find(const struct fs_digest *digest, int pid) {
    const struct fs_stuck *found = NULL;

    for (size_t i = 0; i < digest->stuck_count; i++)
        if (digest->stuck[i].pid == pid && (!found || digest->stuck[i].t > found->t))
            found = &digest->stuck[i];
    return found;
}

static const struct fs_stuck_thread *main_thread(const struct fs_stuck *stuck) {
    return stuck->thread_count > 0 ? &stuck->threads[0] : NULL;
}

bool fs_stuck_sleeps(const struct fs_stuck *stuck) {
    const struct fs_stuck_thread *thread = main_thread(stuck);

    return thread && thread->wait && strcmp(thread->wait, "nanosleep") == 0;
}

/* --- one frame --- */

struct frame {
    const char *text;
    size_t length;
};

/* The frame that begins at *at, which moves to the next one; false: there is none. */
static bool next_frame(const char **at, struct frame *frame) {
    if (!*at || !**at) return false;
    frame->text = *at;
    frame->length = strcspn(*at, "\n");
    *at += frame->length + ((*at)[frame->length] == '\n');
    return true;
}

static bool contains(const struct frame *frame, const char *word) {
    return memmem(frame->text, frame->length, word, strlen(word)) != NULL;
}

static bool contains_any(const struct frame *frame, const char *const *words) {
    for (; *words; words++)
        if (contains(frame, *words)) return true;
    return false;
}

static bool is_libc(const struct frame *frame) {
    return contains(frame, "(libc.so") || contains(frame, "(libc-2.") ||
           contains(frame, "(libpthread") || contains(frame, "(ld-");
}

static bool is_interpreter(const struct frame *frame) {
    return contains(frame, "(python") || contains(frame, "(libpython") ||
           fs_begins(frame->text, "python") || fs_begins(frame->text, "libpython");
}

/* A file of Python's own library, or of the interpreter's start-up. */
static bool is_library(const struct frame *frame) {
    return frame->text[0] == '<' ||
           (contains(frame, "/lib/python3") && !contains(frame, "-packages/"));
}

/* "file:line:function" as "file.py:41 in main". */
static const char *python_text(struct fs_arena *arena, const struct frame *frame) {
    const char *end = frame->text + frame->length;
    const char *second = memrchr(frame->text, ':', frame->length);
    const char *first = second ? memrchr(frame->text, ':', (size_t)(second - frame->text)) : NULL;

    if (!first) return fs_arena_printf(arena, "%.*s", (int)frame->length, frame->text);
    const char *slash = memrchr(frame->text, '/', (size_t)(first - frame->text));
    const char *file = slash ? slash + 1 : frame->text;
    return fs_arena_printf(arena, "%.*s in %.*s", (int)(second - file), file,
                           (int)(end - second - 1), second + 1);
}

/* --- what it waits for --- */

static const char *const lock_words[] = {"mutex_lock", "lll_lock",  "rwlock",
                                         "spin_lock",  "flockfile", NULL};
static const char *const event_words[] = {"cond_wait", "cond_timedwait", "pthread_join",
                                          "barrier",   "gomp",           "__kmp",
                                          "libomp",    "libiomp",        NULL};

/* Python builds events, conditions and joins of locks. */
static bool is_python_event(const struct frame *frame) {
    static const char *const functions[] = {"wait", "join", "_wait_for_tstate_lock"};

    if (!contains(frame, "/threading.py:")) return false;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const size_t length = strlen(functions[i]);
        if (frame->length > length &&
            memcmp(frame->text + frame->length - length, functions[i], length) == 0)
            return true;
    }
    return false;
}

static enum fs_blocked by_stack(const struct fs_stuck_thread *thread) {
    const char *native = thread->native, *python = thread->python;
    struct frame frame;
    bool python_lock = false, event = false;

    for (int i = 0; i < INNERMOST && next_frame(&native, &frame); i++) {
        if (contains_any(&frame, lock_words)) return FS_BLOCKED_LOCK;
        event |= contains_any(&frame, event_words);
        python_lock |= contains(&frame, "PyThread_acquire_lock");
    }
    if (event) return FS_BLOCKED_EVENT;
    if (!python_lock || !next_frame(&python, &frame))
        return thread->native ? FS_BLOCKED_EVENT : FS_BLOCKED_UNNAMED;
    return is_python_event(&frame) ? FS_BLOCKED_EVENT : FS_BLOCKED_LOCK;
}

enum fs_blocked fs_stuck_blocked(const struct fs_stuck *stuck) {
    bool untold = stuck->thread_count == 0 || stuck->threads_more > 0;

    for (size_t i = 0; i < stuck->thread_count; i++) {
        const struct fs_stuck_thread *thread = &stuck->threads[i];
        if (thread->private_wait) continue;
        /* Without permission all that shows is that it waits for a futex, or nothing. */
        if (!stuck->obstacle || (thread->wait && strcmp(thread->wait, "futex") != 0))
            return FS_BLOCKED_NOT;
        untold = true;
    }
    if (untold) return FS_BLOCKED_UNTOLD;
    return stuck->holder > 0 ? FS_BLOCKED_LOCK : by_stack(main_thread(stuck));
}

/* --- for a reader --- */

/* How every program and thread begins. */
static bool is_start(const struct frame *frame) {
    static const char *const names[] = {"__libc_start", "_start (", "start_thread", "__clone",
                                        "clone ("};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fs_begins(frame->text, names[i])) return true;
    return false;
}

/* The C frames that tell something: not those of the wait itself, nor the interpreter's. */
static const char *native_frames(struct fs_arena *arena, const struct fs_stuck_thread *thread) {
    const char *at = thread->native, *text = "";
    struct frame frame;
    bool inside = true;

    while (next_frame(&at, &frame)) {
        if ((thread->python && is_interpreter(&frame)) || is_start(&frame)) break;
        const bool wait = inside && is_libc(&frame) && fs_begins(frame.text, "__") &&
                          !contains_any(&frame, lock_words);
        if (wait) continue;
        inside = false;
        text = fs_arena_printf(arena, "%s%s%.*s", text, *text ? "\n" : "", (int)frame.length,
                               frame.text);
    }
    return text;
}

const char *fs_stuck_frames(struct fs_arena *arena, const struct fs_stuck *stuck) {
    const struct fs_stuck_thread *thread = main_thread(stuck);
    struct frame frame;

    if (!thread) return NULL;
    const char *text = native_frames(arena, thread), *python = thread->python;
    while (next_frame(&python, &frame))
        text =
            fs_arena_printf(arena, "%s%s%s", text, *text ? "\n" : "", python_text(arena, &frame));
    return *text ? text : NULL;
}

const char *fs_stuck_place(struct fs_arena *arena, const struct fs_stuck *stuck) {
    const struct fs_stuck_thread *thread = main_thread(stuck);
    const char *python = thread ? thread->python : NULL, *native = thread ? thread->native : NULL;
    struct frame frame;

    while (next_frame(&python, &frame))
        if (!is_library(&frame)) return python_text(arena, &frame);
    while (next_frame(&native, &frame))
        if (!is_libc(&frame) && !is_interpreter(&frame))
            return fs_arena_printf(arena, "%.*s", (int)frame.length, frame.text);
    return NULL;
}
