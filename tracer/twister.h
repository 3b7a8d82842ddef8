/*
 * twister.h - the Mersenne Twister MT19937 as a sequence of states.
 *
 * A state is 624 words and a position in them: numbers are taken word by word, and
 * when all are used the next 624 are made of them. So a state that comes later in the
 * same sequence is found by making blocks until the words are equal, and the way to it is
 * the number of words that were taken: exactly, for no state comes twice.
 */
#ifndef FS_TWISTER_H
#define FS_TWISTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/segment.h"

struct fs_twister {
    uint32_t word[FSP_RANDOM_WORDS];
    int position; /* 0 to FSP_RANDOM_WORDS: words already taken of these */
};

/* Makes the next 624 words; the position stays. */
void fs_twister_next_block(struct fs_twister *twister);

/* What is known of a later state: the words FSP_RANDOM_VIEWED and the position. */
enum { FS_TWISTER_VIEWED = 3 };
struct fs_twister_view {
    uint32_t word[FS_TWISTER_VIEWED];
    int position;
};

struct fs_twister_view fs_twister_view(const struct fs_twister *twister);

enum fs_ahead {
    FS_AHEAD_UNKNOWN, /* not reached: the search was too long, or the view is of no state */
    FS_AHEAD_YES,
    FS_AHEAD_NO, /* it is not among the states up to `limit` */
};

struct fs_twister_goal {
    struct fs_twister_view view;
    int64_t limit; /* blocks after which it cannot be ahead any more */
    enum fs_ahead ahead;
    int64_t taken; /* words between the two; FS_AHEAD_YES only */
};

/*
 * Looks for every goal from start on, at most *blocks blocks far (about 0.2 us each) and
 * takes those made off *blocks. A goal with the words of start and an earlier position is
 * behind it, so not ahead.
 */
void fs_twister_search(const struct fs_twister *start, struct fs_twister_goal *goals, size_t count,
                       int64_t *blocks);

#endif
