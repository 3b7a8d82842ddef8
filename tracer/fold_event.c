/*
 * fold_event.c - rare things that happened, and what follows from all of them.
 */
#include "tracer/fold.h"

#include "tracer/clock.h"

#include <string.h>

static const int64_t clock_slack = 20 * FS_MILLISECOND;
/* popen() returns after its child started; the child's first sign is its image's. */
static const int64_t popen_window = 2 * FS_SECOND;

static struct fs_site_key site_of(const struct fs_pending_event *pending) {
    return (struct fs_site_key){.image = pending->image ? pending->image->key : 0,
                                .key = pending->event.site};
}

static void fold_kill(struct fs_table *table, const struct fs_pending_event *pending) {
    struct fs_kill *kills = fs_table_grow(table, table->kills, table->kill_count, sizeof *kills);

    if (!kills) return;
    table->kills = kills;
    kills[table->kill_count++] = (struct fs_kill){.t = (int64_t)pending->event.t,
                                                  .sender = pending->owner,
                                                  .target = pending->event.a,
                                                  .signal = pending->event.b,
                                                  .site = site_of(pending)};
}

static void fold_setenv(struct fs_table *table, const struct fs_pending_event *pending) {
    const char *text = pending->event.text;
    const char *equals = strchr(text, '=');
    struct fs_setenv change = {
        .t = (int64_t)pending->event.t,
        .pid = pending->owner,
        .image = pending->image,
        .site = {.image = pending->image ? pending->image->key : 0, .key = pending->event.site}};
    struct fs_setenv *setenvs =
        fs_table_grow(table, table->setenvs, table->setenv_count, sizeof *setenvs);

    if (!setenvs) return;
    table->setenvs = setenvs;
    if (*text)
        change.name =
            fs_intern(&table->interned, text, equals ? (size_t)(equals - text) : FSP_EVENT_TEXT);
    if (equals && pending->event.kind == FSP_EVENT_SETENV)
        change.value = fs_intern(&table->interned, equals + 1, FSP_EVENT_TEXT);
    setenvs[table->setenv_count++] = change;
}

static void fold_library(struct fs_table *table, const struct fs_pending_event *pending) {
    struct fs_loading *loadings =
        fs_table_grow(table, table->loadings, table->loading_count, sizeof *loadings);

    if (!loadings || !pending->image) return;
    table->loadings = loadings;
    const struct fsp_event *event = &pending->event;
    loadings[table->loading_count++] =
        (struct fs_loading){.t = (int64_t)event->t,
                            .t_before = event->u[0] ? (int64_t)event->u[0] : FS_UNKNOWN,
                            .pid = pending->owner,
                            .image = pending->image,
                            .family = (uint32_t)event->a,
                            .object = {.image = pending->image->key, .key = event->site}};
}

static void fold_failure(struct fs_table *table, const struct fs_pending_event *pending) {
    const char *executable = pending->image ? pending->image->executable : NULL;
    const bool thread = pending->event.kind == FSP_EVENT_THREAD_FAILED;

    for (size_t i = 0; i < table->failure_count; i++) {
        struct fs_failure *known = &table->failures[i];
        if (known->what.pid != pending->owner || known->what.thread != thread ||
            known->what.error != pending->event.a)
            continue;
        known->what.count++;
        known->t = (int64_t)pending->event.t;
        return;
    }
    struct fs_failure *failures =
        fs_table_grow(table, table->failures, table->failure_count, sizeof *failures);
    if (!failures) return;
    table->failures = failures;
    failures[table->failure_count++] =
        (struct fs_failure){.t = (int64_t)pending->event.t,
                            .what = {.executable = (char *)executable,
                                     .pid = pending->owner,
                                     .thread = thread,
                                     .error = pending->event.a,
                                     .count = 1}};
}

static void fold_shell_call(struct fs_table *table, const struct fs_pending_event *pending) {
    struct fs_shell_call *calls =
        fs_table_grow(table, table->shell_calls, table->shell_call_count, sizeof *calls);

    if (!calls) return;
    table->shell_calls = calls;
    calls[table->shell_call_count++] = (struct fs_shell_call){.t = (int64_t)pending->event.t,
                                                              .t_end = FS_UNKNOWN,
                                                              .pid = pending->owner,
                                                              .popen = pending->event.b == 1};
}

static void fold_shell_end(struct fs_table *table, const struct fs_pending_event *pending) {
    for (size_t i = table->shell_call_count; i-- > 0;) {
        struct fs_shell_call *call = &table->shell_calls[i];
        if (call->pid != pending->owner || call->popen || call->t_end != FS_UNKNOWN) continue;
        call->t_end = (int64_t)pending->event.t;
        call->status = pending->event.a;
        return;
    }
}

static void fold_reaped(struct fs_table *table, const struct fs_pending_event *pending) {
    const struct fsp_event *event = &pending->event;
    const int64_t t = (int64_t)event->t;
    struct fs_record *record = fs_table_find(table, event->a, t);

    if (event->a <= 0) return;
    if (!record || (record->status_known && !record->secondary_wait)) {
        record = fs_table_add(table, event->a);
        if (!record) return;
        record->birth = FS_BIRTH_INSIDE_LIBC;
        fs_record_set_parent(table, record, pending->owner, t);
    }
    record->witnesses |= FS_WITNESS_PARENT;
    record->status = event->b;
    record->status_known = true;
    record->reaper = pending->owner;
    record->t_reaped = t;
    record->reaped_ns = (int64_t)((event->u[0] + event->u[1]) * 1000);
    record->maxrss_kib = (int64_t)event->u[2];
    if (record->t_seen == FS_UNKNOWN) record->t_seen = t;
    struct fs_record *reaper = fs_table_find(table, pending->owner, t);
    if (reaper) reaper->reaped_children_ns += record->reaped_ns;
    fs_record_close(record);
}

