/* FRK-10: workers that draw from one inherited state are found; what differs is not. */
#include "tests/unit/rule_fixture.h"

static struct fs_random_streams streams[2];

/* A pool of 4 whose workers drew a million doubles and more from what they inherited. */
static void same_numbers(struct fixture *f) {
    fixture_clean(f);
    streams[0] = (struct fs_random_streams){
        .executable = (char *)"/usr/bin/python3.11",
        .parent = 100,
        .place = {.file = (char *)"/home/u/pool.py",
                  .line = 41,
                  .function = (char *)"main",
                  .stack = (char *)"popen_fork.py:66:_launch\npool.py:329:_repopulate_pool_static\n"
                                   "/home/u/pool.py:41:main"},
        .processes = 4,
        .drew = 4,
        .drawn_min = 2000000,
        .drawn_max = 2000006,
        .shared = 2000004,
        .drawn_exact = true,
        .examples = {101, 102, 103, 104},
    };
    f->digest.random_streams = streams;
    f->digest.random_stream_count = 1;
    f->digest.random_births = (struct fs_random_births){.read = 4};
}

static const struct fs_finding *judged(struct fixture *f) {
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(f, NULL), "FRK-10");
    assert_non_null(finding);
    return finding;
}

static void frk_10_fires_with_counts_place_and_fix(void **state) {
    (void)state;
    struct fixture f;
    same_numbers(&f);
    const struct fs_finding *finding = judged(&f);
    assert_int_equal(finding->severity, FS_WARNING);
    assert_int_equal(finding->population, 4);
    assert_string_equal(finding->title, "4 workers drew the same random numbers");
    assert_string_equal(finding->evidence[2].text,
                        "they then drew 2,000,000 to 2,000,006 numbers of 32 bits from it "
                        "(random() takes two): the first 2,000,000 are the same in all");
    assert_string_equal(finding->cause[0], "fork at pool.py:41 in main copied the state of "
                                           "numpy.random in process 100");
    assert_string_equal(finding->fix[0].text,
                        "multiprocessing.Pool(4, initializer=np.random.seed)");
    assert_non_null(strstr(finding->fix[1].text, "SeedSequence(1).spawn(4)[i]"));
    fixture_free(&f);
}

static void frk_10_fires_for_children_of_fork(void **state) {
    (void)state;
    struct fixture f;
    same_numbers(&f);
    streams[0].place.stack = (char *)"/home/u/pool.py:41:main";
    streams[0].drawn_max = streams[0].drawn_min;
    streams[0].drawn_exact = false;
    streams[0].drew = 2;
    streams[0].untouched = 1;
    streams[0].reseeded = 1;
    const struct fs_finding *finding = judged(&f);
    assert_string_equal(finding->fix[0].text, "np.random.seed()");
    assert_string_equal(finding->evidence[2].text,
                        "each then drew at least 2,000,000 numbers of 32 bits from it (random() "
                        "takes two): the same ones");
    assert_string_equal(finding->evidence[3].text, "of 2 more, 1 drew nothing, 1 seeded anew");
    fixture_free(&f);
}

static void states_are_told_together(void **state) {
    (void)state;
    struct fixture f;
    same_numbers(&f);
    streams[1] = streams[0];
    f.digest.random_stream_count = 2;
    const struct fs_finding *finding = judged(&f);
    assert_string_equal(finding->cause[1], "workers of 1 other state did the same");
    assert_int_equal(fixture_outcome(&f, "FRK-10")->count, 1);
    fixture_free(&f);
}

static void below_the_threshold(void **state) {
    (void)state;
    struct fs_thresholds *thresholds = fs_thresholds_new();
    char error[200];
    struct fixture f;
    same_numbers(&f);
    assert_int_equal(fs_thresholds_set(thresholds, "FRK-10.numbers=2000005", error, sizeof error),
                     0);
    fixture_judge(&f, thresholds);
    assert_int_equal(fixture_outcome(&f, "FRK-10")->status, FS_PASS);
    fixture_free(&f);
    fs_thresholds_free(thresholds);
}

static void all_seeded(struct fixture *f) {
    (void)f;
    streams[0].drew = 0;
    streams[0].reseeded = 4;
}
static void one_drew(struct fixture *f) {
    (void)f;
    streams[0].drew = 1;
    streams[0].untouched = 3;
}
static void one_drew_one_unseen(struct fixture *f) {
    (void)f;
    streams[0].drew = 1;
    streams[0].unknown = 1;
    streams[0].reseeded = 2;
}
static void one_unseen(struct fixture *f) {
    (void)f;
    streams[0].drew = 0;
    streams[0].unknown = 1;
    streams[0].reseeded = 3;
}
static void states_of_their_own(struct fixture *f) {
    f->digest.random_stream_count = 0;
}
static void without_numpy(struct fixture *f) {
    f->digest.random_stream_count = 0;
    f->digest.random_births = (struct fs_random_births){0};
}
static void another_generator(struct fixture *f) {
    f->digest.random_stream_count = 0;
    f->digest.random_births = (struct fs_random_births){.other = 4};
}
static void interpreter_not_asked(struct fixture *f) {
    f->digest.random_stream_count = 0;
    f->digest.random_births = (struct fs_random_births){.read = 1, .unasked = 2};
}
static void not_recorded(struct fixture *f) {
    f->digest.random_stream_count = 0;
    f->digest.random_births = (struct fs_random_births){FS_UNKNOWN, FS_UNKNOWN, FS_UNKNOWN};
}

static void random_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"every worker seeded", all_seeded, FS_PASS},
        {"one worker drew", one_drew, FS_PASS},
        {"one drew, another was not seen", one_drew_one_unseen, FS_STATUS_UNKNOWN},
        {"one was not seen, nobody else drew", one_unseen, FS_PASS},
        {"a state of its own for each", states_of_their_own, FS_PASS},
        {"numpy.random not loaded", without_numpy, FS_NOT_APPLICABLE},
        {"another bit generator", another_generator, FS_STATUS_UNKNOWN},
        {"forks of a C library", interpreter_not_asked, FS_STATUS_UNKNOWN},
        {"facts not recorded", not_recorded, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("FRK-10", same_numbers, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frk_10_fires_with_counts_place_and_fix),
        cmocka_unit_test(frk_10_fires_for_children_of_fork),
        cmocka_unit_test(states_are_told_together),
        cmocka_unit_test(below_the_threshold),
        cmocka_unit_test(random_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
