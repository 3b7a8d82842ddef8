/* Supervision: starting, signals, statuses; the application's environment. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tracer/clock.h"
#include "tracer/elf_file.h"
#include "tracer/launch.h"
#include "tracer/supervise.h"

static const int64_t hang = 30 * FS_SECOND;

static struct fs_supervisor supervisor;

static int start(const char *script) {
    char *command[] = {"sh", "-c", (char *)script, NULL};
    bool exec_failed;
    supervisor = (struct fs_supervisor){0};
    return fs_supervise_start(&supervisor, command, environ, &exec_failed);
}

static void finish(void) {
    const int64_t deadline = fs_now() + hang;
    while (!supervisor.ended && fs_now() < deadline)
        fs_supervise_until(&supervisor, fs_now() + FS_SECOND / 10);
    assert_true(supervisor.ended);
    fs_supervise_end(&supervisor);
}

static void statuses_are_those_of_a_shell(void **state) {
    (void)state;
    static const struct {
        const char *script;
        int status;
    } cases[] = {{"exit 0", 0},
                 {"exit 7", 7},
                 {"exit 255", 255},
                 {"kill -TERM $$", 128 + SIGTERM},
                 {"kill -KILL $$", 128 + SIGKILL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(start(cases[i].script), 0);
        finish();
        assert_int_equal(fs_exit_status(supervisor.status), cases[i].status);
    }
}

static void what_cannot_be_executed_leaves_no_child(void **state) {
    (void)state;
    static const struct {
        const char *program;
        int reason;
    } cases[] = {{"/no/such/program", ENOENT},
                 {"no-such-command-at-all", ENOENT},
                 {"/etc/passwd", EACCES},
                 {"/tmp", EACCES}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command[] = {(char *)cases[i].program, NULL};
        bool exec_failed = false;
        supervisor = (struct fs_supervisor){0};
        assert_int_equal(fs_supervise_start(&supervisor, command, environ, &exec_failed), -1);
        assert_int_equal(errno, cases[i].reason);
        assert_true(exec_failed);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

static void ignored_children_are_still_waited_for(void **state) {
    (void)state;
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(start("exit 3"), 0);
    finish();
    assert_int_equal(fs_exit_status(supervisor.status), 3);
    assert_ptr_equal(signal(SIGCHLD, SIG_DFL), SIG_IGN); /* as it was inherited */
}

static void signal_from_a_process_is_passed_on_once(void **state) {
    (void)state;
    char path[] = "/tmp/test_supervise.XXXXXX", script[256], text[64] = "";
    const int file = mkstemp(path);
    snprintf(script, sizeof script,
             "trap 'echo usr1 >>%s' USR1; trap 'exit 9' TERM; echo ready >>%s; while :; do sleep "
             "0.05; done",
             path, path);
    assert_int_equal(start(script), 0);
    for (const int64_t deadline = fs_now() + hang; read(file, text, 5) != 5 && fs_now() < deadline;)
        fs_supervise_until(&supervisor, fs_now() + FS_SECOND / 50);
    kill(getpid(), SIGUSR1);
    for (const int64_t deadline = fs_now() + hang; read(file, text, 6) < 5 && fs_now() < deadline;)
        fs_supervise_until(&supervisor, fs_now() + FS_SECOND / 50);
    assert_int_equal(supervisor.interrupted, 0);
    kill(getpid(), SIGTERM);
    finish();
    assert_int_equal(fs_exit_status(supervisor.status), 9);
    assert_int_equal(supervisor.interrupted, SIGTERM);
    assert_true(supervisor.t_interrupted >= supervisor.t_start);
    assert_int_equal(lseek(file, 0, SEEK_END), strlen("ready\nusr1\n"));
    close(file);
    unlink(path);
}

static void count_flush(void *data) {
    (*(int *)data)++;
}

static void flush_comes_before_the_signal(void **state) {
    (void)state;
    int flushed = 0;
    signal(SIGHUP, SIG_DFL); /* under nohup it is ignored, by the command, too */
    assert_int_equal(start("exec sleep 60"), 0);
    supervisor.flush = count_flush;
    supervisor.data = &flushed;
    fs_supervise_until(&supervisor, fs_now() + FS_SECOND / 20);
    assert_int_equal(flushed, 0);
    kill(getpid(), SIGHUP);
    finish();
    assert_int_equal(flushed, 1);
    assert_int_equal(fs_exit_status(supervisor.status), 128 + SIGHUP);
}

