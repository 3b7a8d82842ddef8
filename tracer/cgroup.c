/*
 * cgroup.c - reads limits and counters of control groups. Where the groups' directories
 * are is found in cgroup_find.c.
 */
#include "tracer/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/cgroup_find.h"
#include "tracer/mask.h"
#include "tracer/text.h"

enum { FILE_SIZE = 16 * 1024, PATH_SIZE = 4096 };

/* --- files of a group --- */

/* The text of DIRECTORY/NAME into buffer (size bytes); its length, -1: cannot be read. */
static ssize_t read_text(const char *directory, size_t length, const char *name, char *buffer,
                         size_t size) {
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%.*s/%s", (int)length, directory, name);
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return -1;
    const ssize_t got = read(file, buffer, size - 1);
    close(file);
    if (got < 0) return -1;
    buffer[got] = '\0';
    return got;
}

/* A non-negative number at text; FS_UNKNOWN: "max", negative, or none. */
static int64_t number_at(const char *text) {
    if (*text < '0' || *text > '9') return FS_UNKNOWN;
    errno = 0;
    const long long number = strtoll(text, NULL, 10);
    return errno ? INT64_MAX : number;
}

static int64_t read_number(const char *directory, size_t length, const char *name) {
    char text[64];
    return read_text(directory, length, name, text, sizeof text) < 0 ? FS_UNKNOWN : number_at(text);
}

/* The number behind `key` in a text of "KEY NUMBER" lines. */
static int64_t keyed_number(const char *text, const char *key) {
    const size_t length = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return number_at(line + length + 1);
    }
    return FS_UNKNOWN;
}

static int64_t read_keyed(const char *directory, size_t length, const char *name, const char *key) {
    char text[FILE_SIZE];
    if (read_text(directory, length, name, text, sizeof text) < 0) return FS_UNKNOWN;
    return keyed_number(text, key);
}

/* --- from a group to its ancestors --- */

/* Length of the next directory to look at: the group itself first (length 0 to begin with),
 * then its parent ... up to the mount point; 0: done. */
static size_t next_level(const struct fs_cgroup_place *place, size_t length) {
    if (!place->directory) return 0;
    if (length == 0) return strlen(place->directory);
    if (length <= place->mount_length) return 0;
    while (length > place->mount_length && place->directory[length - 1] != '/')
        length--;
    while (length > place->mount_length && place->directory[length - 1] == '/')
        length--;
    return length >= place->mount_length ? length : 0;
}

/* The least limit over the levels; *level gets the length of its directory's name (of the own
 * group if there is no limit). FS_UNKNOWN: no limit. *seen: some level has such a file. */
static int64_t least_limit(const struct fs_cgroup_place *place, const char *name, size_t *level,
                           bool *seen) {
    int64_t least = FS_UNKNOWN;
    *level = next_level(place, 0);
    *seen = false;
    for (size_t length = 0; (length = next_level(place, length));) {
        char text[64];
        if (read_text(place->directory, length, name, text, sizeof text) < 0) continue;
        const int64_t limit = number_at(text);
        *seen = true;
        if (limit == FS_UNKNOWN || (least != FS_UNKNOWN && limit >= least)) continue;
        least = limit;
        *level = length;
    }
    return least;
}

/* The directory's path as this system would call it; NULL: none, or no memory. */
static char *path_of(const struct fs_cgroups *groups, const struct fs_cgroup_place *place,
                     size_t level) {
    if (!place->directory) return NULL;
    const size_t root = strlen(groups->root);
    return strndup(place->directory + root, level - root);
}

/* --- cpu --- */

