/* thr_workers.c - rules on the thread variables of workers: unset, misused, overruled. */
#include "preload/recorded_variables.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"
#include "tracer/libraries.h"

#include <math.h>
#include <string.h>

static const char *when_set(const struct fs_load *load) {
    return load->group->python ? "before Python starts" : "before the program starts";
}

/* Threads that each worker may have, so that all together fit. */
static int fair_share(const struct fs_load *load) {
    const int each = load->effective > 0 ? (int)(load->effective / load->workers) : 1;
    return each < 1 ? 1 : each;
}

/* Did threads of the library work? Those that were made when it was loaded, or by the call that
 * limits them, tell nothing. */
static bool team_was_used(const struct fs_thread_program *program,
                          const struct fs_thread_library *library) {
    const struct fs_thread_library *threads = fs_library_threads(program, library);
    return threads && threads->threads_working > 0;
}

static int team_of(const struct fs_thread_program *program,
                   const struct fs_thread_library *library) {
    const struct fs_thread_library *threads = fs_library_threads(program, library);
    return threads ? threads->threads_peak + 1 : 1;
}

/* Votes for loads of which nothing is known or to be said; else the program. */
static const struct fs_thread_program *program_of(const struct fs_load *load,
                                                  struct fs_outcome *outcome) {
    const struct fs_thread_program *program = fs_load_program(load);
    if (program) return program;
    if (load->group->libraries & FSP_LIBRARIES_THREADED)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "what the workers' libraries read was not recorded");
    else
        fs_vote(outcome, FS_NOT_APPLICABLE, "the workers loaded no thread library");
    return NULL;
}

static void add_team_evidence(const struct fs_thread_program *program,
                              const struct fs_thread_library *library, struct fs_outcome *outcome) {
    const int team = team_of(program, library);
    fs_add_evidence(outcome, "team", team, "count",
                    "%s: teams of %d threads in the workers (process %d)",
                    fs_library_label(outcome->arena, library), team, program->pid);
}

/* --- THR-01 --- */

/* The library whose team is as large as if nothing had limited it; NULL: none. */
static const struct fs_thread_library *unlimited(const struct fs_load *load,
                                                 const struct fs_thread_program *program) {
    const uint32_t owner =
        load->group->threads_owner ? fs_library_of(load->group->threads_owner) : 0;
    const struct fs_thread_library *found = NULL;
    for (size_t i = 0; i < program->library_count; i++) {
        const struct fs_thread_library *library = &program->libraries[i];
        if (!fs_library_sizing(library->family, library->build)[0] ||
            fs_library_sized_by(library) || !team_was_used(program, library) ||
            team_of(program, library) < fs_library_pool(program, library))
            continue;
        if (!found || (library->family & owner)) found = library;
    }
    return found;
}

static void report_unset(const struct fs_load *load, const struct fs_thread_program *program,
                         const struct fs_thread_library *library, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const int team = team_of(program, library);
    const bool busy = load->threads >= 2;
    const char *name = fs_library_sizing(library->family, library->build)[0];

    fs_add_finding(outcome, busy ? FS_WARNING : FS_NOTE, load->node, load);
    fs_set_title(outcome, "%s unset: %d workers with teams of %d threads", name, load->workers,
                 team);
    fs_set_population(outcome, load->workers, load->group->workers, "workers");
    add_team_evidence(program, library, outcome);
    fs_add_evidence(outcome, "threads_busy", load->threads, "count",
                    "%d workers x %d busy thread%s on %g CPUs", load->workers, load->threads,
                    busy ? "s" : "", load->effective);
    fs_add_cause(outcome, "%s was not set when %s was loaded: a team takes every CPU it sees", name,
                 fs_library_name(library->family));
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, when_set(load), "%s",
               fs_threads_export(arena, load->group->libraries, fair_share(load)));
}

static void judge_unset(const struct fs_load *load, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_thread_program *program = program_of(load, outcome);
    const struct fs_thread_library *library = program ? unlimited(load, program) : NULL;

    if (!program) return;
    if (!library && fs_teams_unsampled(program))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "what the teams' threads did was not sampled");
    else if (!library)
        fs_vote(outcome, FS_PASS, "every team of threads was limited, or none was used");
    else if (isnan(load->effective) || load->threads < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks or the busy threads were not recorded");
    else if ((double)load->workers * team_of(program, library) <= load->effective)
        fs_vote(outcome, FS_PASS, "the teams of all workers fit the CPUs");
    else
        report_unset(load, program, library, outcome);
}

static void check_unset(const struct fs_job *job, const struct fs_thresholds *thresholds,
                        struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_unset);
}

