/* mpi_slots.c - a launcher that started nothing because there are fewer slots than ranks. */
#include "report/launch.h"
#include "report/rules/rules.h"

#include <string.h>
#include <sys/wait.h>

struct refusal {
    const struct fs_node *node;
    const struct fs_launch *launch;
    struct fs_launch_options options;
    struct fs_launch_slots slots;
};

static void add_slot_fixes(const struct refusal *refusal, struct fs_outcome *outcome) {
    const struct fs_launch_options *options = &refusal->options;
    const struct fs_scheduler *scheduler = &refusal->node->digest->scheduler;
    const bool prte = strcmp(fs_base_name(refusal->launch->executable), "prterun") == 0;
    const int ranks = options->ranks;

    fs_add_launch_fix(outcome, "as many ranks as slots", refusal->launch,
                      &(struct fs_launch_change){.ranks = refusal->slots.least});
    if (scheduler->name)
        fs_add_fix(outcome, FS_FIX_CODE, "or ask for as many tasks as ranks",
                   strcmp(scheduler->name, "slurm") == 0 ? "#SBATCH --ntasks=%d"
                                                         : "#PBS -l select=%d:ncpus=1:mpiprocs=1",
                   ranks);
    else if (!options->hosts && !options->hostfile && !options->hwthreads &&
             refusal->node->cpus >= ranks)
        fs_add_launch_fix(outcome, "or a rank for each hardware thread", refusal->launch,
                          &(struct fs_launch_change){.add = "--use-hwthread-cpus"});
    fs_add_launch_fix(
        outcome, "only to try whether it runs: ranks share cores", refusal->launch,
        &(struct fs_launch_change){.add = prte ? "--map-by :OVERSUBSCRIBE" : "--oversubscribe",
                                   .replace = prte});
}

static void report_refusal(const struct refusal *refusal, struct fs_outcome *outcome) {
    const struct fs_launch *launch = refusal->launch;
    const int ranks = refusal->options.ranks, status = WEXITSTATUS(launch->status);
    const int most = refusal->slots.most;
    const char *name = launch->word_count ? fs_base_name(launch->words[0]) : "mpirun";

    fs_add_finding(outcome, FS_ERROR, refusal->node, NULL);
    fs_set_title(outcome, "%d ranks for %d slot%s: mpirun started nothing", ranks, most,
                 most == 1 ? "" : "s");
    fs_set_population(outcome, ranks, 0, ranks == 1 ? "rank" : "ranks");
    fs_add_evidence(outcome, "slots", most, "count", "%d rank%s asked for; %s: %d slot%s", ranks,
                    ranks == 1 ? "" : "s", refusal->slots.from, most, most == 1 ? "" : "s");
    fs_add_evidence(outcome, "status", status, "status",
                    "%s (process %d) ended with status %d after %.1f s; no rank came up", name,
                    launch->pid, status, (double)(launch->end - launch->begin) / 1e9);
    fs_add_number(outcome, "ranks", ranks, "count");
    fs_add_cause(outcome,
                 "Open MPI starts no more ranks than it counts slots, unless it is told to");
    add_slot_fixes(refusal, outcome);
}

static void judge_slots(const struct fs_node *node, const struct fs_launch *launch,
                        struct fs_outcome *outcome) {
    struct refusal refusal = {
        .node = node, .launch = launch, .options = fs_launch_options_of(launch)};
    const struct fs_launch_options *options = &refusal.options;
    const int status = launch->status;

    if (options->launcher != FS_LAUNCHER_OPENMPI) return;
    refusal.slots = fs_launch_slots_of(outcome->arena, node, launch, options);
    if (launch->started > 0)
        fs_vote(outcome, FS_PASS, "mpirun started its ranks");
    else if (status == FS_UNKNOWN || launch->end == FS_UNKNOWN)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "how mpirun ended was not recorded");
    else if (!WIFEXITED(status) || WEXITSTATUS(status) == 0)
        fs_vote(outcome, FS_PASS, "mpirun did not end with an error of its own");
    else if (launch->root && !options->as_root)
        fs_vote(outcome, FS_PASS, "mpirun refuses to be started by root");
    else if (!options->understood || options->elsewhere)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "mpirun started nothing (status %d), but its command line is not understood",
                WEXITSTATUS(status));
    else if (options->ranks == FS_UNKNOWN || options->oversubscribe)
        fs_vote(outcome, FS_PASS, "mpirun failed, but not for want of slots");
    else if (refusal.slots.most < 1 ||
             (options->ranks > refusal.slots.least && options->ranks <= refusal.slots.most))
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "mpirun started nothing, but how many slots it had is not known");
    else if (options->ranks <= refusal.slots.least)
        fs_vote(outcome, FS_PASS, "mpirun failed for another reason: it had %d slots for %d ranks",
                refusal.slots.least, options->ranks);
    else
        report_refusal(&refusal, outcome);
}

static void check_slots(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->launch_count; j++)
            judge_slots(&job->nodes[i], &digest->launches[j], outcome);
        if (digest->launches_more > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "not every launcher was recorded");
    }
    fs_vote(outcome, FS_NOT_APPLICABLE, "no mpirun of Open MPI in the job");
}

const struct fs_rule fs_rule_mpi_05 = {
    .id = "MPI-05",
    .family = "MPI",
    .title = "not enough slots",
    .severity = FS_ERROR,
    .unseen = "an mpirun that ended is",
    .check = check_slots,
    .why = "Open MPI gives every rank a slot. How many slots there are is said by the hostfile, by "
           "--host, by the batch system, or, if none of them speaks, by the machine: one for each "
           "core. With more ranks than slots mpirun starts none at all and ends: \"There are not "
           "enough slots available in the system\".",
    .decided = "mpirun of Open MPI (by the program that really ran) ended with an error status; no "
               "program that it started was seen; its command line asks for more ranks than there "
               "are slots at the most, and neither it nor the environment allows "
               "oversubscription. The message itself is not read.",
    .exceptions = "Silent when mpirun fails with enough slots (a missing program, a binding that "
                  "does not fit), and for MPICH's launcher, which refuses nothing. Unknown when an "
                  "option is not understood or a hostfile cannot be read.",
    .fix = "mpirun -n {slots} {command}; --use-hwthread-cpus for a rank on every hardware thread",
    .dispute = "Some tutorials advise --oversubscribe. Open MPI warns of severe loss: ranks poll "
               "while they wait. It is offered for a functional test only.",
    .sources = (const char *const[]){"T", "OMS", NULL},
};
