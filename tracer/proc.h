/*
 * proc.h - readers of /proc.
 *
 * All readers go through a handle that holds the open /proc directory and one
 * buffer, so a read costs openat, read, close and no allocation. The handle is
 * for one thread. The root prefix ("" for this system) lets a captured tree be
 * read instead: its ROOT/proc.
 *
 * Text in /proc is in part written by the processes themselves (comm, cmdline,
 * environ, file names); every reader is bounded and takes any bytes.
 *
 * Errors: -1 with errno. ENOENT or ESRCH: the process or thread is gone (both
 * mean the same here); EACCES or EPERM: not ours to read; EBADMSG: the text is
 * not what the kernel writes; ENODATA: this kernel does not tell. Nothing is
 * stored into the result then.
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fs_proc;

/* Opens ROOT/proc. NULL with errno. Released by fs_proc_close (NULL is fine). */
struct fs_proc *fs_proc_open(const char *root);
void fs_proc_close(struct fs_proc *proc);

/* Clock ticks a second: the unit of fs_proc_stat's utime, stime and starttime. */
long fs_proc_ticks(void);

enum { FS_COMM_SIZE = 64 }; /* kernel threads' names are longer than the 15 bytes of programs */

struct fs_proc_stat {
    int pid, ppid, pgid, sid; /* pid: of the process, or the tid of a thread's stat */
    int tty;                  /* 0: no controlling terminal */
    char state;               /* R S D Z T t X I */
    char comm[FS_COMM_SIZE];  /* any bytes but NUL */
    uint64_t utime, stime;    /* ticks, all threads of a process; one thread's in a thread's */
    uint64_t child_utime, child_stime; /* ticks, children waited for */
    uint64_t starttime;                /* ticks since boot: with pid the identity of a process */
    int threads;
    int processor; /* that it last ran on; FS_PROC_UNKNOWN */
    int64_t rss;   /* pages */
};
enum { FS_PROC_UNKNOWN = -1 };

struct fs_proc_schedstat {
    uint64_t run_ns, wait_ns; /* on a CPU; runnable but waiting for one */
    uint64_t slices;
};

struct fs_proc_status {
    hwloc_bitmap_t mask; /* Cpus_allowed_list; owned by the caller, see fs_proc_status() */
    uint64_t signals_ignored, signals_caught; /* bit n-1: signal n */
    int tracer;                               /* TracerPid; 0: none */
    int uid;                                  /* effective; FS_PROC_UNKNOWN */
    int64_t voluntary, involuntary;           /* context switches; FS_PROC_UNKNOWN */
    int64_t huge_kib;                         /* HugetlbPages; FS_PROC_UNKNOWN */
};

/* All processes, in the order of their numbers. *pids stays valid until the next
 * fs_proc_pids() or fs_proc_tids() of this handle. */
int fs_proc_pids(struct fs_proc *proc, const int **pids, size_t *count);

/* The threads of a process; *tids as above. */
int fs_proc_tids(struct fs_proc *proc, int pid, const int **tids, size_t *count);

/*
 * The processes roots[0..root_count-1] that exist and all their descendants, by
 * parent as of now, each once. *list stays valid until the next call for this
 * handle. Costs one stat read per process of the system.
 */
int fs_proc_descendants(struct fs_proc *proc, const int *roots, size_t root_count,
                        const struct fs_proc_stat **list, size_t *count);

int fs_proc_stat(struct fs_proc *proc, int pid, struct fs_proc_stat *stat);
int fs_proc_thread_stat(struct fs_proc *proc, int pid, int tid, struct fs_proc_stat *stat);

/* Of the main thread only with tid = 0 or pid; ENODATA: kernel without schedstats. */
int fs_proc_schedstat(struct fs_proc *proc, int pid, int tid, struct fs_proc_schedstat *out);

/* Of one thread (tid = 0: the main one). out->mask must be a bitmap of the
 * caller's, which is overwritten, or NULL: the mask is not wanted. */
int fs_proc_status(struct fs_proc *proc, int pid, int tid, struct fs_proc_status *out);

/* The image's path into buffer, NUL-terminated, without the kernel's " (deleted)"
 * mark, which sets *deleted (may be NULL). A kernel thread or a zombie: ENOENT. */
int fs_proc_executable(struct fs_proc *proc, int pid, char *buffer, size_t size, bool *deleted);

/* The image itself, open for reading, wherever its path leads from here. -1 with errno. */
int fs_proc_open_executable(struct fs_proc *proc, int pid);

/* Whether the process has our root directory, and whether it finds something at an absolute
 * path. 1: yes, 0: no, -1: that cannot be told. */
int fs_proc_has_our_root(struct fs_proc *proc, int pid);
int fs_proc_finds(struct fs_proc *proc, int pid, const char *path);

/*
 * Whether two processes came from one exec, that is by fork alone: 1, 0, or -1 with errno. The
 * kernel laid out the memory of a program when it started it, at random places, and a forked
 * child has its copy. Without random places (setarch -R) programs started alike look so, too.
 */
int fs_proc_same_exec(struct fs_proc *proc, int pid, int other);

/* How a zombie ended, as wait() would say it. -1 with errno: EPERM without permission. */
int fs_proc_wait_status(struct fs_proc *proc, int pid, int *status);

/* argv, NUL-separated, cut at size-1 bytes, always NUL-terminated. Returns the
 * bytes stored without the last NUL; 0: a zombie or an emptied title. */
ssize_t fs_proc_command(struct fs_proc *proc, int pid, char *buffer, size_t size);

/*
 * Calls visit for every NAME=VALUE of the environment that the process was
 * started with, at most 1 MiB of it, until visit returns non-zero; that is then
 * returned. value is NUL-terminated, name is not (name_length bytes). *cut is set
 * if the environment was longer (cut may be NULL).
 */
typedef int fs_proc_visit_variable(void *context, const char *name, size_t name_length,
                                   const char *value);
int fs_proc_environment(struct fs_proc *proc, int pid, fs_proc_visit_variable *visit, void *context,
                        bool *cut);

/* The families (bits of enum fsp_library) of the objects that the process maps. */
int fs_proc_libraries(struct fs_proc *proc, int pid, uint32_t *libraries);

/* Calls visit for the path of every mapped file, one after the other, until it returns
 * non-zero, which is returned. A path may come more than once. -1 with errno. */
typedef int fs_proc_visit_object(void *context, const char *path);
int fs_proc_objects(struct fs_proc *proc, int pid, fs_proc_visit_object *visit, void *context);

/* Whether the process maps a file whose base name begins with prefix. 1, 0 or -1. */
int fs_proc_maps_object(struct fs_proc *proc, int pid, const char *prefix);

/* Proportional set size in bytes. The kernel walks all its pages: milliseconds for
 * a process of gigabytes, so only on request. */
int fs_proc_pss(struct fs_proc *proc, int pid, int64_t *bytes);

/* The target of the link /proc/PID/NAME, cut at size-1 bytes and NUL-terminated. Its length. */
ssize_t fs_proc_link(struct fs_proc *proc, int pid, const char *name, char *buffer, size_t size);

/* The text of /proc/PID/NAME into buffer, cut at size-1 bytes and NUL-terminated.
 * Returns its length. pid 0: /proc/NAME. For readers that parse themselves. */
ssize_t fs_proc_text(struct fs_proc *proc, int pid, const char *name, char *buffer, size_t size);

#endif
