/*
 * runtimes.h - use of OpenMP and GPU runtimes, and of what is left of it after a fork.
 *
 * The shim counts inside the processes (struct fsp_regions and the like); here that
 * becomes facts of records, and these become the entries of a digest (digest_runtimes.h).
 * Processes that did the same are one entry. Records come and go; their share of a tally
 * stays.
 */
#ifndef FS_RUNTIMES_H
#define FS_RUNTIMES_H

#include <stdint.h>

struct fs_table;
struct fs_record;
struct fs_runtime_tally;
struct fsp_process;

/* Folds the counters of a slot, which belongs to the image with that key (fold_runtimes.c). */
void fs_fold_runtimes(struct fs_table *table, uint64_t image, struct fs_record *record,
                      const struct fsp_process *slot);

/* Adds what a record has to the tally, which is made when there is none. */
void fs_runtime_tally_add(struct fs_table *table, struct fs_runtime_tally **tally,
                          const struct fs_record *record);
void fs_runtime_tally_free(struct fs_runtime_tally *tally);

#endif
