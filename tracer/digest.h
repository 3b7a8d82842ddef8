/*
 * digest.h - what one node knows of the job when it is over (or so far).
 *
 * The collector gathers it, the reporter judges it; nothing in here is a
 * verdict. On disk a digest is a text of lines, each one JSON object with the
 * members "forksight" (format version, FS_DIGEST_VERSION) and "kind"; a node's
 * lines carry its name. So the concatenation of digests is a digest, in any
 * order, and equal topologies are stored once (they are told apart by hash).
 *
 * Conventions: an unknown number is FS_UNKNOWN (-1) for signed counts and times,
 * NAN for doubles; an unknown string or mask is NULL. Times are nanoseconds
 * since the start of the job on the node (t = 0: `run` started the command), so
 * they may be negative. Sums of CPU time, run time and run-queue wait are
 * nanoseconds. Masks hold logical CPUs by OS number.
 *
 * Ownership: a digest owns everything that it points to; fs_digest_free()
 * releases it. Hand-built models in tests are never freed by it.
 */
#ifndef FS_DIGEST_H
#define FS_DIGEST_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tracer/digest_audit.h"
#include "tracer/digest_clocks.h"
#include "tracer/digest_displays.h"
#include "tracer/digest_forks.h"
#include "tracer/digest_mpi.h"
#include "tracer/digest_mpi_forks.h"
#include "tracer/digest_placement.h"
#include "tracer/digest_random.h"
#include "tracer/digest_runtimes.h"
#include "tracer/digest_tasks.h"
#include "tracer/digest_teams.h"

#define FS_DIGEST_VERSION 1

/* Peaks, sums and quantiles of one number over the workers of a group. */
struct fs_spread {
    int64_t n, min, p50, p90, max, sum;
};

enum fs_group_kind {
    FS_GROUP_FORK = 0,   /* forked children that did not exec within 1 s */
    FS_GROUP_SPAWN,      /* Python children started anew to serve a pool (spawn) */
    FS_GROUP_FORKSERVER, /* children of a multiprocessing fork server */
    FS_GROUP_EXECUTABLE, /* concurrent children that run one executable */
    FS_GROUP_KIND_COUNT
};

/* A worker that a signal ended. */
struct fs_death {
    int pid, signal;
    int64_t t;
    int sent_by;                 /* pid of the recorded process that sent the signal; 0: none did */
    bool sent_by_parent;         /* ... and it was the worker's parent (or its pool) */
    bool oom;                    /* the kernel's out-of-memory killer took a victim in the job's
                                    cgroup between the last sign of life and the death */
    int64_t shm_free, shm_total; /* bytes of /dev/shm when a SIGBUS was reaped; else FS_UNKNOWN */
    int64_t idle_ns;    /* after the death: the longest time to the end of the record in which
                           neither the parent nor anybody below it used CPU beyond polling */
    bool parent_waited; /* the parent was still there, idle, until the record's end or until a
                           signal from outside ended it: it never went on by itself */
};

/* Like siblings that can share a load: the W workers of the rules. */
struct fs_group {
    enum fs_group_kind kind;
    int parent;              /* pid; of a fork server: of its client if known */
    char *parent_executable; /* path of the parent's image */
    char *parent_command;    /* its argv as in command_text.h */
    char *executable;        /* of the workers */
    bool shell, helper;      /* the workers are shells; or launchers, resource trackers,
                                managers, fork servers: no load rule looks at them */
    bool python;             /* the workers run a Python interpreter */
    bool scripts_differ;     /* the workers run one interpreter, but not one script */
    struct fs_place site;    /* where most of them were made */