const struct fs_rule fs_rule_thr_01 = {
    .id = "THR-01",
    .family = "threads",
    .title = "thread count of the workers unset",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "variables that the program set itself are",
    .check = check_unset,
    .why = "A thread library that is told nothing starts a thread for every CPU that it sees. "
           "Each worker of a pool does so for itself.",
    .decided = "Two or more workers; a thread library in them found none of its thread variables "
               "when it read them; its team in a worker was used, and has a thread for every CPU "
               "of the worker; workers x team exceeds the CPUs that the workers can use. A "
               "warning when two or more threads of a worker were busy, else a note.",
    .exceptions = "Silent when anything holds the teams smaller than the default (a variable, "
                  "threadpoolctl, loky, a call of the library), when the workers' teams fit "
                  "their CPUs, and for pools that started and never worked.",
    .fix = "export OMP_NUM_THREADS=1, and the same for the library's own variable "
           "(MKL_, OPENBLAS_, NUMEXPR_, NUMBA_NUM_THREADS), before the program starts.",
    .dispute = "The number advised differs: CPUs / workers uses all CPUs, 1 is always safe. "
               "BLIS runs alone if nothing is set, so it is never named here.",
    .sources = (const char *const[]){"N1", "DSK", "SK", NULL},
};

/* --- THR-02 --- */

static void report_misused(const struct fs_load *load, const struct fs_thread_program *program,
                           enum fs_severity severity, struct fs_outcome *outcome) {
    const int each = fair_share(load), workers = load->workers;

    fs_add_finding(outcome, severity, load->node, load);
    fs_set_title(outcome, "OMP_NUM_THREADS=%d counts the workers, not their threads", workers);
    fs_set_population(outcome, workers, load->group->workers, "workers");
    fs_add_evidence(outcome, "workers", workers, "count",
                    "%d workers, and each has OMP_NUM_THREADS=%s: up to %d threads on %g CPUs",
                    workers, fs_load_variable(load, "OMP_NUM_THREADS"), workers * workers,
                    load->effective);
    for (size_t i = 0; program && i < program->library_count; i++) {
        if (team_of(program, &program->libraries[i]) < 2) continue;
        add_team_evidence(program, &program->libraries[i], outcome);
        break;
    }
    fs_add_number(outcome, "threads_busy", load->threads, "count");
    fs_add_cause(outcome, severity == FS_NOTE
                              ? "no worker started a team now; with a thread library each would"
                              : "a thread library in a worker takes it for the size of its team");
    fs_add_birth_cause(outcome, load);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT,
               load->group->python ? "and Pool(int(os.environ[\"NUM_PROCS\"])) in the program"
                                   : "and NUM_PROCS for the workers in the program",
               "export NUM_PROCS=%d OMP_NUM_THREADS=%d", workers, each);
}

static void judge_misused(const struct fs_load *load, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    const int threads = fs_thread_count(fs_load_variable(load, "OMP_NUM_THREADS"));
    const struct fs_thread_program *program = fs_load_program(load);
    bool team = load->threads >= 2;

    for (size_t i = 0; program && i < program->library_count; i++)
        team |= team_was_used(program, &program->libraries[i]);
    if (threads < 2)
        fs_vote(outcome, FS_PASS, "OMP_NUM_THREADS is not set to more than 1");
    else if (threads != load->workers)
        fs_vote(outcome, FS_PASS, "OMP_NUM_THREADS is not the number of workers");
    else if (!team && load->group->kind == FS_GROUP_EXECUTABLE)
        fs_vote(outcome, FS_PASS, "programs without teams of threads, made by another program");
    else if (isnan(load->effective))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the workers' masks were not recorded");
    else if ((double)threads * load->workers <= load->effective)
        fs_vote(outcome, FS_PASS, "workers x OMP_NUM_THREADS fit the CPUs");
    else
        report_misused(load, program,
                       fs_teams_crowd(load, thresholds) ? FS_ERROR
                       : team                           ? FS_WARNING
                                                        : FS_NOTE,
                       outcome);
}

static void check_misused(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_misused);
}

const struct fs_rule fs_rule_thr_02 = {
    .id = "THR-02",
    .family = "threads",
    .title = "OMP_NUM_THREADS used as the number of processes",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "variables that the program set itself are",
    .check = check_misused,
    .why = "OMP_NUM_THREADS counts the threads of one process. A script that takes it for the "
           "number of workers makes W workers, and every OpenMP or BLAS library in each of them "
           "starts W threads: W x W.",
    .decided = "The number of workers equals OMP_NUM_THREADS, which is above 1, and the product "
               "exceeds the CPUs that the workers can use. An error when OVS-01 holds for these "
               "workers, a note when no worker used a team of threads.",
    .exceptions = "Silent when workers x OMP_NUM_THREADS fit the CPUs: then the job is a hybrid "
                  "one, and the numbers are equal by chance; and for programs without teams of "
                  "threads that make, xargs or a shell started.",
    .fix = "export NUM_PROCS={workers} OMP_NUM_THREADS=1, and size the pool by NUM_PROCS.",
    .dispute = "One document sets OMP_NUM_THREADS to the number of processes. It is always a "
               "count of threads: processes have a variable of their own.",
    .sources = (const char *const[]){"Z", "N1", NULL},
};

