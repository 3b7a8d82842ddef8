/*
 * login.h - who else is logged in on this machine, and whether it is one from which jobs
 * are sent.
 */
#ifndef FS_LOGIN_H
#define FS_LOGIN_H

#include "tracer/digest_placement.h"
#include "tracer/proc.h"

/* Reads utmp, the schedulers' configuration files and, if both tell of a login node, the names
 * of the processes. root: prefix of all paths, "" for this system. */
void fs_login_read(const char *root, struct fs_proc *proc, struct fs_login *login);

#endif
