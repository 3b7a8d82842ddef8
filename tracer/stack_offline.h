/*
 * stack_offline.h - stacks and addresses of processes that are over, from their files.
 *
 * libdw unwinds the copy that the shim left (preload/snapshot.h) and names functions and
 * lines. The copy and the files that it names may be anybody's work: only regular files
 * are opened, and whoever calls this must be able to lose the process that does it (see
 * child_answer.h).
 */
#ifndef FS_STACK_OFFLINE_H
#define FS_STACK_OFFLINE_H

#include "preload/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { FS_OFFLINE_FRAMES_MAX = 64 };

/* A whole snapshot: size bytes at data, aligned for 8. False: it is not sound. */
bool fs_snapshot_sound(const void *data, size_t size);

/* Writes a line for each frame of a sound snapshot, innermost first, without those of the
 * shim: "function (module) at file:line", "function (module)" or "module+0x1f", each
 * behind prefix. Returns their number. */
size_t fs_offline_frames(const void *data, FILE *out, const char *prefix);

/* Writes "function<tab>file<tab>line" for an address of a file (offset as in struct
 * fsp_site) behind prefix; what is not known is empty. */
void fs_offline_place(const char *module, uint64_t offset, FILE *out, const char *prefix);

#endif
