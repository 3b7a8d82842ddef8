/*
 * incidents.c - single things that went wrong: variables that an exec lost or that
 * nobody will understand, failed forks, shared memory that was left behind.
 */
#include "tracer/evaluation.h"

#include "tracer/text.h"
#include "tracer/variables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INCIDENTS_MAX = 64 };

/* --- variables that an exec lost --- */

struct loss {
    const struct fs_record *record, *maker; /* of the new image; who made it */
    const struct fs_image *from, *to;
};

static void add_lost(const struct fs_table *table, struct fs_digest *digest,
                     const struct loss *loss, const struct fs_variable *variable) {
    const bool singled_out = loss->to->shim && !loss->to->repaired;

    for (size_t i = 0; i < digest->lost_variable_count; i++) {
        struct fs_lost_variable *known = &digest->lost_variables[i];
        if (!fs_same_text(known->name, variable->name) ||
            !fs_same_text(known->executable, loss->to->executable) ||
            !fs_same_text(known->parent_executable, loss->from->executable))
            continue;
        known->count++;
        known->libraries |= loss->to->libraries;
        known->repaired |= loss->to->repaired;
        known->singled_out &= singled_out;
        return;
    }
    if (digest->lost_variable_count == INCIDENTS_MAX) return;
    struct fs_lost_variable *lost = &digest->lost_variables[digest->lost_variable_count++];
    *lost = (struct fs_lost_variable){.name = fs_copy_text(variable->name),
                                      .value = fs_copy_text(variable->value),
                                      .parent_executable = fs_copy_text(loss->from->executable),
                                      .executable = fs_copy_text(loss->to->executable),
                                      .pid = loss->record->pid,
                                      .count = 1,
                                      .libraries = loss->to->libraries,
                                      .repaired = loss->to->repaired,
                                      .singled_out = singled_out};
    if (loss->maker != loss->record) fs_place_of(table, loss->record->birth_site, &lost->site);
}

static void compare(const struct fs_table *table, struct fs_digest *digest, const struct loss *loss,
                    int64_t t) {
    struct fs_variable *had;
    const size_t count = fs_variables_at(table, loss->maker, t, &had);

    for (size_t i = 0; i < count; i++) {
        const struct fsp_recorded_variable *variable =
            fs_variable_find(had[i].name, strlen(had[i].name));
        if (variable && fs_variable_steers_threads(variable) &&
            !fs_variable_value(loss->to->variables, loss->to->variable_count, had[i].name))
            add_lost(table, digest, loss, &had[i]);
    }
    free(had);
}

/* An image whose environment is known whole. Shells keep theirs to themselves. */
static bool is_comparable(const struct loss *loss) {
    return loss->from && loss->to && loss->from != loss->to && !loss->from->environment_cut &&
           !loss->to->environment_cut && (loss->to->shim || loss->to->environment_read) &&
           (loss->from->shim || loss->from->environment_read) &&
           (loss->from->role != FS_ROLE_SHELL || loss->to->repaired);
}

static void find_losses(const struct fs_table *table, struct fs_digest *digest,
                        const struct fs_record *record) {
    for (size_t i = 0; i < record->stage_count; i++) {
        struct loss loss = {.record = record, .maker = record, .to = record->stages[i].image};
        int64_t t = record->stages[i].t;
        if (!loss.to || loss.to->pid != record->pid) continue;
        if (i > 0) {
            loss.from = record->stages[i - 1].image;
            t--;
        } else if (record->parent && record->parent->stage_count) {
            loss.maker = record->parent;
            t = fs_record_begin(record);
            loss.from = fs_record_stage_at(record->parent, t)->image;
        }
        if (is_comparable(&loss)) compare(table, digest, &loss, t);
    }
}

/* --- variables that nobody will understand --- */

