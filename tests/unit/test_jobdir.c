/* Job directory and segment folder: names, refusals, files that appear whole, leftovers. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tracer/jobdir.h"
#include "tracer/recover.h"

static char place[64];
static char error[FS_ERROR_SIZE];

static int set_up(void **state) {
    (void)state;
    static const char *const steering[] = {"SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_ARRAY_JOB_ID",
                                           "PBS_JOBID"};
    for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
        unsetenv(steering[i]);
    strcpy(place, "/tmp/test_jobdir.XXXXXX");
    return mkdtemp(place) && chdir(place) == 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", place);
    return chdir("/") == 0 ? system(command) : -1;
}

static void put(const char *name, const char *text) {
    const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static void names_are_made_safe(void **state) {
    (void)state;
    char name[16];
    fs_safe_name("n1.cluster", name, sizeof name);
    assert_string_equal(name, "n1.cluster");
    fs_safe_name("../a b\n/c", name, sizeof name);
    assert_string_equal(name, "-.-a-b--c");
    fs_safe_name("0123456789abcdefghij", name, sizeof name);
    assert_int_equal(strlen(name), 15);
}

static void automatic_names_do_not_collide(void **state) {
    (void)state;
    struct fs_jobdir first, second;
    setenv("SLURM_JOB_ID", "42", 1);
    setenv("SLURM_STEP_ID", "0", 1);
    assert_int_equal(fs_jobdir_make(&first, NULL, error, sizeof error), 0);
    assert_int_equal(fs_jobdir_make(&second, NULL, error, sizeof error), 0);
    assert_true(exists("forksight-42.0"));
    assert_true(exists("forksight-42.0-2"));
    fs_jobdir_undo(&first);
    fs_jobdir_undo(&second);
    assert_false(exists("forksight-42.0"));
    assert_false(exists("forksight-42.0-2"));
}

static void job_arrays_are_named_as_slurm_names_them(void **state) {
    (void)state;
    struct fs_jobdir automatic, wanted;
    setenv("SLURM_JOB_ID", "43", 1);
    setenv("SLURM_ARRAY_JOB_ID", "41", 1);
    setenv("SLURM_ARRAY_TASK_ID", "7", 1);
    assert_int_equal(fs_jobdir_make(&automatic, NULL, error, sizeof error), 0);
    assert_int_equal(fs_jobdir_make(&wanted, "r%A_%a-%j", error, sizeof error), 0);
    assert_true(exists("forksight-41_7"));
    assert_true(exists("r41_7-43"));
    unsetenv("SLURM_ARRAY_JOB_ID");
    unsetenv("SLURM_ARRAY_TASK_ID");
    assert_int_equal(fs_jobdir_make(&wanted, "r%A_%a%", error, sizeof error), 0);
    assert_true(exists("r43_notask%"));
    unsetenv("SLURM_JOB_ID");
}

static void one_of_two_who_found_it_empty_gets_it(void **state) {
    (void)state;
    struct fs_jobdir first, second;
    assert_int_equal(fs_jobdir_make(&first, "both", error, sizeof error), 0);
    assert_int_equal(fs_jobdir_make(&second, "both", error, sizeof error), 0);
    assert_int_equal(fs_jobdir_claim(&first, error, sizeof error), 0);
    assert_int_equal(fs_jobdir_claim(&second, error, sizeof error), -1);
    assert_non_null(strstr(error, "earlier record"));
    fs_jobdir_undo(&first);
    assert_false(exists("both"));
}

static void wanted_name_is_filled_in(void **state) {
    (void)state;
    struct fs_jobdir job;
    char expected[64];
    assert_int_equal(fs_jobdir_make(&job, "j%j-%s-%p-100%%", error, sizeof error), 0);
    snprintf(expected, sizeof expected, "jnojob-nostep-%d-100%%", (int)getpid());
    assert_true(exists(expected));
    struct stat status;
    assert_int_equal(stat(expected, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

static void only_new_or_empty_directories_will_do(void **state) {
    (void)state;
    struct fs_jobdir job;
    assert_int_equal(mkdir("empty", 0700), 0);
    assert_int_equal(fs_jobdir_make(&job, "empty", error, sizeof error), 0);
    fs_jobdir_undo(&job);
    assert_true(exists("empty")); /* it was the user's */

    put("empty/notes", "mine");
    assert_int_equal(fs_jobdir_make(&job, "empty", error, sizeof error), -1);
    assert_non_null(strstr(error, "is not empty"));
    put("empty/meta.json", "{}");
    assert_int_equal(fs_jobdir_make(&job, "empty", error, sizeof error), -1);
    assert_non_null(strstr(error, "earlier record"));
    put("file", "");
    assert_int_equal(fs_jobdir_make(&job, "file", error, sizeof error), -1);
    assert_non_null(strstr(error, "not a directory"));
    assert_int_equal(fs_jobdir_make(&job, "no/such/place", error, sizeof error), -1);
    assert_non_null(strstr(error, "No such file"));
    char long_name[PATH_MAX + 10];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(fs_jobdir_make(&job, long_name, error, sizeof error), -1);
}

