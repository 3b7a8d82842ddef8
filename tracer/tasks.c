/* tasks.c - see tasks.h and digest_tasks.h. */
#include "tracer/tasks.h"

#include "tracer/clock.h"
#include "tracer/evaluation.h"
#include "tracer/rank_use.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <limits.h>
#include <stdlib.h>

/* Ancestors of a process: a damaged record may hold a circle. */
enum { GENERATIONS_MAX = 1024 };
/* Of shorter lives nobody asks how long they waited for a CPU. */
static const int64_t least_scheduled = 100 * FS_MILLISECOND;

/* --- the rank of a program --- */

static int number_of(const struct fs_variable *variables, size_t count, const char *name) {
    const char *value = fs_variable_value(variables, count, name);

    return value ? fs_count_of(value) : FS_UNKNOWN;
}

/* srun's numbers come last: what mpirun starts inside a step inherits those of its daemon. */
static const struct {
    const char *rank, *size;
    enum fs_launch_kind launch;
} launches[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", FS_LAUNCH_OPENMPI},
    {"PMIX_RANK", NULL, FS_LAUNCH_OPENMPI},
    {"PMI_RANK", "PMI_SIZE", FS_LAUNCH_HYDRA},
    {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", FS_LAUNCH_MVAPICH},
};

static bool read_slurm(const struct fs_variable *variables, size_t count, struct fs_rank *rank) {
    const char *step = fs_variable_value(variables, count, "SLURM_STEP_ID");

    rank->rank = number_of(variables, count, "SLURM_PROCID");
    if (!step || !fs_slurm_real_step(step) || rank->rank == FS_UNKNOWN) return false;
    rank->launch = FS_LAUNCH_SRUN;
    rank->step = fs_count_of(step);
    rank->size = number_of(variables, count, "SLURM_STEP_NUM_TASKS");
    if (rank->size == FS_UNKNOWN) rank->size = number_of(variables, count, "SLURM_NTASKS");
    rank->local_rank = number_of(variables, count, "SLURM_LOCALID");
    rank->cpus_per_task = number_of(variables, count, "SLURM_CPUS_PER_TASK");
    return true;
}

bool fs_rank_read(const struct fs_variable *variables, size_t count, struct fs_rank *rank) {
    struct fs_rank slurm = {.local_rank = FS_UNKNOWN, .cpus_per_task = FS_UNKNOWN};
    const bool in_step = read_slurm(variables, count, &slurm);

    for (size_t i = 0; i < sizeof launches / sizeof *launches; i++) {
        const int number = number_of(variables, count, launches[i].rank);
        if (number == FS_UNKNOWN) continue;
        *rank = (struct fs_rank){.launch = launches[i].launch,
                                 .step = FS_UNKNOWN,
                                 .rank = number,
                                 .size = FS_UNKNOWN,
                                 .local_rank = FS_UNKNOWN,
                                 .cpus_per_task = FS_UNKNOWN};
        if (launches[i].size) rank->size = number_of(variables, count, launches[i].size);
        /* srun speaks the MPI library's language, too. */
        const bool same = in_step && slurm.rank == rank->rank &&
                          (rank->size == FS_UNKNOWN || rank->size == slurm.size);
        if (same) *rank = slurm;
        return true;
    }
    if (in_step) *rank = slurm;
    return in_step;
}

static bool is_same_rank(const struct fs_rank *a, const struct fs_rank *b) {
    return a->launch == b->launch && a->step == b->step && a->rank == b->rank;
}

/* --- which records are tasks --- */

static bool has_environment(const struct fs_image *image) {
    return image && (image->shim || image->environment_read);
}

/* The first program that a process started itself and in whose environment a rank is. */
static const struct fs_stage *ranked_stage(const struct fs_record *record, struct fs_rank *rank) {
    for (size_t i = 0; i < record->stage_count; i++) {
        const struct fs_image *image = record->stages[i].image;
        if (image && image->pid == record->pid && image->role != FS_ROLE_LAUNCHER &&
            fs_rank_read(image->variables, image->variable_count, rank))
            return &record->stages[i];
    }
    return NULL;
}

static const struct fs_image *image_at_birth(const struct fs_record *record) {
    const struct fs_record *parent = record->parent;

    return parent && parent->stage_count
               ? fs_record_stage_at(parent, fs_record_begin(record))->image
               : NULL;
}

/* Who started a program, and when: the process itself, or its parent. */
struct maker {
    const struct fs_record *record; /* NULL: no process of the job */
    const struct fs_image *image;   /* that it ran; NULL: unknown */
    int64_t t;
};

static struct maker maker_of(const struct fs_record *record) {
    return (struct maker){
        .record = record->parent, .image = image_at_birth(record), .t = fs_record_begin(record)};
}

static struct maker maker_of_stage(const struct fs_record *record, const struct fs_stage *stage) {
    if (stage == record->stages) return maker_of(record);
    return (struct maker){.record = record, .image = stage[-1].image, .t = stage->t - 1};
}

/* Whether a maker had that rank, also when it had set it itself: an MPI library does that in
 * a process without a launcher. */
static bool has_rank(const struct fs_table *table, const struct maker *maker,
                     const struct fs_rank *rank) {
    struct fs_variable *variables;
    struct fs_rank found;

    if (fs_rank_read(maker->image->variables, maker->image->variable_count, &found) &&
        is_same_rank(&found, rank))
        return true;
    const size_t count = fs_variables_at(table, maker->record, maker->t, &variables);
    const bool same = fs_rank_read(variables, count, &found) && is_same_rank(&found, rank);
    free(variables);
    return same;
}

/* Whether the record is a task; `rank` is then its rank. */
static bool find_rank(const struct fs_table *table, const struct fs_record *record,
                      struct fs_rank *rank) {
    const struct fs_stage *stage = ranked_stage(record, rank);

    if (!stage) return false;
    struct maker maker = maker_of_stage(record, stage);
    for (int i = 0; maker.record && !has_environment(maker.image) && i < GENERATIONS_MAX; i++)
        maker = maker_of(maker.record);
    return !maker.record || maker.image->role == FS_ROLE_LAUNCHER || !has_rank(table, &maker, rank);
}

bool fs_record_is_task(const struct fs_table *table, const struct fs_record *record) {
    struct fs_rank rank;

    return find_rank(table, record, &rank);
}

struct fs_record *fs_task_of(struct fs_record *record) {
    for (int i = 0; record && !record->task && i < GENERATIONS_MAX; i++)
        record = record->parent;
    return record && record->task ? record : NULL;
}

/* --- from records to tasks --- */

struct entry {
    struct fs_record *record;
    struct fs_rank rank;
    int launcher; /* pid */
};

static int launcher_of(const struct fs_record *record) {
    const struct fs_image *image = image_at_birth(record);

    return image && image->role == FS_ROLE_LAUNCHER ? record->parent->pid : 0;
}

static int difference(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int by_launch(const struct entry *a, const struct entry *b) {
    const int steps = difference(a->rank.step, b->rank.step);
    const int launchers = difference(a->launcher, b->launcher);

    return steps ? steps : launchers ? launchers : difference(a->rank.launch, b->rank.launch);
}

static int by_rank(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    const int launches_differ = by_launch(a, b), ranks = difference(a->rank.rank, b->rank.rank);
    const int begins = difference(fs_record_begin(a->record), fs_record_begin(b->record));

    if (launches_differ) return launches_differ;
    return ranks ? ranks : begins ? begins : difference(a->record->pid, b->record->pid);
}

/* A process whose parent nobody recorded is the task of its rank only when it came first. */
static bool is_later_root(const struct entry *entry, const struct entry *before) {
    return !entry->record->parent && by_launch(entry, before) == 0 &&
           entry->rank.rank == before->rank.rank;
}

static size_t find_tasks(const struct fs_table *table, struct entry *entries) {
    size_t found = 0, kept = 0;

    for (struct fs_record *record = table->first; record; record = record->next) {
        struct entry *entry = &entries[found];
        record->task = 0;
        if (!find_rank(table, record, &entry->rank)) continue;
        entry->record = record;
        entry->launcher = launcher_of(record);
        found++;
    }
    qsort(entries, found, sizeof *entries, by_rank);
    for (size_t i = 0; i < found; i++)
        if (kept == 0 || !is_later_root(&entries[i], &entries[kept - 1]))
            entries[kept++] = entries[i];
    return kept;
}

static int64_t whole_ms(int64_t ns) {
    return ns / FS_MILLISECOND * FS_MILLISECOND;
}

static hwloc_bitmap_t mask_of(const struct fs_table *table, uint32_t number) {
    hwloc_const_bitmap_t mask = fs_mask_of(&table->interned, number);

    return mask ? hwloc_bitmap_dup(mask) : NULL;
}

/* The mask with which a process began, when it changed that by itself: what a launcher sets in
 * the child that is to become the task is given to it. */
static uint32_t mask_before(const struct fs_record *record) {
    uint32_t given = record->given;

    for (size_t i = 0; i < record->stage_count; i++) {
        const struct fs_stage *stage = &record->stages[i];
        if (stage->image && stage->image->role == FS_ROLE_LAUNCHER) continue;
        if (stage->t_affinity != FS_UNKNOWN) return stage->mask_before;
        if (!given) given = stage->mask_begin;
    }
    return given != record->mask ? given : 0;
}

static int status_of(const struct fs_record *record) {
    if (record->status_known) return record->status;
    return record->over && record->exit != FSP_EXIT_NONE && record->exit != FSP_EXIT_ABORT
               ? (record->exit_code & 0xff) << 8
               : FS_UNKNOWN;
}

static void fill_task(const struct fs_evaluation *evaluation, const struct entry *entry,
                      struct fs_task *task) {
    const struct fs_record *record = entry->record;
    const struct fs_image *image = fs_record_image(record);
    const int64_t end = fs_record_end(record);

    *task = (struct fs_task){
        .launch = entry->rank.launch,
        .launcher = entry->launcher,
        .step = entry->rank.step,
        .rank = entry->rank.rank,
        .size = entry->rank.size,
        .local_rank = entry->rank.local_rank,
        .cpus_per_task = entry->rank.cpus_per_task,
        .pid = record->pid,
        .command = fs_copy_text(image->command),
        .status = status_of(record),
        .start = whole_ms(fs_job_time(evaluation, fs_record_begin(record))),
        .end = end == FS_UNKNOWN ? FS_UNKNOWN : whole_ms(fs_job_time(evaluation, end)),
        .libraries_known = true,
        .mask = mask_of(evaluation->table, record->mask),
        .mask_before = mask_of(evaluation->table, mask_before(record)),
    };
}

/* Adds a process to the task that it belongs to; most: the greatest CPU time of one so far. */
static void add_process(struct fs_task *task, const struct fs_record *record, int64_t *most) {
    const struct fs_image *image = fs_record_image(record);
    const int64_t cpu = fs_record_cpu(record) > 0 ? fs_record_cpu(record) : 0;

    task->processes++;
    task->cpu_ns += cpu + record->forgotten_ns;
    if (record->wait_ns == FS_UNKNOWN && cpu >= least_scheduled)
        task->wait_ns = FS_UNKNOWN;
    else if (record->wait_ns != FS_UNKNOWN && task->wait_ns != FS_UNKNOWN)
        task->wait_ns += record->wait_ns;
    if ((int64_t)record->threads_peak + 1 > task->threads)
        task->threads = (int)record->threads_peak + 1;
    for (size_t i = 0; i < record->stage_count; i++)
        if (record->stages[i].image) task->libraries |= record->stages[i].image->libraries;
    task->libraries_known = task->libraries_known && image && (image->shim || image->objects_read);
    if (!image || (task->executable && cpu <= *most)) return;
    char *executable = fs_copy_text(image->executable);
    if (!executable) return;
    free(task->executable);
    task->executable = executable;
    task->python = image->python;
    *most = cpu;
}

/* Its own process first: of equals it is the one that names the program. */
static int add_processes(const struct fs_table *table, struct entry *const entries,
                         struct fs_task *tasks, size_t count) {
    int64_t *most = calloc(count + 1, sizeof *most);

    if (!most) return -1;
    for (size_t i = 0; i < count; i++)
        add_process(&tasks[i], entries[i].record, &most[i]);
    for (struct fs_record *record = table->first; record; record = record->next) {
        const struct fs_record *task = record->task ? NULL : fs_task_of(record);
        if (task) add_process(&tasks[task->task - 1], record, &most[task->task - 1]);
    }
    free(most);
    return 0;
}

/* The size of each group of workers, to the task in which they are. */
static int add_workers(const struct fs_evaluation *evaluation, struct fs_task *tasks) {
    size_t count, first = 0;
    struct fs_record **members = fs_cohorts_members(evaluation->cohorts, &count);

    if (!members) return -1;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && members[i + 1]->cohort == members[i]->cohort) continue;
        const struct fs_cohort *cohort = members[first]->cohort;
        struct fs_record *owner = members[first]->task ? NULL : fs_task_of(members[first]);
        int peak = fs_members_peak(members + first, i + 1 - first, evaluation->t_closed, NULL);
        if (cohort->forgotten.peak > peak) peak = cohort->forgotten.peak;
        first = i + 1;
        if (!owner || cohort->key.helper || cohort->shell) continue;
        struct fs_task *task = &tasks[owner->task - 1];
        if (peak > task->workers) task->workers = peak;
    }
    free(members);
    return 0;
}