    int workers;             /* in all */
    int workers_peak;        /* alive at once (exact, from births and ends) */
    int workers_busy_peak;   /* busy (> 50 % of a CPU) or runnable at once, sampled */
    int examples[4];         /* pids; 0: none */
    int64_t begin, end;      /* first birth, last end */
    int64_t busy_ns;         /* wall time with at least one busy worker, sampled */
    int64_t overlap_ns;      /* wall time with at least two busy workers */
    int64_t cpu_ns;          /* all workers, user + system */
    int64_t run_ns, wait_ns; /* schedstat sums over the workers' threads */
    int workers_scheduled;   /* workers whose run_ns and wait_ns are in the sums */
    int64_t window_ns;       /* wall time while >= 1 worker lived */
    int64_t window_cpu_ns;   /* their CPU time in it */
    int64_t sample_ns;       /* the coarsest sampling period in the window; FS_UNKNOWN: no sample */
    int threads_peak;        /* of one worker, alive at once, main thread included */
    int threads_busy_peak;   /* of one worker, using > 1 % of a CPU within one sample */
    int threads_busy_total;  /* of all workers at once */
    char *threads_owner;     /* library whose start routine most busy threads have; NULL */
    hwloc_bitmap_t mask_union; /* of the workers' last masks (a mask: the union over its threads) */
    hwloc_bitmap_t mask_parent;
    int later, later_example; /* audited: workers born a second or more after the oldest one; the
                                 pid of one of them */
    int64_t later_ns;         /* how much later that one was */
    int masks_distinct;       /* different worker masks */
    bool masks_known;         /* every worker's mask is in the union */
    struct fs_narrowing
        *narrowing; /* why mask_parent (or a worker) is narrower than the job's mask */
    struct fs_spread worker_cpu_ns;
    int64_t first_idle, last_busy; /* first worker finally idle; last one done */
    int64_t parent_cpu_ns;         /* of the parent in the group's window */
    int64_t sleep_ns;   /* window time in which no worker and not the parent was runnable */
    uint32_t libraries; /* bits of enum fsp_library over workers and parent */
    struct fs_variable *variables;
    size_t variable_count; /* recorded ones the workers have */
    struct fs_death *deaths;
    size_t death_count; /* at most 16, rest counted */
    int deaths_more;

    int unwaited;       /* forked children that ended while the parent lived on, that it never
                           waited for though it ended by its own exit; own sessions, ignored
                           SIGCHLD and unseen waits left out */
    int zombies_peak;   /* seen at once */
    int64_t zombies_ns; /* longest time with at least max(4, workers_peak) zombies */
    int orphans;        /* alive >= 1 s after the job's main process ended; own sessions left out */
    int orphan_examples[4];
    int64_t orphans_ns; /* the longest such life */
};

/* An exec or spawn that lost a variable which the maker has. */
struct fs_lost_variable {
    char *name, *value; /* in the maker */
    char *parent_executable, *executable;
    int pid; /* an example */
    int count;
    uint32_t libraries; /* of the image that lost it */
    bool repaired;      /* its whole environment was scrubbed (forksight carried itself over) */
    bool singled_out;   /* the rest of the environment was handed on, as forksight's own
                           variables in it show */
    struct fs_place site;
};

/* A thread variable that no library will understand. */
enum fs_oddity { FS_ODD_EMPTY, FS_ODD_NOT_A_NUMBER, FS_ODD_MISSPELT };
struct fs_odd_variable {
    enum fs_oddity oddity;
    char *name, *value; /* value: NULL for misspelt names (the user's data) */
    char *meant;        /* the known name one edit away; else NULL */
    char *executable;
    int pid, count;
    uint32_t libraries; /* of the images that have it and of their descendants */
};

struct fs_fork_failure {
    char *executable;
    int pid;
    bool thread;
    int error;
    int count;
    bool recovered;
};

/* A thread of a process that made no progress, as it was seen from outside. */
struct fs_stuck_thread {
    int tid;
    char *name;
    char *wait; /* the system call that it sleeps in ("futex", "wait4", ...); NULL: unknown */
    bool private_wait; /* without time limit for a word of memory that no other process shares:
                          only a thread of its own process can end that */
    char *native;      /* C frames, innermost first, a line each: "function (module)" or
                          "function (module) at file:line"; NULL: none were read */
    char *python;      /* Python frames, likewise: "file:line:function" */
};

/*
 * A process that made no progress while somebody waited for it, or one that waited for
 * such a process (or for a dead one). Its stacks were read once in that phase.
 */
struct fs_stuck {
    int pid, parent;
    char *executable;
    bool python;
    bool forked;                 /* it runs what it was forked with: no exec since */
    struct fs_place site;        /* where it was forked */
    int64_t since;               /* it used no CPU worth the name from here */
    int64_t idle_ns;             /* on: until it went on, the job was interrupted, or its end */
    int64_t run_ns;              /* CPU time in that */
    int64_t life_run_ns;         /* CPU time since its birth, until the stacks were read */
    bool went_on;                /* by itself: it used CPU again before anybody interrupted it */
    bool job_idle;               /* the whole job was idle when the stacks were read */
    int64_t t;                   /* when they were */
    char *obstacle;              /* why stacks are missing; NULL: nothing is */
    int64_t stop_max, stop_sum;  /* ns: how long a thread was held for it, and all together */
    int holder;                  /* tid that owns the lock that it waits for, as the lock says: of
                                    a thread that the fork left behind; 0: not known */
    struct fs_place holder_site; /* what that thread ran (its start routine) */
    int left_gomp; /* threads of libgomp in its parent, that live and were there at its fork */
    struct fs_stuck_thread *threads; /* the main one first */
    size_t thread_count;
    int threads_more; /* not looked at */
};

