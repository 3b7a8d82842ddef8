/* launch.c - see launch.h. */
#include "report/launch.h"

#include "report/rule.h"
#include "tracer/scheduler.h"
#include "tracer/topology.h"
#include "tracer/variables.h"

#include <limits.h>
#include <string.h>

enum { COMMAND_MAX = 380 }; /* as in remedy.c */

struct fs_launch_options fs_launch_options_of(const struct fs_launch *launch) {
    struct fs_launch_options options;

    fs_launch_options_read(fs_launcher_of(launch->executable), launch->words, launch->word_count,
                           &options);
    fs_launch_options_environment(&options, launch->variables, launch->variable_count);
    options.understood = options.understood && !launch->cut;
    return options;
}

const struct fs_launch *fs_node_launch(const struct fs_node *node, enum fs_launcher launcher) {
    const struct fs_digest *digest = node->digest;
    const struct fs_launch *found = NULL;

    for (size_t i = 0; i < digest->launch_count; i++) {
        const struct fs_launch *launch = &digest->launches[i];
        const enum fs_launcher kind = fs_launcher_of(launch->executable);
        if (launcher != FS_LAUNCHER_NONE && kind != launcher) continue;
        if (!found || launch->started > found->started) found = launch;
    }
    return found;
}

bool fs_launches_ask_only(const struct fs_digest *digest) {
    for (size_t i = 0; i < digest->launch_count; i++)
        if (!fs_launch_options_of(&digest->launches[i]).asks) return false;
    return digest->launch_count > 0 && digest->launches_more <= 0;
}

/* --- command lines --- */

struct line {
    struct fs_arena *arena;
    const char *text;
    bool cut;
};

static void add_text(struct line *line, const char *text) {
    if (line->cut) return;
    line->cut = strlen(line->text) + strlen(text) + 1 > COMMAND_MAX;
    if (line->cut)
        line->text = fs_arena_printf(line->arena, "%s ...", line->text);
    else
        line->text =
            fs_arena_printf(line->arena, "%s%s%s", line->text, *line->text ? " " : "", text);
}

/* The word with the number of ranks, with another number. */
static const char *with_ranks(struct fs_arena *arena, const char *word, size_t joined, int ranks) {
    return fs_arena_printf(arena, "%.*s%d", (int)joined, word, ranks);
}

/* Words of a taskset in front of a program, with its options and its mask; 0: there is none. */
static size_t taskset_words(char *const *words, size_t count) {
    size_t i = 1;

    if (count == 0 || strcmp(fs_base_name(words[0]), "taskset") != 0) return 0;
    while (i < count && words[i][0] == '-')
        i++;
    return i + 1 < count ? i + 1 : 0;
}

bool fs_launch_has_taskset(const struct fs_launch *launch) {
    const struct fs_launch_options options = fs_launch_options_of(launch);

    return options.understood &&
           taskset_words(launch->words + options.program, launch->word_count - options.program) > 0;
}

static bool can_change(const struct fs_launch *launch, const struct fs_launch_options *options,
                       const struct fs_launch_change *change, size_t *ranks_word, size_t *joined) {
    *ranks_word = change->ranks > 0 ? fs_launch_ranks_word(options->launcher, launch->words,
                                                           launch->word_count, joined)
                                    : 0;
    if (!options->understood || launch->word_count == 0) return false;
    return options->programs == 1 && (change->ranks <= 0 || *ranks_word > 0);
}

static void add_part(struct fs_outcome *outcome, const char *when, const struct fs_launch *launch,
                     const struct fs_launch_change *change) {
    struct fs_arena *arena = outcome->arena;
    const char *name =
        launch->word_count ? fs_base_name(launch->words[0]) : fs_base_name(launch->executable);
    const char *ranks = change->ranks > 0 ? fs_arena_printf(arena, " -n %d", change->ranks) : "";

    fs_add_fix(outcome, FS_FIX_CODE, when ? when : "and the rest as it was", "%s%s%s%s ...", name,
               change->add ? " " : "", change->add ? change->add : "", ranks);
}

