/* MPI-05, AFF-08 and SLM-05: each fires, and each exception keeps it silent. */
#include "tests/unit/rule_fixture.h"

/* --- MPI-05: three ranks, two cores --- */

static void refused_line(struct fixture *f, const char *line) {
    fixture_machine(f, "pack:1 core:2 pu:1", "0-1");
    fixture_launch(f, "/usr/bin/orterun", line, 0)->status = 1 << 8;
}
static void refused(struct fixture *f) {
    refused_line(f, "mpirun --bind-to core -n 3 app -n 5");
}

static void slots_are_counted_and_the_line_is_put_right(void **state) {
    (void)state;
    struct fixture f;
    refused(&f);
    const struct fs_finding *finding = fixture_find(&f, "MPI-05");
    assert_string_equal(finding->title, "3 ranks for 2 slots: mpirun started nothing");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->fix[0].text, "mpirun --bind-to core -n 2 app -n 5");
    assert_int_equal(finding->fix[0].kind, FS_FIX_COMMAND);
    assert_string_equal(finding->fix[1].text,
                        "mpirun --oversubscribe --bind-to core -n 3 app -n 5");
    fixture_free(&f);
}

static void hardware_threads_are_offered_where_they_are(void **state) {
    (void)state;
    struct fixture f;
    fixture_machine(&f, "pack:1 core:2 pu:2", "0-3");
    fixture_launch(&f, "/usr/bin/prterun", "mpirun --np=3 app", 0)->status = 1 << 8;
    const struct fs_finding *finding = fixture_find(&f, "MPI-05");
    assert_string_equal(finding->fix[0].text, "mpirun --np=2 app");
    assert_string_equal(finding->fix[1].text, "mpirun --use-hwthread-cpus --np=3 app");
    assert_string_equal(finding->fix[2].text, "mpirun --map-by :OVERSUBSCRIBE --np=3 app");
    fixture_free(&f);
}

