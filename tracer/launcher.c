/* launcher.c - see launcher.h. */
#include "tracer/launcher.h"

#include "tracer/clock.h"
#include "tracer/scheduler.h"
#include "tracer/text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANCESTORS_MAX = 8, COMMAND_SIZE = 8192 };

static int number_of(char *const *environment, const char *name) {
    const char *value = fs_environment_value(environment, name);
    char *end;

    if (!value || !*value) return FS_UNKNOWN;
    const long number = strtol(value, &end, 10);
    return *end || number < 0 || number > INT_MAX ? FS_UNKNOWN : (int)number;
}

static int count_of(char *const *environment, const char *name) {
    const int number = number_of(environment, name);

    return number > 0 ? number : 0;
}

bool fs_slurm_step(char *const *environment, char *step, size_t size) {
    struct fs_scheduler facts;

    if (fs_scheduler_read(environment, "", &facts) != 0) return false;
    const bool inside = facts.in_step && facts.job && facts.step;
    if (inside) snprintf(step, size, "%s.%s", facts.job, facts.step);
    fs_scheduler_free(&facts);
    return inside;
}

/* A job that Slurm put back into the queue has the same numbers again when it starts anew. */
static void label_step(char *const *environment, struct fs_launched *launch) {
    const int restarts = fs_slurm_restarts(environment);
    const char *step = strchr(launch->name, '.');
    char array[FS_ARRAY_TASK_SIZE], again[16] = "";

    if (restarts > 0) snprintf(again, sizeof again, "-%d", restarts + 1);
    snprintf(launch->identity, sizeof launch->identity, "slurm %s%s", launch->name, again);
    if (fs_slurm_array_task(environment, array, sizeof array))
        snprintf(launch->label, sizeof launch->label, "%s%s%s", array, step, again);
    else
        snprintf(launch->label, sizeof launch->label, "%s%s", launch->name, again);
}

bool fs_launch_of_slurm(char *const *environment, struct fs_launched *launch) {
    const char *list = fs_environment_value(environment, "SLURM_STEP_TASKS_PER_NODE");
    const int node = number_of(environment, "SLURM_NODEID");

    *launch = (struct fs_launched){.rank = FS_UNKNOWN, .tasks = FS_UNKNOWN};
    if (!fs_slurm_step(environment, launch->name, sizeof launch->name)) return false;
    label_step(environment, launch);
    launch->rank = number_of(environment, "SLURM_PROCID");
    launch->tasks = number_of(environment, "SLURM_STEP_NUM_TASKS");
    const int here = list && node >= 0 ? fs_slurm_count_at(list, node) : 0;
    launch->tasks_here = here > 0 ? here : 0;
    return true;
}

static bool find_openmpi(char *const *environment, struct fs_launched *launch) {
    const char *name = fs_environment_value(environment, "PMIX_NAMESPACE");

    if (!name) name = fs_environment_value(environment, "OMPI_MCA_ess_base_jobid");
    launch->rank = number_of(environment, "OMPI_COMM_WORLD_RANK");
    if (!name || launch->rank == FS_UNKNOWN) return false;
    snprintf(launch->identity, sizeof launch->identity, "openmpi %.200s", name);
    snprintf(launch->name, sizeof launch->name, "mpi-%.100s", name);
    memcpy(launch->label, launch->name, sizeof launch->name);
    launch->tasks = number_of(environment, "OMPI_COMM_WORLD_SIZE");
    launch->tasks_here = count_of(environment, "OMPI_COMM_WORLD_LOCAL_SIZE");
    return true;
}

/* The text of /proc/PID/NAME; its length. */
static size_t read_proc(int pid, const char *name, char *text, size_t size) {
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = descriptor < 0 ? 0 : read(descriptor, text, size - 1);
    if (descriptor >= 0) close(descriptor);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

int fs_parent_of(int pid) {
    char text[1024];
    int parent = 0;

    read_proc(pid, "stat", text, sizeof text);
    const char *name_end = strrchr(text, ')');
    return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* hydra's proxies are all told where their mpiexec listens: that is one launch. */
static bool find_control_port(char *port, size_t size) {
    static const char option[] = "--control-port";
    char text[COMMAND_SIZE];
    int pid = getppid();

    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++, pid = fs_parent_of(pid)) {
        const char *const end = text + read_proc(pid, "cmdline", text, sizeof text);
        if (!fs_begins(fs_file_name(text), "hydra_")) continue;
        for (const char *word = text; word < end; word += strlen(word) + 1) {
            if (strcmp(word, option) != 0 || word + sizeof option >= end) continue;
            snprintf(port, size, "%s", word + sizeof option);
            return true;
        }
    }
    return false;
}

static bool find_hydra(char *const *environment, struct fs_launched *launch) {
    char port[200];

    launch->rank = number_of(environment, "PMI_RANK");
    if (launch->rank == FS_UNKNOWN || !find_control_port(port, sizeof port)) return false;
    snprintf(launch->identity, sizeof launch->identity, "hydra %.200s", port);
    snprintf(launch->name, sizeof launch->name, "mpi-%.100s", port);
    memcpy(launch->label, launch->name, sizeof launch->name);
    launch->tasks = number_of(environment, "PMI_SIZE");
    launch->tasks_here = count_of(environment, "MPI_LOCALNRANKS");
    return true;
}

bool fs_task_of_launch(char *const *environment, struct fs_launched *launch) {
    *launch = (struct fs_launched){.rank = FS_UNKNOWN, .tasks = FS_UNKNOWN};
    /* mpirun's daemons may be tasks of srun: the innermost launcher counts. */
    return (find_openmpi(environment, launch) || find_hydra(environment, launch) ||
            fs_launch_of_slurm(environment, launch)) &&
           launch->tasks > 1;
}
