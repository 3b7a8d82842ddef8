/* recover.c - see recover.h. */
#include "tracer/recover.h"

#include "tracer/clock.h"
#include "tracer/collector.h"
#include "tracer/mask.h"
#include "tracer/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder under either of its names (see keep_limit() in collector.c). */
static bool find_folder(const struct fs_meta *meta, char *folder, size_t size) {
    if (!meta->folder) return false;
    snprintf(folder, size, "%s", meta->folder);
    if (access(folder, R_OK | X_OK) == 0) return true;
    snprintf(folder, size, "%s.full", meta->folder);
    return access(folder, R_OK | X_OK) == 0;
}

static bool is_this_boot(const struct fs_meta *meta) {
    char boot_id[64];

    fs_boot_id(boot_id, sizeof boot_id);
    return meta->boot_id && boot_id[0] && strcmp(meta->boot_id, boot_id) == 0;
}

static bool has_digest(const struct fs_meta *meta, const char *directory) {
    char path[PATH_MAX + 300];

    snprintf(path, sizeof path, "%s/%s.digest", directory, meta->host);
    return access(path, R_OK) == 0;
}

static void start_main(struct fs_collector *collector) {
    struct fs_meta *meta = &collector->meta;
    struct fs_record *record;

    collector->table.main_pid = meta->main_pid;
    collector->table.run_pid = meta->collector;
    if (meta->main_pid <= 0 || !(record = fs_table_add(&collector->table, meta->main_pid))) return;
    record->birth = FS_BIRTH_RUN;
    record->ppid = meta->collector;
    record->t_fork = record->t_seen = meta->start;
}

/* Which processes of the record live, and what the others did last: two looks, for a
 * process is only known to be gone when its segment was read before. */
static int fold_all(struct fs_collector *collector) {
    fs_collector_look(collector, fs_now());
    fs_collector_look(collector, fs_now());
    return fs_collector_alive(collector);
}

static int open_collector(struct fs_collector *collector, struct fs_jobdir *job,
                          struct fs_meta *meta, const char *folder) {
    *collector = (struct fs_collector){.job = job,
                                       .fold.directory = -1,
                                       .recovered = true,
                                       .limit_bytes = INT64_MAX,
                                       .oom_kills = FS_UNKNOWN,
                                       .shm_size = FS_UNKNOWN,
                                       .shm_free_min = FS_UNKNOWN,
                                       .pss_peak = FS_UNKNOWN};
    collector->meta = *meta;
    *meta = (struct fs_meta){0};
    fs_table_init(&collector->table);
    collector->cohorts.table = &collector->table;
    fs_teams_open(&collector->teams, &collector->table, NULL);
    if (fs_topology_discover(&collector->topology) != 0) collector->topology = NULL;
    collector->mask_start = hwloc_bitmap_alloc();
    const char *mask = collector->meta.mask_start;
    if (!mask || !collector->mask_start ||
        fs_mask_parse(collector->mask_start, mask, strlen(mask)) != 0 ||
        hwloc_bitmap_iszero(collector->mask_start)) {
        hwloc_bitmap_free(collector->mask_start);
        collector->mask_start = NULL;
    }
    if (fs_sampler_open(&collector->sampler, &collector->table) != 0) return -1;
    start_main(collector);
    const int result = fs_fold_open(&collector->fold, &collector->table, folder);
    collector->fold.read_only = true;
    return result;
}

/* The interim digest in a job directory, as a list of one; NULL: none that can be used. */
static struct fs_digest *read_earlier(const struct fs_meta *meta, const char *directory) {
    char path[PATH_MAX + 300], error[FS_ERROR_SIZE];
    struct fs_digest *list = NULL;
    size_t count = 0;

    snprintf(path, sizeof path, "%s/%s.digest", directory, meta->host);
    FILE *in = fopen(path, "re");
    if (!in) return NULL;
    if (fs_digest_read(in, &list, &count, error, sizeof error) != 0) list = NULL;
    fclose(in);
    if (!list || count == 1) return list;
    fs_digest_list_free(list, count);
    return NULL;
}

static int fold_and_write(struct fs_jobdir *job, struct fs_meta *meta, const char *folder,
                          char *error, size_t error_size) {
    struct fs_collector collector;
    char **command = meta->command;
    const size_t command_count = meta->command_count;
    struct fs_digest *earlier = read_earlier(meta, job->path);
    int result = open_collector(&collector, job, meta, folder);

    collector.earlier = earlier;

    if (result != 0) {
        snprintf(error, error_size, "cannot read the segments in %s: %s", folder, strerror(errno));
    } else {
        const bool living = fold_all(&collector) > 0;
        result = living ? fs_collector_save(&collector)
                        : fs_collector_finish(&collector, NULL, error, error_size);
        if (living && result != 0)
            snprintf(error, error_size, "cannot write the record into %s: %s", job->path,
                     strerror(errno));
        if (!living && result == 0) {
            snprintf(job->folder, sizeof job->folder, "%s", folder);
            fs_folder_remove(job);
        }
    }
    fs_collector_close(&collector);
    if (earlier) fs_digest_list_free(earlier, 1);
    for (size_t i = 0; i < command_count; i++)
        free(command[i]);
    free(command);
    return result;
}

int fs_recover(const char *directory, char *error, size_t error_size) {
    char folder[PATH_MAX], host[256] = "";
    struct fs_jobdir job = {0};
    struct fs_meta meta;

    if (fs_meta_read(directory, &meta, error, error_size) != 0) return -1;
    if (meta.finished ||
        (is_this_boot(&meta) && fs_start_ticks(meta.collector) == meta.collector_start)) {
        fs_meta_free(&meta);
        return 0;
    }
    gethostname(host, sizeof host - 1);
    fs_safe_name(host, job.host, sizeof job.host);
    snprintf(job.path, sizeof job.path, "%s", directory);
    int result = 0;
    if (is_this_boot(&meta) && find_folder(&meta, folder, sizeof folder)) {
        result = fold_and_write(&job, &meta, folder, error, error_size);
    } else if (!has_digest(&meta, directory)) {
        snprintf(
            error, error_size,
            "%s: its collector was killed and its segments are not on this node (recorded on %s%s)",
            directory, meta.host ? meta.host : "?",
            meta.host && strcmp(meta.host, job.host) == 0 ? ", before its last start" : "");
        errno = ENODATA;
        result = -1;
    }
    fs_meta_free(&meta);
    return result;
}
