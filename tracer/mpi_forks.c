/* mpi_forks.c - see mpi_forks.h. */
#include "tracer/mpi_forks.h"

#include "tracer/clock.h"
#include "tracer/evaluation.h"
#include "tracer/fork_sites.h"
#include "tracer/mpi.h"
#include "tracer/place_tally.h"
#include "tracer/rdma.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <stdlib.h>
#include <string.h>

/* As for fork sites: who execs within this time was made for that. */
static const int64_t exec_window = FS_SECOND;
enum { RANKS_COUNTED = 1024 };

struct tally {
    struct fs_place_tally place;
    struct fs_site_key registrar;
    bool python;
    uint32_t libraries;
    int pid, rank, size;
    int children, execs, blocked, unknown, registered, registrations;
    int64_t huge_bytes;
    struct fs_variable variables[FS_MPI_FORK_VARIABLES_MAX]; /* interned texts */
    size_t variable_count;
    int *makers; /* pids */
    size_t maker_count;
};

/* --- one child --- */

/* MPI in the parent, if it was in use at the birth and the parent itself had begun it. */
static const struct fs_mpi_use *use_of(const struct fs_record *record) {
    const struct fs_record *parent = record->parent;
    const struct fs_mpi_use *use = parent ? fs_mpi_of(parent) : NULL;
    const int64_t birth = fs_record_begin(record);

    if (!use || use->t_ready == FS_UNKNOWN || birth < use->t_ready) return NULL;
    return use->t_finalize == FS_UNKNOWN || birth < use->t_finalize ? use : NULL;
}

/* The parent goes on only when such a child has another program, or is over. */
static bool blocks_parent(const struct fs_record *record) {
    return record->birth == FSP_BIRTH_VFORK || record->birth == FSP_BIRTH_SPAWN ||
           record->birth == FS_BIRTH_SYSTEM || record->birth == FS_BIRTH_POPEN ||
           (record->birth == FS_BIRTH_INSIDE_LIBC && fs_tried_exec(record));
}

/* --- tallies --- */

/* What libraries read when MPI begins: later changes reach nobody. */
static void take_variables(const struct fs_table *table, const struct fs_record *parent,
                           const struct fs_mpi_use *use, struct tally *tally) {
    struct fs_variable *list = NULL;
    const size_t count = fs_variables_at(table, parent, use->t_init, &list);

    for (size_t i = 0; i < count && tally->variable_count < FS_MPI_FORK_VARIABLES_MAX; i++) {
        const struct fsp_recorded_variable *known =
            fs_variable_find(list[i].name, strlen(list[i].name));
        if (known && known->what == FSP_VARIABLE_FORK && list[i].value)
            tally->variables[tally->variable_count++] = list[i];
    }
    free(list);
}

static struct tally *tally_of(struct fs_table *table, struct fs_place_tally **tallies,
                              const struct fs_record *record, const struct fs_image *image,
                              const struct fs_mpi_use *use) {
    bool fresh;
    struct tally *tally = (struct tally *)fs_place_tally_of(
        table, tallies, record, image->executable, sizeof *tally, &fresh);

    if (!tally || !fresh) return tally;
    tally->python = image->python;
    tally->huge_bytes = FS_UNKNOWN;
    take_variables(table, record->parent, use, tally);
    return tally;
}

static void add_maker(struct fs_table *table, struct tally *tally, int pid) {
    for (size_t i = tally->maker_count; i-- > 0;)
        if (tally->makers[i] == pid) return;
    if (tally->maker_count == RANKS_COUNTED) return;
    int *makers = fs_table_grow(table, tally->makers, tally->maker_count, sizeof *makers);
    if (!makers) return;
    tally->makers = makers;
    makers[tally->maker_count++] = pid;
}

static void add_verbs(const struct fs_record *record, const struct fs_image *image,
                      struct tally *tally) {
    const int64_t birth = fs_record_begin(record);

    if (image->registrations == 0 || image->fork_inits > 0) return;
    tally->registered +=
        !blocks_parent(record) && image->t_registered != FS_UNKNOWN && image->t_registered <= birth;
    if (image->registrations <= tally->registrations) return;
    tally->registrations = image->registrations;
    tally->registrar = (struct fs_site_key){.image = image->key, .key = image->registration_site};
}

static void add_child(struct fs_table *table, struct fs_place_tally **tallies,
                      const struct fs_record *record, bool decided) {
    const struct fs_mpi_use *use = use_of(record);
    const struct fs_stage *stage =
        use ? fs_record_stage_at(record->parent, fs_record_begin(record)) : NULL;
    const struct fs_image *image = stage ? stage->image : NULL;

    if (!image || image->mpi != use) return;
    struct tally *tally = tally_of(table, tallies, record, image, use);
    if (!tally) return;
    if (tally->children == 0 || use->rank < tally->rank) {
        tally->pid = use->pid;
        tally->rank = use->rank;
    }
    if (use->size > tally->size) tally->size = use->size;
    if (record->parent->huge_bytes > tally->huge_bytes)
        tally->huge_bytes = record->parent->huge_bytes;
    tally->libraries |= image->libraries;
    tally->children++;
    if (blocks_parent(record) || fs_tried_exec(record))
        tally->execs++;
    else if (!decided)
        tally->unknown++;
    tally->blocked += blocks_parent(record);
    add_verbs(record, image, tally);
    add_maker(table, tally, use->pid);
}

