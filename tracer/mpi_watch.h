/*
 * mpi_watch.h - what the other ranks do while one waits in MPI_Finalize after an exception.
 *
 * Ranks that wait in MPI mostly poll: they are as busy as those that compute, and only their
 * stacks tell the one from the other. They are read when a rank of this node has waited in
 * MPI_Finalize for two seconds since an exception ended its program, of a few ranks that did
 * not finalize, and again at growing intervals; and once when somebody interrupts the job, for
 * the rank with the exception may be on another node. Counts go to struct fs_mpi_use.
 */
#ifndef FS_MPI_WATCH_H
#define FS_MPI_WATCH_H

#include "tracer/sampler.h"

#include <stdbool.h>
#include <stdint.h>

struct fs_mpi_watch {
    int64_t due, interval_ns; /* of the next look; 0: nobody waits */
    int64_t last;             /* of the last one */
    int64_t cpu_ns;           /* of the processes that read stacks */
    bool fresh;               /* somebody was looked at since the owner cleared it */
};

/* After a full sample. off: nobody is attached to. */
void fs_mpi_watch_tick(struct fs_mpi_watch *watch, struct fs_sampler *sampler, bool off,
                       int64_t now);

/* The job is about to be ended. */
void fs_mpi_watch_last_look(struct fs_mpi_watch *watch, struct fs_sampler *sampler, bool off,
                            int64_t now);

/* The outermost function of MPI among the frames of a stack, a line each, innermost first: its
 * name without the P of the profiling interface, into name. False: there is none. */
bool fs_mpi_call_in(const char *stack, char *name, size_t size);

#endif
