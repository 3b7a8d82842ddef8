/*
 * process_table.h - what is known of every process of the job.
 *
 * A record is one process from birth to death, whatever programs it became by
 * exec. Its identity is the pid and the time: a pid that comes again is another
 * record. Three witnesses write into it: the shim (fold.c), the parent's wait
 * (fold.c) and /proc (sampler.c).
 *
 * Times are CLOCK_MONOTONIC nanoseconds, FS_UNKNOWN if not known. The table owns
 * everything; pointers to records stay valid until fs_table_free() or, for
 * processes that are over, fs_table_forget().
 */
#ifndef FS_PROCESS_TABLE_H
#define FS_PROCESS_TABLE_H

#include "preload/segment.h"
#include "tracer/digest.h"
#include "tracer/interned.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

/* Births beyond those that the shim tells apart. */
enum fs_birth {
    FS_BIRTH_RUN = FSP_BIRTH_COUNT, /* the command that `run` started */
    FS_BIRTH_SYSTEM,
    FS_BIRTH_POPEN,
    FS_BIRTH_INSIDE_LIBC, /* no hook saw it: a clone that libc or the program made by itself */
    FS_BIRTH_COUNT
};

/* What a program is for, as its path and argv tell. */
enum fs_role {
    FS_ROLE_PROGRAM = 0,
    FS_ROLE_SHELL,
    FS_ROLE_LAUNCHER,
    FS_ROLE_TRACKER, /* multiprocessing's resource tracker */
    FS_ROLE_FORKSERVER,
    FS_ROLE_SPAWN_WORKER, /* a Python child started anew by multiprocessing */
};

enum fs_witness {                        /* bits */
                  FS_WITNESS_SHIM = 1,   /* in the process itself */
                  FS_WITNESS_PARENT = 2, /* a slot or a wait of another process */
                  FS_WITNESS_PROC = 4,
};

/* A program that ran: shared by all processes that were forked while they ran it. */
struct fs_image {
    struct fs_image *next;
    uint64_t key;           /* fsp_header.image; 0: known from /proc alone */
    int pid;                /* that started it */
    const char *executable; /* path; NULL: unknown */
    const char *command;    /* argv as one line (command_text.h) */
    const char *script;     /* of an interpreter: the word that says what it runs; NULL */
    const char *launch;     /* of a launcher: argv's words, FS_LAUNCH_SEPARATOR between them */
    bool launch_cut;        /* ... which are not all */
    enum fs_role role;
    bool python, repaired;
    bool environment_read;     /* by /proc: misspelt names were looked for */
    bool environment_cut;      /* variables are not all that rules name */
    bool shim;                 /* has a segment */
    enum fs_unseen unseen;     /* why it has none */
    const char *lacks, *binds; /* as struct fs_completeness has them; NULL */
    uint32_t libraries;
    int64_t t_libraries;                 /* when the maps were last read; 0: never */
    bool objects_read;                   /* ... with success */
    const char *profiler;                /* an object of a profiler in them; NULL: none */
    int registrations, fork_inits;       /* see struct fsp_verbs */
    uint64_t registration_site;          /* key */
    int64_t t_registered;                /* the first time; FS_UNKNOWN: never */
    uint32_t closed_displays;            /* see struct fsp_displays */
    bool display_client;                 /* others than hwloc asked for a display */
    bool gil, free_threaded;             /* objects made for that kind of interpreter are in them */
    const struct fs_variable *variables; /* recorded ones at its start; interned texts */
    size_t variable_count;
    struct fs_mpi_use *mpi; /* mpi.h; NULL: nobody initialised it */
    struct fs_misspelt {
        const char *name, *meant;
    } * misspelt;
    size_t misspelt_count;
};

/* Names a site by its image and its key there; key 0: none. */
struct fs_site_key {
    uint64_t image, key;
};

struct fs_site {
    UT_hash_handle hh;
    struct fs_site_key id;
    enum fsp_site_kind kind;
    const char *file, *function, *module, *stack;
    const char *frames; /* C stack of a fork site (fork_stacks.h); NULL: not known (yet) */
    int line;
    uint64_t offset;
};

