/* thr_programs.c - rules on the thread libraries of single programs: a variable that is not
 * read, one that comes too late, two runtimes in one process. */
#include "preload/recorded_variables.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"
#include "tracer/libraries.h"

#include <string.h>

static const int64_t least_cpu_ns = 500000000; /* below, what threads did is no loss */

typedef void judge_program(const struct fs_node *node, const struct fs_thread_program *program,
                           struct fs_outcome *outcome);

/* Runs judge on every program with thread libraries. */
static void each_program(const struct fs_job *job, struct fs_outcome *outcome,
                         judge_program *judge) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->program_count; j++)
            judge(&job->nodes[i], &digest->programs[j], outcome);
        if (digest->programs_more > 0)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "%d more programs with thread libraries",
                    digest->programs_more);
    }
    fs_vote(outcome, FS_NOT_APPLICABLE, "no program loaded a thread library");
}

static const char *program_text(struct fs_arena *arena, const struct fs_thread_program *program) {
    return fs_arena_printf(arena, "%s (%s %d)", fs_base_name(program->executable),
                           program->forked ? "worker" : "process", program->pid);
}

/* --- THR-03 --- */

static void report_ignored(const struct fs_node *node, const struct fs_thread_program *program,
                           const struct fs_thread_library *blas,
                           const struct fs_thread_library *runtime, const char *name,
                           struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *value = fs_library_read(blas, name);

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%s=%s is ignored by this OpenBLAS", name, value);
    fs_set_population(outcome, program->count, 0, "processes");
    fs_add_evidence(outcome, "team", runtime->threads_peak + 1, "count",
                    "%s: %s=%s, but a team of %d threads ran", program_text(arena, program), name,
                    value, runtime->threads_peak + 1);
    fs_add_evidence(outcome, "openmp_build", 1, "count", "%s needs %s",
                    blas->real_file ? blas->real_file : blas->file, fs_base_name(runtime->file));
    fs_add_cause(outcome,
                 "an OpenMP build of OpenBLAS takes its teams from %s, which reads only "
                 "OMP_NUM_THREADS, and that was not set",
                 fs_library_name(runtime->family));
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "before the program starts",
               "export OMP_NUM_THREADS=%d", fs_thread_count(value));
}

static void judge_ignored(const struct fs_node *node, const struct fs_thread_program *program,
                          struct fs_outcome *outcome) {
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"};
    const struct fs_thread_library *blas = fs_program_library(program, FSP_LIBRARY_OPENBLAS);
    const struct fs_thread_library *runtime = blas ? fs_library_threads(program, blas) : NULL;
    const char *name = NULL;

    if (!blas) return;
    for (size_t i = 0; !name && i < sizeof names / sizeof *names; i++)
        if (fs_thread_count(fs_library_read(blas, names[i])) > 0) name = names[i];
    if (!blas->build)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the file of OpenBLAS was not there to look at");
    else if (!fs_build_is_openmp(blas->build))
        fs_vote(outcome, FS_PASS, "OpenBLAS is not an OpenMP build");
    else if (!name || !runtime)
        fs_vote(outcome, FS_PASS, "no variable of OpenBLAS's own is set");
    else if (fs_library_read(runtime, "OMP_NUM_THREADS"))
        fs_vote(outcome, FS_PASS, "OMP_NUM_THREADS is set, too");
    else if (runtime->threads_peak > 0 && runtime->threads_working < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "what the team's threads did was not sampled");
    else if (runtime->threads_working < 1 || program->cpu_ns < least_cpu_ns)
        fs_vote(outcome, FS_PASS, "no team of threads did any work");
    else if (runtime->threads_peak + 1 == fs_thread_count(fs_library_read(blas, name)))
        fs_vote(outcome, FS_PASS, "the teams are as large as the variable says");
    else
        report_ignored(node, program, blas, runtime, name, outcome);
}

static void check_ignored(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    (void)thresholds;
    each_program(job, outcome, judge_ignored);
}

