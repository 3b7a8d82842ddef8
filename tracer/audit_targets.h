/*
 * audit_targets.h - from what a user names to processes that can be looked at.
 *
 * Functions return 0, or -1 with errno and a sentence in error: ENOENT (there is none such),
 * EPERM (not ours to look at), EINVAL (it is no name of one).
 */
#ifndef FS_AUDIT_TARGETS_H
#define FS_AUDIT_TARGETS_H

#include <stddef.h>

struct fs_pids_list {
    int *pid;
    size_t count;
};
void fs_pids_list_free(struct fs_pids_list *list);

/* A process by its number. root: as in audit.h, checked. */
int fs_target_pid(const char *root, const char *text, struct fs_pids_list *list, char *error,
                  size_t error_size);

/* The processes that a capture was made for. */
int fs_target_captured(const char *root, struct fs_pids_list *list, char *error, size_t error_size);

/* All processes of a user, by name or number. */
int fs_target_user(const char *root, const char *name, struct fs_pids_list *list, char *error,
                   size_t error_size);

#endif
