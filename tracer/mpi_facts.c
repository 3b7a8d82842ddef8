/*
 * mpi_facts.c - the ranks of a node: processes that initialised MPI, likes together.
 */
#include "tracer/evaluation.h"

#include "tracer/mpi.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS_TEXT = 200, NUMBER_MAX = 1 << 28 };

/* One process, before likes are put together. */
struct rank {
    const struct fs_image *image;
    const struct fs_mpi_use *use;
    const struct fs_record *record;
    enum fs_mpi_stage stage;
    int status, launcher_rank, launcher_size;
    const char *launcher, *plugin;
    bool nested;
    size_t kind; /* of digest->mpi */
};

/* --- one process --- */

static const char *value_of(const struct fs_image *image, const char *name) {
    return fs_variable_value(image->variables, image->variable_count, name);
}

static int number_of(const struct fs_image *image, const char *name) {
    const char *text = value_of(image, name);
    const int number = text ? fs_count_of(text) : FS_UNKNOWN;

    return number <= NUMBER_MAX ? number : FS_UNKNOWN;
}

/* The innermost launcher first: mpirun may itself have been started by srun. */
static void find_launcher(struct rank *rank) {
    static const struct {
        const char *mark, *word, *rank, *size;
    } launchers[] = {
        {"OMPI_COMM_WORLD_RANK", "openmpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
        {"MPI_LOCALRANKID", "hydra", "PMI_RANK", "PMI_SIZE"},
        {"SLURM_STEP_ID", "srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
        {"PMI_RANK", "pmi", "PMI_RANK", "PMI_SIZE"},
        {"PMIX_RANK", "pmix", "PMIX_RANK", NULL},
    };

    rank->launcher_rank = rank->launcher_size = FS_UNKNOWN;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers && !rank->launcher; i++) {
        const int number = number_of(rank->image, launchers[i].rank);
        /* The step of a batch script itself has a number beyond those of real ones. */
        if (number_of(rank->image, launchers[i].mark) == FS_UNKNOWN || number == FS_UNKNOWN)
            continue;
        rank->launcher = launchers[i].word;
        rank->launcher_rank = number;
        if (launchers[i].size) rank->launcher_size = number_of(rank->image, launchers[i].size);
    }
    rank->plugin = value_of(rank->image, "SLURM_MPI_TYPE");
}

static enum fs_mpi_stage stage_of(const struct fs_mpi_use *use) {
    if (use->t_abort != FS_UNKNOWN) return FS_MPI_ABORTED;
    if (use->t_finalized != FS_UNKNOWN) return FS_MPI_FINALIZED;
    if (use->t_finalize != FS_UNKNOWN) return FS_MPI_IN_FINALIZE;
    if (use->t_ready != FS_UNKNOWN) return FS_MPI_RUNNING;
    return use->result ? FS_MPI_FAILED : FS_MPI_IN_INIT;
}

static int status_of(const struct fs_record *record) {
    if (!record || !record->over) return FS_UNKNOWN;
    if (record->status_known) return record->status;
    if (record->exit == FSP_EXIT_NONE || record->exit == FSP_EXIT_ABORT) return FS_UNKNOWN;
    return (record->exit_code & 0xff) << 8;
}

static void look_at(const struct fs_evaluation *evaluation, const struct fs_image *image,
                    struct rank *rank) {
    *rank = (struct rank){.image = image, .use = image->mpi, .stage = stage_of(image->mpi)};
    rank->record = fs_table_find(evaluation->table, image->mpi->pid, image->mpi->t_init);
    rank->status = status_of(rank->record);
    find_launcher(rank);
    const struct fs_record *above = rank->record ? rank->record->parent : NULL;
    for (; above && !rank->nested; above = above->parent)
        rank->nested = fs_mpi_of(above) != NULL;
}

/* --- likes --- */

_Static_assert((int)FS_MPI_EXCEPTION == (int)FSP_MPI_ENDING_EXCEPTION &&
                   (int)FS_MPI_ENDING_COUNT == (int)FSP_MPI_ENDING_COUNT,
               "the shim's endings");

static const char *library_word(enum fsp_mpi_library library) {
    static const char *const words[FSP_MPI_LIBRARY_COUNT] = {
        [FSP_MPI_OPEN_MPI] = "openmpi",
        [FSP_MPI_MPICH] = "mpich",
        [FSP_MPI_ABI] = "abi",
        [FSP_MPI_OTHER] = "other",
    };

    return words[library];
}

static bool alike(const struct rank *a, const struct rank *b) {
    return fs_same_text(a->image->executable, b->image->executable) &&
           fs_same_text(a->image->command, b->image->command) &&
           fs_same_text(a->use->version, b->use->version) && a->use->library == b->use->library &&
           a->use->size == b->use->size && a->use->asked == b->use->asked &&
           a->use->provided == b->use->provided && a->stage == b->stage && a->status == b->status &&
           a->launcher == b->launcher && a->launcher_size == b->launcher_size &&
           fs_same_text(a->plugin, b->plugin) && a->nested == b->nested &&
           a->use->abort_code == b->use->abort_code && a->use->ending == b->use->ending &&
           fs_same_text(a->use->exception, b->use->exception);
}

static int64_t finalize_ns(const struct fs_evaluation *evaluation, const struct rank *rank) {
    const int64_t begin = rank->use->t_finalize;
    int64_t end = rank->use->t_finalized;

    if (begin == FS_UNKNOWN) return FS_UNKNOWN;
    if (end == FS_UNKNOWN && rank->record) end = fs_record_end(rank->record);
    if (end == FS_UNKNOWN) end = evaluation->t_closed;
    return end > begin ? end - begin : 0;
}

static int64_t init_ns(const struct fs_evaluation *evaluation, const struct rank *rank) {
    int64_t end = rank->use->t_ready;

    if (end == FS_UNKNOWN && rank->record) end = fs_record_end(rank->record);
    if (end == FS_UNKNOWN) end = evaluation->t_closed;
    return end > rank->use->t_init ? end - rank->use->t_init : 0;
}

static int64_t earlier(int64_t a, int64_t b) {
    if (a == FS_UNKNOWN || b == FS_UNKNOWN) return a == FS_UNKNOWN ? b : a;
    return a < b ? a : b;
}

static void begin_kind(const struct fs_evaluation *evaluation, const struct rank *rank,
                       struct fs_mpi_ranks *ranks) {
    const struct fs_site *object = fs_table_site(evaluation->table, rank->use->object);

    ranks->executable = fs_copy_text(rank->image->executable);
    ranks->command = fs_copy_text(rank->image->command);
    ranks->python = rank->image->python;
    ranks->pid = rank->use->pid;
    ranks->library = library_word(rank->use->library);
    ranks->version = fs_copy_text(rank->use->version);
    ranks->file = object ? fs_copy_text(object->module) : NULL;
    ranks->size = rank->use->size ? rank->use->size : FS_UNKNOWN;
    ranks->asked = rank->use->asked;
    ranks->provided = rank->use->provided;
    ranks->calls_seen = true;
    ranks->stage = rank->stage;
    ranks->abort_code = rank->use->abort_code > 0 ? rank->use->abort_code : 0;
    ranks->status = rank->status;
    ranks->launcher = rank->launcher;
    ranks->launcher_size = rank->launcher_size;
    ranks->plugin = fs_copy_text(rank->plugin);
    ranks->nested = rank->nested;
    fs_place_of(evaluation->table, rank->use->site, &ranks->site);
    free(ranks->site.stack); /* Python's own import, mostly, and many lines of it */
    ranks->site.stack = NULL;
    ranks->ending = (enum fs_mpi_ending)rank->use->ending;
    ranks->exception = fs_copy_text(rank->use->exception);
    fs_place_of(evaluation->table, rank->use->raised, &ranks->raised);
    free(ranks->raised.stack);
    ranks->raised.stack = NULL;
    ranks->count = 0;
    ranks->t_init = ranks->t_finalize = ranks->init_ns = ranks->finalize_ns = FS_UNKNOWN;
}

static void add_caller(const struct fs_evaluation *evaluation, const struct rank *rank,
                       unsigned kind, struct fs_mpi_ranks *ranks) {
    const struct fs_mpi_stranger *stranger = &rank->use->stranger[kind];
    const bool thread = kind == FSP_MPI_THREAD;
    size_t i = 0;

    if (!stranger->count) return;
    while (i < ranks->caller_count && ranks->callers[i].thread != thread)
        i++;
    if (i == FS_MPI_CALLERS_MAX) return;
    struct fs_mpi_caller *caller = &ranks->callers[i];
    if (i == ranks->caller_count) {
        ranks->caller_count++;
        *caller = (struct fs_mpi_caller){.thread = thread, .rank = FS_UNKNOWN, .t = FS_UNKNOWN};
    }
    caller->count += stranger->count;
    if (caller->pid || !stranger->function) return;
    caller->pid = stranger->pid;
    caller->tid = stranger->tid;
    caller->rank = rank->use->size ? rank->use->rank : FS_UNKNOWN;
    caller->t = fs_job_time(evaluation, stranger->t);
    caller->function = fs_copy_text(stranger->function);
    fs_place_of(evaluation->table, stranger->site, &caller->place);
    fs_place_of(evaluation->table, stranger->created, &caller->created);
}

static int add_rank(const struct fs_evaluation *evaluation, const struct rank *rank,
                    struct fs_mpi_ranks *ranks) {
    const struct fs_mpi_use *use = rank->use;
    const int64_t init = init_ns(evaluation, rank), finalize = finalize_ns(evaluation, rank);

    if (ranks->count < 4) ranks->examples[ranks->count] = use->pid;
    ranks->count++;
    ranks->others += use->others;
    ranks->calls_seen &= use->calls_seen;
    ranks->t_init = earlier(ranks->t_init, fs_job_time(evaluation, use->t_init));
    ranks->t_finalize = earlier(ranks->t_finalize, fs_job_time(evaluation, use->t_finalize));
    ranks->looked += use->looks > 0;
    ranks->waiting += use->looks > 0 && use->looks_in_mpi == use->looks;
    if (use->looks > ranks->looks) ranks->looks = use->looks;
    if (!ranks->waits_in && use->looks_in_mpi == use->looks)
        ranks->waits_in = fs_copy_text(use->waits_in);
    if (init > ranks->init_ns) ranks->init_ns = init;
    if (finalize > ranks->finalize_ns) ranks->finalize_ns = finalize;
    for (unsigned i = 0; i < FSP_MPI_STRANGER_COUNT; i++) {
        if (use->stranger[i].count && !ranks->callers)
            ranks->callers = calloc(FS_MPI_CALLERS_MAX, sizeof *ranks->callers);
        if (use->stranger[i].count && !ranks->callers) return -1;
        add_caller(evaluation, rank, i, ranks);
    }
    return 0;
}

/* --- numbers as text --- */

static int compare(const void *a, const void *b) {
    const int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* "0-3,7"; sorts numbers. Ranges that do not fit become "...". NULL: none, or no memory. */
static char *ranges_of(int *numbers, size_t count) {
    char text[RANKS_TEXT + 4] = "", range[32];
    size_t length = 0;

    if (count) qsort(numbers, count, sizeof *numbers, compare);
    for (size_t i = 0, last; i < count; i = last + 1) {
        for (last = i; last + 1 < count && numbers[last + 1] <= numbers[last] + 1; last++)
            continue;
        const int size = numbers[last] == numbers[i]
                             ? snprintf(range, sizeof range, "%d", numbers[i])
                             : snprintf(range, sizeof range, "%d-%d", numbers[i], numbers[last]);
        if (length + (size_t)size + 5 > RANKS_TEXT) {
            memcpy(text + length, ",...", sizeof ",...");
            break;
        }
        length += (size_t)sprintf(text + length, "%s%s", i ? "," : "", range);
    }
    return count ? strdup(text) : NULL;
}

static int write_ranks(const struct rank *list, size_t count, struct fs_digest *digest) {
    int *numbers = calloc(count + 1, sizeof *numbers);

    if (!numbers) return -1;
    for (size_t kind = 0; kind < digest->mpi_count; kind++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (list[i].kind == kind && list[i].use->size) numbers[n++] = list[i].use->rank;
        digest->mpi[kind].ranks = ranges_of(numbers, n);
        n = 0;
        for (size_t i = 0; i < count; i++)
            if (list[i].kind == kind && list[i].launcher) numbers[n++] = list[i].launcher_rank;
        digest->mpi[kind].launcher_ranks = ranges_of(numbers, n);
    }
    free(numbers);
    return 0;
}

/* The kind of rank number i: of one before it that is alike, or a new one. */
static size_t kind_of(const struct fs_evaluation *evaluation, const struct rank *list, size_t i,
                      struct fs_digest *digest) {
    for (size_t j = 0; j < i; j++)
        if (list[j].kind < digest->mpi_count && alike(&list[j], &list[i])) return list[j].kind;
    if (digest->mpi_count == FS_MPI_RANKS_MAX) return FS_MPI_RANKS_MAX;
    begin_kind(evaluation, &list[i], &digest->mpi[digest->mpi_count]);
    return digest->mpi_count++;
}

static int compare_ranks(const void *a, const void *b) {
    const struct rank *x = a, *y = b;

    if (x->use->rank != y->use->rank) return x->use->rank < y->use->rank ? -1 : 1;
    if (x->launcher_rank != y->launcher_rank) return x->launcher_rank < y->launcher_rank ? -1 : 1;
    return (x->use->pid > y->use->pid) - (x->use->pid < y->use->pid);
}

static int fill(const struct fs_evaluation *evaluation, struct rank *list, size_t count,
                struct fs_digest *digest) {
    digest->mpi = calloc(FS_MPI_RANKS_MAX, sizeof *digest->mpi);
    if (!digest->mpi) return -1;
    qsort(list, count, sizeof *list, compare_ranks);
    for (size_t i = 0; i < count; i++) {
        list[i].kind = kind_of(evaluation, list, i, digest);
        if (list[i].kind == FS_MPI_RANKS_MAX)
            digest->mpi_more++;
        else if (add_rank(evaluation, &list[i], &digest->mpi[list[i].kind]) != 0)
            return -1;
    }
    return write_ranks(list, count, digest);
}

/* What a program has loaded that was looked at from outside. */
static bool all_objects_read(const struct fs_table *table) {
    for (const struct fs_image *image = table->images; image; image = image->next)
        if (image->role == FS_ROLE_PROGRAM && !image->objects_read) return false;
    return true;
}

int fs_evaluate_mpi(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    size_t count = 0, found = 0;

    digest->mpi_more = digest->mpi_silent = 0;
    for (const struct fs_image *image = evaluation->table->images; image; image = image->next)
        count += image->mpi != NULL;
    for (const struct fs_image *image = evaluation->table->images; image; image = image->next)
        if ((image->libraries & FSP_LIBRARY_MPI) && !image->mpi &&
            (image->shim || evaluation->outside) && image->role == FS_ROLE_PROGRAM)
            digest->mpi_silent++;
    if (evaluation->outside && digest->mpi_silent == 0 && !all_objects_read(evaluation->table))
        digest->mpi_silent = FS_UNKNOWN;
    if (!count) return 0;
    struct rank *list = calloc(count, sizeof *list);
    if (!list) return -1;
    for (const struct fs_image *image = evaluation->table->images; image; image = image->next)
        if (image->mpi) look_at(evaluation, image, &list[found++]);
    const int result = fill(evaluation, list, count, digest);
    free(list);
    return result;
}
