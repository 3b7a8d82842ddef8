/* launched.c - see launched.h. */
#include "report/launched.h"

#include "tracer/scheduler.h"

#include <math.h>
#include <string.h>

static const int64_t least_demand_ns = 500000000, least_overlap_ns = 1000000000;

bool fs_same_launch(const struct fs_task *a, const struct fs_task *b) {
    return a->launch == b->launch && a->launcher == b->launcher && a->step == b->step;
}

int fs_ranks_of_launch(const struct fs_node *node, const struct fs_task *task) {
    int count = 0;

    for (size_t i = 0; i < node->digest->task_count; i++)
        count += fs_same_launch(&node->digest->tasks[i], task);
    return count;
}

static enum fs_launcher launcher_kind(const struct fs_task *task) {
    static const enum fs_launcher kinds[FS_LAUNCH_COUNT] = {
        [FS_LAUNCH_SRUN] = FS_LAUNCHER_SRUN,
        [FS_LAUNCH_OPENMPI] = FS_LAUNCHER_OPENMPI,
        [FS_LAUNCH_HYDRA] = FS_LAUNCHER_HYDRA,
    };

    return kinds[task->launch];
}

/* A daemon of mpirun's may stand between it and its ranks: then the kind decides, if there is one
 * such launcher only. */
const struct fs_launch *fs_task_launch(const struct fs_node *node, const struct fs_task *task) {
    const struct fs_digest *digest = node->digest;
    const enum fs_launcher kind = launcher_kind(task);
    const struct fs_launch *found = NULL;
    int alike = 0;

    for (size_t i = 0; i < digest->launch_count; i++) {
        const struct fs_launch *launch = &digest->launches[i];
        if (fs_launcher_of(launch->executable) != kind) continue;
        if (launch->pid == task->launcher) return launch;
        found = launch;
        alike++;
    }
    return kind != FS_LAUNCHER_NONE && alike == 1 ? found : NULL;
}

/* The scheduler's numbers are those of one step. */
static bool is_step_of_scheduler(const struct fs_scheduler *scheduler, const struct fs_task *task) {
    return scheduler->in_step && scheduler->step && fs_count_of(scheduler->step) == task->step;
}

bool fs_launch_is_whole(const struct fs_node *node, const struct fs_task *first, size_t count) {
    const struct fs_scheduler *scheduler = &node->digest->scheduler;

    if (!fs_is_outside(node->digest) || first->size == (int)count) return true;
    if (first->launch == FS_LAUNCH_SRUN && is_step_of_scheduler(scheduler, first))
        return scheduler->step_tasks_on_node == (int)count;
    /* All that it started on its own node are below it. */
    return first->launch != FS_LAUNCH_SRUN && fs_task_launch(node, first) != NULL;
}

double fs_tasks_wait(const struct fs_task *tasks, size_t count) {
    double cpu = 0, wait = 0;

    for (size_t i = 0; i < count; i++) {
        if (tasks[i].cpu_ns < 0 || tasks[i].wait_ns < 0) return NAN;
        cpu += (double)tasks[i].cpu_ns;
        wait += (double)tasks[i].wait_ns;
    }
    return cpu + wait > 0 ? wait / (cpu + wait) : NAN;
}

static int64_t end_of(const struct fs_node *node, const struct fs_task *task) {
    return task->end != FS_UNKNOWN ? task->end : node->digest->wall_ns;
}

bool fs_task_computes(const struct fs_node *node, const struct fs_task *task) {
    const int64_t life = end_of(node, task) - task->start;
    const int64_t wait = task->wait_ns > 0 ? task->wait_ns : 0;

    return task->cpu_ns + wait >= least_demand_ns &&
           2 * (double)(task->cpu_ns + wait) >= (double)life;
}

bool fs_tasks_overlap(const struct fs_node *node, const struct fs_task *a,
                      const struct fs_task *b) {
    const int64_t begin = a->start > b->start ? a->start : b->start;
    const int64_t end_a = end_of(node, a), end_b = end_of(node, b);

    return (end_a < end_b ? end_a : end_b) - begin >= least_overlap_ns;
}

static bool in_other_step_meanwhile(const struct fs_task *a, const struct fs_task *b) {
    return a->step >= 0 && b->step >= 0 && a->step != b->step &&
           (a->end == FS_UNKNOWN || b->start < a->end) &&
           (b->end == FS_UNKNOWN || a->start < b->end);
}

/* Tasks come by step: mostly there is one. */
bool fs_has_packed_steps(const struct fs_digest *digest) {
    const size_t count = digest->task_count;
    if (count == 0 || digest->tasks[0].step == digest->tasks[count - 1].step) return false;
    for (size_t i = 1; i < digest->task_count; i++)
        for (size_t j = 0; j < i; j++)
            if (in_other_step_meanwhile(&digest->tasks[i], &digest->tasks[j])) return true;
    return false;
}