struct fs_quota { /* tightest over the ancestors of the job's cgroup */
    int version;  /* cgroup 1 or 2; 0: none found */
    char *path;
    double cpus;                              /* INFINITY: no limit; NAN: unknown */
    int64_t periods, throttled, throttled_ns; /* over the job */
    double runnable_mean, runnable_peak; /* runnable threads of the job per sample, while any ran */
};

struct fs_memory {
    char *path;
    int version;
    int64_t limit, peak;      /* bytes; limit FS_UNKNOWN: none */
    int64_t oom_kills;        /* over the job */
    int64_t workers_pss_peak; /* sum over the job's processes, sampled; FS_UNKNOWN */
};

struct fs_pids {
    int64_t max, peak, refused;
}; /* refused: pids.events max, over the job */

struct fs_shm {
    int64_t size, free_min; /* bytes of /dev/shm, sampled */
    bool ours;              /* forksight's own segments were there (size in own_bytes) */
    int64_t own_bytes;
    struct fs_variable *leftovers;
    size_t leftover_count; /* name, bytes as text: made by the
   job with shm_open, still there, maker gone */
};

/* A change, by the program itself, of a variable that counts threads. */
struct fs_setting {
    char *name, *value; /* value NULL: unset */
    int pid;            /* who made it */
    int64_t t;
    struct fs_place place; /* without its stack */
    uint32_t loaded;       /* bits of enum fsp_library: there before the change */
    uint32_t started;      /* ... and had started threads before it */
    bool passed_on;        /* a program that this one started later had the new value */
};

/* A thread library in a process. */
struct fs_thread_library {
    uint32_t family;   /* one bit of enum fsp_library */
    char *file;        /* path as loaded */
    char *real_file;   /* ... with links followed; NULL: it was not there to look at */
    char *version;     /* as far as the name of its file tells; NULL */
    const char *build; /* how it makes threads: one of the words below; NULL: unknown */
    int64_t t_loaded;  /* first seen loaded */
    int64_t t_before;  /* last time that it was seen not to be; FS_UNKNOWN: never */
    int64_t t_started; /* its first thread; FS_UNKNOWN: none */
    struct fs_variable *variables;
    size_t variable_count; /* recorded ones that steer it, as it read them */
    int threads_started;   /* by its own start routine, over all processes */
    int threads_peak;      /* alive at once in one process, without the thread that leads them */
    int threads_working;   /* of those of one process, how many used 20 ms of CPU, and a quarter of
                              what its main thread used: idle threads spin for a while, too.
                              FS_UNKNOWN: they were not sampled */
    int team_late;         /* alive at once after the last setting that came too late for it,
                              with the one that leads; FS_UNKNOWN: no such setting */
};
/* The words of `build`: "pthreads", "openmp", "serial", "workqueue", "tbb", and of MKL "intel"
 * and "gnu", which are OpenMP runtimes. */

/*
 * Processes alike: one program, the same thread libraries in it, the same values.
 * Forked children are entries of their own, with what they inherited.
 */
struct fs_thread_program {
    char *executable;
    char *command;    /* argv as in command_text.h */
    int pid;          /* an example, to which all times belong */
    int count;        /* processes */
    bool forked;      /* began as a fork child in this program */
    bool helper;      /* shells, launchers, trackers, fork servers */
    int cpus;         /* of the example's mask */
    int64_t cpu_ns;   /* of all */
    int group_parent; /* fs_group.parent of the group that the example counts in; 0: none */
    enum fs_group_kind group_kind;
    int workers; /* of that group, alive at once; 0: it is in none */
    struct fs_setting *settings;
    size_t setting_count; /* in the order of time */
    struct fs_thread_library *libraries;
    size_t library_count;
};

enum fs_unseen { /* why the shim is not in an image */
                 FS_UNSEEN_STATIC,
                 FS_UNSEEN_SECURE,
                 FS_UNSEEN_SCRUBBED,
                 FS_UNSEEN_LIBC,
                 FS_UNSEEN_ROOT, /* another root directory: a container */
                 FS_UNSEEN_OFF,
                 FS_UNSEEN_SHORT,
                 FS_UNSEEN_OTHER,
                 FS_UNSEEN_COUNT
};

