/*
 * overview.h - what stays of every node of a job, however many there are: a row of numbers, its
 * clock, and its share of the classes of workers. About 100 bytes a node.
 */
#ifndef FS_REPORT_OVERVIEW_H
#define FS_REPORT_OVERVIEW_H

#include "report/arena.h"
#include "report/classes.h"
#include "report/model.h"
#include "report/node_set.h"
#include "report/rank_table.h"

#include <stdbool.h>
#include <stddef.h>

struct fs_node_row {
    double cpu_used, wall_s, busy_cpus; /* NAN */
    int cpus, job_cpus, job_cores;      /* FS_UNKNOWN */
    int processes, recorded;
    int workers;      /* of ranks; without ranks, of groups that are no helpers or shells */
    int masks;        /* different masks of the largest group of them; FS_UNKNOWN */
    const char *mask; /* when that is one; NULL */
    struct fs_rank_row ranks;
    const char *steps; /* of Slurm, whose tasks are in this record, as a list; NULL: none */
};

/* How well the clocks of the nodes agree: as well as each agrees with the time of day. */
struct fs_clock_bounds {
    double worst_s, second_s; /* the two largest bounds of nodes that have one */
    size_t bounded;           /* nodes that have one */
    struct fs_node_set loose; /* those that have none */
    const char *boot;         /* of the first node; NULL: it is unknown */
    bool one_kernel;          /* all nodes run in the same kernel, so there is one clock */
};

struct fs_overview {
    struct fs_arena arena;
    struct fs_node_row *rows; /* in the order of the nodes' names */
    const char **hosts;       /* of them */
    size_t count, room;
    struct fs_classes classes;
    struct fs_ranks ranks;
    struct fs_clock_bounds clocks;
};

/* Returns 0, or -1 with errno ENOMEM. */
int fs_overview_add(struct fs_overview *overview, const struct fs_node *node);
void fs_overview_end(struct fs_overview *overview); /* after the last node */
void fs_overview_free(struct fs_overview *overview);

/* How far times of two nodes may be off against each other, in seconds; NAN: nobody knows. */
double fs_clock_error(const struct fs_overview *overview);

/* --- numbers over the nodes --- */

struct fs_measure {
    const char *name;  /* for machines */
    const char *label; /* for a person, with its unit; NULL: it says nothing new */
    double scale;      /* of the numbers for a person */
    double (*of)(const struct fs_node_row *row); /* NAN */
};

extern const struct fs_measure fs_measures[]; /* ends with a row without a name */

struct fs_quantiles { /* by nearest rank */
    size_t count;
    double min, p50, p90, p99, max;
};

/* Returns 0, also for a count of 0; -1 with errno ENOMEM. */
int fs_measure_all(const struct fs_overview *overview, const struct fs_measure *measure,
                   struct fs_quantiles *quantiles);

/*
 * The nodes (numbers) that are farthest from the median, the farthest first, of those that are
 * off by more than a tenth of it. Returns how many, at most `most`.
 */
size_t fs_measure_outliers(const struct fs_overview *overview, const struct fs_measure *measure,
                           const struct fs_quantiles *quantiles, size_t *nodes, size_t most);

#endif
