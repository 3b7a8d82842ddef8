/*
 * recorded_variables.h - the environment variables that are recorded: exactly
 * those that a rule names. Everything else in an environment is the user's
 * business and is never stored.
 *
 * One list for both sides: the shim copies these variables out of each image's
 * environment, the tools know what each one steers. Use:
 *
 *   #define X(name, what, value, libraries) { #name, what, value, libraries },
 *   static const struct fsp_recorded_variable table[] = { FSP_RECORDED_VARIABLES(X) };
 *   #undef X
 */
#ifndef FSP_RECORDED_VARIABLES_H
#define FSP_RECORDED_VARIABLES_H

#include "preload/segment.h"

enum fsp_variable_what {                       /* what a variable steers */
                         FSP_VARIABLE_THREADS, /* how many threads a library starts */
                         FSP_VARIABLE_BINDING, /* where they run */
                         FSP_VARIABLE_WAITING, /* how they wait for work */
                         FSP_VARIABLE_WORKERS, /* how many processes the job makes (a convention of
                                                  its author) */
                         FSP_VARIABLE_FORK,    /* whether fork is safe beside a network library */
                         FSP_VARIABLE_JOB,     /* what the scheduler or the launcher says */
                         FSP_VARIABLE_OTHER,
};

enum fsp_variable_value {                   /* what its value must look like to be understood */
                          FSP_VALUE_TEXT,   /* anything, also empty */
                          FSP_VALUE_WORD,   /* anything but empty */
                          FSP_VALUE_COUNT,  /* one positive number */
                          FSP_VALUE_COUNTS, /* positive numbers with commas (nesting levels) */
};

struct fsp_recorded_variable {
    const char *name;
    enum fsp_variable_what what;
    enum fsp_variable_value value;
    uint32_t libraries; /* bits of enum fsp_library: who reads it; 0: none of these */
};

#define FSP_LIBRARIES_OPENMP (FSP_LIBRARY_GOMP | FSP_LIBRARY_OMP | FSP_LIBRARY_IOMP)
#define FSP_LIBRARIES_KMP    (FSP_LIBRARY_OMP | FSP_LIBRARY_IOMP)

/* OMP_NUM_THREADS steers more than OpenMP: these fall back to it. */
#define FSP_LIBRARIES_THREADED                                                                     \
    (FSP_LIBRARIES_OPENMP | FSP_LIBRARY_OPENBLAS | FSP_LIBRARY_MKL | FSP_LIBRARY_BLIS |            \
     FSP_LIBRARY_NUMEXPR)

