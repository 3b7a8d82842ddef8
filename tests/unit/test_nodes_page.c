/* The page of a job of several nodes: rows, ranks, quantiles, what lies far off, clocks. */
#include "tests/unit/rule_fixture.h"

#include "report/overview.h"
#include "report/print/text.h"

#include <stdio.h>

enum { NODES_MOST = 40, TASKS_MOST = 4 };

/* A job of some nodes: as a clean pool each, until a test changes it. */
struct nodes {
    struct fixture node[NODES_MOST];
    struct fs_digest digests[NODES_MOST];
    char hosts[NODES_MOST][32];
    struct fs_task tasks[NODES_MOST][TASKS_MOST];
    size_t count;
    struct fs_job job;
    struct fs_verdict verdict;
};

static struct nodes nodes;

static struct fs_clock_mark mark_at(int64_t t, int64_t error_ns) {
    return (struct fs_clock_mark){.t = t,
                                  .realtime = INT64_C(1000000) * SECOND + t,
                                  .read_ns = 100,
                                  .error_ns = error_ns,
                                  .synchronised = error_ns >= 0};
}

static void make_nodes(size_t count) {
    nodes.count = count;
    for (size_t i = 0; i < count; i++) {
        struct fixture *f = &nodes.node[i];
        fixture_clean(f);
        snprintf(nodes.hosts[i], sizeof nodes.hosts[i], "nid%05zu", i + 12);
        f->digest.host = nodes.hosts[i];
        f->digest.cpu_ns = 11 * SECOND;
        f->digest.clocks.begin = mark_at(0, 200000);
        f->digest.clocks.end = mark_at(f->digest.wall_ns, 100000);
    }
}

/* Tasks with these masks on node number i; their ranks go on from those of the node before. */
static void add_tasks(size_t i, const char *const *masks, size_t count, int size) {
    struct fixture *f = &nodes.node[i];
    for (size_t j = 0; j < count; j++)
        nodes.tasks[i][j] = (struct fs_task){.launch = FS_LAUNCH_SRUN,
                                             .rank = (int)(i * count + j),
                                             .size = size,
                                             .executable = (char *)"/usr/bin/python3.11",
                                             .cpu_ns = 10 * SECOND,
                                             .workers = 2,
                                             .mask = fixture_mask(f, masks[j])};
    f->digest.tasks = nodes.tasks[i];
    f->digest.task_count = count;
}

/* The page; the job stays until end(). */
static char *page_of(bool verbose) {
    const struct fs_text_options options = {.verbose = verbose};
    char *text;
    size_t size;
    for (size_t i = 0; i < nodes.count; i++)
        nodes.digests[i] = nodes.node[i].digest;
    assert_int_equal(fs_job_build(&nodes.job, nodes.digests, nodes.count), 0);
    assert_int_equal(fs_judge(&nodes.job, NULL, &nodes.verdict), 0);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(fs_text_print(&nodes.job, &nodes.verdict, out, &options), 0);
    fclose(out);
    return text;
}

static void end(char *text) {
    free(text);
    fs_verdict_free(&nodes.verdict);
    fs_job_free(&nodes.job);
    for (size_t i = 0; i < nodes.count; i++)
        fixture_free(&nodes.node[i]);
    memset(&nodes, 0, sizeof nodes);
}

static void has(const char *text, const char *line) {
    if (!strstr(text, line)) fail_msg("no '%s' in\n%s", line, text);
}

static void a_row_for_each_of_few_nodes(void **state) {
    (void)state;
    make_nodes(2);
    static const char *const disjoint[] = {"0", "1"}, *const shared[] = {"1", "1"};
    add_tasks(0, disjoint, 2, 4);
    add_tasks(1, shared, 2, 4);
    nodes.tasks[1][1].cpu_ns = 20 * SECOND;
    char *text = page_of(false);
    has(text, "  2 nodes  4 ranks  10 processes  0:00:11\n");
    has(text, "\nNode      cpu%  CPUs  workers  ranks      masks                    busiest rank\n"
              "nid00012    50     2        4  0-1        2 disjoint, 1core/1pu    0  1.0x\n"
              "nid00013    50     2        4  2-3        2 shared, 1core/1pu      3  2.0x\n"
              "Clocks    nodes aligned to +-401 us (NTP)\n");
    has(text, "complete: 10/10 processes, 4/4 ranks, 0 events lost");
    end(text);
}

static void all_ranks_with_verbose(void **state) {
    (void)state;
    make_nodes(2);
    static const char *const masks[] = {"0-1", "1"};
    add_tasks(0, masks, 2, 5);
    add_tasks(1, masks, 2, 5);
    char *text = page_of(true);
    has(text, "\nRank      node      cpu s  workers  mask\n"
              "0         nid00012     10        2  0-1 (2core/2pu), shared\n"
              "1         nid00012     10        2  1 (1core/1pu), shared\n"
              "2         nid00013     10        2  0-1 (2core/2pu), shared\n");
    has(text, "4/5 ranks"); /* one was expected and did not come */
    end(text);
}

static void ranks_of_unknown_launches_are_only_counted(void **state) {
    (void)state;
    make_nodes(2);
    static const char *const masks[] = {"0", "1"};
    add_tasks(0, masks, 2, FS_UNKNOWN);
    nodes.tasks[0][1].mask = NULL;
    char *text = page_of(false);
    has(text, "processes, 2 ranks, ");
    has(text, "4  0-1        ?                        0  1.0x\n"
              "nid00013    50     2        2  -          -                        -\n");
    end(text);
}

