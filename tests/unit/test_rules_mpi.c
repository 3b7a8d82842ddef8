/* MPI-01, MPI-02: ranks that their launcher, or nobody, told who they are. FRK-05, MPI-08:
 * calls by those that must not make them. */
#include "tests/unit/rule_fixture.h"

static struct fs_mpi_ranks ranks[3];

/* Four ranks of a C program with MPICH, started by mpiexec.hydra, all as it should be. */
static void launched(struct fixture *f) {
    fixture_clean(f);
    ranks[0] = (struct fs_mpi_ranks){
        .executable = (char *)"/home/u/hello",
        .command = (char *)"./hello",
        .count = 4,
        .pid = 201,
        .library = "mpich",
        .version = (char *)"MPICH Version: 4.0.2",
        .file = (char *)"/usr/lib/x86_64-linux-gnu/libmpich.so.12",
        .size = 4,
        .ranks = (char *)"0-3",
        .stage = FS_MPI_FINALIZED,
        .status = 0,
        .launcher = "hydra",
        .launcher_size = 4,
        .launcher_ranks = (char *)"0-3",
    };
    ranks[1] = ranks[2] = ranks[0];
    f->digest.mpi = ranks;
    f->digest.mpi_count = 1;
    f->digest.mpi_more = f->digest.mpi_silent = 0;
}

static const struct fs_finding *judged(struct fixture *f, const char *rule) {
    const struct fs_finding *finding = fs_verdict_find(fixture_judge(f, NULL), rule);
    assert_non_null(finding);
    assert_int_equal(finding->severity, FS_ERROR);
    return finding;
}

static void silent(struct fixture *f, const char *rule, enum fs_status status) {
    assert_null(fs_verdict_find(fixture_judge(f, NULL), rule));
    assert_int_equal(fixture_outcome(f, rule)->status, status);
    fixture_free(f);
}

/* --- MPI-01 --- */

static void unlaunched(struct fixture *f) {
    launched(f);
    ranks[0].count = 1;
    ranks[0].size = 1;
    ranks[0].launcher = NULL;
    ranks[0].launcher_size = FS_UNKNOWN;
    f->digest.scheduler.name = "slurm";
    f->digest.scheduler.tasks = 4;
}

static void mpi_01_fires_with_the_command_that_starts_all(void **state) {
    (void)state;
    struct fixture f;
    unlaunched(&f);
    const struct fs_finding *finding = judged(&f, "MPI-01");
    assert_string_equal(finding->title, "hello ran as 1 rank; the job asked for 4 tasks");
    assert_string_equal(finding->fix[0].text, "srun --mpi=pmi2 -n 4 ./hello");
    fixture_free(&f);
    unlaunched(&f);
    ranks[0].library = "openmpi";
    assert_string_equal(judged(&f, "MPI-01")->fix[0].text, "srun --mpi=pmix -n 4 ./hello");
    fixture_free(&f);
}

static void mpi_01_guard_jobs_of_one_task_and_steps(void **state) {
    (void)state;
    struct fixture f;
    unlaunched(&f);
    f.digest.scheduler.tasks = 1;
    silent(&f, "MPI-01", FS_NOT_APPLICABLE);
    unlaunched(&f);
    f.digest.scheduler.in_step = true;
    silent(&f, "MPI-01", FS_NOT_APPLICABLE);
    unlaunched(&f);
    f.digest.scheduler.name = NULL;
    silent(&f, "MPI-01", FS_NOT_APPLICABLE);
    unlaunched(&f);
    f.digest.scheduler.tasks = FS_UNKNOWN;
    silent(&f, "MPI-01", FS_STATUS_UNKNOWN);
}

static void mpi_01_guard_a_helper_beside_launched_ranks(void **state) {
    (void)state;
    struct fixture f;
    unlaunched(&f);
    f.digest.mpi_count = 2;
    silent(&f, "MPI-01", FS_PASS);
}

static void mpi_01_guard_programs_that_a_rank_started(void **state) {
    (void)state;
    struct fixture f;
    unlaunched(&f);
    ranks[0].nested = true;
    silent(&f, "MPI-01", FS_PASS);
}

/* --- MPI-02 --- */

static void stranded(struct fixture *f) {
    launched(f);
    ranks[0].size = 1;
    ranks[0].ranks = (char *)"0";
    ranks[0].launcher = "openmpi";
}

static void refused(struct fixture *f) {
    launched(f);
    ranks[0].count = 2;
    ranks[0].library = "openmpi";
    ranks[0].version = (char *)"Open MPI v4.1.4, package: Debian OpenMPI";
    ranks[0].size = FS_UNKNOWN;
    ranks[0].stage = FS_MPI_IN_INIT;
    ranks[0].status = 1 << 8;
    ranks[0].launcher = "srun";
    ranks[0].launcher_size = 2;
    ranks[0].plugin = (char *)"pmi2";
}