const struct fs_rule fs_rule_thr_03 = {
    .id = "THR-03",
    .family = "threads",
    .title = "OPENBLAS_NUM_THREADS ignored",
    .severity = FS_WARNING,
    .every_process = true,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "variables that the program set itself are",
    .check = check_ignored,
    .why = "OpenBLAS comes in builds with threads of its own and in OpenMP builds. The latter ask "
           "the OpenMP runtime for the size of a team before each call, and that one reads only "
           "OMP_NUM_THREADS.",
    .decided = "A loaded OpenBLAS needs an OpenMP runtime (told from its file), found "
               "OPENBLAS_NUM_THREADS or GOTO_NUM_THREADS set and OMP_NUM_THREADS not, and a team "
               "of another size ran.",
    .exceptions = "Silent when OMP_NUM_THREADS is set, when no team ran, and for less than half a "
                  "CPU-second of work.",
    .fix = "export OMP_NUM_THREADS={n}",
    .sources = (const char *const[]){"OB", NULL},
};

/* --- THR-05 --- */

/* The last setting that the library did not read any more; NULL: none. */
static const struct fs_setting *late_setting(const struct fs_thread_program *program,
                                             const struct fs_thread_library *library) {
    const bool at_load = fs_library_reads_at_load(library->family);
    const struct fs_setting *late = NULL;
    for (size_t i = 0; i < program->setting_count; i++) {
        const struct fs_setting *setting = &program->settings[i];
        const uint32_t read = at_load ? setting->loaded : setting->started;
        if ((read & library->family) && setting->name &&
            fs_library_is_sized_by(library->family, library->build, setting->name))
            late = setting;
    }
    return late;
}

static void report_late(const struct fs_node *node, const struct fs_thread_program *program,
                        const struct fs_thread_library *library, const struct fs_setting *setting,
                        struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *label = fs_library_label(arena, library);
    const char *place = fs_place_text(arena, &setting->place);
    const bool at_load = fs_library_reads_at_load(library->family);
    const bool load_bound = program->workers > 1 && program->forked;

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%s=%s set after %s had read it", setting->name, setting->value,
                 fs_library_name(library->family));
    fs_set_population(outcome, program->count, 0, load_bound ? "workers" : "processes");
    fs_add_evidence(outcome, "set_after", (double)(setting->t - library->t_loaded) / 1e9, "s",
                    "%s was loaded at %.2f s, %s=%s set at %.2f s", label,
                    (double)library->t_loaded / 1e9, setting->name, setting->value,
                    (double)setting->t / 1e9);
    fs_add_evidence(outcome, "team", library->team_late, "count",
                    "afterwards %s still had a team of %d threads", program_text(arena, program),
                    library->team_late);
    fs_add_cause(outcome, "%s reads it once, when it %s", fs_library_name(library->family),
                 at_load ? "is loaded" : "first starts threads");
    if (place) fs_add_cause(outcome, "set at %s, too late", place);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "in the job script", "export %s=%s", setting->name,
               setting->value);
    if (library->family &
        (FSP_LIBRARIES_OPENMP | FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_BLIS | FSP_LIBRARY_MKL))
        fs_add_fix(outcome, FS_FIX_CODE, "in Python, at any time",
                   "threadpoolctl.threadpool_limits(%d)", fs_thread_count(setting->value));
}

static void judge_late_library(const struct fs_node *node, const struct fs_thread_program *program,
                               const struct fs_thread_library *library,
                               struct fs_outcome *outcome) {
    const struct fs_setting *setting = late_setting(program, library);
    const int wanted = setting ? fs_thread_count(setting->value) : FS_UNKNOWN;
    const int pool = fs_library_pool(program, library);
    const bool worked = library->threads_working > 0;

    if (!setting || wanted == FS_UNKNOWN)
        fs_vote(outcome, FS_PASS, "no thread variable was set after its library had read it");
    else if (setting->passed_on)
        fs_vote(outcome, FS_PASS, "the variable was set for a program that was started later");
    else if (library->team_late >= 2 && library->threads_working < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "what the team's threads did was not sampled");
    else if (library->team_late < 2 || !worked || program->cpu_ns < least_cpu_ns)
        fs_vote(outcome, FS_PASS, "no team of threads did any work after the variable was set");
    else if (library->team_late == wanted)
        fs_vote(outcome, FS_PASS, "the team has the size that was set");
    else if (pool != FS_UNKNOWN && library->team_late != pool)
        fs_vote(outcome, FS_PASS, "the team was sized by something else");
    else
        report_late(node, program, library, setting, outcome);
}

static void judge_late(const struct fs_node *node, const struct fs_thread_program *program,
                       struct fs_outcome *outcome) {
    for (size_t i = 0; i < program->library_count; i++)
        judge_late_library(node, program, &program->libraries[i], outcome);
}

static void check_late(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    (void)thresholds;
    each_program(job, outcome, judge_late);
}

