/*
 * segment.h - the memory file that the shim writes and the collector reads.
 *
 * One file per process image, shared (MAP_SHARED) by the image and all its
 * fork descendants: what a process stored is there after its SIGKILL. The
 * reader treats every byte as hostile; the writers never wait for anybody.
 *
 * State and events are apart. State lives in slots that are overwritten in
 * place (one per process, one per thread, one per call site). Events are rare
 * things (a kill, a setenv, a failed fork); high-rate things are counters in
 * the slots. Whatever does not fit is counted in the header, never dropped in
 * silence.
 *
 * Shape of a file (`size` bytes, a multiple of FSP_PAGE, see fsp_layout()):
 *
 *   header (one page) | processes | threads | event chunks | sites
 *
 * The file is sparse when it is made. A page is touched only after it was
 * allocated (posix_fallocate) and its bit in `committed` set: storing into a
 * hole of a full tmpfs would kill the application with SIGBUS.
 *
 * Times are CLOCK_MONOTONIC nanoseconds of the node. Masks are bit arrays of
 * logical CPUs (OS numbers), FSP_MASK_WORDS x 64 CPUs.
 *
 * This header needs nothing but fixed-width types; it is included by the shim
 * and by the collector, and by nobody else.
 */
#ifndef FSP_SEGMENT_H
#define FSP_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/segment_mpi.h"

#define FSP_MAGIC   0x0a0d474553505346ull /* "FSPSEG\r\n", little endian */
#define FSP_VERSION 1u
#define FSP_ENDIAN  0x01020304u

enum { FSP_PAGE = 4096 };
enum { FSP_BASE_SIZE = 64 * 1024 };      /* an image's first segment */
enum { FSP_LARGEST_SIZE = 1024 * 1024 }; /* an extension; sparse, as every segment */
enum { FSP_MASK_WORDS = 16 };            /* 1024 logical CPUs */
enum { FSP_CHUNK_EVENTS = 15 };

/* Names of the variables by which the launcher reaches the shim. */
#define FSP_ENV_DIR   "FORKSIGHT_SEGMENTS" /* absolute path of the node-local folder */
#define FSP_ENV_FLAGS "FORKSIGHT_SHIM"     /* decimal bit set of FSP_FLAG_* */
enum {
    FSP_FLAG_REPAIR_ENV = 1, /* carry the recorder into scrubbed environments */
    FSP_FLAG_REPAIRED = 2,   /* this environment was one; the image takes the bit out again */
};

/* A segment's name in FSP_ENV_DIR: "<pid>-<creation time, ns>" + suffix. */
#define FSP_SUFFIX_BASE      ".seg"
#define FSP_SUFFIX_EXTENSION ".ext"

enum fsp_birth { /* how a process (or an image: FSP_BIRTH_IMAGE) came to be */
                 FSP_BIRTH_UNKNOWN = 0,
                 FSP_BIRTH_IMAGE, /* slot 0 of a base segment: the image's first process; its
                                     real birth is another slot (same pid) or was not seen */
                 FSP_BIRTH_FORK,
                 FSP_BIRTH__FORK, /* glibc's _Fork: no atfork handlers */
                 FSP_BIRTH_VFORK,
                 FSP_BIRTH_CLONE,   /* clone() without CLONE_VM */
                 FSP_BIRTH_SPAWN,   /* posix_spawn, posix_spawnp */
                 FSP_BIRTH_ATFORK,  /* seen by the atfork handlers only: a fork inside libc */
                 FSP_BIRTH_DAEMON,  /* daemon() */
                 FSP_BIRTH_FORKPTY, /* forkpty() */
                 FSP_BIRTH_COUNT
};

enum fsp_exit {                    /* the last thing the process itself did */
                FSP_EXIT_NONE = 0, /* no exit hook ran: a signal, or still alive */
                FSP_EXIT_EXIT,     /* exit(), return from main */
                FSP_EXIT__EXIT,    /* _exit(), _Exit() */
                FSP_EXIT_QUICK,    /* quick_exit() */
                FSP_EXIT_ABORT,    /* abort() */
                FSP_EXIT_COUNT
};

enum fsp_process_state {
    FSP_PROCESS_FREE = 0,
    FSP_PROCESS_RESERVED, /* by the parent, before it forks */
    FSP_PROCESS_LIVE,     /* the child (or, after vfork and spawn, the parent) stored its pid */
};

