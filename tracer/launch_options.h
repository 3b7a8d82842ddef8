/*
 * launch_options.h - what the command line of a launcher says about how many ranks it
 * starts and where: mpirun of Open MPI 4 and 5, hydra's mpiexec (MPICH, Intel MPI), srun.
 *
 * Only words are read: no shell, no files. An option that is not in the table may take
 * a value or not, so nothing behind it is believed: `understood` is false then.
 */
#ifndef FS_LAUNCH_OPTIONS_H
#define FS_LAUNCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "tracer/digest_parts.h"

enum fs_launcher {
    FS_LAUNCHER_NONE = 0, /* no launcher, or one whose options are not known */
    FS_LAUNCHER_OPENMPI,
    FS_LAUNCHER_HYDRA,
    FS_LAUNCHER_SRUN,
};

struct fs_launch_options {
    enum fs_launcher launcher;
    bool understood;     /* what is not set below was not said */
    size_t program;      /* index of the first program's word; count of words: there is none */
    int programs;        /* of an "mpirun a : b"; at least 1 */
    int ranks;           /* of all programs; FS_UNKNOWN: not said, or not of all */
    int cpus;            /* for each rank (srun -c, PE=); FS_UNKNOWN: not said */
    bool oversubscribe;  /* more ranks than slots are allowed */
    bool hwthreads;      /* hardware threads are asked for, in whatever way */
    bool overlap;        /* srun: the step may share CPUs with other steps */
    bool overcommit;     /* srun -O */
    bool as_root;        /* Open MPI: root is allowed to start it */
    bool asks;           /* for help, for its version, for a test: it starts no program */
    bool elsewhere;      /* ranks or places are in a file that is not read */
    const char *map_by;  /* these point into the words; NULL: not said */
    const char *bind_to; /* --bind-to, --cpu-bind */
    const char *hosts;   /* a list, "a,b:4" */
    const char *hostfile;
};

/* Which launcher a program is, by its path: what it really is, not how it was called. */
enum fs_launcher fs_launcher_of(const char *executable);

/* Reads words[0..count-1], of which the first is the launcher's name. */
void fs_launch_options_read(enum fs_launcher launcher, char *const *words, size_t count,
                            struct fs_launch_options *options);

/* ... and what the launcher's environment adds. */
void fs_launch_options_environment(struct fs_launch_options *options,
                                   const struct fs_variable *variables, size_t count);

/* Slots of a list of hosts: "a,b:4" has 5. FS_UNKNOWN: no such list, or a host with all of its. */
int fs_host_list_slots(const char *hosts);

/*
 * Which word of the command line says how many ranks of the only program there are, or is
 * the beginning of the option that says it: 0: none. *joined: number and option are one
 * word, in which the number begins at *joined.
 */
size_t fs_launch_ranks_word(enum fs_launcher launcher, char *const *words, size_t count,
                            size_t *joined);

/* Whether an option (a word) is one that says how ranks are mapped or bound, or, if those count,
 * too, how many CPUs they get and how they are spread, and how many words it takes with its
 * value; 0: it is not, or not understood. */
size_t fs_launch_placement_words(enum fs_launcher launcher, char *const *words, size_t count,
                                 bool cpus_too);

#endif
