/*
 * sketch.h - quantiles of many numbers in little memory: counts of numbers per bin, where each
 * bin is 2 % wider than the one below it (DDSketch).
 *
 * A quantile is off by 1 % of itself at most; number, minimum and maximum are exact. Sketches
 * are sums of counts: whichever way they are merged, the result is the same.
 */
#ifndef FS_REPORT_SKETCH_H
#define FS_REPORT_SKETCH_H

#include <stddef.h>
#include <stdint.h>

struct fs_sketch {        /* all zero: of no number */
    int64_t count, zeros; /* zeros: also what is below 1e-9 */
    double min, max;
    int64_t *bins;
    size_t bin_count;
    int first; /* the exponent of bins[0] */
};

/* Adds value, not negative and finite, `times` times. Returns 0, or -1 with errno ENOMEM. */
int fs_sketch_add(struct fs_sketch *sketch, double value, int64_t times);
int fs_sketch_merge(struct fs_sketch *sketch, const struct fs_sketch *other);

/* The value with that share (0 to 1) of all at or below it, by nearest rank; NAN of no number. */
double fs_sketch_quantile(const struct fs_sketch *sketch, double share);

void fs_sketch_free(struct fs_sketch *sketch);

#endif
