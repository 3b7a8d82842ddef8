/*
 * jobdir.h - the job directory and the node-local segment folder.
 *
 * The job directory is what the user keeps:
 *
 *   meta.json       who recorded what and where; "finished" once the digest is final
 *   <host>.digest   the node's digest (digest.h)
 *   <host>.detail   every process and thread (detail.h)
 *
 * The segment folder is where the shim writes while the job runs
 * ("forksight-<uid>-<16 random hex digits>", mode 0700, in a memory file
 * system); its file "owner" names the collector and the job directory, so that
 * a later run can tell what is left over from a lost one.
 *
 * Functions return 0, or -1 with errno and a sentence in error (what is wrong
 * and what to do; FS_ERROR_SIZE bytes suffice).
 */
#ifndef FS_JOBDIR_H
#define FS_JOBDIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { FS_ERROR_SIZE = PATH_MAX + 512 };

struct fs_jobdir {
    char path[PATH_MAX];   /* job directory, absolute */
    char folder[PATH_MAX]; /* segment folder, absolute; "": none (any more) */
    char host[256];        /* safe in a file name */
    bool made_path;        /* fs_jobdir_make() made the directory (it may have been there, empty) */
};

/* What meta.json says. */
struct fs_meta {
    char *host, *folder, *boot_id;
    char **command;
    size_t command_count;
    char *directory; /* working directory of the job */
    int64_t start;   /* CLOCK_MONOTONIC of this boot */
    int64_t start_realtime;
    pid_t collector;
    uint64_t collector_start; /* identity: pid and start in ticks since boot */
    pid_t main_pid;           /* 0: not started yet */
    char *mask_start;         /* hwloc list syntax */
    int64_t oom_kills;        /* counters of the job's cgroups at the start; -1: unknown */
    bool finished;
};

/*
 * Makes the job directory: `wanted` (with %j job id, %s step, %h host, %p pid)
 * or, if NULL, forksight-<jobid.step | host-pid-time> in the working directory.
 * An existing directory must be empty.
 */
int fs_jobdir_make(struct fs_jobdir *job, const char *wanted, char *error, size_t error_size);

/* Makes the segment folder in `place`, or if NULL in /dev/shm, $TMPDIR or /tmp. */
int fs_folder_make(struct fs_jobdir *job, const char *place, char *error, size_t error_size);

/* Removes segment folders of this user whose run is over (see jobdir.c for when). */
void fs_folder_sweep(const char *place);

/* Removes the segment folder and all in it. */
void fs_folder_remove(struct fs_jobdir *job);

/* Takes back what the two functions above made, for a run that never started. */
void fs_jobdir_undo(struct fs_jobdir *job);

/*
 * Writes a file of the job directory whole or not at all: `write` fills a
 * temporary file, which then takes the name. `write` returns 0 or -1 with errno.
 */
int fs_jobdir_write(const struct fs_jobdir *job, const char *name,
                    int (*write)(FILE *out, const void *data), const void *data);

/* Keeps a name out of path and JSON trouble: everything but [A-Za-z0-9._-] becomes '-'. */
void fs_safe_name(const char *text, char *name, size_t size);

int fs_meta_write(const struct fs_jobdir *job, const struct fs_meta *meta);
/* Reads DIR/meta.json. ENOENT: no forksight directory; EBADMSG: not what it should be. */
int fs_meta_read(const char *directory, struct fs_meta *meta, char *error, size_t error_size);
void fs_meta_free(struct fs_meta *meta);

/* Identity of the running machine ("": unknown): a record of another boot has other clocks. */
void fs_boot_id(char *text, size_t size);
/* Start of a process in ticks since the boot; 0: there is no such process. */
uint64_t fs_start_ticks(pid_t pid);

#endif