static void mpi_02_fires_when_every_rank_is_alone(void **state) {
    (void)state;
    struct fixture f;
    stranded(&f);
    const struct fs_finding *finding = judged(&f, "MPI-02");
    assert_string_equal(finding->title, "every rank is \"0 of 1\": 4 times the same work");
    assert_int_equal(finding->population, 4);
    assert_int_equal(finding->of, 4);
    assert_string_equal(finding->fix[0].text, "mpiexec.hydra -n 4 ./hello");
    fixture_free(&f);
}

static void mpi_02_fires_with_srun_as_it_was_called(void **state) {
    (void)state;
    struct fixture f;
    stranded(&f);
    ranks[0].launcher = "srun";
    ranks[0].plugin = (char *)"pmix";
    assert_string_equal(judged(&f, "MPI-02")->fix[0].text, "srun --mpi=pmi2 -n 4 ./hello");
    fixture_free(&f);
    stranded(&f);
    ranks[0].launcher = "srun";
    f.command[0] = (char *)"srun";
    f.command[1] = (char *)"--mpi=pmix";
    f.command[2] = (char *)"-N2";
    f.command[3] = (char *)"./hello";
    f.digest.command_count = 4;
    f.digest.launcher = (char *)"srun";
    assert_string_equal(judged(&f, "MPI-02")->fix[0].text, "srun --mpi=pmi2 -N2 ./hello");
    fixture_free(&f);
}

static void mpi_02_fires_with_the_plugin_in_two_words(void **state) {
    char *words[] = {"srun", "--mpi", "pmix", "-n", "4", "./hello", "--mpi", "x", "--mpi=y"};
    (void)state;
    struct fixture f;
    stranded(&f);
    ranks[0].launcher = "srun";
    f.digest.command = words;
    f.digest.command_count = sizeof words / sizeof *words;
    f.digest.launcher = (char *)"srun";
    assert_string_equal(judged(&f, "MPI-02")->fix[0].text,
                        "srun --mpi=pmi2 -n 4 ./hello --mpi x --mpi=y");
    fixture_free(&f);
}

static void mpi_02_fires_with_the_library_s_own_launcher(void **state) {
    (void)state;
    struct fixture f;
    stranded(&f);
    ranks[0].file = (char *)"/opt/mpich-4.2/lib/libmpi.so.12";
    assert_string_equal(judged(&f, "MPI-02")->fix[0].text,
                        "/opt/mpich-4.2/bin/mpirun -n 4 ./hello");
    fixture_free(&f);
}

static void commands_that_were_cut_are_not_offered_to_be_run(void **state) {
    (void)state;
    struct fixture f;
    stranded(&f);
    ranks[0].command = (char *)"./hello 'many wo'...";
    const struct fs_finding *finding = judged(&f, "MPI-02");
    assert_string_equal(finding->fix[0].text, "mpiexec.hydra -n 4 ./hello 'many wo'...");
    assert_int_equal(finding->fix[0].kind, FS_FIX_CODE);
    fixture_free(&f);
    unlaunched(&f);
    ranks[0].command = (char *)"./hello 'many wo'...";
    assert_int_equal(judged(&f, "MPI-01")->fix[0].kind, FS_FIX_CODE);
    fixture_free(&f);
    unlaunched(&f);
    assert_int_equal(judged(&f, "MPI-01")->fix[0].kind, FS_FIX_COMMAND);
    fixture_free(&f);
}

