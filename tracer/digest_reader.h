/*
 * digest_reader.h - digests one at a time, from one text after the other.
 *
 * For records of thousands of nodes: at no time is there more than one digest in memory
 * that the caller did not keep. fs_digest_read (digest.h) is for a few.
 */
#ifndef FS_DIGEST_READER_H
#define FS_DIGEST_READER_H

#include "tracer/digest.h"

struct fs_digest_reader;

/* A digest's place in its text, and what tells it from others of the same host. */
struct fs_digest_mark {
    int64_t offset; /* of its first line */
    long line;      /* number of that line, from 1 */
    uint64_t hash;  /* of its lines, but the topology: that may stand elsewhere */
};

struct fs_digest_reader *fs_digest_reader_new(void); /* NULL: no memory */

/* Also releases the topologies of all digests that it read. */
void fs_digest_reader_free(struct fs_digest_reader *reader);

/* Goes on with in (NULL: the text that it has), at the beginning or, mark not NULL, at a
 * digest. Returns 0, or -1 with errno. */
int fs_digest_reader_seek(struct fs_digest_reader *reader, FILE *in,
                          const struct fs_digest_mark *mark);

/*
 * Reads the next digest. Its topology is the reader's, one object for all that are equal;
 * it is unknown when no text so far had it. Returns 1, 0 at the end of the text, or -1 as
 * fs_digest_read does; only after 1 there is something to release.
 */
int fs_digest_reader_next(struct fs_digest_reader *reader, struct fs_digest *digest,
                          struct fs_digest_mark *mark, char *error, size_t error_size);

/*
 * The same, but digest gets only its host, its start, launchers_only and as many groups without a
 * member as there are: for who looks for places. That its lines are those of a digest is checked,
 * the values in them are not.
 */
int fs_digest_reader_skim(struct fs_digest_reader *reader, struct fs_digest *digest,
                          struct fs_digest_mark *mark, char *error, size_t error_size);

/* Releases what digest holds but the topology. */
void fs_digest_release(struct fs_digest *digest);

#endif
