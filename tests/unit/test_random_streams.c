/* Sights of inherited generators: from slots, files and live memory to what the heirs drew. */
#include "tests/unit/fold_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "tracer/random_streams.h"

enum { IMAGE = 10 * MILLISECOND, KEY = 4711 };

/* Any state will do: words that differ. */
static struct fs_twister inherited(uint32_t seed) {
    struct fs_twister state = {.position = 600};
    for (uint32_t i = 0; i < FSP_RANDOM_WORDS; i++)
        state.word[i] = seed = seed * 1664525u + 1013904223u;
    return state;
}

/* 24 words are left of a block that begins at 600. */
static struct fs_twister drawn(struct fs_twister state, int blocks, int position) {
    while (blocks-- > 0)
        fs_twister_next_block(&state);
    state.position = position;
    return state;
}

static struct fsp_random_view view_of(struct fs_twister state) {
    const struct fs_twister_view view = fs_twister_view(&state);
    struct fsp_random_view stored = {.seen = 1, .position = (uint16_t)view.position};
    memcpy(stored.word, view.word, sizeof stored.word);
    return stored;
}

static struct fsp_random_state file_of(struct fs_twister state) {
    struct fsp_random_state file = {.head = {.magic = FSP_RANDOM_MAGIC,
                                             .image = IMAGE,
                                             .key = KEY,
                                             .position = (uint32_t)state.position}};
    memcpy(file.word, state.word, sizeof file.word);
    return file;
}

static void put_state(struct fs_twister state) {
    const struct fsp_random_state file = file_of(state);
    const int descriptor = openat(fold.directory, "4711-10000000.rng", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(descriptor, &file, sizeof file), sizeof file);
    close(descriptor);
}

static struct fsp_process *add_heir(struct made_segment *made, int slot, struct fs_twister exit) {
    struct fsp_process *child =
        add_child(made, slot, PARENT + slot, FSP_BIRTH_FORK, 20 * MILLISECOND);
    child->random = FSP_RANDOM_READ;
    child->random_at = 4096;
    child->random_key = KEY;
    child->random_exit = view_of(exit);
    child->exit = FSP_EXIT__EXIT;
    child->t_exit = 30 * MILLISECOND;
    return child;
}

static void evaluate(struct fs_digest *digest, int64_t search) {
    const struct fs_evaluation evaluation = {.table = &table, .t_closed = now};
    fs_digest_init(digest);
    assert_int_equal(fs_evaluate_random(&evaluation, search, digest), 0);
}

/* Four that drew, seeded anew, drew nothing, and were killed after they drew. */
static struct made_segment four_heirs(void) {
    const struct fs_twister start = inherited(1);
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    add_heir(&made, 1, drawn(start, 0, 624));
    add_heir(&made, 2, drawn(inherited(2), 3, 17));
    add_heir(&made, 3, start);
    struct fsp_process *killed = add_heir(&made, 4, start);
    killed->random_kill = view_of(drawn(start, 2, 5));
    killed->random_exit.seen = 0;
    put_state(start);
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    return made;
}

static void heirs_are_told_apart(void **state) {
    (void)state;
    struct made_segment made = four_heirs();
    struct fs_digest digest;
    evaluate(&digest, FS_RANDOM_SEARCH);
    assert_int_equal(digest.random_births.read, 4);
    assert_int_equal(digest.random_stream_count, 1);
    const struct fs_random_streams *streams = &digest.random_streams[0];
    assert_int_equal(streams->parent, PARENT);
    assert_int_equal(streams->processes, 4);
    assert_int_equal(streams->drew, 2);
    assert_int_equal(streams->reseeded, 1);
    assert_int_equal(streams->untouched, 1);
    assert_int_equal(streams->unknown, 0);
    assert_int_equal(streams->drawn_min, 24);
    assert_int_equal(streams->drawn_max, 24 + 624 + 5);
    assert_int_equal(streams->shared, 24);
    assert_true(streams->drawn_exact);
    assert_int_equal(streams->examples[1], PARENT + 4);
    fs_digest_free(&digest);
    free(made.bytes);
}

/* Position 624 is where numpy makes the words anew, one after the other. */
static void words_seen_while_they_are_made_say_nothing(void **state) {
    (void)state;
    const struct fs_twister start = inherited(1);
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    struct fs_digest digest;
    struct fs_twister torn = drawn(start, 2, FSP_RANDOM_WORDS);
    torn.word[1] = drawn(start, 3, 0).word[1];
    struct fsp_process *killed = add_heir(&made, 1, start);
    killed->random_kill = view_of(torn);
    killed->random_exit.seen = 0;
    killed->reaped = 1; /* in so short a life that all it can have come to is looked through */
    killed->reaper = PARENT;
    killed->t_reap = 31 * MILLISECOND;
    add_heir(&made, 2, drawn(start, 1, 1));
    put_state(start);
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    evaluate(&digest, FS_RANDOM_SEARCH);
    assert_int_equal(digest.random_streams[0].drew, 1);
    assert_int_equal(digest.random_streams[0].reseeded, 0);
    assert_int_equal(digest.random_streams[0].unknown, 1);
    fs_digest_free(&digest);
    free(made.bytes);
}