enum fsp_process_flag {
    FSP_PROCESS_NO_ZOMBIES = 1u << 0,   /* at exit: whatever child had ended was waited for, by
                                          calls that no hook saw, or by the kernel */
    FSP_PROCESS_MASK_UNKNOWN = 1u << 1, /* more CPUs than FSP_MASK_WORDS holds */
    FSP_PROCESS_SETSID = 1u << 2,       /* the process made its own session */
    FSP_PROCESS_OF_THREADS = 1u << 3,   /* [p] other threads ran in the parent at the fork */
};

struct fsp_usage { /* rusage, condensed */
    uint64_t user_us, system_us;
    uint64_t maxrss_kib;
    uint64_t voluntary, involuntary; /* context switches */
};

/* Threads of one kind that were alive beside the one that forked. */
struct fsp_beside {
    uint64_t routine, created; /* sites: of the start routine, of the pthread_create */
    uint32_t threads;
    uint32_t by_forker; /* of these, started by the thread that forked */
};
enum { FSP_BESIDE_MAX = 6 };

enum fsp_runtime { /* whose parallel regions are counted; by what the runtime does at a fork */
                   FSP_RUNTIME_GOMP = 0, /* libgomp: keeps believing in its threads */
                   FSP_RUNTIME_KMP,      /* libomp, libiomp5: start anew in the child */
                   FSP_RUNTIME_COUNT
};

/*
 * Parallel regions of one runtime. [0]: of the thread that the process began with, the
 * only writer; [1]: of all others. A region that was entered and not left runs, waits,
 * or its process ended in it.
 */
struct fsp_regions {
    _Atomic uint64_t entered[2], left[2];
    _Atomic uint64_t site; /* call of the first region for two threads or more; 0: none */
    _Atomic uint32_t team; /* threads asked for, at the most; regions within regions that get
                              one thread left out */
    uint32_t pad;
};

enum fsp_gpu { FSP_GPU_CUDA = 0, FSP_GPU_ROCM, FSP_GPU_COUNT };

struct fsp_gpu_use {
    _Atomic uint32_t starts;   /* calls that wake the runtime up: cuInit, hipInit, *SetDevice */
    _Atomic uint32_t contexts; /* calls that make a context or cannot do without one */
    _Atomic uint64_t site;     /* of the first of either kind */
};

/* What a fork child finds in the memory that it inherits: the use of a runtime by its parent,
 * and by those that the parent inherited it from. */
struct fsp_inherited {
    uint64_t regions[FSP_RUNTIME_COUNT]; /* entered */
    uint64_t region_site[FSP_RUNTIME_COUNT];
    uint32_t team[FSP_RUNTIME_COUNT]; /* largest, but no more threads than there were at the fork */
    uint32_t gpu_starts[FSP_GPU_COUNT], gpu_contexts[FSP_GPU_COUNT];
    uint64_t gpu_site[FSP_GPU_COUNT];
};

/*
 * numpy's global generator (numpy.random.rand() and the like), a Mersenne Twister: 624
 * words and a position in them. A fork child inherits it and may go on drawing from it.
 */
enum { FSP_RANDOM_WORDS = 624 };
enum fsp_random {                      /* what is known of it at a fork */
                  FSP_RANDOM_NONE = 0, /* numpy.random was not loaded, or no Python forked */
                  FSP_RANDOM_READ,
                  FSP_RANDOM_OTHER,   /* it is no Mersenne Twister, or not where it should be */
                  FSP_RANDOM_UNASKED, /* the interpreter could not be asked */
                  FSP_RANDOM_COUNT
};

/* Enough of a state to tell it among all that a generator can come to. */
struct fsp_random_view {
    _Atomic uint16_t seen; /* 1 once the rest is stored */
    uint16_t position;     /* 0 to 624; anything else is no state */
    uint32_t word[3];      /* FSP_RANDOM_VIEWED */
};
#define FSP_RANDOM_VIEWED                                                                          \
    { 1, 397, 623 }

/*
 * A state that more than one process was forked with, whole: a file of its own beside
 * the segments, "<key>-<image>.rng".
 */
