/*
 * shim.h - what the files of the shim share inside the application's process.
 *
 * Contexts. A hook may run in normal code, in a signal handler, in the child of
 * a fork (of a threaded parent: every lock may be held for ever) and in the
 * child of a vfork, which uses its parent's memory, stack and thread-local
 * storage. So there is no lock, no malloc, no stdio in here, no descriptor
 * stays open, and nothing ever exits or prints. Whatever fails is counted and
 * the real function is called all the same, with errno as it left it.
 */
#ifndef FSP_SHIM_H
#define FSP_SHIM_H

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/hooks.h"
#include "preload/segment.h"

#define FSP_EXPORT __attribute__((visibility("default")))

/* Zeros that live in the object's file: one mapping for all of its data, and each
 * mapping of a process costs its forks about a microsecond. */
#define FSP_DATA __attribute__((section(".data")))

/* A second exported name of a hook that is defined in the same file. */
#define FSP_ALIAS(alias, hook) __asm__(".globl " #alias "\n.set " #alias ", " #hook)

/* ---- state ---- */

enum fsp_state { FSP_COLD, FSP_INIT, FSP_READY, FSP_OFF };
extern _Atomic uint32_t fsp_state;

/* pthread_t of the main thread; 0: another thread started the recorder. */
extern uint64_t fsp_main_handle;

/* First use in this image: opens the recorder if the environment asks for it.
 * Wait-free: of several threads one works, the others just call on. */
bool fsp_start(void);

/* Where the main thread's frames end and the program's arguments and environment begin;
 * NULL: not known. */
const void *fsp_stack_end(void);

/* True when hooks are to record. */
static inline bool fsp_ready(void) {
    const uint32_t state = atomic_load_explicit(&fsp_state, memory_order_acquire);

    return state == FSP_READY || (state == FSP_COLD && fsp_start());
}

/*
 * Thread-local state, small because of initial-exec TLS. It lies beside the
 * thread control block, a page that a forked child writes anyway; a parent does
 * not, so births do not write here before they fork. `self` is a
 * cache: code that is not sure to run in the process that stored it asks
 * fsp_self().
 */
struct fsp_tls {
    struct fsp_process *self;    /* slot of this process */
    struct fsp_thread *thread;   /* slot of this thread; NULL in a main thread */
    struct fsp_process *vfork;   /* slot of the child that runs on this stack right now */
    struct fsp_process *pending; /* reserved by the atfork handlers */
    int32_t tid;                 /* 0: not asked yet */
    uint8_t birth;               /* what the atfork handlers are to record; 0: as they see it */
    bool no_loader;              /* the loader's locks may be held for ever (child of _Fork) */
    bool no_objects;             /* ... that of dl_iterate_phdr (child of a fork with threads) */
    bool of_create;              /* pthread_create started this thread, in this process */
    bool mpi_known;              /* its calls of MPI need not be looked at (mpi.h) */
};
extern __thread struct fsp_tls fsp_tls;
_Static_assert(sizeof(struct fsp_tls) <= 64, "initial-exec TLS must stay small");

/* ---- real functions (resolve.c) ---- */

struct fsp_real {
#define FSP_POINTER(type, name, arguments) type(*name) arguments;
    FSP_HOOKS(FSP_POINTER)
#undef FSP_POINTER
};
extern struct fsp_real fsp_real_functions;

/* Is there a way to find them? Without one nothing can be recorded. */
bool fsp_resolvable(void);

/* Finds every function that was not asked for yet. */
void fsp_resolve_all(void);

/* As fsp_ready; and sees to it that the child need not ask the loader. */
static inline bool fsp_ready_for_birth(void) {
    fsp_resolve_all();
    return fsp_ready();
}

/* Finds the function whose pointer lies at this offset of the table. */
void *fsp_resolve(size_t offset);

/* dlsym in the global scope; NULL also when there is no dlsym to ask. */
void *fsp_symbol(const char *name);

