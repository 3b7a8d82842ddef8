/*
 * facts.c - small questions to the tables that several parts of the digest ask.
 */
#include "tracer/evaluation.h"

#include "tracer/clock.h"
#include "tracer/text.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const int64_t clock_slack = 50 * FS_MILLISECOND;
enum { VARIABLES_MAX = 128 };

static bool is_target(const struct fs_table *table, const struct fs_kill *kill,
                      const struct fs_record *record) {
    if (kill->target == record->pid) return true;
    if (record->pgid <= 0) return false;
    if (kill->target == -record->pgid) return true;
    const struct fs_record *sender = fs_table_find(table, kill->sender, kill->t);
    return kill->target == 0 && sender && sender->pgid == record->pgid;
}

int fs_sender_of(const struct fs_table *table, const struct fs_record *record) {
    const int signal = fs_record_signal(record);
    const int64_t begin = fs_record_begin(record), end = fs_record_end(record);

    for (size_t i = table->kill_count; signal && i-- > 0;) {
        const struct fs_kill *kill = &table->kills[i];
        if (kill->signal == signal && kill->t >= begin &&
            (end == FS_UNKNOWN || kill->t <= end + clock_slack) && is_target(table, kill, record))
            return kill->sender;
    }
    return 0;
}

bool fs_is_oom_victim(const struct fs_evaluation *evaluation, const struct fs_record *record) {
    const int64_t end = fs_record_end(record);

    if (fs_record_signal(record) != SIGKILL || end == FS_UNKNOWN) return false;
    for (size_t i = 0; i < evaluation->oom_count; i++)
        if (end >= evaluation->ooms[i].after - clock_slack &&
            end <= evaluation->ooms[i].before + FS_SECOND)
            return fs_sender_of(evaluation->table, record) == 0;
    return false;
}

void fs_place_of(const struct fs_table *table, struct fs_site_key id, struct fs_place *place) {
    const struct fs_site *site = fs_table_site(table, id);

    *place = (struct fs_place){0};
    if (!site) return;
    place->file = fs_copy_text(site->file);
    place->line = site->line;
    place->function = fs_copy_text(site->function);
    place->module = fs_copy_text(site->module);
    place->offset = site->offset;
    place->stack = fs_copy_text(site->stack);
}

static size_t set_variable(struct fs_variable *list, size_t count, const char *name,
                           const char *value) {
    size_t i = 0;

    while (i < count && strcmp(list[i].name, name) != 0)
        i++;
    if (!value) {
        if (i < count) list[i] = list[--count];
        return count;
    }
    if (i == VARIABLES_MAX) return count;
    list[i] = (struct fs_variable){.name = (char *)name, .value = (char *)value};
    return i == count ? count + 1 : count;
}

/* Whether a change by `pid` at `t` is in the past of the record: its own, or an
 * ancestor's before it forked. */
static bool concerns(const struct fs_record *record, const struct fs_image *image, int pid,
                     int64_t t) {
    int64_t until = INT64_MAX;

    for (const struct fs_record *past = record; past; past = past->parent) {
        if (past->pid == pid && t <= until) return true;
        if (past->stage_count && past->stages[0].image != image) return false;
        until = fs_record_begin(past);
    }
    return false;
}

size_t fs_variables_at(const struct fs_table *table, const struct fs_record *record, int64_t t,
                       struct fs_variable **list) {
    const struct fs_stage *stage = fs_record_stage_at(record, t);
    const struct fs_image *image = stage ? stage->image : NULL;
    size_t count = 0;

    *list = calloc(VARIABLES_MAX, sizeof **list);
    if (!*list || !image) return 0;
    for (size_t i = 0; i < image->variable_count && count < VARIABLES_MAX; i++)
        (*list)[count++] = image->variables[i];
    for (size_t i = 0; i < table->setenv_count; i++) {
        const struct fs_setenv *change = &table->setenvs[i];
        if (change->image != image || change->t > t ||
            !concerns(record, image, change->pid, change->t))
            continue;
        count = change->name ? set_variable(*list, count, change->name, change->value) : 0;
    }
    return count;
}

struct fs_variable *fs_copy_variables(const struct fs_variable *list, size_t count) {
    struct fs_variable *copied = count ? calloc(count, sizeof *copied) : NULL;

    for (size_t i = 0; copied && i < count; i++)
        copied[i] = (struct fs_variable){.name = fs_copy_text(list[i].name),
                                         .value = fs_copy_text(list[i].value)};
    return copied;
}