static void without_a_search_nothing_is_claimed(void **state) {
    (void)state;
    struct made_segment made = four_heirs();
    struct fs_digest digest;
    evaluate(&digest, 0);
    assert_int_equal(digest.random_streams[0].drew, 1); /* in the words that were left */
    assert_int_equal(digest.random_streams[0].unknown, 2);
    assert_int_equal(digest.random_streams[0].reseeded, 0);
    fs_digest_free(&digest);
    free(made.bytes);
}

static void without_the_state_all_are_unknown(void **state) {
    (void)state;
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    struct fs_digest digest;
    add_heir(&made, 1, drawn(inherited(1), 1, 1));
    add_heir(&made, 2, inherited(1));
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    evaluate(&digest, FS_RANDOM_SEARCH);
    assert_int_equal(digest.random_streams[0].unknown, 2);
    fs_digest_free(&digest);
    free(made.bytes);
}

/* Programs that were exec'd, and generators that were not read. */
static void who_inherits_nothing_is_left_out(void **state) {
    (void)state;
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    struct fs_digest digest;
    add_heir(&made, 1, inherited(1))->t_exec = 25 * MILLISECOND;
    add_heir(&made, 2, inherited(1));
    add_child(&made, 3, 1003, FSP_BIRTH_FORK, 20 * MILLISECOND)->random = FSP_RANDOM_OTHER;
    add_child(&made, 4, 1004, FSP_BIRTH_FORK, 20 * MILLISECOND)->random = FSP_RANDOM_UNASKED;
    add_child(&made, 5, 1005, FSP_BIRTH_FORK, 20 * MILLISECOND)->random = FSP_RANDOM_COUNT;
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    assert_int_equal(fold.bad, 1);
    evaluate(&digest, FS_RANDOM_SEARCH);
    assert_int_equal(digest.random_stream_count, 0);
    assert_int_equal(digest.random_births.read, 1);
    assert_int_equal(digest.random_births.other, 1);
    assert_int_equal(digest.random_births.unasked, 1);
    fs_digest_free(&digest);
    free(made.bytes);
}

/* Where sources lie in memory is chance. */
static void equal_families_come_in_the_order_of_their_births(void **state) {
    (void)state;
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    struct fs_random_source sources[2] = {{.state = NULL}};
    struct fs_digest digest;
    for (int i = 1; i <= 4; i++)
        add_heir(&made, i, inherited(1));
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    for (int lower = 0; lower < 2; lower++) {
        for (int i = 0; i < 4; i++) {
            struct fs_record *record = fs_table_newest(&table, CHILD + i);
            record->ppid = i < 2 ? PARENT : PARENT + 100;
            record->heir->source = &sources[(i < 2) == (lower == 1)];
        }
        evaluate(&digest, 0);
        assert_int_equal(digest.random_stream_count, 2);
        assert_int_equal(digest.random_streams[0].parent, PARENT);
        assert_int_equal(digest.random_streams[1].parent, PARENT + 100);
        fs_digest_free(&digest);
    }
    free(made.bytes);
}

