/*
 * chance.h - numbers for tests that try many cases: as good as random, and the same each time.
 */
#ifndef FS_TEST_CHANCE_H
#define FS_TEST_CHANCE_H

static unsigned long long random_state = 1;

/* From 0 to limit - 1. */
static inline unsigned random_below(unsigned limit) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % limit;
}

#endif
