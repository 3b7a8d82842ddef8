/*
 * jobdir.h - the job directory and the node-local segment folder.
 *
 * The job directory is what the user keeps:
 *
 *   meta.json        who recorded what and where; "finished" once the digest is final
 *   <node>.node.json the same of a node whose collector is a process of its own
 *   <node>.digest    the node's digest (digest.h)
 *   <node>.detail    every process and thread (detail.h)
 *
 * <node> is the host's name; a further collector on the same host adds a number.
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
#define FS_META_NAME "meta.json"
#define FS_META_NODE ".node.json" /* after the name of the node */

struct fs_jobdir {
    char path[PATH_MAX];   /* job directory, absolute */
    char folder[PATH_MAX]; /* segment folder, absolute; "": none (any more) */
    char host[256];        /* safe in a file name */
    char node[280];        /* in the names of this collector's files */
    char meta[300];        /* name of its meta file */
    char step[64];         /* the launch that its collector serves; "": any of the job */
    bool made_path;        /* fs_jobdir_make() made the directory (it may have been there, empty) */
};

/* What a meta file says. In a directory that several nodes share, meta.json names no collector. */
struct fs_meta {
    char *identity; /* of the launch whose nodes share the directory; NULL: nobody does */
    char *host, *folder, *boot_id;
    char **command;
    size_t command_count;
    char *directory; /* working directory of the job */
    int64_t start;   /* CLOCK_MONOTONIC of this boot */
    int64_t start_realtime;
    pid_t collector;          /* 0: none */
    uint64_t collector_start; /* identity: pid and start in ticks since boot */
    uint64_t pid_namespace;   /* in which these pids are meant (fs_pid_namespace()) */
    pid_t main_pid;           /* 0: not started yet */
    char *mask_start;         /* hwloc list syntax */
    int64_t oom_kills;        /* counters of the job's cgroups at the start; -1: unknown */
    bool finished;
};

/*
 * Makes the job directory: `wanted` (with %j job id, %A job array, %a its task, %s step, %h host,
 * %p pid) or, if NULL, forksight-<jobid.step | host-pid-time> in the working directory.
 * An existing directory must be empty; where a job that Slurm put back into the queue finds the
 * record of an earlier start, it takes "wanted-2" (-3, ...).
 */
int fs_jobdir_make(struct fs_jobdir *job, const char *wanted, char *error, size_t error_size);

/*
 * Makes an empty meta.json there: of several who found the directory empty (tasks of a job array
 * with one -o) one gets it. -1 with a sentence in error: it was another.
 */
int fs_jobdir_claim(struct fs_jobdir *job, char *error, size_t error_size);

/*
 * The same for a directory that the tasks of one launch, on any node, share: the first one
 * makes it, the others find `identity` in its meta.json. `fallback` is its name when wanted is
 * NULL. A directory with another record, or with anything else in it, is refused.
 */
int fs_jobdir_share(struct fs_jobdir *job, const char *wanted, const char *fallback,
                    const char *identity, char **command, char *error, size_t error_size);

/* Says in error that nothing can be written into the directory, for errno. -1 with that errno. */
int fs_jobdir_refused(const struct fs_jobdir *job, char *error, size_t error_size);

/* A directory that another process shares already. */
void fs_jobdir_join(struct fs_jobdir *job, const char *path, const char *step);

/* What the files of a host's record are called: "n1", those of the second "n1-2". */
void fs_jobdir_node_name(const char *host, int number, char *name, size_t size);

/* Takes a name for this node's files that no other collector has. -1 with errno. */
int fs_jobdir_claim_node(struct fs_jobdir *job);
void fs_jobdir_withdraw_node(const struct fs_jobdir *job); /* it recorded nothing */

/* Makes the segment folder in `place`, or if NULL in /dev/shm, $TMPDIR or /tmp. */
int fs_folder_make(struct fs_jobdir *job, const char *place, char *error, size_t error_size);

/* The same under a name that is wanted. -1 with errno: it is taken, or cannot be made. */
int fs_folder_make_as(struct fs_jobdir *job, const char *folder);

/* Number `index` of the places above; NULL: no more of them. */
const char *fs_folder_place(const char *place, int index);

/* What a folder's file "owner" says. */
struct fs_owner {
    pid_t pid;
    uint64_t start, pid_namespace;
    char job[PATH_MAX], step[64];
};
/* -1: the folder is not this user's, or says nothing. */
int fs_folder_owner(const char *folder, struct fs_owner *owner);

/* Calls visit for each segment folder of this user in a place until it returns not 0. */
int fs_folder_each(const char *place, int (*visit)(void *context, const char *folder),
                   void *context);

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
/* Reads the meta file `name` of a directory. */
int fs_meta_read_file(const char *directory, const char *name, struct fs_meta *meta, char *error,
                      size_t error_size);
/* Calls visit with the name of each meta file of a directory, meta.json first, until it returns
 * not 0. */
int fs_meta_each(const char *directory, int (*visit)(void *context, const char *name),
                 void *context);
void fs_meta_free(struct fs_meta *meta);

/* Identity of the running machine ("": unknown): a record of another boot has other clocks. */
void fs_boot_id(char *text, size_t size);
/* Start of a process in ticks since the boot; 0: there is no such process, or it is a zombie. */
uint64_t fs_start_ticks(pid_t pid);

/* Of this process; 0: not known. Containers that share /dev/shm may have one each: a pid says
 * nothing about the processes of another. */
uint64_t fs_pid_namespace(void);

#endif