/* CPUs that one level grants; INFINITY: no limit; NAN: it has no such file. */
static double quota_of(const struct fs_cgroup_place *place, size_t level) {
    char text[64];
    int64_t quota, period;
    if (place->version == 2) {
        if (read_text(place->directory, level, "cpu.max", text, sizeof text) < 0) return NAN;
        const char *second = strchr(text, ' ');
        quota = number_at(text);
        period = second ? number_at(second + 1) : FS_UNKNOWN;
    } else {
        if (read_text(place->directory, level, "cpu.cfs_quota_us", text, sizeof text) < 0)
            return NAN;
        quota = number_at(text);
        period = read_number(place->directory, level, "cpu.cfs_period_us");
    }
    return quota > 0 && period > 0 ? (double)quota / (double)period : INFINITY;
}

static void read_cpu(const struct fs_cgroups *groups, struct fs_cgroup_snapshot *snapshot) {
    const struct fs_cgroup_place *place = &groups->place[FS_CGROUP_CPU];
    size_t level = next_level(place, 0);
    if (!level) return;
    /* A group without the file cannot limit; but of one that we do not see nothing is known. */
    double least = place->own ? INFINITY : NAN;
    for (size_t length = 0; (length = next_level(place, length));) {
        const double quota = quota_of(place, length);
        if (isnan(quota) || quota >= least) continue;
        least = quota;
        level = length;
    }
    snapshot->quota_version = place->version;
    snapshot->quota_cpus = least;
    snapshot->quota_path = path_of(groups, place, level);

    char text[FILE_SIZE];
    if (read_text(place->directory, level, "cpu.stat", text, sizeof text) < 0) return;
    const int64_t microseconds = keyed_number(text, "throttled_usec");
    snapshot->periods = keyed_number(text, "nr_periods");
    snapshot->throttled = keyed_number(text, "nr_throttled");
    if (microseconds >= 0 && microseconds < INT64_MAX / 1000)
        snapshot->throttled_ns = microseconds * 1000;
    else
        snapshot->throttled_ns = keyed_number(text, "throttled_time");
}

/* --- cpuset --- */

static int read_cpuset(const struct fs_cgroups *groups, struct fs_cgroup_snapshot *snapshot) {
    static const char *const names[] = {"cpuset.cpus.effective", "cpuset.effective_cpus",
                                        "cpuset.cpus"};
    const struct fs_cgroup_place *place = &groups->place[FS_CGROUP_CPUSET];
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    if (!mask) return -1;
    for (size_t length = 0; (length = next_level(place, length));)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            char text[FILE_SIZE];
            const ssize_t got = read_text(place->directory, length, names[i], text, sizeof text);
            /* An empty list means: as the parent. */
            if (got <= 0 || fs_mask_parse(mask, text, (size_t)got) || hwloc_bitmap_iszero(mask))
                continue;
            snapshot->cpuset = mask;
            return 0;
        }
    hwloc_bitmap_free(mask);
    return 0;
}

/* --- memory and pids --- */

static void read_memory(const struct fs_cgroups *groups, struct fs_cgroup_snapshot *snapshot) {
    const struct fs_cgroup_place *place = &groups->place[FS_CGROUP_MEMORY];
    const bool two = place->version == 2;
    enum { PAGE = 4096 };
    size_t level;
    bool seen;
    snapshot->memory_version = place->version;
    snapshot->memory_limit =
        least_limit(place, two ? "memory.max" : "memory.limit_in_bytes", &level, &seen);
    /* Version 1 writes "no limit" as the largest number of pages. */
    if (snapshot->memory_limit > INT64_MAX - 16 * PAGE) snapshot->memory_limit = FS_UNKNOWN;
    if (!level) return;
    snapshot->memory_path = path_of(groups, place, level);
    snapshot->memory_peak =
        read_number(place->directory, level, two ? "memory.peak" : "memory.max_usage_in_bytes");
    snapshot->memory_now =
        read_number(place->directory, level, two ? "memory.current" : "memory.usage_in_bytes");
    snapshot->oom_kills = fs_cgroups_oom_kills(groups);
}

int64_t fs_cgroups_oom_kills(const struct fs_cgroups *groups) {
    const struct fs_cgroup_place *place = &groups->place[FS_CGROUP_MEMORY];
    if (!place->directory || !place->own) return FS_UNKNOWN;
    return read_keyed(place->directory, strlen(place->directory),
                      place->version == 2 ? "memory.events" : "memory.oom_control", "oom_kill");
}

