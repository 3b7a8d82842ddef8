/* audit_job.c - see audit_job.h. */
#include "tracer/audit_job.h"

#include "tracer/scheduler.h"
#include "tracer/steps.h"
#include "tracer/text.h"

#include <errno.h>
#include <glob.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int fs_job_name(const char *text, char job[FS_JOB_NAME_SIZE], char step[FS_JOB_NAME_SIZE]) {
    const size_t length = strspn(text, "0123456789");

    if (length == 0 || length >= FS_JOB_NAME_SIZE || (text[length] && text[length] != '.'))
        return -1;
    memcpy(job, text, length);
    job[length] = '\0';
    step[0] = '\0';
    if (!text[length]) return 0;
    const char *rest = text + length + 1;
    if (!*rest || strlen(rest) >= FS_JOB_NAME_SIZE || rest[strspn(rest, "0123456789")]) return -1;
    memcpy(step, rest, strlen(rest) + 1);
    return 0;
}

/* --- on a node --- */

struct place { /* what the environment of a process says of its job */
    char job[FS_JOB_NAME_SIZE], step[FS_JOB_NAME_SIZE], node[256];
    bool ranked;
};

static void keep(char *into, size_t size, const char *value) {
    snprintf(into, size, "%s", value);
}

static int take_place(void *context, const char *name, size_t length, const char *value) {
    struct place *place = context;

    if (fs_text_is(name, length, "SLURM_JOB_ID"))
        keep(place->job, sizeof place->job, value);
    else if (fs_text_is(name, length, "SLURM_STEP_ID"))
        keep(place->step, sizeof place->step, value);
    else if (fs_text_is(name, length, "SLURMD_NODENAME"))
        keep(place->node, sizeof place->node, value);
    else if (fs_text_is(name, length, "SLURM_PROCID"))
        place->ranked = true;
    return 0;
}

/* Of the job, and not of this look at it; the processes of other nodes may be seen as well. */
static bool belongs(const struct place *place, const char *job, const char *step) {
    const char *own_node = getenv("SLURMD_NODENAME");

    if (strcmp(place->job, job) != 0 || (*step && strcmp(place->step, step) != 0)) return false;
    const char *own_step = fs_own_step(job);
    if (own_step && strcmp(own_step, place->step) == 0) return false;
    return !own_node || !place->node[0] || strcmp(own_node, place->node) == 0;
}

/* A task tells most of its job, the batch script (of rank 0, too) more than what it started. */
static int worth_of(const struct place *place) {
    return place->ranked ? 1 + fs_slurm_real_step(place->step) : 0;
}

static int add(struct fs_pids_list *list, int pid, bool first) {
    int *grown = realloc(list->pid, (list->count + 1) * sizeof *grown);

    if (!grown) return -1;
    list->pid = grown;
    list->pid[list->count++] = pid;
    if (first && list->count > 1) {
        list->pid[list->count - 1] = list->pid[0];
        list->pid[0] = pid;
    }
    return 0;
}

int fs_target_job(const char *name, struct fs_pids_list *list, char *error, size_t error_size) {
    char job[FS_JOB_NAME_SIZE], step[FS_JOB_NAME_SIZE];
    const int *pids = NULL;
    size_t count = 0;
    int best = 0;

    if (fs_job_name(name, job, step) != 0) {
        snprintf(error, error_size, "\"%.80s\" is no job; give JOBID or JOBID.STEP", name);
        return errno = EINVAL, -1;
    }
    struct fs_proc *proc = fs_proc_open("");
    int result = proc ? fs_proc_pids(proc, &pids, &count) : -1;
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct fs_proc_status status = {.mask = NULL};
        struct place place = {0};
        if (pids[i] == getpid() || fs_proc_status(proc, pids[i], 0, &status) != 0) continue;
        if (geteuid() != 0 && (uid_t)status.uid != geteuid()) continue;
        if (fs_proc_environment(proc, pids[i], take_place, &place, NULL) != 0) continue;
        if (!belongs(&place, job, step)) continue;
        result = add(list, pids[i], worth_of(&place) > best);
        if (worth_of(&place) > best) best = worth_of(&place);
    }
    if (result != 0) snprintf(error, error_size, "cannot read /proc: %s", strerror(errno));
    fs_proc_close(proc);
    if (result != 0 || list->count > 0) return result;
    snprintf(error, error_size, "no process of job %.64s of yours runs on this node", name);
    return errno = ENOENT, -1;
}