static void add_odd(struct fs_digest *digest, const struct fs_image *image, enum fs_oddity oddity,
                    const char *name, const char *value, const char *meant) {
    for (size_t i = 0; i < digest->odd_variable_count; i++) {
        struct fs_odd_variable *known = &digest->odd_variables[i];
        if (known->oddity != oddity || !fs_same_text(known->name, name) ||
            !fs_same_text(known->value, value))
            continue;
        known->count++;
        known->libraries |= image->libraries;
        return;
    }
    if (digest->odd_variable_count == INCIDENTS_MAX) return;
    digest->odd_variables[digest->odd_variable_count++] =
        (struct fs_odd_variable){.oddity = oddity,
                                 .name = fs_copy_text(name),
                                 .value = fs_copy_text(value),
                                 .meant = fs_copy_text(meant),
                                 .executable = fs_copy_text(image->executable),
                                 .pid = image->pid,
                                 .count = 1,
                                 .libraries = image->libraries};
}

static void find_odd(struct fs_digest *digest, const struct fs_image *image) {
    for (size_t i = 0; i < image->variable_count; i++) {
        const struct fs_variable *variable = &image->variables[i];
        const struct fsp_recorded_variable *known =
            variable->name ? fs_variable_find(variable->name, strlen(variable->name)) : NULL;
        if (!known || !variable->value) continue;
        const enum fs_variable_verdict verdict = fs_variable_judge(known, variable->value);
        if (verdict == FS_VARIABLE_EMPTY)
            add_odd(digest, image, FS_ODD_EMPTY, variable->name, variable->value, NULL);
        if (verdict == FS_VARIABLE_NOT_A_NUMBER)
            add_odd(digest, image, FS_ODD_NOT_A_NUMBER, variable->name, variable->value, NULL);
    }
    for (size_t i = 0; i < image->misspelt_count; i++)
        add_odd(digest, image, FS_ODD_MISSPELT, image->misspelt[i].name, NULL,
                image->misspelt[i].meant);
}

/* --- shared memory left behind --- */

static void find_leftovers(const struct fs_table *table, struct fs_digest *digest) {
    for (size_t i = 0; i < table->shm_object_count && digest->shm.leftover_count < INCIDENTS_MAX;
         i++) {
        const struct fs_shm_object *object = &table->shm_objects[i];
        const struct fs_record *maker = fs_table_find(table, object->maker, object->t);
        char path[FSP_EVENT_TEXT + 16], bytes[32];
        struct stat status;

        if (!object->name || object->unlinked || (maker && !maker->over)) continue;
        /* LLVM's OpenMP marks its processes so; the marks of forked workers stay. Not the job's. */
        if (strstr(object->name, "__KMP_REGISTERED_LIB")) continue;
        /* A cut name may be another object's. */
        if (strlen(object->name) >= FSP_EVENT_TEXT - 1) continue;
        snprintf(path, sizeof path, "/dev/shm/%s", object->name + (object->name[0] == '/'));
        if (stat(path, &status) != 0) continue;
        snprintf(bytes, sizeof bytes, "%lld", (long long)status.st_size);
        digest->shm.leftovers[digest->shm.leftover_count++] =
            (struct fs_variable){.name = fs_copy_text(object->name), .value = fs_copy_text(bytes)};
    }
}

int fs_evaluate_incidents(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    const struct fs_table *table = evaluation->table;

    digest->lost_variables = calloc(INCIDENTS_MAX, sizeof *digest->lost_variables);
    digest->odd_variables = calloc(INCIDENTS_MAX, sizeof *digest->odd_variables);
    digest->shm.leftovers = calloc(INCIDENTS_MAX, sizeof *digest->shm.leftovers);
    digest->fork_failures = calloc(table->failure_count + 1, sizeof *digest->fork_failures);
    if (!digest->lost_variables || !digest->odd_variables || !digest->shm.leftovers ||
        !digest->fork_failures)
        return -1;
    for (const struct fs_record *record = table->first; record; record = record->next)
        find_losses(table, digest, record);
    digest->environments_read = true;
    for (const struct fs_image *image = table->images; image; image = image->next) {
        find_odd(digest, image);
        /* A name that no library of the image reads cannot have been meant for it. */
        if (!image->environment_read && image->libraries != 0) digest->environments_read = false;
    }
    for (size_t i = 0; i < table->failure_count; i++) {
        digest->fork_failures[i] = table->failures[i].what;
        digest->fork_failures[i].executable = fs_copy_text(table->failures[i].what.executable);
    }
    digest->fork_failure_count = table->failure_count;
    find_leftovers(table, digest);
    return 0;
}