#define FSP_RANDOM_MAGIC  0x0a474e5246503346ull
#define FSP_SUFFIX_RANDOM ".rng"
struct fsp_random_head {
    uint64_t magic, image, key;
    uint32_t position, pad;
};
struct fsp_random_state {
    struct fsp_random_head head;
    uint32_t word[FSP_RANDOM_WORDS];
};
_Static_assert(sizeof(struct fsp_random_state) == 32 + 4 * FSP_RANDOM_WORDS, "no holes");

/*
 * A process. Fields are written by one writer each: [p] the parent around the
 * fork, [c] the process itself, [w] the process that waited for it.
 */
struct fsp_process {
    _Atomic uint32_t state; /* enum fsp_process_state, stored last, with release */
    uint32_t flags;         /* [c] enum fsp_process_flag */
    int32_t pid;            /* [c], or [p] after vfork and spawn */
    int32_t ppid;           /* [p] */
    uint8_t birth;          /* [p] enum fsp_birth */
    uint8_t exit;           /* [c] enum fsp_exit */
    uint8_t random;         /* [p] enum fsp_random */
    uint8_t pad0;
    int32_t exit_code;     /* [c] argument of exit */
    uint64_t birth_site;   /* [p] key of the site of the fork; 0: none */
    uint64_t t_fork;       /* [p] before the call */
    uint64_t t_start;      /* [c] first time in the child; 0: never got there */
    uint64_t t_exit;       /* [c] in the exit hook */
    struct fsp_usage self; /* [c] getrusage(RUSAGE_SELF) in the exit hook */
    uint64_t run_ns;       /* [c] sum over its threads at the exit hook; 0: not read */
    uint64_t wait_ns;      /*     (schedstat is read only for lives of 10 ms and more) */

    _Atomic uint32_t reaped; /* [w] 1 once the fields below are stored */
    int32_t reaper;          /* [w] pid */
    int32_t status;          /* [w] wait status */
    uint32_t pad1;
    uint64_t t_reap;       /* [w] */
    struct fsp_usage reap; /* [w] */

    /* Affinity: the mask as last known, and the last call that changed the main
     * thread's (or the whole process's) mask. Probing (hwloc, MPI binding for a
     * moment) thus leaves no trace but the count. */
    uint64_t mask[FSP_MASK_WORDS];        /* [c] */
    uint64_t mask_before[FSP_MASK_WORDS]; /* [c] before that call */
    uint64_t t_affinity;                  /* [c] 0: never */
    uint64_t affinity_site;               /* [c] */
    int32_t affinity_caller;              /* [c] pid that made the call */
    uint32_t affinity_calls;              /* [c] */

    /* exec: stored before the call, exec_errno after it failed. */
    uint64_t t_exec;    /* [c] last attempt; 0: never */
    int32_t exec_errno; /* [c] 0: no failure after t_exec, that is: it succeeded */
    uint32_t execs;     /* [c] attempts */
    char exec_path[64]; /* [c] last 63 bytes of the path, NUL-terminated */

    _Atomic uint32_t forks;           /* [c] children made, any kind */
    _Atomic uint32_t fork_failures;   /* [c] */
    _Atomic uint32_t reaps;           /* [c] children it waited for */
    _Atomic uint32_t threads_started; /* [c] beyond the main thread */
    _Atomic uint32_t threads_ended;   /* [c] */
    _Atomic uint32_t threads_peak;    /* [c] alive at once beyond the main thread */
    _Atomic uint32_t thread_failures; /* [c] pthread_create returned an error */
    uint32_t pad2;
    uint64_t threads_run_ns;  /* [c] schedstat of ended threads that lived 10 ms and more; */
    uint64_t threads_wait_ns; /*     run_ns and wait_ns have them in already */
    _Atomic uint32_t forking; /* [c] hooks that are in a fork right now */
    uint32_t pad3;
    /* Other threads of the parent that were there before the fork and still are after
     * it: what a library's own fork handlers stopped or started anew is not counted. */
    struct fsp_beside beside[FSP_BESIDE_MAX]; /* [p] */
    uint32_t beside_threads;       /* [p] all of them; those beyond the kinds above, too */
    uint32_t beside_main;          /* [p] 1: the main thread is one of them */
    _Atomic uint32_t beside_known; /* [p] 1 once these are stored; 0: nobody looked */
    uint32_t pad4;
    struct fsp_regions regions[FSP_RUNTIME_COUNT]; /* [c] its own */
    struct fsp_gpu_use gpu[FSP_GPU_COUNT];         /* [c] */
    struct fsp_inherited inherited;                /* [p] */
    /* numpy's global generator at the fork. */
    uint64_t random_at;                 /* [p] address of its state, in parent and child; 0: none */
    uint64_t random_key;                /* [p] hash of that state; equal: the same numbers follow */
    struct fsp_random_view random_exit; /* [c] in the exit hook */
    struct fsp_random_view random_kill; /* who sent it a signal, just before */
    uint8_t reserved[24];               /* zero */
};

