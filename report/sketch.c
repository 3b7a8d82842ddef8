#include "report/sketch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double error_share = 0.01, least = 1e-9;

static double base(void) {
    return (1 + error_share) / (1 - error_share);
}

static int exponent_of(double value) {
    return (int)ceil(log(value) / log(base()));
}

/* Between the borders of a bin, as far from either in proportion. */
static double value_of(int exponent) {
    return 2 * pow(base(), exponent) / (base() + 1);
}

/* Makes the bins reach from first to last. */
static int make_room(struct fs_sketch *sketch, int first, int last) {
    if (sketch->bin_count > 0) {
        const int own_last = sketch->first + (int)sketch->bin_count - 1;
        if (first >= sketch->first && last <= own_last) return 0;
        if (first > sketch->first) first = sketch->first;
        if (last < own_last) last = own_last;
    }
    const size_t count = (size_t)(last - first) + 1;
    int64_t *bins = calloc(count, sizeof *bins);
    if (!bins) return errno = ENOMEM, -1;
    if (sketch->bin_count > 0)
        memcpy(bins + (sketch->first - first), sketch->bins, sketch->bin_count * sizeof *bins);
    free(sketch->bins);
    sketch->bins = bins;
    sketch->bin_count = count;
    sketch->first = first;
    return 0;
}

static void note_extremes(struct fs_sketch *sketch, double min, double max) {
    sketch->min = sketch->count == 0 || min < sketch->min ? min : sketch->min;
    sketch->max = sketch->count == 0 || max > sketch->max ? max : sketch->max;
}

int fs_sketch_add(struct fs_sketch *sketch, double value, int64_t times) {
    if (value < least) {
        sketch->zeros += times;
    } else {
        const int exponent = exponent_of(value);
        if (make_room(sketch, exponent, exponent) < 0) return -1;
        sketch->bins[exponent - sketch->first] += times;
    }
    note_extremes(sketch, value, value);
    sketch->count += times;
    return 0;
}

int fs_sketch_merge(struct fs_sketch *sketch, const struct fs_sketch *other) {
    if (other->count == 0) return 0;
    if (other->bin_count > 0) {
        const int last = other->first + (int)other->bin_count - 1;
        if (make_room(sketch, other->first, last) < 0) return -1;
        for (size_t i = 0; i < other->bin_count; i++)
            sketch->bins[other->first - sketch->first + (int)i] += other->bins[i];
    }
    note_extremes(sketch, other->min, other->max);
    sketch->zeros += other->zeros;
    sketch->count += other->count;
    return 0;
}

double fs_sketch_quantile(const struct fs_sketch *sketch, double share) {
    if (sketch->count == 0) return NAN;
    int64_t rank = (int64_t)ceil(share * (double)sketch->count);
    if (rank < 1) rank = 1;
    if (rank == 1) return sketch->min;
    if (rank >= sketch->count) return sketch->max;
    int64_t below = sketch->zeros;
    if (rank <= below) return 0;
    for (size_t i = 0; i < sketch->bin_count; i++) {
        below += sketch->bins[i];
        if (below < rank) continue;
        const double value = value_of(sketch->first + (int)i);
        return value < sketch->min ? sketch->min : value > sketch->max ? sketch->max : value;
    }
    return sketch->max;
}

void fs_sketch_free(struct fs_sketch *sketch) {
    free(sketch->bins);
    *sketch = (struct fs_sketch){0};
}
