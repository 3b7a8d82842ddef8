/* What the slots of forked children say of the threads beside their parents, summed up. */
#include "tests/unit/fold_fixture.h"

/* Forks at one place: beside a thread, beside none, not looked at, and one for an exec. */
static void threads_alive_at_forks_are_summed_up(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/job");
    parent.sites[0] = (struct fsp_site){
        .kind = FSP_SITE_CALL, .key = 77, .module = "/bin/job", .symbol = "start", .offset = 5};
    parent.sites[1] = (struct fsp_site){
        .kind = FSP_SITE_ROUTINE, .key = 78, .module = "/lib/libpool.so", .offset = 7};
    parent.sites[2] = (struct fsp_site){
        .kind = FSP_SITE_CALL, .key = 79, .module = "/bin/job", .symbol = "main", .offset = 9};
    for (int i = 1; i <= 4; i++) {
        struct fsp_process *child =
            add_child(&parent, i, PARENT + i, FSP_BIRTH_FORK, (uint64_t)(20 + i) * MILLISECOND);
        child->beside_known = i != 3;
        if (i == 2) continue;
        child->beside_main = i == 1;
        child->beside_threads = 6;
        child->beside[0] =
            (struct fsp_beside){.routine = 78, .created = 79, .threads = 4, .by_forker = i == 1};
    }
    parent.processes[4].t_exec = 25 * MILLISECOND;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);

    struct fs_digest digest;
    const struct fs_evaluation evaluation = {.table = &table, .t_closed = now};
    fs_digest_init(&digest);
    assert_int_equal(fs_evaluate_fork_sites(&evaluation, &digest), 0);
    assert_int_equal(digest.fork_site_count, 1);
    const struct fs_fork_site *site = &digest.fork_sites[0];
    assert_string_equal(site->executable, "/bin/job");
    assert_string_equal(site->place.function, "start");
    assert_int_equal(site->forks, 4);
    assert_int_equal(site->execs, 1);
    assert_int_equal(site->unknown, 1);
    assert_int_equal(site->threaded, 1);
    assert_int_equal(site->threads_peak, 6);
    assert_int_equal(site->threads_more, 1);
    assert_int_equal(site->owner_count, 2);
    assert_true(site->owners[0].main);
    assert_string_equal(site->owners[1].library, "/lib/libpool.so");
    assert_string_equal(site->owners[1].started.function, "main");
    assert_int_equal(site->owners[1].threads, 4);
    assert_int_equal(site->owners[1].foreign_forks, 0);
    fs_digest_free(&digest);
    free(parent.bytes);
}

static void absurd_number_of_threads_is_not_believed(void **state) {
    (void)state;
    struct made_segment parent = image(PARENT, 1, 10 * MILLISECOND, "/bin/job");
    struct fsp_process *child = add_child(&parent, 1, CHILD, FSP_BIRTH_FORK, 20 * MILLISECOND);
    child->beside_known = 1;
    child->beside[FSP_BESIDE_MAX - 1].threads = UINT32_MAX;
    put(&parent, "1000-10.seg");
    fs_fold_pass(&fold, now, false);
    assert_int_equal(fold.bad, 1);
    assert_null(fs_table_newest(&table, CHILD));
    free(parent.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(threads_alive_at_forks_are_summed_up),
        CASE(absurd_number_of_threads_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