static void slots_come_from_where_mpirun_looks(void **state) {
    (void)state;
    static const struct {
        const char *line, *title;
        int slots, hosts;
        bool open;
    } cases[] = {
        {"mpirun --host a,b:2 -n 4 app", "4 ranks for 3 slots: mpirun started nothing", -1, 0, 0},
        {"mpirun -hostfile f -n 9 app", "9 ranks for 8 slots: mpirun started nothing", 8, 2, 0},
        {"mpirun -hostfile f -n 3 app", "3 ranks for 2 slots: mpirun started nothing", 0, 1, 1},
        {"mpirun -hostfile f -n 9 app", "9 ranks for 5 slots: mpirun started nothing", 1, 2, 1},
        {"mpirun -n 2 a : -n 1 b", "3 ranks for 2 slots: mpirun started nothing", -1, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        refused_line(&f, cases[i].line);
        f.launches[0].hostfile_slots = cases[i].slots;
        f.launches[0].hostfile_hosts = cases[i].hosts;
        f.launches[0].hostfile_open = cases[i].open;
        assert_string_equal(fixture_find(&f, "MPI-05")->title, cases[i].title);
        fixture_free(&f);
    }
}

static void of_several_programs_only_the_part_is_told(void **state) {
    (void)state;
    struct fixture f;
    refused_line(&f, "mpirun -n 2 a : -n 1 b");
    const struct fs_finding *finding = fixture_find(&f, "MPI-05");
    assert_string_equal(finding->fix[0].text, "mpirun -n 2 ...");
    assert_int_equal(finding->fix[0].kind, FS_FIX_CODE);
    fixture_free(&f);
}

static void slots_are_tasks_under_slurm(void **state) {
    (void)state;
    struct fixture f;
    refused_line(&f, "mpirun -n 8 app");
    f.digest.scheduler.name = "slurm";
    fixture_variable(&f, "SLURM_TASKS_PER_NODE", "2(x2),1");
    f.launches[0].variable_count = 1;
    const struct fs_finding *finding = fixture_find(&f, "MPI-05");
    assert_string_equal(finding->title, "8 ranks for 5 slots: mpirun started nothing");
    assert_string_equal(finding->fix[1].text, "#SBATCH --ntasks=8");
    fixture_free(&f);
}

static void launch_is(struct fixture *f, const char *executable, const char *line) {
    const int status = f->launches[0].status;
    f->digest.launch_count = 0;
    fixture_launch(f, executable, line, 0)->status = status;
}
static void no_launcher(struct fixture *f) {
    f->digest.launch_count = 0;
}
static void hydra(struct fixture *f) {
    launch_is(f, "/usr/bin/mpiexec.hydra", "mpiexec -n 3 app");
}
static void ranks_came(struct fixture *f) {
    f->launches[0].started = 3;
}
static void mpirun_succeeded(struct fixture *f) {
    f->launches[0].status = 0;
}
static void mpirun_killed(struct fixture *f) {
    f->launches[0].status = 9;
}
static void status_unknown(struct fixture *f) {
    f->launches[0].status = FS_UNKNOWN;
}
static void enough_slots(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun -n 2 missing");
}
static void ranks_not_said(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun app");
}
static void oversubscribed(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun --oversubscribe -n 3 missing");
}
static void oversubscribed_by_policy(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun --map-by core:OVERSUBSCRIBE -n 3 missing");
}
static void oversubscribed_by_environment(struct fixture *f) {
    fixture_variable(f, "OMPI_MCA_rmaps_base_oversubscribe", "1");
    f->launches[0].variable_count = 1;
}
static void refused_root(struct fixture *f) {
    f->launches[0].root = true;
}
static void unknown_option(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun --quite-new 4 -n 3 app");
}
static void words_cut(struct fixture *f) {
    f->launches[0].cut = true;
}
static void ranks_in_a_file(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun --rankfile r -n 3 app");
}
static void hostfile_unread(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun --hostfile gone -n 3 app");
}
static void hostfile_between(struct fixture *f) {
    launch_is(f, "/usr/bin/orterun", "mpirun --hostfile f -n 4 app");
    f->launches[0].hostfile_slots = 1;
    f->launches[0].hostfile_hosts = 2;
    f->launches[0].hostfile_open = true;
}
static void no_topology(struct fixture *f) {
    f->digest.topology = NULL;
}
static void launches_more(struct fixture *f) {
    no_launcher(f);
    f->digest.launches_more = 1;
}

static void slots_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"no launcher", no_launcher, FS_NOT_APPLICABLE},
        {"MPICH refuses nothing", hydra, FS_NOT_APPLICABLE},
        {"ranks came up", ranks_came, FS_PASS},
        {"mpirun succeeded", mpirun_succeeded, FS_PASS},
        {"mpirun was killed", mpirun_killed, FS_PASS},
        {"enough slots", enough_slots, FS_PASS},
        {"as many ranks as slots", ranks_not_said, FS_PASS},
        {"oversubscription allowed", oversubscribed, FS_PASS},
        {"... by the mapping", oversubscribed_by_policy, FS_PASS},
        {"... by the environment", oversubscribed_by_environment, FS_PASS},
        {"root is refused", refused_root, FS_PASS},
        {"status unknown", status_unknown, FS_STATUS_UNKNOWN},
        {"unknown option", unknown_option, FS_STATUS_UNKNOWN},
        {"command line cut", words_cut, FS_STATUS_UNKNOWN},
        {"ranks in a file", ranks_in_a_file, FS_STATUS_UNKNOWN},
        {"hostfile not read", hostfile_unread, FS_STATUS_UNKNOWN},
        {"hostfile with bounds only", hostfile_between, FS_STATUS_UNKNOWN},
        {"cores unknown", no_topology, FS_STATUS_UNKNOWN},
        {"launchers left out", launches_more, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("MPI-05", refused, guards);
}

/* --- AFF-08: two workers on one core of four --- */

static void siblings(struct fixture *f) {
    fixture_machine(f, "pack:1 core:4 pu:2", "0-7");
    fixture_pool(f, &f->group[0], 2, "0-1");
    f->digest.group_count = 1;
    f->digest.siblings.looks = 50;
    f->digest.siblings.shared = 40;
    f->digest.siblings.busy = fixture_mask(f, "0-1");
    f->digest.siblings.idle = fixture_mask(f, "2-7");
}

