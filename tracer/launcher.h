/*
 * launcher.h - whether this process is one of the tasks that a launcher (srun, mpirun, mpiexec)
 * started, as the launcher's variables tell.
 */
#ifndef FS_LAUNCHER_H
#define FS_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>

struct fs_launched {
    char identity[256]; /* the same for all tasks of one launch, on all nodes, and no other's */
    char name[128];     /* short form */
    char label[192];    /* the same for the name of a directory */
    int rank, tasks;    /* FS_UNKNOWN: it does not say */
    int tasks_here;     /* on this node; 0: it does not say */
};

/*
 * Fills launch from an environment. False: no launcher started this, or it started one task
 * alone, which needs nobody to meet.
 */
bool fs_task_of_launch(char *const *environment, struct fs_launched *launch);

/* The same of the Slurm step alone, however many tasks it has. */
bool fs_launch_of_slurm(char *const *environment, struct fs_launched *launch);

/* The parent of a process; 0: there is no such process. */
int fs_parent_of(int pid);

/* The Slurm step of an environment as "JOB.STEP". False: it is in none that srun made. */
bool fs_slurm_step(char *const *environment, char *step, size_t size);

#endif
