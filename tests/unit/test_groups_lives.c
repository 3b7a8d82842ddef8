/* How the workers of a group ended, and whether anybody waited for them. */
#include "tests/unit/groups_fixture.h"

static void add_kill(int sender, int target, int number, int64_t t) {
    table.kills = fs_table_grow(&table, table.kills, table.kill_count, sizeof *table.kills);
    table.kills[table.kill_count++] =
        (struct fs_kill){.t = t, .sender = sender, .target = target, .signal = number};
}

static void death_tells_who_sent_the_signal(void **state) {
    (void)state;
    const struct fs_oom oom = {.after = 5 * second, .before = 6 * second};
    evaluation.ooms = &oom;
    evaluation.oom_count = 1;
    end_by(forked(200, second), 3 * second, SIGTERM);
    end_by(forked(201, second), 4 * second, SIGKILL);
    end_by(forked(202, second), 5 * second + second / 2, SIGKILL);
    add_kill(MAIN, 200, SIGTERM, 3 * second - 1000);
    const struct fs_group *group = evaluate();
    assert_int_equal(group->death_count, 3);
    /* Those that nobody of the job caused come first. */
    assert_int_equal(group->deaths[0].pid, 201);
    assert_int_equal(group->deaths[0].sent_by, 0);
    assert_false(group->deaths[0].oom);
    assert_true(group->deaths[1].oom);
    assert_int_equal(group->deaths[2].sent_by, MAIN);
    assert_true(group->deaths[2].sent_by_parent);
}

static void parent_that_waits_until_the_interrupt(void **state) {
    (void)state;
    struct fs_record *worker = forked(200, second);
    end_by(worker, 2 * second, SIGKILL);
    struct fs_record *other = forked(201, second);
    evaluation.interrupted = SIGINT;
    evaluation.t_interrupted = 8 * second;
    end_by(other, 8 * second + 1000, SIGINT); /* the end itself is no death of interest */
    parent->exit = FSP_EXIT_EXIT;
    end_by(parent, 8 * second + 5000, 1 << 8);
    fs_cohorts_assign(&cohorts, second);
    worker->cohort->last_active = 3 * second;
    const struct fs_group *group = evaluate();
    assert_int_equal(group->death_count, 1);
    assert_true(group->deaths[0].parent_waited);
    assert_int_equal(group->deaths[0].idle_ns, 5 * second);
}

/* Half a second in which the parent ran and queued for so long. */
static bool counts_as_active(struct fs_cohort *cohort, int64_t run, int64_t wait) {
    const int64_t from = cohort->watch_since, until = from + second / 2;
    struct fs_activity activity = {.t = until, .delta_run_ns = run, .delta_wait_ns = wait};

    parent->activity = &activity;
    fs_cohorts_sample(&cohorts, &sampler, until);
    parent->activity = NULL;
    return cohort->last_active == until;
}

/* A pool's parent looks after its workers ten times a second: on a busy node it waits for a CPU
 * then, for longer than it runs. */
static void parent_that_polls_on_a_busy_node_does_nothing(void **state) {
    const int64_t millisecond = second / 1000;
    (void)state;
    const struct fs_record *worker = forked(200, second);
    fs_cohorts_assign(&cohorts, second);
    struct fs_cohort *pool = worker->cohort;
    assert_false(counts_as_active(pool, 0, 0));
    assert_false(counts_as_active(pool, 5 * millisecond, 60 * millisecond));
    assert_false(counts_as_active(pool, 20 * millisecond, 0)); /* one that was held up */
    assert_true(counts_as_active(pool, 20 * millisecond, 0));  /* work, if little */
    for (int i = 0; i < 4; i++)
        assert_false(counts_as_active(pool, 0, 0));
    for (int i = 0; i < 4; i++) /* it slept for most of the time, so it is not at work */
        assert_false(counts_as_active(pool, 5 * millisecond, 200 * millisecond));
    for (int i = 0; i < 4; i++)
        assert_false(counts_as_active(pool, 0, 0));
    assert_true(counts_as_active(pool, 400 * millisecond, 0));
    assert_true(counts_as_active(pool, 5 * millisecond, 480 * millisecond)); /* gets no CPU */
}

