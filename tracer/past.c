/* past.c - see past.h. */
#include "tracer/past.h"

#include "tracer/clock.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <stdlib.h>

/* A recorder starts a moment after its program, and clocks of two witnesses differ. */
static const int64_t clock_slack = 50 * FS_MILLISECOND;

static int by_process(const void *left, const void *right) {
    const struct fs_past_entry *a = left, *b = right;

    if (a->image != b->image) return a->image->key < b->image->key ? -1 : 1;
    if (a->pid != b->pid) return a->pid < b->pid ? -1 : 1;
    if (a->t != b->t) return a->t < b->t ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static bool has_new_value(const struct fs_image *image, const struct fs_setenv *change) {
    const char *value =
        change->name ? fs_variable_value(image->variables, image->variable_count, change->name)
                     : NULL;

    return fs_same_text(value, change->value);
}

/* Marks what the maker of a program changed before it started that program. */
static void mark_passed_on(struct fs_past *past, const struct fs_record *record, size_t stage) {
    const struct fs_image *image = record->stages[stage].image;
    struct fs_span maker;

    if (!image || image->pid != record->pid) return;
    if (stage > 0)
        maker = fs_span_of(record, stage - 1);
    else if (record->parent && record->parent->stage_count) {
        const struct fs_stage *made = fs_record_stage_at(record->parent, fs_record_begin(record));
        maker = fs_span_of(record->parent, (size_t)(made - record->parent->stages));
        maker.until = fs_record_begin(record);
    } else
        return;
    for (bool more = maker.image != NULL; more; more = fs_span_before(&maker, &maker)) {
        const struct fs_past_entry *entry;
        const size_t count = fs_past_range(past->settings, past->setting_count, &maker, &entry);
        for (size_t i = 0; i < count; i++)
            if (has_new_value(image, &past->table->setenvs[entry[i].at]))
                past->passed_on[entry[i].at] = true;
    }
}

int fs_past_open(struct fs_past *past, const struct fs_table *table) {
    *past = (struct fs_past){.table = table};
    past->loadings = calloc(table->loading_count + 1, sizeof *past->loadings);
    past->settings = calloc(table->setenv_count + 1, sizeof *past->settings);
    past->passed_on = calloc(table->setenv_count + 1, sizeof *past->passed_on);
    if (!past->loadings || !past->settings || !past->passed_on) {
        fs_past_close(past);
        return -1;
    }
    for (size_t i = 0; i < table->loading_count; i++) {
        const struct fs_loading *loading = &table->loadings[i];
        past->loadings[past->loading_count++] =
            (struct fs_past_entry){loading->image, loading->pid, loading->t, i};
    }
    for (size_t i = 0; i < table->setenv_count; i++) {
        const struct fs_setenv *change = &table->setenvs[i];
        if (change->image)
            past->settings[past->setting_count++] =
                (struct fs_past_entry){change->image, change->pid, change->t, i};
    }
    qsort(past->loadings, past->loading_count, sizeof *past->loadings, by_process);
    qsort(past->settings, past->setting_count, sizeof *past->settings, by_process);
    for (const struct fs_record *record = table->first; past->setting_count > 0 && record;
         record = record->next)
        for (size_t i = 0; i < record->stage_count; i++)
            mark_passed_on(past, record, i);
    return 0;
}

void fs_past_close(struct fs_past *past) {
    free(past->loadings);
    free(past->settings);
    free(past->passed_on);
    *past = (struct fs_past){0};
}

struct fs_span fs_span_of(const struct fs_record *record, size_t stage) {
    const struct fs_stage *of = &record->stages[stage];
    const int64_t end = fs_record_end(record);
    struct fs_span span = {.record = record, .image = of->image, .from = of->t};

    span.forked = stage == 0 && of->image && of->image->pid != record->pid;
    if (!span.forked) span.from -= clock_slack;
    /* The last events are told in the exit hook, after the time of the end was taken. */
    span.until = stage + 1 < record->stage_count ? record->stages[stage + 1].t
                 : end != FS_UNKNOWN             ? end + clock_slack
                                                 : INT64_MAX;
    return span;
}

bool fs_span_before(const struct fs_span *span, struct fs_span *before) {
    const struct fs_record *parent = span->forked ? span->record->parent : NULL;
    const int64_t fork = fs_record_begin(span->record);

    if (!parent || !parent->stage_count) return false;
    const struct fs_stage *stage = fs_record_stage_at(parent, fork);
    if (stage->image != span->image) return false;
    *before = fs_span_of(parent, (size_t)(stage - parent->stages));
    before->until = fork;
    return true;
}

size_t fs_past_range(const struct fs_past_entry *entries, size_t count, const struct fs_span *span,
                     const struct fs_past_entry **entry) {
    const struct fs_past_entry least = {span->image, span->record->pid, span->from, 0};
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_process(&entries[middle], &least) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *entry = entries + low;
    for (high = low; high < count && entries[high].image == span->image &&
                     entries[high].pid == span->record->pid && entries[high].t <= span->until;)
        high++;
    return high - low;
}
