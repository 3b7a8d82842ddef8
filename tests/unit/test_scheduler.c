/* Slurm and PBS facts from environments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/scheduler.h"

static void counts_of_lists(void **state) {
    (void)state;
    static const struct {
        const char *list;
        int index, count;
    } cases[] = {
        {"16(x2),8", 0, 16},
        {"16(x2),8", 1, 16},
        {"16(x2),8", 2, 8},
        {"16(x2),8", 3, -1},
        {"16(x2),8", -1, -1},
        {"16(x3)", -1, 16},
        {"4,4", -1, 4},
        {"64", 0, 64},
        {"", 0, -1},
        {"", -1, -1},
        {"x", 0, -1},
        {"16(x", 0, -1},
        {"16(x2", 0, -1},
        {"16(x0)", 0, -1},
        {"16 8", 0, -1},
        {"99999999999", 0, -1},
        {"1(x2147483647),2", 2147483647, 2},
        {"16(x2)8", 0, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(fs_slurm_count_at(cases[i].list, cases[i].index), cases[i].count);
}

static void nodes_of_lists(void **state) {
    (void)state;
    static const struct {
        const char *list, *host;
        int index;
    } cases[] = {
        {"n1", "n1", 0},
        {"n1", "n1.cluster.example", 0},
        {"n1.cluster", "n1", 0},
        {"n1", "n2", -1},
        {"n[1-3]", "n2", 1},
        {"n[001-003,7],login1", "n002", 1},
        {"n[001-003,7],login1", "n7", 3},
        {"n[001-003,7],login1", "login1", 4},
        {"n[001-003,7],login1", "n2", -1},
        {"n[1-3]", "n02", -1},
        {"n[8-12]", "n10", 2},
        {"a[1-2],b[1-2]", "b2", 3},
        {"rack[1-2]node", "rack2node", 1},
        {"rack[1-2]node", "rack2", -1},
        {"n[1-3", "n2", -1},
        {"n[3-1]", "n2", -1},
        {"n[x]", "nx", -1},
        {"n[]", "n", -1},
        {"", "n1", -1},
        {"n[0-99999999999]", "n1", -1},
        {"n[1-3]", "n99999999999999999999", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(fs_slurm_node_index(cases[i].list, cases[i].host), cases[i].index);
    assert_int_equal(fs_slurm_node_index(NULL, "n1"), -1);
}

struct visited {
    char names[256];
    int count, most;
};

static int visit(void *context, const char *name) {
    struct visited *visited = context;
    if (visited->count == visited->most) return 1;
    if (visited->count++) strcat(visited->names, " ");
    strcat(visited->names, name);
    return 0;
}

static void names_of_lists(void **state) {
    (void)state;
    static const struct {
        const char *list, *names;
        int result;
    } cases[] = {
        {"n1", "n1", 0},
        {"n[1-3]", "n1 n2 n3", 0},
        {"n[001-003,7],login1", "n001 n002 n003 n7 login1", 0},
        {"n[08-11]", "n08 n09 n10 n11", 0},
        {"rack[1-2]node,n0", "rack1node rack2node n0", 0},
        {"", "", 0},
        {"n[1-3", "", -1},
        {"n[3-1]", "", -1},
        {"n[1-2,x]", "n1 n2", -1},
        {"r[1-2]n[1-2]", "", -1},
        {"n[0-2147483647]", "n0 n1 n2 n3 n4 n5 n6 n7", 1},
        {"n[2147483646-2147483647]", "n2147483646 n2147483647", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct visited visited = {.most = 8};
        assert_int_equal(fs_slurm_nodes(cases[i].list, visit, &visited), cases[i].result);
        assert_string_equal(visited.names, cases[i].names);
    }
    char name[FS_NODE_NAME_MAX + 8];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(fs_slurm_nodes(name, visit, &(struct visited){.most = 1}), -1);
}

static void task_of_a_job_array(void **state) {
    (void)state;
    char *environment[] = {"SLURM_JOB_ID=43", "SLURM_ARRAY_JOB_ID=41", "SLURM_ARRAY_TASK_ID=7",
                           NULL};
    struct fs_scheduler facts;
    assert_int_equal(fs_scheduler_read(environment, "n1", &facts), 0);
    assert_string_equal(facts.job, "43");
    assert_string_equal(facts.array_task, "41_7");
    fs_scheduler_free(&facts);
    environment[2] = "SLURM_ARRAY_TASK_ID=";
    assert_int_equal(fs_scheduler_read(environment, "n1", &facts), 0);
    assert_null(facts.array_task);
    fs_scheduler_free(&facts);
}

/* As srun -n 5 of Slurm 22.05 sets it on the last of three nodes. */
static void lists_of_a_step(void **state) {
    (void)state;
    char *environment[] = {"SLURM_JOB_ID=42",
                           "SLURM_STEP_ID=1",
                           "SLURM_PROCID=4",
                           "SLURM_NODEID=2",
                           "SLURMD_NODENAME=n3",
                           "SLURM_JOB_NODELIST=n[1-4]",
                           "SLURM_JOB_CPUS_PER_NODE=8(x4)",
                           "SLURM_STEP_NODELIST=n[1-3]",
                           "SLURM_STEP_TASKS_PER_NODE=2(x2),1",
                           "SLURM_TASKS_PER_NODE=4(x4)",
                           NULL};
    struct fs_scheduler facts;
    assert_int_equal(fs_scheduler_read(environment, "host3", &facts), 0);
    assert_string_equal(facts.node_name, "n3");
    assert_string_equal(facts.node_list, "n[1-4]");
    assert_string_equal(facts.step_node_list, "n[1-3]");
    assert_string_equal(facts.cpus_per_node, "8(x4)");
    assert_string_equal(facts.tasks_per_node, "2(x2),1");
    assert_int_equal(facts.step_tasks_on_node, 1);
    fs_scheduler_free(&facts);
    assert_int_equal(fs_scheduler_read(environment, "n2.cluster", &facts), 0);
    assert_null(facts.node_name); /* of the launcher's node, and not to be believed */
    fs_scheduler_free(&facts);
    environment[1] = "SLURM_STEP_ID=4294967291";
    assert_int_equal(fs_scheduler_read(environment, "host3", &facts), 0);
    assert_null(facts.step_node_list);
    assert_string_equal(facts.tasks_per_node, "4(x4)");
    fs_scheduler_free(&facts);
    assert_null(facts.node_list);
}