struct fs_completeness {
    int processes;               /* seen by any witness */
    int recorded;                /* with parent, birth, start, end (or alive at the end) and mask */
    int unseen[FS_UNSEEN_COUNT]; /* processes known from /proc or their parent only, by reason */
    char *unseen_example[FS_UNSEEN_COUNT]; /* executable of one */
    char *lacks;        /* what would have had to be in one's other root directory, or, without a
                           slash in front, in its environment; NULL */
    char *binds;        /* folders that would have had to be there, with commas between them */
    int told;           /* not entered either, but so short and small that their parent's word
                           is all that there is to know: among `recorded` */
    char *told_example; /* executable of one */
    int alive;          /* still running when the record was closed */
    int64_t threads;
    int64_t lost_processes, lost_threads, lost_events, lost_sites;
    int shim_off;     /* processes in which the shim switched itself off */
    int bad_segments; /* files or slots that were not what they should be */
    int bare_tasks;   /* tasks whose launcher did not hand down the variables of `run` to them */
    bool recovered;   /* folded by `report` after the collector was gone */
    bool interim;     /* written while the job ran (the collector never finished) */
    int64_t collector_cpu_ns, collector_maxrss_kib, samples;
};

struct fs_scheduler { /* facts of Slurm or PBS as the environment gives them; FS_UNKNOWN, NULL */
    const char *name; /* "slurm", "pbs", or NULL; a literal */
    char *job, *step;
    char *array_task; /* of a job array, "4711_3"; the number in `job` is another one */
    int cpus_on_node, cpus_per_task, tasks, step_tasks, nodes, threads_per_core;
    int step_tasks_on_node; /* tasks of this step on this node */
    int steps_beside;       /* most other steps of the job that ran at once, as far as this node
                               tells */
    char *node_name;        /* of this node in the lists below; NULL: its host name */
    char *node_list;        /* of the job, as Slurm writes it: "n[001-003,7]" */
    char *step_node_list;   /* of the step */
    char *cpus_per_node;    /* that the job was given, in the order of node_list: "16(x2),8" */
    char *tasks_per_node;   /* of the step, in the order of step_node_list; not in a step: of the
                               job */
    bool in_step;           /* inside srun (SLURM_STEP_ID set to a real step, SLURM_PROCID) */
};

struct fs_digest {
    char *host;
    char **command;
    size_t command_count;   /* argv of the job */
    char *directory;        /* working directory */
    int64_t start_realtime; /* ns since the epoch */
    struct fs_clocks clocks;
    int64_t wall_ns;
    int status; /* wait status of the main process; FS_UNKNOWN: not known */
    int main_pid;
    int interrupted;     /* signal that `run` passed on or saw from the terminal; 0: none */
    bool launchers_only; /* all processes here were launchers: the job's are on other nodes */
    char *launcher;      /* executable name when the command is one (srun, mpirun ...); NULL */

    hwloc_topology_t topology; /* of the node; NULL: unknown */
    char *topology_hash;
    hwloc_bitmap_t mask_start; /* mask that forksight itself started with */
    hwloc_bitmap_t mask_job;   /* J: CPUs the job may use on this node */
    const char *mask_job_from; /* "mask", "cpuset", "slurm" (job_mask.h): a literal */
    struct fs_scheduler scheduler;
    struct fs_quota quota;
    struct fs_memory memory;
    struct fs_pids pids;
    struct fs_shm shm;
    struct fs_completeness complete;
    struct fs_audited *audited; /* NULL: the job was recorded */

    int64_t cpu_ns;           /* all processes of the job */
    int busy_cpus_peak;       /* processors that ran a busy thread of the job, at once, sampled */
    hwloc_bitmap_t cpus_busy; /* CPUs on which the job was seen busy (> 50 % of samples it ran) */
    double busy_mean;         /* busy CPUs (job's CPU time / wall) on average; NAN */
    int workers_busy_peak, threads_busy_peak; /* over all groups at once */
    int64_t active_ns;                        /* wall time with any process busy */