/* --- where the audit was called --- */

/* The environment without a job that the caller may be in; which Slurm it is stays. */
static char **clean_environment(void) {
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    char **list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        if (!fs_begins(environ[i], "SLURM_") || fs_begins(environ[i], "SLURM_CONF="))
            list[kept++] = environ[i];
    return list;
}

static size_t count_digests(const struct fs_jobdir *job) {
    char pattern[PATH_MAX + 16];
    glob_t found = {0};

    snprintf(pattern, sizeof pattern, "%s/*.digest", job->path);
    const size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static int write_meta(const struct fs_jobdir *job, const char *name) {
    char *command[] = {"forksight", "audit", (char *)(uintptr_t)name, NULL};
    char host[256], empty[1] = "", boot_id[64] = "";

    snprintf(host, sizeof host, "%s", job->host);
    fs_boot_id(boot_id, sizeof boot_id);
    const struct fs_meta meta = {.host = host,
                                 .folder = empty,
                                 .boot_id = boot_id,
                                 .command = command,
                                 .command_count = 3,
                                 .collector = getpid(),
                                 .collector_start = fs_start_ticks(getpid()),
                                 .oom_kills = FS_UNKNOWN,
                                 .finished = true};
    return fs_meta_write(job, &meta);
}

/* How many nodes a job has; 0: it is not known, or not running. id has digits alone. */
static int nodes_of(const char *id) {
    char command[128], text[64] = "";

    snprintf(command, sizeof command, "squeue --noheader --states=RUNNING --jobs=%s --format=%%D",
             id);
    FILE *answer = popen(command, "re");
    if (!answer) return 0;
    const bool told = fgets(text, sizeof text, answer) != NULL;
    const int status = pclose(answer);
    const int nodes = told && status == 0 ? atoi(text) : 0;
    return nodes > 0 ? nodes : 0;
}

int fs_audit_job(const struct fs_audit_options *options, const char *name,
                 const struct fs_jobdir *job, char *error, size_t error_size) {
    char id[FS_JOB_NAME_SIZE], step[FS_JOB_NAME_SIZE], jobid[64], self[PATH_MAX], window[64];
    char count[32];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    pid_t child;
    int status = 0;

    self[length > 0 ? length : 0] = '\0';
    if (fs_job_name(name, id, step) != 0) return errno = EINVAL, -1;
    const int nodes = nodes_of(id);
    if (nodes == 0) {
        snprintf(error, error_size, "no job %s of Slurm runs, as squeue tells", id);
        return errno = ENOENT, -1;
    }
    snprintf(count, sizeof count, "--nodes=%d", nodes);
    snprintf(jobid, sizeof jobid, "--jobid=%s", id);
    snprintf(window, sizeof window, "--window=%.3f", (double)options->window_ns / 1e9);
    const char *const arguments[] = {"srun",
                                     "--overlap",
                                     jobid,
                                     count,
                                     "--ntasks-per-node=1",
                                     "--mem=0",
                                     "--cpu-bind=none",
                                     "--quiet",
                                     "--input=none",
                                     self,
                                     "audit",
                                     "--node",
                                     name,
                                     "-o",
                                     job->path,
                                     window,
                                     options->stacks ? "--stacks" : NULL,
                                     NULL};
    char **environment = clean_environment();
    const int reason = environment ? posix_spawnp(&child, "srun", NULL, NULL,
                                                  (char **)(uintptr_t)arguments, environment)
                                   : ENOMEM;
    free(environment);
    if (reason) {
        snprintf(error, error_size,
                 "cannot run srun: %s; job %.64s can be looked at where Slurm is", strerror(reason),
                 name);
        return errno = reason, -1;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (count_digests(job) == 0) {
        snprintf(error, error_size, "no node of job %.64s could be looked at (srun: status %d)",
                 name, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return errno = ENODATA, -1;
    }
    return write_meta(job, name);
}