static void deadline_is_kept(void **state) {
    (void)state;
    assert_int_equal(start("exec sleep 60"), 0);
    const int64_t begin = fs_now();
    assert_int_equal(fs_supervise_until(&supervisor, begin + 30 * FS_MILLISECOND), 0);
    assert_true(fs_now() >= begin + 30 * FS_MILLISECOND);
    assert_false(supervisor.ended);
    kill(supervisor.pid, SIGKILL);
    finish();
}

static const char *value_in(char **environment, const char *name) {
    const char *found = NULL;
    for (char **entry = environment; *entry; entry++) {
        const size_t length = strlen(name);
        if (strncmp(*entry, name, length) != 0 || (*entry)[length] != '=') continue;
        assert_null(found); /* no name twice */
        found = *entry + length + 1;
    }
    return found;
}

static void environment_gets_the_shim_and_nothing_else(void **state) {
    (void)state;
    size_t before = 0, after = 0;
    setenv("LD_PRELOAD_OTHER", "x", 1);
    unsetenv("LD_PRELOAD");
    char **environment = fs_environment_make("/opt/l.so", "/dev/shm/f", true, "sh");
    assert_string_equal(value_in(environment, "LD_PRELOAD"), "/opt/l.so");
    assert_string_equal(value_in(environment, "FORKSIGHT_SEGMENTS"), "/dev/shm/f");
    assert_string_equal(value_in(environment, "FORKSIGHT_SHIM"), "1");
    assert_string_equal(value_in(environment, "LD_PRELOAD_OTHER"), "x");
    for (; environ[before];)
        before++;
    for (; environment[after];)
        after++;
    assert_int_equal(after, before + 3);
    fs_environment_free(environment);

    environment = fs_environment_make("/opt/l.so", "/f", false, "no-such-command");
    assert_string_equal(value_in(environment, "FORKSIGHT_SHIM"), "0");
    fs_environment_free(environment);
}

static void earlier_preloads_are_kept(void **state) {
    (void)state;
    /* Not set in this process's life: the loader looked at it long ago. */
    setenv("LD_PRELOAD", "/opt/other.so", 1);
    char **environment = fs_environment_make("/opt/l.so", "/f", true, "sh");
    assert_string_equal(value_in(environment, "LD_PRELOAD"), "/opt/other.so:/opt/l.so");
    fs_environment_free(environment);
    unsetenv("LD_PRELOAD");
}

static void shim_is_found_and_strange_paths_refused(void **state) {
    (void)state;
    char folder[] = "/tmp/test launch.XXXXXX", path[PATH_MAX], shim[64], error[PATH_MAX + 512];
    assert_non_null(mkdtemp(folder));
    snprintf(shim, sizeof shim, "%s/x.so", folder);
    close(open(shim, O_CREAT | O_WRONLY, 0600));
    setenv("FORKSIGHT_PRELOAD", shim, 1);
    assert_int_equal(fs_preload_find(path, sizeof path, error, sizeof error), -1);
    assert_non_null(strstr(error, "space"));
    setenv("FORKSIGHT_PRELOAD", "/no/such.so", 1);
    assert_int_equal(fs_preload_find(path, sizeof path, error, sizeof error), -1);
    assert_non_null(strstr(error, "FORKSIGHT_PRELOAD"));
    unsetenv("FORKSIGHT_PRELOAD");
    unlink(shim);
    rmdir(folder);
}

static void programs_tell_what_they_need(void **state) {
    (void)state;
    char loader[FS_LOADER_SIZE] = "";
    const int file = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(fs_elf_loader(file, loader), 1);
    assert_non_null(strstr(loader, "ld"));
    close(file);
    assert_true(fs_elf_needs("/proc/self/exe", "libcmocka.so"));
    assert_false(fs_elf_needs("/proc/self/exe", "libno-such-thing.so"));
    assert_false(fs_elf_needs("/etc/passwd", "libc.so"));
    assert_false(fs_elf_needs("/no/such/file", "libc.so"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_are_those_of_a_shell),
        cmocka_unit_test(what_cannot_be_executed_leaves_no_child),
        cmocka_unit_test(ignored_children_are_still_waited_for),
        cmocka_unit_test(signal_from_a_process_is_passed_on_once),
        cmocka_unit_test(flush_comes_before_the_signal),
        cmocka_unit_test(deadline_is_kept),
        cmocka_unit_test(environment_gets_the_shim_and_nothing_else),
        cmocka_unit_test(earlier_preloads_are_kept),
        cmocka_unit_test(shim_is_found_and_strange_paths_refused),
        cmocka_unit_test(programs_tell_what_they_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