/* A process between two execs. */
struct fs_stage {
    struct fs_image *image; /* NULL: unknown */
    int64_t t;              /* birth, or the start of the image */
    int64_t t_affinity;     /* last call that changed its mask; FS_UNKNOWN: none */
    uint32_t mask_before, mask_after;
    uint32_t mask_begin; /* with which the image, or the forked process, began; 0: not known */
    struct fs_site_key affinity_site;
    int affinity_caller;
};

struct fs_thread {
    int tid;
    bool ended;
    struct fs_site_key routine;
    int64_t t_start, t_end;
    int64_t cpu_ns, run_ns, wait_ns;
    uint32_t mask;
};

/* Threads of one kind that were alive beside the one that forked; see struct fsp_beside. */
struct fs_beside {
    struct fs_site_key routine, created;
    int threads, by_forker;
};

/* Parallel regions of a process; see struct fsp_regions. team 0: none for two threads. */
struct fs_regions {
    int64_t entered, left;
    int team;
    struct fs_site_key site;
};

/* Calls of a GPU runtime; see struct fsp_gpu_use. */
struct fs_gpu_calls {
    int starts, contexts;
    struct fs_site_key site;
};

/* What a process did with runtimes, by enum fsp_runtime and enum fsp_gpu. */
struct fs_runtimes {
    struct fs_regions own[FSP_RUNTIME_COUNT]; /* in the program that entered most */
    struct fs_gpu_calls gpu[FSP_GPU_COUNT];   /* in all its programs */
    /* Of a fork child, in the program that it was forked with: what it did, and what its
     * parent had done before. */
    struct fs_regions forked[FSP_RUNTIME_COUNT], inherited[FSP_RUNTIME_COUNT];
    struct fs_gpu_calls gpu_forked[FSP_GPU_COUNT], gpu_inherited[FSP_GPU_COUNT];
    uint32_t threads_forked; /* that it started in that program */
};

/* The state of a live process between two samples (sampler.c). */
struct fs_activity;
struct fs_team_watch;
struct fs_cohort;

struct fs_record {
    UT_hash_handle hh;                 /* newest record of a pid */
    struct fs_record *older;           /* with the same pid */
    struct fs_record *next, *previous; /* in order of appearance */
    struct fs_record *next_open, *previous_open;
    bool open; /* in the list of those that are alive or new */

    int pid, ppid;            /* ppid 0: unknown */
    struct fs_record *parent; /* its maker; NULL: not of the job, or unknown */
    int kept_children;        /* records that point here as parent */
    uint8_t birth;            /* enum fsp_birth, enum fs_birth */
    uint8_t witnesses;        /* enum fs_witness */
    uint8_t exit;             /* enum fsp_exit */
    bool own_session, mask_unknown, threads_truncated;
    bool no_zombies;     /* when it ended, none of its children was left to wait for */
    bool secondary_wait; /* status comes from system()'s value, not from a wait */
    struct fs_site_key birth_site;
    bool beside_known, beside_main; /* what is below is known; the main thread did not fork */
    int beside_threads;             /* of its parent, at the fork, beside the one that forked */
    struct fs_beside *beside;       /* their kinds; NULL: none is known */
    size_t beside_count;
    uint8_t random;              /* enum fsp_random at its fork */
    struct fs_random_heir *heir; /* FSP_RANDOM_READ: of that generator */

    struct fs_runtimes *runtimes; /* NULL: it used none, and inherited no use of one */

    uint64_t start_ticks;    /* /proc's start; 0: never seen there */
    int64_t t_fork, t_start; /* before the call; first sign of life */
    int64_t t_exit;          /* exit hook */
    int64_t t_reaped;
    int64_t age_ns; /* how long it lived before an audit met it; 0: it came later */
    int64_t t_gone; /* first sample in which it was a zombie or gone */
    int64_t t_seen; /* last sign of life */
    bool zombie;    /* dead, not waited for */
    bool over;      /* no sign of life can come any more */
    int kept_slots; /* segment slots whose reader points here */