enum fsp_thread_state {
    FSP_THREAD_FREE = 0,
    FSP_THREAD_LIVE,
    FSP_THREAD_ENDED,
    FSP_THREAD_RESERVED, /* by the creator, before the thread runs: tid and t_start are 0 */
};

struct fsp_thread {
    _Atomic uint32_t state;
    int32_t pid, tid;
    uint32_t flags;      /* zero */
    uint64_t start_site; /* site of the start routine (kind FSP_SITE_ROUTINE) */
    uint64_t t_start, t_end;
    uint64_t cpu_ns;          /* thread CPU clock at its end */
    uint64_t run_ns, wait_ns; /* schedstat at its end; 0: life under 10 ms */
    uint64_t affinity_site;   /* last call that set this thread's mask; 0: none */
    uint64_t t_affinity;
    uint64_t mask[FSP_MASK_WORDS];  /* at its start, then as set by calls */
    uint64_t handle;                /* pthread_t: means nothing outside the process */
    uint64_t t_create, create_site; /* of the pthread_create, by its creator */
    int32_t creator;                /* its tid */
    uint32_t pad;
    uint8_t reserved[16];
};

enum fsp_event_kind {
    FSP_EVENT_NONE = 0,
    FSP_EVENT_SETENV,        /* setenv, putenv of a variable that rules name: text NAME=VALUE */
    FSP_EVENT_UNSETENV,      /* text NAME; clearenv: empty text */
    FSP_EVENT_KILL,          /* a = target pid (as passed), b = signal */
    FSP_EVENT_FORK_FAILED,   /* a = errno, b = enum fsp_birth */
    FSP_EVENT_THREAD_FAILED, /* a = error number */
    FSP_EVENT_SYSTEM,        /* system() or popen() starts; b = 1: popen; text: command */
    FSP_EVENT_SYSTEM_END,    /* system() returned: a = its value */
    FSP_EVENT_REAPED,        /* waited for a process without a slot: a = pid, b = status;
                                u[0] = user us, u[1] = system us, u[2] = maxrss KiB */
    FSP_EVENT_ENV_REPAIRED,  /* an exec or spawn without our variables got them back; text: path */
    FSP_EVENT_SHM_CREATE,    /* shm_open with O_CREAT; text: name */
    FSP_EVENT_SHM_UNLINK,    /* text: name */
    FSP_EVENT_SIGBUS_SHM,    /* a child died of SIGBUS: a = pid; u[0], u[1] = bytes free and
                                total of /dev/shm at the wait */
    FSP_EVENT_LIBRARY,       /* a thread library is there that was not before: a = its bit of enum
                                fsp_library; site: its file (FSP_SITE_OBJECT); u[0] = when the
                                process's objects were last looked at without it; 0: never */
    FSP_EVENT_COUNT
};

enum { FSP_EVENT_TEXT = 32 };
struct fsp_event {
    _Atomic uint32_t kind; /* stored last, with release: 0 is "not there yet" */
    int32_t tid;
    uint64_t t;
    int32_t a, b;
    uint64_t site; /* 0: none */
    union {
        char text[FSP_EVENT_TEXT]; /* NUL-terminated, cut at 31 bytes */
        uint64_t u[4];
    };
};

/* Events of one process at a time: two writers on one line would cost 5 times. */
struct fsp_chunk {
    _Atomic int32_t owner; /* pid; 0: free */
    _Atomic uint32_t used; /* events handed out (threads of the owner share it) */
    uint64_t t_owned;
    uint8_t pad[48];
    struct fsp_event event[FSP_CHUNK_EVENTS];
};

