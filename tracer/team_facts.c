/*
 * team_facts.c - the teams of the digest, from what was summed up of each process.
 */
#include "tracer/evaluation.h"

#include "tracer/clock.h"
#include "tracer/teams.h"
#include "tracer/text.h"
#include "tracer/tools.h"

#include <stdlib.h>

/* The group that a record counts in; NULL: none, or a small one that was left out. */
static const struct fs_group *group_of(const struct fs_digest *digest,
                                       const struct fs_record *record) {
    const struct fs_cohort *cohort = record->cohort;

    for (size_t i = 0; cohort && i < digest->group_count; i++) {
        const struct fs_group *group = &digest->groups[i];
        if ((int)group->kind == cohort->key.kind && group->parent == cohort->key.ppid &&
            group->helper == (cohort->key.helper != 0) &&
            fs_same_text(group->executable, cohort->key.executable))
            return group;
    }
    return NULL;
}

static int children_forked(const struct fs_digest *digest, int pid) {
    int children = 0;

    for (size_t i = 0; i < digest->group_count; i++)
        if (digest->groups[i].kind == FS_GROUP_FORK && digest->groups[i].parent == pid)
            children += digest->groups[i].workers;
    return children;
}

/* The name of an executable, then what its objects were made for. */
static int gil_of(const struct fs_image *image) {
    const int named = fs_gil_of_executable(image->executable);

    if (image->free_threaded) return 0;
    if (named != -1) return named;
    return image->gil ? 1 : FS_UNKNOWN;
}

static void fill_process(const struct fs_evaluation *evaluation, const struct fs_digest *digest,
                         struct fs_record *record, struct fs_team *team) {
    const struct fs_image *image = fs_record_image(record);
    const struct fs_group *group = group_of(digest, record);
    hwloc_const_bitmap_t mask = fs_mask_of(&evaluation->table->interned, record->mask);
    struct fs_variable *variables;

    team->pid = record->pid;
    team->parent = record->ppid;
    team->count = 1;
    team->gil = FS_UNKNOWN;
    team->workers = group && group->workers_peak > 1 ? group->workers_peak : 1;
    team->forked = children_forked(digest, record->pid);
    team->cpu_ns = fs_record_cpu(record);
    team->mask = mask && !record->mask_unknown ? hwloc_bitmap_dup(mask) : NULL;
    team->narrowing = fs_find_narrowing(evaluation, NULL, &record, 1);
    if (!image) return;
    team->executable = fs_copy_text(image->executable);
    team->command = fs_copy_text(image->command);
    team->libraries = image->libraries;
    team->python = image->python || (image->libraries & FSP_LIBRARY_PYTHON);
    if (team->python) team->gil = gil_of(image);
    const int64_t last = evaluation->t_closed;
    team->variable_count = fs_variables_at(evaluation->table, record, last, &variables);
    team->variables = fs_copy_variables(variables, team->variable_count);
    if (!team->variables) team->variable_count = 0;
    free(variables);
}

static void fill_tally(const struct fs_team_tally *tally, struct fs_team *team) {
    team->owner = fs_copy_text(tally->owner);
    team->family = tally->family;
    team->threads = tally->threads;
    team->busy = tally->busy;
    team->team_ns = tally->team_ns;
    team->thread_ns = tally->thread_ns;
    team->run_ns = tally->run_ns;
    team->wait_ns = tally->wait_ns;
    team->looks = tally->looks;
    team->moves = tally->moves;
    team->shared_ns = tally->shared_ns;
    team->shared_run_ns = tally->shared_run_ns;
    team->shared_wait_ns = tally->shared_wait_ns;
    team->shared_top_ns = tally->shared_top_ns;
    team->shared_threads_ns = tally->shared_threads_ns;
    team->cpus = tally->cpus ? hwloc_bitmap_dup(tally->cpus) : NULL;
}

/* Processes alike differ in nothing that a rule looks at but in their times and in which CPUs
 * they have: how many they have is the same. */
static bool are_alike(const struct fs_team *a, const struct fs_team *b) {
    const int cpus_a = a->mask ? hwloc_bitmap_weight(a->mask) : FS_UNKNOWN;
    const int cpus_b = b->mask ? hwloc_bitmap_weight(b->mask) : FS_UNKNOWN;

    return fs_same_text(a->executable, b->executable) && fs_same_text(a->owner, b->owner) &&
           cpus_a == cpus_b && a->parent == b->parent && a->workers == b->workers &&
           a->busy == b->busy && !a->forked == !b->forked && a->gil == b->gil;
}

static int by_cpu(const void *left, const void *right) {
    const struct fs_team *a = left, *b = right;

    return (a->cpu_ns < b->cpu_ns) - (a->cpu_ns > b->cpu_ns);
}

/* Sorted by CPU time, so the first of those alike is their example. */
static size_t fold_alike(struct fs_team *teams, size_t count) {
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        size_t j = 0;
        while (j < kept && !are_alike(&teams[j], &teams[i]))
            j++;
        if (j == kept) {
            const struct fs_team next = teams[i];
            teams[i] = teams[kept];
            teams[kept++] = next;
            continue;
        }
        teams[j].count++;
        fs_team_free(&teams[i]);
    }
    return kept;
}

static size_t count_tallies(const struct fs_table *table) {
    size_t count = 0;

    for (const struct fs_record *record = table->first; record; record = record->next)
        count += record->teams ? record->teams->count : 0;
    return count;
}

static void fill_rivals(const struct fs_rivals *rivals, struct fs_rivals *out) {
    *out = *rivals;
    out->mask = rivals->mask ? hwloc_bitmap_dup(rivals->mask) : NULL;
}

int fs_evaluate_teams(const struct fs_evaluation *evaluation, const struct fs_rivals *rivals,
                      struct fs_digest *digest) {
    const size_t most = count_tallies(evaluation->table);
    struct fs_team *teams = calloc(most + 1, sizeof *teams);
    size_t count = 0;

    if (!teams) return -1;
    for (struct fs_record *record = evaluation->table->first; record; record = record->next) {
        for (size_t i = 0; record->teams && i < record->teams->count; i++) {
            const struct fs_team_tally *tally = &record->teams->tally[i];
            if (tally->team_ns == 0 && tally->shared_ns == 0) continue;
            fill_process(evaluation, digest, record, &teams[count]);
            fill_tally(tally, &teams[count++]);
        }
    }
    qsort(teams, count, sizeof *teams, by_cpu);
    count = fold_alike(teams, count);
    digest->teams = teams;
    digest->team_count = count < FS_TEAMS_MAX ? count : FS_TEAMS_MAX;
    digest->teams_more = evaluation->table->forgotten_teams;
    for (size_t i = digest->team_count; i < count; i++) {
        digest->teams_more += teams[i].count;
        fs_team_free(&teams[i]);
    }
    digest->teams_sampled = evaluation->sampler != NULL;
    fill_rivals(rivals, &digest->rivals);
    return 0;
}
