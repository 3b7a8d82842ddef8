/* Records of many nodes: whatever files and directories their digests lie in and in whatever
 * order, the reports are the same to the byte, and few of the nodes are in memory at once. */
#include "tests/unit/chance.h"
#include "tests/unit/rule_fixture.h"

#include "report/commands.h"
#include "report/inputs.h"
#include "report/print/json.h"
#include "report/print/text.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES = 200, DIRECTORIES = 3, ROUNDS = 12 };

/* Most clocks are disciplined, each to an error of its own. */
static struct fs_clock_mark mark_at(int64_t t) {
    const bool synchronised = random_below(20) > 0;
    return (struct fs_clock_mark){.t = t,
                                  .realtime = 1000 * SECOND + t + random_below(5),
                                  .read_ns = random_below(100),
                                  .error_ns =
                                      synchronised ? (int)random_below(1000000) : FS_UNKNOWN,
                                  .synchronised = synchronised};
}

/* Ranks of one launch, the last of which may share its CPU. */
static void add_tasks(struct fixture *f, struct fs_task tasks[2], unsigned number) {
    for (unsigned i = 0; i < 2; i++)
        tasks[i] = (struct fs_task){.launch = FS_LAUNCH_SRUN,
                                    .rank = (int)(2 * number + i),
                                    .size = 2 * NODES,
                                    .local_rank = (int)i,
                                    .executable = (char *)(random_below(9) ? "/bin/a" : "/bin/b"),
                                    .status = 0,
                                    .end = FS_UNKNOWN,
                                    .cpu_ns = (int64_t)random_below(1000) * 1000000,
                                    .workers = (int)random_below(3),
                                    .mask = fixture_mask(f, i && random_below(5) ? "1" : "0")};
    f->digest.tasks = tasks;
    f->digest.task_count = 2;
}

/* One of a few kinds of node, with numbers of its own. */
static char *text_of_node(unsigned number) {
    static const char *const masks[] = {"0", "1", "0-1"};
    struct fs_task tasks[2];
    struct fixture f;
    char host[16], *text;
    size_t size;
    fixture_machine(&f, number % 3 ? "pack:1 core:2 pu:1" : "pack:2 core:1 pu:1", "0-1");
    fixture_pool(&f, &f.group[0], 2 + (int)random_below(4), masks[random_below(3)]);
    fixture_pool(&f, &f.group[1], 2, "0-1");
    f.group[0].site.line = 41 + (int)random_below(2);
    f.group[0].wait_ns += random_below(1000);
    f.group[1].site.line = 50;
    f.digest.group_count = 1 + random_below(2);
    f.digest.wall_ns += random_below(1000000);
    f.digest.start_realtime = number % 4 < 2 ? 0 : random_below(3);
    f.digest.cpu_ns = f.group[0].cpu_ns / (1 + random_below(3));
    f.digest.clocks.begin = mark_at(0);
    f.digest.clocks.end = mark_at(f.digest.wall_ns);
    f.digest.complete.processes = 5 + (int)random_below(3);
    f.digest.complete.recorded = 5;
    f.digest.complete.collector_cpu_ns = random_below(1000000);
    add_tasks(&f, tasks, number);
    if (random_below(4) == 0)
        f.digest.quota = (struct fs_quota){.version = 2,
                                           .cpus = 1.5,
                                           .periods = 100,
                                           .throttled = 60 + random_below(40),
                                           .throttled_ns = 5 * SECOND + random_below(1000000),
                                           .runnable_mean = 2,
                                           .runnable_peak = 2};
    f.digest.complete.interim = random_below(5) == 0;
    if (random_below(3) == 0) f.digest.complete.unseen[FS_UNSEEN_STATIC] = 1 + (int)random_below(3);
    f.digest.complete.unseen_example[FS_UNSEEN_STATIC] =
        (char *)(random_below(2) ? "/bin/a" : "/bin/b");
    snprintf(host, sizeof host, "n%03u", number / 2); /* two jobs ran on each host */
    f.digest.host = host;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(fs_digest_write(&f.digest, out), 0);
    fclose(out);
    fixture_free(&f);
    return text;
}

/* Takes the topology's line out of a digest: another one in the job has it. */
static void cut_topology(char *text) {
    char *line = strstr(text, "{\"forksight\":1,\"kind\":\"topology\"");
    assert_non_null(line);
    const char *rest = strchr(line, '\n') + 1;
    memmove(line, rest, strlen(rest) + 1);
}

static char directory[] = "/tmp/forksight-merge-XXXXXX";

static void folder_of(char path[64], unsigned number) {
    snprintf(path, 64, "%s/%u", directory, number);
}

/* File number `file` lies in one of the directories. */
static void path_of(char path[64], unsigned file) {
    snprintf(path, 64, "%s/%u/%u.digest", directory, file % DIRECTORIES, file);
}

static void make_folders(void) {
    char path[64];
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    assert_non_null(mkdtemp(directory));
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        folder_of(path, i);
        assert_int_equal(mkdir(path, 0700), 0);
    }
}