    struct fs_group *groups;
    size_t group_count; /* at most FS_GROUPS_MAX, largest CPU first */
    int groups_more;    /* left out, each smaller than those kept */
    struct fs_lost_variable *lost_variables;
    size_t lost_variable_count;
    struct fs_odd_variable *odd_variables;
    size_t odd_variable_count;
    bool environments_read; /* every image's environment was looked at for misspelt names */
    struct fs_fork_failure *fork_failures;
    size_t fork_failure_count;
    struct fs_stuck *stuck;
    size_t stuck_count; /* at most FS_STUCK_MAX */
    struct fs_thread_program *programs;
    size_t program_count; /* with a thread library; at most FS_PROGRAMS_MAX, most CPU time first */
    int programs_more;
    struct fs_team *teams;
    size_t team_count; /* at most FS_TEAMS_MAX, most CPU time first */
    int teams_more;
    bool teams_sampled;
    struct fs_rivals rivals;
    struct fs_watched *watched;
    size_t watched_count; /* at most FS_WATCHED_MAX */
    struct fs_fork_site *fork_sites;
    size_t fork_site_count; /* at most FS_FORK_SITES_MAX, those with threads first */
    int fork_sites_more;
    int64_t fork_stacks_lost; /* C stacks that could not be kept */
    struct fs_region_use *region_uses;
    size_t region_use_count; /* at most FS_REGION_USES_MAX, first come */
    struct fs_runtime_fork *runtime_forks;
    size_t runtime_fork_count; /* at most FS_RUNTIME_FORKS_MAX, first come */
    struct fs_gpu_fork *gpu_forks;
    size_t gpu_fork_count; /* at most FS_GPU_FORKS_MAX, first come */
    int runtimes_more;     /* processes with facts that are in none of the three */
    struct fs_mpi_fork *mpi_forks;
    size_t mpi_fork_count; /* at most FS_MPI_FORKS_MAX, those with forked workers first */
    int mpi_forks_more;
    int copies_on_fork; /* 1: the kernel says that it copies registered memory at a fork; 0: it
                           does not say so; FS_UNKNOWN: not asked, it did not matter */
    struct fs_closed_display *closed_displays;
    size_t closed_display_count; /* at most FS_DISPLAYS_MAX: those with a server */
    int display_searches;        /* programs in which hwloc could not open some display */
    bool displays_asked;         /* ... and the servers of all of these were looked for */
    struct fs_mpi_ranks *mpi;    /* processes that initialised MPI */
    size_t mpi_count;
    int mpi_more;   /* kinds of them beyond FS_MPI_RANKS_MAX */
    int mpi_silent; /* processes with an MPI library in which nothing of it was seen to begin */
    struct fs_random_births random_births;
    struct fs_random_streams *random_streams; /* of states with two heirs or more */
    size_t random_stream_count; /* at most FS_RANDOM_STREAMS_MAX, most drawers first */
    int random_streams_more;
    struct fs_launch *launches;
    size_t launch_count; /* at most FS_LAUNCHES_MAX, first come */
    int launches_more;
    struct fs_siblings siblings;
    struct fs_login login;
    struct fs_task *tasks;
    size_t task_count; /* at most FS_TASKS_MAX, by step, launch and rank */
    int tasks_more;
    char *framework; /* name of a program of the job that shares work among nodes or tasks by its
                        own means (dask, ray, GNU parallel ...); NULL: none was seen */
    struct fs_variable *variables;
    size_t variable_count; /* recorded ones of the main image */
};

enum { FS_GROUPS_MAX = 64, FS_STUCK_MAX = 16, FS_STUCK_THREADS_MAX = 16 };
enum { FS_PROGRAMS_MAX = 32, FS_LIBRARIES_MAX = 16, FS_SETTINGS_MAX = 32 };

/* Writes digest as lines to out. Returns 0, or -1 with errno (also for write errors). */
int fs_digest_write(const struct fs_digest *digest, FILE *out);

/*
 * Reads every node's digest from a stream of lines (one digest or several, one
 * after the other). *list gets *count digests, owned by the caller
 * (fs_digest_list_free). Returns 0; -1 with errno EBADMSG for a text that is no
 * digest or a cut one, EPROTONOSUPPORT for another version, or a read error; then
 * error (at least error_size bytes) says what and in which line, and *list is NULL.
 * Lines of unknown kind and unknown members of the same version are skipped.
 */
int fs_digest_read(FILE *in, struct fs_digest **list, size_t *count, char *error,
                   size_t error_size);

/* Digests of one list share equal topologies: they are freed together or not at all. */
void fs_digest_list_free(struct fs_digest *list, size_t count);

/* Sets every number and mask to unknown and everything else to empty. */
void fs_digest_init(struct fs_digest *digest);
void fs_digest_free(struct fs_digest *digest); /* what digest holds, not digest itself */

/* The same for a program. */
void fs_thread_program_init(struct fs_thread_program *program);

/* The same for one group: numbers and masks unknown, everything else empty. */
void fs_group_init(struct fs_group *group);
void fs_group_free(struct fs_group *group);

/* What a team holds, or a place. */
void fs_team_free(struct fs_team *team);
void fs_place_free(struct fs_place *place);

#endif
