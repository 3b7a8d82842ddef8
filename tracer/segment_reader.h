/*
 * segment_reader.h - the collector's way into the shim's memory files.
 *
 * A segment is read, never mapped: a file that shrinks under a mapping would kill
 * the collector. One reader holds one buffer (at most FSP_LARGEST_SIZE) into which
 * a file's allocated pages are copied; each load replaces the last one. The copy is
 * then made safe: slots that are free, half written or absurd are not given out,
 * strings end, counts and enumerations are in range. So everything that comes out
 * of these functions can be used without further checks.
 *
 * Pointers stay valid until the next load.
 */
#ifndef FS_SEGMENT_READER_H
#define FS_SEGMENT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/segment.h"

struct fs_segment_reader;

struct fs_segment_reader *fs_segment_reader_new(void); /* NULL with errno */
void fs_segment_reader_free(struct fs_segment_reader *reader);

/*
 * Loads the segment `name` of the open directory. -1 with errno: ENOENT; EAGAIN: its
 * maker has not finished the header yet, look again later; EBADMSG: not a regular
 * file of ours with the shape of a segment; EPROTONOSUPPORT: another version's.
 */
int fs_segment_load(struct fs_segment_reader *reader, int directory, const char *name);

/* The same from memory, for tests and fuzzing: size bytes at data. */
int fs_segment_load_memory(struct fs_segment_reader *reader, const void *data, size_t size);

/* Whether a file name is one that the shim gives: PID-TIME.seg or PID-TIME.ext. */
bool fs_segment_name(const char *name, int *pid, bool *extension);

/* The header, clamped: counts and offsets as fsp_layout() gives them; executable, argv
 * and environment NUL-terminated; the lengths are what the shim saw and may be larger
 * than what is there (see fs_segment_argv). */
const struct fsp_header *fs_segment_header(const struct fs_segment_reader *reader);

/* The image's argv and recorded environment: *length bytes, NUL-separated, each entry
 * NUL-terminated. *cut: there was more. Empty in extensions. */
const char *fs_segment_argv(const struct fs_segment_reader *reader, size_t *length, bool *cut);
const char *fs_segment_environment(const struct fs_segment_reader *reader, size_t *length,
                                   bool *cut);

/*
 * A process slot; NULL: free or not sound. Given out are RESERVED slots (a fork under
 * way: pid may still be 0) and LIVE ones (pid > 0). Times of 0 mean what segment.h says;
 * impossible times (before the segment's maker could live or in the future) are 0.
 */
const struct fsp_process *fs_segment_process(const struct fs_segment_reader *reader, uint32_t slot);

/* A thread slot, live or ended; NULL: free or not sound. */
const struct fsp_thread *fs_segment_thread(const struct fs_segment_reader *reader, uint32_t slot);

/* A chunk with an owner; its events by number, NULL beyond the last or not sound. */
const struct fsp_chunk *fs_segment_chunk(const struct fs_segment_reader *reader, uint32_t slot);
const struct fsp_event *fs_segment_event(const struct fsp_chunk *chunk, uint32_t number);

/* A site; NULL: empty or not sound. By its key: NULL if this file does not hold it. */
const struct fsp_site *fs_segment_site(const struct fs_segment_reader *reader, uint32_t slot);
const struct fsp_site *fs_segment_site_by_key(const struct fs_segment_reader *reader, uint64_t key);

/* Slots of this load that were not sound (free ones and torn ones do not count). */
uint32_t fs_segment_bad_slots(const struct fs_segment_reader *reader);

/* Slots to give back to the shim. The lists are slot numbers of the load. */
struct fs_segment_slots {
    const uint32_t *processes;
    size_t process_count;
    const uint32_t *threads;
    size_t thread_count;
    const uint32_t *chunks;
    size_t chunk_count;
};

/*
 * Frees slots of the file that is loaded, for the shim to use again: zeroes each slot,
 * its index entry last. Only for slots that nobody will write any more: the process
 * is dead, and whoever would wait for it has done so (reaped) or is dead as well. Never
 * slot 0 of a base segment, which is the image itself: EINVAL. A slot that is not what
 * was loaded any more is left alone. -1 with errno; ESTALE: the file is another one now.
 */
int fs_segment_recycle(const struct fs_segment_reader *reader, int directory, const char *name,
                       const struct fs_segment_slots *slots);

#endif
