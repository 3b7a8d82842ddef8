/* Quantiles from counts: within their stated error, whatever the order and grouping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/sketch.h"
#include "tests/unit/chance.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { COUNT = 20000, PARTS = 37 };

/* From microseconds to days, some of them 0. */
static void make_values(double *values) {
    for (size_t i = 0; i < COUNT; i++)
        values[i] = random_below(50) == 0
                        ? 0
                        : pow(10, random_below(11000) / 1000.0 - 6) * (1 + random_below(100));
}

static int by_value(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static const double shares[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};

static void quantiles_are_within_one_percent(void **state) {
    (void)state;
    static double values[COUNT];
    struct fs_sketch sketch = {0};
    make_values(values);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(fs_sketch_add(&sketch, values[i], 1), 0);
    qsort(values, COUNT, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const size_t rank = (size_t)ceil(shares[i] * COUNT);
        const double truth = values[rank > 0 ? rank - 1 : 0];
        const double got = fs_sketch_quantile(&sketch, shares[i]);
        if (fabs(got - truth) > 0.0100001 * truth)
            fail_msg("%g: %g, not %g", shares[i], got, truth);
    }
    assert_true(sketch.count == COUNT && sketch.min == 0 && sketch.max == values[COUNT - 1]);
    fs_sketch_free(&sketch);
}

static bool same(const struct fs_sketch *a, const struct fs_sketch *b) {
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (fs_sketch_quantile(a, shares[i]) != fs_sketch_quantile(b, shares[i])) return false;
    return a->count == b->count && a->min == b->min && a->max == b->max;
}

static void grouping_changes_nothing(void **state) {
    (void)state;
    static double values[COUNT];
    struct fs_sketch whole = {0}, parts[PARTS] = {{0}}, left = {0}, right = {0};
    make_values(values);
    for (size_t i = 0; i < COUNT; i++) {
        fs_sketch_add(&whole, values[i], 1);
        fs_sketch_add(&parts[random_below(PARTS)], values[i], 1);
    }
    for (size_t i = 0; i < PARTS; i++) {
        fs_sketch_merge(&left, &parts[i]);
        fs_sketch_merge(&right, &parts[PARTS - 1 - i]);
    }
    assert_true(same(&whole, &left));
    assert_true(same(&whole, &right));
    for (size_t i = 0; i < PARTS; i++)
        fs_sketch_free(&parts[i]);
    fs_sketch_free(&whole);
    fs_sketch_free(&left);
    fs_sketch_free(&right);
}

static void few_numbers_are_told_as_they_are(void **state) {
    (void)state;
    struct fs_sketch sketch = {0};
    assert_true(isnan(fs_sketch_quantile(&sketch, 0.5)));
    fs_sketch_add(&sketch, 5, 1);
    assert_true(fs_sketch_quantile(&sketch, 0) == 5 && fs_sketch_quantile(&sketch, 1) == 5);
    fs_sketch_add(&sketch, 0, 3);
    assert_true(fs_sketch_quantile(&sketch, 0.75) == 0);
    assert_true(fs_sketch_quantile(&sketch, 0.76) == 5);
    fs_sketch_free(&sketch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_one_percent),
        cmocka_unit_test(grouping_changes_nothing),
        cmocka_unit_test(few_numbers_are_told_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
