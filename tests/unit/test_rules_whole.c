/* MPI-03, MPI-04 and SLM-03: rules that look at all nodes of a job at once. */
#include "tests/unit/placement_fixture.h"

static struct whole_fixture f;

static const struct fs_finding *finding_of(const char *rule) {
    const struct fs_finding *finding = fs_verdict_find(&f.verdict, rule);
    assert_non_null(finding);
    return finding;
}

static bool says(const struct fs_finding *finding, const char *text) {
    bool found = strstr(finding->title, text) != NULL;
    for (size_t i = 0; i < finding->evidence_count; i++)
        found = found || (finding->evidence[i].text && strstr(finding->evidence[i].text, text));
    for (size_t i = 0; i < finding->fix_count; i++)
        found = found || strstr(finding->fix[i].text, text);
    return found;
}

/* --- MPI-03 --- */

static void copies(struct whole_fixture *job) {
    whole_allocation(job, 2, 4);
    whole_step(job, 2, 2);
    job->tasks[1][1].cpu_ns = 11 * SECOND;
}

static void mpi_03_fires_for_identical_copies(void **state) {
    (void)state;
    copies(&f);
    whole_judge(&f);
    const struct fs_finding *finding = finding_of("MPI-03");
    assert_non_null(strstr(finding->cause[0], "computes the same in each"));
    assert_int_equal(finding->severity, FS_ERROR);
    assert_int_equal(finding->population, 4);
    assert_int_equal(finding->nodes, 2);
    assert_string_equal(finding->hosts, "n[1-2]");
    assert_true(says(finding, "4 tasks run the same command: python3 mc.py"));
    assert_true(says(finding, "each used 10.0 to 11.0 s of CPU, together 41.0 s"));
    assert_true(says(finding, "srun -n 1 -c 4 python3 mc.py"));
    assert_true(says(finding, "os.environ[\"SLURM_PROCID\"])::4]"));
    whole_free(&f);
}

static void mpi_03_fires_in_the_language_of_mpirun(void **state) {
    (void)state;
    whole_allocation(&f, 1, 4);
    whole_step(&f, 4, 1);
    for (int i = 0; i < 4; i++) {
        f.tasks[0][i].launch = FS_LAUNCH_OPENMPI;
        f.tasks[0][i].python = false;
        f.tasks[0][i].executable = (char *)"/home/u/mc";
    }
    f.node[0].digest.scheduler = (struct fs_scheduler){.steps_beside = FS_UNKNOWN};
    whole_judge(&f);
    const struct fs_finding *finding = finding_of("MPI-03");
    assert_string_equal(finding->fix[0].text, "python3 mc.py");
    assert_true(says(finding, "getenv(\"OMPI_COMM_WORLD_RANK\")"));
    whole_free(&f);
}

static void one_task(struct whole_fixture *job) {
    job->node[0].digest.task_count = 1;
    job->node[1].digest.task_count = 0;
}
static void no_tasks(struct whole_fixture *job) {
    job->node[0].digest.task_count = job->node[1].digest.task_count = 0;
}
static void an_mpi_library(struct whole_fixture *job) {
    job->tasks[1][0].libraries |= FSP_LIBRARY_MPI;
}
static void other_arguments(struct whole_fixture *job) {
    job->tasks[1][0].command = (char *)"python3 mc.py 2";
}
static void another_program(struct whole_fixture *job) {
    job->tasks[0][1].executable = (char *)"/home/u/server";
}
static void short_tasks(struct whole_fixture *job) {
    job->tasks[0][0].cpu_ns = SECOND / 2;
}
static void other_work(struct whole_fixture *job) {
    job->tasks[0][0].cpu_ns = 25 * SECOND;
}
static void a_system_tool_twice_on_each_node(struct whole_fixture *job) {
    for (int i = 0; i < 4; i++) {
        job->tasks[i / 2][i % 2].executable = (char *)"/usr/bin/tar";
        job->tasks[i / 2][i % 2].python = false;
    }
}
static void a_system_tool(struct whole_fixture *job) {
    a_system_tool_twice_on_each_node(job);
    job->node[0].digest.task_count = job->node[1].digest.task_count = 1;
}
static void a_framework(struct whole_fixture *job) {
    job->node[1].digest.framework = (char *)"dask";
}
static void a_rank_in_the_script(struct whole_fixture *job) {
    for (int i = 0; i < 4; i++)
        job->tasks[i / 2][i % 2].rank_use = FS_RANK_USED;
}
static void a_script_not_at_hand(struct whole_fixture *job) {
    job->tasks[1][1].rank_use = FS_RANK_NOT_LOOKED;
}
/* Behind the mark there may be another number for each. */
static void a_command_that_was_cut(struct whole_fixture *job) {
    for (int i = 0; i < 4; i++)
        job->tasks[i / 2][i % 2].command = (char *)"python3 mc.py 'with many wo'...";
}
static void libraries_not_seen(struct whole_fixture *job) {
    job->tasks[1][1].libraries_known = false;
}

