/* Marks of the clocks, as this machine gives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/timex.h>

#include "tracer/clock.h"
#include "tracer/clock_mark.h"
#include "tracer/digest_parts.h"

static void a_mark_ties_both_clocks(void **state) {
    (void)state;
    const int64_t before = fs_now(), day_before = fs_clock_read(CLOCK_REALTIME);
    const struct fs_clock_mark mark = fs_clock_mark();
    const int64_t after = fs_now(), day_after = fs_clock_read(CLOCK_REALTIME);
    assert_in_range(mark.t, before, after);
    assert_in_range(mark.realtime, day_before, day_after);
    assert_in_range(mark.read_ns, 0, after - before);
}

static void precision_is_the_kernels(void **state) {
    (void)state;
    struct timex timex = {.modes = 0};
    const struct fs_clock_mark mark = fs_clock_mark();
    const int result = adjtimex(&timex);
    const int disciplined = result >= 0 && result != TIME_ERROR && !(timex.status & STA_UNSYNC);
    assert_int_equal(mark.synchronised, disciplined);
    if (!disciplined)
        assert_int_equal(mark.error_ns, FS_UNKNOWN);
    else /* it grows until the next correction */
        assert_in_range(mark.error_ns, 0, (int64_t)timex.maxerror * 1000 + FS_SECOND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_ties_both_clocks),
        cmocka_unit_test(precision_is_the_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
