/*
 * launch.h - launchers of the job as rules see them, and their command lines put right in
 * the user's own words.
 */
#ifndef FS_REPORT_LAUNCH_H
#define FS_REPORT_LAUNCH_H

#include "report/model.h"
#include "report/remedy.h"
#include "tracer/launch_options.h"

/* What the launcher's command line and environment say. */
struct fs_launch_options fs_launch_options_of(const struct fs_launch *launch);

/* The launch of the node that started most programs and is of this kind (FS_LAUNCHER_NONE:
 * of any); NULL: none did. */
const struct fs_launch *fs_node_launch(const struct fs_node *node, enum fs_launcher launcher);

/*
 * What a fix changes in a launcher's command line. Every other word stays, and its place.
 * add: words that are put behind the launcher's name, NULL: none. With replace, options that
 * say how ranks are mapped or bound, or how many CPUs they get, go; with rebind the latter stay.
 */
struct fs_launch_change {
    int ranks; /* 0: as it was */
    const char *add;
    bool replace, rebind;
    bool unwrap; /* a taskset in front of the program goes */
};

/*
 * Adds the changed command line as a fix. If it is not known whole, or cannot be changed (ranks
 * of several programs), only the part that matters is told: "mpirun --bind-to none ...".
 */
void fs_add_launch_fix(struct fs_outcome *outcome, const char *when, const struct fs_launch *launch,
                       const struct fs_launch_change *change);

/* Whether every launch of the node was a question to the launcher (srun --version), that is,
 * whether no task was to be started. */
bool fs_launches_ask_only(const struct fs_digest *digest);

/* Whether each rank's program stands behind a taskset. */
bool fs_launch_has_taskset(const struct fs_launch *launch);

/* Slots that Open MPI counted. Of some hostfiles only bounds are known: a line that does not
 * say how many may be a slot or as many as the host has cores. */
struct fs_launch_slots {
    int least, most;  /* FS_UNKNOWN */
    const char *from; /* where they come from, in words */
};

struct fs_launch_slots fs_launch_slots_of(struct fs_arena *arena, const struct fs_node *node,
                                          const struct fs_launch *launch,
                                          const struct fs_launch_options *options);

#endif