static int write_text(FILE *out, const void *text) {
    return fputs(text, out) < 0 ? -1 : 0;
}

static int write_half(FILE *out, const void *text) {
    fputs(text, out);
    errno = ENOSPC;
    return -1;
}

static int files_in(const char *path) {
    char command[128];
    snprintf(command, sizeof command, "exit $(ls -A %s | wc -l)", path);
    return WEXITSTATUS(system(command));
}

static void files_appear_whole_or_not_at_all(void **state) {
    (void)state;
    struct fs_jobdir job;
    assert_int_equal(fs_jobdir_make(&job, "j", error, sizeof error), 0);
    assert_int_equal(fs_jobdir_write(&job, "a", write_half, "text"), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(files_in("j"), 0);
    assert_int_equal(fs_jobdir_write(&job, "a", write_text, "old"), 0);
    assert_int_equal(fs_jobdir_write(&job, "a", write_half, "new"), -1);
    assert_int_equal(files_in("j"), 1);
    char text[8] = "";
    const int file = open("j/a", O_RDONLY);
    assert_int_equal(read(file, text, sizeof text), 3);
    close(file);
    assert_string_equal(text, "old");
}

static void meta_comes_back(void **state) {
    (void)state;
    struct fs_jobdir job;
    char *command[] = {"python", "\xff\xfe pool.py", ""};
    struct fs_meta read, meta = {.host = "n1",
                                 .folder = "/dev/shm/x",
                                 .boot_id = "b",
                                 .command = command,
                                 .command_count = 3,
                                 .directory = "/here",
                                 .start = 5,
                                 .start_realtime = 7,
                                 .collector = 11,
                                 .collector_start = 13,
                                 .pid_namespace = 4026531836,
                                 .main_pid = 17,
                                 .mask_start = "0-3",
                                 .oom_kills = -1};
    assert_int_equal(fs_jobdir_make(&job, "j", error, sizeof error), 0);
    assert_int_equal(fs_meta_write(&job, &meta), 0);
    assert_int_equal(fs_meta_read("j", &read, error, sizeof error), 0);
    assert_string_equal(read.host, "n1");
    assert_string_equal(read.folder, "/dev/shm/x");
    assert_int_equal(read.command_count, 3);
    assert_string_equal(read.command[1], "?? pool.py");
    assert_int_equal(read.collector, 11);
    assert_int_equal(read.collector_start, 13);
    assert_int_equal(read.pid_namespace, 4026531836);
    assert_int_equal(read.main_pid, 17);
    assert_int_equal(read.oom_kills, -1);
    assert_string_equal(read.mask_start, "0-3");
    assert_false(read.finished);
    fs_meta_free(&read);
}

static char *app[] = {"app", NULL};

/* All tasks of a launch find one directory, whoever comes first; no other launch does. */
static void directory_is_shared_by_one_launch(void **state) {
    (void)state;
    struct fs_jobdir job, other;
    struct fs_meta meta;
    assert_int_equal(
        fs_jobdir_share(&job, NULL, "forksight-1.0", "slurm 1.0", app, error, sizeof error), 0);
    assert_int_equal(
        fs_jobdir_share(&other, "", "forksight-1.0", "slurm 1.0", app, error, sizeof error), 0);
    assert_string_equal(job.path, other.path);
    assert_int_equal(files_in("forksight-1.0"), 1);
    assert_int_equal(fs_meta_read(job.path, &meta, error, sizeof error), 0);
    assert_string_equal(meta.identity, "slurm 1.0");
    assert_int_equal(meta.collector, 0);
    assert_string_equal(meta.command[0], "app");
    fs_meta_free(&meta);
    assert_int_equal(
        fs_jobdir_share(&other, "forksight-1.0", "x", "slurm 1.1", app, error, sizeof error), -1);
    assert_non_null(strstr(error, "holds an earlier record"));
    assert_int_equal(mkdir("full", 0700), 0);
    put("full/file", "");
    assert_int_equal(fs_jobdir_share(&other, "full", "x", "slurm 1.0", app, error, sizeof error),
                     -1);
    assert_non_null(strstr(error, "is not empty"));
}

/* Its script says -o once more: the job must run, and the earlier record stay. */
static void a_requeued_job_finds_its_earlier_record(void **state) {
    (void)state;
    struct fs_jobdir job;
    assert_int_equal(fs_jobdir_make(&job, "alone/", error, sizeof error), 0);
    assert_int_equal(fs_jobdir_claim(&job, error, sizeof error), 0);
    assert_int_equal(fs_jobdir_share(&job, "many", "x", "slurm 1.0", app, error, sizeof error), 0);
    assert_int_equal(mkdir("other", 0700), 0);
    put("other/file", "");
    assert_int_equal(fs_jobdir_make(&job, "alone/", error, sizeof error), -1);

    setenv("SLURM_RESTART_COUNT", "2", 1);
    assert_int_equal(fs_jobdir_make(&job, "alone/", error, sizeof error), 0);
    assert_string_equal(strrchr(job.path, '/'), "/alone-3");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            fs_jobdir_share(&job, "many", "x", "slurm 1.0-3", app, error, sizeof error), 0);
        assert_string_equal(strrchr(job.path, '/'), "/many-3");
    }
    assert_int_equal(fs_jobdir_share(&job, "new", "x", "slurm 1.0-3", app, error, sizeof error), 0);
    assert_string_equal(strrchr(job.path, '/'), "/new");
    assert_int_equal(fs_jobdir_make(&job, "other", error, sizeof error),
                     -1); /* no record of ours */
    unsetenv("SLURM_RESTART_COUNT");
}