static bool was_given(const struct fs_task *task, hwloc_const_bitmap_t mask) {
    return task->mask && !task->mask_before && mask && hwloc_bitmap_isincluded(mask, task->mask);
}

/* Do all tasks of the launch together have every core of the job? */
static bool spreads_all_cores(const struct fs_node *node, const struct fs_task *task) {
    const struct fs_digest *digest = node->digest;
    hwloc_bitmap_t given = hwloc_bitmap_alloc();
    bool known = given != NULL;

    for (size_t i = 0; i < digest->task_count && known; i++) {
        if (!fs_same_launch(&digest->tasks[i], task)) continue;
        known = digest->tasks[i].mask != NULL;
        if (known) hwloc_bitmap_or(given, given, digest->tasks[i].mask);
    }
    const bool all = known && fs_mask_cores(digest->topology, given) >= node->job_cores;
    hwloc_bitmap_free(given);
    return all;
}

bool fs_has_launched_share(const struct fs_load *load) {
    const struct fs_digest *digest = load->node->digest;

    if (load->group->narrowing || load->node->job_cores < 1 || digest->tasks_more > 0) return false;
    for (size_t i = 0; i < digest->task_count; i++)
        if (was_given(&digest->tasks[i], load->group->mask_union))
            return spreads_all_cores(load->node, &digest->tasks[i]);
    return false;
}

bool fs_is_launchers_mask(const struct fs_node *node, int pid, hwloc_const_bitmap_t mask) {
    const struct fs_digest *digest = node->digest;
    bool any = false;

    for (size_t i = 0; i < digest->task_count; i++) {
        const struct fs_task *task = &digest->tasks[i];
        const bool gave =
            task->mask && !task->mask_before && mask && hwloc_bitmap_isequal(mask, task->mask);
        if (task->pid == pid) return gave;
        any = any || gave;
    }
    return any;
}

const char *fs_task_name(struct fs_arena *arena, const struct fs_task *task) {
    if (task->rank >= 0) return fs_arena_printf(arena, "rank %d", task->rank);
    return fs_arena_printf(arena, "process %d", task->pid);
}

const char *fs_task_launcher_name(const struct fs_node *node, const struct fs_task *task) {
    static const char *const names[FS_LAUNCH_COUNT] = {
        [FS_LAUNCH_UNKNOWN] = "the launcher", [FS_LAUNCH_SRUN] = "srun",
        [FS_LAUNCH_OPENMPI] = "mpirun",       [FS_LAUNCH_HYDRA] = "mpiexec",
        [FS_LAUNCH_MVAPICH] = "mpirun",
    };
    const struct fs_launch *launch = fs_task_launch(node, task);

    return launch && launch->word_count ? fs_base_name(launch->words[0]) : names[task->launch];
}

void fs_add_places_fix(struct fs_outcome *outcome, const char *when, const struct fs_node *node,
                       const struct fs_task *task, const struct fs_places *places) {
    const char *const by_kind[] = {
        [FS_LAUNCHER_NONE] = NULL,
        [FS_LAUNCHER_OPENMPI] = places->openmpi,
        [FS_LAUNCHER_HYDRA] = places->hydra,
        [FS_LAUNCHER_SRUN] = places->srun,
    };
    const struct fs_launch *launch = fs_task_launch(node, task);
    const char *words = by_kind[launcher_kind(task)];

    if (!words) return;
    if (launch)
        fs_add_launch_fix(outcome, when, launch,
                          &(struct fs_launch_change){.add = words, .replace = true});
    else
        fs_add_fix(outcome, FS_FIX_CODE, when ? when : "and the rest as it was", "%s %s ...",
                   fs_task_launcher_name(node, task), words);
}

void fs_each_launch(const struct fs_job *job, const struct fs_thresholds *thresholds,
                    struct fs_outcome *outcome, fs_judge_launched *judge) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t first = 0, j = 1; first < digest->task_count; j++) {
            if (j < digest->task_count && fs_same_launch(&digest->tasks[first], &digest->tasks[j]))
                continue;
            if (fs_launch_is_whole(&job->nodes[i], &digest->tasks[first], j - first))
                judge(&job->nodes[i], &digest->tasks[first], j - first, thresholds, outcome);
            else
                fs_vote(outcome, FS_STATUS_UNKNOWN, "not all ranks of the launch were looked at");
            first = j;
        }
        if (digest->tasks_more > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "more tasks than were recorded");
    }
    fs_vote(outcome, FS_NOT_APPLICABLE, "no launcher started ranks");
}
