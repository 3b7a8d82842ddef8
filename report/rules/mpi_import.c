/* mpi_import.c - MPI-07: thousands of interpreters that read the same files at once. */
#include "report/rules/rules.h"
#include "report/whole.h"

enum { STORM_INTERPRETERS };
static const struct fs_threshold storm_thresholds[] = {
    [STORM_INTERPRETERS] = {"interpreters", 200, "count",
                            "fewer start without harm to a shared file system", "own"},
    {0},
};

/* Ranks and tasks of launchers are mostly the same processes: the larger number counts. */
static long interpreters_of(const struct fs_whole *whole) {
    long tasks = 0, ranks = 0;

    for (size_t i = 0; i < whole->launch_count; i++)
        if (whole->launches[i].python) tasks += whole->launches[i].tasks;
    for (size_t i = 0; i < whole->worlds.count; i++)
        ranks += whole->worlds.world[i].interpreters;
    return tasks > ranks ? tasks : ranks;
}

static void check_storm(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    const long interpreters = interpreters_of(job->whole);
    const double least = fs_threshold(thresholds, outcome->rule, STORM_INTERPRETERS);

    if ((double)interpreters < least)
        fs_vote(outcome, FS_NOT_APPLICABLE, "fewer than %g interpreters were started together",
                least);
    else
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "%ld interpreters; how many files each opened is not recorded", interpreters);
}

const struct fs_rule fs_rule_mpi_07 = {
    .id = "MPI-07",
    .family = "MPI",
    .title = "import storm",
    .severity = FS_NOTE,
    .unseen = "which files a program opens is",
    .check_whole = check_storm,
    .why = "Every import looks for a module in each folder of the path. `import scipy` opens "
           "some 4000 files; a thousand ranks that start together ask the metadata server of a "
           "shared file system four million times before any of them has computed.",
    .decided = "It would take two facts: `interpreters` or more Python ranks that started "
               "together, which is recorded, and how many files of site-packages each opened on "
               "a shared file system, which is not: watching every open would slow the "
               "program. So it is unknown from `interpreters` on, and does not apply below.",
    .exceptions = "Nothing is concluded. From that many interpreters on, look at the seconds "
                  "before the first output: node-local software and containers have no storm.",
    .fix = "A container image, or: spindle --slurm srun ...",
    .thresholds = storm_thresholds,
    .sources = (const char *const[]){"NSU", "A2P", NULL},
};