static void remove_folders(void) {
    char path[64];
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        folder_of(path, i);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

/* Deals the texts in an order of its own to so many files. */
static void deal(char *const *texts, unsigned files) {
    char *order[NODES], path[64];
    memcpy(order, texts, sizeof order);
    for (unsigned i = NODES; i > 1; i--) {
        const unsigned other = random_below(i);
        char *text = order[other];
        order[other] = order[i - 1];
        order[i - 1] = text;
    }
    for (unsigned i = 0; i < NODES; i++) {
        path_of(path, i < files ? i : random_below(files));
        FILE *out = fopen(path, "a");
        assert_non_null(out);
        fputs(order[i], out);
        assert_int_equal(fclose(out), 0);
    }
}

static void print_both(const struct fs_job *job, const struct fs_verdict *verdict, FILE *out) {
    const struct fs_text_options pages[] = {{0}, {.top = 1000, .rules = true, .verbose = true}};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        assert_int_equal(fs_text_print(job, verdict, out, &pages[i]), 0);
    assert_int_equal(fs_json_print(job, verdict, out), 0);
}

/* The text reports and the one for machines, one after the other. */
static char *reports_of(unsigned files) {
    char folders[DIRECTORIES][64], path[64], *text, error[512] = "";
    const char *directories[DIRECTORIES];
    struct fs_verdict verdict;
    struct fs_job job;
    size_t size, count = files < DIRECTORIES ? files : DIRECTORIES;
    for (unsigned i = 0; i < count; i++) {
        folder_of(folders[i], i);
        directories[i] = folders[i];
    }
    if (fs_load_and_judge(&job, &verdict, directories, count, NULL, error, sizeof error) < 0)
        fail_msg("%s", error);
    FILE *out = open_memstream(&text, &size);
    print_both(&job, &verdict, out);
    fclose(out);
    fs_verdict_free(&verdict);
    fs_job_free(&job);
    for (unsigned i = 0; i < files; i++) {
        path_of(path, i);
        assert_int_equal(unlink(path), 0);
    }
    return text;
}

static void order_and_grouping_change_nothing(void **state) {
    (void)state;
    char *texts[NODES], *first = NULL;
    for (unsigned i = 0; i < NODES; i++)
        texts[i] = text_of_node(i);
    for (unsigned i = 6; i < NODES; i += 3)
        cut_topology(texts[i]);
    make_folders();
    for (unsigned round = 0; round < ROUNDS; round++) {
        const unsigned files = round ? 1 + random_below(NODES) : NODES;
        deal(texts, files);
        char *report = reports_of(files);
        if (!first) {
            first = report;
            continue;
        }
        assert_string_equal(first, report);
        free(report);
    }
    assert_non_null(strstr(first, "100 nodes  200 records"));
    assert_non_null(strstr(first, "error[AFF-01]"));
    assert_non_null(strstr(first, " of 100 nodes\n"));
    assert_non_null(strstr(first, "\n  nodes   n"));
    assert_non_null(strstr(first, "OVS-04"));
    assert_non_null(strstr(first, "not entered: "));
    assert_non_null(strstr(first, "\"hostlist\": \"n"));
    assert_non_null(strstr(first, "\nClocks    not aligned: unknown on n"));
    assert_non_null(strstr(first, "\n200 records "));
    assert_non_null(strstr(first, ", 400/400 ranks, "));
    assert_non_null(strstr(first, "\"rank_cpu_s\": {"));
    remove_folders();
    for (unsigned i = 0; i < NODES; i++)
        free(texts[i]);
    free(first);
}

struct count {
    size_t visited, wanted;
};

/* Wants every tenth node. */
static int count_nodes(const struct fs_node *node, void *context) {
    struct count *count = context;
    const bool wanted = count->visited++ % 10 == 0;
    assert_non_null(node->digest->topology);
    count->wanted += wanted;
    return wanted;
}

static void few_nodes_stay(void **state) {
    (void)state;
    char path[64], folder[64], error[256] = "";
    const char *const directories[] = {folder};
    struct fs_job job;
    struct count count = {0};
    make_folders();
    folder_of(folder, 0);
    path_of(path, 0);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    for (unsigned i = 0; i < NODES; i++) {
        char *text = text_of_node(i);
        fputs(text, out);
        free(text);
    }
    assert_int_equal(fclose(out), 0);
    if (fs_job_load(&job, directories, 1, count_nodes, &count, error, sizeof error) != 0)
        fail_msg("%s", error);
    assert_int_equal(count.visited, NODES);
    assert_int_equal(job.totals.records, NODES);
    assert_int_equal(job.totals.nodes, (NODES + 1) / 2);
    /* the first ones, and of the rest those that were wanted */
    assert_int_equal(job.node_count, FS_NODES_KEPT + count.wanted - 2);
    for (size_t i = 1; i < job.node_count; i++)
        assert_true(strcmp(job.nodes[i - 1].digest->host, job.nodes[i].digest->host) <= 0);
    fs_job_free(&job);
    unlink(path);
    remove_folders();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_grouping_change_nothing),
        cmocka_unit_test(few_nodes_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