const struct fs_rule fs_rule_thr_05 = {
    .id = "THR-05",
    .family = "threads",
    .title = "thread variable set too late",
    .severity = FS_WARNING,
    .every_process = true,
    .unseen = "variables that the program set itself are",
    .check = check_late,
    .why = "A thread library reads its variables once: OpenBLAS, libgomp and NumExpr when they are "
           "loaded (import numpy), LLVM's runtime, MKL and BLIS at their first call. What the "
           "program sets after that changes nothing in the process.",
    .decided = "The program set (setenv, putenv, os.environ) a variable that sizes a library's "
               "teams after that library had read it, and afterwards a team that worked had the "
               "size that the old values give, not the new one.",
    .exceptions = "Silent when a program that was started later got the new value (it was meant "
                  "for that one), when no team worked afterwards, when something else "
                  "(threadpoolctl, a call of the library) sized the team, and for less than half "
                  "a CPU-second of work.",
    .fix = "export the variable in the job script, or call threadpoolctl.threadpool_limits(n).",
    .sources = (const char *const[]){"NX", "TPC", NULL},
};

/* --- THR-06 --- */

static bool same_file(const struct fs_thread_library *a, const struct fs_thread_library *b) {
    return a->real_file && b->real_file && strcmp(a->real_file, b->real_file) == 0;
}

static void report_runtimes(const struct fs_node *node, const struct fs_thread_program *program,
                            const struct fs_thread_library *other,
                            const struct fs_thread_library *intel, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const bool clash = other->family == FSP_LIBRARY_OMP;
    const struct fs_thread_library *mkl = fs_program_library(program, FSP_LIBRARY_MKL);

    fs_add_finding(outcome, clash ? FS_ERROR : FS_NOTE, node, NULL);
    fs_set_title(outcome, "two OpenMP runtimes in %s: %s and %s", fs_base_name(program->executable),
                 fs_library_name(other->family), fs_library_name(intel->family));
    fs_set_population(outcome, program->count, 0, "processes");
    fs_add_evidence(outcome, "runtimes", 2, "count", "%s has loaded %s",
                    program_text(arena, program), other->file);
    fs_add_evidence(outcome, "second", 1, "count", "and %s", intel->file);
    fs_add_cause(outcome, clash ? "both define the same symbols: crashes and deadlocks are known"
                                : "each runtime starts a team of its own for the same CPUs");
    if (mkl)
        fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "before the program starts",
                   "export MKL_THREADING_LAYER=GNU");
    else
        fs_add_fix(outcome, FS_FIX_CODE, NULL,
                   "use builds of both parts that need one runtime: ldd *.so | grep omp");
}

static void judge_runtimes(const struct fs_node *node, const struct fs_thread_program *program,
                           struct fs_outcome *outcome) {
    static const uint32_t others[] = {FSP_LIBRARY_OMP, FSP_LIBRARY_GOMP};
    const struct fs_thread_library *intel = fs_program_library(program, FSP_LIBRARY_IOMP);
    const size_t before = outcome->count;

    for (size_t i = 0; intel && i < sizeof others / sizeof *others; i++) {
        const struct fs_thread_library *other = fs_program_library(program, others[i]);
        if (!other || same_file(other, intel)) continue;
        report_runtimes(node, program, other, intel, outcome);
        break;
    }
    if (outcome->count == before && fs_program_library(program, FSP_LIBRARIES_OPENMP))
        fs_vote(outcome, FS_PASS, "no two OpenMP runtimes that clash in one process");
}

static void check_runtimes(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    (void)thresholds;
    each_program(job, outcome, judge_runtimes);
}

const struct fs_rule fs_rule_thr_06 = {
    .id = "THR-06",
    .family = "threads",
    .title = "two OpenMP runtimes in one process",
    .severity = FS_WARNING,
    .every_process = true,
    .outside = FS_OUTSIDE_ALL,
    .check = check_runtimes,
    .why =
        "LLVM's libomp and Intel's libiomp5 are one code base with the same symbols. Both in one "
        "process (one by a package, one by MKL) is undefined behaviour; crashes and deadlocks "
        "are known. libgomp beside libiomp5 works, with a team of threads each.",
    .decided = "A process has loaded libomp and libiomp5 (an error), or libgomp and libiomp5 (a "
               "note).",
    .exceptions = "Silent when both paths lead to one file, as distributions link them.",
    .fix = "export MKL_THREADING_LAYER=GNU",
    .sources = (const char *const[]){"TPC", "N1", NULL},
};