void fs_add_launch_fix(struct fs_outcome *outcome, const char *when, const struct fs_launch *launch,
                       const struct fs_launch_change *change) {
    const struct fs_launch_options options = fs_launch_options_of(launch);
    struct line line = {.arena = outcome->arena, .text = ""};
    size_t ranks_word, joined = 0;

    if (!can_change(launch, &options, change, &ranks_word, &joined)) {
        add_part(outcome, when, launch, change);
        return;
    }
    for (size_t i = 0; i < launch->word_count;) {
        const bool changes = (change->replace || change->rebind) && i > 0 && i < options.program;
        const size_t dropped = changes
                                   ? fs_launch_placement_words(options.launcher, launch->words + i,
                                                               options.program - i, change->replace)
                                   : 0;
        if (dropped > 0) {
            i += dropped;
            continue;
        }
        if (change->unwrap && i == options.program)
            i += taskset_words(launch->words + i, launch->word_count - i);
        const char *word = launch->words[i];
        if (ranks_word > 0 && i == ranks_word)
            word = with_ranks(outcome->arena, word, joined, change->ranks);
        add_text(&line, fs_quote_word(outcome->arena, word));
        if (i++ == 0 && change->add) add_text(&line, change->add);
    }
    fs_add_fix(outcome, line.cut ? FS_FIX_CODE : FS_FIX_COMMAND,
               line.cut ? "and the rest as it was" : when, "%s", line.text);
}

/* --- slots --- */

/* Tasks that the scheduler granted, over all nodes. */
static int granted_tasks(const struct fs_digest *digest, const struct fs_launch *launch) {
    const char *list =
        fs_variable_value(launch->variables, launch->variable_count, "SLURM_TASKS_PER_NODE");
    long sum = 0;
    int count;

    for (int i = 0; list && (count = fs_slurm_count_at(list, i)) > 0 && i < 65536; i++)
        sum += count;
    if (sum > 0) return sum < INT_MAX ? (int)sum : FS_UNKNOWN;
    return digest->scheduler.tasks;
}

static struct fs_launch_slots just(int slots, const char *from) {
    return (struct fs_launch_slots){slots, slots, from};
}

static struct fs_launch_slots of_hostfile(const struct fs_launch *launch, int here,
                                          const char *from) {
    const int said = launch->hostfile_slots, hosts = launch->hostfile_hosts;

    if (!launch->hostfile_open || said < 0) return just(said, from);
    if (here < 1 || hosts > INT_MAX / 4 / here || said > INT_MAX / 2) return just(FS_UNKNOWN, from);
    if (hosts == 1) return just(here, from);
    return (struct fs_launch_slots){said + 1, said + hosts * here, from};
}

struct fs_launch_slots fs_launch_slots_of(struct fs_arena *arena, const struct fs_node *node,
                                          const struct fs_launch *launch,
                                          const struct fs_launch_options *options) {
    const struct fs_digest *digest = node->digest;
    const int cores = digest->topology ? fs_topology_total_cores(digest->topology) : FS_UNKNOWN;
    const int here = options->hwthreads ? node->cpus : cores;
    const char *name = digest->scheduler.name;
    const int granted = name ? granted_tasks(digest, launch) : 0;
    struct fs_launch_slots slots = just(FS_UNKNOWN, "");

    if (name && granted < 1) return slots;
    if (options->hosts)
        slots = just(fs_host_list_slots(options->hosts), "--host");
    else if (options->hostfile)
        slots =
            of_hostfile(launch, here,
                        fs_arena_printf(arena, "the hostfile %s", fs_base_name(options->hostfile)));
    else if (name)
        return just(granted, "the tasks that the job asked for");
    else
        return just(here, options->hwthreads ? "the hardware threads of this machine"
                                             : "the cores of this machine");
    /* Both choose among what was granted; how they count then differs between versions. */
    if (slots.most >= 0 && granted > slots.most) slots.most = granted;
    if (name && slots.least > granted) slots.least = granted;
    return slots;
}
