/*
 * cgroup_find.h - where the directories of a process's control groups are. For cgroup.c.
 */
#ifndef FS_CGROUP_FIND_H
#define FS_CGROUP_FIND_H

#include <stdbool.h>
#include <stddef.h>

enum fs_cgroup_controller {
    FS_CGROUP_CPU,
    FS_CGROUP_CPUSET,
    FS_CGROUP_MEMORY,
    FS_CGROUP_PIDS,
    FS_CGROUP_CONTROLLERS,
};

struct fs_cgroup_place {
    int version;         /* 1 or 2; 0: this controller was not found */
    char *directory;     /* root prefix included; NULL: not found */
    size_t mount_length; /* of the mount point, which begins directory */
    bool own;            /* the process's group itself, else its nearest visible ancestor */
};

struct fs_cgroups {
    char *root; /* prefix */
    struct fs_cgroup_place place[FS_CGROUP_CONTROLLERS];
};

#endif
