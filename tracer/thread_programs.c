/*
 * thread_programs.c - which programs had which thread libraries, as they read their
 * variables and with the threads that they really started.
 *
 * Each process is looked at while it ran one program, then those that are alike become
 * one entry of the digest.
 */
#include "tracer/evaluation.h"
#include "tracer/libraries.h"
#include "tracer/library_teams.h"
#include "tracer/past.h"
#include "tracer/text.h"
#include "tracer/thread_files.h"
#include "tracer/variables.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 256, VARIABLES_MAX = 24 };

struct library {
    const struct fs_loading *loading;
    const char *path, *real, *version, *build;
    int rank;
    int64_t t_late; /* of the last setting that it did not read any more; FS_UNKNOWN */
    struct fs_variable variables[VARIABLES_MAX]; /* of the table */
    size_t variable_count;
    struct fs_library_team team;
};

struct setting {
    const struct fs_setenv *change;
    uint32_t loaded, started;
    bool passed_on;
};

/* A process in a program, and then the class of those like it. */
struct program {
    struct fs_span span;
    const struct fs_cohort *cohort;
    bool helper;
    int count;
    int64_t cpu_ns;
    struct library libraries[FS_LIBRARIES_MAX];
    size_t library_count;
    struct setting settings[FS_SETTINGS_MAX];
    size_t setting_count;
};

struct survey {
    const struct fs_evaluation *evaluation;
    struct fs_past past;
    struct fs_thread_files files;
    struct program *classes;
    size_t count;
    int more;                 /* processes that found no class any more */
    struct program candidate; /* the process at hand */
    struct fs_routines routines;
};

/* --- what a process loaded --- */

static void add_library(struct survey *survey, const struct fs_loading *loading) {
    struct program *program = &survey->candidate;
    const struct fs_site *site = fs_table_site(survey->evaluation->table, loading->object);
    const struct fs_thread_file *file =
        site && site->module ? fs_thread_file(&survey->files, loading->family, site->module) : NULL;

    if (!file) return;
    struct library found = {.loading = loading,
                            .path = file->path,
                            .real = file->real,
                            .version = file->version,
                            .build = file->build,
                            .rank = file->rank,
                            .t_late = FS_UNKNOWN};
    for (size_t i = 0; i < program->library_count; i++) {
        struct library *known = &program->libraries[i];
        const bool package = loading->family & (FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_BLIS |
                                                FSP_LIBRARY_MKL | FSP_LIBRARY_NUMBA);
        const bool same_file = found.path == known->path ||
                               (found.real && known->real && !strcmp(found.real, known->real));
        /* Two files of a BLAS or a package are one library unless both are the thing itself. */
        const bool folded = known->loading->family == loading->family && package &&
                            (found.rank != known->rank || loading->family == FSP_LIBRARY_NUMBA ||
                             loading->family == FSP_LIBRARY_MKL);
        if (!same_file && !folded) continue;
        if (folded && found.rank > known->rank) {
            if (known->loading->t < loading->t && loading->family != FSP_LIBRARY_NUMBA)
                found.loading = known->loading;
            *known = found;
        }
        return;
    }
    if (program->library_count < FS_LIBRARIES_MAX)
        program->libraries[program->library_count++] = found;
}

static void collect_libraries(struct survey *survey, struct fs_span span) {
    survey->candidate.library_count = 0;
    for (bool more = true; more; more = fs_span_before(&span, &span)) {
        const struct fs_past_entry *entry;
        const size_t count =
            fs_past_range(survey->past.loadings, survey->past.loading_count, &span, &entry);
        for (size_t i = 0; i < count; i++)
            add_library(survey, &survey->evaluation->table->loadings[entry[i].at]);
    }
}

/* --- what it changed --- */

static uint32_t loaded_until(const struct program *program, int64_t t) {
    uint32_t families = 0;

    for (size_t i = 0; i < program->library_count; i++)
        if (program->libraries[i].loading->t <= t)
            families |= program->libraries[i].loading->family;
    return families;
}