static void shared_cores_are_named(void **state) {
    (void)state;
    struct fixture f;
    siblings(&f);
    f.command[0] = (char *)"taskset";
    f.command[1] = (char *)"-c";
    f.command[2] = (char *)"0-1";
    f.command[3] = (char *)"pool";
    f.digest.command_count = 4;
    const struct fs_finding *finding = fixture_find(&f, "AFF-08");
    assert_string_equal(finding->title, "two busy threads on a core, 3 cores idle");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->evidence[0].text,
                        "in 80 % of 50 samples both hardware threads of a core were busy and "
                        "another core was idle");
    assert_string_equal(finding->fix[0].text, "taskset -c 0,2 pool");
    fixture_free(&f);
}

static void fixes_of_shared_cores_keep_the_users_words(void **state) {
    (void)state;
    static const struct {
        const char *executable, *line, *fix;
    } cases[] = {
        {"/usr/bin/orterun", "mpirun --bind-to hwthread -n 2 --map-by hwthread app -c 4",
         "mpirun --map-by core --bind-to core -n 2 app -c 4"},
        {"/usr/bin/mpiexec.hydra", "mpiexec -bind-to user:0,1 -n 2 app",
         "mpiexec --map-by core --bind-to core -n 2 app"},
        {"/usr/bin/srun", "srun -n 1 -c 2 app", "srun --hint=nomultithread -n 1 -c 2 app"},
        {"/usr/bin/srun", "srun --cpu-bind=map_cpu:0,1 -n 2 -c 1 app",
         "srun --hint=nomultithread -n 2 -c 1 app"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        siblings(&f);
        fixture_launch(&f, cases[i].executable, cases[i].line, 2);
        assert_string_equal(fixture_find(&f, "AFF-08")->fix[0].text, cases[i].fix);
        fixture_free(&f);
    }
}

static void threads_that_were_asked_for_are_a_note(void **state) {
    (void)state;
    struct fixture f;
    siblings(&f);
    fixture_launch(&f, "/usr/bin/orterun", "mpirun --use-hwthread-cpus -n 2 app", 2);
    assert_int_equal(fixture_find(&f, "AFF-08")->severity, FS_NOTE);
    fixture_free(&f);
    siblings(&f);
    f.digest.scheduler.name = "slurm";
    f.digest.scheduler.threads_per_core = 2;
    assert_int_equal(fixture_find(&f, "AFF-08")->severity, FS_NOTE);
    fixture_free(&f);
}

static void cores_all_busy(struct fixture *f) {
    f->digest.siblings.shared = 0;
}
static void seldom_shared(struct fixture *f) {
    f->digest.siblings.shared = 9;
}
static void few_samples(struct fixture *f) {
    f->digest.siblings.looks = f->digest.siblings.shared = 9;
}
static void no_samples(struct fixture *f) {
    f->digest.siblings.looks = FS_UNKNOWN;
}
static void one_thread_a_core(struct fixture *f) {
    fixture_topology(f, "pack:1 core:8 pu:1");
}

static void siblings_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"all cores busy", cores_all_busy, FS_PASS},
        {"seldom", seldom_shared, FS_PASS},
        {"few samples", few_samples, FS_PASS},
        {"no hardware threads", one_thread_a_core, FS_NOT_APPLICABLE},
        {"not sampled", no_samples, FS_STATUS_UNKNOWN},
        {"cores unknown", no_topology, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("AFF-08", siblings, guards);
}

/* --- SLM-05: a pool of two where three users are logged in --- */

static void login(struct fixture *f) {
    fixture_clean(f);
    f->digest.login = (struct fs_login){.users = 3, .scheduler = "slurm"};
    f->digest.cpu_ns = 20 * SECOND;
}

static void the_users_of_a_login_node_are_counted(void **state) {
    (void)state;
    struct fixture f;
    login(&f);
    const struct fs_finding *finding = fixture_find(&f, "SLM-05");
    assert_string_equal(finding->title, "2 workers compute on a machine that 3 users share");
    assert_int_equal(finding->severity, FS_WARNING);
    assert_string_equal(finding->fix[0].text, "srun -n 1 -c 2 python3 pool.py");
    fixture_free(&f);
    login(&f);
    f.digest.login.scheduler = "pbs";
    assert_string_equal(fixture_find(&f, "SLM-05")->fix[0].text, "qsub -I -l select=1:ncpus=2");
    fixture_free(&f);
    login(&f);
    fixture_launch(&f, "/usr/bin/orterun", "mpirun -n 2 app", 2);
    assert_string_equal(fixture_find(&f, "SLM-05")->fix[0].text, "salloc -n 2 python3 pool.py");
    fixture_free(&f);
}

