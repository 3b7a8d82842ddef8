/* slm_login.c - computing where everybody logs in. */
#include "report/launch.h"
#include "report/rules/rules.h"

#include <string.h>

enum { LOGIN_USERS, LOGIN_RATE, LOGIN_POOL, LOGIN_SHARE };
static const struct fs_threshold login_thresholds[] = {
    [LOGIN_USERS] = {"users", 2, "count", "least users logged in", "own"},
    [LOGIN_RATE] = {"rate", 60, "s", "CPU time in a minute above which it is computing", "TAC"},
    [LOGIN_POOL] = {"pool", 5, "s", "least CPU time of two or more workers", "own"},
    [LOGIN_SHARE] = {"share", 0.1, "cpus", "least CPUs that they use while one of them lives",
                     "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* Programs of which several at once are no computing of the user's. */
static bool is_build_tool(const char *path) {
    static const char *const names[] = {
        "make",  "gmake", "ninja",   "cmake",    "ctest",       "cargo",    "rustc",
        "bazel", "meson", "scons",   "cc",       "gcc",         "g++",      "c++",
        "cc1",   "f951",  "cc1plus", "lto1",     "lto-wrapper", "collect2", "as",
        "ld",    "clang", "clang++", "gfortran", "icx",         "ifx",      "nvcc",
        "cicc",  "ptxas", "javac",   "go",       "configure",   "spack",    "eb",
    };
    const char *name = fs_base_name(path);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool is_compilation(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->command_count && i < 4; i++)
        if (is_build_tool(digest->command[i])) return true;
    for (size_t i = 0; i < digest->group_count; i++)
        if (is_build_tool(digest->groups[i].parent_executable) ||
            is_build_tool(digest->groups[i].executable))
            return true;
    return false;
}

/* The pool that used most CPU time; NULL: none used that much, or they only came and went, as
 * what a workflow manager starts to send jobs. */
static const struct fs_load *largest_pool(const struct fs_node *node, double least, double share) {
    const struct fs_load *found = NULL;

    for (size_t i = 0; i < node->load_count; i++) {
        const struct fs_load *load = &node->loads[i];
        if (load->ignored != FS_IGNORED_NO || (double)load->group->cpu_ns < least * 1e9 ||
            (double)load->group->cpu_ns < share * (double)load->group->window_ns)
            continue;
        if (!found || load->group->cpu_ns > found->group->cpu_ns) found = load;
    }
    return found;
}

static void add_batch_fixes(const struct fs_node *node, const struct fs_load *pool,
                            struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_digest *digest = node->digest;
    const bool slurm = strcmp(digest->login.scheduler, "slurm") == 0;
    const struct fs_launch *launch = fs_node_launch(node, FS_LAUNCHER_NONE);
    const struct fs_load whole = {.node = node};
    const struct fs_remedy remedy = fs_remedy_command(arena, pool ? pool : &whole, NULL, 0);
    int cpus = pool ? pool->workers : digest->busy_cpus_peak;

    if (cpus < 1) cpus = 1;
    if (slurm && launch)
        fs_add_remedy(outcome, NULL, fs_arena_printf(arena, "salloc -n %d ", cpus), &remedy);
    else if (slurm)
        fs_add_remedy(outcome, NULL, fs_arena_printf(arena, "srun -n 1 -c %d ", cpus), &remedy);
    else
        fs_add_fix(outcome, FS_FIX_CODE, "and the command in that shell",
                   "qsub -I -l select=1:ncpus=%d", cpus);
    fs_add_fix(outcome, FS_FIX_CODE, "or from a batch script",
               slurm ? "sbatch -n 1 -c %d job.sh" : "qsub -l select=1:ncpus=%d job.sh", cpus);
}

static void report_login(const struct fs_node *node, const struct fs_load *pool,
                         struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const double cpu = (double)digest->cpu_ns / 1e9, wall = (double)digest->wall_ns / 1e9;

    fs_add_finding(outcome, FS_WARNING, node, pool);
    if (pool)
        fs_set_title(outcome, "%d workers compute on a machine that %d users share", pool->workers,
                     digest->login.users);
    else
        fs_set_title(outcome, "%.0f s of CPU time on a machine that %d users share", cpu,
                     digest->login.users);
    if (pool)
        fs_set_population(outcome, pool->workers, pool->group->workers, "workers");
    else
        fs_set_population(outcome, digest->complete.processes, 0, "processes");
    fs_add_evidence(outcome, "users", digest->login.users, "count",
                    "%d users are logged in; %s is set up here, and this job has none of its "
                    "variables",
                    digest->login.users,
                    strcmp(digest->login.scheduler, "slurm") == 0 ? "Slurm" : "PBS");
    fs_add_evidence(outcome, "cpu_time", cpu, "s", "%.0f s of CPU time in %.0f s", cpu, wall);
    fs_add_cause(outcome, "the job was started in a login shell, not through the batch system");
    add_batch_fixes(node, pool, outcome);
}

static void judge_login(const struct fs_node *node, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const struct fs_login *login = &digest->login;
    const double users = fs_threshold(thresholds, outcome->rule, LOGIN_USERS);
    const double rate = fs_threshold(thresholds, outcome->rule, LOGIN_RATE);
    const struct fs_load *pool =
        largest_pool(node, fs_threshold(thresholds, outcome->rule, LOGIN_POOL),
                     fs_threshold(thresholds, outcome->rule, LOGIN_SHARE));
    const double minutes = (double)digest->wall_ns / 60e9;
    const double most = rate * 1e9 * (minutes > 1 ? minutes : 1);

    if (digest->scheduler.name)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the job runs in an allocation");
    else if (login->elsewhere)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the machine was not looked at");
    else if (!login->scheduler)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no batch system is set up on this machine");
    else if (login->compute)
        fs_vote(outcome, FS_NOT_APPLICABLE, "the batch system runs jobs on this machine");
    else if (login->users == FS_UNKNOWN)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who is logged in is not known: there is no utmp");
    else if (login->users < users)
        fs_vote(outcome, FS_PASS, "nobody else is logged in");
    else if (is_compilation(digest))
        fs_vote(outcome, FS_PASS, "compiling is what a login node is for");
    else if (!pool && (digest->cpu_ns < 0 || digest->wall_ns < 0))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the job's CPU time was not recorded");
    else if (!pool && (double)digest->cpu_ns <= most)
        fs_vote(outcome, FS_PASS, "a short job without workers");
    else
        report_login(node, pool, outcome);
}

static void check_login(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++)
        judge_login(&job->nodes[i], thresholds, outcome);
}

const struct fs_rule fs_rule_slm_05 = {
    .id = "SLM-05",
    .family = "job script",
    .title = "computing on a login node",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "what the job used before is",
    .check = check_login,
    .why = "A login node is shared by everybody who edits, compiles and sends jobs. Sites kill "
           "processes that compute there and suspend accounts; and the work is slow, because "
           "limits on CPU time and processes hold.",
    .decided = "The job has no variable of a batch system; Slurm or PBS is set up on this machine "
               "(/etc/slurm/slurm.conf, /etc/pbs.conf), and none of its daemons that run jobs is; "
               "`users` or more users are logged in (utmp); and two or more workers used `pool` "
               "seconds of CPU time, `share` CPUs while they lived, or the job used more than "
               "`rate` seconds in a minute.",
    .exceptions = "Silent for short serial scripts, for compilations, on compute nodes, and on "
                  "machines without a batch system or with one user.",
    .fix = "srun -n 1 -c {workers} {command}, or sbatch {script}",
    .dispute = "Some sites allow serial Python on login nodes, some no computing at all. Short "
               "serial scripts are let pass.",
    .thresholds = login_thresholds,
    .sources = (const char *const[]){"N2", "TAC", "OLCF", NULL},
};