static void slurm_batch_script(void **state) {
    (void)state;
    char *environment[] = {"PATH=/bin",
                           "SLURM_JOB_ID=42",
                           "SLURM_JOB_NODELIST=n[1-3]",
                           "SLURM_JOB_CPUS_PER_NODE=16(x2),8",
                           "SLURM_CPUS_ON_NODE=16",
                           "SLURM_JOB_NUM_NODES=3",
                           "SLURM_NTASKS=5",
                           "SLURM_CPUS_PER_TASK=8",
                           "SLURM_PROCID=0",
                           NULL};
    struct fs_scheduler facts;
    assert_int_equal(fs_scheduler_read(environment, "n3.cluster", &facts), 0);
    assert_string_equal(facts.name, "slurm");
    assert_string_equal(facts.job, "42");
    assert_null(facts.step);
    assert_false(facts.in_step);
    assert_int_equal(facts.cpus_on_node, 8);
    assert_int_equal(facts.cpus_per_task, 8);
    assert_int_equal(facts.tasks, 5);
    assert_int_equal(facts.nodes, 3);
    assert_int_equal(facts.step_tasks, FS_UNKNOWN);
    fs_scheduler_free(&facts);
}

static void slurm_step(void **state) {
    (void)state;
    char *environment[] = {"SLURM_JOB_ID=42",        "SLURM_STEP_ID=1",
                           "SLURM_PROCID=3",         "SLURM_NODEID=1",
                           "SLURM_STEP_NUM_TASKS=4", "SLURM_STEP_TASKS_PER_NODE=3,1",
                           "SLURM_CPUS_ON_NODE=1",   "SLURM_JOB_CPUS_PER_NODE=64(x2)",
                           "SLURM_NNODES=2",         NULL};
    struct fs_scheduler facts;
    assert_int_equal(fs_scheduler_read(environment, "n2", &facts), 0);
    assert_true(facts.in_step);
    assert_string_equal(facts.step, "1");
    assert_int_equal(facts.step_tasks, 4);
    assert_int_equal(facts.step_tasks_on_node, 1);
    assert_int_equal(facts.cpus_on_node, 64); /* of the job, not of the step */
    assert_int_equal(facts.nodes, 2);
    fs_scheduler_free(&facts);
    environment[1] = "SLURM_STEP_ID=4294967291"; /* the batch script itself */
    assert_int_equal(fs_scheduler_read(environment, "n2", &facts), 0);
    assert_false(facts.in_step);
    fs_scheduler_free(&facts);
}

static void pbs_and_none(void **state) {
    (void)state;
    char *pbs[] = {"PBS_JOBID=7.server", "NCPUS=32", "PBS_NP=64", "PBS_NUM_NODES=2", NULL};
    char *odd[] = {"SLURM_JOB_ID=1",
                   "SLURM_CPUS_PER_TASK=4 ",
                   "SLURM_NTASKS=-3",
                   "SLURM_CPUS_ON_NODE=99999999999999",
                   "SLURM_JOB_CPUS_PER_NODE=((((",
                   NULL};
    char *none[] = {"HOME=/root", NULL};
    struct fs_scheduler facts;
    assert_int_equal(fs_scheduler_read(pbs, "n", &facts), 0);
    assert_string_equal(facts.name, "pbs");
    assert_string_equal(facts.job, "7.server");
    assert_int_equal(facts.cpus_on_node, 32);
    assert_int_equal(facts.tasks, 64);
    fs_scheduler_free(&facts);
    assert_int_equal(fs_scheduler_read(odd, "n", &facts), 0);
    assert_int_equal(facts.cpus_per_task, FS_UNKNOWN);
    assert_int_equal(facts.tasks, FS_UNKNOWN);
    assert_int_equal(facts.cpus_on_node, FS_UNKNOWN);
    fs_scheduler_free(&facts);
    assert_int_equal(fs_scheduler_read(none, "n", &facts), 0);
    assert_null(facts.name);
    assert_null(facts.job);
    assert_int_equal(facts.nodes, FS_UNKNOWN);
    fs_scheduler_free(&facts);
}

static void launchers_are_known(void **state) {
    (void)state;
    assert_true(fs_is_launcher("srun"));
    assert_true(fs_is_launcher("/usr/bin/mpirun"));
    assert_true(fs_is_launcher("/opt/x/mpiexec.hydra"));
    assert_false(fs_is_launcher("python3"));
    assert_false(fs_is_launcher("/usr/bin/srun/x"));
    assert_false(fs_is_launcher(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_lists),     cmocka_unit_test(nodes_of_lists),
        cmocka_unit_test(names_of_lists),      cmocka_unit_test(lists_of_a_step),
        cmocka_unit_test(task_of_a_job_array), cmocka_unit_test(slurm_batch_script),
        cmocka_unit_test(slurm_step),          cmocka_unit_test(pbs_and_none),
        cmocka_unit_test(launchers_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
