/* prc_tools.c - debuggers and profilers that see a part of the job's processes. */
#include "report/remedy.h"
#include "report/rules/rules.h"
#include "tracer/text.h"

#include <string.h>

enum { MISSED_SHARE };
static const struct fs_threshold missed_thresholds[] = {
    [MISSED_SHARE] = {"share", 0.10, "fraction",
                      "least share of the job's CPU time that the tool does not see", "own"},
    {NULL, 0, NULL, NULL, NULL},
};

/* How each tool is told to follow children. */
static const struct follower {
    const char *tool; /* how the name of its executable, or of its object, begins */
    const char *word; /* what it is called on a command line ... */
    const char *verb; /* ... and the word that must follow, behind which options stand; NULL */
    const char *option, *whole;
    const char *code; /* what a Python program must do, too; NULL */
} followers[] = {
    {"strace", "strace", NULL, "-f", NULL, NULL},
    {"ltrace", "ltrace", NULL, "-f", NULL, NULL},
    {"gdb", "gdb", NULL, NULL,
     "gdb -ex \"set follow-fork-mode child\" -ex \"set detach-on-fork off\"", NULL},
    {"vgpreload_core", "valgrind", NULL, "--trace-children=yes", NULL, NULL},
    {"_memray.", "memray", "run", "--follow-fork", NULL,
     "multiprocessing.set_start_method(\"fork\")"},
};

/* Objects that work in a program as soon as they are preloaded. Others are set up by a command
 * of their tool, or are a module of the program's. */
static const char *const preloaded[] = {
    "libTAU", "libseqtrace", "libmpitrace", "libomptrace",    "libpttrace",           "libhpcrun",
    "libipm", "libdarshan",  "libmpiP",     "libmap-sampler", "libheaptrack_preload",
};

static bool is_made_to_be_preloaded(const char *name) {
    for (size_t i = 0; i < sizeof preloaded / sizeof *preloaded; i++)
        if (fs_begins(name, preloaded[i])) return true;
    return false;
}

/* Is the tool called by this word, and by the one behind it? */
static bool is_call(const struct fs_digest *digest, size_t i, const struct follower *follower) {
    if (strcmp(fs_base_name(digest->command[i]), follower->word) != 0) return false;
    return !follower->verb ||
           (i + 1 < digest->command_count && strcmp(digest->command[i + 1], follower->verb) == 0);
}

/* The job's command with the tool's option; NULL: the tool is no part of it. */
static const char *with_option(struct fs_arena *arena, const struct fs_digest *digest,
                               const struct follower *follower) {
    const char *line = "";
    size_t place = 0;

    for (size_t i = 0; i < digest->command_count && place == 0; i++)
        if (is_call(digest, i, follower)) place = i + (follower->verb ? 2 : 1);
    for (size_t i = 0; i < digest->command_count && place > 0; i++) {
        line = fs_arena_printf(arena, "%s%s%s", line, *line ? " " : "",
                               fs_quote_word(arena, digest->command[i]));
        if (i + 1 == place) line = fs_arena_printf(arena, "%s %s", line, follower->option);
    }
    return place > 0 ? line : NULL;
}

static bool has_word(const struct fs_digest *digest, const char *word) {
    for (size_t i = 0; word && i < digest->command_count; i++)
        if (strcmp(digest->command[i], word) == 0) return true;
    return false;
}

static void add_option_fix(const struct fs_digest *digest, const struct follower *follower,
                           struct fs_outcome *outcome) {
    const char *line = follower->option ? with_option(outcome->arena, digest, follower) : NULL;
    const bool told = follower->code && has_word(digest, follower->option);

    if (line && !told)
        fs_add_fix(outcome, FS_FIX_COMMAND, NULL, "%s", line);
    else if (follower->whole)
        fs_add_fix(outcome, FS_FIX_CODE, "and the rest as it was", "%s", follower->whole);
    else if (!told)
        fs_add_fix(outcome, FS_FIX_CODE, "and the rest as it was", "%s%s%s %s", follower->word,
                   follower->verb ? " " : "", follower->verb ? follower->verb : "",
                   follower->option);
    if (follower->code)
        fs_add_fix(outcome, FS_FIX_CODE, "and no workers that are started anew: it follows forks",
                   "%s", follower->code);
}

