#include "report/model.h"

#include "preload/segment.h"
#include "report/launched.h"
#include "report/overview.h"
#include "report/thread_libraries.h"
#include "report/totals.h"
#include "report/whole.h"
#include "tracer/job_mask.h"
#include "tracer/launch_options.h"
#include "tracer/libraries.h"
#include "tracer/variables.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t idle_cpu_ns = 500000000; /* groups below are no load */

int fs_mask_cpus(hwloc_const_bitmap_t mask) {
    return mask ? hwloc_bitmap_weight(mask) : FS_UNKNOWN;
}

bool fs_job_mask_is_guessed(const struct fs_node *node) {
    const struct fs_digest *digest = node->digest;

    return digest->mask_job && digest->mask_job_from &&
           strcmp(digest->mask_job_from, FS_JOB_MASK_GUESSED) == 0;
}

int fs_mask_cores(hwloc_topology_t topology, hwloc_const_bitmap_t mask) {
    if (!topology || !mask || hwloc_bitmap_weight(mask) < 0) return FS_UNKNOWN;
    hwloc_bitmap_t rest = hwloc_bitmap_dup(mask);
    if (!rest) return FS_UNKNOWN;

    int cores = 0;
    hwloc_obj_t core = NULL;
    while ((core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL) {
        if (!hwloc_bitmap_intersects(rest, core->cpuset)) continue;
        cores++;
        hwloc_bitmap_andnot(rest, rest, core->cpuset);
    }
    cores += hwloc_bitmap_weight(rest);
    hwloc_bitmap_free(rest);
    return cores;
}

static enum fs_ignored group_ignored(const struct fs_group *group) {
    if (group->helper) return FS_IGNORED_HELPER;
    if (group->shell) return FS_IGNORED_SHELL;
    if (group->workers_peak < 2) return FS_IGNORED_SINGLE;
    if (group->cpu_ns < idle_cpu_ns) return FS_IGNORED_IDLE;
    return FS_IGNORED_NO;
}

static double smaller(double cpus, double quota) {
    return quota < cpus ? quota : cpus;
}

static double worth_of(const struct fs_load *load) {
    const struct fs_group *group = load->group;
    const int64_t time = group->busy_ns > 0 ? group->busy_ns : group->window_ns;
    const double threads = (double)load->workers * load->threads;
    const double rest = (double)time * threads - (double)group->wait_ns;

    if (time <= 0 || threads <= 0) return NAN;
    return rest > 0 ? (double)group->run_ns / rest * threads : INFINITY;
}

/* Threads that Python code started, of which no more than one at a time wants a CPU: they feed a
 * queue, watch a pool, or wait for the interpreter's lock. */
static bool threads_take_turns(const struct fs_load *load) {
    static const double one_each = 1.1; /* CPUs that a worker wants, with those that hand over */
    const char *owner = load->group->threads_owner;
    return owner && fs_library_of(owner) == FSP_LIBRARY_PYTHON &&
           load->demand <= one_each * load->workers;
}

static void derive_load(struct fs_load *load, const struct fs_node *node,
                        const struct fs_group *group) {
    *load = (struct fs_load){
        .node = node,
        .group = group,
        .ignored = group_ignored(group),
        .workers = group->workers_peak,
        .busy = group->workers_busy_peak,
        .threads = group->threads_busy_peak == 0 ? 1 : group->threads_busy_peak,
        .cpus = FS_UNKNOWN,
        .cores = FS_UNKNOWN,
        .effective = NAN,
        .wait = NAN,
        .use = NAN,
        .demand = NAN,
        .worth = NAN,
    };
    if (load->threads > 1 && fs_threads_only_spun(load)) load->threads = 1;
    if (group->masks_known && group->mask_union) {
        load->cpus = fs_mask_cpus(group->mask_union);
        load->cores = fs_mask_cores(node->digest->topology, group->mask_union);
    }
    /* An unknown quota can only lower E: the mask alone is the upper bound. */
    if (load->cpus > 0) load->effective = smaller(load->cpus, node->quota);

    const double runnable = (double)group->run_ns + (double)group->wait_ns;
    if (group->workers_scheduled > 0 && group->run_ns >= 0 && group->wait_ns >= 0 && runnable > 0) {
        load->wait = (double)group->wait_ns / runnable;
        if (group->window_ns > 0) load->demand = runnable / (double)group->window_ns;
        if (load->threads > 1 && threads_take_turns(load)) load->threads = 1;
        load->worth = worth_of(load);
    }
    if (group->window_ns > 0 && group->window_cpu_ns >= 0 && load->effective > 0)
        load->use = (double)group->window_cpu_ns / ((double)group->window_ns * load->effective);
}

int fs_node_build(struct fs_node *node, const struct fs_digest *digest) {
    *node = (struct fs_node){
        .digest = digest,
        .cpus = FS_UNKNOWN,
        .job_cpus = fs_mask_cpus(digest->mask_job),
        .job_cores = fs_mask_cores(digest->topology, digest->mask_job),
        .start_cpus = fs_mask_cpus(digest->mask_start),
        .quota = digest->quota.cpus > 0 ? digest->quota.cpus : NAN,
        .packed_steps = fs_has_packed_steps(digest),
    };
    if (digest->topology)
        node->cpus = fs_mask_cpus(hwloc_topology_get_complete_cpuset(digest->topology));
    if (digest->group_count == 0) return 0;

    node->loads = calloc(digest->group_count, sizeof *node->loads);
    if (!node->loads) return -1;
    node->load_count = digest->group_count;
    for (size_t i = 0; i < digest->group_count; i++)
        derive_load(&node->loads[i], node, &digest->groups[i]);
    return 0;
}

void fs_node_free(struct fs_node *node) {
    free(node->loads);
    *node = (struct fs_node){0};
}

int fs_job_begin(struct fs_job *job) {
    *job = (struct fs_job){.overview = calloc(1, sizeof *job->overview),
                           .whole = calloc(1, sizeof *job->whole)};
    fs_totals_init(&job->totals);
    return job->overview && job->whole ? 0 : -1;
}

int fs_job_add(struct fs_job *job, const struct fs_node *node) {
    if (fs_totals_add(&job->totals, node) < 0 || fs_overview_add(job->overview, node) < 0)
        return -1;
    return fs_whole_add(job->whole, node);
}

int fs_job_end(struct fs_job *job) {
    fs_overview_end(job->overview);
    if (fs_whole_end(job->whole) < 0) return -1;
    return fs_totals_end(&job->totals, job->whole);
}

static int build(struct fs_job *job, const struct fs_digest *digests, size_t count) {
    job->nodes = calloc(count ? count : 1, sizeof *job->nodes);
    if (!job->nodes) return -1;
    for (; job->node_count < count; job->node_count++) {
        struct fs_node *node = &job->nodes[job->node_count];
        if (fs_node_build(node, &digests[job->node_count]) < 0) return -1;
        if (fs_job_add(job, node) < 0) return -1;
    }
    return fs_job_end(job);
}

int fs_job_build(struct fs_job *job, const struct fs_digest *digests, size_t count) {
    if (fs_job_begin(job) == 0 && build(job, digests, count) == 0) return 0;
    fs_job_free(job);
    errno = ENOMEM;
    return -1;
}

/* Of the launcher that started most programs here, whatever it was called; PLAIN: none did. */
static enum fs_language language_of_launches(const struct fs_digest *digest) {
    static const enum fs_language languages[] = {
        [FS_LAUNCHER_NONE] = FS_LANGUAGE_PLAIN,
        [FS_LAUNCHER_OPENMPI] = FS_LANGUAGE_MPIRUN,
        [FS_LAUNCHER_HYDRA] = FS_LANGUAGE_HYDRA,
        [FS_LAUNCHER_SRUN] = FS_LANGUAGE_SRUN,
    };
    const struct fs_launch *found = NULL;

    for (size_t i = 0; i < digest->launch_count; i++)
        if (digest->launches[i].started > (found ? found->started : 0))
            found = &digest->launches[i];
    return found ? languages[fs_launcher_of(found->executable)] : FS_LANGUAGE_PLAIN;
}

/* Of tasks alone, whose launcher was started elsewhere: what ended there was one of them. */
static bool is_led_by_task(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->task_count; i++)
        if (digest->tasks[i].pid == digest->main_pid) return true;
    return false;
}

