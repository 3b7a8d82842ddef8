/* /proc of a captured system and of this one. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/segment.h"
#include "tracer/libraries.h"
#include "tracer/mask.h"
#include "tracer/proc.h"

static struct fs_proc *captured, *live;

static int open_both(void **state) {
    (void)state;
    captured = fs_proc_open("tests/data/processes");
    live = fs_proc_open("");
    return captured && live ? 0 : -1;
}

static int close_both(void **state) {
    (void)state;
    fs_proc_close(captured);
    fs_proc_close(live);
    fs_proc_close(NULL);
    return 0;
}

static void pids_are_listed(void **state) {
    (void)state;
    const int *pids;
    size_t count;
    int sum = 0;
    assert_int_equal(fs_proc_pids(captured, &pids, &count), 0);
    assert_int_equal(count, 8); /* meminfo is none */
    for (size_t i = 0; i < count; i++)
        sum += pids[i];
    assert_int_equal(sum, 100 + 200 + 201 + 202 + 203 + 300 + 400 + 401);
    assert_int_equal(fs_proc_tids(captured, 200, &pids, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(fs_proc_tids(captured, 999, &pids, &count), -1);
    assert_int_equal(errno, ENOENT);
}

static void roots_are_asked(void **state) {
    (void)state;
    const int self = getpid();
    char path[8192];
    assert_int_equal(fs_proc_has_our_root(live, self), 1);
    assert_int_equal(fs_proc_finds(live, self, "/proc"), 1);
    assert_int_equal(fs_proc_finds(live, self, "/proc/no/such"), 0);
    assert_int_equal(fs_proc_finds(live, self, "/proc/version/below"), 0);
    memset(path, '/', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(fs_proc_finds(live, self, path), -1);
    assert_int_equal(fs_proc_has_our_root(captured, 200), -1);
    const int file = fs_proc_open_executable(live, self);
    assert_true(file >= 0);
    close(file);
}

static void stat_is_read(void **state) {
    (void)state;
    struct fs_proc_stat stat;
    assert_int_equal(fs_proc_stat(captured, 200, &stat), 0);
    assert_string_equal(stat.comm, "py) (x) R");
    assert_int_equal(stat.state, 'R');
    assert_int_equal(stat.ppid, 100);
    assert_int_equal(stat.pgid, 200);
    assert_int_equal(stat.sid, 100);
    assert_int_equal(stat.tty, 34816);
    assert_int_equal(stat.utime, 150);
    assert_int_equal(stat.stime, 25);
    assert_int_equal(stat.child_utime, 10);
    assert_int_equal(stat.starttime, 6000);
    assert_int_equal(stat.threads, 3);
    assert_int_equal(stat.processor, 5);
    assert_int_equal(stat.rss, 800);
    assert_int_equal(fs_proc_thread_stat(captured, 200, 211, &stat), 0);
    assert_int_equal(stat.pid, 211);
    assert_int_equal(stat.processor, 3);
    assert_int_equal(fs_proc_stat(captured, 999, &stat), -1);
    assert_int_equal(errno, ENOENT);
    for (int pid = 400; pid <= 401; pid++) {
        assert_int_equal(fs_proc_stat(captured, pid, &stat), -1);
        assert_int_equal(errno, EBADMSG);
    }
    assert_int_equal(stat.pid, 211);
}

static void schedstat_is_read(void **state) {
    (void)state;
    struct fs_proc_schedstat schedstat;
    assert_int_equal(fs_proc_schedstat(captured, 200, 0, &schedstat), 0);
    assert_int_equal(schedstat.run_ns, 1750000000);
    assert_int_equal(schedstat.wait_ns, 250000000);
    assert_int_equal(schedstat.slices, 900);
    assert_int_equal(fs_proc_schedstat(captured, 100, 0, &schedstat), -1);
    assert_int_equal(errno, ENODATA);
    assert_int_equal(fs_proc_schedstat(captured, 202, 0, &schedstat), -1);
    assert_int_equal(errno, EBADMSG);
}

static void status_is_read(void **state) {
    (void)state;
    struct fs_proc_status status = {.mask = hwloc_bitmap_alloc()};
    assert_int_equal(fs_proc_status(captured, 200, 0, &status), 0);
    char *mask = fs_mask_text(status.mask);
    assert_string_equal(mask, "0-3,64");
    assert_int_equal(status.tracer, 55);
    assert_int_equal(status.uid, 1001);
    assert_int_equal(status.signals_ignored, UINT64_C(1) << (SIGCHLD - 1));
    assert_int_equal(status.signals_caught, UINT64_C(0x180000002));
    assert_int_equal(status.voluntary, 12);
    assert_int_equal(status.involuntary, 34);
    assert_int_equal(status.huge_kib, 2048);
    assert_int_equal(fs_proc_status(captured, 202, 0, &status), -1);
    assert_int_equal(errno, EBADMSG);
    hwloc_bitmap_free(status.mask);
    status.mask = NULL;
    assert_int_equal(fs_proc_status(captured, 202, 0, &status), 0);
    assert_int_equal(status.uid, FS_PROC_UNKNOWN);
    assert_int_equal(status.huge_kib, FS_PROC_UNKNOWN);
    free(mask);
}

static void descendants_are_found(void **state) {
    (void)state;
    const struct fs_proc_stat *list;
    const int bash[] = {100, 100, 999}, two[] = {202, 300};
    size_t count;
    assert_int_equal(fs_proc_descendants(captured, bash, 3, &list, &count), 0);
    assert_int_equal(count, 5);
    assert_int_equal(list[0].pid, 100);
    assert_int_equal(list[1].pid, 200);
    assert_int_equal(list[4].pid, 203);
    assert_int_equal(fs_proc_descendants(captured, two, 2, &list, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(fs_proc_descendants(captured, NULL, 0, &list, &count), 0);
    assert_int_equal(count, 0);
}

static void image_is_read(void **state) {
    (void)state;
    char text[64], small[8];
    bool deleted;
    assert_int_equal(fs_proc_executable(captured, 200, text, sizeof text, &deleted), 0);
    assert_string_equal(text, "/usr/bin/python3.11");
    assert_true(deleted);
    assert_int_equal(fs_proc_executable(captured, 100, text, sizeof text, &deleted), 0);
    assert_string_equal(text, "/bin/bash");
    assert_false(deleted);
    assert_int_equal(fs_proc_executable(captured, 201, text, sizeof text, NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fs_proc_command(captured, 200, text, sizeof text), 28);
    assert_memory_equal(text, "/usr/bin/python3\0pool.py\0a b", 29);
    assert_int_equal(fs_proc_command(captured, 200, small, sizeof small), 7);
    assert_string_equal(small, "/usr/bi");
    assert_int_equal(fs_proc_command(captured, 201, small, sizeof small), 0);
}

struct seen {
    int count, stop_after;
    char all[256];
};

static int see(void *context, const char *name, size_t name_length, const char *value) {
    struct seen *seen = context;
    const size_t length = strlen(seen->all);
    snprintf(seen->all + length, sizeof seen->all - length, "%.*s>%s|", (int)name_length, name,
             value);
    return ++seen->count == seen->stop_after ? 7 : 0;
}

static void environment_is_visited(void **state) {
    (void)state;
    struct seen seen = {0};
    bool cut = true;
    assert_int_equal(fs_proc_environment(captured, 200, see, &seen, &cut), 0);
    assert_string_equal(seen.all, "OMP_NUM_THREADS>4|PATH>/bin:/usr/bin|OMP_NUM_THREAD>8|>C:|"
                                  "LAST>no end|");
    assert_false(cut);
    seen = (struct seen){.stop_after = 2};
    assert_int_equal(fs_proc_environment(captured, 200, see, &seen, NULL), 7);
    assert_int_equal(seen.count, 2);
}

static void libraries_are_recognised(void **state) {
    (void)state;
    uint32_t libraries;
    assert_int_equal(fs_proc_libraries(captured, 200, &libraries), 0);
    assert_int_equal(libraries, FSP_LIBRARY_PYTHON | FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_GOMP |
                                    FSP_LIBRARY_NUMEXPR | FSP_LIBRARY_MPI);
    assert_int_equal(fs_proc_maps_object(captured, 200, "libgomp"), 1);
    assert_int_equal(fs_proc_maps_object(captured, 200, "libforksight"), 0);
    assert_int_equal(fs_proc_maps_object(captured, 100, "libgomp"), -1);
    static const struct {
        const char *path;
        uint32_t bits;
    } cases[] = {
        {"/usr/lib/llvm-14/lib/libomp.so.5", FSP_LIBRARY_OMP},
        {"/x/libiomp5.so", FSP_LIBRARY_IOMP},
        {"/x/libmkl_intel_thread.so.2", FSP_LIBRARY_MKL},
        {"/x/libscipy_openblas64_-abc.so", FSP_LIBRARY_OPENBLAS},
        {"/x/libblis.so.4", FSP_LIBRARY_BLIS},
        {"/x/libtbbmalloc.so.2", 0},
        {"/x/libtbb.so.12", FSP_LIBRARY_TBB},
        {"/x/libmpich.so.12", FSP_LIBRARY_MPI},
        {"/x/libmpiwhatever.so", 0},
        {"/x/site-packages/numba/_dispatcher.so", FSP_LIBRARY_NUMBA},
        {"/x/site-packages/numba/data.bin", 0},
        {"libc.so.6", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(fs_library_of(cases[i].path), cases[i].bits);
    assert_string_equal(fs_library_name(FSP_LIBRARY_OPENBLAS), "OpenBLAS");
    assert_null(fs_library_name(FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_MKL));
}

static void pss_is_read(void **state) {
    (void)state;
    int64_t bytes;
    assert_int_equal(fs_proc_pss(captured, 200, &bytes), 0);
    assert_int_equal(bytes, 1500 * 1024);
    assert_int_equal(fs_proc_pss(captured, 100, &bytes), -1);
}

static void own_process_is_readable(void **state) {
    (void)state;
    struct fs_proc_stat stat;
    struct fs_proc_status status = {.mask = hwloc_bitmap_alloc()};
    uint32_t libraries;
    char path[512];
    hwloc_bitmap_t own = fs_mask_own();
    assert_int_equal(fs_proc_stat(live, getpid(), &stat), 0);
    assert_int_equal(stat.ppid, getppid());
    assert_int_equal(stat.threads, 1);
    assert_true(stat.processor >= 0);
    assert_true(fs_proc_ticks() > 0);
    assert_int_equal(fs_proc_status(live, getpid(), 0, &status), 0);
    assert_true(fs_mask_equal(status.mask, own));
    assert_int_equal(fs_proc_libraries(live, getpid(), &libraries), 0);
    assert_int_equal(fs_proc_executable(live, getpid(), path, sizeof path, NULL), 0);
    assert_int_equal(fs_proc_maps_object(live, getpid(), "libcmocka"), 1);
    hwloc_bitmap_free(status.mask);
    hwloc_bitmap_free(own);
}

static void vanishing_process_is_an_error(void **state) {
    (void)state;
    const pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t info;
    struct fs_proc_stat stat;
    char path[64];
    uint32_t libraries = 5;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(fs_proc_stat(live, child, &stat), 0); /* a zombie */
    assert_int_equal(stat.state, 'Z');
    assert_int_equal(fs_proc_executable(live, child, path, sizeof path, NULL), -1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(fs_proc_stat(live, child, &stat), -1);
    assert_true(errno == ENOENT || errno == ESRCH);
    assert_int_equal(fs_proc_libraries(live, child, &libraries), -1);
    assert_int_equal(libraries, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pids_are_listed),
        cmocka_unit_test(roots_are_asked),
        cmocka_unit_test(stat_is_read),
        cmocka_unit_test(schedstat_is_read),
        cmocka_unit_test(status_is_read),
        cmocka_unit_test(descendants_are_found),
        cmocka_unit_test(image_is_read),
        cmocka_unit_test(environment_is_visited),
        cmocka_unit_test(libraries_are_recognised),
        cmocka_unit_test(pss_is_read),
        cmocka_unit_test(own_process_is_readable),
        cmocka_unit_test(vanishing_process_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