static void collectors_of_one_host_get_names_of_their_own(void **state) {
    (void)state;
    struct fs_jobdir job, other;
    char second[300];
    assert_int_equal(fs_jobdir_share(&job, "j", "x", "slurm 1.0", app, error, sizeof error), 0);
    fs_jobdir_join(&other, job.path, "1.0");
    assert_string_equal(other.step, "1.0");
    assert_int_equal(fs_jobdir_claim_node(&job), 0);
    assert_int_equal(fs_jobdir_claim_node(&other), 0);
    assert_string_equal(job.node, job.host);
    snprintf(second, sizeof second, "%s-2", job.host);
    assert_string_equal(other.node, second);
    assert_int_equal(files_in("j"), 3);
    fs_jobdir_withdraw_node(&other);
    assert_int_equal(files_in("j"), 2);
}

static void owner_of_a_folder_is_told(void **state) {
    (void)state;
    struct fs_jobdir job = {.path = "/some/where", .step = "7.1"};
    struct fs_owner owner;
    char folder[PATH_MAX + 16];
    snprintf(folder, sizeof folder, "%s/forksight-wanted", place);
    assert_int_equal(fs_folder_make_as(&job, folder), 0);
    assert_int_equal(fs_folder_owner(folder, &owner), 0);
    assert_string_equal(owner.job, "/some/where");
    assert_string_equal(owner.step, "7.1");
    assert_int_equal(owner.pid, getpid());
    assert_int_equal(fs_folder_make_as(&job, folder), -1); /* it is taken */
    assert_int_equal(errno, EEXIST);
    put("forksight-wanted/owner", "{\"pid\": -1, \"job\": \"x\"}");
    assert_int_equal(fs_folder_owner(folder, &owner), -1);
}

static void foreign_meta_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "nonsense",
        "{\"forksight\":1}",
        "{\"forksight\":2,\"host\":\"a\",\"collector\":5}",
        "{\"forksight\":1,\"host\":\"a\",\"collector\":-5}",
        "{\"forksight\":1,\"host\":7,\"collector\":5}",
        "{\"forksight\":1,\"host\":\"a\",\"collector\":99999999999}"};
    struct fs_meta meta;
    assert_int_equal(mkdir("j", 0700), 0);
    assert_int_equal(fs_meta_read("j", &meta, error, sizeof error), -1);
    assert_int_equal(errno, ENOENT);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("j/meta.json", texts[i]);
        assert_int_equal(fs_meta_read("j", &meta, error, sizeof error), -1);
        assert_int_equal(errno, EBADMSG);
        assert_int_equal(fs_recover("j", error, sizeof error), -1);
    }
}

