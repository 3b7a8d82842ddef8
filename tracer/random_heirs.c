/*
 * random_heirs.c - which processes went on drawing from the generator that they inherited.
 *
 * Two sights of each are held against the state at its fork: the first change, which was
 * sampled soon after it, and the last. Not ahead, either of them, means seeded anew. A
 * last sight that is too far away to be found leaves the verdict to the first.
 */
#include "tracer/evaluation.h"

#include "tracer/random_streams.h"

#include <stdlib.h>
#include <string.h>

/* No generator makes words faster: 0.5 ns each. */
enum { BLOCK_NS = FSP_RANDOM_WORDS / 2 };

struct heir {
    const struct fs_record *record;
    struct fs_twister_goal *first, *last; /* NULL: not seen, or not changed */
    bool untouched;
};

/* The heirs of one source, and what they came to. */
struct family {
    const struct fs_random_source *source;
    struct heir *heirs;
    size_t count;
    struct fs_random_streams streams;
};

static bool is_heir(const struct fs_record *record) {
    return record->heir && !fs_random_left(record);
}

static void count_births(const struct fs_table *table, struct fs_random_births *births) {
    *births = (struct fs_random_births){0};
    for (const struct fs_record *record = table->first; record; record = record->next) {
        if (record->random == FSP_RANDOM_NONE || fs_random_left(record)) continue;
        births->read += record->random == FSP_RANDOM_READ;
        births->other += record->random == FSP_RANDOM_OTHER;
        births->unasked += record->random == FSP_RANDOM_UNASKED;
    }
}

/* --- sights --- */

static bool is_as_inherited(const struct fs_random_source *source,
                            const struct fs_random_sight *sight) {
    const struct fs_twister_view inherited = fs_twister_view(source->state);

    return memcmp(&sight->view, &inherited, sizeof inherited) == 0;
}

/* Whoever was killed may have been at work: at the end of a block its words may be of two, unless
 * they are those that it began with. */
static const struct fs_random_sight *last_sight(const struct fs_record *record) {
    const struct fs_random_heir *heir = record->heir;

    if (heir->exit.seen) return &heir->exit;
    return heir->kill.seen && (heir->kill.view.position != FSP_RANDOM_WORDS ||
                               is_as_inherited(heir->source, &heir->kill))
               ? &heir->kill
               : NULL;
}

/* Since its fork: whoever lives and was found as it was has drawn nothing yet. */
static bool was_sampled(const struct fs_record *record) {
    return record->heir->t_same > fs_record_begin(record);
}

static struct fs_twister_goal goal_of(const struct fs_record *record,
                                      const struct fs_random_sight *sight, int64_t t_closed) {
    const int64_t end = fs_record_end(record);
    const int64_t t = sight->t != FS_UNKNOWN ? sight->t : end != FS_UNKNOWN ? end : t_closed;
    const int64_t time = t - record->heir->t_same;

    return (struct fs_twister_goal){.view = sight->view,
                                    .limit = (time > 0 ? time : 0) / BLOCK_NS + 1};
}

/* One search for all: the first changes, then the last sights of those that they leave open. */
static void search(const struct fs_evaluation *evaluation, struct family *family,
                   struct fs_twister_goal *goals, int64_t *blocks) {
    size_t firsts = 0, count;

    for (size_t i = 0; i < family->count; i++) {
        struct heir *heir = &family->heirs[i];
        const struct fs_random_sight *last = last_sight(heir->record);
        const struct fs_random_sight *changed = &heir->record->heir->changed;
        heir->untouched = last ? is_as_inherited(family->source, last)
                               : !heir->record->over && !changed->seen && was_sampled(heir->record);
        if (heir->untouched || !changed->seen) continue;
        heir->first = &goals[firsts++];
        *heir->first = goal_of(heir->record, changed, evaluation->t_closed);
    }
    fs_twister_search(family->source->state, goals, firsts, blocks);
    count = firsts;
    for (size_t i = 0; i < family->count; i++) {
        struct heir *heir = &family->heirs[i];
        const struct fs_random_sight *last = last_sight(heir->record);
        if (heir->untouched || !last || (heir->first && heir->first->ahead == FS_AHEAD_NO))
            continue;
        heir->last = &goals[count++];
        *heir->last = goal_of(heir->record, last, evaluation->t_closed);
    }
    fs_twister_search(family->source->state, goals + firsts, count - firsts, blocks);
}

/* --- what they came to --- */

static void note_drawer(struct fs_random_streams *streams, const struct heir *heir,
                        const struct fs_twister_goal *goal) {
    const int64_t taken = goal->taken, most = streams->drawn_max;

    if (streams->drew < 4) streams->examples[streams->drew] = heir->record->pid;
    if (streams->drew == 0 || taken < streams->drawn_min) streams->drawn_min = taken;
    if (streams->drew == 0 || taken > most) streams->drawn_max = taken;
    if (streams->drew > 0 && (taken < most ? taken : most) > streams->shared)
        streams->shared = taken < most ? taken : most;
    streams->drawn_exact &= goal == heir->last;
    streams->drew++;
}

static void judge_heir(struct fs_random_streams *streams, const struct heir *heir) {
    const struct fs_twister_goal *goal =
        heir->last && heir->last->ahead != FS_AHEAD_UNKNOWN ? heir->last : heir->first;
    const bool known = goal && goal->ahead != FS_AHEAD_UNKNOWN;

    if (heir->untouched || (known && goal->ahead != FS_AHEAD_NO && goal->taken == 0))
        streams->untouched++;
    else if (!known)
        streams->unknown++;
    else if (goal->ahead == FS_AHEAD_NO)
        streams->reseeded++;
    else
        note_drawer(streams, heir, goal);
}

