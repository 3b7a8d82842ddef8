/* login.c - see login.h. */
#include "tracer/login.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utmpx.h>

enum { NAMES_MAX = 64 };

static bool there(const char *root, const char *path) {
    char whole[PATH_MAX];

    return snprintf(whole, sizeof whole, "%s%s", root, path) < (int)sizeof whole &&
           access(whole, F_OK) == 0;
}

static FILE *open_utmp(const char *root) {
    static const char *const paths[] = {"/run/utmp", "/var/run/utmp"};
    char whole[PATH_MAX];
    FILE *file = NULL;

    for (size_t i = 0; !file && i < sizeof paths / sizeof *paths; i++) {
        snprintf(whole, sizeof whole, "%s%s", root, paths[i]);
        file = fopen(whole, "re");
    }
    return file;
}

/* A session whose process is gone was not closed properly: nobody is there. */
static bool is_session(const struct utmpx *entry) {
    return entry->ut_type == USER_PROCESS && entry->ut_user[0] && entry->ut_pid > 0 &&
           (kill(entry->ut_pid, 0) == 0 || errno == EPERM);
}

static int count_users(const char *root) {
    char names[NAMES_MAX][sizeof((struct utmpx *)NULL)->ut_user];
    struct utmpx entry;
    int count = 0;
    FILE *file = open_utmp(root);

    if (!file) return FS_UNKNOWN;
    while (count < NAMES_MAX && fread(&entry, sizeof entry, 1, file) == 1) {
        int i = 0;
        if (!is_session(&entry)) continue;
        while (i < count && memcmp(names[i], entry.ut_user, sizeof names[i]) != 0)
            i++;
        if (i == count) memcpy(names[count++], entry.ut_user, sizeof names[i]);
    }
    fclose(file);
    return count;
}

/* How schedulers are set up: files that clients need as well as daemons. */
static const char *find_scheduler(const char *root) {
    static const struct {
        const char *path, *name;
    } files[] = {
        {"/etc/slurm/slurm.conf", "slurm"},
        {"/etc/slurm-llnl/slurm.conf", "slurm"},
        {"/run/slurm/conf/slurm.conf", "slurm"},
        {"/etc/pbs.conf", "pbs"},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (there(root, files[i].path)) return files[i].name;
    return NULL;
}

/* Where jobs run, a daemon of the scheduler starts them. */
static bool is_compute_node(struct fs_proc *proc) {
    static const char *const daemons[] = {"slurmd", "slurmstepd", "pbs_mom"};
    struct fs_proc_stat stat;
    const int *pids;
    size_t count;

    if (fs_proc_pids(proc, &pids, &count) != 0) return true;
    for (size_t i = 0; i < count; i++) {
        if (fs_proc_stat(proc, pids[i], &stat) != 0) continue;
        for (size_t d = 0; d < sizeof daemons / sizeof *daemons; d++)
            if (strcmp(stat.comm, daemons[d]) == 0) return true;
    }
    return false;
}

void fs_login_read(const char *root, struct fs_proc *proc, struct fs_login *login) {
    *login = (struct fs_login){.users = count_users(root), .scheduler = find_scheduler(root)};
    if (login->scheduler && login->users > 1) login->compute = is_compute_node(proc);
}
