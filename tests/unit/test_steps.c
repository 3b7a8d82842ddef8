/* Steps of Slurm beside the recorded one, by the processes of a made /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tracer/digest.h"
#include "tracer/steps.h"

static char root[64];
static struct fs_proc *proc;
static struct fs_table table;

static int set_up(void **state) {
    char path[96];
    (void)state;
    strcpy(root, "/tmp/fs-steps-XXXXXX");
    if (!mkdtemp(root)) return -1;
    snprintf(path, sizeof path, "%s/proc", root);
    if (mkdir(path, 0700) != 0) return -1;
    fs_table_init(&table);
    proc = fs_proc_open(root);
    return proc ? 0 : -1;
}

static int tear_down(void **state) {
    char command[96];
    (void)state;
    fs_proc_close(proc);
    fs_table_free(&table);
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void write_file(int pid, const char *name, const char *text, size_t length) {
    char path[128];
    snprintf(path, sizeof path, "%s/proc/%d/%s", root, pid, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void add_process(int pid, int ppid, const char *name, const char *title) {
    static const char environment[] = "HOME=/\0SLURM_JOB_ID=42";
    char path[96], text[256];
    snprintf(path, sizeof path, "%s/proc/%d", root, pid);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(text, sizeof text, "%s\n", name);
    write_file(pid, "comm", text, strlen(text));
    write_file(pid, "cmdline", title, strlen(title) + 1);
    write_file(pid, "environ", environment, sizeof environment);
    snprintf(text, sizeof text,
             "%d (%s) S %d 1 1 0 -1 4194304 9 5 0 0 3 4 1 2 20 0 1 0 5000 9000000 800 "
             "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
             pid, name, ppid);
    write_file(pid, "stat", text, strlen(text));
}

static int steps_beside(bool in_step, const char *step) {
    const struct fs_scheduler scheduler = {
        .name = "slurm", .job = (char *)"42", .step = (char *)(uintptr_t)step, .in_step = in_step};
    return fs_steps_beside(proc, &table, &scheduler);
}

/* forksight run -- srun app, on the node of the batch script, which is pid 10. */
static void add_recorded_srun(void) {
    add_process(20, 10, "srun", "srun");
    add_process(21, 20, "srun", "srun");
    assert_non_null(fs_table_add(&table, 20));
    assert_non_null(fs_table_add(&table, 21));
}

static void the_step_of_a_recorded_srun_is_none_beside(void **state) {
    (void)state;
    add_recorded_srun();
    assert_int_equal(steps_beside(false, NULL), 0);
    add_process(30, 1, "slurmstepd", "slurmstepd: [42.0]");
    add_process(31, 1, "slurmstepd", "slurmstepd: [42.batch]");
    assert_int_equal(steps_beside(false, NULL), 0); /* its task is about to be started */
    fs_table_add_root(&table, 40, 30, 1);
    assert_int_equal(steps_beside(true, "0"), 0);
    add_process(40, 30, "slurmstepd", "slurmstepd: [42.0]"); /* not the task yet */
    assert_int_equal(steps_beside(false, NULL), 0);
}

static void a_script_of_two_sruns_has_no_steps_beside(void **state) {
    (void)state;
    add_recorded_srun();
    add_process(30, 1, "slurmstepd", "slurmstepd: [42.1]");
    fs_table_add_root(&table, 40, 30, 1);
    assert_int_equal(steps_beside(true, "0"), 0); /* the first one, 42.0, is over */
}

static void steps_of_others_are_beside(void **state) {
    (void)state;
    add_recorded_srun();
    add_process(30, 1, "slurmstepd", "slurmstepd: [42.1]");
    add_process(50, 1, "slurmstepd", "slurmstepd: [42.2]");
    add_process(60, 1, "slurmstepd", "slurmstepd: [43.0]");
    fs_table_add_root(&table, 40, 30, 1);
    assert_int_equal(steps_beside(true, "1"), 1);
    add_process(70, 1, "srun", "srun"); /* in the background of the script, and of 42.2 */
    add_process(71, 70, "srun", "srun");
    assert_int_equal(steps_beside(true, "1"), 1);
    add_process(80, 1, "srun", "srun"); /* of a step on another node */
    assert_int_equal(steps_beside(true, "1"), 2);
}

/* srun forksight run -- app: one srun, wherever it is, started the step itself. */
static void in_a_step_its_own_srun_is_left_out(void **state) {
    (void)state;
    add_process(30, 1, "slurmstepd", "slurmstepd: [42.1]");
    add_process(70, 1, "srun", "srun");
    assert_int_equal(steps_beside(true, "1"), 0);
    add_process(80, 1, "srun", "srun");
    assert_int_equal(steps_beside(true, "1"), 1);
}

/* What it forked keeps its name until its exec; a user's program of that name is no such fork. */
static void a_fork_of_a_daemon_is_told_by_both_names(void **state) {
    (void)state;
    add_process(30, 1, "slurmstepd", "slurmstepd: [42.1]");
    add_process(40, 30, "slurmstepd", "slurmstepd: [42.1]");
    add_process(50, 30, "bash", "bash");
    add_process(60, 50, "slurmstepd", "./slurmstepd");
    assert_true(fs_is_fork_of(proc, 40, 30, FS_STEP_DAEMON));
    assert_false(fs_is_fork_of(proc, 50, 30, FS_STEP_DAEMON));
    assert_false(fs_is_fork_of(proc, 60, 50, FS_STEP_DAEMON));
    assert_false(fs_is_fork_of(proc, 70, 30, FS_STEP_DAEMON)); /* gone */
}

int main(void) {
#define MADE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MADE(the_step_of_a_recorded_srun_is_none_beside),
        MADE(a_script_of_two_sruns_has_no_steps_beside),
        MADE(steps_of_others_are_beside),
        MADE(in_a_step_its_own_srun_is_left_out),
        MADE(a_fork_of_a_daemon_is_told_by_both_names),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
