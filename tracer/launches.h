/*
 * launches.h - launchers (mpirun, mpiexec, srun) that ran in the job: what they were told,
 * how they ended, whether anything came up.
 */
#ifndef FS_LAUNCHES_H
#define FS_LAUNCHES_H

#include "tracer/evaluation.h"

#include <stdio.h>

/* Between the words of fs_image.launch. */
#define FS_LAUNCH_SEPARATOR '\x1f'

/* digest->launches. After command and directory. Reads the hostfiles that the command lines
 * name, which are small files of the user's. */
int fs_evaluate_launches(const struct fs_evaluation *evaluation, struct fs_digest *digest);

/* Hosts and slots of a hostfile of Open MPI: "name slots=4" a line. A form that is not known
 * leaves the slots FS_UNKNOWN. */
void fs_hostfile_read(FILE *file, struct fs_launch *launch);

#endif