const struct fs_digest *fs_job_front(const struct fs_job *job) {
    const struct fs_digest *of_tasks = NULL;

    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        if (digest->status < 0 && digest->interrupted <= 0) continue;
        if (!is_led_by_task(digest)) return digest;
        if (!of_tasks) of_tasks = digest;
    }
    if (of_tasks) return of_tasks;
    return job->node_count ? job->nodes[0].digest : NULL;
}

enum fs_language fs_node_language(const struct fs_node *node) {
    static const struct {
        const char *launcher;
        enum fs_language language;
    } table[] = {
        {"srun", FS_LANGUAGE_SRUN},
        {"mpirun", FS_LANGUAGE_MPIRUN},
        {"mpiexec", FS_LANGUAGE_MPIRUN},
        {"orterun", FS_LANGUAGE_MPIRUN},
        {"prterun", FS_LANGUAGE_MPIRUN},
        {"mpiexec.hydra", FS_LANGUAGE_HYDRA},
        {"mpirun.openmpi", FS_LANGUAGE_MPIRUN},
        {"mpiexec.openmpi", FS_LANGUAGE_MPIRUN},
        {"mpirun.mpich", FS_LANGUAGE_HYDRA},
        {"mpiexec.mpich", FS_LANGUAGE_HYDRA},
    };
    const char *launcher = node->digest->launcher;
    const enum fs_language seen = language_of_launches(node->digest);
    if (seen != FS_LANGUAGE_PLAIN) return seen;
    for (size_t i = 0; launcher && i < sizeof table / sizeof *table; i++)
        if (strcmp(launcher, table[i].launcher) == 0) return table[i].language;
    return node->digest->scheduler.in_step ? FS_LANGUAGE_SRUN : FS_LANGUAGE_PLAIN;
}

const struct fs_node *fs_node_at(const struct fs_job *job, size_t number) {
    return number < FS_NODES_KEPT && number < job->node_count ? &job->nodes[number]
                                                              : &job->nodes[0];
}

double fs_load_threads(const struct fs_load *load) {
    return (double)load->workers * (load->threads > 0 ? load->threads : 1);
}

const char *fs_load_variable(const struct fs_load *load, const char *name) {
    const struct fs_digest *digest = load->node->digest;
    if (load->group->variable_count > 0)
        return fs_variable_value(load->group->variables, load->group->variable_count, name);
    return fs_variable_value(digest->variables, digest->variable_count, name);
}