void fs_mpi_fork_tally_add(struct fs_table *table, struct fs_place_tally **tallies,
                           const struct fs_record *record) {
    add_child(table, tallies, record, true);
}

void fs_mpi_fork_tally_free(struct fs_place_tally **tallies) {
    for (struct fs_place_tally *tally = *tallies; tally; tally = tally->hh.next)
        free(((struct tally *)tally)->makers);
    fs_place_tallies_free(tallies);
}

size_t fs_mpi_fork_places(struct fs_table *table, struct fs_site **places, size_t count,
                          size_t room) {
    for (struct fs_place_tally *tally = table->mpi_forks; tally; tally = tally->hh.next)
        count = fs_fork_place_add(table, tally->site, places, count, room);
    for (const struct fs_record *record = table->first; record; record = record->next)
        if (use_of(record))
            count = fs_fork_place_add(table, record->birth_site, places, count, room);
    for (const struct fs_image *image = table->images; image; image = image->next)
        for (unsigned i = 0; image->mpi && i < FSP_MPI_STRANGER_COUNT; i++) {
            count = fs_fork_place_add(table, image->mpi->stranger[i].site, places, count, room);
            count = fs_fork_place_add(table, image->mpi->stranger[i].created, places, count, room);
        }
    return count;
}

/* --- the digest --- */

/* Without memory some are missing, or their makers. */
static int copy_tallies(const struct fs_place_tally *from, struct fs_place_tally **to) {
    int result = fs_place_tallies_copy(from, sizeof(struct tally), to);

    for (struct fs_place_tally *next = *to; next; next = next->hh.next) {
        struct tally *tally = (struct tally *)next;
        const int *makers = tally->makers;
        tally->makers = malloc((tally->maker_count + 1) * sizeof *tally->makers);
        if (!tally->makers) {
            tally->maker_count = 0;
            result = -1;
        }
        for (size_t i = 0; i < tally->maker_count; i++)
            tally->makers[i] = makers[i];
    }
    return result;
}

/* Those that went on in a child's copy of the program first. */
static int by_weight(const struct fs_place_tally *left, const struct fs_place_tally *right) {
    const struct tally *a = (const struct tally *)left, *b = (const struct tally *)right;
    const int x = a->children - a->execs, y = b->children - b->execs;

    if (!x != !y) return x ? -1 : 1;
    if (a->children != b->children) return a->children > b->children ? -1 : 1;
    return a->pid - b->pid;
}

static void fill(const struct fs_table *table, const struct tally *tally,
                 struct fs_mpi_fork *fork) {
    const struct fs_site *site = fs_table_site(table, tally->place.site);

    *fork = (struct fs_mpi_fork){
        .executable = fs_copy_text(tally->place.key.executable),
        .python = tally->python,
        .pid = tally->pid,
        .rank = tally->rank,
        .size = tally->size > 0 ? tally->size : FS_UNKNOWN,
        .ranks = (int)tally->maker_count,
        .frames = site && !site->stack ? fs_copy_text(site->frames) : NULL,
        .children = tally->children,
        .execs = tally->execs,
        .blocked = tally->blocked,
        .unknown = tally->unknown,
        .libraries = tally->libraries,
        .registered = tally->registered,
        .registrations = tally->registrations,
        .huge_bytes = tally->huge_bytes,
        .variables = fs_copy_variables(tally->variables, tally->variable_count),
    };
    fork->variable_count = fork->variables ? tally->variable_count : 0;
    fs_place_of(table, tally->place.site, &fork->place);
    if (tally->registrations > 0) fs_place_of(table, tally->registrar, &fork->registrar);
}

int fs_evaluate_mpi_forks(const struct fs_evaluation *evaluation, bool live,
                          struct fs_digest *digest) {
    struct fs_table *table = evaluation->table;
    struct fs_place_tally *tallies = NULL;
    int result = copy_tallies(table->mpi_forks, &tallies);
    bool registered = false;

    for (const struct fs_record *record = table->first; record; record = record->next)
        add_child(table, &tallies, record,
                  record->over || record->zombie ||
                      evaluation->t_closed - fs_record_begin(record) > exec_window);
    HASH_SORT(tallies, by_weight);
    digest->mpi_forks_more = 0;
    digest->mpi_forks = calloc(FS_MPI_FORKS_MAX, sizeof *digest->mpi_forks);
    if (!digest->mpi_forks) result = -1;
    for (struct fs_place_tally *next = tallies; next && result == 0; next = next->hh.next) {
        const struct tally *tally = (const struct tally *)next;
        registered |= tally->registered > 0;
        if (digest->mpi_fork_count == FS_MPI_FORKS_MAX)
            digest->mpi_forks_more++;
        else
            fill(table, tally, &digest->mpi_forks[digest->mpi_fork_count++]);
    }
    if (live && registered) digest->copies_on_fork = fs_rdma_copies_on_fork();
    fs_mpi_fork_tally_free(&tallies);
    return result;
}