static void mpi_03_guards(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"one task", one_task, FS_NOT_APPLICABLE},
        {"no launcher", no_tasks, FS_NOT_APPLICABLE},
        {"MPI library in a task", an_mpi_library, FS_NOT_APPLICABLE},
        {"other arguments (multi-prog, pylauncher)", other_arguments, FS_PASS},
        {"another program in a task", another_program, FS_PASS},
        {"short tasks", short_tasks, FS_NOT_APPLICABLE},
        {"other amounts of work", other_work, FS_PASS},
        {"data staged on each node", a_system_tool, FS_PASS},
        {"a system tool, twice on each node", a_system_tool_twice_on_each_node, FS_FINDING},
        {"dask", a_framework, FS_PASS},
        {"the script names its rank", a_rank_in_the_script, FS_PASS},
        {"script not at hand", a_script_not_at_hand, FS_STATUS_UNKNOWN},
        {"libraries not seen", libraries_not_seen, FS_STATUS_UNKNOWN},
        {"commands that were cut", a_command_that_was_cut, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("MPI-03", copies, guards);
}

/* --- MPI-04 --- */

static void mpi_04_fires_for_a_pool_on_one_node_of_three(void **state) {
    (void)state;
    one_of_three(&f);
    whole_judge(&f);
    const struct fs_finding *finding = finding_of("MPI-04");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->title, "4 workers on 1 of 3 nodes; 2 idle");
    assert_int_equal(finding->population, 2);
    assert_int_equal(finding->of, 3);
    assert_true(says(finding, "idle: n[2-3]; in use: n1"));
    assert_true(says(finding, "#SBATCH --nodes=1"));
    assert_string_equal(finding->hosts, "n1");
    whole_free(&f);
}

/* The tasks on the other nodes end at once: they left records, with hardly any CPU time. */
static void idle_tasks(struct whole_fixture *job) {
    one_of_three(job);
    job->nodes = 3;
    for (size_t i = 0; i < 3; i++) {
        struct fs_scheduler *scheduler = &job->node[i].digest.scheduler;
        scheduler->in_step = true;
        scheduler->step_node_list = scheduler->node_list;
        if (i > 0) job->node[i].digest.cpu_ns = SECOND / 4;
        if (i > 0) job->node[i].digest.wall_ns = SECOND / 2; /* they end at once */
    }
}

static void mpi_04_fires_for_nodes_whose_tasks_are_idle(void **state) {
    (void)state;
    idle_tasks(&f);
    whole_judge(&f);
    assert_true(says(finding_of("MPI-04"), "40.0 s on n1, 0.5 s on the others"));
    whole_free(&f);
}

static void one_node(struct whole_fixture *job) {
    job->node[0].digest.scheduler.nodes = 1;
    job->node[0].digest.scheduler.node_list = (char *)"n1";
}
static void no_scheduler(struct whole_fixture *job) {
    job->node[0].digest.scheduler =
        (struct fs_scheduler){.nodes = FS_UNKNOWN, .steps_beside = FS_UNKNOWN};
}
static void unknown_nodes(struct whole_fixture *job) {
    job->node[0].digest.scheduler.node_list = NULL;
}
static void outside_the_allocation(struct whole_fixture *job) {
    job->node[0].digest.host = (char *)"login1";
}
static void ranks(struct whole_fixture *job) {
    job->mpi = (struct fs_mpi_ranks){.count = 4, .size = 12};
    job->node[0].digest.mpi = &job->mpi;
    job->node[0].digest.mpi_count = 1;
}
static void ray(struct whole_fixture *job) {
    job->node[0].digest.framework = (char *)"ray";
}
static void single_worker(struct whole_fixture *job) {
    job->node[0].group[0].workers_peak = 1;
}
static void short_pool(struct whole_fixture *job) {
    job->node[0].group[0].overlap_ns = SECOND / 2;
}
static void not_sampled(struct whole_fixture *job) {
    job->node[0].group[0].overlap_ns = FS_UNKNOWN;
}
static void another_step(struct whole_fixture *job) {
    job->node[0].digest.scheduler.steps_beside = 1;
}
static void a_launcher_without_records(struct whole_fixture *job) {
    job->node[0].digest.launcher = (char *)"srun";
}
static void a_node_without_record(struct whole_fixture *job) {
    struct fs_scheduler *scheduler = &job->node[0].digest.scheduler;
    scheduler->in_step = true;
    scheduler->step_node_list = scheduler->node_list;
}

