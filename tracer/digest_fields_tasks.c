/* digest_fields_tasks.c - members of digest_tasks.h on disk. */
#include "tracer/digest_fields.h"

static const struct fs_field task_field[] = {
    FIELD(fs_task, ID, "launch", launch, .max = FS_LAUNCH_COUNT - 1),
    FIELD(fs_task, ID, "launcher", launcher),
    FIELD(fs_task, INT, "step", step),
    FIELD(fs_task, INT, "rank", rank),
    FIELD(fs_task, INT, "size", size),
    FIELD(fs_task, INT, "local", local_rank),
    FIELD(fs_task, INT, "asked", cpus_per_task),
    FIELD(fs_task, ID, "pid", pid),
    FIELD(fs_task, STRING, "command", command),
    FIELD(fs_task, STRING, "exe", executable),
    FIELD(fs_task, BOOL, "python", python),
    FIELD(fs_task, INT, "status", status),
    FIELD(fs_task, TIME, "start", start),
    FIELD(fs_task, TIME, "end", end),
    FIELD(fs_task, COUNT, "cpu", cpu_ns),
    FIELD(fs_task, COUNT, "wait", wait_ns),
    FIELD(fs_task, INT, "processes", processes),
    FIELD(fs_task, INT, "workers", workers),
    FIELD(fs_task, INT, "threads", threads),
    FIELD(fs_task, BITS, "libraries", libraries),
    FIELD(fs_task, BOOL, "libraries_known", libraries_known),
    FIELD(fs_task, ID, "rank_use", rank_use, .max = FS_RANK_USE_COUNT - 1),
    FIELD(fs_task, MASK, "mask", mask),
    FIELD(fs_task, MASK, "mask_before", mask_before),
};
const struct fs_fields fs_task_fields = TABLE(task_field, fs_task);