static void note_late(struct program *program, const struct setting *setting) {
    for (size_t i = 0; i < program->library_count; i++) {
        struct library *library = &program->libraries[i];
        const uint32_t family = library->loading->family;
        const uint32_t read = fs_library_reads_at_load(family) ? setting->loaded : setting->started;
        if ((read & family) && setting->change->name &&
            fs_library_is_sized_by(family, library->build, setting->change->name) &&
            setting->change->t > library->t_late)
            library->t_late = setting->change->t;
    }
}

static int by_change(const void *left, const void *right) {
    const struct setting *a = left, *b = right;

    return (a->change->t > b->change->t) - (a->change->t < b->change->t);
}

static void collect_settings(struct survey *survey, struct fs_span span) {
    struct program *program = &survey->candidate;
    const struct fs_span own = span;

    program->setting_count = 0;
    for (bool more = true; more; more = fs_span_before(&span, &span)) {
        const struct fs_past_entry *entry;
        const size_t count =
            fs_past_range(survey->past.settings, survey->past.setting_count, &span, &entry);
        for (size_t i = 0; i < count && program->setting_count < FS_SETTINGS_MAX; i++) {
            const struct fs_setenv *change = &survey->evaluation->table->setenvs[entry[i].at];
            const struct fsp_recorded_variable *variable =
                change->name ? fs_variable_find(change->name, strlen(change->name)) : NULL;
            if (!variable || variable->what != FSP_VARIABLE_THREADS) continue;
            struct setting *setting = &program->settings[program->setting_count++];
            *setting =
                (struct setting){.change = change,
                                 .loaded = loaded_until(program, change->t),
                                 .started = fs_started_until(&survey->routines, own, change->t),
                                 .passed_on = survey->past.passed_on[entry[i].at]};
            note_late(program, setting);
        }
    }
    qsort(program->settings, program->setting_count, sizeof *program->settings, by_change);
}

/* --- what its libraries read --- */

static void add_variables(struct library *library, const struct fs_variable *list, size_t count) {
    for (size_t i = 0; i < count && library->variable_count < VARIABLES_MAX; i++) {
        const struct fsp_recorded_variable *variable =
            list[i].name ? fs_variable_find(list[i].name, strlen(list[i].name)) : NULL;
        if (variable && (variable->libraries & library->loading->family))
            library->variables[library->variable_count++] = list[i];
    }
}

static void read_variables(struct survey *survey, struct library *library) {
    const struct program *program = &survey->candidate;
    const struct fs_span *span = &program->span;
    const int64_t t = fs_library_reads_at_load(library->loading->family)
                          ? library->loading->t
                          : fs_first_start(&survey->routines, *span, library->loading->family);

    library->variable_count = 0;
    if (program->setting_count == 0) {
        add_variables(library, span->image->variables, span->image->variable_count);
        return;
    }
    struct fs_variable *list;
    const size_t count = fs_variables_at(survey->evaluation->table, span->record,
                                         t < span->until ? t : span->until, &list);
    add_variables(library, list, count);
    free(list);
}

/* --- processes alike --- */

static bool same_settings(const struct program *a, const struct program *b) {
    if (a->setting_count != b->setting_count) return false;
    for (size_t i = 0; i < a->setting_count; i++) {
        const struct setting *x = &a->settings[i], *y = &b->settings[i];
        if (x->change->name != y->change->name || x->change->value != y->change->value ||
            x->loaded != y->loaded || x->started != y->started || x->passed_on != y->passed_on)
            return false;
    }
    return true;
}

static bool same_libraries(const struct program *a, const struct program *b) {
    if (a->library_count != b->library_count) return false;
    for (size_t i = 0; i < a->library_count; i++) {
        const struct library *x = &a->libraries[i], *y = &b->libraries[i];
        if (x->path != y->path || x->variable_count != y->variable_count) return false;
        for (size_t v = 0; v < x->variable_count; v++)
            if (x->variables[v].name != y->variables[v].name ||
                x->variables[v].value != y->variables[v].value)
                return false;
    }
    return true;
}

