/* mem.c - rules on memory that ran out. */
#include "report/remedy.h"
#include "report/rules/rules.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const double mib = 1024.0 * 1024.0;

struct victims {
    const struct fs_load *load; /* of the first */
    int count, example;
    bool uncounted; /* a group has more deaths than are listed */
};

static bool is_victim(const struct fs_death *death) {
    return death->signal == SIGKILL && death->oom && !death->sent_by_parent && death->sent_by <= 0;
}

static struct victims find_victims(const struct fs_node *node) {
    struct victims victims = {0};
    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_group *group = node->loads[i].group;
        victims.uncounted = victims.uncounted || group->deaths_more > 0;
        for (size_t j = 0; j < group->death_count; j++) {
            if (!is_victim(&group->deaths[j])) continue;
            if (victims.count++ > 0) continue;
            victims.load = &node->loads[i];
            victims.example = group->deaths[j].pid;
        }
    }
    const int status = node->digest->status;
    const bool main_killed = status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                             node->digest->interrupted <= 0;
    if (main_killed && victims.count == 0) {
        victims.count = 1;
        victims.example = node->digest->main_pid;
    }
    return victims;
}

static void add_oom_fixes(const struct fs_node *node, const struct fs_load *load, double peak,
                          struct fs_outcome *outcome) {
    const struct fs_memory *memory = &node->digest->memory;
    const struct fs_scheduler *scheduler = &node->digest->scheduler;
    const int workers = load ? load->workers : 0;

    if (scheduler->name && strcmp(scheduler->name, "slurm") == 0)
        fs_add_fix(outcome, FS_FIX_CODE, "1.2 x the peak that was seen", "#SBATCH --mem=%.0fM",
                   ceil(1.2 * peak / mib));
    if (workers > 1 && memory->limit > 0 && peak > 0) {
        const int fitting = (int)((double)memory->limit / (1.2 * peak / workers));
        const int fewer = fitting < workers ? fitting : workers - 1;
        fs_add_fix(outcome, FS_FIX_CODE, "fewer workers, each with more of the memory",
                   load->group->python ? "Pool(%d)" : "workers = %d", fewer < 1 ? 1 : fewer);
    } else {
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "give the job %.0f MiB of memory or more",
                   ceil(1.2 * peak / mib));
    }
}

static void report_oom(const struct fs_node *node, const struct victims *victims,
                       struct fs_outcome *outcome) {
    const struct fs_memory *memory = &node->digest->memory;
    double peak = (double)memory->peak;
    if ((double)memory->workers_pss_peak > peak) peak = (double)memory->workers_pss_peak;
    if ((double)memory->limit > peak) peak = (double)memory->limit;
    /* Before Linux 5.19 a group of cgroup v2 does not tell its peak. */
    const char *peak_text = memory->peak > 0
                                ? fs_arena_printf(outcome->arena, ", peak of the cgroup %.0f MiB",
                                                  (double)memory->peak / mib)
                                : "";

    fs_add_finding(outcome, FS_ERROR, node, victims->load);
    fs_set_title(outcome, "out of memory: the kernel killed process %d", victims->example);
    fs_set_population(outcome, victims->count, node->digest->complete.processes, "processes");
    fs_add_evidence(outcome, "oom_kills", (double)memory->oom_kills, "count",
                    "oom_kill rose by %lld in the job's cgroup; process %d died of SIGKILL",
                    (long long)memory->oom_kills, victims->example);
    if (memory->limit > 0)
        fs_add_evidence(outcome, "memory_limit", (double)memory->limit, "bytes", "limit %.0f MiB%s",
                        (double)memory->limit / mib, peak_text);
    if (victims->load && memory->workers_pss_peak > 0)
        fs_add_evidence(outcome, "pss_peak", (double)memory->workers_pss_peak, "bytes",
                        "sampled peak of all processes %.0f MiB, %d workers at once",
                        (double)memory->workers_pss_peak / mib, victims->load->workers);
    fs_add_cause(outcome, "the processes together needed more than the limit of %s",
                 memory->path ? memory->path : "their cgroup");
    if (victims->load) fs_add_birth_cause(outcome, victims->load);
    add_oom_fixes(node, victims->load, peak, outcome);
}

