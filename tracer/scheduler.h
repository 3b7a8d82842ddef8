/*
 * scheduler.h - what Slurm or PBS say in the environment, and names of launchers.
 */
#ifndef FS_SCHEDULER_H
#define FS_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>

#include "tracer/digest.h"

/* The value of name in an environment (as environ); NULL: not set. */
const char *fs_environment_value(char *const *environment, const char *name);

/* Whether a batch system tells with the variable of that name (length bytes) what it gave, to
 * fs_scheduler_read() or to audit_given.c. */
bool fs_scheduler_reads(const char *name, size_t length);

/*
 * Fills facts from an environment. host is this node's name (short or full), by
 * which the node's share of lists such as SLURM_JOB_CPUS_PER_NODE=16(x2),8 is found.
 * cpus_on_node is what the job has on this node, not what one of its steps has.
 * Strings are new. -1 with errno ENOMEM. Released by fs_scheduler_free().
 */
int fs_scheduler_read(char *const *environment, const char *host, struct fs_scheduler *facts);
void fs_scheduler_free(struct fs_scheduler *facts);

/* Element `index` of a Slurm list of counts ("16(x2),8": 16 16 8). With index -1 the
 * value that all elements have. FS_UNKNOWN: no such list, no such element, or
 * different values. */
int fs_slurm_count_at(const char *list, int index);

/* The whole of text as a number that is not negative; FS_UNKNOWN. */
int fs_count_of(const char *text);

/* Whether an id is a step that srun made: the batch script and the like have ids from the top
 * of the 32-bit range. */
bool fs_slurm_real_step(const char *id);

/* The task of a job array as Slurm's own commands call it: "4711_3". False: it is of none. */
enum { FS_ARRAY_TASK_SIZE = 32 };
bool fs_slurm_array_task(char *const *environment, char *name, size_t size);

/* How often Slurm has put the job back into the queue: each time it starts with the same number. */
int fs_slurm_restarts(char *const *environment);

/* Position of host in a Slurm node list ("n[001-003,7],login1"); names are compared
 * up to the first dot. -1: not in it, or no such list. */
int fs_slurm_node_index(const char *list, const char *host);

/*
 * Visits the names of a Slurm node list in its order, until a visit returns something else
 * than 0, which is then the result. -1: the list is none (names before that were visited),
 * or a name is too long.
 */
enum { FS_NODE_NAME_MAX = 256 };
typedef int fs_node_name_visitor(void *context, const char *name);
int fs_slurm_nodes(const char *list, fs_node_name_visitor *visit, void *context);

/* Whether an executable (path or name) starts ranks: srun, mpirun, mpiexec, ... */
bool fs_is_launcher(const char *executable);

#endif
