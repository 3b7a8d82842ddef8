/*
 * remedy.h - fixes in the language of the job: its command line with the mask or
 * the worker count put right.
 */
#ifndef FS_REPORT_REMEDY_H
#define FS_REPORT_REMEDY_H

#include "report/arena.h"
#include "report/model.h"
#include "report/places.h"

#include <stdbool.h>

/*
 * word for a POSIX shell, as it is if it needs no quotes and does not look cut (command_text.h).
 * What is not printable ASCII becomes $'\ooo' (bash, ksh, zsh and, since 2024, POSIX), so the text
 * is harmless on a terminal and survives any locale.
 */
const char *fs_quote_word(struct fs_arena *arena, const char *word);

struct fs_remedy {
    const char *command;  /* whole command line, quoted */
    const char *variable; /* that sized the pool and now says how many; NULL: none did */
    bool mask_set;        /* a taskset or numactl prefix got the list */
    bool cut;             /* command was too long for a page: only its beginning is there */
};

/*
 * The job's command with two changes. mask (NULL: leave it): a taskset or numactl
 * prefix gets these CPUs. workers (0: leave it): the recorded variable whose value
 * is the number of workers that the load had is set to this many.
 */
struct fs_remedy fs_remedy_command(struct fs_arena *arena, const struct fs_load *load,
                                   hwloc_const_bitmap_t mask, int workers);

/* CPUs as a list, "0-3,8"; "?" for NULL. */
const char *fs_mask_list(struct fs_arena *arena, hwloc_const_bitmap_t mask);

/* "2 CPUs (1 core)"; of an unknown number: "? CPUs". */
const char *fs_cpus_text(struct fs_arena *arena, int cpus, int cores);

/* The CPUs of the job on the node: "CPU 0-7: 8 CPUs (4 cores)", or just "8 CPUs" where only
 * that is certain. */
const char *fs_job_cpus_text(struct fs_arena *arena, const struct fs_node *node);

struct fs_outcome;

/* Adds a line that ends with the command of a process: to be pasted or, where that was cut
 * (command_text.h), to be completed. */
void fs_add_command_fix(struct fs_outcome *outcome, const char *when, const char *line);

/* Adds the remedy as a fix behind prefix ("" or a launcher); when as in struct fs_fix. */
void fs_add_remedy(struct fs_outcome *outcome, const char *when, const char *prefix,
                   const struct fs_remedy *remedy);

/* The gain when workers that were put on fewer cores than they could use have the job's. */
void fs_set_cores_gain(struct fs_outcome *outcome, const struct fs_load *load);

/* Adds two lines at most: who narrowed the mask, and where the workers were made. */
void fs_add_narrowing_cause(struct fs_outcome *outcome, const struct fs_load *load);
void fs_add_birth_cause(struct fs_outcome *outcome, const struct fs_load *load);

/*
 * Adds how to make children of a process that has threads: stack are the Python frames of
 * the fork (NULL: a C program made it), workers the number of children.
 */
void fs_add_fork_fixes(struct fs_outcome *outcome, const char *stack, int workers);

/*
 * How the pool is made with count workers, in the language of the program: a Python
 * expression or the C call that count the CPUs which the process may use, `cpus` of them;
 * where count is less (a quota) and for the tools that make workers, the number.
 */
const char *fs_pool_size_code(struct fs_arena *arena, const struct fs_load *load, int cpus,
                              int count);

#endif
