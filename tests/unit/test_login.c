/* Who is logged in, and which machine it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

#include <cmocka.h>

#include "tracer/digest.h"
#include "tracer/login.h"
#include "tracer/siblings.h"

struct machine {
    char root[64];
    struct fs_proc *proc;
};

static void make(const struct machine *machine, const char *path, const void *text, size_t size) {
    char whole[256];
    snprintf(whole, sizeof whole, "%s%s", machine->root, path);
    for (char *slash = strchr(whole + strlen(machine->root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0755);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    if (size) assert_int_equal(fwrite(text, size, 1, file), 1);
    fclose(file);
}

static int set_up(void **state) {
    struct machine *machine = calloc(1, sizeof *machine);
    strcpy(machine->root, "/tmp/fs-login-XXXXXX");
    assert_non_null(mkdtemp(machine->root));
    make(machine, "/proc/1/stat", "1 (init) S 0 0 0\n", 17);
    machine->proc = fs_proc_open(machine->root);
    *state = machine;
    return machine->proc ? 0 : -1;
}

static int tear_down(void **state) {
    struct machine *machine = *state;
    char command[128];
    fs_proc_close(machine->proc);
    snprintf(command, sizeof command, "rm -r '%s'", machine->root);
    const int status = system(command);
    free(machine);
    return status;
}

static struct utmpx session(const char *user, short type, pid_t pid) {
    struct utmpx entry;
    memset(&entry, 0, sizeof entry);
    entry.ut_type = type;
    entry.ut_pid = pid;
    memcpy(entry.ut_user, user, strlen(user));
    return entry;
}

static struct fs_login look(const struct machine *machine) {
    struct fs_login login;
    fs_login_read(machine->root, machine->proc, &login);
    return login;
}

static void a_bare_machine_tells_nothing(void **state) {
    const struct fs_login login = look(*state);
    assert_int_equal(login.users, FS_UNKNOWN);
    assert_null(login.scheduler);
    assert_false(login.compute);
}

static void users_are_counted_once_and_only_sessions_that_live(void **state) {
    const struct utmpx entries[] = {
        session("root", BOOT_TIME, 1),          session("ann", USER_PROCESS, getpid()),
        session("bob", USER_PROCESS, getpid()), session("ann", USER_PROCESS, getppid()),
        session("eve", DEAD_PROCESS, getpid()), session("gone", USER_PROCESS, 0x3fffffff),
    };
    make(*state, "/run/utmp", entries, sizeof entries);
    assert_int_equal(look(*state).users, 2);
}

static void a_cut_file_and_an_empty_one(void **state) {
    struct utmpx entry = session("ann", USER_PROCESS, getpid());
    make(*state, "/var/run/utmp", &entry, sizeof entry - 1);
    assert_int_equal(look(*state).users, 0);
    make(*state, "/run/utmp", "", 0);
    assert_int_equal(look(*state).users, 0);
}

static void schedulers_are_told_by_their_files(void **state) {
    make(*state, "/etc/pbs.conf", "", 0);
    assert_string_equal(look(*state).scheduler, "pbs");
    make(*state, "/etc/slurm/slurm.conf", "", 0);
    assert_string_equal(look(*state).scheduler, "slurm");
}

static void a_compute_node_has_the_daemon(void **state) {
    static const char stat[] =
        "77 (slurmd) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 100 0 0 0 0 0 0 0 0 0 0 0 0 0 "
        "0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
    const struct utmpx entries[] = {session("ann", USER_PROCESS, getpid()),
                                    session("bob", USER_PROCESS, getpid())};
    make(*state, "/run/utmp", entries, sizeof entries);
    make(*state, "/etc/slurm/slurm.conf", "", 0);
    assert_false(look(*state).compute);
    make(*state, "/proc/77/stat", stat, sizeof stat - 1);
    assert_true(look(*state).compute);
}

static void idle_times_are_read(void **state) {
    (void)state;
    int64_t ticks[4];
    fs_idle_ticks("cpu  9 9 9 9 9 9\ncpu0 1 2 3 40 5 6 7\ncpu2 1 2 3 50 0 1\ncpu9 1 1 1 1 1 1\n"
                  "intr 5\ncpu1 1 1 1 1 1 1\n",
                  ticks, 4);
    assert_int_equal(ticks[0], 45);
    assert_int_equal(ticks[1], FS_UNKNOWN);
    assert_int_equal(ticks[2], 50);
    assert_int_equal(ticks[3], FS_UNKNOWN);
    fs_idle_ticks("cpu0 1 2 3 40", ticks, 4);
    assert_int_equal(ticks[0], FS_UNKNOWN);
    fs_idle_ticks("cpu0 1 2 3\ncpu1 1 1 1 99999999999999999999 1 1\ncpu", ticks, 4);
    assert_int_equal(ticks[0], FS_UNKNOWN);
    assert_int_equal(ticks[1], FS_UNKNOWN);
    fs_idle_ticks("", ticks, 4);
    assert_int_equal(ticks[0], FS_UNKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_bare_machine_tells_nothing),
        TEST(users_are_counted_once_and_only_sessions_that_live),
        TEST(a_cut_file_and_an_empty_one),
        TEST(schedulers_are_told_by_their_files),
        TEST(a_compute_node_has_the_daemon),
        cmocka_unit_test(idle_times_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
