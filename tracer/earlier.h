/*
 * earlier.h - what an interim digest knows that segments cannot tell.
 *
 * Samples, counters of control groups and what /proc showed of environments are
 * gone with a killed collector, except for what it wrote while the job ran.
 */
#ifndef FS_EARLIER_H
#define FS_EARLIER_H

#include "tracer/digest.h"

/*
 * Moves from earlier, an interim digest of the same job, into digest what digest does not
 * know. Counts and times that both have stay digest's, which is the later one. What was
 * moved belongs to digest; earlier remains fit for fs_digest_free().
 */
void fs_digest_take_samples(struct fs_digest *digest, struct fs_digest *earlier);

#endif
