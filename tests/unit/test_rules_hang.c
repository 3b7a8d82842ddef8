/* MPI-06: ranks that wait for one that an exception ended. MPI-07: many interpreters. */
#include "tests/unit/whole_fixture.h"

static struct whole_fixture f;
static struct fs_mpi_ranks ranks[2][2];

static struct fs_mpi_ranks python_rank(int pid, const char *number) {
    return (struct fs_mpi_ranks){
        .executable = (char *)"/usr/bin/python3.11",
        .command = (char *)"python3 job.py",
        .python = true,
        .count = 1,
        .pid = pid,
        .library = "openmpi",
        .version = (char *)"Open MPI v4.1.4",
        .file = (char *)"/usr/lib/x86_64-linux-gnu/libmpi.so.40",
        .size = 4,
        .ranks = (char *)(uintptr_t)number,
        .calls_seen = true,
        .stage = FS_MPI_RUNNING,
        .status = FS_UNKNOWN,
        .launcher = "srun",
        .launcher_size = 4,
        .launcher_ranks = (char *)(uintptr_t)number,
        .finalize_ns = FS_UNKNOWN,
        .looked = 1,
        .waiting = 1,
        .looks = 4,
        .waits_in = (char *)"MPI_Recv",
    };
}

/* Four ranks on two nodes; rank 1 raised ValueError, the others wait in MPI_Recv. */
static void hung(struct whole_fixture *job) {
    static char *command[] = {(char *)"srun", (char *)"-n4", (char *)"python3", (char *)"-u",
                              (char *)"job.py"};

    whole_allocation(job, 2, 4);
    whole_step(job, 2, 2);
    ranks[0][0] = python_rank(201, "0");
    ranks[0][1] = python_rank(202, "1");
    ranks[1][0] = python_rank(301, "2-3");
    ranks[1][0].count = ranks[1][0].looked = ranks[1][0].waiting = 2;
    ranks[0][1].stage = FS_MPI_IN_FINALIZE;
    ranks[0][1].ending = FS_MPI_EXCEPTION;
    ranks[0][1].exception = (char *)"ValueError";
    ranks[0][1].raised =
        (struct fs_place){.file = (char *)"/home/u/job.py", .line = 7, .function = (char *)"main"};
    ranks[0][1].finalize_ns = 35 * SECOND;
    ranks[0][1].looked = ranks[0][1].waiting = ranks[0][1].looks = 0;
    for (int i = 0; i < 2; i++) {
        struct fs_digest *digest = &job->node[i].digest;
        digest->mpi = ranks[i];
        digest->mpi_count = i == 0 ? 2 : 1;
        digest->command = command;
        digest->command_count = 5;
        digest->launcher = "srun";
        digest->interrupted = 0;
    }
}

static bool says(const struct fs_finding *finding, const char *text) {
    bool found = strstr(finding->title, text) != NULL;
    for (size_t i = 0; i < finding->evidence_count; i++)
        found = found || (finding->evidence[i].text && strstr(finding->evidence[i].text, text));
    for (size_t i = 0; i < finding->fix_count; i++)
        found = found || strcmp(finding->fix[i].text, text) == 0;
    return found;
}

static const struct fs_finding *finding_of(const char *rule) {
    const struct fs_finding *finding = fs_verdict_find(&f.verdict, rule);
    assert_non_null(finding);
    return finding;
}

static void mpi_06_fires_across_nodes(void **state) {
    (void)state;
    hung(&f);
    whole_judge(&f);
    const struct fs_finding *finding = finding_of("MPI-06");
    assert_int_equal(finding->severity, FS_ERROR);
    assert_string_equal(finding->title, "rank 1 raised ValueError and left 3 others waiting");
    assert_int_equal(finding->population, 1);
    assert_int_equal(finding->of, 4);
    assert_int_equal(finding->nodes, 1);
    assert_string_equal(finding->hosts, "n1");
    assert_true(says(finding, "rank 1 (process 202): uncaught ValueError at job.py:7 in main, "
                              "then 35.0 s in MPI_Finalize"));
    assert_true(says(
        finding, "3 others did not come there; 3 looked at, up to 4 times: always in MPI_Recv"));
    assert_true(says(finding, "srun -n4 python3 -u -m mpi4py job.py"));
    whole_free(&f);
}

/* The fix for these words, or for what a rank says of itself: a command line, or what to complete
 * where it is not known to its end. */
static void expect_fix(char **words, size_t count, const char *command, const char *fix) {
    hung(&f);
    for (int i = 0; i < 2; i++) {
        f.node[i].digest.command = words;
        f.node[i].digest.command_count = count;
    }
    ranks[0][1].command = (char *)(uintptr_t)command;
    whole_judge(&f);
    if (!says(finding_of("MPI-06"), fix)) print_error("%s\n", finding_of("MPI-06")->fix[0].text);
    assert_true(says(finding_of("MPI-06"), fix));
    const bool whole = !strchr(fix, '{') && !strstr(fix, "...");
    assert_int_equal(finding_of("MPI-06")->fix[0].kind, whole ? FS_FIX_COMMAND : FS_FIX_CODE);
    whole_free(&f);
}

