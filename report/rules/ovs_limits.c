/* ovs_limits.c - rules on what was given and not used, or used up: allocation, quota, task limit.
 */
#include "preload/segment.h"
#include "report/remedy.h"
#include "report/rules/rules.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { IDLE_WORKERS, IDLE_BUSY, IDLE_ACTIVE };
static const struct fs_threshold idle_thresholds[] = {
    [IDLE_WORKERS] = {"workers", 0.75, "fraction", "most workers per core of the allocation",
                      "own"},
    [IDLE_BUSY] = {"busy", 0.60, "fraction", "busy cores of the allocation below which it is idle",
                   "PRL"},
    [IDLE_ACTIVE] = {"active", 5.0, "s", "least time in which the job computes", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static bool uses_gpu(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->group_count; i++)
        if (digest->groups[i].libraries & (FSP_LIBRARY_CUDA | FSP_LIBRARY_ROCM)) return true;
    return false;
}

/* Fewer workers than cores on purpose: each needs more than its share of the memory. */
static bool memory_bound(const struct fs_digest *digest, int workers, int cores) {
    const struct fs_memory *memory = &digest->memory;
    return workers > 0 && memory->limit > 0 && memory->workers_pss_peak > 0 &&
           (double)memory->workers_pss_peak / workers > (double)memory->limit / cores;
}

static void report_idle(const struct fs_node *node, int demand, struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const bool serial = digest->busy_mean >= 0.85 && digest->busy_mean <= 1.1;
    const bool slurm = digest->scheduler.name && strcmp(digest->scheduler.name, "slurm") == 0;

    fs_add_finding(outcome, uses_gpu(digest) ? FS_NOTE : FS_WARNING, node, NULL);
    fs_set_title(outcome,
                 serial ? "serial job: %.1f of %d allocated cores used"
                        : "allocation idle: %.1f of %d cores used",
                 digest->busy_mean, node->job_cores);
    fs_set_population(outcome, digest->complete.processes, 0, "processes");
    fs_add_evidence(outcome, "busy_cores", digest->busy_mean, "cores",
                    "%.1f cores busy on average over %.0f s, %d threads at the most",
                    digest->busy_mean, (double)digest->active_ns / 1e9, demand);
    fs_add_evidence(outcome, "allocated_cores", node->job_cores, "cores",
                    "the allocation has %d cores (%d CPUs) on this node", node->job_cores,
                    node->job_cpus);
    fs_add_cause(outcome,
                 serial ? "one process computes at a time"
                        : "fewer workers than cores: %d at the most",
                 demand);
    if (slurm) {
        fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "if the program sizes its pool by it",
                   "export NUM_PROCS=$SLURM_CPUS_PER_TASK");
        fs_add_fix(outcome, FS_FIX_CODE, "or ask for what is used", "#SBATCH --cpus-per-task=%d",
                   demand < 1 ? 1 : demand);
    } else {
        fs_add_fix(outcome, FS_FIX_CODE, "or ask for what is used", "#PBS -l select=1:ncpus=%d",
                   demand < 1 ? 1 : demand);
    }
}

/* The most threads of workers that were busy at once, or of a program whose team worked for at
 * least half of the time: its threads count though other programs may have had the CPUs. */
static int threads_at_work(const struct fs_digest *digest) {
    int most = digest->threads_busy_peak > digest->workers_busy_peak ? digest->threads_busy_peak
                                                                     : digest->workers_busy_peak;

    for (size_t i = 0; most >= 0 && i < digest->team_count; i++)
        if (digest->teams[i].busy > most && 2 * digest->teams[i].team_ns >= digest->active_ns)
            most = digest->teams[i].busy;
    return most;
}

