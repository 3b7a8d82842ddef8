/* capture.c - see capture.h. */
#include "tracer/capture.h"

#include "tracer/cgroup.h"
#include "tracer/cgroup_find.h"
#include "tracer/clock.h"
#include "tracer/proc_handle.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"
#include "tracer/variables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 8 << 20, GENERATIONS_MAX = 64, MOMENTS = 2 };

static const char *const task_files[] = {"stat", "status", "schedstat"};
static const char *const process_files[] = {"cmdline", "maps", "auxv", "cgroup"};
static const char *const process_links[] = {"exe", "cwd"};
/* Of every moment: its time first. */
static const char *const moment_files[] = {
    "/proc/uptime",
    "/proc/stat",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/random/boot_id",
};
/* What does not change. */
static const char *const machine_files[] = {
    "/sys/devices/system/cpu/{online,possible,present,kernel_max}",
    "/sys/devices/system/cpu/cpu[0-9]*/online",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/{physical_package_id,core_id,die_id}",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/{thread,core}_siblings",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/{core,package,die}_cpus",
    "/sys/devices/system/cpu/cpu[0-9]*/cache/index*/{level,type,size,shared_cpu_map,id}",
    "/sys/devices/system/node/{online,possible,has_cpu,has_memory}",
    "/sys/devices/system/node/node[0-9]*/{cpumap,cpulist,distance,meminfo}",
};
#define COUNT(list) (sizeof(list) / sizeof *(list))

struct capture {
    const char *directory;
    struct fs_proc *proc;
    char *text; /* of the file at hand */
    int moment;
    int reason; /* errno of what could not be written; 0 */
};

/* --- writing --- */

/* Makes the folders above a path. */
static void make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

/* Where the copy of a file of this system goes; false: its name is too long. */
static bool name_copy(struct capture *capture, const char *path, char copy[PATH_MAX]) {
    if (snprintf(copy, PATH_MAX, "%s/%d%s", capture->directory, capture->moment, path) < PATH_MAX)
        return true;
    capture->reason = ENAMETOOLONG;
    return false;
}

static void write_file(struct capture *capture, const char *path, size_t length) {
    char copy[PATH_MAX];

    if (capture->reason || !name_copy(capture, path, copy)) return;
    make_folders(copy);
    const int file = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    size_t done = 0;
    while (file >= 0 && done < length) {
        const ssize_t more = write(file, capture->text + done, length - done);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) break;
        done += (size_t)more;
    }
    if (file < 0 || done < length) capture->reason = errno;
    if (file >= 0) close(file);
}

static void write_link(struct capture *capture, const char *path, const char *target) {
    char copy[PATH_MAX];

    if (capture->reason || !name_copy(capture, path, copy)) return;
    make_folders(copy);
    if (symlink(target, copy) != 0) capture->reason = errno;
}

/* --- reading: what is gone, or not ours to read, is left out --- */

/* The text of a file, all of it; -1. */
static ssize_t read_file(struct capture *capture, const char *path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const ssize_t length = file < 0 ? -1 : fs_proc_read_all(file, capture->text, TEXT_SIZE);

    if (file >= 0) close(file);
    return length < TEXT_SIZE - 1 ? length : -1;
}

static void copy_file(struct capture *capture, const char *path) {
    char copy[PATH_MAX];

    /* Controllers may share a group, and two patterns a file. */
    if (!name_copy(capture, path, copy) || access(copy, F_OK) == 0) return;
    const ssize_t length = read_file(capture, path);
    if (length >= 0) write_file(capture, path, (size_t)length);
}

static void copy_matching(struct capture *capture, const char *pattern) {
    glob_t found = {0};

    if (glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            copy_file(capture, found.gl_pathv[i]);
    globfree(&found);
}

/* --- a process --- */

static bool is_wanted(const char *variable) {
    const size_t length = strcspn(variable, "=");

    return fs_variable_find(variable, length) || fs_variable_meant(variable, length) ||
           fs_scheduler_reads(variable, length);
}

static void copy_environment(struct capture *capture, int pid) {
    char path[64];
    size_t kept = 0;

    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    const ssize_t length = read_file(capture, path);
    if (length < 0) return;
    for (const char *at = capture->text, *end = at + length; at < end;) {
        const size_t size = strlen(at) + 1; /* the text ends with a NUL of its own */
        if (is_wanted(at)) {
            memmove(capture->text + kept, at, size);
            kept += size;
        }
        at += size;
    }
    write_file(capture, path, kept);
}

/* Where control groups are mounted; other file systems are nobody's business. */
static void copy_mounts(struct capture *capture, int pid) {
    char path[64], *rest = capture->text;
    size_t kept = 0;

    snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
    if (read_file(capture, path) < 0) return;
    for (char *line; (line = strsep(&rest, "\n"));) {
        const size_t length = strlen(line);
        if (!strstr(line, " - cgroup")) continue;
        memmove(capture->text + kept, line, length);
        kept += length;
        capture->text[kept++] = '\n';
    }
    write_file(capture, path, kept);
}

static void copy_task(struct capture *capture, const char *folder) {
    char path[PATH_MAX];

    for (size_t i = 0; i < COUNT(task_files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, task_files[i]);
        copy_file(capture, path);
    }
}

static void copy_process(struct capture *capture, int pid) {
    char path[64], target[PATH_MAX];
    const int *tids;
    size_t count;

    snprintf(path, sizeof path, "/proc/%d", pid);
    copy_task(capture, path);
    if (fs_proc_tids(capture->proc, pid, &tids, &count) == 0)
        for (size_t i = 0; i < count; i++) {
            snprintf(path, sizeof path, "/proc/%d/task/%d", pid, tids[i]);
            copy_task(capture, path);
        }
    for (size_t i = 0; i < COUNT(process_files); i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, process_files[i]);
        copy_file(capture, path);
    }
    for (size_t i = 0; i < COUNT(process_links); i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, process_links[i]);
        if (fs_proc_link(capture->proc, pid, process_links[i], target, sizeof target) > 0)
            write_link(capture, path, target);
    }
    copy_environment(capture, pid);
}