enum fsp_site_kind {
    FSP_SITE_NONE = 0,
    FSP_SITE_CALL,    /* a return address: who called the hooked function */
    FSP_SITE_ROUTINE, /* a thread's start routine */
    FSP_SITE_PYTHON,  /* text: a line per Python frame, innermost first, "file:line:function" */
    FSP_SITE_OBJECT,  /* no place but a shared object: its path is the module */
};

/*
 * A place in the code. Stored once per image and key, referred to by `key`.
 * module, symbol and offset describe the C address (for FSP_SITE_PYTHON: of the
 * call below the interpreter); module is a path, symbol the nearest exported one.
 */
struct fsp_site {
    _Atomic uint32_t kind; /* stored last, with release */
    uint32_t text_length;  /* bytes that the text would have had */
    uint64_t key;          /* never 0 */
    uint64_t offset;       /* of the address in the module's file image */
    char module[160];
    char symbol[64];
    char text[776]; /* NUL-terminated */
};

enum fsp_library { /* bits of fsp_header.libraries: a shared object of that family is mapped */
                   FSP_LIBRARY_GOMP = 1u << 0,
                   FSP_LIBRARY_OMP = 1u << 1, /* LLVM */
                   FSP_LIBRARY_IOMP = 1u << 2,
                   FSP_LIBRARY_OPENBLAS = 1u << 3,
                   FSP_LIBRARY_MKL = 1u << 4,
                   FSP_LIBRARY_BLIS = 1u << 5,
                   FSP_LIBRARY_TBB = 1u << 6,
                   FSP_LIBRARY_NUMEXPR = 1u << 7,
                   FSP_LIBRARY_NUMBA = 1u << 8,
                   FSP_LIBRARY_MPI = 1u << 9,
                   FSP_LIBRARY_PYTHON = 1u << 10,
                   FSP_LIBRARY_CUDA = 1u << 11,
                   FSP_LIBRARY_ROCM = 1u << 12,
                   FSP_LIBRARY_POLARS = 1u << 13, /* its threads are Rayon's */
                   FSP_LIBRARY_UGNI = 1u << 14,   /* Cray Gemini and Aries */
                   FSP_LIBRARY_CXI = 1u << 15,    /* Slingshot */
                   FSP_LIBRARY_VERBS = 1u << 16,  /* libibverbs: InfiniBand, RoCE, EFA */
                   FSP_LIBRARY_EFA = 1u << 17,
                   FSP_LIBRARY_FABRIC = 1u << 18,
                   FSP_LIBRARY_UCX = 1u << 19,
};

/* Memory that an image gave a network card to read and write. */
struct fsp_verbs {
    _Atomic uint64_t t, site;       /* of the first registration */
    _Atomic uint32_t registrations; /* ibv_reg_mr and the like; on-demand paging left out */
    _Atomic uint32_t fork_inits;    /* ibv_fork_init that returned 0 */
};

/* X displays ":0" to ":9", which hwloc tries in search of graphics cards. */
enum { FSP_DISPLAYS = 10 };
struct fsp_displays {
    _Atomic uint32_t closed; /* bit n: hwloc could not open ":n" */
    _Atomic uint32_t others; /* 1: somebody else asked for a display, too */
};

enum fsp_off { /* why a process stopped recording */
               FSP_OFF_NONE = 0,
               FSP_OFF_NO_SPACE,   /* the node-local folder is full or at its limit */
               FSP_OFF_FOREIGN,    /* the folder is not ours, or a name was taken */
               FSP_OFF_UNRESOLVED, /* a libc function was not found */
               FSP_OFF_CONFINED,   /* it put itself behind a filter of system calls */
};

enum fsp_extension {
    FSP_EXTENSION_NONE = 0,  /* the base segment of an image */
    FSP_EXTENSION_ANY,       /* an extension of one */
    FSP_EXTENSION_PROCESSES, /* for many: a mapping more makes every fork dearer */
    FSP_EXTENSION_COUNT
};

struct fsp_header {
    uint64_t magic;
    uint32_t version, endian;
    uint32_t header_size, process_size, thread_size, chunk_size, site_size;
    uint32_t extension; /* enum fsp_extension */
    uint64_t size;
    uint32_t processes, threads, chunks, sites;                       /* slots of each kind */
    uint64_t processes_at, threads_at, chunks_at, sites_at, index_at; /* byte offsets */
    int32_t pid, ppid;     /* who made the file, and its parent then */
    uint64_t t_made;       /* CLOCK_MONOTONIC */
    int64_t realtime_made; /* CLOCK_REALTIME at t_made */
    uint64_t image;        /* t_made of the base segment: groups the files of an image */

