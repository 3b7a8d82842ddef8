/* env.c - rules on environment variables that thread libraries read. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"

static void report_lost(const struct fs_node *node, const struct fs_lost_variable *lost,
                        struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const uint32_t readers = fs_variable_readers(lost->name) & lost->libraries;
    const char *place = fs_place_text(arena, &lost->site);
    const char *value = lost->value ? lost->value : "";

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%s lost at exec of %s", lost->name, fs_base_name(lost->executable));
    fs_set_population(outcome, lost->count, 0, "processes");
    fs_add_evidence(outcome, "lost", lost->count, "count",
                    "%s has %s=%s, %s (process %d) started without it",
                    fs_base_name(lost->parent_executable), lost->name, value,
                    fs_base_name(lost->executable), lost->pid);
    fs_add_evidence(outcome, "readers", 1, "count", "it loaded %s, which read%s the variable",
                    fs_library_names(arena, readers), readers & (readers - 1) ? "" : "s");
    fs_add_cause(outcome,
                 lost->repaired ? "the whole environment was replaced%s%s"
                                : "the variable was left out%s%s",
                 place ? " at " : "", place ? place : "");
    fs_add_fix(outcome, FS_FIX_CODE, NULL, "subprocess.run(..., env={**os.environ, ...})");
    fs_add_fix(outcome, FS_FIX_COMMAND, "or, from a shell", "env %s %s",
               fs_quote_word(arena, fs_arena_printf(arena, "%s=%s", lost->name, value)),
               fs_quote_word(arena, lost->executable ? lost->executable : "?"));
}

static void check_lost(const struct fs_job *job, const struct fs_thresholds *thresholds,
                       struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->lost_variable_count; j++) {
            const struct fs_lost_variable *lost = &digest->lost_variables[j];
            if (fs_variable_readers(lost->name) & lost->libraries)
                report_lost(&job->nodes[i], lost, outcome);
            else
                fs_vote(outcome, FS_PASS, "no library that reads a lost variable was loaded");
        }
    }
    if (outcome->count == 0) fs_vote(outcome, FS_PASS, "no program lost a thread variable");
}

const struct fs_rule fs_rule_env_03 = {
    .id = "ENV-03",
    .family = "environment",
    .title = "thread settings lost at exec",
    .severity = FS_WARNING,
    .every_process = true,
    .check = check_lost,
    .why = "A program that is started with a new environment (env=, env -i, a clean login) does "
           "not see the thread settings of its parent. Its libraries then start a thread for "
           "every CPU.",
    .decided = "An exec or spawn passed an environment without a *_NUM_THREADS or binding variable "
               "that the maker has, and the new program loaded a library that reads it.",
    .exceptions = "Silent when the program sets the variable itself and when no library that reads "
                  "it was loaded.",
    .fix = "subprocess.run(..., env={**os.environ, ...})",
    .sources = (const char *const[]){"N1", "NX", NULL},
};

static uint32_t odd_readers(const struct fs_odd_variable *odd) {
    return fs_variable_readers(odd->meant ? odd->meant : odd->name) & odd->libraries;
}

static void report_odd(const struct fs_node *node, const struct fs_odd_variable *odd,
                       struct fs_outcome *outcome) {
    static const char *const wrong[] = {
        [FS_ODD_EMPTY] = "is set, but empty",
        [FS_ODD_NOT_A_NUMBER] = "is not a number",
        [FS_ODD_MISSPELT] = "is misspelt",
    };
    struct fs_arena *arena = outcome->arena;
    const char *name = odd->meant ? odd->meant : odd->name;

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%s %s", odd->name, wrong[odd->oddity]);
    fs_set_population(outcome, odd->count, 0, "processes");
    if (odd->oddity == FS_ODD_MISSPELT)
        fs_add_evidence(outcome, "misspelt", 1, "count", "%s is set, %s is not", odd->name, name);
    else
        fs_add_evidence(outcome, "odd", 1, "count", "%s='%s'", odd->name,
                        odd->value ? odd->value : "");
    fs_add_evidence(outcome, "processes", odd->count, "count",
                    "in %d process%s, first %s (process %d), with %s loaded", odd->count,
                    odd->count == 1 ? "" : "es", fs_base_name(odd->executable), odd->pid,
                    fs_library_names(arena, odd_readers(odd)));
    fs_add_cause(outcome, "the library does not understand it and takes every CPU, in silence");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "before the program starts", "export %s=1", name);
}

static void check_odd(const struct fs_job *job, const struct fs_thresholds *thresholds,
                      struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->odd_variable_count; j++) {
            if (odd_readers(&digest->odd_variables[j]))
                report_odd(&job->nodes[i], &digest->odd_variables[j], outcome);
            else
                fs_vote(outcome, FS_PASS, "no library that reads the variable was loaded");
        }
        if (!digest->environments_read)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "not every environment could be read");
        else
            fs_vote(outcome, FS_PASS, "every thread variable is a number with a known name");
    }
}

const struct fs_rule fs_rule_env_04 = {
    .id = "ENV-04",
    .family = "environment",
    .title = "thread variable that no library understands",
    .severity = FS_WARNING,
    .every_process = true,
    .check = check_odd,
    .why = "A thread variable that is empty, not a number or misspelt is ignored without a "
           "message, and the library falls back to all CPUs.",
    .decided = "A variable that sets a number of threads has such a value, or the environment "
               "holds a name one letter away from a known one that is not set; and a library that "
               "reads the variable meant was loaded.",
    .exceptions = "Silent when no such library was loaded, and for names that another library "
                  "documents.",
    .fix = "export {name}={number}",
    .sources = (const char *const[]){"OB", "GCC", NULL},
};