static void fold_shm_create(struct fs_table *table, const struct fs_pending_event *pending) {
    struct fs_shm_object *objects =
        fs_table_grow(table, table->shm_objects, table->shm_object_count, sizeof *objects);

    if (!objects) return;
    table->shm_objects = objects;
    objects[table->shm_object_count++] = (struct fs_shm_object){
        .name = fs_intern(&table->interned, pending->event.text, FSP_EVENT_TEXT),
        .maker = pending->owner,
        .t = (int64_t)pending->event.t};
}

static void fold_shm_unlink(struct fs_table *table, const struct fs_pending_event *pending) {
    for (size_t i = 0; i < table->shm_object_count; i++)
        if (table->shm_objects[i].name &&
            strcmp(table->shm_objects[i].name, pending->event.text) == 0)
            table->shm_objects[i].unlinked = true;
}

static void fold_sigbus(struct fs_table *table, const struct fs_pending_event *pending) {
    struct fs_record *record = fs_table_find(table, pending->event.a, (int64_t)pending->event.t);

    if (!record) return;
    record->shm_free = (int64_t)pending->event.u[0];
    record->shm_total = (int64_t)pending->event.u[1];
}

void fs_fold_event(struct fs_table *table, const struct fs_pending_event *pending) {
    static void (*const folds[FSP_EVENT_COUNT])(struct fs_table *,
                                                const struct fs_pending_event *) = {
        [FSP_EVENT_SETENV] = fold_setenv,
        [FSP_EVENT_UNSETENV] = fold_setenv,
        [FSP_EVENT_KILL] = fold_kill,
        [FSP_EVENT_FORK_FAILED] = fold_failure,
        [FSP_EVENT_THREAD_FAILED] = fold_failure,
        [FSP_EVENT_SYSTEM] = fold_shell_call,
        [FSP_EVENT_SYSTEM_END] = fold_shell_end,
        [FSP_EVENT_REAPED] = fold_reaped,
        [FSP_EVENT_SHM_CREATE] = fold_shm_create,
        [FSP_EVENT_SHM_UNLINK] = fold_shm_unlink,
        [FSP_EVENT_SIGBUS_SHM] = fold_sigbus,
        [FSP_EVENT_LIBRARY] = fold_library,
    };
    const uint32_t kind = pending->event.kind;

    if (kind < FSP_EVENT_COUNT && folds[kind]) folds[kind](table, pending);
}

/* The call of the parent that explains a child which no fork hook saw; the latest
 * before the child's first sign of life. */
static const struct fs_shell_call *call_of(const struct fs_table *table,
                                           const struct fs_record *record) {
    const int64_t begin = fs_record_begin(record);
    const struct fs_shell_call *found = NULL;

    for (size_t i = 0; i < table->shell_call_count; i++) {
        const struct fs_shell_call *call = &table->shell_calls[i];
        const int64_t end = call->popen                 ? call->t + popen_window
                            : call->t_end != FS_UNKNOWN ? call->t_end
                                                        : INT64_MAX;
        if (call->pid != record->ppid || begin < call->t - clock_slack || begin > end) continue;
        if (!found || call->t > found->t) found = call;
    }
    return found;
}

/* Whether what failed succeeded later: the program tried again. */
static bool got_on(const struct fs_table *table, const struct fs_failure *failure) {
    for (const struct fs_record *record = table->first; record; record = record->next) {
        if (!failure->what.thread && record->ppid == failure->what.pid &&
            fs_record_begin(record) > failure->t)
            return true;
        for (size_t i = 0;
             failure->what.thread && record->pid == failure->what.pid && i < record->thread_count;
             i++)
            if (record->threads[i].t_start > failure->t) return true;
    }
    return false;
}

void fs_fold_settle(struct fs_table *table) {
    for (struct fs_record *record = table->first; record; record = record->next) {
        if (record->birth != FS_BIRTH_INSIDE_LIBC && record->birth != FSP_BIRTH_UNKNOWN) continue;
        const struct fs_shell_call *call = call_of(table, record);
        if (!call) continue;
        record->birth = call->popen ? FS_BIRTH_POPEN : FS_BIRTH_SYSTEM;
        if (record->t_fork == FS_UNKNOWN) record->t_fork = call->t;
        if (call->popen || call->t_end == FS_UNKNOWN || call->status == FS_UNKNOWN) continue;
        record->witnesses |= FS_WITNESS_PARENT;
        if (record->status_known) continue;
        record->status = call->status;
        record->status_known = record->secondary_wait = true;
        if (record->t_reaped == FS_UNKNOWN) record->t_reaped = call->t_end;
    }
    for (size_t i = 0; i < table->failure_count; i++)
        table->failures[i].what.recovered = got_on(table, &table->failures[i]);
}
