/*
 * rendezvous.h - how the tasks of one job on one node find, or start, their collector.
 *
 * Whoever comes takes the lock of the place ("forksight-<uid>.lock" beside the segment
 * folders), looks for a folder of this user whose owner is at work for this job directory, and
 * starts a collector if there is none. Names that others could guess decide nothing: a file
 * that is not this user's makes the place unusable, and the next one is tried.
 */
#ifndef FS_RENDEZVOUS_H
#define FS_RENDEZVOUS_H

#include "tracer/door.h"
#include "tracer/jobdir.h"

#include <stdbool.h>
#include <stdint.h>

/* What a collector is started with. */
struct fs_gathering {
    const char *place;  /* FORKSIGHT_LOCAL_DIR, or NULL */
    const char *folder; /* segment folder, if it can be had under this name; NULL: any */
    char **command;
    int64_t period_ns, hang_after_ns;
    bool attach;
};

struct fs_membership {
    int connection; /* -1: none */
    char folder[PATH_MAX];
};

/*
 * Takes the lock of a place; fs_unlock() gives it back. -1 with errno and a sentence in error:
 * somebody else's file is in the way, or the place cannot be written.
 */
int fs_lock(const char *place, char *error, size_t error_size);
/* The lock of the first place that has one to give; *place (wanted, or NULL) gets its name. */
int fs_lock_any(const char **place, char *error, size_t error_size);
void fs_unlock(int lock, const char *place);

/*
 * Joins the collector of job->path (and job->step) on this node, which is started if need be.
 * `come` is the first word to it. Returns 0, or -1 with errno and a sentence in error.
 */
int fs_join(struct fs_membership *membership, const struct fs_jobdir *job,
            const struct fs_gathering *gathering, const struct fs_message *come, char *error,
            size_t error_size);

/* The folder in `place` (NULL: the usual ones) of a job and step whose owner lives; with_door: and
 * lets people in. False: none. */
bool fs_find_folder(const struct fs_jobdir *job, const char *place, bool with_door, char *folder,
                    size_t size);

/* The CPUs that this process may use. */
void fs_message_mask(struct fs_message *message);

#endif
