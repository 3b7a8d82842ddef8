/*
 * The readers on what small emulated machines said of one job: a process bound to two
 * CPUs in nested control groups, with half a CPU, too little memory and too few
 * processes. tests/data/captured tells how the archives were made.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/model.h"
#include "tracer/cgroup.h"
#include "tracer/mask.h"
#include "tracer/proc.h"
#include "tracer/topology.h"

enum { SELF = 0, ROOT_SIZE = 64, COMMAND_SIZE = 256 };

struct machine {
    const char *name;
    int version; /* of the control groups */
    const char *topology;
    int cpus, cores, numa_nodes;
    char folder[ROOT_SIZE]; /* where the archive was unpacked */
    char root[ROOT_SIZE];   /* its first moment */
};

#define SMT  "P0{N0 L0{C0{U0 U1}C1{U2 U3}C2{U4 U5}C3{U6 U7}}}"
#define NUMA SMT "P1{N1 L1{C0{U8 U9}C1{U10 U11}C2{U12 U13}C3{U14 U15}}}"

static struct machine machines[] = {
    {.name = "smt-v1", .version = 1, .topology = SMT, .cpus = 8, .cores = 4, .numa_nodes = 1},
    {.name = "smt-v2", .version = 2, .topology = SMT, .cpus = 8, .cores = 4, .numa_nodes = 1},
    {.name = "numa-v1", .version = 1, .topology = NUMA, .cpus = 16, .cores = 8, .numa_nodes = 2},
    {.name = "numa-v2", .version = 2, .topology = NUMA, .cpus = 16, .cores = 8, .numa_nodes = 2},
};

static int discard(void **state) {
    const struct machine *machine = *state;
    char command[COMMAND_SIZE];
    snprintf(command, sizeof command, "rm -r %s", machine->folder);
    return system(command) == 0 ? 0 : -1;
}

static int unpack(void **state) {
    struct machine *machine = *state;
    char command[COMMAND_SIZE];
    strcpy(machine->folder, "/tmp/forksight-captured-XXXXXX");
    if (!mkdtemp(machine->folder)) return -1;
    snprintf(machine->root, sizeof machine->root, "%.48s/1", machine->folder);
    snprintf(command, sizeof command, "tar -xzf tests/data/captured/%s.tar.gz -C %s", machine->name,
             machine->folder);
    if (system(command) == 0) return 0;
    discard(state); /* cmocka does not tear down what was not set up */
    return -1;
}

static void assert_list(hwloc_const_bitmap_t mask, const char *list) {
    assert_non_null(mask);
    char *text = fs_mask_text(mask);
    assert_string_equal(text, list);
    free(text);
}

/* --- processes --- */

/* The pid of the job's main process: proc/self of the archive leads to it. */
static int main_pid(struct fs_proc *proc) {
    char text[4096];
    assert_true(fs_proc_text(proc, SELF, "self/stat", text, sizeof text) > 0);
    return atoi(text);
}

static void assert_mask(struct fs_proc *proc, int pid, int tid, const char *list) {
    struct fs_proc_status status = {.mask = hwloc_bitmap_alloc()};
    assert_int_equal(fs_proc_status(proc, pid, tid, &status), 0);
    assert_list(status.mask, list);
    assert_int_equal(status.uid, 0);
    assert_true(status.voluntary >= 0 && status.involuntary >= 0);
    hwloc_bitmap_free(status.mask);
}

static int take_omp_num_threads(void *context, const char *name, size_t length, const char *value) {
    if (length == strlen("OMP_NUM_THREADS") && strncmp(name, "OMP_NUM_THREADS", length) == 0)
        *(int *)context = atoi(value);
    return 0;
}

