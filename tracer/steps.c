/* steps.c - see steps.h. */
#include "tracer/steps.h"

#include "tracer/scheduler.h"
#include "tracer/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fs_own_step(const char *job) {
    const char *own_job = getenv("SLURM_JOB_ID"), *step = getenv("SLURM_STEP_ID");

    return own_job && step && strcmp(own_job, job) == 0 ? step : NULL;
}

bool fs_is_other_step(const char *title, const char *job, const char *step) {
    const size_t length = strlen(job);
    char number[16];
    const char *at = strchr(title, '[');

    if (!at || strncmp(at + 1, job, length) != 0 || at[length + 1] != '.') return false;
    at += length + 2;
    const size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits >= sizeof number || at[digits] != ']') return false;
    snprintf(number, sizeof number, "%.*s", (int)digits, at);
    return fs_slurm_real_step(number) && (!step || strcmp(number, step) != 0);
}

struct asked {
    const char *job;
    bool same;
};

static int visit(void *context, const char *name, size_t length, const char *value) {
    struct asked *asked = context;

    if (!fs_text_is(name, length, "SLURM_JOB_ID")) return 0;
    asked->same = strcmp(value, asked->job) == 0;
    return 1;
}

static bool has_name(struct fs_proc *proc, int pid, const char *name) {
    char comm[32];
    const ssize_t length = fs_proc_text(proc, pid, "comm", comm, sizeof comm);

    return length > 1 && fs_text_is(comm, (size_t)length - 1, name);
}

bool fs_is_fork_of(struct fs_proc *proc, int pid, int parent, const char *name) {
    return has_name(proc, parent, name) && has_name(proc, pid, name);
}

/* srun is two processes. */
static bool is_first(struct fs_proc *proc, int pid, const char *name) {
    struct fs_proc_stat stat;

    return fs_proc_stat(proc, pid, &stat) == 0 && !fs_is_fork_of(proc, pid, stat.ppid, name);
}

static bool is_of_job(struct fs_proc *proc, int pid, const char *job) {
    struct asked asked = {.job = job};

    return fs_proc_environment(proc, pid, visit, &asked, NULL) == 1 && asked.same;
}

/* Whether a task of the record is its child. */
static bool has_task(const struct fs_table *table, int daemon) {
    for (const struct fs_record *record = table->first; record; record = record->next)
        if (record->ppid == daemon) return true;
    return false;
}

/* Steps and sruns, of the record and not of it. */
struct seen {
    int own_steps, steps, own_sruns, sruns;
};

static int beside(const struct seen *seen, bool in_step) {
    const bool started_here = seen->own_sruns > 0;
    const int sruns = seen->sruns - (seen->sruns > 0 && in_step && !started_here);
    /* The tasks of a step that an srun of the record begins just now are not known yet. */
    const int begun = seen->own_sruns > seen->own_steps ? seen->own_sruns - seen->own_steps : 0;
    const int steps = seen->steps > begun ? seen->steps - begun : 0;

    return steps > sruns ? steps : sruns;
}

int fs_steps_beside(struct fs_proc *proc, const struct fs_table *table,
                    const struct fs_scheduler *scheduler) {
    const int *pids;
    size_t count;
    char name[32], title[256];
    struct seen seen = {0};
    const char *own = scheduler->job ? fs_own_step(scheduler->job) : NULL;

    if (!scheduler->name || strcmp(scheduler->name, "slurm") != 0 || !scheduler->job ||
        fs_proc_pids(proc, &pids, &count) != 0)
        return FS_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        if (fs_proc_text(proc, pids[i], "comm", name, sizeof name) <= 0) continue;
        if (strcmp(name, FS_STEP_DAEMON "\n") == 0 &&
            fs_proc_command(proc, pids[i], title, sizeof title) > 0) {
            if (!fs_is_other_step(title, scheduler->job, NULL) ||
                !is_first(proc, pids[i], FS_STEP_DAEMON))
                continue;
            if (!fs_is_other_step(title, scheduler->job, scheduler->step) ||
                !fs_is_other_step(title, scheduler->job, own) || has_task(table, pids[i]))
                seen.own_steps++;
            else
                seen.steps++;
        } else if (strcmp(name, "srun\n") == 0 && is_first(proc, pids[i], "srun")) {
            if (fs_table_newest(table, pids[i]))
                seen.own_sruns++;
            else
                seen.sruns += is_of_job(proc, pids[i], scheduler->job);
        }
    }
    return beside(&seen, scheduler->in_step);
}
