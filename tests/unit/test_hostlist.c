/* Lists of hosts: their form, and that Slurm's reader takes out of them what was put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/hostlist.h"
#include "tests/unit/chance.h"
#include "tracer/scheduler.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { HOSTS_MAX = 64, ROUNDS = 3000, LIMIT = 4096 };

/* Splits text at spaces in place. */
static size_t words_of(char *text, const char **words) {
    size_t count = 0;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    return count;
}

static void forms(void **state) {
    (void)state;
    static const struct {
        const char *hosts, *list;
    } cases[] = {
        {"", ""},
        {"n1", "n1"},
        {"n1 n1", "n1"},
        {"n2 n1 n3", "n[1-3]"},
        {"nid04420 nid04411 nid04412", "nid0[4411-4412,4420]"},
        {"n001 n002 n010 n011", "n0[01-02,10-11]"},
        {"n08 n09 n10 n11", "n[08-11]"},
        {"n8 n9 n10 n11", "n[8-11]"},
        {"n0 n1", "n[0-1]"},
        {"n00 n01", "n0[0-1]"},
        {"n99 n099 n100", "n[99,099-100]"},
        {"b2 a1 b1 login", "a1,b[1-2],login"},
        {"rack1-node rack2-node", "rack[1-2]-node"},
        {"n1.site.example n2.site.example", "n[1-2].site.example"},
        {"10.0.0.1 10.0.0.2", "10.0.0.1,10.0.0.2"},
        {"x[1 x[2", "x[1,x[2"},
        {"n12345678901 n12345678902", "n12[345678901-345678902]"},
        {"7 8", "7,8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_arena arena = {0};
        const char *words[HOSTS_MAX];
        char text[256];
        size_t left_out;
        snprintf(text, sizeof text, "%s", cases[i].hosts);
        const size_t count = words_of(text, words);
        assert_string_equal(fs_hostlist(&arena, words, count, LIMIT, &left_out), cases[i].list);
        assert_int_equal(left_out, 0);
        fs_arena_free(&arena);
    }
}

static void what_does_not_fit_is_counted(void **state) {
    (void)state;
    static const char *const hosts[] = {"a1", "a3", "a5", "a7", "b1", "b2", "c"};
    static const struct {
        size_t limit;
        const char *list;
        size_t left_out;
    } cases[] = {{100, "a[1,3,5,7],b[1-2],c", 0},
                 {19, "a[1,3,5,7],b[1-2],c", 0},
                 {18, "a[1,3,5,7],b[1-2]", 1},
                 {16, "a[1,3,5,7]", 3},
                 {9, "a[1,3,5]", 4},
                 {4, "a[1]", 6},
                 {3, "", 7},
                 {0, "", 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_arena arena = {0};
        size_t left_out;
        assert_string_equal(fs_hostlist(&arena, hosts, 7, cases[i].limit, &left_out),
                            cases[i].list);
        assert_int_equal(left_out, cases[i].left_out);
        fs_arena_free(&arena);
    }
}

/* A name of a few families, so that neighbours and near misses are frequent. */
static void make_name(char name[64]) {
    static const char *const prefixes[] = {"n", "nid0", "r1n", "login", "gpu-"};
    static const char *const suffixes[] = {"", "", "", "-ib", "x"};
    static const unsigned limits[] = {12, 112, 1100};
    const char *prefix = prefixes[random_below(5)], *suffix = suffixes[random_below(5)];
    const unsigned number = random_below(limits[random_below(3)]);
    if (random_below(12) == 0)
        snprintf(name, 64, "%s%s", prefix, suffix);
    else
        snprintf(name, 64, "%s%0*u%s", prefix, (int)random_below(5), number, suffix);
}

static bool is_among(const char *name, const char *const *hosts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(hosts[i], name) == 0) return true;
    return false;
}

/* Every host has a place of its own in the list, the places have no gaps, and no other name
 * is found. */
static void check_places(const char *list, const char *const *hosts, size_t count) {
    bool taken[HOSTS_MAX] = {false};
    char other[64];
    for (size_t i = 0; i < count; i++) {
        const int place = fs_slurm_node_index(list, hosts[i]);
        if (place < 0 || (size_t)place >= count || taken[place])
            fail_msg("%s in %s: %d", hosts[i], list, place);
        taken[place] = true;
    }
    for (int i = 0; i < 20; i++) {
        make_name(other);
        if (!is_among(other, hosts, count) && fs_slurm_node_index(list, other) != -1)
            fail_msg("%s is not in %s", other, list);
    }
}

static void scheduler_reads_what_is_written(void **state) {
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct fs_arena arena = {0};
        char names[HOSTS_MAX][64];
        const char *hosts[HOSTS_MAX];
        const size_t wanted = 1 + random_below(HOSTS_MAX);
        size_t count = 0, left_out;
        for (size_t i = 0; i < wanted; i++) {
            make_name(names[count]);
            hosts[count] = names[count];
            count += !is_among(names[count], hosts, count);
        }
        const char *list = fs_hostlist(&arena, hosts, count, LIMIT, &left_out);
        assert_int_equal(left_out, 0);
        check_places(list, hosts, count);
        fs_arena_free(&arena);
    }
}

static void order_of_hosts_does_not_matter(void **state) {
    (void)state;
    struct fs_arena arena = {0};
    char names[HOSTS_MAX][64];
    const char *hosts[HOSTS_MAX];
    size_t left_out;
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        make_name(names[i]);
        hosts[i] = names[i];
    }
    const char *first = fs_hostlist(&arena, hosts, HOSTS_MAX, LIMIT, &left_out);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = HOSTS_MAX; i > 1; i--) {
            const unsigned other = random_below(i);
            const char *host = hosts[other];
            hosts[other] = hosts[i - 1];
            hosts[i - 1] = host;
        }
        assert_string_equal(fs_hostlist(&arena, hosts, HOSTS_MAX, LIMIT, &left_out), first);
    }
    fs_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(scheduler_reads_what_is_written),
        cmocka_unit_test(order_of_hosts_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