    _Atomic uint64_t committed[4]; /* a bit per page of the file */
    _Atomic uint32_t lost_processes, lost_threads, lost_events, lost_sites;
    _Atomic uint32_t off; /* enum fsp_off of the last process that stopped */
    _Atomic uint32_t off_count;
    _Atomic uint32_t libraries;                 /* bits of enum fsp_library seen so far */
    _Atomic uint32_t ready;                     /* 1 once the header is whole */
    _Atomic uint32_t snapshots, lost_snapshots; /* stacks of this image: kept, not to be had */
    _Atomic uint32_t process_hint, thread_hint, chunk_hint; /* where to look for a free slot */
    uint32_t env_repaired; /* 1: this image's environment was scrubbed and repaired */

    /* The image; empty in an extension. Longer text is cut, *_length says how
     * long it was. argv and environment are NUL-separated. */
    uint32_t argv_length, env_length, argc;
    uint32_t pad0;
    char executable[256];
    char argv[1024];
    char environment[1536]; /* only variables that rules name: NAME=VALUE */
    struct fsp_verbs verbs;
    struct fsp_displays displays;
    struct fsp_mpi mpi; /* of the image; empty in an extension */
    uint8_t reserved[456];
    /* at index_at: _Atomic int32_t index[processes]: 0 free, -1 reserved, else the pid.
     * Base segments keep it in the last bytes of the header page, extensions
     * from `executable` on (they have no image). */
};

_Static_assert(sizeof(struct fsp_process) == 1024, "process slot");
_Static_assert(sizeof(struct fsp_thread) == 256, "thread slot");
_Static_assert(sizeof(struct fsp_event) == 64, "event");
_Static_assert(sizeof(struct fsp_chunk) == 1024, "event chunk");
_Static_assert(sizeof(struct fsp_site) == 1024, "site");
_Static_assert(sizeof(struct fsp_header) <= FSP_PAGE - 24 * 4, "header page");

_Static_assert(offsetof(struct fsp_header, executable) +
                       FSP_LARGEST_SIZE / FSP_PAGE * 4 / 5 * (FSP_PAGE / 1024) * sizeof(int32_t) <=
                   FSP_PAGE,
               "an extension's index");

/*
 * The shape of a segment of `size` bytes: fills the counts and offsets of
 * header. A reader compares them with what the file claims, so a file can only
 * have a shape that this function gives.
 */
static inline void fsp_layout(struct fsp_header *header, uint64_t size, uint32_t extension) {
    const uint64_t pages = size / FSP_PAGE - 1; /* without the header's */
    const bool many = extension == FSP_EXTENSION_PROCESSES;
    const uint64_t process_pages = many ? pages * 4 / 5 : pages * 2 / 5;
    const uint64_t thread_pages = many ? pages / 15 : pages / 5, chunk_pages = thread_pages;
    const uint64_t site_pages = pages - process_pages - thread_pages - chunk_pages;

    header->header_size = sizeof(struct fsp_header);
    header->process_size = sizeof(struct fsp_process);
    header->thread_size = sizeof(struct fsp_thread);
    header->chunk_size = sizeof(struct fsp_chunk);
    header->site_size = sizeof(struct fsp_site);
    header->extension = extension;
    header->size = size;
    header->processes = (uint32_t)(process_pages * FSP_PAGE / sizeof(struct fsp_process));
    header->threads = (uint32_t)(thread_pages * FSP_PAGE / sizeof(struct fsp_thread));
    header->chunks = (uint32_t)(chunk_pages * FSP_PAGE / sizeof(struct fsp_chunk));
    header->sites = (uint32_t)(site_pages * FSP_PAGE / sizeof(struct fsp_site));
    header->processes_at = FSP_PAGE;
    header->threads_at = header->processes_at + process_pages * FSP_PAGE;
    header->chunks_at = header->threads_at + thread_pages * FSP_PAGE;
    header->sites_at = header->chunks_at + chunk_pages * FSP_PAGE;
    header->index_at = extension ? offsetof(struct fsp_header, executable)
                                 : FSP_PAGE - header->processes * sizeof(int32_t);
}

#endif
