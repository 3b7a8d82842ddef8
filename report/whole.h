/*
 * whole.h - what rules that speak of a job as a whole ask for: its nodes side by side, those
 * that it was given and did not use, and what its launchers started. About 100 bytes a node.
 *
 * The nodes are those that left a digest, by the numbers that fs_overview gives them.
 */
#ifndef FS_REPORT_WHOLE_H
#define FS_REPORT_WHOLE_H

#include "report/arena.h"
#include "report/model.h"
#include "report/node_set.h"
#include "report/worlds.h"

#include <stdbool.h>
#include <stddef.h>

struct fs_whole_node {
    const char *name;          /* in the scheduler's lists */
    double cpu_s, wall_s;      /* NAN */
    int workers;               /* of the largest load, alive at once; 0: there is none */
    double overlap_s;          /* in which two workers of a load were busy; NAN: not sampled */
    int cpus;                  /* that the job was given here; FS_UNKNOWN */
    int tasks;                 /* that a launcher started here */
    int cores;                 /* of these CPUs; FS_UNKNOWN */
    int task_cpus, task_cores; /* in the union of their masks; FS_UNKNOWN */
    double task_cpu_s;         /* CPU time of their trees */
    bool in_step;              /* of Slurm */
    bool launched;             /* a launcher ran here, so there may be work on other nodes */
    bool mpi;                  /* a process belonged to an MPI world of several, or may have */
};

/* Tasks that one launcher started, on all nodes. */
struct fs_whole_launch {
    enum fs_launch_kind kind;
    int step;    /* FS_UNKNOWN: none of Slurm */
    int size;    /* ranks, as the launcher said; FS_UNKNOWN */
    int ordinal; /* of launches on a node that agree in all of that: 0 is the first */
    long tasks;
    long computing;              /* of them, that used or wanted a CPU for most of their time */
    int tasks_most, tasks_least; /* on one of its nodes */
    struct fs_node_set where;
    size_t first_node;                /* number */
    int pid;                          /* of its first task there */
    const char *command, *executable; /* of its first task; NULL: unknown */
    bool python;
    bool alike;                /* all tasks have these two */
    bool mpi, libraries_known; /* a task has an MPI library; it was looked in all of them */
    enum fs_rank_use rank_use; /* the greatest of the tasks */
    double cpu_least_s, cpu_most_s, cpu_s;
    int workers;       /* of a task, at most */
    int cpus_per_task; /* asked for, of the first; FS_UNKNOWN */
};

struct fs_names { /* sorted, each once */
    const char **name;
    size_t count;
    bool known;
};

struct fs_whole {
    struct fs_arena arena;
    struct fs_whole_node *nodes;
    size_t count, room;
    struct fs_whole_launch *launches;
    size_t launch_count, launch_room;
    struct fs_worlds worlds;
    size_t launches_more;      /* that are not in the list */
    struct fs_names recorded;  /* nodes that left a digest */
    struct fs_names allocated; /* nodes of the job */
    struct fs_names missing;   /* nodes of its steps that left no digest */
    struct fs_node_set steps;  /* numbers of the Slurm steps that its tasks were of */
    const char *framework;     /* a program that shares work among nodes or tasks; NULL */
    /* Lists as the scheduler writes them, each once. */
    const char *allocated_list;
    const char *step_lists[16];
    size_t step_list_count;
    bool step_lists_cut;
    bool steps_beside;  /* another step of the job ran at the same time */
    bool steps_packed;  /* steps that are all recorded shared a node */
    bool steps_unknown; /* an audit could not tell that of a node */
};

/* Returns 0, or -1 with errno ENOMEM. */
int fs_whole_add(struct fs_whole *whole, const struct fs_node *node);
int fs_whole_end(struct fs_whole *whole); /* after the last node */
void fs_whole_free(struct fs_whole *whole);

/* How many ranks there ought to be, as their launchers said; FS_UNKNOWN. */
long fs_whole_ranks_expected(const struct fs_whole *whole);

/* Whether a name (up to its first dot) is among names. */
bool fs_names_has(const struct fs_names *names, const char *name);

/* The names as fs_hostlist writes them, for a person: at most `columns` bytes. */
const char *fs_names_text(struct fs_arena *arena, const struct fs_names *names, size_t columns);

#endif