static void check_oom(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_node *node = &job->nodes[i];
        const struct victims victims = find_victims(node);
        if (node->digest->memory.oom_kills < 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "the memory cgroup could not be read");
        else if (node->digest->memory.oom_kills == 0)
            fs_vote(outcome, FS_PASS, "no out-of-memory kill");
        else if (victims.count == 0 && victims.uncounted)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "not every death is listed");
        else if (victims.count == 0)
            fs_vote(outcome, FS_PASS, "the kernel killed a process that is not of the job");
        else
            report_oom(node, &victims, outcome);
    }
}

const struct fs_rule fs_rule_mem_01 = {
    .id = "MEM-01",
    .family = "memory",
    .title = "out-of-memory kill",
    .severity = FS_ERROR,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "what the kernel killed before is",
    .check = check_oom,
    .why = "When the processes of a job need more memory than its limit, the kernel kills one of "
           "them without a word. Accounting that samples every 30 s misses the spike.",
    .decided = "The counter oom_kill of the job's cgroup rose during the job, and a process of the "
               "job died of a SIGKILL that no recorded process sent.",
    .exceptions = "Silent when the victim was not a process of the job.",
    .fix = "--mem={1.2 x peak}, or fewer workers.",
    .sources = (const char *const[]){"NZM", NULL},
};

enum { SHM_FREE };
static const struct fs_threshold shm_thresholds[] = {
    [SHM_FREE] = {"free", 0.05, "fraction", "free share of /dev/shm below which it is exhausted",
                  "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static void add_shm_fix(struct fs_outcome *outcome, double size) {
    fs_add_fix(outcome, FS_FIX_CODE, "in a container; elsewhere ask the site",
               "docker run --shm-size=%.0fm", ceil(2 * size / mib));
}

/* A bus error counts only when /dev/shm was full at the time: files that were
 * truncated under a mapping end a process in the same way. */
static void judge_bus_errors(const struct fs_load *load, double least, struct fs_outcome *outcome) {
    const struct fs_group *group = load->group;
    for (size_t i = 0; i < group->death_count; i++) {
        const struct fs_death *death = &group->deaths[i];
        if (death->signal != SIGBUS || death->sent_by > 0) continue;
        if (death->shm_free < 0 || death->shm_total <= 0) {
            fs_vote(outcome, FS_STATUS_UNKNOWN, "/dev/shm was not looked at when process %d died",
                    death->pid);
            continue;
        }
        if ((double)death->shm_free >= least * (double)death->shm_total) continue;
        fs_add_finding(outcome, FS_ERROR, load->node, load);
        fs_set_title(outcome, "worker %d died of SIGBUS: /dev/shm is full", death->pid);
        fs_set_population(outcome, 1, group->workers, "workers");
        fs_add_evidence(outcome, "shm_free", (double)death->shm_free, "bytes",
                        "process %d died of SIGBUS with %.1f of %.0f MiB of /dev/shm free",
                        death->pid, (double)death->shm_free / mib, (double)death->shm_total / mib);
        fs_add_cause(outcome, "a page of shared memory could not be backed");
        add_shm_fix(outcome, (double)death->shm_total);
        return;
    }
}

/* A kibibyte by which libomp knows itself: a process that leaves by _exit, as forked workers
 * do, leaves it behind, and no program can help that. */
static bool is_libomps(const struct fs_variable *leftover) {
    return leftover->name && strstr(leftover->name, "__KMP_REGISTERED_LIB_");
}

static void judge_leftovers(const struct fs_node *node, struct fs_outcome *outcome) {
    const struct fs_shm *shm = &node->digest->shm;
    const struct fs_variable *first = NULL;
    long count = 0;

    for (size_t i = 0; i < shm->leftover_count; i++) {
        if (is_libomps(&shm->leftovers[i])) continue;
        if (!first) first = &shm->leftovers[i];
        count++;
    }
    if (!first) return;
    const char *name = first->name && *first->name == '/' ? first->name + 1 : first->name;

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%ld shared memory segment%s left behind", count,
                 count == 1 ? " was" : "s were");
    fs_set_population(outcome, count, 0, "segments");
    fs_add_evidence(outcome, "leftovers", (double)count, "count", "/dev/shm/%s (%s bytes)%s",
                    name ? name : "?", first->value ? first->value : "?",
                    count > 1 ? " and more" : "");
    fs_add_cause(outcome, "the job made them, its processes are gone, nobody unlinked them");
    fs_add_fix(outcome, FS_FIX_CODE, "in the process that made it", "segment.unlink()");
    if (name)
        fs_add_fix(
            outcome, FS_FIX_COMMAND, "now", "rm %s",
            fs_quote_word(outcome->arena, fs_arena_printf(outcome->arena, "/dev/shm/%s", name)));
}

