/*
 * cgroup_find.c - from /proc/PID/cgroup (which groups) and /proc/PID/mountinfo (where their
 * hierarchies are mounted) to directories.
 */
#include "tracer/cgroup_find.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/cgroup.h"
#include "tracer/proc.h"
#include "tracer/text.h"

enum { TEXT_SIZE = 1 << 20, MOUNT_FIELDS = 16 };

static const char *const names[FS_CGROUP_CONTROLLERS] = {
    [FS_CGROUP_CPU] = "cpu",
    [FS_CGROUP_CPUSET] = "cpuset",
    [FS_CGROUP_MEMORY] = "memory",
    [FS_CGROUP_PIDS] = "pids",
};

/* Whether word is an element of a list with commas. */
static bool listed(const char *list, const char *word) {
    const size_t length = strlen(word);
    while (*list) {
        const size_t element = strcspn(list, ",");
        if (element == length && strncmp(list, word, length) == 0) return true;
        list += element + (list[element] == ',');
    }
    return false;
}

/* What the kernel writes as \040 and the like becomes the byte again, in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        const bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
                           from[2] <= '7' && from[3] >= '0' && from[3] <= '7';
        if (octal) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* The version of the hierarchy that one line "ID:CONTROLLERS:PATH" names if controller is in it;
 * 0: it is not. Cuts the line; *path gets its last part. */
static int version_in_line(char *line, const char *controller, char **path) {
    char *controllers = strchr(line, ':');
    char *end = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!end) return 0;
    *end = '\0';
    *path = end + 1;
    controllers++;
    if (*controllers == '\0') return fs_begins(line, "0:") ? 2 : 0;
    return listed(controllers, controller) ? 1 : 0;
}

/* The process's group for a controller: version 1 wins, for a controller is in one hierarchy
 * only. Returns the version, 0: none; *path is new. */
static int group_of(const char *text, const char *controller, char **path) {
    char *copy = strdup(text), *rest = NULL;
    int version = 0;
    *path = NULL;
    if (!copy) return 0;
    for (char *line = strtok_r(copy, "\n", &rest); line && version != 1;
         line = strtok_r(NULL, "\n", &rest)) {
        char *found = NULL;
        const int in_line = version_in_line(line, controller, &found);
        if (in_line == 0) continue;
        free(*path);
        *path = strdup(found);
        version = *path ? in_line : 0;
    }
    free(copy);
    return version;
}

struct mount {
    char *root, *point; /* in the line that was cut */
};

/* Whether a line of mountinfo mounts the hierarchy of a controller; cuts the line. */
static bool mounts(char *line, int version, const char *controller, struct mount *mount) {
    enum { ROOT = 3, POINT = 4, OPTIONAL = 6 };
    char *field[MOUNT_FIELDS] = {0}, *rest = NULL;
    int count = 0, dash = 0;
    for (char *word = strtok_r(line, " ", &rest); word && count < MOUNT_FIELDS;
         word = strtok_r(NULL, " ", &rest)) {
        if (dash == 0 && count >= OPTIONAL && strcmp(word, "-") == 0) dash = count;
        field[count++] = word;
    }
    if (dash == 0 || dash + 3 >= count) return false;
    *mount = (struct mount){.root = field[ROOT], .point = field[POINT]};
    unescape(mount->root);
    unescape(mount->point);
    const char *type = field[dash + 1], *options = field[dash + 3];
    return version == 2 ? strcmp(type, "cgroup2") == 0
                        : strcmp(type, "cgroup") == 0 && listed(options, controller);
}

/* path as seen from a mount whose top is `top`; NULL: it lies outside. */
static const char *below(const char *path, const char *top) {
    const size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (fs_begins(path, "/..") || strncmp(path, top, length) != 0) return NULL;
    return path[length] == '/' || path[length] == '\0' ? path + length : NULL;
}

static bool is_folder(const char *path) {
    return access(path, X_OK) == 0;
}

/* Sets place to a group's directory or, if that is not to be seen, to the nearest ancestor. */
static int settle(struct fs_cgroup_place *place, const char *root, const struct mount *mount,
                  const char *path) {
    const char *inside = below(path, mount->root);
    place->own = inside != NULL;
    if (asprintf(&place->directory, "%s%s%s", root, mount->point, inside ? inside : "") < 0) {
        place->directory = NULL;
        return -1;
    }
    place->mount_length = strlen(root) + strlen(mount->point);
    char *end = place->directory + strlen(place->directory);
    while (end > place->directory + place->mount_length && end[-1] == '/')
        *--end = '\0';
    while (!is_folder(place->directory) && end > place->directory + place->mount_length) {
        end = strrchr(place->directory, '/');
        *end = '\0';
        place->own = false;
    }
    return 0;
}

static int find_place(struct fs_cgroups *groups, const char *controller, const char *group_text,
                      const char *mount_text, struct fs_cgroup_place *place) {
    char *path, *copy = strdup(mount_text), *rest = NULL;
    const int version = group_of(group_text, controller, &path);
    int result = copy ? 0 : -1;
    for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; version && line && !result;
         line = strtok_r(NULL, "\n", &rest)) {
        struct mount mount;
        if (!mounts(line, version, controller, &mount)) continue;
        place->version = version;
        result = settle(place, groups->root, &mount, path);
        break;
    }
    free(path);
    free(copy);
    return result;
}

/* The whole of a file of the process, new; "" if it cannot be read; NULL: no memory. */
static char *text_of(struct fs_proc *proc, int pid, const char *name) {
    char *text = malloc(TEXT_SIZE), path[64];
    if (!text) return NULL;
    if (pid == 0) { /* /proc/self */
        snprintf(path, sizeof path, "self/%s", name);
        name = path;
    }
    if (!proc || fs_proc_text(proc, pid, name, text, TEXT_SIZE) < 0) text[0] = '\0';
    return text;
}

struct fs_cgroups *fs_cgroups_find(const char *root, int pid) {
    struct fs_cgroups *groups = calloc(1, sizeof *groups);
    struct fs_proc *proc = fs_proc_open(root);
    char *group_text = text_of(proc, pid, "cgroup"), *mount_text = text_of(proc, pid, "mountinfo");
    int result = groups && group_text && mount_text ? 0 : -1;
    if (!result && !(groups->root = strdup(root))) result = -1;
    for (int i = 0; !result && i < FS_CGROUP_CONTROLLERS; i++)
        result = find_place(groups, names[i], group_text, mount_text, &groups->place[i]);
    fs_proc_close(proc);
    free(group_text);
    free(mount_text);
    if (!result) return groups;
    fs_cgroups_free(groups);
    errno = ENOMEM;
    return NULL;
}

void fs_cgroups_free(struct fs_cgroups *groups) {
    if (!groups) return;
    for (int i = 0; i < FS_CGROUP_CONTROLLERS; i++)
        free(groups->place[i].directory);
    free(groups->root);
    free(groups);
}