static void job_is_read(void **state) {
    const struct machine *machine = *state;
    struct fs_proc *proc = fs_proc_open(machine->root);
    assert_non_null(proc);
    const int pid = main_pid(proc);
    struct fs_proc_stat stat;
    assert_int_equal(fs_proc_stat(proc, pid, &stat), 0);
    assert_string_equal(stat.comm, "python3");
    assert_int_equal(stat.pid, pid);
    assert_int_equal(stat.threads, 4);
    assert_true(stat.utime > 0 && stat.rss > 0 && stat.starttime > 0);
    assert_true(stat.processor == 1 || stat.processor == 3);

    char text[4096];
    bool deleted = true;
    assert_int_equal(fs_proc_executable(proc, pid, text, sizeof text, &deleted), 0);
    assert_non_null(strstr(text, "/python3"));
    assert_false(deleted);
    assert_true(fs_proc_command(proc, pid, text, sizeof text) > 0);
    assert_string_equal(text + strlen(text) + 1, "job.py");

    int threads = 0;
    assert_int_equal(fs_proc_environment(proc, pid, take_omp_num_threads, &threads, NULL), 0);
    assert_int_equal(threads, 4);
    assert_int_equal(fs_proc_maps_object(proc, pid, "libc.so"), 1);
    assert_int_equal(fs_proc_maps_object(proc, pid, "libgomp"), 0);
    fs_proc_close(proc);
}

static void threads_are_read(void **state) {
    const struct machine *machine = *state;
    struct fs_proc *proc = fs_proc_open(machine->root);
    const int pid = main_pid(proc), *list;
    size_t count;
    int tids[4];
    assert_int_equal(fs_proc_tids(proc, pid, &list, &count), 0);
    assert_int_equal(count, 4);
    memcpy(tids, list, sizeof tids);
    for (size_t i = 0; i < count; i++) {
        struct fs_proc_schedstat schedstat;
        struct fs_proc_stat stat;
        assert_mask(proc, pid, tids[i], "1,3");
        assert_int_equal(fs_proc_thread_stat(proc, pid, tids[i], &stat), 0);
        assert_int_equal(stat.pid, tids[i]);
        assert_int_equal(fs_proc_schedstat(proc, pid, tids[i], &schedstat), 0);
        assert_true(schedstat.slices > 0);
        /* The main thread computed with half a CPU, so it waited at least as long. */
        if (tids[i] == pid) assert_true(schedstat.wait_ns > schedstat.run_ns / 2);
    }
    fs_proc_close(proc);
}

static void family_is_found(void **state) {
    const struct machine *machine = *state;
    struct fs_proc *proc = fs_proc_open(machine->root);
    const int pid = main_pid(proc);
    const struct fs_proc_stat *family;
    size_t count;
    assert_int_equal(fs_proc_descendants(proc, &pid, 1, &family, &count), 0);
    assert_int_equal(count, 2);
    const struct fs_proc_stat *child = &family[family[0].pid == pid];
    assert_int_equal(child->ppid, pid);
    assert_int_equal(child->processor, 3);
    assert_mask(proc, child->pid, 0, "3");

    struct fs_proc_stat stat;
    assert_int_equal(fs_proc_stat(proc, pid, &stat), 0);
    const int parent = stat.ppid;
    assert_int_equal(fs_proc_descendants(proc, &parent, 1, &family, &count), 0);
    assert_int_equal(count, 3);
    char all[16];
    snprintf(all, sizeof all, "0-%d", machine->cpus - 1);
    assert_mask(proc, parent, 0, all);
    fs_proc_close(proc);
}

/* --- control groups --- */

