/* captured.c - see captured.h. */
#include "tracer/captured.h"

#include "tracer/clock.h"
#include "tracer/text.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MOST = 16 << 20,
    STAT_SIZE = 1 << 20,
    LINK_SIZE = 4096,
    BOOT_SIZE = 64,
    CPUS_SIZE = 4096
};
static const double uptime_most = 3e9; /* seconds: a hundred years */

int fs_captured_moment(const char *root, int number, char place[PATH_MAX]) {
    struct stat status;

    if (snprintf(place, PATH_MAX, "%s/%d", root, number) >= PATH_MAX)
        return errno = ENAMETOOLONG, -1;
    return lstat(place, &status);
}

/* --- what a moment says of itself --- */

int fs_captured_time(struct fs_proc *proc, int64_t *ns) {
    char text[64], *end;

    if (fs_proc_text(proc, 0, "uptime", text, sizeof text) < 0) return -1;
    const double seconds = strtod(text, &end);
    if (end == text || !(seconds >= 0) || seconds > uptime_most) return errno = EBADMSG, -1;
    *ns = (int64_t)(seconds * 1e9);
    return 0;
}

int64_t fs_captured_realtime(struct fs_proc *proc, int64_t ns) {
    char *text = malloc(STAT_SIZE);
    unsigned long long boot = 0;

    if (text && fs_proc_text(proc, 0, "stat", text, STAT_SIZE) > 0) {
        const char *line = strstr(text, "\nbtime ");
        if (line) boot = strtoull(line + strlen("\nbtime "), NULL, 10);
    }
    free(text);
    return boot > 0 && boot < INT64_MAX / 2 / FS_SECOND ? (int64_t)boot * FS_SECOND + ns : 0;
}

int fs_captured_text(struct fs_proc *proc, const char *name, char *text, size_t size) {
    const ssize_t length = fs_proc_text(proc, 0, name, text, size);

    text[length > 0 ? strcspn(text, "\n") : 0] = '\0';
    if (*text) return 0;
    if (length >= 0) errno = EBADMSG;
    return -1;
}

/* --- what it is made of --- */

static int refuse(char *error, size_t size, const char *path, const char *why) {
    snprintf(error, size, "%s %s", path, why);
    return errno = EBADMSG, -1;
}

/* A link that climbs no higher than its moment, which is `depth` folders up, before it goes down.
 * When that holds for all links, no chain of them leads out either: each one starts in a folder
 * that is really there. */
static bool stays_inside(const char *target, int depth) {
    bool climbing = true;

    if (*target == '/') return false;
    while (*target) {
        const size_t length = strcspn(target, "/");
        const bool up = fs_text_is(target, length, "..");
        if (up && (!climbing || depth-- == 0)) return false;
        climbing &= up || length == 0 || (length == 1 && *target == '.');
        target += length + (target[length] == '/');
    }
    return true;
}

/* Links that tell a path of the captured system, which nobody follows: /proc/PID/exe and cwd. */
static bool is_only_read(const FTSENT *entry) {
    const FTSENT *pid = entry->fts_parent;

    return entry->fts_level == 3 && strcmp(pid->fts_parent->fts_name, "proc") == 0 &&
           (strcmp(entry->fts_name, "exe") == 0 || strcmp(entry->fts_name, "cwd") == 0);
}

static int check_link(const FTSENT *entry, char *error, size_t size) {
    char target[LINK_SIZE];
    const ssize_t length = readlink(entry->fts_path, target, sizeof target - 1);

    if (length < 0) return refuse(error, size, entry->fts_path, strerror(errno));
    target[length] = '\0';
    if (is_only_read(entry) || (entry->fts_level > 0 && stays_inside(target, entry->fts_level - 1)))
        return 0;
    return refuse(error, size, entry->fts_path, "is a link that leads out of the captured system");
}

static int check_entry(const FTSENT *entry, char *error, size_t size) {
    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return 0;
    case FTS_F:
        if (entry->fts_level == 0)
            return refuse(error, size, entry->fts_path, "is no folder: not a captured moment");
        if (entry->fts_statp->st_size <= FILE_MOST) return 0;
        return refuse(error, size, entry->fts_path, "is larger than any file of /proc or /sys");
    case FTS_SL:
    case FTS_SLNONE:
        return check_link(entry, error, size);
    case FTS_DNR:
    case FTS_NS:
    case FTS_ERR:
        return refuse(error, size, entry->fts_path, strerror(entry->fts_errno));
    default:
        return refuse(error, size, entry->fts_path, "is neither a file nor a folder nor a link");
    }
}

static int check_tree(char *place, char *error, size_t size) {
    char *const paths[] = {place, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    const FTSENT *entry;
    int result = 0;

    if (!walk) return refuse(error, size, place, strerror(errno));
    while (result == 0 && (errno = 0, entry = fts_read(walk)))
        result = check_entry(entry, error, size);
    if (result == 0 && errno) result = refuse(error, size, place, strerror(errno));
    fts_close(walk);
    if (result != 0) errno = EBADMSG;
    return result;
}

struct moment {
    int64_t t;
    char boot[BOOT_SIZE]; /* "": it does not say */
};

static int read_moment(const char *place, struct moment *moment, char *error, size_t size) {
    struct fs_proc *proc = fs_proc_open(place);

    *moment = (struct moment){0};
    if (!proc) {
        snprintf(error, size, "cannot read %s/proc: %s; is it a captured system?", place,
                 strerror(errno));
        return errno = EBADMSG, -1;
    }
    const int told = fs_captured_time(proc, &moment->t);
    fs_captured_text(proc, "sys/kernel/random/boot_id", moment->boot, sizeof moment->boot);
    fs_proc_close(proc);
    return told == 0 ? 0 : refuse(error, size, place, "has no time in proc/uptime");
}

int fs_captured_check(const char *root, char *error, size_t error_size) {
    struct moment last, moment;
    char place[PATH_MAX];

    for (int number = 1; fs_captured_moment(root, number, place) == 0; number++) {
        if (check_tree(place, error, error_size) != 0 ||
            read_moment(place, &moment, error, error_size) != 0)
            return -1;
        if (number > 1 && strcmp(moment.boot, last.boot) != 0)
            return refuse(error, error_size, place, "is of another boot than the moment before it");
        if (number > 1 && moment.t <= last.t)
            return refuse(error, error_size, place, "is not later than the moment before it");
        last = moment;
    }
    if (fs_captured_moment(root, 1, place) == 0) return 0;
    snprintf(error, error_size, "cannot read %s: %s; is %s a captured system?", place,
             strerror(errno), root);
    return errno = ENOENT, -1;
}