static void a_library_s_own_launcher_is_beside_its_last_lib(void **state) {
    (void)state;
    static const struct {
        const char *file, *launcher;
    } cases[] = {
        {"/home/u/libs/ompi/lib/libmpi.so", "/home/u/libs/ompi/bin/mpirun"},
        {"/home/u/lib/ompi/lib64/libmpi.so", "/home/u/lib/ompi/bin/mpirun"},
        {"/home/u/lib64/mpich/lib/libmpi.so", "/home/u/lib64/mpich/bin/mpirun"},
        {"/usr/local/lib/libmpi.so", "/usr/local/bin/mpirun"},
        {"/opt/m/lib/x86_64-linux-gnu/libmpi.so", "/opt/m/bin/mpirun"},
        {"/library/mpi/lib/release/libmpi.so", "/library/mpi/bin/mpirun"},
        {"/home/u/libmpi.so", "mpiexec.hydra"},
        {"/home/u/libs/libmpi.so", "mpiexec.hydra"},
        {"/lib/libmpi.so", "mpiexec.hydra"},
        {"/usr/lib64/mpich/lib/libmpi.so", "mpiexec.hydra"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        char expected[80];
        stranded(&f);
        ranks[0].file = (char *)(uintptr_t)cases[i].file;
        snprintf(expected, sizeof expected, "%s -n 4 ./hello", cases[i].launcher);
        assert_string_equal(judged(&f, "MPI-02")->fix[0].text, expected);
        fixture_free(&f);
    }
}

static void mpi_02_fires_when_mpi_init_gives_up(void **state) {
    (void)state;
    struct fixture f;
    refused(&f);
    const struct fs_finding *finding = judged(&f, "MPI-02");
    assert_string_equal(finding->title, "MPI_Init gives up, with exit status 1");
    assert_int_equal(finding->population, 2);
    assert_int_equal(finding->of, 2);
    assert_string_equal(finding->fix[0].text, "srun --mpi=pmix -n 2 ./hello");
    fixture_free(&f);
}

/* One gives up, srun ends another in MPI_Init and a third before it. */
static void mpi_02_fires_when_one_rank_takes_the_others_along(void **state) {
    (void)state;
    struct fixture f;
    refused(&f);
    ranks[1] = ranks[0];
    ranks[0].count = ranks[1].count = 1;
    ranks[1].status = 9;
    ranks[0].launcher_size = ranks[1].launcher_size = 6; /* three on another node */
    f.digest.mpi_count = 2;
    f.digest.scheduler.step_tasks_on_node = 3;
    const struct fs_finding *finding = judged(&f, "MPI-02");
    assert_int_equal(finding->population, 2);
    assert_int_equal(finding->of, 3);
    assert_string_equal(finding->evidence[0].text,
                        "of 3 ranks on this node 2 went into MPI_Init of Open MPI v4.1.4; 1 ended "
                        "there by itself, with status 1");
    fixture_free(&f);
}

static void mpi_02_guard_other_ends_in_mpi_init(void **state) {
    (void)state;
    struct fixture f;
    refused(&f);
    ranks[0].status = 9; /* a signal */
    silent(&f, "MPI-02", FS_STATUS_UNKNOWN);
    refused(&f);
    ranks[0].plugin = (char *)"pmix_v4";
    silent(&f, "MPI-02", FS_STATUS_UNKNOWN);
    refused(&f);
    ranks[0].status = FS_UNKNOWN;
    silent(&f, "MPI-02", FS_STATUS_UNKNOWN);
}

static void mpi_02_guard_worlds_that_agree(void **state) {
    (void)state;
    struct fixture f;
    launched(&f);
    silent(&f, "MPI-02", FS_PASS);
    launched(&f);
    ranks[0].size = ranks[0].launcher_size = 1; /* mpirun -n 1 */
    silent(&f, "MPI-02", FS_PASS);
}

static void mpi_02_guard_singles_on_purpose(void **state) {
    (void)state;
    struct fixture f;
    stranded(&f);
    ranks[0].nested = true;
    silent(&f, "MPI-02", FS_NOT_APPLICABLE);
    stranded(&f);
    ranks[0].count = 1; /* one of four tasks runs an MPI tool */
    silent(&f, "MPI-02", FS_PASS);
    stranded(&f);
    f.digest.mpi_count = 2; /* a tool beside the ranks of the job */
    silent(&f, "MPI-02", FS_PASS);
}

static void mpi_02_guard_unknown_libraries(void **state) {
    (void)state;
    struct fixture f;
    launched(&f);
    ranks[0].size = FS_UNKNOWN;
    silent(&f, "MPI-02", FS_STATUS_UNKNOWN);
    launched(&f);
    f.digest.mpi_count = 0;
    f.digest.mpi_silent = 4;
    silent(&f, "MPI-02", FS_STATUS_UNKNOWN);
    launched(&f);
    f.digest.mpi_count = 0;
    silent(&f, "MPI-02", FS_NOT_APPLICABLE);
}

/* --- FRK-05, MPI-08 --- */

static struct fs_mpi_caller caller;

static void called(struct fixture *f, bool thread) {
    launched(f);
    ranks[0].calls_seen = true;
    ranks[0].asked = ranks[0].provided = 0;
    caller = (struct fs_mpi_caller){
        .thread = thread,
        .count = 1,
        .pid = 300,
        .tid = 301,
        .rank = 2,
        .function = (char *)"MPI_Send",
        .created = {.file = (char *)"/home/u/hello.c", .line = 12, .function = (char *)"main"}};
    ranks[0].callers = &caller;
    ranks[0].caller_count = 1;
}

static void frk_05_fires_for_a_child(void **state) {
    (void)state;
    struct fixture f;
    called(&f, false);
    const struct fs_finding *finding = judged(&f, "FRK-05");
    assert_string_equal(finding->title, "1 forked child called MPI (MPI_Send)");
    assert_string_equal(finding->evidence[0].text,
                        "process 300, forked by rank 2 after MPI_Init, called MPI_Send");
    assert_string_equal(finding->cause[1], "it was forked at hello.c:12 in main");
    fixture_free(&f);
    called(&f, false);
    caller.function = (char *)"pmpi_finalize_";
    assert_string_equal(judged(&f, "FRK-05")->fix[0].text, "_exit(0);");
    fixture_free(&f);
}

static void frk_05_guard_calls_of_the_ranks_alone(void **state) {
    (void)state;
    struct fixture f;
    called(&f, true);
    silent(&f, "FRK-05", FS_PASS);
    called(&f, true);
    ranks[0].caller_count = 0;
    ranks[0].calls_seen = false; /* no other calls than MPI_Finalize can be seen */
    silent(&f, "FRK-05", FS_STATUS_UNKNOWN);
}

static void mpi_08_fires_for_a_second_thread(void **state) {
    (void)state;
    struct fixture f;
    for (int level = 0; level < 2; level++) {
        called(&f, true);
        ranks[0].provided = level;
        const struct fs_finding *finding = judged(&f, "MPI-08");
        assert_string_equal(finding->title,
                            level ? "1 other thread called MPI at thread level FUNNELED"
                                  : "1 other thread called MPI at thread level SINGLE");
        assert_string_equal(finding->cause[0], "the thread was started at hello.c:12 in main");
        fixture_free(&f);
    }
}

static void mpi_08_guard_levels_for_several_threads(void **state) {
    (void)state;
    struct fixture f;
    for (int level = 2; level < 4; level++) {
        called(&f, true);
        ranks[0].provided = level;
        silent(&f, "MPI-08", FS_PASS);
    }
}

static void mpi_08_guard_threads_of_the_library(void **state) {
    (void)state;
    struct fixture f;
    called(&f, true);
    caller.created = (struct fs_place){.module = (char *)"/usr/lib/libopen-pal.so.40"};
    silent(&f, "MPI-08", FS_PASS);
    called(&f, true);
    caller.created = (struct fs_place){.module = ranks[0].file};
    caller.count = 2; /* the other one may be the program's */
    silent(&f, "MPI-08", FS_STATUS_UNKNOWN);
}

static void mpi_08_guard_calls_that_are_not_seen(void **state) {
    (void)state;
    struct fixture f;
    called(&f, true);
    ranks[0].caller_count = 0;
    silent(&f, "MPI-08", FS_PASS);
    called(&f, true);
    ranks[0].caller_count = 0;
    ranks[0].calls_seen = false;
    silent(&f, "MPI-08", FS_STATUS_UNKNOWN);
    called(&f, true);
    ranks[0].provided = FS_UNKNOWN;
    silent(&f, "MPI-08", FS_STATUS_UNKNOWN);
    called(&f, false);
    silent(&f, "MPI-08", FS_PASS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mpi_01_fires_with_the_command_that_starts_all),
        cmocka_unit_test(mpi_01_guard_jobs_of_one_task_and_steps),
        cmocka_unit_test(mpi_01_guard_a_helper_beside_launched_ranks),
        cmocka_unit_test(mpi_01_guard_programs_that_a_rank_started),
        cmocka_unit_test(mpi_02_fires_when_every_rank_is_alone),
        cmocka_unit_test(mpi_02_fires_with_srun_as_it_was_called),
        cmocka_unit_test(mpi_02_fires_with_the_plugin_in_two_words),
        cmocka_unit_test(mpi_02_fires_with_the_library_s_own_launcher),
        cmocka_unit_test(a_library_s_own_launcher_is_beside_its_last_lib),
        cmocka_unit_test(commands_that_were_cut_are_not_offered_to_be_run),
        cmocka_unit_test(mpi_02_fires_when_mpi_init_gives_up),
        cmocka_unit_test(mpi_02_fires_when_one_rank_takes_the_others_along),
        cmocka_unit_test(mpi_02_guard_other_ends_in_mpi_init),
        cmocka_unit_test(mpi_02_guard_worlds_that_agree),
        cmocka_unit_test(mpi_02_guard_singles_on_purpose),
        cmocka_unit_test(mpi_02_guard_unknown_libraries),
        cmocka_unit_test(frk_05_fires_for_a_child),
        cmocka_unit_test(frk_05_guard_calls_of_the_ranks_alone),
        cmocka_unit_test(mpi_08_fires_for_a_second_thread),
        cmocka_unit_test(mpi_08_guard_levels_for_several_threads),
        cmocka_unit_test(mpi_08_guard_threads_of_the_library),
        cmocka_unit_test(mpi_08_guard_calls_that_are_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