/* The same for a handle of dlopen, or RTLD_NEXT: after this object. */
void *fsp_symbol_of(void *handle, const char *name);

/* dladdr; false: there is nothing to tell. */
bool fsp_address(const void *address, Dl_info *info);

/* dlopen of what is loaded already: a handle that is to be kept; NULL: it is not. */
void *fsp_loaded(const char *path);

#define FSP_REAL(name)                                                                             \
    (__builtin_expect(fsp_real_functions.name != NULL, 1)                                          \
         ? fsp_real_functions.name                                                                 \
         : (__typeof__(fsp_real_functions.name))fsp_resolve(offsetof(struct fsp_real, name)))

/* Puts errno back. A store that changes nothing would still copy the page after a
 * fork. */
static inline void fsp_keep_errno(int error) {
    if (errno != error) errno = error;
}

/* One more, up to a number from which on it stands still: no wrapping round, however long a
 * job. */
static inline void fsp_count(_Atomic uint32_t *counter) {
    if (atomic_load_explicit(counter, memory_order_relaxed) < UINT32_C(1) << 30)
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- clock and identity (identity.c) ---- */

uint64_t fsp_now(void); /* CLOCK_MONOTONIC, ns */

/* The same by a system call: where the pages of the vDSO are not there yet, as in
 * a new child, that is cheaper. */
uint64_t fsp_now_cold(void);

pid_t fsp_pid(void);   /* asked of the kernel each time */
int32_t fsp_tid(void); /* of the calling thread, cached; not for a vfork child */

/* Reads a thread's mask (0: the caller's) into mask; 0, or -1: unknown. */
int fsp_mask_read(pid_t tid, uint64_t mask[FSP_MASK_WORDS]);

/* ---- the segments of this image (segment.c) ---- */

enum { FSP_SEGMENTS_MAX = 64 }; /* of one image, as far as one process knows them */

/* Makes the base segment in folder. Returns enum fsp_off: why not, or
 * FSP_OFF_NONE. folder is copied. */
enum fsp_off fsp_segment_base(const char *folder);

/* Makes a further segment; true when slots of all kinds are there anew. */
bool fsp_segment_extend(enum fsp_extension extension);

/* The segment number i, NULL when there is none (yet); 0 is the base. */
struct fsp_header *fsp_segment(unsigned i);
unsigned fsp_segment_count(void);

/* Makes sure that storing into these bytes of a segment cannot fault: a page of
 * a sparse file on a full tmpfs would raise SIGBUS. */
bool fsp_segment_commit(struct fsp_header *segment, const void *from, size_t bytes);

/* Makes the file "<key>-<image>SUFFIX" beside the segments, of two pieces of memory. */
bool fsp_segment_beside(uint64_t key, const char *suffix, const void *head, size_t head_size,
                        const void *tail, size_t tail_size);

/* Whether the process may write a file of so many bytes. */
bool fsp_segment_may_grow(uint64_t size);

/* Path of a file beside the segments: "<folder>/<key>-<image><suffix>"; false when it does
 * not fit. */
enum { FSP_PATH_MAX = 256 + 64 };
bool fsp_segment_path(char *path, size_t size, uint64_t key, const char *suffix);

/* True when the page of this byte was committed: reading a hole would fill it. */
bool fsp_segment_committed(const struct fsp_header *segment, const void *at);

/* ---- slots (process.c) ---- */

/* Claims a cleared slot, index -1, state FREE; makes an extension when there is
 * none. NULL: lost, and counted. */
struct fsp_process *fsp_process_claim(void);
void fsp_process_release(struct fsp_process *slot);             /* it was not needed */
void fsp_process_identify(struct fsp_process *slot, pid_t pid); /* stores pid in the index */

/* The slot of a child of `parent` that was not reaped; NULL: none. */
struct fsp_process *fsp_process_child(pid_t pid, pid_t parent);

/* The slot of a process that still lives, as far as this image knows it. */
struct fsp_process *fsp_process_find(pid_t pid);

/*
 * The calling process's slot. A process that no hook saw being born gets one
 * here. NULL in the child of a vfork and when no slot is to be had.
 */
struct fsp_process *fsp_self(void);

/* As fsp_self, but in the child of a vfork the slot that its parent reserved. */
struct fsp_process *fsp_acting(void);

/* ---- events (event.c) ---- */

/* Stores an event: kind, a, b, site and text or u are the caller's; the time
 * stays when it is not 0. Counts what has no room. */
void fsp_event(struct fsp_event event);

/* The same with a text, cut to fit. */
void fsp_event_text(uint32_t kind, int32_t b, uint64_t site, const char *text);

/* ---- sites (site.c, python.c) ---- */

/* Key of the place that called a hook: the Python line when an interpreter
 * called, else the address. 0: not known. Not for children of vfork or _Fork. */
uint64_t fsp_site_call(const void *return_address);
uint64_t fsp_site_routine(fsp_routine *start); /* of a thread */
/* As fsp_site_call, for calls of which a program may make many: a few dozen new
 * places are kept. */
uint64_t fsp_site_thread(const void *return_address);
uint64_t fsp_site_failure(void); /* where the exception was raised that ends the interpreter */
uint64_t fsp_site_object(const char *path); /* of a file that was loaded */

/* Key of the Python stack of the calling thread; 0: it holds no GIL, has an
 * error set or there is no interpreter. */
uint64_t fsp_python_key(void);
void fsp_python_text(struct fsp_site *site);        /* fills text and text_length */
bool fsp_python_there(void);                        /* the image exports an interpreter */
const void *fsp_python_address(void);               /* of code in it; NULL: there is none */
bool fsp_python_called(const void *return_address); /* the interpreter made that call */
/* Of an interpreter that begins to end, whose lock the calling thread holds (python_end.c): */
bool fsp_python_ends(void);
/* ... whether an exception ended its main program: its type, into name. */
enum fsp_mpi_ending fsp_python_ending(char *name, size_t size);
uint64_t fsp_python_failure_key(void); /* of the frames that it went through */
bool fsp_python_may_ask(void);         /* the calling thread holds its lock, and no error is set */

/* python_end.c: in the constructor: finds what its hook calls on. */
void fsp_python_end_prepare(void);

/* snapshot.c: before a fork: copies the stack of its site, if nobody has yet. */
void fsp_snapshot_note(uint64_t key);

/* ---- births (birth.c, vfork.c) ---- */

/* Before a birth: reserves a slot for the child. NULL: lost. */
struct fsp_process *fsp_birth_reserve(enum fsp_birth birth, const void *return_address);
void fsp_birth_child(struct fsp_process *slot); /* in the child of a fork */
/* In the parent, also after a failure (pid -1: releases the slot, event with
 * errno). in_memory: the child shared our memory, its pid is ours to store. */
void fsp_birth_parent(struct fsp_process *slot, enum fsp_birth birth, pid_t pid, bool in_memory);
void fsp_birth_register(void); /* the atfork handlers */

/* ---- exec (exec.c, repair.c) ---- */

/* Stores an attempt into the slot of who makes it (NULL: nothing is stored). */
struct fsp_process *fsp_exec_begin(struct fsp_process *slot, const char *path);
void fsp_exec_failed(struct fsp_process *slot, int error);

/* What to add to environments that lost us; from the image's own environment. */
void fsp_repair_prepare(char *const environment[], const char *folder, unsigned flags);

/*
 * Repair in two steps, for the room is the caller's, who may be the child of a vfork: no
 * heap. fsp_repair_needed says what is lost and how many bytes it takes to repair it; false:
 * nothing is to be repaired, or cannot be. fsp_repair fills them and returns the new array.
 */
struct fsp_repair {
    size_t room, entries;
    const char *list; /* value of LD_PRELOAD; NULL: there is none */
    size_t list_length;
    bool preload_lost, folder_lost;
};
bool fsp_repair_needed(char *const environment[], struct fsp_repair *repair);
char **fsp_repair(const struct fsp_repair *repair, char *const environment[], void *room);

/* Up to so many bytes lie on the stack. More are put aside, for stacks of threads may be small;
 * but not in the child of a vfork, where they would stay with the parent. */
enum { FSP_REPAIR_ON_STACK = 4096 };

/* Takes the recorder out of the environment that programs inherit from now on. */
void fsp_withdraw(void);
bool fsp_in_sight(void); /* this object's file, by the path in LD_PRELOAD */

/* ---- sandboxes (sandbox.c) ---- */

/* Before a filter of system calls: nothing is recorded from here on. Returns the state before,
 * for a filter that the kernel refuses. */
uint32_t fsp_sandbox_stop(void);
void fsp_sandbox_stopped(uint32_t before, bool confined); /* after it: for good, or on as before */
void fsp_sandbox_new_root(void);                          /* after a change of the root */

/* ---- others ---- */

/* environment.c: copies "NAME=VALUE" of recorded variables into the header. */
void fsp_environment_record(struct fsp_header *header, char *const environment[]);

/* libraries.c: the family (bits of enum fsp_library) that a shared object's path tells. */
uint32_t fsp_library_of(const char *path);

/* Notes shared objects that were mapped since. now: when; a birth gives its own time, so
 * that what its child inherits was there before it. */
void fsp_libraries_note(uint64_t now);
void fsp_libraries_note_last(void);       /* the same, where the time of it means nothing */
void fsp_libraries_note_at(uint64_t now); /* the same, but at most 20 times a second */

/* mpi_names.c: takes names of MPI away where there is no MPI, and finds what signal handlers
 * may be the first to call; in the constructor. */
void fsp_mpi_names(void);

/* bare.c: what syscall() goes on to. */
void fsp_bare_next(void *function);

/* exit.c */
void fsp_exit_register(void);
void fsp_exit_record(enum fsp_exit how, int code);

/* regions.c: stores what a fork child will find in the memory of its parent. */
void fsp_inherit(struct fsp_process *child, const struct fsp_process *parent);

/* thread.c */
/* The slot of a live thread, by number or (handle not 0) by pthread_t. */
struct fsp_thread *fsp_thread_find(pid_t pid, pid_t tid, uint64_t handle);

/* False: nobody tells when threads end. */
bool fsp_thread_ends_seen(void);

/* Threads that pthread_create started and that have not ended. */
static inline uint32_t fsp_threads_alive(const struct fsp_process *self) {
    return atomic_load_explicit(&self->threads_started, memory_order_relaxed) -
           atomic_load_explicit(&self->threads_ended, memory_order_relaxed);
}

/* beside.c: after a fork, in the parent: stores into the child's slot which other
 * threads of `self` (NULL: its slot was lost) were alive at it. */
void fsp_beside_note(struct fsp_process *slot, const struct fsp_process *self);

/* random.c: before a fork that return_address (NULL: not known) asked for: the state of
 * numpy's global generator that the child inherits. */
void fsp_random_note(struct fsp_process *slot, const void *return_address);
/* The generator of process pid, whose slot that is, as it is now. */
void fsp_random_look(const struct fsp_process *slot, pid_t pid, struct fsp_random_view *view);

/* usage.c: schedstat of a thread of this process, or (tid 0) of all of them;
 * adds to run and wait. */
void fsp_usage_schedule(pid_t tid, uint64_t *run, uint64_t *wait);
void fsp_usage_condense(struct fsp_usage *usage, const struct rusage *rusage);

/* Lives for which the dearer facts are read at the end (18 us for schedstat). */
enum { FSP_LONG_LIFE_NS = 10 * 1000 * 1000 };

#endif
