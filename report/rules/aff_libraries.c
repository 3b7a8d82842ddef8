/* aff_libraries.c - rules on thread libraries that bind the process they are loaded into. */
#include "preload/recorded_variables.h"
#include "report/launched.h"
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"
#include "tracer/libraries.h"

#include <string.h>
#include <strings.h>

static void add_mask_evidence(const struct fs_load *load, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    fs_add_evidence(outcome, "worker_cpus", load->cpus, "cpus",
                    "the %d workers have CPU %s, of %s that the job may use", load->workers,
                    fs_mask_list(arena, load->group->mask_union),
                    fs_cpus_text(arena, load->node->job_cpus, load->node->job_cores));
    fs_add_number(outcome, "workers", load->workers, "count");
    fs_add_number(outcome, "job_cpus", load->node->job_cpus, "cpus");
    fs_add_wait(outcome, load->wait);
}

/* --- AFF-03 --- */

/* Whether the runtime may have done it: LLVM's makes bare system calls, of which no caller
 * is known. */
static bool by_runtime(const struct fs_load *load) {
    const struct fs_narrowing *narrowing = load->group->narrowing;
    return !narrowing || fs_is_openmp_runtime(narrowing->place.module);
}

static void report_interface(const struct fs_load *load, const struct fs_thread_program *program,
                             const struct fs_thread_library *runtime, bool narrowed,
                             struct fs_outcome *outcome) {
    const char *value = fs_load_variable(load, "KMP_AFFINITY");
    const char *name = fs_library_name(runtime->family);

    fs_add_finding(outcome, narrowed ? FS_WARNING : FS_NOTE, load->node, load);
    fs_set_title(outcome, "KMP_AFFINITY is not disabled: %s %s %d workers", name,
                 narrowed ? "bound" : "may bind", load->workers);
    fs_set_population(outcome, load->workers, load->group->workers, "workers");
    add_mask_evidence(load, outcome);
    fs_add_evidence(outcome, "runtime", 1, "count", "%s is loaded in the workers (process %d)",
                    fs_base_name(runtime->file), program->pid);
    fs_add_cause(outcome, "KMP_AFFINITY is %s%s: %s places every forked worker in the same way",
                 value ? "" : "not set", value ? value : "", name);
    fs_add_birth_cause(outcome, load);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, NULL, "export KMP_AFFINITY=disabled");
    if (narrowed) fs_set_cores_gain(outcome, load);
}

