/* mpi.c - from the header of a segment to what an image did with MPI. */
#include "tracer/mpi.h"

#include "tracer/segment_check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD_MAX = 1 << 28 };

static int64_t time_of(uint64_t t) {
    return t && t <= FS_LONGEST_NS ? (int64_t)t : FS_UNKNOWN;
}

static int level_of(uint8_t level) {
    return level <= FSP_MPI_LEVEL_MAX ? level : FS_UNKNOWN;
}

static int counted(uint32_t count) {
    return count <= FS_PID_MAX ? (int)count : FS_PID_MAX;
}

/* Text of another process: printable, or it is none. */
static const char *text_of(struct fs_table *table, const char *text, size_t size) {
    const size_t length = strnlen(text, size);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) return NULL;
    return length && length < size ? fs_intern(&table->interned, text, size) : NULL;
}

static void fold_stranger(struct fs_table *table, uint64_t image, const struct fsp_mpi_caller *from,
                          struct fs_mpi_stranger *to) {
    to->count = counted(from->count);
    if (!to->count || from->known != 1 || to->function || !fs_is_pid(from->pid) ||
        !fs_is_pid(from->tid))
        return;
    to->pid = from->pid;
    to->tid = from->tid;
    to->t = time_of(from->t);
    to->function = text_of(table, from->function, sizeof from->function);
    to->site = (struct fs_site_key){.image = image, .key = from->site};
    to->created = (struct fs_site_key){.image = image, .key = from->created};
}

void fs_mpi_fold(struct fs_table *table, struct fs_image *image, const struct fsp_header *header) {
    const struct fsp_mpi *mpi = &header->mpi;
    const uint64_t key = header->image;

    if (!fs_is_pid(mpi->pid) || mpi->t_init == 0) return;
    if (!image->mpi) image->mpi = calloc(1, sizeof *image->mpi);
    if (!image->mpi) {
        table->lost++;
        return;
    }
    struct fs_mpi_use *use = image->mpi;
    const bool told =
        mpi->size > 0 && mpi->size <= WORLD_MAX && mpi->rank >= 0 && mpi->rank < mpi->size;
    use->pid = mpi->pid;
    use->tid = fs_is_pid(mpi->tid) ? mpi->tid : 0;
    use->t_init = time_of(mpi->t_init);
    use->t_ready = time_of(mpi->t_ready);
    use->t_finalize = time_of(mpi->t_finalize);
    use->t_finalized = time_of(mpi->t_finalized);
    use->t_abort = time_of(mpi->t_abort);
    use->result = mpi->result;
    use->rank = told ? mpi->rank : 0;
    use->size = told ? mpi->size : 0;
    use->abort_code = mpi->abort_code;
    use->asked = level_of(mpi->asked);
    use->provided = level_of(mpi->provided);
    use->others = counted(mpi->others);
    use->library = mpi->library < FSP_MPI_LIBRARY_COUNT ? mpi->library : FSP_MPI_OTHER;
    use->calls_seen = mpi->calls_seen == 1;
    if (!use->version) use->version = text_of(table, mpi->version, sizeof mpi->version);
    use->site = (struct fs_site_key){.image = key, .key = mpi->site};
    use->object = (struct fs_site_key){.image = key, .key = mpi->object};
    use->finalize_site = (struct fs_site_key){.image = key, .key = mpi->finalize_site};
    if (mpi->ending < FSP_MPI_ENDING_COUNT) use->ending = mpi->ending;
    if (use->ending == FSP_MPI_ENDING_EXCEPTION && !use->exception) {
        use->exception = text_of(table, mpi->exception, sizeof mpi->exception);
        use->raised = (struct fs_site_key){.image = key, .key = mpi->raised};
    }
    for (unsigned i = 0; i < FSP_MPI_STRANGER_COUNT; i++)
        fold_stranger(table, key, &mpi->caller[i], &use->stranger[i]);
}

const struct fs_mpi_use *fs_mpi_of(const struct fs_record *record) {
    for (size_t i = record->stage_count; i-- > 0;) {
        const struct fs_image *image = record->stages[i].image;
        if (image && image->mpi && image->mpi->pid == record->pid) return image->mpi;
    }
    return NULL;
}
