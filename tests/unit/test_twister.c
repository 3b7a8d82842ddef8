/* The sequence of MT19937, and the search for later states in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer/twister.h"

#include <string.h>

/* The seeding by a number that the generator's authors give, which numpy.random.seed uses. */
static struct fs_twister seeded(uint32_t seed) {
    struct fs_twister twister = {.position = FSP_RANDOM_WORDS};

    for (uint32_t i = 0; i < FSP_RANDOM_WORDS; i++) {
        twister.word[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    return twister;
}

/* The next number as the generator gives it out. */
static uint32_t number(struct fs_twister *twister) {
    uint32_t value;

    if (twister->position == FSP_RANDOM_WORDS) {
        fs_twister_next_block(twister);
        twister->position = 0;
    }
    value = twister->word[twister->position++];
    value ^= value >> 11;
    value ^= value << 7 & 0x9d2c5680u;
    value ^= value << 15 & 0xefc60000u;
    return value ^ value >> 18;
}

static struct fs_twister after(struct fs_twister twister, int64_t numbers) {
    for (; numbers > 0; numbers--)
        number(&twister);
    return twister;
}

static struct fs_twister_goal goal_of(struct fs_twister twister, int64_t limit) {
    return (struct fs_twister_goal){.view = fs_twister_view(&twister), .limit = limit};
}

/* The first and the 10,000th number after the seed 5489: the C++ standard names the latter. */
static void numbers_are_the_known_ones(void **state) {
    (void)state;
    struct fs_twister twister = seeded(5489);
    assert_int_equal(number(&twister), 3499211612u);
    assert_int_equal(number(&twister), 581869302u);
    twister = after(seeded(5489), 9999);
    assert_int_equal(number(&twister), 4123659995u);
}

static void way_is_counted_exactly(void **state) {
    (void)state;
    static const int64_t ways[] = {0, 1, 623, 624, 625, 1248, 99999, 6240000};
    enum { COUNT = sizeof ways / sizeof ways[0] };
    const struct fs_twister start = after(seeded(7), 100);
    struct fs_twister_goal goals[COUNT];
    int64_t blocks = 20000;

    for (size_t i = 0; i < COUNT; i++)
        goals[i] = goal_of(after(start, ways[i]), 10001);
    fs_twister_search(&start, goals, COUNT, &blocks);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(goals[i].ahead, FS_AHEAD_YES);
        assert_int_equal(goals[i].taken, ways[i]);
    }
    assert_true(blocks > 20000 - 10001); /* it ends at the last goal */
}

static void another_seed_is_not_ahead(void **state) {
    (void)state;
    const struct fs_twister start = seeded(1);
    struct fs_twister_goal goals[] = {goal_of(after(seeded(2), 50), 1000),
                                      goal_of(after(start, 5000), 1000),
                                      goal_of(after(start, 5000), 7)};
    int64_t blocks = 1 << 20;

    fs_twister_search(&start, goals, 3, &blocks);
    assert_int_equal(goals[0].ahead, FS_AHEAD_NO);
    assert_int_equal(goals[1].ahead, FS_AHEAD_YES);
    assert_int_equal(goals[2].ahead, FS_AHEAD_NO); /* too far for it */
    assert_int_equal(blocks, (1 << 20) - 1000);
}

static void behind_is_not_ahead(void **state) {
    (void)state;
    const struct fs_twister start = after(seeded(3), 700);
    struct fs_twister_goal goals[] = {goal_of(after(seeded(3), 690), 100),
                                      goal_of(after(seeded(3), 10), 100)};
    int64_t blocks = 1000;

    fs_twister_search(&start, goals, 2, &blocks);
    assert_int_equal(goals[0].ahead, FS_AHEAD_NO);
    assert_int_equal(goals[1].ahead, FS_AHEAD_NO);
}

static void short_search_knows_nothing(void **state) {
    (void)state;
    const struct fs_twister start = seeded(1);
    struct fs_twister_goal goals[] = {goal_of(after(start, 100), 1000),
                                      goal_of(after(start, 500000), 1000),
                                      goal_of(seeded(2), 1000)};
    int64_t blocks = 100;

    fs_twister_search(&start, goals, 3, &blocks);
    assert_int_equal(goals[0].ahead, FS_AHEAD_YES);
    assert_int_equal(goals[1].ahead, FS_AHEAD_UNKNOWN);
    assert_int_equal(goals[2].ahead, FS_AHEAD_UNKNOWN);
    assert_int_equal(blocks, 0);
}

/* What a process may leave in its memory: positions that are none, words all zero. */
static void hostile_states_end_the_search(void **state) {
    (void)state;
    struct fs_twister start = seeded(1), zeros = {.position = 3};
    struct fs_twister_goal goals[] = {goal_of(after(start, 10), 50), goal_of(after(start, 10), 50),
                                      goal_of(after(start, 10), 50), goal_of(start, -5)};
    int64_t blocks = 1000;

    goals[0].view.position = 625;
    goals[1].view.position = -1;
    goals[2].view.position = INT32_MAX;
    fs_twister_search(&start, goals, 4, &blocks);
    for (int i = 0; i < 3; i++)
        assert_int_equal(goals[i].ahead, FS_AHEAD_UNKNOWN);
    assert_int_not_equal(goals[3].ahead, FS_AHEAD_YES);
    start.position = 9999;
    goals[0] = goal_of(seeded(1), 50);
    fs_twister_search(&start, goals, 1, &blocks);
    assert_int_equal(goals[0].ahead, FS_AHEAD_UNKNOWN);
    goals[0] = goal_of(zeros, 50);
    goals[0].view.position = 9;
    fs_twister_search(&zeros, goals, 1, &blocks);
    assert_int_equal(goals[0].taken, 6);
    fs_twister_search(&zeros, goals, 0, &blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_the_known_ones),
        cmocka_unit_test(way_is_counted_exactly),
        cmocka_unit_test(another_seed_is_not_ahead),
        cmocka_unit_test(behind_is_not_ahead),
        cmocka_unit_test(short_search_knows_nothing),
        cmocka_unit_test(hostile_states_end_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
