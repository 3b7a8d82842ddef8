#include "report/sources.h"

#include <stddef.h>
#include <string.h>

#define GITHUB "https://github.com/"

static const struct fs_source sources[] = {
    {"N1", "NERSC, Python multiprocessing",
     "https://docs.nersc.gov/programming/high-level-environments/python/multiprocessing/"},
    {"N2", "NERSC, Running scripts with Python", NULL},
    {"U", "UVA Research Computing, Multiprocessing for multicore systems",
     GITHUB "uvarc/rc-learning (content/courses/python-high-performance/multiprocessing.md)"},
    {"Z", "NeSI, Python multiprocessing",
     GITHUB "nesi/perf-training (_lessons/python-scatter/04a-multiprocessing.md)"},
    {"T", "Multiprocessing with Python (tutorial)", NULL},
    {"A2", "ARCHER2, Running jobs",
     GITHUB "ARCHER2-HPC/archer2-docs (docs/user-guide/scheduler.md)"},
    {"AAL", "Aalto Scientific Computing, Shared memory parallelism",
     GITHUB "AaltoSciComp/scicomp-docs (triton/tut/parallel-shared.rst)"},
    {"ALP", "ALCF Aurora, process limits of login nodes", GITHUB "argonne-lcf/user-guides"},
    {"BL", "BLIS, Multithreading", GITHUB "flame/blis (docs/Multithreading.md)"},
    {"CSC", "CSC, Performance checklist",
     GITHUB "CSCfi/csc-user-guide (docs/computing/running/performance-checklist.md)"},
    {"D34", "LLVM review D34154, affinity of forked children", "https://reviews.llvm.org/D34154"},
    {"FAI", "Faiss, a forked process that hangs in an OpenMP region",
     GITHUB "facebookresearch/faiss/issues/5206"},
    {"GCC", "GNU libgomp, environment variables",
     "https://gcc.gnu.org/onlinedocs/libgomp/Environment-Variables.html"},
    {"GDB", "GDB, Debugging forks", "https://www.sourceware.org/gdb/onlinedocs/gdb/Forks.html"},
    {"JL", "joblib, Embarrassingly parallel for loops",
     GITHUB "joblib/joblib (doc/user_guide/parallel.rst)"},
    {"KBW", "Linux kernel, CFS bandwidth control",
     "https://kernel.org/doc/Documentation/scheduler/sched-bwc.txt"},
    {"LK", "loky, CPU counts that know quotas", GITHUB "joblib/loky"},
    {"LLVM", "LLVM OpenMP runtimes", GITHUB "llvm/llvm-project (openmp/docs/design/Runtimes.rst)"},
    {"NB", "Numba, The threading layers",
     GITHUB "numba/numba (docs/source/user/threading-layer.rst)"},
    {"LUB", "LUMI, Distribution and binding", GITHUB "Lumi-supercomputer/lumi-userguide"},
    {"NPR", "NumPy, Parallel random number generation",
     "https://numpy.org/doc/stable/reference/random/parallel.html"},
    {"NX", "NumExpr user guide", GITHUB "pydata/numexpr (doc/user_guide.rst)"},
    {"NZM", "NeSI, What does oom-kill mean", GITHUB "nesi/support-docs"},
    {"NZO", "NeSI, OpenMP settings", GITHUB "nesi/support-docs"},
    {"OB", "OpenBLAS README and FAQ", GITHUB "OpenMathLib/OpenBLAS"},
    {"OB2", "OpenBLAS, threads on one core after OMP_PROC_BIND",
     GITHUB "OpenMathLib/OpenBLAS/issues/4653"},
    {"OB3", "OpenBLAS, fork and threads of OpenMP", GITHUB "OpenMathLib/OpenBLAS/pull/343"},
    {"P12", "CPython, warning of a fork in a process with threads",
     GITHUB "python/cpython/issues/100228"},
    {"OLCF", "OLCF, Frontier user guide",
     GITHUB "olcf/olcf-user-docs (systems/frontier_user_guide.rst)"},
    {"P96", "CPython, Pool hangs when a worker is killed", GITHUB "python/cpython/issues/96062"},
    {"POL", "Polars, Multiprocessing", "https://docs.pola.rs/user-guide/misc/multiprocessing/"},
    {"PRI", "Princeton, serial jobs that allocate several cores",
     GITHUB "PrincetonUniversity/job_defense_shield (serial_allocating_multiple)"},
    {"PRL", "Princeton, low CPU utilisation",
     GITHUB "PrincetonUniversity/job_defense_shield (low_cpu_util)"},
    {"PT1", "PyTorch, four workers on one CPU after an import",
     GITHUB "pytorch/pytorch/issues/8126"},
    {"PTF", "PyTorch, frequently asked questions",
     GITHUB "pytorch/pytorch (docs/source/notes/faq.rst)"},
    {"PTM", "PyTorch, Multiprocessing best practices",
     GITHUB "pytorch/pytorch (docs/source/notes/multiprocessing.rst)"},
    {"PTS", "PyTorch, bus error for want of shared memory", GITHUB "pytorch/pytorch/issues/5040"},
    {"PY", "Python, multiprocessing", "https://docs.python.org/3/library/multiprocessing.html"},
    {"PYC", "CPython, cpu_count and the CPUs that a process may use",
     GITHUB "python/cpython/issues/109649"},
    {"TAS", "TACC, Stampede2 user guide", GITHUB "TACC/TACC-Docs"},
};

const struct fs_source *fs_source_find(const char *key) {
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strcmp(sources[i].key, key) == 0) return &sources[i];
    return NULL;
}
