/* frk_random.c - the rule on random numbers that forked workers share. */
#include "report/remedy.h"
#include "report/rules/rules.h"

#include <inttypes.h>
#include <string.h>

enum { RANDOM_NUMBERS };
static const struct fs_threshold random_thresholds[] = {
    [RANDOM_NUMBERS] = {"numbers", 1, "count", "least 32-bit numbers that two workers share",
                        "own"},
    {NULL, 0, NULL, NULL, NULL},
};

static bool is_shared(const struct fs_random_streams *streams, double numbers) {
    return streams->drew >= 2 && (double)streams->shared >= numbers;
}

/* 2,000,000 */
static const char *grouped(struct fs_arena *arena, int64_t number) {
    if (number < 1000) return fs_arena_printf(arena, "%" PRId64, number);
    return fs_arena_printf(arena, "%s,%03d", grouped(arena, number / 1000), (int)(number % 1000));
}

static void tell_drawn(const struct fs_random_streams *streams, struct fs_outcome *outcome) {
    const char *least = grouped(outcome->arena, streams->drawn_min);
    const char *most = grouped(outcome->arena, streams->drawn_max);
    const char *at_least = streams->drawn_exact ? "" : "at least ";

    fs_add_number(outcome, "drawn_max", (double)streams->drawn_max, "count");
    if (streams->drawn_min == streams->drawn_max)
        fs_add_evidence(outcome, "drawn_min", (double)streams->drawn_min, "count",
                        "each then drew %s%s numbers of 32 bits from it (random() takes two): "
                        "the same ones",
                        at_least, least);
    else
        fs_add_evidence(outcome, "drawn_min", (double)streams->drawn_min, "count",
                        "they then drew %s%s to %s numbers of 32 bits from it (random() takes "
                        "two): the first %s are the same in all",
                        at_least, least, most, least);
}

static void tell_others(const struct fs_random_streams *streams, struct fs_outcome *outcome) {
    const int others = streams->processes - streams->drew;

    if (others <= 0) return;
    fs_add_evidence(outcome, "others", others, "count",
                    "of %d more, %d drew nothing, %d seeded anew%s", others, streams->untouched,
                    streams->reseeded,
                    streams->unknown > 0
                        ? fs_arena_printf(outcome->arena, ", %d are not known", streams->unknown)
                        : "");
}

static void add_fixes(const struct fs_random_streams *streams, struct fs_outcome *outcome) {
    const char *stack = streams->place.stack ? streams->place.stack : "";
    const char *seed_each = "each worker seeds itself from the system";

    if (fs_has_frame(stack, "pool.py", NULL))
        fs_add_fix(outcome, FS_FIX_CODE, seed_each,
                   "multiprocessing.Pool(%d, initializer=np.random.seed)", streams->processes);
    else if (strstr(stack, ":_adjust_process_count") || strstr(stack, ":_launch_processes"))
        fs_add_fix(outcome, FS_FIX_CODE, seed_each,
                   "ProcessPoolExecutor(%d, initializer=np.random.seed)", streams->processes);
    else
        fs_add_fix(outcome, FS_FIX_CODE, "first of all in each child", "np.random.seed()");
    fs_add_fix(outcome, FS_FIX_CODE, "or repeatable: the worker with number i",
               "rng = np.random.default_rng(np.random.SeedSequence(1).spawn(%d)[i])",
               streams->processes);
}

static void report_streams(const struct fs_node *node, const struct fs_random_streams *streams,
                           int more, struct fs_outcome *outcome) {
    const char *place = fs_place_text(outcome->arena, &streams->place);

    fs_add_finding(outcome, FS_WARNING, node, NULL);
    fs_set_title(outcome, "%d workers drew the same random numbers", streams->drew);
    fs_set_population(outcome, streams->drew, streams->processes, "workers");
    fs_add_evidence(outcome, "processes", streams->processes, "count",
                    "%d workers were forked with one state of numpy's global generator",
                    streams->processes);
    tell_drawn(streams, outcome);
    tell_others(streams, outcome);
    if (more > 0) fs_add_number(outcome, "more_states", more, "count");
    fs_add_cause(outcome, "fork at %s copied the state of numpy.random in process %d",
                 place ? place : fs_base_name(streams->executable), streams->parent);
    if (more > 0)
        fs_add_cause(outcome, "workers of %d other state%s did the same", more,
                     more == 1 ? "" : "s");
    add_fixes(streams, outcome);
}