static bool same_group(const struct fs_cohort *a, const struct fs_cohort *b) {
    if (!a || !b) return a == b;
    return a->key.ppid == b->key.ppid && a->key.kind == b->key.kind;
}

static bool alike(const struct program *a, const struct program *b) {
    return a->span.image->executable == b->span.image->executable &&
           a->span.forked == b->span.forked && a->helper == b->helper &&
           same_group(a->cohort, b->cohort) && same_libraries(a, b) && same_settings(a, b);
}

static int add_program(struct survey *survey) {
    const struct program *candidate = &survey->candidate;

    for (size_t i = 0; i < survey->count; i++) {
        struct program *known = &survey->classes[i];
        if (!alike(known, candidate)) continue;
        known->count++;
        known->cpu_ns += candidate->cpu_ns;
        for (size_t j = 0; j < known->library_count; j++)
            fs_merge_team(&known->libraries[j].team, &candidate->libraries[j].team);
        return 0;
    }
    if (survey->count == CLASSES_MAX) {
        survey->more++;
        return 0;
    }
    if ((survey->count & (survey->count - 1)) == 0) {
        const size_t room = survey->count ? 2 * survey->count : 1;
        struct program *grown = realloc(survey->classes, room * sizeof *grown);
        if (!grown) return -1;
        survey->classes = grown;
    }
    survey->classes[survey->count++] = *candidate;
    return 0;
}

static int look_at(struct survey *survey, const struct fs_record *record, size_t stage) {
    struct program *program = &survey->candidate;
    const int64_t cpu = fs_record_cpu(record);

    program->span = fs_span_of(record, stage);
    const struct fs_image *image = program->span.image;
    if (!image) return 0;
    collect_libraries(survey, program->span);
    if (program->library_count == 0) return 0;
    program->cohort = record->cohort && record->cohort_image == image ? record->cohort : NULL;
    program->helper = image->role != FS_ROLE_PROGRAM && image->role != FS_ROLE_SPAWN_WORKER;
    program->count = 1;
    program->cpu_ns = cpu > 0 ? cpu : 0;
    collect_settings(survey, program->span);
    for (size_t i = 0; i < program->library_count; i++) {
        read_variables(survey, &program->libraries[i]);
        struct library *library = &program->libraries[i];
        fs_count_team(&survey->routines, &program->span, library->loading->family, library->t_late,
                      &library->team);
    }
    return add_program(survey);
}

/* --- into the digest --- */

static void fill_library(const struct fs_evaluation *evaluation, const struct library *from,
                         struct fs_thread_library *library) {
    const struct fs_loading *loading = from->loading;

    library->family = loading->family;
    library->file = fs_copy_text(from->path);
    library->real_file = fs_copy_text(from->real);
    library->version = fs_copy_text(from->version);
    library->build = from->build;
    library->t_loaded = fs_job_time(evaluation, loading->t);
    library->t_before = fs_job_time(evaluation, loading->t_before);
    library->t_started = fs_job_time(evaluation, from->team.t_first);
    library->variables = fs_copy_variables(from->variables, from->variable_count);
    library->variable_count = library->variables ? from->variable_count : 0;
    library->threads_started = from->team.started;
    library->threads_peak = from->team.peak;
    library->threads_working = from->team.working;
    library->team_late = from->team.late;
}

static void fill_setting(const struct fs_evaluation *evaluation, const struct setting *from,
                         struct fs_setting *setting) {
    setting->name = fs_copy_text(from->change->name);
    setting->value = fs_copy_text(from->change->value);
    setting->pid = from->change->pid;
    setting->t = fs_job_time(evaluation, from->change->t);
    fs_place_of(evaluation->table, from->change->site, &setting->place);
    free(setting->place.stack); /* file and line say it; a digest is small */
    setting->place.stack = NULL;
    setting->loaded = from->loaded;
    setting->started = from->started;
    setting->passed_on = from->passed_on;
}

