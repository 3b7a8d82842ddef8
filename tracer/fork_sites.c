/* fork_sites.c - see fork_sites.h. */
#include "tracer/fork_sites.h"

#include "tracer/clock.h"
#include "tracer/evaluation.h"
#include "tracer/place_tally.h"
#include "tracer/text.h"

#include <stdlib.h>
#include <string.h>

/* A child that starts another program within this time was made for that. */
static const int64_t exec_window = FS_SECOND;

/* Threads of one fork, or of all forks of a tally, that one place started. */
struct owner {
    const char *library;
    struct fs_site_key started;
    bool main, python;
    int threads, by_forker;   /* at one fork */
    int forks, foreign_forks; /* of a tally */
};

struct owners {
    struct owner list[FS_FORK_OWNERS_MAX];
    size_t count;
    int more; /* threads that are in none */
};

struct tally {
    struct fs_place_tally place;
    uint32_t libraries;
    int pid, forks, execs, unknown, threaded, threads_peak;
    struct owners owners;
};

/* --- one fork --- */

/* A launcher's forks are its own business: its threads and locks are made for them. */
static bool is_by_launcher(const struct fs_record *record) {
    const struct fs_record *parent = record->parent;
    const struct fs_stage *stage =
        parent && parent->stage_count ? fs_record_stage_at(parent, fs_record_begin(record)) : NULL;

    return stage && stage->image && stage->image->role == FS_ROLE_LAUNCHER;
}

static bool is_fork_of_job(const struct fs_record *record) {
    return fs_is_fork(record) && !is_by_launcher(record);
}

bool fs_is_fork(const struct fs_record *record) {
    return record->birth == FSP_BIRTH_FORK || record->birth == FSP_BIRTH__FORK ||
           record->birth == FSP_BIRTH_CLONE || record->birth == FSP_BIRTH_ATFORK ||
           record->birth == FSP_BIRTH_DAEMON || record->birth == FSP_BIRTH_FORKPTY;
}

bool fs_tried_exec(const struct fs_record *record) {
    const int64_t begin = fs_record_begin(record);

    if (record->t_exec != FS_UNKNOWN && record->t_exec - begin <= exec_window) return true;
    for (size_t i = 1; i < record->stage_count; i++)
        if (record->stages[i].t - begin <= exec_window) return true;
    return false;
}

static bool same_place(const struct fs_table *table, struct fs_site_key a, struct fs_site_key b) {
    const struct fs_site *x = fs_table_site(table, a), *y = fs_table_site(table, b);

    if (!x || !y) return x == y;
    if (x->file || y->file) return x->file == y->file && x->line == y->line;
    return x->module == y->module && x->offset == y->offset;
}

/* The element of owners that is like `owner`, or a new one; NULL: no room. */
static struct owner *find_owner(const struct fs_table *table, struct owners *owners,
                                const struct owner *like) {
    for (size_t i = 0; i < owners->count; i++) {
        struct owner *known = &owners->list[i];
        if (known->library == like->library && known->main == like->main &&
            same_place(table, known->started, like->started))
            return known;
    }
    if (owners->count == FS_FORK_OWNERS_MAX) return NULL;
    struct owner *added = &owners->list[owners->count++];
    *added = (struct owner){.library = like->library,
                            .started = like->started,
                            .main = like->main,
                            .python = like->python};
    return added;
}

/* The interpreter is the program itself or a shared object that it was linked with. */
static bool is_interpreter(const struct fs_image *image, const char *library) {
    return image && image->python && library &&
           (library == image->executable || strstr(library, "/libpython3"));
}

static void owners_of(const struct fs_table *table, const struct fs_image *image,
                      const struct fs_record *record, struct owners *owners) {
    int known = record->beside_main;

    *owners = (struct owners){0};
    if (record->beside_main) find_owner(table, owners, &(struct owner){.main = true})->threads = 1;
    for (size_t i = 0; i < record->beside_count; i++) {
        const struct fs_beside *beside = &record->beside[i];
        const struct fs_site *routine = fs_table_site(table, beside->routine);
        struct owner like = {.library = routine ? routine->module : NULL,
                             .started = beside->created};
        like.python = is_interpreter(image, like.library);
        struct owner *owner = find_owner(table, owners, &like);
        if (!owner) continue;
        owner->threads += beside->threads;
        owner->by_forker += beside->by_forker;
        known += beside->threads;
    }
    owners->more = record->beside_threads > known ? record->beside_threads - known : 0;
}

/* --- tallies --- */

static struct tally *tally_of(struct fs_table *table, struct fs_place_tally **tallies,
                              const struct fs_record *record, const struct fs_image *image) {
    bool fresh;
    struct tally *tally = (struct tally *)fs_place_tally_of(
        table, tallies, record, image ? image->executable : NULL, sizeof *tally, &fresh);

    if (tally && fresh) tally->pid = record->ppid;
    return tally;
}

static void add_owners(const struct fs_table *table, struct tally *tally,
                       const struct owners *owners) {
    int more = owners->more;

    for (size_t i = 0; i < owners->count; i++) {
        const struct owner *owner = &owners->list[i];
        struct owner *known = find_owner(table, &tally->owners, owner);
        if (!known) {
            more += owner->threads;
            continue;
        }
        known->forks++;
        known->foreign_forks += owner->by_forker == 0;
        if (owner->threads > known->threads) known->threads = owner->threads;
    }
    if (more > tally->owners.more) tally->owners.more = more;
}