static void mpi_04_guards(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"one node", one_node, FS_NOT_APPLICABLE},
        {"no scheduler", no_scheduler, FS_NOT_APPLICABLE},
        {"nodes unknown", unknown_nodes, FS_STATUS_UNKNOWN},
        {"outside the allocation", outside_the_allocation, FS_NOT_APPLICABLE},
        {"MPI world", ranks, FS_NOT_APPLICABLE},
        {"ray", ray, FS_PASS},
        {"one worker", single_worker, FS_NOT_APPLICABLE},
        {"short pool", short_pool, FS_NOT_APPLICABLE},
        {"not sampled", not_sampled, FS_STATUS_UNKNOWN},
        {"another step", another_step, FS_PASS},
        {"launcher without records", a_launcher_without_records, FS_STATUS_UNKNOWN},
        {"node without record", a_node_without_record, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("MPI-04", one_of_three, guards);
}

/* The first node has a record of each of two steps. */
static void mpi_04_fires_for_two_steps_on_one_node_of_two(void **state) {
    (void)state;
    idle_tasks(&f);
    for (size_t i = 0; i < 3; i++) {
        struct fs_digest *digest = &f.node[i].digest;
        digest->host = f.host[i / 2];
        digest->scheduler.nodes = 2;
        digest->scheduler.node_list = digest->scheduler.step_node_list = (char *)"n[1-2]";
    }
    f.node[1].digest.cpu_ns = 5 * SECOND;
    whole_judge(&f);
    assert_string_equal(finding_of("MPI-04")->title, "4 workers on 1 of 2 nodes; 1 idle");
    assert_true(says(finding_of("MPI-04"), "45.0 s on n1"));
    assert_int_equal(f.job.totals.nodes, 2);
    assert_int_equal(f.job.totals.records, 3);
    whole_free(&f);
}

static void work_on_two(struct whole_fixture *job) {
    job->node[1].digest.cpu_ns = 5 * SECOND;
}
static void cpu_time_unknown(struct whole_fixture *job) {
    job->node[2].digest.cpu_ns = FS_UNKNOWN;
}

static void mpi_04_guards_of_nodes_with_records(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"two nodes compute", work_on_two, FS_PASS},
        {"CPU time unknown", cpu_time_unknown, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("MPI-04", idle_tasks, guards);
}

/* --- SLM-03 --- */

static void slm_03_fires_for_cpus_without_a_task(void **state) {
    (void)state;
    narrow_tasks(&f);
    for (int i = 0; i < 6; i++)
        f.tasks[i / 2][i % 2].rank_use = FS_RANK_USED;
    whole_judge(&f);
    const struct fs_finding *finding = finding_of("SLM-03");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->title, "6 tasks use 6 of the 12 CPUs of 3 nodes");
    assert_true(says(finding, "srun -n 6 -c 2 python3 mc.py"));
    assert_null(finding->follows);
    whole_free(&f);
}

static void slm_03_offers_no_command_that_was_cut(void **state) {
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        narrow_tasks(&f);
        for (int i = 0; i < 6; i++) {
            f.tasks[i / 2][i % 2].rank_use = FS_RANK_USED;
            f.tasks[i / 2][i % 2].command =
                (char *)(uintptr_t)(cut ? "solve 'many wo'..." : "solve 'many words...'");
        }
        whole_judge(&f);
        const struct fs_fix *fix = &finding_of("SLM-03")->fix[0];
        assert_string_equal(fix->text, cut ? "srun -n 6 -c 2 solve 'many wo'..."
                                           : "srun -n 6 -c 2 solve 'many words...'");
        assert_int_equal(fix->kind, cut ? FS_FIX_CODE : FS_FIX_COMMAND);
        whole_free(&f);
    }
}

/* The documents' own example: 96 x 2 on 3 x 64; here 5 x 2 on 3 x 4. */
static void slm_03_fires_for_uneven_tasks(void **state) {
    (void)state;
    whole_allocation(&f, 3, 4);
    whole_step(&f, 2, 2);
    f.node[2].digest.task_count = 1;
    for (int i = 0; i < 3; i++)
        for (int t = 0; t < 2; t++)
            f.tasks[i][t].size = 5;
    whole_judge(&f);
    assert_true(says(finding_of("SLM-03"), "2 tasks on some nodes, 1 on others"));
    assert_true(says(finding_of("SLM-03"), "srun -n 6 -c 2"));
    whole_free(&f);
}

static void slm_03_follows_from_identical_copies(void **state) {
    (void)state;
    narrow_tasks(&f);
    whole_judge(&f);
    assert_string_equal(finding_of("SLM-03")->follows->id, "MPI-03");
    whole_free(&f);
}

