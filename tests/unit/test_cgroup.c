/* Control groups of captured systems: both versions, both at once, and hidden ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/cgroup.h"
#include "tracer/mask.h"

static void read_groups(const char *root, int pid, struct fs_cgroup_snapshot *snapshot) {
    struct fs_cgroups *groups = fs_cgroups_find(root, pid);
    assert_non_null(groups);
    assert_int_equal(fs_cgroups_read(groups, snapshot), 0);
    assert_int_equal(fs_cgroups_oom_kills(groups), snapshot->oom_kills);
    fs_cgroups_free(groups);
}

static void assert_cpus(hwloc_const_bitmap_t mask, const char *list) {
    assert_non_null(mask);
    char *text = fs_mask_text(mask);
    assert_string_equal(text, list);
    free(text);
}

static void version_2_takes_the_tightest(void **state) {
    (void)state;
    struct fs_cgroup_snapshot it;
    read_groups("tests/data/slurm-v2", 4711, &it);
    assert_cpus(it.cpuset, "0-3,64-67");
    assert_int_equal(it.quota_version, 2);
    assert_true(it.quota_cpus == 6.0);
    assert_string_equal(it.quota_path, "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_42");
    assert_int_equal(it.periods, 500);
    assert_int_equal(it.throttled, 120);
    assert_int_equal(it.throttled_ns, 7000000000);
    assert_int_equal(it.memory_version, 2);
    assert_int_equal(it.memory_limit, 17179869184);
    assert_int_equal(it.oom_kills, 1);
    assert_int_equal(it.pids_max, 4096);
    assert_int_equal(it.pids_peak, 77);
    assert_int_equal(it.refused_own, 1);
    assert_int_equal(it.refused_limit, 3);
    fs_cgroup_snapshot_free(&it);
}

static void version_1_takes_the_tightest(void **state) {
    (void)state;
    struct fs_cgroup_snapshot it;
    read_groups("tests/data/slurm-v1", 815, &it);
    assert_cpus(it.cpuset, "4-6");
    assert_int_equal(it.quota_version, 1);
    assert_true(it.quota_cpus == 0.5);
    assert_string_equal(it.quota_path, "/sys/fs/cgroup/cpu,cpuacct/slurm/uid_1000/job_42");
    assert_int_equal(it.periods, 200);
    assert_int_equal(it.throttled, 180);
    assert_int_equal(it.throttled_ns, 12345678901);
    assert_int_equal(it.memory_version, 1);
    assert_int_equal(it.memory_limit, 2147483648);
    assert_int_equal(it.memory_peak, 2147483648);
    assert_int_equal(it.oom_kills, 2);
    assert_int_equal(it.pids_max, FS_UNKNOWN);
    assert_int_equal(it.pids_now, 50);
    assert_int_equal(it.pids_peak, FS_UNKNOWN);
    fs_cgroup_snapshot_free(&it);
}

static void both_at_once_use_the_one_with_the_controller(void **state) {
    (void)state;
    struct fs_cgroup_snapshot it;
    read_groups("tests/data/hybrid", 99, &it);
    assert_cpus(it.cpuset, "0-1");
    assert_int_equal(it.quota_version, 1);
    assert_true(isinf(it.quota_cpus));
    assert_string_equal(it.quota_path, "/sys/fs/cgroup/cpu");
    assert_int_equal(it.throttled, 0);
    assert_int_equal(it.memory_limit, FS_UNKNOWN);
    assert_string_equal(it.memory_path, "/sys/fs/cgroup/memory/app/399cfa59");
    assert_int_equal(it.oom_kills, 0);
    fs_cgroup_snapshot_free(&it);
}

/* The limits of the nearest visible ancestor hold; what it counted is not only ours. */
static void hidden_group_shows_limits_but_no_counters(void **state) {
    (void)state;
    struct fs_cgroup_snapshot it;
    read_groups("tests/data/container", 7, &it);
    assert_cpus(it.cpuset, "2");
    assert_true(it.quota_cpus == 2.5);
    assert_string_equal(it.quota_path, "/mnt/my cgroups");
    assert_int_equal(it.memory_limit, 1073741824);
    assert_int_equal(it.oom_kills, FS_UNKNOWN);
    assert_int_equal(it.refused_own, FS_UNKNOWN);
    assert_int_equal(it.refused_limit, 4);
    fs_cgroup_snapshot_free(&it);
}

static void nothing_there_is_unknown(void **state) {
    (void)state;
    static const struct {
        const char *root;
        int pid;
    } cases[] = {{"tests/data/slurm-v2", 1}, {"/nowhere", 1}, {"tests/data/processes", 200}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fs_cgroup_snapshot it;
        read_groups(cases[i].root, cases[i].pid, &it);
        assert_null(it.cpuset);
        assert_null(it.quota_path);
        assert_int_equal(it.quota_version, 0);
        assert_true(isnan(it.quota_cpus));
        assert_int_equal(it.memory_limit, FS_UNKNOWN);
        assert_int_equal(it.oom_kills, FS_UNKNOWN);
        assert_int_equal(it.pids_max, FS_UNKNOWN);
        fs_cgroup_snapshot_free(&it);
    }
}

static void this_system_can_be_read(void **state) {
    (void)state;
    struct fs_cgroup_snapshot it;
    read_groups("", 0, &it);
    fs_cgroup_snapshot_free(&it);
}

static void differences_fill_the_digest(void **state) {
    (void)state;
    struct fs_cgroup_snapshot start, end;
    struct fs_digest digest;
    fs_digest_init(&digest);
    digest.quota.runnable_peak = 3;
    read_groups("tests/data/slurm-v2", 4711, &start);
    read_groups("tests/data/slurm-v2", 4711, &end);
    end.periods += 100;
    end.throttled += 90;
    end.throttled_ns += 5;
    end.oom_kills += 2;
    end.refused_own += 4;
    end.refused_limit += 1;
    assert_int_equal(fs_cgroup_difference(&start, &end, &digest), 0);
    assert_int_equal(digest.quota.periods, 100);
    assert_int_equal(digest.quota.throttled, 90);
    assert_int_equal(digest.quota.throttled_ns, 5);
    assert_true(digest.quota.cpus == 6.0);
    assert_true(digest.quota.runnable_peak == 3);
    assert_int_equal(digest.memory.oom_kills, 2);
    assert_int_equal(digest.pids.refused, 4);
    /* Another group limits now, or the counter went back: not known. */
    free(end.quota_path);
    end.quota_path = strdup("/elsewhere");
    end.oom_kills = 0;
    assert_int_equal(fs_cgroup_difference(&start, &end, &digest), 0);
    assert_int_equal(digest.quota.periods, FS_UNKNOWN);
    assert_int_equal(digest.memory.oom_kills, FS_UNKNOWN);
    assert_string_equal(digest.quota.path, "/elsewhere");
    fs_cgroup_snapshot_free(&start);
    fs_cgroup_snapshot_free(&end);
    fs_digest_free(&digest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_takes_the_tightest),
        cmocka_unit_test(version_1_takes_the_tightest),
        cmocka_unit_test(both_at_once_use_the_one_with_the_controller),
        cmocka_unit_test(hidden_group_shows_limits_but_no_counters),
        cmocka_unit_test(nothing_there_is_unknown),
        cmocka_unit_test(this_system_can_be_read),
        cmocka_unit_test(differences_fill_the_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
