/* recover.c - see recover.h. */
#include "tracer/recover.h"

#include "tracer/clock.h"
#include "tracer/collector.h"
#include "tracer/door.h"
#include "tracer/mask.h"
#include "tracer/rendezvous.h"
#include "tracer/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static bool has_digest(const struct fs_jobdir *job) {
    char path[PATH_MAX + 300];

    snprintf(path, sizeof path, "%s/%s.digest", job->path, job->node);
    return access(path, R_OK) == 0;
}

static void start_task(void *context, int pid, int ppid, int64_t t) {
    struct fs_collector *collector = context;

    if (pid != collector->meta.main_pid || !collector->task_count)
        fs_collector_task_started(collector, pid, ppid, t, NULL);
}

static void start_tasks(struct fs_collector *collector, const char *folder) {
    const struct fs_meta *meta = &collector->meta;

    collector->table.run_pid = meta->collector;
    fs_door_list(folder, start_task, collector);
    if (collector->task_count > 0 || meta->main_pid <= 0) return;
    fs_table_add_root(&collector->table, meta->main_pid, meta->collector, meta->start);
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
    if (fs_sampler_open(&collector->sampler, &collector->table, "") != 0) return -1;
    start_tasks(collector, folder);
    const int result = fs_fold_open(&collector->fold, &collector->table, folder);
    collector->fold.read_only = true;
    return result;
}

/* The interim digest in a job directory, as a list of one; NULL: none that can be used. */
static struct fs_digest *read_earlier(const struct fs_jobdir *job) {
    char path[PATH_MAX + 300], error[FS_ERROR_SIZE];
    struct fs_digest *list = NULL;
    size_t count = 0;

    snprintf(path, sizeof path, "%s/%s.digest", job->path, job->node);
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
    struct fs_digest *earlier = read_earlier(job);
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

static bool is_at_work(const struct fs_meta *meta) {
    return is_this_boot(meta) && meta->pid_namespace == fs_pid_namespace() &&
           fs_start_ticks(meta->collector) == meta->collector_start;
}

enum { COLLECTOR_MS = 10000 };

/* The launcher may have returned before a collector that nobody waits for has written: one
 * that has no task any more is about to. */
static void wait_for_collector(const struct fs_meta *meta, const char *name) {
    const int64_t deadline = fs_now() + (int64_t)COLLECTOR_MS * FS_MILLISECOND;
    const struct timespec step = {.tv_nsec = 10 * FS_MILLISECOND};

    if (strcmp(name, FS_META_NAME) == 0 || !meta->folder || meta->finished || !is_at_work(meta))
        return;
    if (fs_door_is_open(meta->folder)) {
        fs_door_await(meta->folder, COLLECTOR_MS);
        return;
    }
    while (is_at_work(meta) && fs_now() < deadline)
        nanosleep(&step, NULL);
}

/* Whether its collector has finished by now. */
static bool has_finished(const struct fs_jobdir *job) {
    char reason[FS_ERROR_SIZE];
    struct fs_meta meta;

    if (fs_meta_read_file(job->path, job->meta, &meta, reason, sizeof reason) != 0) return false;
    const bool finished = meta.finished;
    fs_meta_free(&meta);
    return finished;
}

struct recovery {
    const char *directory;
    char *error;
    size_t error_size;
    int result;
};

static int recover_record(struct recovery *recovery, struct fs_jobdir *job, struct fs_meta *meta) {
    char folder[PATH_MAX];
    /* Several hosts may run in one kernel, and segment folders of one name be on many. Who lives
     * in another PID namespace cannot be told. */
    const bool here = meta->host && strcmp(meta->host, job->host) == 0 &&
                      meta->pid_namespace == fs_pid_namespace();

    if (here && is_this_boot(meta) && find_folder(meta, folder, sizeof folder))
        return fold_and_write(job, meta, folder, recovery->error, recovery->error_size);
    if (has_digest(job)) return 0;
    snprintf(recovery->error, recovery->error_size,
             "%s: its collector %s and its segments are not on this node (recorded on %s%s)",
             recovery->directory, here ? "was killed" : "is at work or was killed",
             meta->host ? meta->host : "?", here ? ", before its last start" : "");
    return errno = ENODATA, -1;
}

/* The record of one meta file. */
static int recover_node(void *context, const char *name) {
    struct recovery *recovery = context;
    const size_t length = strlen(name), ending = sizeof FS_META_NODE - 1;
    char host[256] = "";
    struct fs_jobdir job = {0};
    struct fs_meta meta;

    if (fs_meta_read_file(recovery->directory, name, &meta, recovery->error,
                          recovery->error_size) != 0) {
        recovery->result = -1;
        return 0;
    }
    wait_for_collector(&meta, name);
    gethostname(host, sizeof host - 1);
    fs_safe_name(host, job.host, sizeof job.host);
    snprintf(job.path, sizeof job.path, "%s", recovery->directory);
    snprintf(job.meta, sizeof job.meta, "%s", name);
    if (strcmp(name, FS_META_NAME) == 0)
        fs_safe_name(meta.host ? meta.host : host, job.node, sizeof job.node);
    else
        snprintf(job.node, sizeof job.node, "%.*s", (int)(length - ending), name);
    if (!meta.finished && meta.collector > 0 && !is_at_work(&meta) && !has_finished(&job) &&
        recover_record(recovery, &job, &meta) != 0)
        recovery->result = -1;
    fs_meta_free(&meta);
    return 0;
}

int fs_recover(const char *directory, char *error, size_t error_size) {
    struct recovery recovery = {.directory = directory, .error = error, .error_size = error_size};

    fs_meta_each(directory, recover_node, &recovery);
    return recovery.result;
}

int fs_recover_here(const char *directory, char *error, size_t error_size) {
    struct recovery recovery = {.directory = directory, .error = error, .error_size = error_size};
    char host[256] = "", safe[256], node[280], name[300], path[PATH_MAX + 300];

    gethostname(host, sizeof host - 1);
    fs_safe_name(host, safe, sizeof safe);
    recover_node(&recovery, FS_META_NAME);
    recovery.result = 0;
    for (int number = 1;; number++) {
        fs_jobdir_node_name(safe, number, node, sizeof node);
        snprintf(name, sizeof name, "%s" FS_META_NODE, node);
        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (access(path, F_OK) != 0) return recovery.result;
        recover_node(&recovery, name);
    }
}

void fs_recover_in(const char *place, const char *directory) {
    char error[FS_ERROR_SIZE];
    const int lock = fs_lock_any(&place, error, sizeof error);

    fs_recover_here(directory, error, sizeof error);
    fs_unlock(lock, place);
}