/* --- THR-04 --- */

/* What made the library's team larger than OMP_NUM_THREADS=1 says; NULL: nothing did. */
static const char *overruled_by(struct fs_arena *arena, const struct fs_thread_program *program,
                                const struct fs_thread_library *library) {
    const char *own = fs_library_sizing(library->family, library->build)[0];
    if (!own || strcmp(own, "OMP_NUM_THREADS") == 0) return NULL;
    if (!team_was_used(program, library) || team_of(program, library) < 2) return NULL;
    const int count = fs_thread_count(fs_library_read(library, own));
    if (count > 1) return fs_arena_printf(arena, "%s=%d", own, count);
    if (library->family == FSP_LIBRARY_NUMBA && count == FS_UNKNOWN)
        return fs_arena_printf(arena, "%s unset", own);
    return NULL;
}

static void report_overruled(const struct fs_load *load, const struct fs_thread_program *program,
                             const struct fs_thread_library *library, const char *by,
                             struct fs_outcome *outcome) {
    const char *name = fs_library_name(library->family);
    const char *own = fs_library_sizing(library->family, library->build)[0];
    const bool numba = library->family == FSP_LIBRARY_NUMBA;

    fs_add_finding(outcome, FS_WARNING, load->node, load);
    fs_set_title(outcome, "OMP_NUM_THREADS=1 does not hold %s: %s", name, by);
    fs_set_population(outcome, load->workers, load->group->workers, "workers");
    fs_add_evidence(outcome, "workers", load->workers, "count",
                    "%d workers have OMP_NUM_THREADS=1 and %s", load->workers, by);
    add_team_evidence(program, library, outcome);
    fs_add_cause(outcome,
                 numba ? "%s does not read OMP_NUM_THREADS; without %s it takes every CPU"
                       : "for %s its own variable %s outranks OMP_NUM_THREADS",
                 name, own);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, when_set(load), "export %s=1", own);
}

static void judge_overruled(const struct fs_load *load, const struct fs_thresholds *thresholds,
                            struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_thread_program *program = program_of(load, outcome);
    const size_t before = outcome->count;
    uint32_t told = 0;

    if (!program) return;
    if (fs_thread_count(fs_load_variable(load, "OMP_NUM_THREADS")) != 1) {
        fs_vote(outcome, FS_NOT_APPLICABLE, "OMP_NUM_THREADS is not 1 in the workers");
        return;
    }
    for (size_t i = 0; i < program->library_count; i++) {
        const struct fs_thread_library *library = &program->libraries[i];
        const char *by = overruled_by(outcome->arena, program, library);
        if (!by || (told & library->family)) continue;
        told |= library->family; /* of two copies of a library the first speaks for both */
        report_overruled(load, program, library, by, outcome);
    }
    if (outcome->count == before && fs_teams_unsampled(program))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "what the teams' threads did was not sampled");
    else if (outcome->count == before)
        fs_vote(outcome, FS_PASS, "no library of the workers made more threads than that");
}

static void check_overruled(const struct fs_job *job, const struct fs_thresholds *thresholds,
                            struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_overruled);
}

const struct fs_rule fs_rule_thr_04 = {
    .id = "THR-04",
    .family = "threads",
    .title = "a library's own variable overrules OMP_NUM_THREADS",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "variables that the program set itself are",
    .check = check_overruled,
    .why = "OMP_NUM_THREADS=1 is meant to leave one thread to each worker. MKL, OpenBLAS, BLIS "
           "and NumExpr obey their own variable first, and Numba does not read OMP_NUM_THREADS "
           "at all.",
    .decided = "Two or more workers with OMP_NUM_THREADS=1; a library in them read a larger value "
               "of its own variable, or Numba's threading layer ran without NUMBA_NUM_THREADS; "
               "and the workers used a team of two or more of its threads.",
    .exceptions = "Silent when the library's teams were not used, and for OpenMP builds of "
                  "OpenBLAS, which obey OMP_NUM_THREADS.",
    .fix = "export MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 BLIS_NUM_THREADS=1 "
           "NUMBA_NUM_THREADS=1",
    .sources = (const char *const[]){"MKL", "OB", "NB", NULL},
};