static void add_follow_fix(const struct fs_digest *digest, const struct fs_watched *watched,
                           struct fs_outcome *outcome) {
    const char *tool = fs_base_name(watched->tool);

    for (size_t i = 0; i < sizeof followers / sizeof *followers; i++)
        if (fs_begins(tool, followers[i].tool)) {
            add_option_fix(digest, &followers[i], outcome);
            return;
        }
    if (watched->tracer)
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "tell %s to follow forks and execs", tool);
    else if (is_made_to_be_preloaded(tool))
        fs_add_fix(outcome, FS_FIX_ENVIRONMENT, "for the workers", "export LD_PRELOAD=%s",
                   fs_quote_word(outcome->arena, watched->tool));
    else
        fs_add_fix(outcome, FS_FIX_CODE, NULL, "start %s with the tool of %s, too",
                   fs_base_name(watched->example_executable), tool);
}

static void report_missed(const struct fs_node *node, const struct fs_watched *watched,
                          double share, struct fs_outcome *outcome) {
    struct fs_arena *arena = outcome->arena;
    const char *tool = fs_base_name(watched->tool);
    const char *place = fs_place_text(arena, &watched->site);

    fs_add_finding(outcome, FS_NOTE, node, NULL);
    fs_set_title(outcome, "%s misses %d of %d children", tool, watched->missed, watched->children);
    fs_set_population(outcome, watched->missed, watched->children, "children");
    fs_add_evidence(outcome, "missed", watched->missed, "count",
                    watched->tracer ? "%s (process %d) is traced by %s, %d of its children are not"
                                    : "%s (process %d) has %s loaded, %d of its children have not",
                    fs_base_name(watched->executable), watched->pid, tool, watched->missed);
    fs_add_evidence(outcome, "missed_cpu", share, "fraction",
                    "they used %.0f %% of the job's CPU time: %.1f s", 100 * share,
                    (double)watched->missed_cpu_ns / 1e9);
    fs_add_cause(outcome, "%s (process %d) was started%s%s; what it did is in no profile",
                 fs_base_name(watched->example_executable), watched->example, place ? " at " : "",
                 place ? place : "");
    add_follow_fix(node->digest, watched, outcome);
}

static void judge_watched(const struct fs_node *node, const struct fs_watched *watched,
                          const struct fs_thresholds *thresholds, struct fs_outcome *outcome) {
    const double least = fs_threshold(thresholds, outcome->rule, MISSED_SHARE);
    const double all = (double)node->digest->cpu_ns;
    const double share = all > 0 ? (double)watched->missed_cpu_ns / all : 0;

    if (watched->children == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no child of a process with a tool was looked at");
    else if (watched->missed == 0)
        fs_vote(outcome, FS_PASS, "the tool sees the children, too");
    else if (watched->scrubbed)
        fs_vote(outcome, FS_PASS, "the children were given an environment of their own");
    else if (share < least)
        fs_vote(outcome, FS_PASS, "the children that the tool misses did little (%.0f %%)",
                100 * share);
    else
        report_missed(node, watched, share, outcome);
}

static void check_watched(const struct fs_job *job, const struct fs_thresholds *thresholds,
                          struct fs_outcome *outcome) {
    for (size_t i = 0; i < job->node_count; i++) {
        const struct fs_digest *digest = job->nodes[i].digest;
        for (size_t j = 0; j < digest->watched_count; j++)
            judge_watched(&job->nodes[i], &digest->watched[j], thresholds, outcome);
        if (!digest->teams_sampled)
            fs_vote(outcome, FS_STATUS_UNKNOWN, "processes were not sampled");
    }
    fs_vote(outcome, FS_NOT_APPLICABLE, "no tracer and no known profiler was in the job");
}

const struct fs_rule fs_rule_prc_05 = {
    .id = "PRC-05",
    .family = "processes",
    .title = "a tool misses children",
    .severity = FS_NOTE,
    .outside = FS_OUTSIDE_FINDINGS,
    .unseen = "tools of another time are",
    .check = check_watched,
    .why = "Debuggers and profilers look at the process that they were given. Unless they are told "
           "to follow forks, or their variables reach the children, what the workers do is "
           "missing, and nothing says so: the profile of a pool shows a parent that waits.",
    .decided = "A process is traced (TracerPid), or has the object of a known profiler mapped; "
               "children of it are not traced, or run another program without that object; and "
               "these used `share` or more of the job's CPU time.",
    .exceptions = "Silent when the program gave its children an environment of their own, and for "
                  "a profiler's object in forked children: whether it works on there cannot be "
                  "seen.",
    .fix = "gdb -ex \"set follow-fork-mode child\" -ex \"set detach-on-fork off\"; strace -f; "
           "valgrind --trace-children=yes; memray run --follow-fork (which follows forks only)",
    .thresholds = missed_thresholds,
    .sources = (const char *const[]){"N1", "GDB", NULL},
};