static void slm_03_fires_for_more_tasks_than_cpus(void **state) {
    (void)state;
    whole_allocation(&f, 1, 4);
    whole_step(&f, 6, 1);
    whole_judge(&f);
    assert_string_equal(finding_of("SLM-03")->title, "6 tasks on the 4 CPUs of 1 node");
    assert_true(says(finding_of("SLM-03"), "srun -n 4 -c 1"));
    whole_free(&f);
}

static void full(struct whole_fixture *job) {
    whole_allocation(job, 3, 4);
    whole_step(job, 2, 2);
}
static void stride(struct whole_fixture *job) {
    whole_allocation(job, 3, 4);
    whole_step(job, 1, 4);
}
static void unbound(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        for (int t = 0; t < 2; t++)
            job->tasks[i][t].mask = fixture_mask(&job->node[i], "0-3");
}
/* Each task has a hardware thread of each of two cores, as with --hint=nomultithread. */
static void one_thread_of_each_core(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        fixture_topology(&job->node[i], "pack:1 core:2 pu:2(indexes=0,2,1,3)");
}
static void some_nodes(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        job->node[i].digest.scheduler.node_list = (char *)"n[1-4]";
}
static void steps_beside(struct whole_fixture *job) {
    job->node[0].digest.scheduler.steps_beside = 2;
}
static void packed_steps(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        for (int step = 0; step < 2; step++) {
            job->tasks[i][step].step = step;
            job->tasks[i][step].rank = i;
            job->tasks[i][step].size = 3;
        }
}
static void sleeping(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        job->tasks[i][0].cpu_ns = job->tasks[i][1].cpu_ns = SECOND;
}
static void mask_unknown(struct whole_fixture *job) {
    job->tasks[1][1].mask = NULL;
}
static void a_task_without_record(struct whole_fixture *job) {
    job->node[2].digest.task_count = 1;
}
static void by_mpirun(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        job->tasks[i][0].launch = job->tasks[i][1].launch = FS_LAUNCH_OPENMPI;
}
static void no_launch(struct whole_fixture *job) {
    for (int i = 0; i < 3; i++)
        job->node[i].digest.task_count = 0;
}

static void refill(struct whole_fixture *job, void (*build)(struct whole_fixture *)) {
    whole_free(job);
    build(job);
}
static void as_full(struct whole_fixture *job) {
    refill(job, full);
}
static void as_stride(struct whole_fixture *job) {
    refill(job, stride);
}

static void slm_03_guards(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"tasks fill the nodes", as_full, FS_PASS},
        {"stride by -c", as_stride, FS_PASS},
        {"unbound tasks", unbound, FS_PASS},
        {"one hardware thread of each core", one_thread_of_each_core, FS_PASS},
        {"some of the nodes", some_nodes, FS_NOT_APPLICABLE},
        {"other steps", steps_beside, FS_NOT_APPLICABLE},
        {"two steps of the record on one node", packed_steps, FS_NOT_APPLICABLE},
        {"idle tasks", sleeping, FS_NOT_APPLICABLE},
        {"mask unknown", mask_unknown, FS_STATUS_UNKNOWN},
        {"task without record", a_task_without_record, FS_STATUS_UNKNOWN},
        {"mpirun", by_mpirun, FS_NOT_APPLICABLE},
        {"no launcher", no_launch, FS_NOT_APPLICABLE},
    };
    CHECK_WHOLE_GUARDS("SLM-03", narrow_tasks, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mpi_03_fires_for_identical_copies),
        cmocka_unit_test(mpi_03_fires_in_the_language_of_mpirun),
        cmocka_unit_test(mpi_03_guards),
        cmocka_unit_test(mpi_04_fires_for_a_pool_on_one_node_of_three),
        cmocka_unit_test(mpi_04_fires_for_nodes_whose_tasks_are_idle),
        cmocka_unit_test(mpi_04_fires_for_two_steps_on_one_node_of_two),
        cmocka_unit_test(mpi_04_guards),
        cmocka_unit_test(mpi_04_guards_of_nodes_with_records),
        cmocka_unit_test(slm_03_fires_for_cpus_without_a_task),
        cmocka_unit_test(slm_03_offers_no_command_that_was_cut),
        cmocka_unit_test(slm_03_fires_for_uneven_tasks),
        cmocka_unit_test(slm_03_follows_from_identical_copies),
        cmocka_unit_test(slm_03_fires_for_more_tasks_than_cpus),
        cmocka_unit_test(slm_03_guards),
    };
    return cmocka_run_group_tests_name("rules on the whole job", tests, NULL, NULL);
}
