/* digest_fields_runtimes.c - the members of the structures of digest_runtimes.h. */
#include "tracer/digest_fields.h"

#include "preload/segment.h"

enum { SIGNAL_MAX = 64 };

static const struct fs_field region_use_field[] = {
    FIELD(fs_region_use, ID, "runtime", runtime, .max = FSP_RUNTIME_COUNT - 1),
    FIELD(fs_region_use, STRING, "exe", executable),
    FIELD(fs_region_use, ID, "processes", processes),
    FIELD(fs_region_use, COUNT, "regions", regions),
    FIELD(fs_region_use, COUNT, "most", regions_most),
    FIELD(fs_region_use, ID, "team", team),
    FIELD(fs_region_use, ID, "pid", pid),
    FIELD(fs_region_use, INLINE, "place", place, .fields = &fs_place_fields),
};
const struct fs_fields fs_region_use_fields = TABLE(region_use_field, fs_region_use);

static const struct fs_field runtime_fork_field[] = {
    FIELD(fs_runtime_fork, ID, "runtime", runtime, .max = FSP_RUNTIME_COUNT - 1),
    FIELD(fs_runtime_fork, ID, "reuse", reuse, .max = FS_REUSE_COUNT - 1),
    FIELD(fs_runtime_fork, ID, "parent", parent),
    FIELD(fs_runtime_fork, ID, "pid", pid),
    FIELD(fs_runtime_fork, ID, "count", count),
    FIELD(fs_runtime_fork, STRING, "exe", executable),
    FIELD(fs_runtime_fork, BOOL, "python", python),
    FIELD(fs_runtime_fork, COUNT, "regions", regions),
    FIELD(fs_runtime_fork, ID, "team", team),
    FIELD(fs_runtime_fork, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_runtime_fork, COUNT, "entered", entered),
    FIELD(fs_runtime_fork, COUNT, "left", left),
    FIELD(fs_runtime_fork, ID, "child_team", child_team),
    FIELD(fs_runtime_fork, ID, "threads", threads),
    FIELD(fs_runtime_fork, INLINE, "child_place", child_place, .fields = &fs_place_fields),
    FIELD(fs_runtime_fork, INLINE, "site", site, .fields = &fs_place_fields),
    FIELD(fs_runtime_fork, ID, "signal", signal, .max = SIGNAL_MAX),
    FIELD(fs_runtime_fork, TIME, "t_fork", t_fork),
    FIELD(fs_runtime_fork, TIME, "t_end", t_end),
};
const struct fs_fields fs_runtime_fork_fields = TABLE(runtime_fork_field, fs_runtime_fork);

static const struct fs_field gpu_fork_field[] = {
    FIELD(fs_gpu_fork, ID, "gpu", kind, .max = FSP_GPU_COUNT - 1),
    FIELD(fs_gpu_fork, ID, "parent", parent),
    FIELD(fs_gpu_fork, STRING, "exe", executable),
    FIELD(fs_gpu_fork, BOOL, "python", python),
    FIELD(fs_gpu_fork, ID, "children", children),
    FIELD(fs_gpu_fork, ID, "callers", callers),
    FIELD(fs_gpu_fork, ID, "pid", pid),
    FIELD(fs_gpu_fork, ID, "starts", starts),
    FIELD(fs_gpu_fork, ID, "contexts", contexts),
    FIELD(fs_gpu_fork, ID, "threads", threads),
    FIELD(fs_gpu_fork, INLINE, "place", place, .fields = &fs_place_fields),
    FIELD(fs_gpu_fork, ID, "child_starts", child_starts),
    FIELD(fs_gpu_fork, ID, "child_contexts", child_contexts),
    FIELD(fs_gpu_fork, ID, "child_threads", child_threads),
    FIELD(fs_gpu_fork, INLINE, "child_place", child_place, .fields = &fs_place_fields),
    FIELD(fs_gpu_fork, INLINE, "site", site, .fields = &fs_place_fields),
};
const struct fs_fields fs_gpu_fork_fields = TABLE(gpu_fork_field, fs_gpu_fork);
