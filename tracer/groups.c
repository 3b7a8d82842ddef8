/*
 * groups.c - the groups of the digest, from cohorts and the records of their members.
 */
#include "tracer/evaluation.h"

#include "tracer/clock.h"
#include "tracer/text.h"

#include <math.h>
#include <stdlib.h>

static void spread_of(struct fs_record *const *members, size_t count, struct fs_spread *spread) {
    int64_t *values = calloc(count + 1, sizeof *values);
    size_t known = 0;

    *spread = (struct fs_spread){0};
    for (size_t i = 0; values && i < count; i++) {
        const int64_t cpu = fs_record_cpu(members[i]);
        if (cpu != FS_UNKNOWN) values[known++] = cpu;
    }
    if (known > 0) {
        qsort(values, known, sizeof *values, fs_ascending);
        spread->n = (int64_t)known;
        spread->min = values[0];
        spread->p50 = values[(known - 1) / 2];
        spread->p90 = values[(known - 1) * 9 / 10];
        spread->max = values[known - 1];
        for (size_t i = 0; i < known; i++)
            spread->sum += values[i];
    }
    free(values);
}

/* The site that most members were made at. */
static struct fs_site_key commonest_site(struct fs_record *const *members, size_t count) {
    struct fs_site_key best = {0};
    size_t best_votes = 0;

    for (size_t i = 0; i < count && i < 64; i++) {
        const struct fs_site_key candidate = members[i]->birth_site;
        size_t votes = 0;
        for (size_t j = 0; j < count; j++)
            votes += members[j]->birth_site.key == candidate.key &&
                     members[j]->birth_site.image == candidate.image;
        if (candidate.key && votes > best_votes) {
            best = candidate;
            best_votes = votes;
        }
    }
    return best;
}

/* Programs that a shell starts beside each other, as in a pipeline. */
static bool scripts_differ(const struct fs_cohort *cohort, struct fs_record *const *members,
                           size_t count) {
    const struct fs_image *first = fs_record_image(members[0]);

    if (cohort->key.kind != FS_GROUP_EXECUTABLE || !first) return false;
    for (size_t i = 1; i < count; i++) {
        const struct fs_image *image = fs_record_image(members[i]);
        if (image && image->script != first->script) return true;
    }
    return false;
}

