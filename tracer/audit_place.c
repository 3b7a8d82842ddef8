/* audit_place.c - what an audited job was given: CPUs, control groups, variables (audit.h). */
#include "tracer/audit.h"

#include "tracer/clock.h"
#include "tracer/mask.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"
#include "tracer/topology.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VARIABLES_MAX = 4096, COMMAND_WORDS = 256, COMMAND_SIZE = 65536 };

/* --- its environment and command --- */

struct environment {
    char **list;
    size_t count;
};

static int take_variable(void *context, const char *name, size_t length, const char *value) {
    struct environment *environment = context;
    char *text;

    if (environment->count + 1 == VARIABLES_MAX) return 1;
    if (asprintf(&text, "%.*s=%s", (int)length, name, value) < 0) return -1;
    environment->list[environment->count++] = text;
    return 0;
}

static int read_environment(struct fs_audit *audit, int pid) {
    struct environment environment = {.list = calloc(VARIABLES_MAX, sizeof(char *))};

    if (!environment.list) return -1;
    fs_proc_environment(audit->collector.sampler.proc, pid, take_variable, &environment, NULL);
    audit->collector.outside.environment = audit->environment = environment.list;
    return 0;
}

static int read_command(struct fs_audit *audit, int pid) {
    struct fs_meta *meta = &audit->collector.meta;
    struct fs_proc *proc = audit->collector.sampler.proc;
    char *text = malloc(COMMAND_SIZE), name[PATH_MAX];

    meta->command = calloc(COMMAND_WORDS + 1, sizeof *meta->command);
    if (!text || !meta->command) {
        free(text);
        return -1;
    }
    const ssize_t length = fs_proc_command(proc, pid, text, COMMAND_SIZE);
    for (ssize_t at = 0; at < length && meta->command_count < COMMAND_WORDS;
         at += (ssize_t)strlen(text + at) + 1)
        if ((meta->command[meta->command_count] = strdup(text + at))) meta->command_count++;
    free(text);
    if (meta->command_count == 0 && fs_proc_executable(proc, pid, name, sizeof name, NULL) == 0 &&
        (meta->command[0] = strdup(name)))
        meta->command_count = 1;
    if (fs_proc_link(proc, pid, "cwd", name, sizeof name) > 0) meta->directory = strdup(name);
    return 0;
}

/* --- its CPUs --- */

/* Starts programs with CPUs that are its own matter, or had a terminal's, not the job's. */
static bool is_daemon(struct fs_proc *proc, int pid, const struct fs_proc_stat *stat) {
    static const char *const names[] = {"slurmstepd", "orted",   "prted",   "hydra_pmi_proxy",
                                        "sshd",       "systemd", "pbs_mom", "init"};

    (void)proc;
    if (pid <= 1) return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fs_begins(stat->comm, names[i])) return true;
    return false;
}

static bool mask_of(struct fs_audit *audit, int pid, hwloc_bitmap_t mask) {
    struct fs_proc_status status = {.mask = mask};

    return fs_proc_status(audit->collector.sampler.proc, pid, 0, &status) == 0;
}

/* What all processes of a job may use on its node: tasks that are bound apart have a part each. */
static hwloc_bitmap_t union_of_roots(struct fs_audit *audit, hwloc_const_bitmap_t own) {
    hwloc_bitmap_t all = hwloc_bitmap_dup(own), mask = hwloc_bitmap_alloc();

    for (size_t i = 0; all && mask && audit->options->part && i < audit->root_count; i++)
        if (mask_of(audit, audit->roots[i], mask)) hwloc_bitmap_or(all, all, mask);
    hwloc_bitmap_free(mask);
    return all;
}

/*
 * The CPUs that the job was started with: those of the process that started it, which a
 * forksight started in its place would have had. Who was started by a daemon was given its CPUs
 * by that one, after the fork: then the job's own are all that is known, and only if nobody can
 * have narrowed them, that is when they are all that its control group has, or when a
 * scheduler says how many there are.
 */
static void find_mask(struct fs_audit *audit, int pid) {
    struct fs_collector *collector = &audit->collector;
    struct fs_proc *proc = collector->sampler.proc;
    hwloc_bitmap_t own = hwloc_bitmap_alloc(), starters = hwloc_bitmap_alloc();
    hwloc_const_bitmap_t all = collector->at_start.cpuset;
    struct fs_proc_stat stat, starter = {0};

    if (!own || !starters || fs_proc_stat(proc, pid, &stat) != 0 || !mask_of(audit, pid, own)) {
        hwloc_bitmap_free(own);
        hwloc_bitmap_free(starters);
        return;
    }
    const bool told = fs_environment_value(audit->environment, "SLURM_JOB_ID") ||
                      fs_environment_value(audit->environment, "SLURM_JOBID");
    if (!all && collector->topology) all = hwloc_topology_get_topology_cpuset(collector->topology);
    if (fs_proc_stat(proc, stat.ppid, &starter) == 0 && !is_daemon(proc, stat.ppid, &starter) &&
        mask_of(audit, stat.ppid, starters) && hwloc_bitmap_isincluded(own, starters))
        collector->mask_start = hwloc_bitmap_dup(starters);
    else if (told || (all && hwloc_bitmap_isincluded(all, own)))
        collector->mask_start = union_of_roots(audit, own);
    hwloc_bitmap_free(own);
    hwloc_bitmap_free(starters);
}

int fs_audit_place(struct fs_audit *audit) {
    struct fs_collector *collector = &audit->collector;
    const int pid = audit->roots[0];

    if (read_environment(audit, pid) != 0 || read_command(audit, pid) != 0) return -1;
    collector->cgroups = fs_cgroups_find(audit->place, pid);
    if (collector->cgroups) {
        fs_cgroups_read(collector->cgroups, &collector->at_start);
        collector->oom_kills = fs_cgroups_oom_kills(collector->cgroups);
    }
    find_mask(audit, pid);
    return 0;
}