static void judge_family(const struct fs_evaluation *evaluation, struct family *family,
                         int64_t *blocks) {
    struct fs_random_streams *streams = &family->streams;
    struct fs_twister_goal *goals = calloc(2 * family->count, sizeof *goals);

    *streams = (struct fs_random_streams){
        .processes = (int)family->count,
        .parent = family->heirs[0].record->ppid,
        .drawn_min = FS_UNKNOWN,
        .drawn_max = FS_UNKNOWN,
        .shared = FS_UNKNOWN,
        .drawn_exact = true,
    };
    if (goals && family->source->state) search(evaluation, family, goals, blocks);
    for (size_t i = 0; i < family->count; i++)
        judge_heir(streams, &family->heirs[i]);
    streams->drawn_exact &= streams->drew > 0;
    free(goals);
}

static void describe(const struct fs_evaluation *evaluation, struct family *family) {
    const struct fs_record *first = family->heirs[0].record;
    const struct fs_image *image = first->stage_count ? first->stages[0].image : NULL;

    if (image && image->executable) family->streams.executable = strdup(image->executable);
    fs_place_of(evaluation->table, first->birth_site, &family->streams.place);
}

/* --- families --- */

static int compare_births(const struct fs_record *a, const struct fs_record *b) {
    const int64_t begin_a = fs_record_begin(a), begin_b = fs_record_begin(b);

    return begin_a != begin_b ? (begin_a > begin_b) - (begin_a < begin_b)
                              : (a->pid > b->pid) - (a->pid < b->pid);
}

/* Where a source lies says only which heirs are of one family: families come in the order of
 * their first heirs, so that a job is judged alike each time. */
static int by_source(const void *left, const void *right) {
    const struct heir *a = left, *b = right;
    const uintptr_t x = (uintptr_t)a->record->heir->source, y = (uintptr_t)b->record->heir->source;

    return x != y ? (x > y) - (x < y) : compare_births(a->record, b->record);
}

static int by_first_heir(const void *left, const void *right) {
    const struct family *a = left, *b = right;

    return compare_births(a->heirs[0].record, b->heirs[0].record);
}

static int by_drawers(const void *left, const void *right) {
    const struct fs_random_streams *a = &((const struct family *)left)->streams;
    const struct fs_random_streams *b = &((const struct family *)right)->streams;

    if (a->drew != b->drew) return b->drew - a->drew;
    if (a->unknown != b->unknown) return b->unknown - a->unknown;
    if (a->processes != b->processes) return b->processes - a->processes;
    return by_first_heir(left, right);
}

static struct heir *list_heirs(const struct fs_table *table, size_t *count) {
    struct heir *heirs = calloc(table->count + 1, sizeof *heirs);

    *count = 0;
    for (const struct fs_record *record = table->first; heirs && record; record = record->next)
        if (is_heir(record)) heirs[(*count)++].record = record;
    if (heirs) qsort(heirs, *count, sizeof *heirs, by_source);
    return heirs;
}

/* Runs of heirs with one source, those of two and more; the first born first. */
static size_t find_families(struct heir *heirs, size_t count, struct family *families) {
    size_t found = 0;

    for (size_t i = 0, next; i < count; i = next) {
        const struct fs_random_source *source = heirs[i].record->heir->source;
        for (next = i + 1; next < count && heirs[next].record->heir->source == source;)
            next++;
        if (next - i > 1)
            families[found++] =
                (struct family){.source = source, .heirs = &heirs[i], .count = next - i};
    }
    if (found > 0) qsort(families, found, sizeof *families, by_first_heir);
    return found;
}

/* Each family gets its share of the search, and what others left of theirs. */
static void judge_families(const struct fs_evaluation *evaluation, struct family *families,
                           size_t count, int64_t blocks) {
    for (size_t i = 0; i < count; i++) {
        const int64_t share = blocks / (int64_t)(count - i);
        int64_t left = share;
        judge_family(evaluation, &families[i], &left);
        blocks -= share - left;
    }
}

int fs_evaluate_random(const struct fs_evaluation *evaluation, int64_t search_blocks,
                       struct fs_digest *digest) {
    size_t count;
    struct heir *heirs = list_heirs(evaluation->table, &count);
    struct family *families = calloc(count / 2 + 1, sizeof *families);
    const size_t found = heirs && families ? find_families(heirs, count, families) : 0;
    const size_t kept = found < FS_RANDOM_STREAMS_MAX ? found : FS_RANDOM_STREAMS_MAX;

    count_births(evaluation->table, &digest->random_births);
    judge_families(evaluation, families, found, search_blocks);
    if (found > 0) qsort(families, found, sizeof *families, by_drawers);
    digest->random_streams = kept ? calloc(kept, sizeof *digest->random_streams) : NULL;
    for (size_t i = 0; digest->random_streams && i < kept; i++) {
        describe(evaluation, &families[i]);
        digest->random_streams[i] = families[i].streams;
        digest->random_stream_count = i + 1;
    }
    digest->random_streams_more = (int)(found - digest->random_stream_count);
    const bool failed = !heirs || !families || (kept && !digest->random_streams);
    free(heirs);
    free(families);
    return failed ? -1 : 0;
}