    bool status_known;
    int status;                 /* wait status */
    int reaper;                 /* pid; 0: not waited for by a recorded process */
    int exit_code;              /* argument of exit */
    int64_t self_ns, reaped_ns; /* CPU time: exit hook, wait (with its waited-for children) */
    int64_t reaped_children_ns; /* of the children that it waited for, as they were reaped */
    int64_t sampled_ns;         /* CPU time at the last sample, */
    int64_t t_sampled;          /* which was at this time */
    int64_t run_ns, wait_ns;    /* schedstat, best known */
    int64_t maxrss_kib;
    int64_t shm_free, shm_total; /* when its SIGBUS was reaped */

    uint32_t mask;  /* union over its threads, last known */
    uint32_t given; /* that its scheduler gave it, as an audit read; 0: unknown */
    struct fs_stage *stages;
    size_t stage_count;
    int64_t t_exec;
    int exec_errno;
    const char *exec_path;
    struct fs_thread *threads;
    size_t thread_count, thread_room;
    uint32_t forks, reaps, threads_started, threads_peak;

    int pgid, sid;                /* 0: never seen in /proc */
    struct fs_activity *activity; /* while it lives */
    struct fs_team_watch *teams;  /* threads that worked at once (teams.c); NULL: none did */
    int tracer;                   /* pid of a process that traces it; 0: none was seen */
    const char *tracer_executable;
    int64_t t_tracer;                    /* when that was looked for; 0: never */
    int64_t huge_bytes;                  /* in huge pages, at most, when that was looked for */
    int64_t last_busy;                   /* last sample in which it was busy */
    struct fs_cohort *cohort;            /* the group that it counts in; NULL: none */
    const struct fs_image *cohort_image; /* for which image and parent that was decided */
    const struct fs_record *cohort_parent;
    int64_t forgotten_ns; /* CPU time of children that were given up, and of theirs */
    int task;             /* of a task, 1 + its number in the digest (tasks.c) */
};

/* A kill() by a recorded process. */
struct fs_kill {
    int64_t t;
    int sender, target, signal;
    struct fs_site_key site; /* of a raise() */
};

/* A change of a recorded variable within an image. value NULL: unset; name NULL: all unset. */
struct fs_setenv {
    int64_t t;
    int pid;
    const struct fs_image *image;
    const char *name, *value;
    struct fs_site_key site;
};

/* A thread library that came into a process. */
struct fs_loading {
    int64_t t, t_before; /* first seen; last seen not to be there, FS_UNKNOWN: never */
    int pid;
    const struct fs_image *image;
    uint32_t family;           /* one bit of enum fsp_library */
    struct fs_site_key object; /* site that names the file */
};

/* system() or popen() of a process. */
struct fs_shell_call {
    int64_t t, t_end;
    int pid, status;
    bool popen;
};

struct fs_shm_object {
    const char *name;
    int maker;
    int64_t t;
    bool unlinked;
};

/* Forks or threads that a process could not make; texts are interned. t: of the last one. */
struct fs_failure {
    struct fs_fork_failure what;
    int64_t t;
};

struct fs_table {
    struct fs_interned interned;
    struct fs_record *by_pid;
    struct fs_record *first;      /* all, in order of appearance */
    struct fs_record *first_open; /* those that a tick must look at */
    size_t count;
    size_t forgotten, forgotten_whole; /* records given up for their sums; complete ones */
    struct fs_image *images;
    struct fs_site *sites;
    struct fs_kill *kills;
    size_t kill_count;
    struct fs_setenv *setenvs;
    size_t setenv_count;
    struct fs_loading *loadings;
    size_t loading_count;
    struct fs_shell_call *shell_calls;
    size_t shell_call_count;
    struct fs_shm_object *shm_objects;
    size_t shm_object_count;
    struct fs_failure *failures;
    size_t failure_count;
    struct fs_random_source *random_sources;
    struct fs_place_tally *forks;      /* of records that were given up (fork_sites.c) */
    struct fs_runtime_tally *runtimes; /* likewise (runtimes.c); NULL: nothing */
    struct fs_place_tally *mpi_forks;  /* likewise (mpi_forks.c) */
    int64_t threads, lost_threads;     /* seen in all; more than a record keeps */
    int64_t lost;                      /* facts that memory had no room for */
    int64_t forgotten_cpu_ns;
    int forgotten_teams;   /* of those, processes with threads that worked at once */
    int run_pid, main_pid; /* of forksight and of the command it started (the first one) */
    int *roots;            /* all commands that it or its like started */
    size_t root_count;
};

