/*
 * model.h - the job as the rules see it: the nodes' digests and what follows
 * from them by arithmetic alone. No judgement is made here.
 *
 * A "load" is a group of like workers that the load rules (AFF, OVS, EFF) look
 * at, with the quantities those rules speak of. Unknown quantities are NAN or
 * FS_UNKNOWN; whoever compares with them must ask first.
 */
#ifndef FS_REPORT_MODEL_H
#define FS_REPORT_MODEL_H

#include "tracer/digest.h"

#include <stdbool.h>
#include <stddef.h>

enum fs_ignored { /* why the load rules leave a group out */
                  FS_IGNORED_NO = 0,
                  FS_IGNORED_HELPER, /* launchers, resource trackers, managers, fork servers */
                  FS_IGNORED_SHELL,
                  FS_IGNORED_IDLE,   /* less than half a CPU-second in all */
                  FS_IGNORED_SINGLE, /* never two workers at once */
};

struct fs_node;
struct fs_overview;
struct fs_whole;

/* Whether the job was looked at from outside only (digest_audit.h). */
static inline bool fs_is_outside(const struct fs_digest *digest) {
    return digest->audited && !digest->audited->whole;
}

/* Whether other steps of the job ran on the node at the same time: what the job was given there
 * and this step was not is theirs. */
static inline bool fs_has_steps_beside(const struct fs_digest *digest) {
    return digest->scheduler.steps_beside > 0;
}

struct fs_load {
    const struct fs_node *node;
    const struct fs_group *group;
    enum fs_ignored ignored;
    int workers;      /* W: alive at once */
    int busy;         /* of those, busy or runnable at once; FS_UNKNOWN without samples */
    int threads;      /* t: busy threads in one worker, 1 when those of its thread library only
                         spun; at least 1; FS_UNKNOWN without samples */
    int cpus, cores;  /* of the union of the workers' masks; FS_UNKNOWN */
    double effective; /* E: CPUs that the workers can use: that union, or the quota if less; NAN */
    double wait;      /* D: run-queue wait / (run + wait), 0 to 1; NAN */
    double use;       /* U: CPU time / (window x E); NAN */
    double demand;    /* threads that ran or wanted to, mean over the window; NAN */
    double worth;     /* CPUs that they would use while any is at work if none ever waited: other
                         programs on their CPUs make them wait, too. INFINITY: they did nothing
                         else than run and wait; NAN */
};

struct fs_node {
    const struct fs_digest *digest;
    int cpus;                /* of the machine; FS_UNKNOWN */
    int job_cpus, job_cores; /* J, Jc; FS_UNKNOWN */
    int start_cpus;          /* of the mask that forksight started with; FS_UNKNOWN */
    double quota;            /* Q in CPUs; INFINITY: none; NAN: unknown */
    bool packed_steps;       /* steps that the record itself holds shared the node */
    struct fs_load *loads;   /* one for each group of the digest, same order */
    size_t load_count;
};

/* How the job was started on this node: the language of a fix. */
enum fs_language { FS_LANGUAGE_PLAIN, FS_LANGUAGE_SRUN, FS_LANGUAGE_MPIRUN, FS_LANGUAGE_HYDRA };

/* Sums over all nodes of a job, those included that are not at hand. */
struct fs_totals {
    size_t records; /* digests: one of each node, or one of each of its steps or launches */
    size_t nodes;   /* that they are of */
    size_t steps;   /* of Slurm, whose tasks are in them */
    long processes, recorded, unseen, alive, shim_off, bad;
    long unseen_for[FS_UNSEEN_COUNT];      /* by reason */
    char *unseen_example[FS_UNSEEN_COUNT]; /* executable of one; NULL */
    char *lacks, *binds;                   /* as struct fs_completeness has them, of one node */
    long told;                             /* as struct fs_completeness has it */
    char *told_example;                    /* NULL */
    long unrecorded;                       /* processes that no witness could describe whole */
    long long lost_processes, lost_threads, lost_events, lost_sites;
    double collector_share;    /* of one CPU, on the node where it is greatest; NAN */
    int64_t wall_ns;           /* of the node where it is longest; FS_UNKNOWN */
    double cpu_ns, allowed_ns; /* CPU time; wall time x the job's CPUs; NAN */
    double cpu_used;           /* the one by the other, 0 to 1; NAN */
    long bare_tasks;           /* to which the launcher did not hand down the variables */
    bool recovered;
    size_t interim;      /* records whose collector never finished */
    char *interim_host;  /* of the first of them; NULL */
    bool launched_only;  /* a launcher ended well, and nothing but launchers was recorded */
    size_t audited;      /* nodes that were looked at from outside */
    bool captured;       /* ... in copies of their files */
    double window, scan; /* of these the longest look, and first look, in seconds; NAN */
    long threads, denied, deleted;
    char *deleted_example; /* an executable that is gone; NULL */
    size_t missing;        /* nodes of the job's steps that left no digest */
    char *missing_hosts;   /* their names, "n[2-3]"; NULL: none is missing */
    bool complete;         /* of every process all that is recorded of one; nothing was lost */
};