static void limits_are_read(void **state) {
    const struct machine *machine = *state;
    struct fs_cgroups *groups = fs_cgroups_find(machine->root, SELF);
    struct fs_cgroup_snapshot it;
    assert_non_null(groups);
    assert_int_equal(fs_cgroups_read(groups, &it), 0);
    assert_list(it.cpuset, "0-3");
    assert_int_equal(it.quota_version, machine->version);
    assert_true(it.quota_cpus == 0.5);
    assert_string_equal(it.quota_path, machine->version == 2
                                           ? "/sys/fs/cgroup/job/step"
                                           : "/sys/fs/cgroup/cpu,cpuacct/job/step");
    assert_true(it.periods > 10 && it.throttled > 5 && it.throttled <= it.periods);
    assert_true(it.throttled_ns > 100000000);

    /* The job's group limits, the step's has the victim and the process that forked. */
    assert_int_equal(it.memory_version, machine->version);
    assert_string_equal(it.memory_path,
                        machine->version == 2 ? "/sys/fs/cgroup/job" : "/sys/fs/cgroup/memory/job");
    assert_int_equal(it.memory_limit, 128 << 20);
    assert_true(it.memory_peak > 120 << 20 && it.memory_peak <= 129 << 20);
    assert_true(it.memory_now > 0 && it.memory_now < it.memory_peak);
    assert_int_equal(it.oom_kills, 1);
    assert_int_equal(fs_cgroups_oom_kills(groups), 1);

    assert_int_equal(it.pids_max, 16);
    assert_int_equal(it.pids_now, 5);
    assert_true(it.refused_own > 0 || it.refused_limit > 0);
    fs_cgroup_snapshot_free(&it);
    fs_cgroups_free(groups);
}

static void root_group_has_no_limits(void **state) {
    const struct machine *machine = *state;
    struct fs_proc *proc = fs_proc_open(machine->root);
    struct fs_proc_stat stat;
    assert_int_equal(fs_proc_stat(proc, main_pid(proc), &stat), 0);
    fs_proc_close(proc);

    struct fs_cgroups *groups = fs_cgroups_find(machine->root, stat.ppid);
    struct fs_cgroup_snapshot it;
    assert_non_null(groups);
    assert_int_equal(fs_cgroups_read(groups, &it), 0);
    char all[16];
    snprintf(all, sizeof all, "0-%d", machine->cpus - 1);
    assert_list(it.cpuset, all);
    assert_false(it.quota_cpus > 0 && it.quota_cpus <= machine->cpus);
    assert_int_equal(it.memory_limit, FS_UNKNOWN);
    assert_int_equal(it.pids_max, FS_UNKNOWN);
    fs_cgroup_snapshot_free(&it);
    fs_cgroups_free(groups);
}

/* --- topology --- */

static void topology_is_found(void **state) {
    const struct machine *machine = *state;
    hwloc_topology_t topology;
    assert_int_equal(setenv("HWLOC_FSROOT", machine->root, 1), 0);
    assert_int_equal(fs_topology_discover(&topology), 0);
    unsetenv("HWLOC_FSROOT");
    assert_int_equal(fs_topology_total_cpus(topology), machine->cpus);
    assert_int_equal(fs_topology_total_cores(topology), machine->cores);
    assert_int_equal(fs_topology_total_numa_nodes(topology), machine->numa_nodes);
    char *text = fs_topology_text(topology);
    assert_string_equal(text, machine->topology);
    free(text);

    /* The job's mask: one thread each of two cores. */
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    assert_int_equal(fs_mask_parse(mask, "1,3", 3), 0);
    assert_int_equal(fs_mask_cores(topology, mask), 2);
    hwloc_bitmap_free(mask);
    hwloc_topology_destroy(topology);
}

int main(void) {
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } checks[] = {
        {"job_is_read", job_is_read},
        {"threads_are_read", threads_are_read},
        {"family_is_found", family_is_found},
        {"limits_are_read", limits_are_read},
        {"root_group_has_no_limits", root_group_has_no_limits},
        {"topology_is_found", topology_is_found},
    };
    enum {
        MACHINES = sizeof machines / sizeof machines[0],
        CHECKS = sizeof checks / sizeof checks[0]
    };
    static char names[MACHINES * CHECKS][COMMAND_SIZE];
    struct CMUnitTest tests[MACHINES * CHECKS] = {0};

    for (size_t i = 0; i < MACHINES * CHECKS; i++) {
        struct machine *machine = &machines[i / CHECKS];
        snprintf(names[i], sizeof names[i], "%s/%s", machine->name, checks[i % CHECKS].name);
        tests[i] = (struct CMUnitTest){.name = names[i],
                                       .test_func = checks[i % CHECKS].run,
                                       .setup_func = unpack,
                                       .teardown_func = discard,
                                       .initial_state = machine};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