static void fill_identity(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                          struct fs_record *const *members, size_t count, struct fs_group *group) {
    const struct fs_record *parent = cohort->parent;
    const int64_t begin = fs_record_begin(members[0]);

    group->kind = (enum fs_group_kind)cohort->key.kind;
    group->parent = cohort->key.ppid;
    group->shell = cohort->shell;
    group->helper = cohort->key.helper != 0;
    group->python = cohort->python;
    group->scripts_differ = scripts_differ(cohort, members, count);
    group->executable = fs_copy_text(cohort->key.executable);
    if (parent && parent->stage_count) {
        const struct fs_image *image = fs_record_stage_at(parent, begin)->image;
        if (image) {
            group->parent_executable = fs_copy_text(image->executable);
            group->parent_command = fs_copy_text(image->command);
            group->libraries |= image->libraries;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct fs_image *image = fs_record_image(members[i]);
        if (image) group->libraries |= image->libraries;
    }
    fs_place_of(evaluation->table, commonest_site(members, count), &group->site);
    for (size_t i = 0; i < count && i < sizeof group->examples / sizeof *group->examples; i++)
        group->examples[i] = members[i]->pid;
    struct fs_variable *variables;
    group->variable_count = fs_variables_at(evaluation->table, members[0], begin, &variables);
    group->variables = fs_copy_variables(variables, group->variable_count);
    if (!group->variables) group->variable_count = 0;
    free(variables);
}

static void fill_times(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                       struct fs_record *const *members, size_t count, struct fs_group *group) {
    const struct fs_forgotten *past = &cohort->forgotten;
    int64_t begin = fs_record_begin(members[0]), end = begin;

    group->workers = (int)count + past->workers;
    group->workers_peak = fs_members_peak(members, count, evaluation->t_closed, &group->window_ns);
    if (past->peak > group->workers_peak) group->workers_peak = past->peak;
    for (size_t i = 0; i < count; i++) {
        const int64_t ended = fs_record_end(members[i]);
        const int64_t last = ended == FS_UNKNOWN ? evaluation->t_closed : ended;
        if (last > end) end = last;
    }
    if (past->workers > 0 && past->begin < begin) begin = past->begin;
    if (past->workers > 0 && past->end > end) end = past->end;
    /* Of those given up only the span is left; a group so large had somebody alive all along. */
    if (past->workers > 0) group->window_ns = end - begin;
    group->begin = fs_job_time(evaluation, begin);
    group->end = fs_job_time(evaluation, end);
}

/* When a worker was busy last: between two samples its CPU time at the end tells. */
static int64_t last_busy_of(const struct fs_record *record) {
    const int64_t end = fs_record_end(record), cpu = fs_record_cpu(record);
    const int64_t sampled = record->t_sampled, begin = fs_record_begin(record);

    if (end == FS_UNKNOWN || cpu == FS_UNKNOWN) return record->last_busy;
    const int64_t since = sampled != FS_UNKNOWN ? sampled : begin;
    const int64_t used = cpu - (sampled != FS_UNKNOWN ? record->sampled_ns : 0);
    return end > since && 2 * used > end - since ? end : record->last_busy;
}

static void fill_work(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                      struct fs_record *const *members, size_t count, struct fs_group *group) {
    int64_t first_idle = INT64_MAX, last_busy = FS_UNKNOWN;

    group->cpu_ns = cohort->forgotten.cpu_ns;
    group->run_ns = cohort->forgotten.run_ns;
    group->wait_ns = cohort->forgotten.wait_ns;
    group->workers_scheduled = cohort->forgotten.scheduled;
    group->threads_peak = cohort->threads_peak;
    for (size_t i = 0; i < count; i++) {
        const struct fs_record *record = members[i];
        const int64_t cpu = fs_record_cpu(record), busy = last_busy_of(record);
        if (cpu != FS_UNKNOWN) group->cpu_ns += cpu;
        if (record->run_ns != FS_UNKNOWN) {
            group->run_ns += record->run_ns;
            group->wait_ns += record->wait_ns;
            group->workers_scheduled++;
        }
        if ((int)record->threads_peak + 1 > group->threads_peak)
            group->threads_peak = (int)record->threads_peak + 1;
        if (busy == FS_UNKNOWN) continue;
        if (busy < first_idle) first_idle = busy;
        if (busy > last_busy) last_busy = busy;
    }
    group->window_cpu_ns = group->cpu_ns;
    spread_of(members, count, &group->worker_cpu_ns);
    group->first_idle = last_busy == FS_UNKNOWN ? FS_UNKNOWN : fs_job_time(evaluation, first_idle);
    group->last_busy = fs_job_time(evaluation, last_busy);
}

static void fill_samples(const struct fs_cohort *cohort, struct fs_group *group) {
    const char *owner = NULL;
    int64_t most = 0;
    const bool sampled = cohort->sample_ns != FS_UNKNOWN;

    group->sample_ns = cohort->sample_ns;
    group->workers_busy_peak = sampled ? cohort->busy_peak : FS_UNKNOWN;
    group->busy_ns = sampled ? cohort->busy_ns : FS_UNKNOWN;
    group->overlap_ns = sampled ? cohort->overlap_ns : FS_UNKNOWN;
    group->sleep_ns = sampled ? cohort->sleep_ns : FS_UNKNOWN;
    group->parent_cpu_ns = sampled ? cohort->parent_cpu_ns : FS_UNKNOWN;
    group->threads_busy_peak = sampled ? cohort->threads_busy_peak : FS_UNKNOWN;
    group->threads_busy_total = sampled ? cohort->threads_busy_total : FS_UNKNOWN;
    for (size_t i = 0; i < FS_OWNERS; i++) {
        if (cohort->owners[i].count <= most) continue;
        most = cohort->owners[i].count;
        owner = cohort->owners[i].module;
    }
    group->threads_owner = fs_copy_text(owner);
}

static void fill_masks(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                       struct fs_record *const *members, size_t count, struct fs_group *group) {
    const struct fs_interned *interned = &evaluation->table->interned;
    bool *seen = calloc(interned->mask_count + 1, sizeof *seen);
    const struct fs_record *parent = cohort->parent;

    group->masks_known = cohort->forgotten.workers == 0;
    group->mask_union = hwloc_bitmap_alloc();
    for (size_t i = 0; seen && group->mask_union && i < count; i++) {
        hwloc_const_bitmap_t mask = fs_mask_of(interned, members[i]->mask);
        if (!mask || members[i]->mask_unknown) {
            group->masks_known = false;
            continue;
        }
        hwloc_bitmap_or(group->mask_union, group->mask_union, mask);
        group->masks_distinct += !seen[members[i]->mask];
        seen[members[i]->mask] = true;
    }
    free(seen);
    if (group->mask_union && hwloc_bitmap_iszero(group->mask_union)) {
        hwloc_bitmap_free(group->mask_union);
        group->mask_union = NULL;
    }
    hwloc_const_bitmap_t parents = parent ? fs_mask_of(interned, parent->mask) : NULL;
    group->mask_parent = parents ? hwloc_bitmap_dup(parents) : NULL;
    group->narrowing = fs_find_narrowing(evaluation, parent, members, count);
}

/* Of a job that was found running: who came in the place of another one. */
static void fill_ages(struct fs_record *const *members, size_t count, struct fs_group *group) {
    int64_t oldest = 0;

    for (size_t i = 0; i < count; i++)
        if (members[i]->age_ns > oldest) oldest = members[i]->age_ns;
    for (size_t i = 0; i < count; i++) {
        const int64_t later = oldest - members[i]->age_ns;
        if (later < FS_SECOND) continue;
        group->later++;
        if (later <= group->later_ns) continue;
        group->later_ns = later;
        group->later_example = members[i]->pid;
    }
}

static void fill_group(const struct fs_evaluation *evaluation, const struct fs_cohort *cohort,
                       struct fs_record *const *members, size_t count, struct fs_group *group) {
    *group = (struct fs_group){0};
    fill_identity(evaluation, cohort, members, count, group);
    fill_times(evaluation, cohort, members, count, group);
    fill_work(evaluation, cohort, members, count, group);
    fill_samples(cohort, group);
    fill_masks(evaluation, cohort, members, count, group);
    fs_evaluate_lives(evaluation, cohort, members, count, group);
    group->later_ns = FS_UNKNOWN;
    if (evaluation->outside) fill_ages(members, count, group);
}

struct slice {
    struct fs_record **members;
    size_t count;
    int64_t weight;
};

static bool has_incident(struct fs_record *const *members, size_t count, int64_t t_end) {
    for (size_t i = 0; i < count; i++) {
        const int64_t end = fs_record_end(members[i]);
        if (fs_record_signal(members[i]) || end == FS_UNKNOWN || end > t_end) return true;
    }
    return false;
}

/* Most CPU time first; a group that lost a worker or outlived the job goes before all others
 * that are as small. */
static int by_weight(const void *left, const void *right) {
    const struct slice *a = left, *b = right;

    if (a->weight != b->weight) return a->weight < b->weight ? 1 : -1;
    /* Whichever address a cohort has: the same job has the same report. */
    return (a->members[0]->pid > b->members[0]->pid) - (a->members[0]->pid < b->members[0]->pid);
}

static struct slice *slices_of(const struct fs_evaluation *evaluation, struct fs_record **members,
                               size_t count, size_t *slice_count) {
    struct slice *slices = calloc(count + 1, sizeof *slices);

    *slice_count = 0;
    for (size_t i = 0; slices && i < count;) {
        struct slice *slice = &slices[(*slice_count)++];
        slice->members = members + i;
        while (i < count && members[i]->cohort == slice->members[0]->cohort) {
            const int64_t cpu = fs_record_cpu(members[i++]);
            slice->count++;
            slice->weight += cpu > 0 ? cpu : 0;
        }
        slice->weight += slice->members[0]->cohort->forgotten.cpu_ns;
        if (has_incident(slice->members, slice->count, evaluation->t_end))
            slice->weight += FS_SECOND;
    }
    if (slices) qsort(slices, *slice_count, sizeof *slices, by_weight);
    return slices;
}

int fs_evaluate_groups(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    size_t count, slice_count = 0;
    struct fs_record **members = fs_cohorts_members(evaluation->cohorts, &count);
    struct slice *slices = members ? slices_of(evaluation, members, count, &slice_count) : NULL;
    const size_t kept = slice_count < FS_GROUPS_MAX ? slice_count : FS_GROUPS_MAX;

    digest->groups = slices && kept ? calloc(kept, sizeof *digest->groups) : NULL;
    for (size_t i = 0; digest->groups && i < kept; i++) {
        const struct slice *slice = &slices[i];
        fill_group(evaluation, slice->members[0]->cohort, slice->members, slice->count,
                   &digest->groups[i]);
        digest->group_count = i + 1;
    }
    digest->groups_more = (int)(slice_count - digest->group_count);
    digest->workers_busy_peak =
        evaluation->sampler ? evaluation->cohorts->workers_busy_peak : FS_UNKNOWN;
    digest->threads_busy_peak =
        evaluation->sampler ? evaluation->cohorts->threads_busy_peak : FS_UNKNOWN;
    const bool failed = !slices || (kept && !digest->groups);
    free(slices);
    free(members);
    return failed ? -1 : 0;
}
