/*
 * rank_table.h - the tasks of a job over all its nodes: which rank ran where with which mask, and
 * classes of ranks that are alike, so that a million of them are a few lines.
 */
#ifndef FS_REPORT_RANK_TABLE_H
#define FS_REPORT_RANK_TABLE_H

#include "report/model.h"
#include "report/node_set.h"
#include "report/sketch.h"

#include <stdbool.h>
#include <stddef.h>

enum { FS_RANKS_KEPT = 1 << 16, FS_RANK_CLASSES_MAX = 4096 };

/* A mask on a topology; one object for all that are equal. */
struct fs_shape {
    const char *mask; /* as a list of CPUs; NULL: unknown */
    int cores, cpus;  /* FS_UNKNOWN */
};

struct fs_rank {
    int step, rank; /* FS_UNKNOWN */
    size_t node;    /* its number */
    const struct fs_shape *shape;
    bool shared;  /* another rank of the node may use some of its CPUs, too */
    double cpu_s; /* NAN */
    int workers, processes, status;
};

struct fs_rank_class {
    const char *executable; /* NULL: unknown */
    int cores, cpus;        /* of the mask of one rank; FS_UNKNOWN */
    bool shared;
    long ranks;
    struct fs_node_set nodes;
    int example; /* a rank; FS_UNKNOWN */
};

struct fs_ranks {
    long count;
    struct fs_rank *list; /* the first FS_RANKS_KEPT, by node and then as the digest has them */
    size_t list_count, list_room;
    struct fs_rank_class **classes;
    size_t class_count, class_room;
    long other_ranks; /* for which there was no class left */
    struct fs_sketch cpu_s;
    bool several_steps;
    struct fs_rank_tables *tables; /* of rank_table.c */
};

/* What a node's row says of its ranks. */
struct fs_rank_row {
    int count, shared;
    int workers;       /* of all of them */
    const char *ranks; /* their numbers as a list; NULL: none */
    const char *masks; /* "4 disjoint, 8core/16pu"; NULL: none */
    int busiest;       /* the rank with the most CPU time; FS_UNKNOWN */
    double busiest_s;  /* NAN */
};

/* Adds the tasks of a node, number `number`. Returns 0, or -1 with errno ENOMEM. */
int fs_ranks_add(struct fs_ranks *ranks, struct fs_arena *arena, const struct fs_node *node,
                 size_t number, struct fs_rank_row *row);

/* Sorts the classes, most ranks first, and the list, by step and rank. */
void fs_ranks_end(struct fs_ranks *ranks);
void fs_ranks_free(struct fs_ranks *ranks); /* but for what is the arena's */

#endif