static void judge_births(const struct fs_random_births *births, struct fs_outcome *outcome) {
    const int unread = births->other + births->unasked;

    if (births->read < 0 || births->other < 0 || births->unasked < 0)
        fs_vote(outcome, FS_STATUS_UNKNOWN, "inherited random numbers were not recorded");
    else if (unread >= 2)
        fs_vote(outcome, FS_STATUS_UNKNOWN,
                "the state of numpy's generator was not read at %d forks: %s", unread,
                births->other > 0 ? "it is no MT19937" : "other code than Python's forked");
    else if (births->read > 0)
        fs_vote(outcome, FS_PASS, "no two workers drew from one inherited state");
}

static void judge_node(const struct fs_node *node, double numbers, struct fs_outcome *outcome) {
    const struct fs_digest *digest = node->digest;
    const struct fs_random_streams *worst = NULL;
    int shared = 0;

    judge_births(&digest->random_births, outcome);
    for (size_t i = 0; i < digest->random_stream_count; i++) {
        const struct fs_random_streams *streams = &digest->random_streams[i];
        if (is_shared(streams, numbers)) {
            if (!worst) worst = streams;
            shared++;
        } else if (streams->drew + streams->unknown >= 2 && streams->unknown > 0) {
            fs_vote(outcome, FS_STATUS_UNKNOWN,
                    "what %d workers with one inherited generator drew was not seen",
                    streams->unknown);
        }
    }
    if (worst) report_streams(node, worst, shared - 1, outcome);
}

static void check_random(const struct fs_job *job, const struct fs_thresholds *thresholds,
                         struct fs_outcome *outcome) {
    const double numbers = fs_threshold(thresholds, outcome->rule, RANDOM_NUMBERS);

    for (size_t i = 0; i < job->node_count; i++)
        judge_node(&job->nodes[i], numbers, outcome);
    if (outcome->count == 0)
        fs_vote(outcome, FS_NOT_APPLICABLE, "no process was forked with numpy.random loaded");
}

const struct fs_rule fs_rule_frk_10 = {
    .id = "FRK-10",
    .family = "fork safety",
    .title = "identical random streams",
    .severity = FS_WARNING,
    .every_process = true,
    .unseen = "the state of random numbers at a fork is",
    .check = check_random,
    .why = "A forked worker inherits the state of numpy's global generator. Workers that draw "
           "from it all get the same numbers: a Monte Carlo estimate then rests on fewer samples "
           "than it counts, and its error is understated. Nothing fails and nothing is printed.",
    .decided =
        "At a fork by Python the state of numpy.random's global generator (a Mersenne Twister) "
        "is read, and again later: in samples until it has changed, at the worker's exit, "
        "before its parent kills it. A later state that is reached by drawing from the one at "
        "the fork shows how many numbers the worker took. Two workers or more that were forked "
        "with one state and went on from it, by `numbers` 32-bit numbers or more, drew the same.",
    .exceptions =
        "Silent for workers that seeded anew (numpy.random.seed in an initializer or a task; "
        "with one seed in all of them too: that was asked for), that drew nothing, or that "
        "exec'd. Python's own random module seeds itself in a forked child. Generators that a "
        "program made itself (default_rng, RandomState) are not looked at. Unknown when "
        "set_bit_generator put another kind in its place, or when a worker drew more than can be "
        "followed (billions) before the first look at it.",
    .fix = "Pool({workers}, initializer=np.random.seed); repeatable: the worker with number i "
           "draws from np.random.default_rng(np.random.SeedSequence(1).spawn({workers})[i]).",
    .thresholds = random_thresholds,
    .sources = (const char *const[]){"T", "PTF", "NPR", NULL},
};