static void samples_see_the_first_change(void **state) {
    (void)state;
    struct fs_twister start = inherited(1), memory = start;
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    struct fs_digest digest;
    for (int i = 1; i <= 2; i++) {
        struct fsp_process *child = add_heir(&made, i, start);
        child->random_exit.seen = 0;
        child->exit = FSP_EXIT_NONE;
        child->t_exit = 0;
        child->random_at = (uint64_t)(uintptr_t)&memory;
    }
    put_state(start);
    put(&made, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    struct fs_record *first = fs_table_newest(&table, CHILD);
    struct fs_record *second = fs_table_newest(&table, SECOND_CHILD);
    first->pid = second->pid = getpid(); /* whose memory is looked at */
    fs_random_sample(first, 40 * MILLISECOND);
    assert_false(first->heir->changed.seen);
    assert_int_equal(first->heir->t_same, 40 * MILLISECOND);
    memory = drawn(start, 1, 10);
    fs_random_sample(first, 50 * MILLISECOND);
    memory = drawn(start, 5, 623);
    fs_random_sample(first, 60 * MILLISECOND); /* the first change stays */
    fs_random_sample(second, 60 * MILLISECOND);
    first->pid = CHILD;
    second->pid = SECOND_CHILD;
    evaluate(&digest, FS_RANDOM_SEARCH);
    assert_int_equal(digest.random_streams[0].drew, 2);
    assert_int_equal(digest.random_streams[0].drawn_min, 24 + 10);
    assert_int_equal(digest.random_streams[0].drawn_max, 24 + 5 * 624 - 1);
    assert_true(digest.random_streams[0].drawn_exact == false);
    fs_digest_free(&digest);
    free(made.bytes);
}

/* As numpy does: all words used, then made anew, then the position says so. Round and round the
 * same states. */
static void draw_for_ever(struct fs_twister *memory, int blocks) {
    volatile int *position = &memory->position;
    const struct fs_twister start = *memory;

    for (;;) {
        for (int block = 0; block < blocks; block++) {
            for (int at = 0; at <= FSP_RANDOM_WORDS; at++)
                *position = at;
            fs_twister_next_block(memory);
            *position = 0;
        }
        *position = FSP_RANDOM_WORDS;
        memcpy(memory->word, start.word, sizeof start.word);
        *position = 0;
    }
}

/* Looks at a process that makes numbers all the time find states that there were, or nothing. */
static void no_sight_is_half_of_one_state(void **state) {
    enum { BLOCKS = 256, SIGHTS = 500, SAMPLES = 4000000 };
    struct fs_twister memory = drawn(inherited(1), 1, 0);
    struct fs_random_source source = {.state = malloc(sizeof *source.state)};
    int64_t blocks = FS_RANDOM_SEARCH;
    int seen = 0, halves = 0;
    (void)state;
    *source.state = drawn(inherited(1), 0, FSP_RANDOM_WORDS);
    const pid_t child = fork();
    if (child == 0) draw_for_ever(&memory, BLOCKS);
    /* There is none while it waits for a CPU in the middle of its words. */
    for (int i = 0; seen < SIGHTS && i < SAMPLES; i++) {
        struct fs_random_heir heir = {.source = &source, .at = (uint64_t)(uintptr_t)&memory};
        struct fs_record record = {.pid = child, .heir = &heir, .t_exec = FS_UNKNOWN};
        fs_random_sample(&record, 5);
        if (!heir.changed.seen) continue;
        struct fs_twister_goal goal = {.view = heir.changed.view, .limit = 1 + BLOCKS};
        fs_twister_search(source.state, &goal, 1, &blocks);
        halves += goal.ahead != FS_AHEAD_YES;
        seen++;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    free(source.state);
    assert_int_equal(halves, 0);
    assert_int_equal(seen, SIGHTS);
}

static void memory_that_is_gone_is_no_sight(void **state) {
    (void)state;
    struct fs_random_source source = {.state = malloc(sizeof *source.state)};
    struct fs_random_heir heir = {.source = &source, .at = 16};
    struct fs_record record = {.pid = getpid(), .heir = &heir, .t_exec = FS_UNKNOWN};
    *source.state = inherited(1);
    fs_random_sample(&record, 5);
    heir.at = UINT64_MAX - 100; /* it wraps around */
    fs_random_sample(&record, 5);
    record.pid = 1 << 22;
    fs_random_sample(&record, 5);
    assert_false(heir.changed.seen);
    assert_int_equal(heir.t_same, 0);
    free(source.state);
}

static void damaged_files_are_no_states(void **state) {
    (void)state;
    const struct fs_random_id id = {.image = IMAGE, .key = KEY};
    const struct fsp_random_state good = file_of(inherited(1));
    struct fsp_random_state bad = good;
    struct fs_twister twister;
    unsigned char longer[sizeof good + 1] = {0};

    assert_true(fs_random_parse(&good, sizeof good, id, &twister));
    assert_int_equal(twister.position, 600);
    assert_false(fs_random_parse(&good, sizeof good - 1, id, &twister));
    assert_false(fs_random_parse(&good, 0, id, &twister));
    memcpy(longer, &good, sizeof good);
    assert_false(fs_random_parse(longer, sizeof longer, id, &twister));
    bad.head.position = FSP_RANDOM_WORDS + 1;
    assert_false(fs_random_parse(&bad, sizeof bad, id, &twister));
    bad = good;
    bad.head.magic = FSP_MAGIC;
    assert_false(fs_random_parse(&bad, sizeof bad, id, &twister));
    bad = good;
    bad.head.image++;
    assert_false(fs_random_parse(&bad, sizeof bad, id, &twister));
    bad = good;
    bad.head.key++;
    assert_false(fs_random_parse(&bad, sizeof bad, id, &twister));
}

/* Something else under the file's name: not waited for, not read. */
static void strange_files_are_left_alone(void **state) {
    (void)state;
    struct made_segment made = image(PARENT, 1, IMAGE, "/usr/bin/python3");
    char path[100];
    add_heir(&made, 1, inherited(1));
    add_heir(&made, 2, inherited(1));
    put(&made, "1000-10.seg");
    snprintf(path, sizeof path, "%s/4711-10000000.rng", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    fs_fold_pass(&fold, now, false);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/zero", path), 0);
    fs_fold_pass(&fold, now, false);
    assert_null(fs_table_newest(&table, CHILD)->heir->source->state);
    free(made.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(heirs_are_told_apart),
        CASE(words_seen_while_they_are_made_say_nothing),
        CASE(without_a_search_nothing_is_claimed),
        CASE(without_the_state_all_are_unknown),
        CASE(who_inherits_nothing_is_left_out),
        CASE(equal_families_come_in_the_order_of_their_births),
        CASE(samples_see_the_first_change),
        cmocka_unit_test(no_sight_is_half_of_one_state),
        cmocka_unit_test(memory_that_is_gone_is_no_sight),
        cmocka_unit_test(damaged_files_are_no_states),
        CASE(strange_files_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
