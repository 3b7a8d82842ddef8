/* Topology text, counts in masks, masks as lists. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/model.h"
#include "tracer/digest.h"
#include "tracer/job_mask.h"
#include "tracer/mask.h"
#include "tracer/topology.h"

/* Two packages, each a NUMA node with two cores of two hardware threads (0 and 4 ...). */
static const char *const two_packages = "P0{N0 L{C0{U0 U4}C1{U1 U5}}}P1{N1 L{C0{U2 U6}C1{U3 U7}}}";

static hwloc_topology_t load(const char *text) {
    hwloc_topology_t topology;
    assert_int_equal(fs_topology_from_text(text, &topology), 0);
    return topology;
}

static hwloc_bitmap_t mask_of(const char *list) {
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    assert_int_equal(fs_mask_parse(mask, list, strlen(list)), 0);
    return mask;
}

static void assert_same_after_text(hwloc_topology_t topology) {
    char *text = fs_topology_text(topology);
    assert_non_null(text);
    hwloc_topology_t again = load(text);
    char *second = fs_topology_text(again);
    assert_string_equal(text, second);
    assert_int_equal(fs_topology_total_cpus(topology), fs_topology_total_cpus(again));
    assert_int_equal(fs_topology_total_cores(topology), fs_topology_total_cores(again));
    assert_int_equal(fs_topology_total_numa_nodes(topology), fs_topology_total_numa_nodes(again));
    hwloc_topology_check(again);
    hwloc_topology_destroy(again);
    free(text);
    free(second);
}

static void this_machine_survives_as_text(void **state) {
    (void)state;
    hwloc_topology_t topology;
    assert_int_equal(fs_topology_discover(&topology), 0);
    assert_true(fs_topology_total_cpus(topology) >= 1);
    assert_same_after_text(topology);
    hwloc_topology_destroy(topology);
}

static void large_machines_survive_as_text(void **state) {
    (void)state;
    static const char *const machines[] = {
        "package:2 [numa] l3:1 core:64 pu:2",
        "package:2 [numa] l3:8 core:8 pu:2",
        "package:1 [numa] group:4 [numa] l3:2 core:4 pu:1",
        "[numa] pu:1",
        "package:4 die:2 [numa] core:2 pu:4",
        "package:2 l3:1 l2:8 core:2 pu:2",
    };
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        hwloc_topology_t topology;
        assert_int_equal(hwloc_topology_init(&topology), 0);
        assert_int_equal(hwloc_topology_set_synthetic(topology, machines[i]), 0);
        assert_int_equal(hwloc_topology_load(topology), 0);
        assert_same_after_text(topology);
        hwloc_topology_destroy(topology);
    }
}

static void text_holds_the_shape(void **state) {
    (void)state;
    hwloc_topology_t topology = load(two_packages);
    char *text = fs_topology_text(topology);
    assert_string_equal(text, two_packages);
    assert_int_equal(fs_topology_total_cpus(topology), 8);
    assert_int_equal(fs_topology_total_cores(topology), 4);
    assert_int_equal(fs_topology_total_numa_nodes(topology), 2);
    char hash[FS_TOPOLOGY_HASH_SIZE], other[FS_TOPOLOGY_HASH_SIZE];
    fs_topology_hash(text, hash);
    fs_topology_hash("C0{U0}N0", other);
    assert_int_equal(strlen(hash), FS_TOPOLOGY_HASH_SIZE - 1);
    assert_string_not_equal(hash, other);
    free(text);
    hwloc_topology_destroy(topology);
}

static void bad_text_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",                       /* no CPU */
        "N0",                     /* no CPU */
        "C0{U0}",                 /* no memory */
        "N0 C0{U0",               /* open brace */
        "N0 C0{U0}}",             /* one too many */
        "N0{C0{U0}}",             /* memory holds nothing */
        "N0 U0{U1}",              /* a PU holds nothing */
        "N0 C0{U0}C1{U0}",        /* a CPU twice */
        "N0 N0 C0{U0}",           /* a node twice */
        "N0 C0{U1}C1{U0}",        /* out of order */
        "N1 N0 C0{U0}",           /* out of order */
        "C0{U0}N0",               /* memory comes first */
        "N0 C0{}C1{U0}",          /* a core without a CPU */
        "N0 C0{P0{U0}}",          /* inside out */
        "N0 C0{U}",               /* a CPU without a number */
        "N0 C0{U8192}",           /* too large */
        "N0 C0{U99999999999999}", /* far too large */
        "N0 X0{U0}",              /* unknown letter */
        "N C0{U0}",               /* a node without a number */
        "{N0 U0}",                /* a brace of nobody */
        ("N0 G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{G{U0"
         "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hwloc_topology_t topology;
        errno = 0;
        assert_int_equal(fs_topology_from_text(texts[i], &topology), -1);
        assert_int_equal(errno, EBADMSG);
        assert_null(topology);
    }
}

