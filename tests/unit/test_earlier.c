/* What an interim digest adds to one that was folded after the collector's death. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/earlier.h"

static struct fs_digest folded, interim;

static struct fs_group *add_group(struct fs_digest *digest, int parent, const char *executable) {
    digest->groups = realloc(digest->groups, (digest->group_count + 1) * sizeof *digest->groups);
    struct fs_group *group = &digest->groups[digest->group_count++];
    *group = (struct fs_group){.parent = parent,
                               .executable = strdup(executable),
                               .workers_busy_peak = FS_UNKNOWN,
                               .threads_busy_peak = FS_UNKNOWN,
                               .busy_ns = FS_UNKNOWN,
                               .overlap_ns = FS_UNKNOWN,
                               .sample_ns = FS_UNKNOWN};
    group->deaths = calloc(1, sizeof *group->deaths);
    group->deaths[0] = (struct fs_death){.pid = 7, .signal = 9, .idle_ns = FS_UNKNOWN};
    group->death_count = 1;
    return group;
}

static int set_up(void **state) {
    (void)state;
    fs_digest_init(&folded);
    fs_digest_init(&interim);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    fs_digest_free(&folded);
    fs_digest_free(&interim);
    return 0;
}

static void samples_are_taken_by_like_groups(void **state) {
    (void)state;
    add_group(&folded, 5, "/bin/a")->workers = 9;
    add_group(&folded, 6, "/bin/a");
    struct fs_group *other = add_group(&interim, 5, "/bin/a");
    other->workers = 4;
    other->workers_busy_peak = 3;
    other->overlap_ns = 77;
    other->threads_owner = strdup("/lib/libgomp.so");
    other->deaths[0].idle_ns = 1234;
    other->deaths[0].oom = true;
    other->workers_scheduled = 2;
    other->run_ns = 10;
    other->wait_ns = 30;
    fs_digest_take_samples(&folded, &interim);
    assert_int_equal(folded.groups[0].workers, 9); /* the later count stays */
    assert_int_equal(folded.groups[0].workers_busy_peak, 3);
    assert_int_equal(folded.groups[0].overlap_ns, 77);
    assert_int_equal(folded.groups[0].wait_ns, 30);
    assert_string_equal(folded.groups[0].threads_owner, "/lib/libgomp.so");
    assert_int_equal(folded.groups[0].deaths[0].idle_ns, 1234);
    assert_true(folded.groups[0].deaths[0].oom);
    assert_int_equal(folded.groups[1].workers_busy_peak, FS_UNKNOWN);
    assert_int_equal(folded.groups[1].deaths[0].idle_ns, FS_UNKNOWN);
}

static void limits_and_counters_are_taken(void **state) {
    (void)state;
    interim.quota.version = 2;
    interim.quota.cpus = 0.5;
    interim.quota.path = strdup("/sys/fs/cgroup/x");
    interim.memory.version = 2;
    interim.memory.oom_kills = 1;
    interim.interrupted = 15;
    interim.environments_read = true;
    interim.busy_cpus_peak = 4;
    fs_digest_take_samples(&folded, &interim);
    assert_string_equal(folded.quota.path, "/sys/fs/cgroup/x");
    assert_null(interim.quota.path);
    assert_int_equal(folded.memory.oom_kills, 1);
    assert_int_equal(folded.interrupted, 15);
    assert_int_equal(folded.busy_cpus_peak, 4);
    assert_true(folded.environments_read);
}

static void teams_are_taken_whole(void **state) {
    (void)state;
    interim.teams = calloc(1, sizeof *interim.teams);
    interim.teams[0] = (struct fs_team){.owner = strdup("/lib/libgomp.so"), .busy = 4};
    interim.team_count = 1;
    interim.rivals = (struct fs_rivals){.teams = 2, .mask = hwloc_bitmap_alloc()};
    interim.teams_sampled = true;
    fs_digest_take_samples(&folded, &interim);
    assert_int_equal(folded.team_count, 1);
    assert_string_equal(folded.teams[0].owner, "/lib/libgomp.so");
    assert_int_equal(folded.rivals.teams, 2);
    assert_true(folded.teams_sampled);
    assert_int_equal(interim.team_count, 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(samples_are_taken_by_like_groups),
        CASE(limits_and_counters_are_taken),
        CASE(teams_are_taken_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