static void judge_idle(const struct fs_node *node, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const double workers = fs_threshold(thresholds, outcome->rule, IDLE_WORKERS);
    const double busy = fs_threshold(thresholds, outcome->rule, IDLE_BUSY);
    const double active = fs_threshold(thresholds, outcome->rule, IDLE_ACTIVE);
    const int demand = threads_at_work(digest);

    if (!digest->scheduler.name)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no batch allocation: nothing is paid for");
    else if (node->job_cores < 0 || isnan(digest->busy_mean) || digest->active_ns < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the job's cores or its load were not recorded");
    else if (node->job_cores < 2)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the allocation is one core");
    else if (fs_has_steps_beside(digest))
        fs_vote(outcome, FS_NOT_APPLICABLE, "other steps of the job ran beside it");
    else if (fs_is_outside(digest) && (double)digest->active_ns < active * 1e9)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the look was too short; %g s tell (--window)", active);
    else if ((double)digest->active_ns < active * 1e9)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job computed for less than %g s", active);
    else if (demand > workers * node->job_cores || digest->busy_mean >= busy * node->job_cores)
        fs_vote(outcome, FS_PASS, "%.1f of %d cores were busy", digest->busy_mean, node->job_cores);
    else if (memory_bound(digest, demand, node->job_cores))
        fs_vote(outcome, FS_PASS, "the memory of a worker allows no more of them");
    else
        report_idle(node, demand, outcome);
}

static void check_idle(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        judge_idle(&job->nodes[i], thresholds, outcome);
}

const struct fs_rule fs_rule_ovs_03 = {
    .id = "OVS-03",
    .family = "load",
    .title = "allocation idle",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "the whole life of the job is",
    .check = check_idle,
    .why = "The batch system reserves the cores of an allocation for the job and charges for them, "
           "whether they compute or not.",
    .decided = "A batch allocation of two or more cores; the busy workers and threads are at most "
               "`workers` x its cores; and the busy cores are below `busy` x its cores, over a job "
               "that computes for `active` seconds. Between 0.85 and 1.1 busy cores the job is "
               "called serial.",
    .exceptions =
        "Not applicable without a batch allocation, and when other steps of the job ran on "
        "the node, whose load is not this record's. Silent when fewer workers were "
        "started because each needs more than its share of the memory. A note only for "
        "jobs that use a GPU.",
    .fix = "Start as many workers as the allocation has cores (export "
           "NUM_PROCS=$SLURM_CPUS_PER_TASK), or ask for fewer: --cpus-per-task={workers}.",
    .thresholds = idle_thresholds,
    .sources = (const char *const[]){"U", "N1", "AAL", "PRI", "PRL", NULL},
};

enum { QUOTA_SHARE, QUOTA_PERIODS };
static const struct fs_threshold quota_thresholds[] = {
    [QUOTA_SHARE] = {"share", 0.05, "fraction", "periods in which the group was stopped", "own"},
    [QUOTA_PERIODS] = {"periods", 10, "count", "least periods with something to run", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* The load with the most CPU time: digests keep groups in that order. */
static const struct fs_load *largest_load(const struct fs_node *node) {
    for (size_t i = 0; i < node->load_count; i++)
        if (node->loads[i].ignored == FS_IGNORED_NO) return &node->loads[i];
    return NULL;
}

static void report_quota(const struct fs_node *node, double share, struct fs_outcome *outcome) {
    const struct fs_quota *quota = &node->digest->quota;
    const struct fs_load *load = largest_load(node);
    const int fitting = quota->cpus < 1 ? 1 : (int)quota->cpus;

    fs_add_finding(outcome, FS_WARNING, node, load);
    fs_set_title(outcome, "CPU quota of %g stopped the job in %.0f %% of periods", quota->cpus,
                 100 * share);
    fs_set_population(outcome, node->digest->complete.processes, 0, "processes");
    fs_add_evidence(outcome, "throttled", share, "fraction",
                    "throttled in %lld of %lld periods (%.0f %%), %.1f s in all",
                    (long long)quota->throttled, (long long)quota->periods, 100 * share,
                    quota->throttled_ns > 0 ? (double)quota->throttled_ns / 1e9 : 0);
    fs_add_evidence(outcome, "runnable", quota->runnable_mean, "threads",
                    "%.1f threads wanted to run on average; the mask has %d CPU%s, the quota %g",
                    quota->runnable_mean, node->job_cpus, node->job_cpus == 1 ? "" : "s",
                    quota->cpus);
    fs_add_number(outcome, "quota", quota->cpus, "cpus");
    fs_add_cause(outcome,
                 "cgroup v%d %s: when the quota of a period is used up, all processes "
                 "stop until the next",
                 quota->version, quota->path ? quota->path : "?");
    if (!load) {
        fs_add_fix(outcome, FS_FIX_CODE, "raise it where the container or job is started",
                   "docker run --cpus=%.0f", ceil(quota->runnable_mean));
        return;
    }
    const struct fs_remedy remedy = fs_remedy_command(outcome->arena, load, NULL, fitting);
    if (remedy.variable && load->workers > fitting) fs_add_remedy(outcome, NULL, "", &remedy);
    fs_add_fix(outcome, FS_FIX_CODE, "sizes that follow the mask do not know the quota",
               load->group->python ? "Pool(%d)" : "workers = %d", fitting);
}

static void judge_quota(const struct fs_node *node, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    const struct fs_quota *quota = &node->digest->quota;
    const double least = fs_threshold(thresholds, outcome->rule, QUOTA_SHARE);
    const double periods = fs_threshold(thresholds, outcome->rule, QUOTA_PERIODS);

    if (isinf(node->quota))
        fs_vote(outcome, FS_NOT_APPLICABLE, "no CPU quota");
    else if (isnan(node->quota) || node->job_cpus < 0 || quota->periods < 0 || quota->throttled < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the CPU quota or its use could not be read");
    else if (quota->cpus >= node->job_cpus)
        fs_vote(outcome, FS_PASS, "the quota covers all CPUs of the mask");
    else if ((double)quota->periods < periods)
        fs_vote(outcome, FS_PASS, "a short burst: %lld periods", (long long)quota->periods);
    else if ((double)quota->throttled <= least * (double)quota->periods)
        fs_vote(outcome, FS_PASS, "the quota hardly stopped the job");
    else if (isnan(quota->runnable_mean))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "how many threads were runnable was not sampled");
    else if (quota->runnable_mean <= quota->cpus)
        fs_vote(outcome, FS_PASS, "no more threads were runnable than the quota allows");
    else
        report_quota(node, (double)quota->throttled / (double)quota->periods, outcome);
}

static void check_quota(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        judge_quota(&job->nodes[i], thresholds, outcome);
}

const struct fs_rule fs_rule_ovs_04 = {
    .id = "OVS-04",
    .family = "load",
    .title = "quota throttling",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check = check_quota,
    .why = "A container or job may have a quota of CPU time per period (100 ms by default) instead "
           "of a mask. More runnable threads than the quota use it up early, and then the whole "
           "group stands still until the next period.",
    .decided = "The quota is less than the CPUs of the mask; the group was throttled in more than "
               "`share` of at least `periods` periods; and more threads were runnable on average "
               "than the quota allows.",
    .exceptions = "Silent for short bursts, which a quota is meant to cut.",
    .fix = "Pool({whole CPUs of the quota}): counts that follow the affinity mask, such as "
           "len(os.sched_getaffinity(0)), do not know quotas.",
    .thresholds = quota_thresholds,
    .sources = (const char *const[]){"KBW", "LK", NULL},
};

static void report_limit(const struct fs_node *node, const struct fs_fork_failure *failure,
                         struct fs_outcome *outcome) {
    const struct fs_pids *pids = &node->digest->pids;
    const char *call = failure->thread ? "pthread_create" : "fork";

    fs_add_finding(outcome, FS_ERROR, node, NULL);
    fs_set_title(outcome, "%s failed: the limit of processes and threads was hit", call);
    fs_set_population(outcome, failure->count, 0, "calls");
    fs_add_evidence(outcome, "failures", failure->count, "count",
                    "%s returned EAGAIN %d time%s in %s (process %d)", call, failure->count,
                    failure->count == 1 ? "" : "s", fs_base_name(failure->executable),
                    failure->pid);
    if (pids->max > 0)
        fs_add_evidence(outcome, "pids_max", (double)pids->max, "count",
                        "the cgroup allows %lld tasks, %lld were there at most",
                        (long long)pids->max, (long long)pids->peak);
    fs_add_cause(outcome, pids->refused > 0 ? "pids.max of the job's cgroup"
                                            : "the user's limit of processes (ulimit -u), or the "
                                              "system's");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "fewer threads per process",
               "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1");
    fs_add_fix(outcome, FS_FIX_CODE, "or", "run it on a compute node, not on a login node");
}

static void check_limit(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        bool failed = false;
        for (size_t j = 0; j < digest->fork_failure_count; j++) {
            const struct fs_fork_failure *failure = &digest->fork_failures[j];
            if (failure->error != EAGAIN || failure->recovered) continue;
            report_limit(&job->nodes[i], failure, outcome);
            failed = true;
        }
        if (!failed && digest->fork_failure_count > 0)
            fs_vote(outcome, FS_PASS, "every call that hit a limit succeeded when repeated");
        else if (!failed && digest->pids.refused > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "the cgroup refused a task that was not recorded");
        else if (!failed)
            fs_vote(outcome, FS_PASS, "every fork and thread start succeeded");
    }
}

const struct fs_rule fs_rule_ovs_08 = {
    .id = "OVS-08",
    .family = "load",
    .title = "process or thread limit hit",
    .severity = FS_ERROR,
    .every_process = true,
    .unseen = "forks and thread starts that failed are",
    .check = check_limit,
    .why = "The number of processes and threads is limited per user and per cgroup, and tightly so "
           "on login nodes. A fork or a thread start beyond the limit fails; many programs then "
           "hang or stop with 'pthread_create failed'.",
    .decided = "fork, clone or pthread_create returned EAGAIN and no later attempt of the same "
               "process succeeded.",
    .exceptions = "Silent when the application tries again and succeeds.",
    .fix = "export OPENBLAS_NUM_THREADS=1 (and OMP_, MKL_NUM_THREADS); run on compute nodes.",
    .sources = (const char *const[]){"OB", "ALP", NULL},
};