/* The parent waits for a program whose child works: not for the worker that died. */
static void parent_waits_for_others_that_work(void **state) {
    (void)state;
    struct fs_record *worker = forked(200, second);
    end_by(worker, 2 * second, SIGKILL);
    struct fs_record *other = started(201, "/usr/bin/env", "env\0solver", 11, second);
    struct fs_record *below = begin(202, other, FSP_BIRTH_FORK, 2 * second);
    evaluation.interrupted = SIGTERM;
    evaluation.t_interrupted = 8 * second;
    fs_cohorts_assign(&cohorts, second);
    assert_ptr_not_equal(below->cohort, other->cohort);
    worker->cohort->last_active = 3 * second;
    below->cohort->last_active = 7 * second;
    const struct fs_group *group = evaluate();
    while (group->kind != FS_GROUP_FORK || group->death_count == 0)
        group++;
    assert_int_equal(group->deaths[0].idle_ns, second);
}

static void shell_learns_of_every_death(void **state) {
    (void)state;
    struct fs_record *shell = begin(200, parent, FSP_BIRTH_FORK, second);
    fs_record_add_stage(&table, shell, image(200, "/bin/bash", "bash\0x.sh", 10), second + 10);
    struct fs_record *first = begin(201, shell, FSP_BIRTH_FORK, second);
    fs_record_add_stage(&table, first, image(201, "/usr/bin/yes", "yes", 4), second + 10);
    end_by(first, 2 * second, SIGPIPE);
    evaluation.interrupted = SIGTERM;
    evaluation.t_interrupted = 8 * second;
    const struct fs_group *group = evaluate();
    while (group->death_count == 0)
        group++;
    assert_false(group->deaths[0].parent_waited);
}

static void parent_that_went_on_did_not_wait(void **state) {
    (void)state;
    end_by(forked(200, second), 2 * second, SIGKILL);
    parent->exit = FSP_EXIT_EXIT;
    end_by(parent, 9 * second, 0);
    assert_false(evaluate()->deaths[0].parent_waited);
}

static void children_nobody_waited_for(void **state) {
    (void)state;
    struct fs_record *left = forked(200, second), *session = forked(201, second),
                     *late = forked(202, second);
    end_by(forked(203, second), 3 * second, 0);
    struct fs_record *const gone[] = {left, session, late};
    for (size_t i = 0; i < 3; i++) {
        gone[i]->t_gone = (i == 2 ? 11 : 3) * second;
        fs_record_close(gone[i]);
    }
    session->own_session = true;
    parent->exit = FSP_EXIT_EXIT;
    end_by(parent, 10 * second, 0);
    evaluation.t_closed = 12 * second;
    const struct fs_group *group = evaluate();
    assert_int_equal(group->unwaited, 1);
    assert_int_equal(group->orphans, 1); /* the late one */
    assert_int_equal(group->orphan_examples[0], 202);
    assert_int_equal(group->orphans_ns, second);
}

static void parent_without_zombies_need_not_wait(void **state) {
    (void)state;
    struct fs_record *left = forked(200, second);
    left->t_gone = 2 * second;
    fs_record_close(left);
    parent->exit = FSP_EXIT_EXIT;
    parent->no_zombies = true;
    end_by(parent, 10 * second, 0);
    assert_int_equal(evaluate()->unwaited, 0);
}

/* Seen from outside: one after the other, and a look now and then. */
static void one_that_is_missed_later_was_no_colleague(void **state) {
    (void)state;
    struct fs_record *first = forked(200, second), *next = forked(201, 3 * second);
    first->t_seen = 2 * second;
    first->t_gone = next->t_seen = 4 * second;
    next->t_gone = 5 * second;
    fs_record_close(first);
    fs_record_close(next);
    const struct fs_group *group = evaluate();
    assert_int_equal(group->workers, 2);
    assert_int_equal(group->workers_peak, 1);
    assert_int_equal(group->window_ns, 4 * second);
}

static void two_that_were_seen_together_are_colleagues(void **state) {
    (void)state;
    struct fs_record *const both[] = {forked(200, second), forked(201, 2 * second)};
    for (size_t i = 0; i < 2; i++) {
        both[i]->t_seen = 3 * second;
        both[i]->t_gone = 4 * second;
        fs_record_close(both[i]);
    }
    assert_int_equal(evaluate()->workers_peak, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(death_tells_who_sent_the_signal),
        CASE(parent_that_waits_until_the_interrupt),
        CASE(parent_that_polls_on_a_busy_node_does_nothing),
        CASE(parent_waits_for_others_that_work),
        CASE(shell_learns_of_every_death),
        CASE(parent_that_went_on_did_not_wait),
        CASE(children_nobody_waited_for),
        CASE(parent_without_zombies_need_not_wait),
        CASE(one_that_is_missed_later_was_no_colleague),
        CASE(two_that_were_seen_together_are_colleagues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