static void fill_group(const struct fs_digest *digest, const struct program *from,
                       struct fs_thread_program *program) {
    program->group_parent = from->cohort->key.ppid;
    program->group_kind = (enum fs_group_kind)from->cohort->key.kind;
    program->workers = 1;
    for (size_t i = 0; i < digest->group_count; i++) {
        const struct fs_group *group = &digest->groups[i];
        if (group->parent == program->group_parent && group->kind == program->group_kind &&
            group->executable && from->cohort->key.executable &&
            strcmp(group->executable, from->cohort->key.executable) == 0)
            program->workers = group->workers_peak;
    }
}

static int fill_program(const struct fs_evaluation *evaluation, const struct program *from,
                        const struct fs_digest *digest, struct fs_thread_program *program) {
    const struct fs_image *image = from->span.image;
    hwloc_const_bitmap_t mask = fs_mask_of(&evaluation->table->interned, from->span.record->mask);

    fs_thread_program_init(program);
    program->executable = fs_copy_text(image->executable);
    program->command = fs_copy_text(image->command);
    program->pid = from->span.record->pid;
    program->count = from->count;
    program->forked = from->span.forked;
    program->helper = from->helper;
    program->cpu_ns = from->cpu_ns;
    program->cpus =
        mask && !from->span.record->mask_unknown ? hwloc_bitmap_weight(mask) : FS_UNKNOWN;
    program->workers = 0;
    if (from->cohort) fill_group(digest, from, program);
    program->libraries = calloc(from->library_count + 1, sizeof *program->libraries);
    program->settings = calloc(from->setting_count + 1, sizeof *program->settings);
    if (!program->libraries || !program->settings) return -1;
    program->library_count = from->library_count;
    program->setting_count = from->setting_count;
    for (size_t i = 0; i < from->library_count; i++)
        fill_library(evaluation, &from->libraries[i], &program->libraries[i]);
    for (size_t i = 0; i < from->setting_count; i++)
        fill_setting(evaluation, &from->settings[i], &program->settings[i]);
    return 0;
}

static int by_weight(const void *left, const void *right) {
    const struct program *a = left, *b = right;

    if (a->cpu_ns != b->cpu_ns) return a->cpu_ns < b->cpu_ns ? 1 : -1;
    return (a->span.record->pid > b->span.record->pid) -
           (a->span.record->pid < b->span.record->pid);
}

static int fill_digest(struct survey *survey, struct fs_digest *digest) {
    const size_t kept = survey->count < FS_PROGRAMS_MAX ? survey->count : FS_PROGRAMS_MAX;

    if (survey->count > 1)
        qsort(survey->classes, survey->count, sizeof *survey->classes, by_weight);
    digest->programs = kept ? calloc(kept, sizeof *digest->programs) : NULL;
    if (kept && !digest->programs) return -1;
    digest->programs_more = (int)(survey->count - kept) + survey->more;
    for (size_t i = 0; i < kept; i++) {
        digest->program_count = i + 1;
        if (fill_program(survey->evaluation, &survey->classes[i], digest, &digest->programs[i]))
            return -1;
    }
    return 0;
}

int fs_evaluate_programs(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    struct survey *survey = calloc(1, sizeof *survey);
    int result = -1;

    if (!survey) return -1;
    survey->evaluation = evaluation;
    survey->routines.table = evaluation->table;
    survey->files.names_alone = evaluation->elsewhere;
    if (fs_past_open(&survey->past, evaluation->table) == 0) {
        result = 0;
        for (const struct fs_record *record = evaluation->table->first;
             survey->past.loading_count > 0 && result == 0 && record; record = record->next)
            for (size_t i = 0; result == 0 && i < record->stage_count; i++)
                result = look_at(survey, record, i);
        if (result == 0) result = fill_digest(survey, digest);
        fs_past_close(&survey->past);
    }
    fs_thread_files_free(&survey->files);
    free(survey->classes);
    free(survey);
    return result;
}