/* Where the launcher told none: the place among the ranks of the launch. */
static void number_locally(const struct entry *entries, struct fs_task *tasks, size_t count) {
    for (size_t i = 0, first = 0; i < count; i++) {
        if (i > 0 && by_launch(&entries[i - 1], &entries[i]) != 0) first = i;
        if (tasks[i].local_rank == FS_UNKNOWN) tasks[i].local_rank = (int)(i - first);
    }
}

static void find_framework(const struct fs_table *table, struct fs_digest *digest) {
    for (const struct fs_image *image = table->images; image; image = image->next) {
        const char *name = fs_framework_of(image->executable, image->command);
        if (!name) continue;
        digest->framework = fs_copy_text(name);
        return;
    }
}

/* Of the programs that a record became: not of those that it was forked with, and of a task
 * not of the daemon that it was before its launcher let it go. */
static enum fs_rank_use use_of_record(const struct fs_record *record, const char *directory,
                                      struct fs_rank_readings *readings) {
    enum fs_rank_use use = FS_RANK_UNUSED;
    struct fs_rank rank;
    const struct fs_stage *begin = record->task ? ranked_stage(record, &rank) : record->stages;

    if (!begin) return FS_RANK_NOT_LOOKED;
    for (size_t i = (size_t)(begin - record->stages); i < record->stage_count; i++) {
        const struct fs_image *image = record->stages[i].image;
        if (!image) return FS_RANK_NOT_LOOKED;
        if (image->pid != record->pid) continue;
        use = fs_rank_use_both(
            use, fs_rank_use_of(readings, image->executable, image->command, directory));
    }
    return use;
}