static void judge_shm(const struct fs_node *node, double least, struct fs_outcome *outcome) {
    const struct fs_shm *shm = &node->digest->shm;
    const double own = shm->ours && shm->own_bytes > 0 ? (double)shm->own_bytes : 0;
    const size_t before = outcome->count;

    for (size_t i = 0; i < node->load_count; i++)
        judge_bus_errors(&node->loads[i], least, outcome);
    judge_leftovers(node, outcome);
    if (outcome->count > before) return;
    if (shm->size <= 0 || shm->free_min < 0) {
        fs_vote(outcome, FS_STATUS_UNKNOWN, "/dev/shm was not sampled");
    } else if ((double)shm->free_min + own >= least * (double)shm->size) {
        fs_vote(outcome, FS_PASS, "/dev/shm had room, and nothing was left in it");
    } else {
        fs_add_finding(outcome, FS_NOTE, node, NULL)->confidence = FS_INFERRED;
        fs_set_title(outcome, "/dev/shm was almost full");
        fs_add_evidence(outcome, "shm_free", (double)shm->free_min, "bytes",
                        "at least, %.1f of %.0f MiB were free; no process was hurt",
                        (double)shm->free_min / mib, (double)shm->size / mib);
        fs_add_cause(outcome, "whose files fill it was not recorded: see ls -l /dev/shm");
        add_shm_fix(outcome, (double)shm->size);
    }
}

static void check_shm(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    const double least = fs_threshold(thresholds, outcome->rule, SHM_FREE);
    for (size_t i = 0; i < job->node_count; i++)
        judge_shm(&job->nodes[i], least, outcome);
}

const struct fs_rule fs_rule_mem_02 = {
    .id = "MEM-02",
    .family = "memory",
    .title = "/dev/shm exhausted",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "shared memory that was full before is",
    .check = check_shm,
    .why = "Shared memory (multiprocessing.shared_memory, PyTorch's data loaders) lives in "
           "/dev/shm, 64 MiB in many containers. A page that cannot be backed ends the process "
           "that touches it by SIGBUS. Segments that nobody unlinks stay until the node reboots.",
    .decided = "Error: a worker died of SIGBUS, not sent by a process, with less than `free` of "
               "/dev/shm free. Warning: segments that the job made are still there after its end. "
               "Note: less than `free` of it was free at some time.",
    .exceptions = "forksight's own files do not count, nor the kibibyte that libomp leaves behind "
                  "in workers. A SIGBUS with room in /dev/shm has another "
                  "cause.",
    .fix = "A larger /dev/shm (container: --shm-size={n}); unlink segments.",
    .thresholds = shm_thresholds,
    .sources = (const char *const[]){"PTS", "PY", "N1", NULL},
};