static void add_fork(struct fs_table *table, struct fs_place_tally **tallies,
                     const struct fs_record *record, bool decided) {
    const struct fs_image *image = record->stage_count ? record->stages[0].image : NULL;
    struct tally *tally = tally_of(table, tallies, record, image);
    struct owners owners;

    if (!tally) return;
    tally->forks++;
    if (image) tally->libraries |= image->libraries;
    if (fs_tried_exec(record)) {
        tally->execs++;
    } else if (!record->beside_known || !decided) {
        tally->unknown++;
    } else if (record->beside_threads > 0) {
        tally->threaded++;
        if (record->beside_threads > tally->threads_peak)
            tally->threads_peak = record->beside_threads;
        owners_of(table, image, record, &owners);
        add_owners(table, tally, &owners);
    }
}

void fs_fork_tally_add(struct fs_table *table, struct fs_place_tally **tallies,
                       const struct fs_record *record) {
    if (is_fork_of_job(record)) add_fork(table, tallies, record, true);
}

size_t fs_fork_place_add(struct fs_table *table, struct fs_site_key id, struct fs_site **places,
                         size_t count, size_t room) {
    struct fs_site *site = fs_table_site_of(table, id);

    if (!site || site->file || site->kind != FSP_SITE_CALL || !site->module ||
        site->module[0] != '/' || count == room)
        return count;
    for (size_t i = 0; i < count; i++)
        if (places[i] == site) return count;
    places[count] = site;
    return count + 1;
}

size_t fs_fork_tally_places(struct fs_table *table, struct fs_site **places, size_t room) {
    size_t count = 0;

    for (struct fs_place_tally *next = table->forks; next; next = next->hh.next) {
        const struct tally *tally = (const struct tally *)next;
        if (tally->threaded == 0) continue;
        count = fs_fork_place_add(table, tally->place.site, places, count, room);
        for (size_t i = 0; i < tally->owners.count; i++)
            count = fs_fork_place_add(table, tally->owners.list[i].started, places, count, room);
    }
    for (const struct fs_record *record = table->first; record; record = record->next) {
        if (!fs_is_fork(record) || record->beside_threads == 0 || fs_tried_exec(record)) continue;
        count = fs_fork_place_add(table, record->birth_site, places, count, room);
        for (size_t i = 0; i < record->beside_count; i++)
            count = fs_fork_place_add(table, record->beside[i].created, places, count, room);
    }
    return count;
}

/* --- the digest --- */

static int by_weight(const struct fs_place_tally *left, const struct fs_place_tally *right) {
    const struct tally *a = (const struct tally *)left, *b = (const struct tally *)right;

    if (!a->threaded != !b->threaded) return a->threaded ? -1 : 1;
    if (a->forks != b->forks) return a->forks > b->forks ? -1 : 1;
    return a->pid - b->pid;
}

static int fill_site(const struct fs_table *table, const struct tally *tally,
                     struct fs_fork_site *site) {
    *site = (struct fs_fork_site){
        .executable = fs_copy_text(tally->place.key.executable),
        .pid = tally->pid,
        .libraries = tally->libraries,
        .forks = tally->forks,
        .execs = tally->execs,
        .unknown = tally->unknown,
        .threaded = tally->threaded,
        .threads_peak = tally->threads_peak,
        .threads_more = tally->owners.more,
    };
    fs_place_of(table, tally->place.site, &site->place);
    const struct fs_site *known = fs_table_site(table, tally->place.site);
    site->frames = known ? fs_copy_text(known->frames) : NULL;
    site->owners = calloc(tally->owners.count + 1, sizeof *site->owners);
    if (!site->owners) return -1;
    for (size_t i = 0; i < tally->owners.count; i++) {
        const struct owner *owner = &tally->owners.list[i];
        struct fs_fork_owner *filled = &site->owners[site->owner_count++];
        *filled = (struct fs_fork_owner){.library = fs_copy_text(owner->library),
                                         .main = owner->main,
                                         .python = owner->python,
                                         .threads = owner->threads,
                                         .forks = owner->forks,
                                         .foreign_forks = owner->foreign_forks};
        fs_place_of(table, owner->started, &filled->started);
    }
    return 0;
}

int fs_evaluate_fork_sites(const struct fs_evaluation *evaluation, struct fs_digest *digest) {
    struct fs_table *table = evaluation->table;
    struct fs_place_tally *tallies = NULL;
    int result = fs_place_tallies_copy(table->forks, sizeof(struct tally), &tallies);

    for (const struct fs_record *record = table->first; record; record = record->next) {
        const bool decided = record->over || record->zombie ||
                             evaluation->t_closed - fs_record_begin(record) > exec_window;
        if (is_fork_of_job(record)) add_fork(table, &tallies, record, decided);
    }
    HASH_SORT(tallies, by_weight);
    digest->fork_sites_more = 0;
    digest->fork_stacks_lost = evaluation->fold ? evaluation->fold->lost_snapshots : FS_UNKNOWN;
    digest->fork_sites = calloc(FS_FORK_SITES_MAX, sizeof *digest->fork_sites);
    if (!digest->fork_sites) result = -1;
    for (struct fs_place_tally *tally = tallies; tally && result == 0; tally = tally->hh.next) {
        if (digest->fork_site_count == FS_FORK_SITES_MAX)
            digest->fork_sites_more++;
        else
            result = fill_site(table, (const struct tally *)tally,
                               &digest->fork_sites[digest->fork_site_count++]);
    }
    fs_place_tallies_free(&tallies);
    return result;
}