static void much_cpu_time_in_a_minute_counts_without_workers(void **state) {
    (void)state;
    struct fixture f;
    login(&f);
    f.digest.group_count = 0;
    f.digest.cpu_ns = 61 * SECOND;
    f.digest.wall_ns = 30 * SECOND;
    assert_string_equal(fixture_find(&f, "SLM-05")->title,
                        "61 s of CPU time on a machine that 3 users share");
    fixture_free(&f);
    login(&f);
    f.digest.group_count = 0;
    f.digest.cpu_ns = 100 * SECOND;
    f.digest.wall_ns = 120 * SECOND;
    fixture_judge(&f, NULL);
    assert_int_equal(fixture_outcome(&f, "SLM-05")->status, FS_PASS);
    fixture_free(&f);
}

static void in_an_allocation(struct fixture *f) {
    f->digest.scheduler.name = "slurm";
}
static void a_laptop(struct fixture *f) {
    f->digest.login = (struct fs_login){.users = 1};
}
static void a_shared_workstation(struct fixture *f) {
    f->digest.login.scheduler = NULL;
}
static void a_container(struct fixture *f) {
    f->digest.login.users = 0;
}
static void a_compute_node(struct fixture *f) {
    f->digest.login.compute = true;
}
static void alone(struct fixture *f) {
    f->digest.login.users = 1;
}
static void short_serial(struct fixture *f) {
    f->digest.group_count = 0;
}
static void short_pool(struct fixture *f) {
    f->group[0].cpu_ns = 2 * SECOND;
}
static void a_workflow_manager(struct fixture *f) { /* it sends jobs, and asks for them */
    f->group[0].window_ns = f->digest.wall_ns = 3600 * SECOND;
}
static void make_with_jobs(struct fixture *f) {
    f->group[0].parent_executable = (char *)"/usr/bin/make";
}
static void a_build(struct fixture *f) {
    f->command[0] = (char *)"/usr/bin/ninja";
}
static void no_utmp(struct fixture *f) {
    f->digest.login.users = FS_UNKNOWN;
}
static void time_unknown(struct fixture *f) {
    f->digest.group_count = 0;
    f->digest.cpu_ns = FS_UNKNOWN;
}

static void login_guards(void **state) {
    (void)state;
    static const struct guard guards[] = {
        {"in an allocation", in_an_allocation, FS_NOT_APPLICABLE},
        {"a laptop", a_laptop, FS_NOT_APPLICABLE},
        {"a shared workstation", a_shared_workstation, FS_NOT_APPLICABLE},
        {"a compute node", a_compute_node, FS_NOT_APPLICABLE},
        {"a container", a_container, FS_PASS},
        {"nobody else", alone, FS_PASS},
        {"a short serial script", short_serial, FS_PASS},
        {"a short pool", short_pool, FS_PASS},
        {"a workflow manager", a_workflow_manager, FS_PASS},
        {"make -j", make_with_jobs, FS_PASS},
        {"ninja", a_build, FS_PASS},
        {"users unknown", no_utmp, FS_STATUS_UNKNOWN},
        {"CPU time unknown", time_unknown, FS_STATUS_UNKNOWN},
    };
    CHECK_GUARDS("SLM-05", login, guards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_counted_and_the_line_is_put_right),
        cmocka_unit_test(hardware_threads_are_offered_where_they_are),
        cmocka_unit_test(slots_come_from_where_mpirun_looks),
        cmocka_unit_test(of_several_programs_only_the_part_is_told),
        cmocka_unit_test(slots_are_tasks_under_slurm),
        cmocka_unit_test(slots_guards),
        cmocka_unit_test(shared_cores_are_named),
        cmocka_unit_test(fixes_of_shared_cores_keep_the_users_words),
        cmocka_unit_test(threads_that_were_asked_for_are_a_note),
        cmocka_unit_test(siblings_guards),
        cmocka_unit_test(the_users_of_a_login_node_are_counted),
        cmocka_unit_test(much_cpu_time_in_a_minute_counts_without_workers),
        cmocka_unit_test(login_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