/* Who started it, and who that one: by their names it shows where its CPUs come from. */
static void copy_ancestors(struct capture *capture, int pid) {
    struct fs_proc_stat stat;
    char path[64];

    for (int i = 0; i < GENERATIONS_MAX; i++) {
        if (fs_proc_stat(capture->proc, pid, &stat) != 0 || stat.ppid <= 0) return;
        pid = stat.ppid;
        snprintf(path, sizeof path, "/proc/%d", pid);
        copy_task(capture, path);
    }
}

/* --- its control groups --- */

static void copy_group(struct capture *capture, const char *folder) {
    static const char *const names[] = {"cpu.", "cpuset.", "memory.", "pids."};
    DIR *list = opendir(folder);
    char path[PATH_MAX];

    for (const struct dirent *entry; list && (entry = readdir(list));)
        for (size_t i = 0; i < COUNT(names); i++)
            if (fs_begins(entry->d_name, names[i]) &&
                snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
                copy_file(capture, path);
    if (list) closedir(list);
}

/* From the groups of a process up to where they are mounted. */
static void copy_groups(struct capture *capture, int pid) {
    struct fs_cgroups *groups = fs_cgroups_find("", pid);

    copy_mounts(capture, pid);
    for (int i = 0; groups && i < FS_CGROUP_CONTROLLERS; i++) {
        char *folder = groups->place[i].directory;
        while (folder && *folder && strlen(folder) >= groups->place[i].mount_length) {
            copy_group(capture, folder);
            *strrchr(folder, '/') = '\0';
        }
    }
    fs_cgroups_free(groups);
}

/* --- a moment --- */

static int take_moment(struct capture *capture, const int *targets, size_t count,
                       size_t *processes) {
    const struct fs_proc_stat *list;
    char number[16];

    for (size_t i = 0; i < COUNT(moment_files); i++)
        copy_file(capture, moment_files[i]);
    /* Not every kernel has its file. */
    if (gethostname(capture->text, HOST_NAME_MAX) == 0)
        write_file(capture, "/proc/sys/kernel/hostname", strlen(capture->text));
    if (fs_proc_descendants(capture->proc, targets, count, &list, processes) != 0) return -1;
    for (size_t i = 0; i < *processes; i++)
        if (list[i].pid != getpid()) copy_process(capture, list[i].pid);
    for (size_t i = 0; i < count; i++) {
        copy_ancestors(capture, targets[i]);
        copy_groups(capture, targets[i]);
    }
    snprintf(number, sizeof number, "%d", targets[0]);
    write_link(capture, "/proc/self", number); /* hwloc looks there */
    return capture->reason ? (errno = capture->reason, -1) : 0;
}

static int write_targets(const struct capture *capture, const int *targets, size_t count) {
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/targets", capture->directory);
    FILE *file = fopen(path, "wex");
    if (!file) return -1;
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%d\n", targets[i]);
    return fclose(file);
}

static int take_all(struct capture *capture, const int *targets, size_t count, int64_t window_ns,
                    size_t *processes) {
    const int64_t begin = fs_now();
    size_t later;

    capture->moment = 1;
    if (write_targets(capture, targets, count) != 0 ||
        take_moment(capture, targets, count, processes) != 0)
        return -1;
    for (size_t i = 0; i < COUNT(machine_files); i++)
        copy_matching(capture, machine_files[i]);
    const int64_t due = begin + window_ns;
    const struct timespec until = {.tv_sec = due / FS_SECOND, .tv_nsec = due % FS_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
    capture->moment = MOMENTS;
    return take_moment(capture, targets, count, &later);
}

int fs_capture(const char *directory, const int *targets, size_t count, int64_t window_ns,
               size_t *processes, char *error, size_t error_size) {
    struct capture capture = {
        .directory = directory, .proc = fs_proc_open(""), .text = malloc(TEXT_SIZE)};
    int result = -1;

    if (capture.proc && capture.text)
        result = take_all(&capture, targets, count, window_ns, processes);
    const int reason = errno;
    if (result != 0)
        snprintf(error, error_size, "cannot copy into %.200s: %s", directory, strerror(reason));
    fs_proc_close(capture.proc);
    free(capture.text);
    return errno = reason, result;
}
