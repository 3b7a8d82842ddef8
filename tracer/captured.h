/*
 * captured.h - a captured system: the files of /proc, /sys and the control groups that an
 * audit reads, copied at two moments or more (capture.h does it).
 *
 *   DIR/1, DIR/2 ...   the moments, each with proc and sys; its time is in proc/uptime
 *   DIR/targets        the processes that the capture was made for, a number a line
 *
 * A capture comes from elsewhere: nobody knows who made it, and how whole it is. Once it was
 * checked, reading it leads to no file outside, waits for nobody, and ends.
 *
 * Functions return 0, or -1 with errno; where there is an error to fill, with a sentence in it.
 */
#ifndef FS_CAPTURED_H
#define FS_CAPTURED_H

#include "tracer/proc.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether all moments can be looked at: they hold nothing but folders, files of the size that
 * /proc and /sys have, and links that lead nowhere else (or are only read, as proc/PID/exe is);
 * they are of one boot, and each is later than the one before.
 */
int fs_captured_check(const char *root, char *error, size_t error_size);

/* The folder of a moment, counted from 1. ENOENT: there are not so many. */
int fs_captured_moment(const char *root, int number, char place[PATH_MAX]);

/* The time of a moment since the boot. EBADMSG: proc/uptime tells none. */
int fs_captured_time(struct fs_proc *proc, int64_t *ns);
/* The time of day at that time; 0: unknown. */
int64_t fs_captured_realtime(struct fs_proc *proc, int64_t ns);
/* The first line of proc/NAME, never empty. */
int fs_captured_text(struct fs_proc *proc, const char *name, char *text, size_t size);

/* The topology of the machine; NULL: its files do not tell. */
hwloc_topology_t fs_captured_topology(const char *place);

#endif
