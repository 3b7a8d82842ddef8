/* env.c - rules on environment variables that thread libraries read. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "report/thread_libraries.h"
#include "tracer/variables.h"

static void report_lost(const struct fs_node *node, const struct fs_lost_variable *lost,
                        struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const uint32_t readers = fs_variable_readers(lost->name) & lost->libraries;
    const char *place = fs_place_text(arena, &lost->site);
    const char *value = lost->value ? lost->value : "";

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%s lost at exec of %s", lost->name, fs_base_name(lost->executable));
    fs_set_population(outcome, lost->count, 0, lost->count == 1 ? "process" : "processes");
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
            if (!(fs_variable_readers(lost->name) & lost->libraries))
                fs_vote(outcome, FS_PASS, "no library that reads a lost variable was loaded");
            else if (lost->singled_out)
                fs_vote(outcome, FS_PASS, "%s was taken out by itself, the rest was handed on",
                        lost->name);
            else
                report_lost(&job->nodes[i], lost, outcome);
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
    .unseen = "what a program took out of the environment is",
    .check = check_lost,
    .why = "A program that is started with a new environment (env=, env -i, a clean login) does "
           "not see the thread settings of its parent. Its libraries then start a thread for "
           "every CPU.",
    .decided = "An exec or spawn passed an environment without a *_NUM_THREADS or binding variable "
               "that the maker has, and the new program loaded a library that reads it.",
    .exceptions = "Silent when the program sets the variable itself, when no library that reads "
                  "it was loaded, and when the variable was taken out by itself while the rest of "
                  "the environment was handed on: that is done on purpose.",
    .fix = "subprocess.run(..., env={**os.environ, ...})",
    .sources = (const char *const[]){"N1", "NX", NULL},
};

/* --- ENV-01 --- */

/* What the main program has chosen of hwloc's components already. */
static const char *components(const struct fs_digest *digest) {
    const char *chosen =
        fs_variable_value(digest->variables, digest->variable_count, "HWLOC_COMPONENTS");

    return chosen ? chosen : "";
}

static void report_display(const struct fs_node *node, const struct fs_closed_display *display,
                           struct fs_outcome *outcome) {
    const char *others = components(node->digest);

    fs_add_finding(outcome, FS_NOTE, node, NULL);
    fs_set_title(outcome, "hwloc is refused by the X server on display :%d", display->number);
    fs_set_population(outcome, display->programs, 0,
                      display->programs == 1 ? "program" : "programs");
    fs_add_evidence(outcome, "programs", display->programs, "count",
                    "in %d program%s, first %s (process %d), hwloc could not open display :%d",
                    display->programs, display->programs == 1 ? "" : "s",
                    fs_base_name(display->executable), display->pid, display->number);
    fs_add_evidence(outcome, "refusal", 1, "count",
                    "asked by forksight with the same cookie, the X server says: %s",
                    display->reason ? display->reason : "no");
    fs_add_cause(outcome, "hwloc's GL component tries the displays :0 to :9 for graphics cards, "
                          "whatever DISPLAY is; libX11 prints the refusal on stderr, harmless");
    fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "no search, no message", "export HWLOC_COMPONENTS=%s",
               fs_quote_word(outcome->arena, fs_arena_printf(outcome->arena, "-gl%s%s",
                                                             *others ? "," : "", others)));
}

static void judge_display(const struct fs_node *node, const struct fs_closed_display *display,
                          struct fs_outcome *outcome) {
    if (display->answer == FS_DISPLAY_UNASKED)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "the X server on display :%d did not answer",
                display->number);
    else if (display->answer == FS_DISPLAY_OPEN)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "display :%d was closed to hwloc, but not to forksight: with which key is not "
                "known",
                display->number);
    else if (display->programs == 0)
        fs_vote(outcome, FS_PASS, "the programs that were refused are X clients themselves");
    else
        report_display(node, display, outcome);
}

static void check_displays(const struct fs_job *job, const struct fs_thresholds *thresholds,
                           struct fs_outcome *outcome) {
    (void)thresholds;
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->closed_display_count; j++)
            judge_display(&job->nodes[i], &digest->closed_displays[j], outcome);
        if (digest->display_searches == 0)
            fs_vote(outcome, FS_NOT_APPLICABLE, "hwloc was refused by no X display");
        else if (digest->display_searches < 0 || !digest->displays_asked)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "no X server was asked");
        else
            fs_vote(outcome, FS_PASS, "no X server on the displays that hwloc tried refuses it");
    }
}

const struct fs_rule fs_rule_env_01 = {
    .id = "ENV-01",
    .family = "environment",
    .title = "hwloc is refused by an X server",
    .severity = FS_NOTE,
    .unseen = "what an X server told hwloc is",
    .check = check_displays,
    .why = "hwloc, by which MPI libraries learn the machine's shape, also looks for graphics cards "
           "that an X server drives. Its GL component opens the displays :0 to :9 one after the "
           "other. A server that belongs to somebody else refuses, and libX11 prints \"Invalid "
           "MIT-MAGIC-COOKIE-1 key\" or the like, once for each rank and for the launcher. "
           "It does no harm, but it hides other messages.",
    .decided = "hwloc called XOpenDisplay for a display of which a server exists, and it failed. "
               "At the end of the job forksight sent that server the first message of the X "
               "protocol with the cookie of $XAUTHORITY or ~/.Xauthority, as libX11 does, and was "
               "refused; the server's words are quoted. What the job printed is not read.",
    .exceptions = "Silent in programs that opened a display themselves, for displays without a "
                  "server, and with HWLOC_COMPONENTS=-gl. Unknown when the server did not answer, "
                  "or when it accepts forksight's cookie.",
    .fix = "export HWLOC_COMPONENTS=-gl",
    .sources = (const char *const[]){"T", "OM7", NULL},
};

/* --- ENV-04 --- */

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
    .outside = FS_OUTSIDE_ALL,
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
