/*
 * gather.h - a node's collector as a process of its own.
 *
 * A supervisor that is one task of many returns that task's status at once, so it cannot also
 * collect for the others. The first one on a node starts this process, which leaves its session,
 * follows every task that comes to its door, and, when all have gone and nobody new came for a
 * moment, writes the node's digest and ends. A terminal's keys do not reach it; SIGTERM has it
 * write what it knows; it never outlives its tasks by more than that.
 */
#ifndef FS_GATHER_H
#define FS_GATHER_H

#include "tracer/rendezvous.h"

/* The name (argv[0]) under which main() is to call fs_gather_main(). */
#define FS_GATHER_NAME "forksight-collector"

/*
 * Starts a collector for job->path and job->step and waits until its door is open; `folder`
 * (PATH_MAX bytes) gets its segment folder. To be called under the lock. Returns 0, or -1 with
 * errno and a sentence in error.
 */
int fs_gather_start(const struct fs_jobdir *job, const struct fs_gathering *gathering, char *folder,
                    char *error, size_t error_size);

enum { FS_GATHER_USE = 2 }; /* it was called by hand */
int fs_gather_main(int argc, char **argv);

/*
 * Serves the door until no task is there and none is to be waited for, with its ticks; then
 * until the processes that outlive their tasks have ended too, bounded. Returns under the lock
 * (of `place`), with the door closed. `signals`: a signalfd, or -1.
 */
int fs_gather_follow(struct fs_collector *collector, struct fs_door *door, int signals,
                     const char *place);

#endif