static void read_pids(const struct fs_cgroups *groups, struct fs_cgroup_snapshot *snapshot) {
    const struct fs_cgroup_place *place = &groups->place[FS_CGROUP_PIDS];
    size_t level;
    bool seen;
    snapshot->pids_max = least_limit(place, "pids.max", &level, &seen);
    if (!level) return;
    snapshot->pids_peak = read_number(place->directory, level, "pids.peak");
    snapshot->pids_now = read_number(place->directory, level, "pids.current");
    snapshot->refused_limit = read_keyed(place->directory, level, "pids.events", "max");
    if (place->own)
        snapshot->refused_own =
            read_keyed(place->directory, strlen(place->directory), "pids.events", "max");
}

/* --- snapshots --- */

int fs_cgroups_read(const struct fs_cgroups *groups, struct fs_cgroup_snapshot *snapshot) {
    *snapshot = (struct fs_cgroup_snapshot){
        .quota_cpus = NAN,
        .periods = FS_UNKNOWN,
        .throttled = FS_UNKNOWN,
        .throttled_ns = FS_UNKNOWN,
        .memory_limit = FS_UNKNOWN,
        .memory_peak = FS_UNKNOWN,
        .memory_now = FS_UNKNOWN,
        .oom_kills = FS_UNKNOWN,
        .pids_max = FS_UNKNOWN,
        .pids_peak = FS_UNKNOWN,
        .pids_now = FS_UNKNOWN,
        .refused_own = FS_UNKNOWN,
        .refused_limit = FS_UNKNOWN,
    };
    read_cpu(groups, snapshot);
    read_memory(groups, snapshot);
    read_pids(groups, snapshot);
    return read_cpuset(groups, snapshot);
}

void fs_cgroup_snapshot_free(struct fs_cgroup_snapshot *snapshot) {
    hwloc_bitmap_free(snapshot->cpuset);
    free(snapshot->quota_path);
    free(snapshot->memory_path);
    snapshot->cpuset = NULL;
    snapshot->quota_path = snapshot->memory_path = NULL;
}

static int64_t difference(int64_t start, int64_t end) {
    return start < 0 || end < start ? FS_UNKNOWN : end - start;
}

static int copy_path(char **into, const char *path) {
    free(*into);
    *into = fs_copy_text(path);
    return path && !*into ? -1 : 0;
}

int fs_cgroup_difference(const struct fs_cgroup_snapshot *start,
                         const struct fs_cgroup_snapshot *end, struct fs_digest *digest) {
    struct fs_quota *quota = &digest->quota;
    const bool same_quota =
        start->quota_path && end->quota_path && strcmp(start->quota_path, end->quota_path) == 0;
    quota->version = end->quota_version;
    quota->cpus = end->quota_cpus;
    quota->periods = same_quota ? difference(start->periods, end->periods) : FS_UNKNOWN;
    quota->throttled = same_quota ? difference(start->throttled, end->throttled) : FS_UNKNOWN;
    quota->throttled_ns =
        same_quota ? difference(start->throttled_ns, end->throttled_ns) : FS_UNKNOWN;

    struct fs_memory *memory = &digest->memory;
    memory->version = end->memory_version;
    memory->limit = end->memory_limit;
    memory->peak = end->memory_peak;
    memory->oom_kills = difference(start->oom_kills, end->oom_kills);

    /* Kernels differ in whether the group that forked or the one that limits counts. */
    const int64_t own = difference(start->refused_own, end->refused_own);
    const int64_t limit = difference(start->refused_limit, end->refused_limit);
    digest->pids = (struct fs_pids){
        .max = end->pids_max, .peak = end->pids_peak, .refused = own > limit ? own : limit};
    if (copy_path(&quota->path, end->quota_path)) return -1;
    return copy_path(&memory->path, end->memory_path);
}