/*
 * A job of thousands of nodes is never in memory as a whole: its nodes come one by one,
 * each is judged when it comes, and of those beyond FS_NODES_KEPT only the ones stay of
 * which the report speaks. So a rule sees a job of one node, and whatever counts nodes
 * asks the totals.
 */
struct fs_job {
    struct fs_node *nodes; /* those at hand */
    size_t node_count;
    struct fs_totals totals;
    struct fs_overview *overview; /* what stays of every node */
    struct fs_whole *whole;       /* likewise, for rules that speak of the whole job */
    struct fs_digest *owned;      /* of the nodes of fs_job_load, else NULL */
    struct fs_digest_reader *reader;
};

enum { FS_NODES_KEPT = 16 };

/* The node with that number (of the whole job's) if it is at hand, else the first. */
const struct fs_node *fs_node_at(const struct fs_job *job, size_t number);

/*
 * Derives a job from count digests, which must outlive it. Returns 0, or -1 with errno
 * ENOMEM.
 */
int fs_job_build(struct fs_job *job, const struct fs_digest *digests, size_t count);

/* What comes with each node. Returns 1: the node is to stay as long as the job does; 0: it
 * is not needed any more; -1 with errno. */
typedef int fs_node_visitor(const struct fs_node *node, void *context);

/*
 * Reads the digests of all directories: their *.digest files, or, when a directory has
 * none, what can be recovered from it. Visits each node, in an order that depends on the
 * digests alone, not on how they lie in files. Returns 0, or -1 with one line in error
 * (what is wrong and what to do) and *job empty.
 */
int fs_job_load(struct fs_job *job, const char *const *directories, size_t count,
                fs_node_visitor *visit, void *context, char *error, size_t error_size);

void fs_job_free(struct fs_job *job);

/* For fs_job_load: an empty job to which nodes are added. Return 0, or -1 with errno ENOMEM. */
int fs_job_begin(struct fs_job *job);
int fs_job_add(struct fs_job *job, const struct fs_node *node); /* to what is kept of every node */
int fs_job_end(struct fs_job *job);

/* For fs_job_load: what follows from one digest, which must outlive the node. */
int fs_node_build(struct fs_node *node, const struct fs_digest *digest);
void fs_node_free(struct fs_node *node); /* not the digest */

/*
 * Distinct physical cores that mask touches; a CPU that topology does not know
 * counts as a core. FS_UNKNOWN if either is NULL.
 */
int fs_mask_cores(hwloc_topology_t topology, hwloc_const_bitmap_t mask);

/* CPUs of mask; FS_UNKNOWN if it is NULL or infinite. */
int fs_mask_cpus(hwloc_const_bitmap_t mask);

/* Whether only the number of the job's CPUs is certain, not which they are (job_mask.h). */
bool fs_job_mask_is_guessed(const struct fs_node *node);

enum fs_language fs_node_language(const struct fs_node *node);

/* The node at hand that tells how the command ended: a launcher's end is known where it was
 * started, not where its tasks are. NULL: no node is at hand. */
const struct fs_digest *fs_job_front(const struct fs_job *job);

/* Busy threads of all its workers; one of each where they were not sampled. */
double fs_load_threads(const struct fs_load *load);

/* Value of a recorded variable: of the group's workers, else of the job's main
 * image; NULL if unset or unknown. */
const char *fs_load_variable(const struct fs_load *load, const char *name);

#endif