static void quantiles_and_what_lies_far_off(void **state) {
    (void)state;
    make_nodes(NODES_MOST);
    nodes.node[3].digest.cpu_ns = SECOND;
    nodes.node[7].digest.cpu_ns = 2 * SECOND;
    fixture_pool(&nodes.node[5], &nodes.node[5].group[0], 2, "0");
    char *text = page_of(false);
    has(text, "\n40 nodes            min    p50    p90    p99    max  farthest off\n"
              "  CPUs used, %      4.5     50     50     50     50  nid000[15,19]\n"
              "  wall time, s       11     11     11     11     11\n"
              "  workers             2      2      2      2      2\n");
    has(text, "\nClasses   78 workers on nid000[12-16,18-51]: mask shape 2core/2pu, made at ");
    has(text, "\n          2 workers on nid00017: mask shape 1core/1pu, made at pool.py:41\n");
    has(text, "2 of 2 workers, 1 of 40 nodes\n  nodes   nid00017\n");
    const char *end_of_line = text;
    for (int lines = 0; *end_of_line; lines++) {
        assert_in_range(strcspn(end_of_line, "\n"), 0, 80);
        end_of_line += strcspn(end_of_line, "\n") + 1;
        assert_in_range(lines, 0, 39);
    }
    end(text);
}

static void clocks_are_as_good_as_the_worst(void **state) {
    (void)state;
    make_nodes(3);
    nodes.node[1].digest.clocks.begin.error_ns = 3000000;
    nodes.node[1].digest.clocks.begin.synchronised = true;
    nodes.node[2].digest.clocks.end.realtime += 2000000; /* a step */
    char *text = page_of(false);
    has(text, "\nClocks    nodes aligned to +-5.3 ms (NTP)\n"); /* 3.0 and 2.2 */
    end(text);

    make_nodes(3);
    nodes.node[1].digest.clocks.end.synchronised = false;
    text = page_of(false);
    has(text, "\nClocks    not aligned: unknown on nid00013\n");
    end(text);

    make_nodes(2);
    for (size_t i = 0; i < 2; i++)
        nodes.node[i].digest.clocks =
            (struct fs_clocks){.begin.realtime = FS_UNKNOWN, .end.realtime = FS_UNKNOWN};
    text = page_of(false);
    has(text, "\nClocks    not aligned: no node's clock is known to be synchronised\n");
    end(text);

    make_nodes(2);
    for (size_t i = 0; i < 2; i++)
        nodes.node[i].digest.clocks.boot = (char *)"ea417231-a8c0";
    text = page_of(false);
    has(text, "\nClocks    one for all nodes: they run in the same kernel\n");
    end(text);
}

static void one_node_is_told_as_ever(void **state) {
    (void)state;
    make_nodes(1);
    char *text = page_of(false);
    assert_null(strstr(text, "Clocks"));
    assert_null(strstr(text, "\nNode "));
    end(text);

    make_nodes(1); /* but for its ranks */
    static const char *const masks[] = {"0", "1"};
    add_tasks(0, masks, 2, 2);
    text = page_of(false);
    has(text, "  1 node  2 ranks  5 processes");
    has(text, "\nnid00012    50     2        4  0-1        2 disjoint, 1core/1pu    0  1.0x\n");
    assert_null(strstr(text, "Clocks"));
    end(text);
}

/* Two nodes with two records each. */
static void make_records(const int *steps) {
    static const char *const masks[] = {"0", "1"};
    make_nodes(4);
    for (size_t i = 0; i < 4; i++) {
        nodes.node[i].digest.host = nodes.hosts[i / 2];
        add_tasks(i, masks, 2, 4);
        for (size_t j = 0; j < 2; j++)
            nodes.tasks[i][j].step = steps[i % 2];
    }
}

static void steps_and_launches_are_no_nodes(void **state) {
    (void)state;
    static const int slurm[] = {0, 1}, none[] = {FS_UNKNOWN, FS_UNKNOWN};
    make_records(slurm);
    char *text = page_of(false);
    has(text, "  2 nodes  2 steps  8 ranks  20 processes  0:00:11\n");
    has(text, "\nNode.step   cpu%  CPUs  workers  ranks ");
    has(text, "\nnid00012.0    50     2        4  0-1 ");
    has(text, "\nnid00013.1    50     2        4  6-7 ");
    end(text);

    make_records(none);
    text = page_of(false);
    has(text, "  2 nodes  4 records  8 ranks ");
    has(text, "\nnid00012    50     2        4  0-1 ");
    end(text);
}

/* What a rule finds in each step of a node it finds on one node. */
static void findings_count_nodes_not_records(void **state) {
    (void)state;
    static const int slurm[] = {0, 1};
    make_records(slurm);
    for (size_t i = 0; i < 4; i++) {
        struct fs_group *group = &nodes.node[i].group[0];
        hwloc_bitmap_only(group->mask_union, 1);
        group->wait_ns = 10 * SECOND;
    }
    char *text = page_of(false);
    has(text, "2 of 2 nodes");
    end(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_for_each_of_few_nodes),
        cmocka_unit_test(all_ranks_with_verbose),
        cmocka_unit_test(ranks_of_unknown_launches_are_only_counted),
        cmocka_unit_test(quantiles_and_what_lies_far_off),
        cmocka_unit_test(clocks_are_as_good_as_the_worst),
        cmocka_unit_test(one_node_is_told_as_ever),
        cmocka_unit_test(steps_and_launches_are_no_nodes),
        cmocka_unit_test(findings_count_nodes_not_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
