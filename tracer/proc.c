/*
 * proc.c - the handle on /proc, process lists and the small text files that are
 * read at every sample: stat, schedstat, status. What describes an image (its
 * path, argv, environment, maps) is in proc_image.c.
 */
#include "tracer/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/mask.h"
#include "tracer/proc_handle.h"

struct fs_proc *fs_proc_open(const char *root) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/proc", root) >= sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    struct fs_proc *proc = calloc(1, sizeof *proc);
    if (!proc) return NULL;
    proc->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc->directory < 0) {
        const int error = errno;
        free(proc);
        errno = error;
        return NULL;
    }
    return proc;
}

void fs_proc_close(struct fs_proc *proc) {
    if (!proc) return;
    close(proc->directory);
    free(proc->numbers);
    free(proc->family);
    free(proc->large);
    free(proc);
}

long fs_proc_ticks(void) {
    static long ticks;
    if (ticks <= 0) ticks = sysconf(_SC_CLK_TCK);
    return ticks > 0 ? ticks : 100;
}

/* --- reading files --- */

int fs_proc_open_file(struct fs_proc *proc, int pid, int tid, const char *name) {
    char path[96];
    if (pid == 0)
        snprintf(path, sizeof path, "%s", name);
    else if (tid == 0)
        snprintf(path, sizeof path, "%d/%s", pid, name);
    else
        snprintf(path, sizeof path, "%d/task/%d/%s", pid, tid, name);
    return openat(proc->directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

ssize_t fs_proc_read_all(int file, char *buffer, size_t size) {
    size_t length = 0;
    while (length < size - 1) {
        const ssize_t got = read(file, buffer + length, size - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        length += (size_t)got;
    }
    buffer[length] = '\0';
    return (ssize_t)length;
}

static ssize_t read_file(struct fs_proc *proc, int pid, int tid, const char *name, char *buffer,
                         size_t size) {
    const int file = fs_proc_open_file(proc, pid, tid, name);
    if (file < 0) return -1;
    const ssize_t length = fs_proc_read_all(file, buffer, size);
    const int error = errno;
    close(file);
    errno = error;
    return length;
}

ssize_t fs_proc_text(struct fs_proc *proc, int pid, const char *name, char *buffer, size_t size) {
    return read_file(proc, pid, 0, name, buffer, size);
}

/* --- lists --- */

static bool parse_pid(const char *name, int *pid) {
    long number = 0;
    const char *at = name;
    for (; *at >= '0' && *at <= '9' && number <= INT_MAX; at++)
        number = number * 10 + (*at - '0');
    if (at == name || *at || number <= 0 || number > INT_MAX) return false;
    *pid = (int)number;
    return true;
}

static int add_number(struct fs_proc *proc, size_t count, int number) {
    if (count == proc->number_room) {
        const size_t room = proc->number_room ? 2 * proc->number_room : 256;
        int *larger = realloc(proc->numbers, room * sizeof *larger);
        if (!larger) return -1;
        proc->numbers = larger;
        proc->number_room = room;
    }
    proc->numbers[count] = number;
    return 0;
}

static int compare_numbers(const void *a, const void *b) {
    const int *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* The kernel lists them in their order; a file system with a captured /proc need not. */
static void sort_numbers(int *numbers, size_t count) {
    size_t i = 1;
    while (i < count && numbers[i - 1] <= numbers[i])
        i++;
    if (i < count) qsort(numbers, count, sizeof *numbers, compare_numbers);
}

/* The entries of an open directory whose names are numbers; takes the descriptor. */
static int list_numbers(struct fs_proc *proc, int file, const int **numbers, size_t *count) {
    DIR *directory = file < 0 ? NULL : fdopendir(file);
    if (!directory) {
        const int error = errno;
        if (file >= 0) close(file);
        errno = error;
        return -1;
    }
    size_t found = 0;
    int number, result = 0;
    for (const struct dirent *entry; !result && (entry = readdir(directory));)
        if (parse_pid(entry->d_name, &number)) result = add_number(proc, found++, number);
    closedir(directory);
    if (result) return -1;
    sort_numbers(proc->numbers, found);
    *numbers = proc->numbers;
    *count = found;
    return 0;
}

int fs_proc_pids(struct fs_proc *proc, const int **pids, size_t *count) {
    const int file = openat(proc->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return list_numbers(proc, file, pids, count);
}

int fs_proc_tids(struct fs_proc *proc, int pid, const int **tids, size_t *count) {
    char path[32];
    snprintf(path, sizeof path, "%d/task", pid);
    const int file = openat(proc->directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list_numbers(proc, file, tids, count)) return -1;
    if (*count > 0) return 0;
    errno = ESRCH; /* it died while its folder was open */
    return -1;
}

static int compare_parents(const void *a, const void *b) {
    const struct fs_proc_stat *one = a, *other = b;
    if (one->ppid != other->ppid) return one->ppid > other->ppid ? 1 : -1;
    return (one->pid > other->pid) - (one->pid < other->pid);
}

/* All processes' stat into proc->family, in the order of their parents; -1: no memory. */
static int read_everyone(struct fs_proc *proc, size_t *count) {
    const int *pids;
    size_t pid_count;
    if (fs_proc_pids(proc, &pids, &pid_count)) return -1;
    /* Twice the room: the second half becomes the list that the caller gets. */
    if (2 * pid_count > proc->family_room) {
        struct fs_proc_stat *larger = realloc(proc->family, 2 * pid_count * sizeof *larger);
        if (!larger) return -1;
        proc->family = larger;
        proc->family_room = 2 * pid_count;
    }
    *count = 0;
    for (size_t i = 0; i < pid_count; i++)
        if (fs_proc_stat(proc, pids[i], &proc->family[*count]) == 0) ++*count;
    qsort(proc->family, *count, sizeof *proc->family, compare_parents);
    return 0;
}

/* Moves the children of parent from everyone (sorted by parent) to the end of the list; a moved
 * one keeps its place with pid 0, so nobody is taken twice. */
static size_t take_children(struct fs_proc_stat *everyone, size_t count, int parent,
                            struct fs_proc_stat *list, size_t length) {
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (everyone[middle].ppid < parent)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && everyone[low].ppid == parent; low++) {
        if (everyone[low].pid == 0) continue;
        list[length++] = everyone[low];
        everyone[low].pid = 0;
    }
    return length;
}

int fs_proc_descendants(struct fs_proc *proc, const int *roots, size_t root_count,
                        const struct fs_proc_stat **list, size_t *count) {
    size_t all = 0, length = 0;
    if (read_everyone(proc, &all)) return -1;
    struct fs_proc_stat *found = proc->family + all;
    for (size_t i = 0; i < all; i++) {
        bool root = false;
        for (size_t r = 0; r < root_count && !root; r++)
            root = roots[r] == proc->family[i].pid;
        if (!root) continue;
        found[length++] = proc->family[i];
        proc->family[i].pid = 0;
    }
    for (size_t next = 0; next < length; next++)
        length = take_children(proc->family, all, found[next].pid, found, length);
    *list = found;
    *count = length;
    return 0;
}

/* --- stat, schedstat, status --- */

/* The number at *at (blanks before it are skipped), which moves behind it. */
static bool take_unsigned(const char **at, uint64_t *number) {
    while (**at == ' ' || **at == '\t')
        ++*at;
    const char *start = *at;
    for (*number = 0; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(*number, 10u, number) ||
            __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
            return false;
    return *at > start;
}

static bool take_signed(const char **at, int64_t *number) {
    while (**at == ' ' || **at == '\t')
        ++*at;
    const bool negative = **at == '-';
    uint64_t magnitude;
    *at += negative;
    if (!take_unsigned(at, &magnitude)) return false;
    if (negative)
        *number = magnitude <= INT64_MAX ? -(int64_t)magnitude : INT64_MIN;
    else /* "no limit" fields hold the largest unsigned number */
        *number = magnitude <= INT64_MAX ? (int64_t)magnitude : INT64_MAX;
    return true;
}

static int bad_text(void) {
    errno = EBADMSG;
    return -1;
}

/* Fields of stat behind the state, by their position in proc(5) less 4. */
enum {
    STAT_PPID = 0,
    STAT_PGID = 1,
    STAT_SID = 2,
    STAT_TTY = 3,
    STAT_UTIME = 10,
    STAT_STIME = 11,
    STAT_CHILD_UTIME = 12,
    STAT_CHILD_STIME = 13,
    STAT_THREADS = 16,
    STAT_START = 18,
    STAT_RSS = 20,
    STAT_PROCESSOR = 35,
    STAT_FIELDS = 36,
    STAT_NEEDED = STAT_RSS + 1, /* captured and very old ones may end earlier */
};

/* More CPU time than this nobody has used; what a captured system says can be anything, and must
 * not overflow in nanoseconds. */
static const int64_t ticks_most = INT64_MAX / 4 / 10000000;
static const uint64_t run_most = INT64_MAX / 16;

static bool is_time(int64_t ticks) {
    return ticks >= 0 && ticks <= ticks_most;
}

static int parse_stat(const char *text, size_t length, struct fs_proc_stat *out) {
    /* comm may hold blanks and parentheses: the last ")" ends it. */
    const char *open = memchr(text, '(', length), *close = memrchr(text, ')', length);
    const char *at = text;
    int64_t pid, field[STAT_FIELDS];
    if (!open || !close || close < open || close[1] != ' ' || close[2] == '\0') return bad_text();
    if (!take_signed(&at, &pid) || pid <= 0 || pid > INT_MAX) return bad_text();

    int count = 0;
    at = close + 3;
    while (count < STAT_FIELDS && take_signed(&at, &field[count]))
        count++;
    if (count < STAT_NEEDED || !is_time(field[STAT_UTIME]) || !is_time(field[STAT_STIME]))
        return bad_text();

    struct fs_proc_stat stat = {
        .pid = (int)pid,
        .ppid = (int)field[STAT_PPID],
        .pgid = (int)field[STAT_PGID],
        .sid = (int)field[STAT_SID],
        .tty = (int)field[STAT_TTY],
        .state = close[2],
        .utime = (uint64_t)field[STAT_UTIME],
        .stime = (uint64_t)field[STAT_STIME],
        .child_utime = (uint64_t)field[STAT_CHILD_UTIME],
        .child_stime = (uint64_t)field[STAT_CHILD_STIME],
        .starttime = (uint64_t)field[STAT_START],
        .threads = (int)field[STAT_THREADS],
        .processor = count > STAT_PROCESSOR ? (int)field[STAT_PROCESSOR] : FS_PROC_UNKNOWN,
        .rss = field[STAT_RSS],
    };
    const size_t name = (size_t)(close - open) - 1;
    const size_t kept = name < sizeof stat.comm ? name : sizeof stat.comm - 1;
    for (size_t i = 0; i < kept; i++)
        stat.comm[i] = open[1 + i];
    *out = stat;
    return 0;
}

int fs_proc_thread_stat(struct fs_proc *proc, int pid, int tid, struct fs_proc_stat *stat) {
    const ssize_t length = read_file(proc, pid, tid, "stat", proc->small, sizeof proc->small);
    if (length < 0) return -1;
    return parse_stat(proc->small, (size_t)length, stat);
}

int fs_proc_stat(struct fs_proc *proc, int pid, struct fs_proc_stat *stat) {
    return fs_proc_thread_stat(proc, pid, 0, stat);
}

int fs_proc_schedstat(struct fs_proc *proc, int pid, int tid, struct fs_proc_schedstat *out) {
    const ssize_t length = read_file(proc, pid, tid, "schedstat", proc->small, sizeof proc->small);
    if (length < 0) return -1;
    const char *at = proc->small;
    struct fs_proc_schedstat found;
    if (!take_unsigned(&at, &found.run_ns) || !take_unsigned(&at, &found.wait_ns) ||
        !take_unsigned(&at, &found.slices) || found.run_ns > run_most || found.wait_ns > run_most)
        return bad_text();
    /* A kernel that was told not to keep these numbers prints zeros for everybody. */
    if (found.run_ns == 0 && found.wait_ns == 0 && found.slices == 0) {
        errno = ENODATA;
        return -1;
    }
    *out = found;
    return 0;
}

static bool take_hexadecimal(const char *at, uint64_t *number) {
    at += strspn(at, " \t");
    const size_t digits = strspn(at, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 16) return false;
    *number = strtoull(at, NULL, 16);
    return true;
}

/* The value of "KEY:\tvalue" if line begins with key; NULL. */
static const char *value_of(const char *line, const char *key) {
    const size_t length = strlen(key);
    if (strncmp(line, key, length) != 0 || line[length] != ':') return NULL;
    return line + length + 1 + strspn(line + length + 1, " \t");
}

/* Takes over what one line of status says. */
static void take_status_line(const char *line, struct fs_proc_status *out) {
    const char *value;
    int64_t number = FS_PROC_UNKNOWN;
    if ((value = value_of(line, "TracerPid")) && take_signed(&value, &number)) {
        out->tracer = (int)number;
    } else if ((value = value_of(line, "Uid")) && take_signed(&value, &number) &&
               take_signed(&value, &number)) { /* real, then effective */
        out->uid = (int)number;
    } else if ((value = value_of(line, "SigIgn"))) {
        take_hexadecimal(value, &out->signals_ignored);
    } else if ((value = value_of(line, "SigCgt"))) {
        take_hexadecimal(value, &out->signals_caught);
    } else if ((value = value_of(line, "HugetlbPages"))) {
        take_signed(&value, &out->huge_kib);
    } else if ((value = value_of(line, "voluntary_ctxt_switches"))) {
        take_signed(&value, &out->voluntary);
    } else if ((value = value_of(line, "nonvoluntary_ctxt_switches"))) {
        take_signed(&value, &out->involuntary);
    } else if (out->mask && (value = value_of(line, "Cpus_allowed_list"))) {
        fs_mask_parse(out->mask, value, strlen(value));
    }
}

int fs_proc_status(struct fs_proc *proc, int pid, int tid, struct fs_proc_status *out) {
    const ssize_t length = read_file(proc, pid, tid, "status", proc->small, sizeof proc->small);
    if (length < 0) return -1;
    hwloc_bitmap_t mask = out->mask;
    *out = (struct fs_proc_status){
        .mask = mask,
        .uid = FS_PROC_UNKNOWN,
        .voluntary = FS_PROC_UNKNOWN,
        .involuntary = FS_PROC_UNKNOWN,
        .huge_kib = FS_PROC_UNKNOWN,
    };
    if (mask) hwloc_bitmap_zero(mask);
    char *rest = NULL;
    for (char *line = strtok_r(proc->small, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_status_line(line, out);
    return mask && hwloc_bitmap_iszero(mask) ? bad_text() : 0;
}
