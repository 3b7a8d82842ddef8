/* random_streams.c - see random_streams.h. */
#include "tracer/random_streams.h"

#include "tracer/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SOURCES_MAX = 65536, ATTEMPTS_MAX = 8, LOOKS = 16 };

static struct fs_random_source *source_of(struct fs_table *table, struct fs_random_id id) {
    struct fs_random_source *source = NULL;

    HASH_FIND(hh, table->random_sources, &id, sizeof id, source);
    if (source || HASH_COUNT(table->random_sources) >= (unsigned)SOURCES_MAX) return source;
    source = calloc(1, sizeof *source);
    if (!source) return NULL;
    source->id = id;
    HASH_ADD(hh, table->random_sources, id, sizeof source->id, source);
    return source;
}

static void fold_sight(struct fs_random_sight *sight, const struct fsp_random_view *view,
                       uint64_t t) {
    if (!view->seen) return;
    *sight = (struct fs_random_sight){
        .seen = true, .view.position = view->position, .t = t ? (int64_t)t : FS_UNKNOWN};
    memcpy(sight->view.word, view->word, sizeof sight->view.word);
}

void fs_random_fold(struct fs_table *table, uint64_t image, struct fs_record *record,
                    const struct fsp_process *slot) {
    record->random = slot->random;
    if (slot->random != FSP_RANDOM_READ || !slot->random_at) return;
    if (!record->heir) {
        struct fs_random_source *source =
            source_of(table, (struct fs_random_id){.image = image, .key = slot->random_key});
        struct fs_random_heir *heir = source ? calloc(1, sizeof *heir) : NULL;
        if (!heir) {
            table->lost++;
            return;
        }
        *heir = (struct fs_random_heir){
            .source = source, .at = slot->random_at, .t_same = (int64_t)slot->t_fork};
        source->children++;
        record->heir = heir;
    }
    fold_sight(&record->heir->exit, &slot->random_exit, slot->t_exit);
    fold_sight(&record->heir->kill, &slot->random_kill, 0);
}

/* --- states --- */

bool fs_random_parse(const void *bytes, size_t size, struct fs_random_id id,
                     struct fs_twister *state) {
    struct fsp_random_state file;

    if (size != sizeof file) return false;
    memcpy(&file, bytes, sizeof file);
    if (file.head.magic != FSP_RANDOM_MAGIC || file.head.image != id.image ||
        file.head.key != id.key || file.head.position > FSP_RANDOM_WORDS)
        return false;
    memcpy(state->word, file.word, sizeof state->word);
    state->position = (int)file.head.position;
    return true;
}

static void load(struct fs_random_source *source, int directory) {
    unsigned char bytes[sizeof(struct fsp_random_state) + 1];
    char name[64];
    struct stat status;

    snprintf(name, sizeof name, "%llu-%llu" FSP_SUFFIX_RANDOM, (unsigned long long)source->id.key,
             (unsigned long long)source->id.image);
    const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    const bool plain = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    const ssize_t size = plain ? read(fd, bytes, sizeof bytes) : -1;
    close(fd);
    struct fs_twister *state = size > 0 ? malloc(sizeof *state) : NULL;
    if (state && fs_random_parse(bytes, (size_t)size, source->id, state))
        source->state = state;
    else
        free(state);
}

void fs_random_load(struct fs_table *table, int directory) {
    struct fs_random_source *source, *next;

    HASH_ITER(hh, table->random_sources, source, next) {
        if (source->children < 2 || source->state || source->attempts++ >= ATTEMPTS_MAX) continue;
        load(source, directory);
    }
}

/* --- samples --- */

static bool read_view(int pid, uint64_t at, struct fs_twister_view *view) {
    static const unsigned viewed[] = FSP_RANDOM_VIEWED;
    uint32_t words[FS_TWISTER_VIEWED + 1];
    struct iovec here = {words, sizeof words}, there[FS_TWISTER_VIEWED + 1];

    for (unsigned i = 0; i <= FS_TWISTER_VIEWED; i++) {
        const unsigned word = i < FS_TWISTER_VIEWED ? viewed[i] : FSP_RANDOM_WORDS;
        there[i] = (struct iovec){(void *)(uintptr_t)(at + word * sizeof *words), sizeof *words};
    }
    if (process_vm_readv(pid, &here, 1, there, FS_TWISTER_VIEWED + 1, 0) != (ssize_t)sizeof words)
        return false;
    memcpy(view->word, words, sizeof view->word);
    view->position =
        words[FS_TWISTER_VIEWED] <= FSP_RANDOM_WORDS ? (int)words[FS_TWISTER_VIEWED] : FS_UNKNOWN;
    return true;
}

/* A program that was exec'd has something else at that address. */
bool fs_random_left(const struct fs_record *record) {
    return record->stage_count > 1 || (record->t_exec != FS_UNKNOWN && record->exec_errno == 0);
}

/*
 * A view of one state, not of two: numpy makes all words anew in place, at position 624, and puts
 * the position back when they are there. Words that are the same in two looks, with another
 * position in the first, are whole. At 624 only the state that was inherited is known to be.
 */
static bool read_whole_view(int pid, uint64_t at, const struct fs_twister_view *inherited,
                            struct fs_twister_view *view) {
    struct fs_twister_view next;

    if (!read_view(pid, at, &next)) return false;
    for (int look = 0; look < LOOKS; look++) {
        *view = next;
        if (!read_view(pid, at, &next)) return false;
        if (memcmp(view->word, next.word, sizeof next.word) == 0 &&
            (view->position != FSP_RANDOM_WORDS || memcmp(view, inherited, sizeof *view) == 0))
            return true;
    }
    return false;
}

void fs_random_sample(struct fs_record *record, int64_t now) {
    struct fs_random_heir *heir = record->heir;
    struct fs_twister_view view, inherited;
    const int64_t begun = fs_now();

    if (!heir || !heir->source->state || heir->changed.seen || fs_random_left(record)) return;
    inherited = fs_twister_view(heir->source->state);
    if (!read_whole_view(record->pid, heir->at, &inherited, &view)) return;
    if (memcmp(&view, &inherited, sizeof view) == 0)
        heir->t_same = now;
    else
        heir->changed =
            (struct fs_random_sight){.seen = true, .view = view, .t = now + fs_now() - begun};
}

void fs_random_free(struct fs_table *table) {
    struct fs_random_source *source, *next;

    HASH_ITER(hh, table->random_sources, source, next) {
        HASH_DEL(table->random_sources, source);
        free(source->state);
        free(source);
    }
}