static void mpi_06_fires_with_the_line_that_was_typed(void **state) {
    (void)state;
    static char *warnings[] = {(char *)"mpirun", (char *)"-np",      (char *)"4",
                               (char *)"python", (char *)"-W",       (char *)"ignore",
                               (char *)"job.py", (char *)"two words"};
    static char *module[] = {(char *)"srun", (char *)"python3", (char *)"-m", (char *)"package"};
    static char *script[] = {(char *)"srun", (char *)"-n4", (char *)"./job.py", (char *)"-v"};
    static char *inner[] = {(char *)"python3", (char *)"job.py"};
    static char *joined[] = {(char *)"srun", (char *)"python3", (char *)"-um", (char *)"package"};

    expect_fix(warnings, 8, NULL, "mpirun -np 4 python -W ignore -m mpi4py job.py 'two words'");
    expect_fix(module, 4, NULL, "srun python3 -m mpi4py -m package");
    expect_fix(script, 4, NULL, "srun -n4 python3 -m mpi4py ./job.py -v");
    expect_fix(inner, 2, "python3 job.py 5", "srun --mpi=pmix -n 4 python3 -m mpi4py job.py 5");
    expect_fix(inner, 2, "python3 job.py 'two wo'...",
               "srun --mpi=pmix -n 4 python3 -m mpi4py job.py 'two wo'...");
    expect_fix(joined, 4, "python3 -um package", "python3 -m mpi4py {script}");
}

static void mpi_06_fires_for_an_interrupted_job(void **state) {
    (void)state;
    hung(&f);
    ranks[0][1].finalize_ns = 3 * SECOND;
    f.node[1].digest.interrupted = 2;
    whole_judge(&f);
    finding_of("MPI-06");
    whole_free(&f);
}

static void done_early(struct whole_fixture *job) {
    (void)job;
    ranks[0][1].ending = FS_MPI_PLAIN;
}
static void interrupted(struct whole_fixture *job) {
    (void)job;
    ranks[0][1].exception = (char *)"KeyboardInterrupt";
}
static void end_not_seen(struct whole_fixture *job) {
    (void)job;
    ranks[0][1].ending = FS_MPI_UNSEEN;
}
static void short_wait(struct whole_fixture *job) {
    (void)job;
    ranks[0][1].finalize_ns = 29 * SECOND;
}
static void all_finalize(struct whole_fixture *job) {
    (void)job;
    ranks[0][0].stage = ranks[1][0].stage = FS_MPI_IN_FINALIZE;
    ranks[0][0].ending = ranks[1][0].ending = FS_MPI_PLAIN;
}
static void came_back(struct whole_fixture *job) {
    (void)job;
    ranks[0][1].stage = FS_MPI_FINALIZED;
}
static void aborted(struct whole_fixture *job) {
    (void)job;
    ranks[0][1].stage = FS_MPI_ABORTED;
}
static void another_computes(struct whole_fixture *job) {
    (void)job;
    ranks[1][0].waiting = 1;
}
static void nobody_looked(struct whole_fixture *job) {
    (void)job;
    ranks[0][0].looked = ranks[0][0].waiting = ranks[1][0].looked = ranks[1][0].waiting = 0;
}
static void no_python(struct whole_fixture *job) {
    (void)job;
    ranks[0][0].python = ranks[0][1].python = ranks[1][0].python = false;
}
static void single_ranks(struct whole_fixture *job) {
    (void)job;
    ranks[0][0].size = ranks[0][1].size = ranks[1][0].size = 1;
}
static void without_mpi(struct whole_fixture *job) {
    job->node[0].digest.mpi_count = job->node[1].digest.mpi_count = 0;
}
static void silent_mpi(struct whole_fixture *job) {
    without_mpi(job);
    job->node[1].digest.mpi_silent = 1;
}

static void mpi_06_guards(void **state) {
    (void)state;
    static const struct whole_guard guards[] = {
        {"a rank that is done early", done_early, FS_PASS},
        {"a rank that was interrupted", interrupted, FS_PASS},
        {"its end was not seen", end_not_seen, FS_STATUS_UNKNOWN},
        {"29 seconds", short_wait, FS_PASS},
        {"all ranks finalize", all_finalize, FS_PASS},
        {"MPI_Finalize came back", came_back, FS_PASS},
        {"MPI_Abort", aborted, FS_PASS},
        {"another rank computes", another_computes, FS_PASS},
        {"nobody was looked at", nobody_looked, FS_STATUS_UNKNOWN},
        {"no Python", no_python, FS_NOT_APPLICABLE},
        {"worlds of one rank", single_ranks, FS_NOT_APPLICABLE},
        {"no MPI", without_mpi, FS_NOT_APPLICABLE},
        {"an MPI that nobody saw", silent_mpi, FS_STATUS_UNKNOWN},
    };
    CHECK_WHOLE_GUARDS("MPI-06", hung, guards);
}

/* --- MPI-07 --- */

static void expect_storm(int count, enum fs_status status) {
    hung(&f);
    ranks[1][0].count = count;
    whole_judge(&f);
    assert_int_equal(whole_outcome(&f, "MPI-07")->status, status);
    assert_null(fs_verdict_find(&f.verdict, "MPI-07"));
    whole_free(&f);
}

static void mpi_07_unknown_from_200_interpreters_on(void **state) {
    (void)state;
    expect_storm(198, FS_STATUS_UNKNOWN);
    expect_storm(197, FS_NOT_APPLICABLE);
    hung(&f);
    ranks[1][0].count = 1000;
    ranks[1][0].python = false;
    whole_judge(&f);
    assert_int_equal(whole_outcome(&f, "MPI-07")->status, FS_NOT_APPLICABLE);
    whole_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mpi_06_fires_across_nodes),
        cmocka_unit_test(mpi_06_fires_with_the_line_that_was_typed),
        cmocka_unit_test(mpi_06_fires_for_an_interrupted_job),
        cmocka_unit_test(mpi_06_guards),
        cmocka_unit_test(mpi_07_unknown_from_200_interpreters_on),
    };
    return cmocka_run_group_tests_name("ranks that hang", tests, NULL, NULL);
}