/* Where there are several tasks without MPI: may each know which one it is? */
static int add_rank_use(const struct fs_table *table, struct fs_digest *digest) {
    struct fs_rank_readings *readings = calloc(1, sizeof *readings);
    struct fs_record *task;

    if (!readings) return -1;
    for (size_t i = 0; i < digest->task_count; i++)
        digest->tasks[i].rank_use = FS_RANK_UNUSED;
    for (struct fs_record *record = table->first; record; record = record->next) {
        if (!(task = fs_task_of(record))) continue;
        struct fs_task *told = &digest->tasks[task->task - 1];
        const bool alone = told->size == 1 || (told->libraries & FSP_LIBRARY_MPI);
        told->rank_use = alone
                             ? FS_RANK_NOT_LOOKED
                             : fs_rank_use_both(told->rank_use,
                                                use_of_record(record, digest->directory, readings));
    }
    free(readings);
    return 0;
}

static int evaluate(const struct fs_evaluation *evaluation, struct entry *entries, bool programs,
                    struct fs_digest *digest) {
    const size_t found = find_tasks(evaluation->table, entries);
    const size_t count = found < FS_TASKS_MAX ? found : FS_TASKS_MAX;

    digest->tasks_more = (int)(found - count);
    if (count == 0) return 0;
    digest->tasks = calloc(count, sizeof *digest->tasks);
    if (!digest->tasks) return -1;
    digest->task_count = count;
    for (size_t i = 0; i < count; i++) {
        entries[i].record->task = (int)i + 1;
        fill_task(evaluation, &entries[i], &digest->tasks[i]);
    }
    number_locally(entries, digest->tasks, count);
    if (add_processes(evaluation->table, entries, digest->tasks, count)) return -1;
    for (size_t i = 0; i < count; i++)
        digest->tasks[i].cpu_ns = whole_ms(digest->tasks[i].cpu_ns);
    for (size_t i = 0; i < count; i++)
        if (digest->tasks[i].wait_ns != FS_UNKNOWN)
            digest->tasks[i].wait_ns = whole_ms(digest->tasks[i].wait_ns);
    if (programs && !evaluation->elsewhere && add_rank_use(evaluation->table, digest)) return -1;
    return add_workers(evaluation, digest->tasks);
}

int fs_evaluate_tasks(const struct fs_evaluation *evaluation, bool programs,
                      struct fs_digest *digest) {
    struct entry *entries = calloc(evaluation->table->count + 1, sizeof *entries);
    const int result = entries ? evaluate(evaluation, entries, programs, digest) : -1;

    find_framework(evaluation->table, digest);
    free(entries);
    return result;
}