static void cores_of_masks_are_counted(void **state) {
    (void)state;
    hwloc_topology_t topology = load(two_packages);
    static const struct {
        const char *list;
        int cores;
    } cases[] = {
        {"0,4", 1}, {"0", 1}, {"0-3", 4}, {"0-7", 4}, {"0,100", 2}, {"100-102", 3}, {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hwloc_bitmap_t mask = mask_of(cases[i].list);
        assert_int_equal(fs_mask_cores(topology, mask), cases[i].cores);
        assert_int_equal(fs_mask_cores(NULL, mask), FS_UNKNOWN);
        hwloc_bitmap_free(mask);
    }
    assert_int_equal(fs_mask_cores(topology, NULL), FS_UNKNOWN);
    hwloc_topology_destroy(topology);
}

static void lists_become_masks(void **state) {
    (void)state;
    static const char *const good[] = {"", "0", "0-3", "0-3,8,10-11", "8191"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        hwloc_bitmap_t mask = mask_of(good[i]);
        char *text = fs_mask_text(mask);
        assert_string_equal(text, good[i]);
        free(text);
        hwloc_bitmap_free(mask);
    }
    static const char *const bad[] = {"-",       "0-",  "3-1",  "0,",     ",0",
                                      "a",       "0 1", "8192", "0-8192", "99999999999999999999",
                                      "0-3:2/4", "\n\n"};
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        assert_int_equal(fs_mask_parse(mask, bad[i], strlen(bad[i])), -1);
        assert_int_equal(errno, EBADMSG);
        assert_true(hwloc_bitmap_iszero(mask));
    }
    hwloc_bitmap_free(mask);
}

static void words_become_masks(void **state) {
    (void)state;
    const uint64_t words[2] = {UINT64_C(1) << 63 | 1, 2};
    hwloc_bitmap_t mask = hwloc_bitmap_alloc(), own = fs_mask_own();
    fs_mask_from_words(mask, words, 2);
    char *text = fs_mask_text(mask);
    assert_string_equal(text, "0,63,65");
    assert_int_equal(fs_mask_weight(mask), 3);
    assert_int_equal(fs_mask_weight(NULL), 0);
    assert_true(fs_mask_weight(own) >= 1);
    assert_true(fs_mask_equal(NULL, NULL));
    assert_false(fs_mask_equal(mask, NULL));
    assert_false(fs_mask_equal(mask, own));
    free(text);
    hwloc_bitmap_free(mask);
    hwloc_bitmap_free(own);
}

static void the_job_has_cpus_of_its_group_first(void **state) {
    (void)state;
    static const struct {
        const char *start, *cpuset;
        int granted;
        const char *mask, *from;
    } cases[] = {
        {"2", "0-7", FS_UNKNOWN, "2", "mask"},
        {"0-7", "2-3", FS_UNKNOWN, "2-3", "cpuset"},
        {"0-7", "", 8, "0-7", "mask"},
        {"2", "2-3,6-7", 4, "2-3,6-7", "cpuset"}, /* the group is the job's */
        {"2", "2-3,6-7", 2, "2,6", "slurm"},      /* the core's other thread */
        {"2", "2-3,7", 2, "2-3", "slurm"},        /* the group's other CPUs */
        {"2", "2-3,6", 5, "0,2-4,6", "slurm"},    /* then the machine's */
        {"2", "0-7", 4, "0,2,4,6", "slurm"},      /* whole cores */
        {"2,3", NULL, 4, "2-3,6-7", "slurm"},     /* --hint=nomultithread */
        {"2", "0-1", 3, "0,2,6", "slurm"},        /* a group that has nothing of it */
        {"2-3", "0-7", 2, "2-3", "mask"},         /* as many as granted */
    };
    hwloc_topology_t topology = load(two_packages);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hwloc_bitmap_t start = mask_of(cases[i].start);
        hwloc_bitmap_t cpuset = cases[i].cpuset ? mask_of(cases[i].cpuset) : NULL;
        const char *from;
        hwloc_bitmap_t mask = fs_job_mask(start, cpuset, topology, cases[i].granted, &from);
        char *text = fs_mask_text(mask);
        assert_string_equal(text, cases[i].mask);
        assert_string_equal(from, cases[i].from);
        free(text);
        hwloc_bitmap_free(mask);
        mask = fs_job_mask(start, cpuset, NULL, cases[i].granted, &from);
        assert_string_not_equal(from, "slurm");
        hwloc_bitmap_free(mask);
        hwloc_bitmap_free(cpuset);
        hwloc_bitmap_free(start);
    }
    hwloc_topology_destroy(topology);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_machine_survives_as_text),
        cmocka_unit_test(large_machines_survive_as_text),
        cmocka_unit_test(text_holds_the_shape),
        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(cores_of_masks_are_counted),
        cmocka_unit_test(lists_become_masks),
        cmocka_unit_test(words_become_masks),
        cmocka_unit_test(the_job_has_cpus_of_its_group_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