/* clang-format off */
#define FSP_RECORDED_VARIABLES(X)                                                                  \
    X(OMP_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNTS, FSP_LIBRARIES_THREADED)             \
    X(OMP_THREAD_LIMIT, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARIES_OPENMP)               \
    X(OMP_DYNAMIC, FSP_VARIABLE_THREADS, FSP_VALUE_WORD, FSP_LIBRARIES_OPENMP)                     \
    X(OMP_PROC_BIND, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARIES_OPENMP)                   \
    X(OMP_PLACES, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARIES_OPENMP)                      \
    X(OMP_WAIT_POLICY, FSP_VARIABLE_WAITING, FSP_VALUE_WORD, FSP_LIBRARIES_OPENMP)                 \
    X(GOMP_CPU_AFFINITY, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARIES_OPENMP)               \
    X(GOMP_SPINCOUNT, FSP_VARIABLE_WAITING, FSP_VALUE_WORD, FSP_LIBRARY_GOMP)                      \
    X(KMP_AFFINITY, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARIES_KMP)                       \
    X(KMP_HW_SUBSET, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARIES_KMP)                      \
    X(KMP_BLOCKTIME, FSP_VARIABLE_WAITING, FSP_VALUE_WORD, FSP_LIBRARIES_KMP)                      \
    X(OPENBLAS_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_OPENBLAS)           \
    X(OPENBLAS_DEFAULT_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_OPENBLAS)   \
    X(GOTO_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_OPENBLAS)               \
    X(OPENBLAS_MAIN_FREE, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARY_OPENBLAS)              \
    X(GOTOBLAS_MAIN_FREE, FSP_VARIABLE_BINDING, FSP_VALUE_WORD, FSP_LIBRARY_OPENBLAS)              \
    X(MKL_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_MKL)                     \
    X(MKL_DYNAMIC, FSP_VARIABLE_THREADS, FSP_VALUE_WORD, FSP_LIBRARY_MKL)                          \
    X(MKL_THREADING_LAYER, FSP_VARIABLE_THREADS, FSP_VALUE_WORD, FSP_LIBRARY_MKL)                  \
    X(BLIS_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_BLIS)                   \
    X(NUMEXPR_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_NUMEXPR)             \
    X(NUMEXPR_MAX_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_NUMEXPR)             \
    X(NUMBA_NUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, FSP_LIBRARY_NUMBA)                 \
    X(NUMBA_THREADING_LAYER, FSP_VARIABLE_THREADS, FSP_VALUE_WORD, FSP_LIBRARY_NUMBA)              \
    X(VECLIB_MAXIMUM_THREADS, FSP_VARIABLE_THREADS, FSP_VALUE_COUNT, 0)                            \
    X(NUM_PROCS, FSP_VARIABLE_WORKERS, FSP_VALUE_COUNT, 0)                                         \
    X(MPICH_GNI_FORK_MODE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                     \
    X(CXI_FORK_SAFE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                           \
    X(CXI_FORK_SAFE_HP, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                        \
    X(RDMAV_FORK_SAFE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                         \
    X(IBV_FORK_SAFE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                           \
    X(RDMAV_HUGEPAGES_SAFE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                    \
    X(FI_EFA_FORK_SAFE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                        \
    X(FI_CXI_ODP, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_CXI)                              \
    X(UCX_IB_FORK_INIT, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, FSP_LIBRARY_UCX)                        \
    X(HUGETLB_MORECORE, FSP_VARIABLE_FORK, FSP_VALUE_TEXT, 0)                                      \
    X(HWLOC_COMPONENTS, FSP_VARIABLE_OTHER, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                       \
    X(MALLOC_ARENA_MAX, FSP_VARIABLE_OTHER, FSP_VALUE_TEXT, 0)                                     \
    X(PYTHONMALLOC, FSP_VARIABLE_OTHER, FSP_VALUE_TEXT, FSP_LIBRARY_PYTHON)                        \
    X(TMPDIR, FSP_VARIABLE_OTHER, FSP_VALUE_TEXT, 0)                                               \
    X(SLURM_JOB_ID, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                           \
    X(SLURM_STEP_ID, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                          \
    X(SLURM_PROCID, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                           \
    X(SLURM_LOCALID, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                          \
    X(SLURM_NTASKS, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                           \
    X(SLURM_STEP_NUM_TASKS, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                   \
    X(SLURM_MPI_TYPE, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                           \
    X(MPI_LOCALRANKID, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                          \
    X(SLURM_CPUS_ON_NODE, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                     \
    X(SLURM_CPUS_PER_TASK, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                    \
    X(SRUN_CPUS_PER_TASK, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                     \
    X(SLURM_TASKS_PER_NODE, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                                   \
    X(OMPI_MCA_rmaps_base_oversubscribe, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                      \
    X(OMPI_MCA_rmaps_base_mapping_policy, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                     \
    X(OMPI_MCA_hwloc_base_binding_policy, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                     \
    X(PRTE_MCA_rmaps_default_mapping_policy, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                  \
    X(OMPI_ALLOW_RUN_AS_ROOT_CONFIRM, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                         \
    X(PRTE_ALLOW_RUN_AS_ROOT_CONFIRM, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, 0)                         \
    X(PMI_RANK, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                                 \
    X(PMI_SIZE, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                                 \
    X(PMIX_RANK, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                                \
    X(OMPI_COMM_WORLD_RANK, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                     \
    X(OMPI_COMM_WORLD_SIZE, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                     \
    X(MV2_COMM_WORLD_RANK, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)                      \
    X(MV2_COMM_WORLD_SIZE, FSP_VARIABLE_JOB, FSP_VALUE_TEXT, FSP_LIBRARY_MPI)
/* clang-format on */

#endif
