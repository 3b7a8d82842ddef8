/*
 * digest_seeds.h - fuzz_seed() of drivers that read digests: a large one, and random ones.
 */
#ifndef FS_FUZZ_DIGEST_SEEDS_H
#define FS_FUZZ_DIGEST_SEEDS_H

#include "tests/fuzz/fuzz.h"
#include "tests/unit/random_digest.h"

enum { DIGEST_SEEDS = 12 };

uint8_t *fuzz_seed(unsigned number, size_t *size) {
    struct fs_digest digest;
    char *text;
    if (number >= DIGEST_SEEDS) return NULL;
    if (number == 0)
        large_digest(&digest);
    else
        random_digest(&digest, number);
    FILE *out = open_memstream(&text, size);
    if (!out || fs_digest_write(&digest, out) || fclose(out)) abort();
    fs_digest_free(&digest);
    return (uint8_t *)text;
}

#endif