static void record_of_another_boot_cannot_be_folded(void **state) {
    (void)state;
    put("meta.json", "{\"forksight\":1,\"host\":\"a\",\"boot\":\"other\",\"folder\":\"/dev/"
                     "shm\",\"collector\":1}");
    assert_int_equal(fs_recover(".", error, sizeof error), -1);
    assert_non_null(strstr(error, "recorded on a"));
    put("a.digest", "");
    assert_int_equal(fs_recover(".", error, sizeof error), 0); /* the interim one stands */
}

static void folder_is_private_and_goes_away(void **state) {
    (void)state;
    struct fs_jobdir job = {0};
    struct stat status;
    char path[PATH_MAX + 16];
    assert_int_equal(fs_folder_make(&job, place, error, sizeof error), 0);
    assert_int_equal(stat(job.folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/owner", job.folder);
    assert_true(exists(path));
    snprintf(path, sizeof path, "%s", job.folder);
    fs_folder_remove(&job);
    assert_false(exists(path));
    assert_string_equal(job.folder, "");
    assert_int_equal(fs_folder_make(&job, "/no/such/place", error, sizeof error), -1);
    assert_non_null(strstr(error, "FORKSIGHT_LOCAL_DIR"));
}

/* A folder whose owner is pid (start as given), for the job directory "job". */
static void leave_folder_of(const char *name, pid_t pid, uint64_t start, uint64_t pid_namespace) {
    char path[256], text[256];
    snprintf(path, sizeof path, "forksight-%u-%s", (unsigned)geteuid(), name);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/owner");
    snprintf(text, sizeof text,
             "{\"pid\": %d, \"start\": %llu, \"namespace\": %llu, \"job\": \"%s/job\"}", (int)pid,
             (unsigned long long)start, (unsigned long long)pid_namespace, place);
    put(path, text);
}

static void leave_folder(const char *name, pid_t pid, uint64_t start) {
    leave_folder_of(name, pid, start, fs_pid_namespace());
}

static bool left(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "forksight-%u-%s", (unsigned)geteuid(), name);
    return exists(path);
}

static void sweep_takes_only_what_nobody_wants(void **state) {
    (void)state;
    char path[256], text[512];
    leave_folder("lost", getpid(), 1); /* the pid is another process now */
    leave_folder("collected", getpid(), fs_start_ticks(getpid()));
    leave_folder("inuse", getpid(), 1);
    snprintf(path, sizeof path, "forksight-%u-inuse/%d-5.seg", (unsigned)geteuid(), (int)getpid());
    put(path, "");
    leave_folder_of("container", getpid(), 1, fs_pid_namespace() + 1); /* its pids are others */
    assert_int_equal(mkdir("other-1-x", 0700), 0);
    fs_folder_sweep(place);
    assert_false(left("lost"));
    assert_true(left("container"));
    assert_true(left("collected"));
    assert_true(left("inuse"));
    assert_true(exists("other-1-x"));

    leave_folder("wanted", getpid(), 1); /* its record was never finished */
    assert_int_equal(mkdir("job", 0700), 0);
    snprintf(
        text, sizeof text,
        "{\"forksight\":1,\"host\":\"a\",\"collector\":1,\"folder\":\"%s/forksight-%u-wanted\"}",
        place, (unsigned)geteuid());
    put("job/meta.json", text);
    fs_folder_sweep(place);
    assert_true(left("wanted"));
    text[strlen(text) - 1] = '\0';
    strcat(text, ",\"finished\":true}");
    put("job/meta.json", text);
    fs_folder_sweep(place);
    assert_false(left("wanted"));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(names_are_made_safe),
        CASE(automatic_names_do_not_collide),
        CASE(job_arrays_are_named_as_slurm_names_them),
        CASE(one_of_two_who_found_it_empty_gets_it),
        CASE(wanted_name_is_filled_in),
        CASE(only_new_or_empty_directories_will_do),
        CASE(files_appear_whole_or_not_at_all),
        CASE(meta_comes_back),
        CASE(directory_is_shared_by_one_launch),
        CASE(a_requeued_job_finds_its_earlier_record),
        CASE(collectors_of_one_host_get_names_of_their_own),
        CASE(owner_of_a_folder_is_told),
        CASE(foreign_meta_is_refused),
        CASE(record_of_another_boot_cannot_be_folded),
        CASE(folder_is_private_and_goes_away),
        CASE(sweep_takes_only_what_nobody_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