static void judge_interface(const struct fs_load *load, const struct fs_thresholds *thresholds,
                            struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_thread_program *program = fs_load_program(load);
    const struct fs_thread_library *runtime =
        program ? fs_program_library(program, FSP_LIBRARIES_KMP) : NULL;
    const char *value = fs_load_variable(load, "KMP_AFFINITY");
    const struct fs_group *group = load->group;
    const bool given =
        !group->narrowing && fs_is_launchers_mask(load->node, group->parent, group->mask_union);
    const bool narrowed = load->cpus < load->node->job_cpus;

    if (!runtime)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no worker loaded libomp or libiomp5");
    else if (value && strcasestr(value, "disabled"))
        fs_vote(outcome, FS_PASS, "KMP_AFFINITY is disabled");
    else if (load->cpus < 0 || load->node->job_cpus < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks were not recorded");
    else if (narrowed && !group->narrowing && fs_is_outside(load->node->digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who narrowed the mask is not seen from outside");
    else if (narrowed && !by_runtime(load))
        fs_vote(outcome, FS_PASS, "another program narrowed the mask");
    else
        report_interface(load, program, runtime, narrowed && !given, outcome);
}

static void check_interface(const struct fs_job *job, const struct fs_thresholds *thresholds,
                            struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_interface);
}

const struct fs_rule fs_rule_aff_03 = {
    .id = "AFF-03",
    .family = "affinity",
    .title = "KMP_AFFINITY not disabled",
    .severity = FS_WARNING,
    .outside = FS_OUTSIDE_ALL,
    .check = check_interface,
    .why = "libiomp5 and libomp can bind the threads of a process to places. In forked workers "
           "each copy of the runtime finds the same places and takes the same ones, so all "
           "workers sit on the same CPUs. KMP_AFFINITY=disabled switches the interface off.",
    .decided = "Two or more workers have loaded libomp or libiomp5, and KMP_AFFINITY is not "
               "disabled: a warning when the workers' masks are smaller than the job's, and a note "
               "otherwise.",
    .exceptions = "Silent when another program (taskset, a launcher) narrowed the mask: that is "
                  "AFF-01, or the launcher's rule. A note when the workers have the mask with "
                  "which srun started their task.",
    .fix = "export KMP_AFFINITY=disabled",
    .dispute = "Documents written for Knights Landing processors ask for it always. On other "
               "processors, with masks as they were, it is advice.",
    .sources = (const char *const[]){"N1", "N2", "LLVM", NULL},
};

/* --- AFF-04 --- */

static void report_blas(const struct fs_load *load, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const struct fs_narrowing *narrowing = load->group->narrowing;
    const char *library = fs_base_name(narrowing->place.module);

    fs_add_finding(outcome, FS_ERROR, load->node, load);
    fs_set_title(outcome, "%s bound the parent: %d workers on %d CPU%s", library, load->workers,
                 load->cpus, load->cpus == 1 ? "" : "s");
    fs_set_population(outcome, load->workers, load->group->workers, "workers");
    add_mask_evidence(load, outcome);
    fs_add_cause(outcome, "sched_setaffinity by %s in process %d: CPUs %s -> %s", library,
                 narrowing->pid, fs_mask_list(arena, narrowing->before),
                 fs_mask_list(arena, narrowing->after));
    fs_add_cause(outcome, "an OpenBLAS that is built with affinity pins the main thread, too");
    fs_add_birth_cause(outcome, load);
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, NULL, "export OPENBLAS_MAIN_FREE=1");
    fs_set_cores_gain(outcome, load);
}

static void judge_blas(const struct fs_load *load, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    (void)thresholds;
    const struct fs_narrowing *narrowing = load->group->narrowing;
    const char *module = narrowing ? narrowing->place.module : NULL;

    if (load->cpus < 0 || load->node->job_cpus < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the masks were not recorded");
    else if (load->cpus >= load->node->job_cpus)
        fs_vote(outcome, FS_PASS, "the workers have the whole mask of the job");
    else if (!narrowing && !(load->group->libraries & FSP_LIBRARY_OPENBLAS))
        fs_vote(outcome, FS_PASS, "no OpenBLAS is loaded");
    else if (!narrowing && fs_is_outside(load->node->digest))
        fs_vote(outcome, FS_STATUS_UNKNOWN, "who narrowed the mask is not seen from outside");
    else if (!module || !(fs_library_of(module) & FSP_LIBRARY_OPENBLAS))
        fs_vote(outcome, FS_PASS, "OpenBLAS did not narrow the mask");
    else if (narrowing->t > load->group->begin)
        fs_vote(outcome, FS_PASS, "the workers were made before the binding");
    else
        report_blas(load, outcome);
}

static void check_blas(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    fs_each_load(job, thresholds, outcome, judge_blas);
}

const struct fs_rule fs_rule_aff_04 = {
    .id = "AFF-04",
    .family = "affinity",
    .title = "BLAS import resets affinity",
    .severity = FS_ERROR,
    .outside = FS_OUTSIDE_ALL,
    .check = check_blas,
    .why = "An OpenBLAS (or GotoBLAS) that is built with affinity pins its threads, and the main "
           "thread with them, as soon as it is loaded. Workers that are forked afterwards all "
           "inherit that one CPU: it nullifies the attempt to run them in parallel.",
    .decided = "The last call that narrowed the workers' mask came from libopenblas or libgoto, "
               "before the first fork.",
    .exceptions = "Silent when the workers' masks are whole, when the call came after the fork, "
                  "and when user code made it.",
    .fix = "export OPENBLAS_MAIN_FREE=1",
    .sources = (const char *const[]){"NP", "OB", NULL},
};
