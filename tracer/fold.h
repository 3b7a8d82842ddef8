/*
 * fold.h - from the slots of segments to the records of processes.
 *
 * What is folded stays in the segments as long as there is room: then a record
 * survives the collector. Only when the folder fills are slots of dead processes
 * given back and files that nobody uses removed.
 */
#ifndef FS_FOLD_H
#define FS_FOLD_H

#include "tracer/process_table.h"
#include "tracer/segment_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct fs_segment_file;
struct fs_fork_stack;

struct fs_fold {
    struct fs_table *table;
    struct fs_segment_reader *reader;
    struct fs_segment_file *files; /* by name */
    struct fs_pending_event *pending;
    size_t pending_count;         /* events of one pass */
    struct fs_fork_stack *stacks; /* snapshots of fork sites (fork_stacks.h) */
    int directory;                /* of the folder; -1: none */
    bool read_only;               /* fold, but give nothing back */
    int64_t bytes;                /* that the folder's files take */
    int64_t lost_processes, lost_threads, lost_events, lost_sites; /* as the shim counted */
    int64_t lost_snapshots;
    int shim_off, bad; /* processes that stopped recording; files and slots not sound */
};

/* Opens a folder for folding into table. -1 with errno. */
int fs_fold_open(struct fs_fold *fold, struct fs_table *table, const char *folder);
void fs_fold_close(struct fs_fold *fold);

/*
 * Folds what is new in all segments. `pressed` asks for room: slots and files that
 * are done are given back in the same pass. Costs a read of every file that a
 * live process can still write to.
 */
void fs_fold_pass(struct fs_fold *fold, int64_t now, bool pressed);

/* --- shared by the parts of the fold --- */

/* What is known of one segment file. */
struct fs_slot {
    struct fs_record *record;
    int pid;
    uint64_t t_fork;
    uint32_t mask;
    bool reaped;
};
struct fs_thread_slot {
    struct fs_record *record;
    uint64_t t_start;
    size_t index;
};
struct fs_chunk_slot {
    int owner;
    uint64_t t_owned;
    uint32_t used;
};

struct fs_segment_file {
    UT_hash_handle hh;
    uint64_t key; /* of the image */
    struct fs_image *image;
    bool extension, known, bad, closed;
    uint32_t processes, threads, chunks, sites; /* slots */
    struct fs_slot *process;
    struct fs_thread_slot *thread;
    struct fs_chunk_slot *chunk;
    bool *site; /* folded already */
    int64_t lost_processes, lost_threads, lost_events, lost_sites, lost_snapshots;
    int shim_off, bad_slots;
    int64_t bytes;
    char name[];
};

struct fs_pending_event {
    struct fsp_event event;
    int owner;
    struct fs_image *image;
};

/* Folds the process slots of the file that is loaded (fold_process.c). */
void fs_fold_processes(struct fs_fold *fold, struct fs_segment_file *file, int64_t now);
void fs_fold_threads(struct fs_fold *fold, struct fs_segment_file *file);

/* Sets file, line and function of a site from what the shim stored (sites.c). */
void fs_site_place(struct fs_table *table, struct fs_site *site);

/* Folds an event (fold_event.c). */
void fs_fold_event(struct fs_table *table, const struct fs_pending_event *pending);

/* What only all facts together tell: births that system() and popen() explain. To be
 * called before the record is evaluated; may be called again. */
void fs_fold_settle(struct fs_table *table);

/* Whether nobody will write into a slot of this record any more. */
bool fs_slot_settled(const struct fs_slot *slot, int64_t now);

#endif