void fs_table_init(struct fs_table *table);
void fs_table_free(struct fs_table *table);

/* The record of pid that lived at time t, or the newest that began before; NULL: none. */
struct fs_record *fs_table_find(const struct fs_table *table, int pid, int64_t t);

/* The newest record of pid; NULL: none. */
struct fs_record *fs_table_newest(const struct fs_table *table, int pid);

/* A new record, alive, with nothing known but pid. NULL: out of memory (counted). */
struct fs_record *fs_table_add(struct fs_table *table, int pid);

/*
 * The record of a command that forksight (or, as ppid, another one of it, or a launcher)
 * started at t; its shim may have been met before. NULL: out of memory (counted).
 */
struct fs_record *fs_table_add_root(struct fs_table *table, int pid, int ppid, int64_t t);

/* Sets a record's parent to the record of ppid that lived at t (or clears it). */
void fs_record_set_parent(struct fs_table *table, struct fs_record *record, int ppid, int64_t t);

/* Puts a record among those that a tick looks at, and takes one that is over out again. */
void fs_record_open(struct fs_table *table, struct fs_record *record);
void fs_record_settle(struct fs_table *table, struct fs_record *record);

/* Marks a record as over: what only live processes have is released. */
void fs_record_close(struct fs_record *record);

/* Drops a record that is over and that no record and no slot points to. Its CPU time stays in the
 * sums. */
void fs_table_forget(struct fs_table *table, struct fs_record *record);

/* The image with a key (NULL: none yet), and a new one. */
struct fs_image *fs_table_image(const struct fs_table *table, uint64_t key);
struct fs_image *fs_table_add_image(struct fs_table *table, uint64_t key);

/* Programs of such names run a script. */
bool fs_is_interpreter(const char *name);

/* Sets executable, command and role of an image from a path and a NUL-separated argv. */
void fs_image_describe(struct fs_table *table, struct fs_image *image, const char *executable,
                       const char *argv, size_t argv_length);

/* Puts a stage into a record's chain, which is in the order of time. NULL: out of memory
 * (counted). */
struct fs_stage *fs_record_add_stage(struct fs_table *table, struct fs_record *record,
                                     struct fs_image *image, int64_t t);

/* The image that a record runs (or ran last); the one at time t. NULL: unknown. */
struct fs_image *fs_record_image(const struct fs_record *record);
struct fs_stage *fs_record_stage_at(const struct fs_record *record, int64_t t);

/* The site of a key; NULL: none, or it was not recorded. */
const struct fs_site *fs_table_site(const struct fs_table *table, struct fs_site_key id);
struct fs_site *fs_table_site_of(struct fs_table *table, struct fs_site_key id); /* to be changed */

/* Best known values. Birth: earliest moment that is known. End: FS_UNKNOWN while alive. */
int64_t fs_record_begin(const struct fs_record *record);
int64_t fs_record_end(const struct fs_record *record);
int64_t fs_record_cpu(const struct fs_record *record);
/* Whether parent, kind of birth, start, end (or that it lives) and mask are all known. */
bool fs_record_is_whole(const struct fs_record *record);
/* Whether it runs (or ran for more than a second) what it was forked with. */
bool fs_record_is_forked(const struct fs_record *record);
/* The signal that ended it; 0: none, or not known. */
int fs_record_signal(const struct fs_record *record);

/*
 * The array with room for element number `count` (it grows by doubling; at most
 * FS_LIST_MAX elements). NULL: no room, which is counted as lost; the array is as
 * it was.
 */
enum { FS_LIST_MAX = 65536 };
void *fs_table_grow(struct fs_table *table, void *array, size_t count, size_t size);

#endif
