"""Thread libraries in real programs: which are there, what they read, and the rules on them
that the kernels do not reach. Jobs that follow the documentation stay without a finding."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

STANDINS = h.BUILD / "standins"
LIBOMP = "/usr/lib/x86_64-linux-gnu/libomp.so.5"
OPENMP_BUILD = "/usr/lib/x86_64-linux-gnu/openblas-openmp"
TWO_CPUS = ["taskset", "-c", "0,1"]


def run(folder, script, *, outer=(), options=(), **environment):
    """A Python script under forksight."""
    (folder / "job.py").write_text(script)
    result = h.under_forksight([h.PYTHON, "job.py"], cwd=folder, outer=outer, options=options,
                               env=h.environment(**environment))
    for process in h.detail(folder / "job"):  # libomp leaves marks of forked workers
        for mark in Path("/dev/shm").glob(f"__KMP_REGISTERED_LIB_{process['pid']}_*"):
            mark.unlink(missing_ok=True)
    return result


def programs(folder):
    """What the digest says of programs with thread libraries."""
    for file in (folder / "job").glob("*.digest"):
        for line in file.read_text().splitlines():
            node = json.loads(line)
            if node["kind"] == "node":
                return node.get("programs", [])
    return []


# Python that works for `seconds` of CPU time in each of two forked workers.
POOL = """import os, sys, time
from multiprocessing import Pool
{before}
def work(_):
    {start}
    end = time.process_time() + {seconds}
    while time.process_time() < end:
        sum(range(1000))
    return 1
if __name__ == "__main__":
    with Pool(2) as pool:
        print(sum(pool.map(work, range(2), chunksize=1)))
"""


def pool(before="", start="pass", seconds=1.5):
    return POOL.format(before=before, start=start, seconds=seconds)


# --- facts ---------------------------------------------------------------------------

@h.test
def libraries_files_builds_and_values_are_recorded(folder):
    h.python_path("numpy")
    h.need_files(OPENMP_BUILD)
    script = ("import os\nos.environ['OMP_NUM_THREADS'] = '2'\nimport numpy as np\n"
              "os.environ['OMP_NUM_THREADS'] = '7'\n"
              "a = np.ones((600, 600))\nfor _ in range(5): a @ a\n")
    result = run(folder, script, OMP_NUM_THREADS=1, LD_LIBRARY_PATH=OPENMP_BUILD)
    h.equal(result.status, 0, f"status\n{result}")
    program, = programs(folder)
    found = {lib["family"]: lib for lib in program["libraries"]}
    blas, gomp = found[8], found[1]
    h.equal(blas["build"], "openmp", "build of OpenBLAS")
    h.check(blas["real_file"].startswith(OPENMP_BUILD), f"file\n{blas}")
    h.check(blas["version"][0].isdigit(), f"version\n{blas}")
    read = {v["name"]: v["value"] for v in gomp["variables"]}
    h.equal(read["OMP_NUM_THREADS"], "2", "as libgomp read it")
    h.equal(gomp["peak"], 1, "threads beside the one that leads")
    h.equal([s["value"] for s in program["settings"]], ["2", "7"], "settings")
    h.check(program["settings"][0].get("loaded", 0) == 0, "nothing was loaded before the first")
    h.check(program["settings"][1]["loaded"] & 9 == 9, "both were loaded before the second")


@h.test
def forked_children_have_what_the_parent_had_loaded(folder):
    script = ("import ctypes, os\nctypes.CDLL('libgomp.so.1')\nfor _ in range(3):\n"
              "    if os.fork() == 0: os._exit(0)\n    os.wait()\n")
    result = run(folder, script)
    h.equal(result.status, 0, f"status\n{result}")
    counts = {bool(p.get("forked")): p["count"] for p in programs(folder)}
    h.equal(counts, {True: 3, False: 1}, "processes with libgomp")


# --- THR-04: Numba -------------------------------------------------------------------

NUMBA = """import os, sys, time
from multiprocessing import get_context
def work(n):
    import numba, numpy as np
    @numba.njit(parallel=True)
    def total(n):
        s = 0.0
        for i in numba.prange(n):
            s += np.sqrt(i) * np.sin(i)
        return s
    total(10)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        total(n)
    return numba.threading_layer()
if __name__ == "__main__":
    with get_context("spawn").Pool(2) as pool:
        print(pool.map(work, [2_000_000] * 2, chunksize=1))
"""


@h.test
def thr_04_fires_numba_that_knows_no_omp_num_threads(folder):
    h.need_cpus(2)
    h.python_path("numba")
    result = run(folder, NUMBA, outer=TWO_CPUS, OMP_NUM_THREADS=1, NUMBA_THREADING_LAYER="workqueue")
    h.expect_rules(result, ["THR-04"], allowed=["OVS-01", "OVS-02", "THR-01"])
    h.check("NUMBA_NUM_THREADS=1" in "\n".join(h.fixes(result.report, "THR-04")), f"fix\n{result}")


@h.test
def thr_04_guard_numba_with_its_own_variable(folder):
    h.need_cpus(2)
    h.python_path("numba")
    result = run(folder, NUMBA, outer=TWO_CPUS, OMP_NUM_THREADS=1, NUMBA_NUM_THREADS=1,
                 NUMBA_THREADING_LAYER="workqueue")
    # Its main thread spins while the one of the team works: that may crowd two CPUs.
    h.expect_rules(result, allowed=["EFF-05", "OVS-01", "OVS-02"])


MKL = "import ctypes\nproduct = ctypes.CDLL({library!r}).mkl_standin_product\n"


@h.test
def thr_04_fires_mkl_stand_in_obeys_its_own_variable(folder):
    h.need_cpus(2)
    script = pool(before=MKL.format(library=str(STANDINS / "libmkl_rt.so.2")),
                  start="[product(ctypes.c_long(200_000_000)) for _ in range(2)]", seconds=0.3)
    result = run(folder, script, outer=TWO_CPUS, OMP_NUM_THREADS=1, MKL_NUM_THREADS=2)
    h.expect_rules(result, ["THR-04"], allowed=["OVS-01", "OVS-02", "FRK-06"])
    h.check("export MKL_NUM_THREADS=1" in result.report, f"fix\n{result}")


@h.test
def thr_04_guard_mkl_stand_in_with_one_thread(folder):
    h.need_cpus(2)
    script = pool(before=MKL.format(library=str(STANDINS / "libmkl_rt.so.2")),
                  start="[product(ctypes.c_long(200_000_000)) for _ in range(2)]", seconds=0.3)
    h.expect_clean(run(folder, script, outer=TWO_CPUS, OMP_NUM_THREADS=1, MKL_NUM_THREADS=1), "THR-04")


BLIS = "/usr/lib/x86_64-linux-gnu/blis-pthread"


@h.test
def thr_04_fires_blis_obeys_its_own_variable(folder):
    h.need_cpus(2)
    h.need_files(BLIS + "/libblis.so.4")
    h.python_path("numpy")
    result = h.under_forksight([h.PYTHON, h.KERNELS / "k9_threaded_blas.py", "40", "900"],
                               cwd=folder, outer=TWO_CPUS,
                               env=h.environment(NUM_PROCS=2, OMP_NUM_THREADS=1, BLIS_NUM_THREADS=2,
                                                 LD_LIBRARY_PATH=BLIS))
    h.expect_rules(result, ["THR-04"], allowed=["OVS-01", "OVS-02"])
    h.check("export BLIS_NUM_THREADS=1" in result.report, f"fix\n{result}")


@h.test
def thr_01_guard_blis_runs_alone_when_nothing_is_set(folder):
    h.need_cpus(2)
    h.need_files(BLIS + "/libblis.so.4")
    h.python_path("numpy")
    h.expect_clean(h.under_forksight([h.PYTHON, h.KERNELS / "k9_threaded_blas.py", "40", "900"],
                                     cwd=folder, outer=TWO_CPUS,
                                     env=h.environment(NUM_PROCS=2, LD_LIBRARY_PATH=BLIS)),
                   "THR-01", "OVS-01")


# --- THR-05 --------------------------------------------------------------------------

PRODUCTS = "a = np.ones((800, 800))\nfor _ in range(40): a = (a @ a) % 3\n"


@h.test
def thr_05_fires_in_forked_workers(folder):
    h.need_cpus(2)
    h.python_path("numpy")
    script = pool(before="import numpy as np\nos.environ['OPENBLAS_NUM_THREADS'] = '1'",
                  start=PRODUCTS.strip().replace("\n", "; ").replace("; for", "\n    for"),
                  seconds=0.1)
    result = run(folder, script, outer=TWO_CPUS)
    h.expect_rules(result, ["THR-05"], allowed=["OVS-01", "OVS-02", "THR-01", "EFF-05"])
    text = h.section(result.report, "THR-05")
    h.check("job.py:4" in text, f"the line is not named\n{text}")
    h.check("OPENBLAS_NUM_THREADS=1" in text, f"the variable is not named\n{text}")


@h.test
def thr_05_guard_variable_for_a_program_that_is_started_later(folder):
    h.need_cpus(2)
    h.python_path("numpy")
    script = ("import os, subprocess, sys\nimport numpy as np\n"
              "os.environ['OMP_NUM_THREADS'] = '1'\n"
              "subprocess.run([sys.executable, '-c', 'print(1)'], check=True)\n" + PRODUCTS)
    h.expect_clean(run(folder, script, outer=TWO_CPUS), "THR-05")


@h.test
def thr_05_guard_runtime_that_reads_at_its_first_use(folder):
    h.need_files(LIBOMP)
    script = (f"import ctypes, os\nomp = ctypes.CDLL({LIBOMP!r})\n"
              "os.environ['OMP_NUM_THREADS'] = '1'\nprint(omp.omp_get_max_threads())\n"
              "print(sum(range(40_000_000)))\n")
    result = run(folder, script)
    h.check(result.stdout.startswith("1\n"), f"libomp read it earlier\n{result}")
    h.expect_clean(result, "THR-05")


@h.test
def thr_05_guard_threadpoolctl_after_the_import(folder):
    h.need_cpus(2)
    h.python_path("numpy, threadpoolctl")
    script = ("import os\nimport numpy as np\nfrom threadpoolctl import threadpool_limits\n"
              "os.environ['OMP_NUM_THREADS'] = '1'\nthreadpool_limits(1)\n" + PRODUCTS)
    h.expect_clean(run(folder, script, outer=TWO_CPUS), "THR-05")


# --- THR-06 --------------------------------------------------------------------------

@h.test
def thr_06_fires_libomp_beside_a_stand_in_of_libiomp5(folder):
    h.need_files(LIBOMP)
    result = h.under_forksight([h.PYTHON, h.KERNELS / "thr06_two_runtimes.py", LIBOMP,
                                STANDINS / "libiomp5.so"], cwd=folder, env=h.environment())
    h.expect_rules(result, ["THR-06"])
    h.equal(h.findings(result.report)["THR-06"][0], "error", "severity")
    text = h.section(result.report, "THR-06")
    h.check("libomp.so.5" in text and "libiomp5.so" in text, f"files not named\n{text}")


@h.test
def thr_06_fires_libgomp_beside_a_stand_in_of_libiomp5(folder):
    script = ("import ctypes\nctypes.CDLL('libgomp.so.1')\n"
              f"ctypes.CDLL({str(STANDINS / 'libiomp5.so')!r})\n")
    result = run(folder, script)
    h.expect_rules(result, ["THR-06"])
    h.equal(h.findings(result.report)["THR-06"][0], "note", "severity")


# --- AFF-03 --------------------------------------------------------------------------

LLVM = f"import ctypes\nomp = ctypes.CDLL({LIBOMP!r})\nomp.omp_get_max_threads()"


@h.test
def aff_03_fires_workers_bound_by_libomp(folder):
    h.need_cpus(2)
    h.need_files(LIBOMP)
    # A parallel region is what binds: two threads of the parent, on places of their own.
    script = pool(before=LLVM, start="omp.omp_get_num_places(); omp.omp_get_max_threads(); "
                                     "omp.GOMP_parallel(ctypes.CFUNCTYPE(None)(lambda: None), "
                                     "None, 1, 0)")
    result = run(folder, script, outer=TWO_CPUS, KMP_AFFINITY="compact")
    h.expect_rules(result, ["AFF-03"], allowed=["AFF-01", "OVS-02"])


@h.test
def aff_03_fires_a_note_for_masks_that_are_whole(folder):
    h.need_cpus(2)
    h.need_files(LIBOMP)
    result = run(folder, pool(before=LLVM), outer=TWO_CPUS)
    h.expect_rules(result, ["AFF-03"])
    h.equal(h.findings(result.report)["AFF-03"][0], "note", "severity")


@h.test
def aff_03_guard_interface_that_is_disabled(folder):
    h.need_cpus(2)
    h.need_files(LIBOMP)
    h.expect_clean(run(folder, pool(before=LLVM), outer=TWO_CPUS, KMP_AFFINITY="disabled"),
                   "AFF-03")


# --- AFF-04 --------------------------------------------------------------------------

BLAS = "import ctypes\nctypes.CDLL({library!r})"


@h.test
def aff_04_fires_stand_in_of_openblas_with_affinity(folder):
    h.need_cpus(2)
    script = pool(before=BLAS.format(library=str(STANDINS / "libopenblas.so.0")))
    result = run(folder, script, outer=TWO_CPUS)
    h.expect_rules(result, ["AFF-04"])
    text = h.section(result.report, "AFF-04")
    h.check("libopenblas.so.0" in text and "0-1 -> 0" in text, f"no cause\n{text}")
    h.equal(h.fixes(result.report, "AFF-04")[0], "export OPENBLAS_MAIN_FREE=1", "fix")
    fixed = h.under_forksight([h.PYTHON, "job.py"], cwd=folder, outer=TWO_CPUS,
                              directory=folder / "fixed", env=h.environment(OPENBLAS_MAIN_FREE=1))
    h.expect_clean(fixed, "AFF-04", "AFF-01")


@h.test
def aff_04_guard_stand_in_loaded_after_the_fork(folder):
    h.need_cpus(2)
    # Each worker pins itself, as the one who loads it asked for.
    script = pool(start=BLAS.format(library=str(STANDINS / "libopenblas.so.0")).replace("\n", "; "))
    result = run(folder, script, outer=TWO_CPUS)
    h.expect_rules(result, must_not=["AFF-04"])


# --- jobs that follow the documentation -----------------------------------------------

@h.test
def thr_01_guard_serial_script_with_nothing_set(folder):
    h.python_path("numpy")
    result = run(folder, "import numpy as np\n" + PRODUCTS)
    h.expect_clean(result, "THR-05")
    h.expect_outcome(result, "na", "THR-01")


@h.test
def thr_01_guard_pool_that_loads_numpy_and_uses_no_blas(folder):
    h.need_cpus(2)
    h.python_path("numpy")
    h.expect_clean(run(folder, pool(before="import numpy as np", start="np.ones(5).sum()"),
                       outer=TWO_CPUS), "THR-01")


@h.test
def thr_01_guard_workers_limited_by_threadpoolctl(folder):
    h.need_cpus(2)
    h.python_path("numpy, threadpoolctl")
    script = pool(before="import numpy as np\nfrom threadpoolctl import threadpool_limits",
                  start="threadpool_limits(1); a = np.ones((700, 700)); "
                        "[a @ a for _ in range(30)]", seconds=0.2)
    h.expect_clean(run(folder, script, outer=TWO_CPUS), "THR-01")


@h.test
def thr_01_guard_joblib_limits_its_workers(folder):
    h.need_cpus(2)
    h.python_path("numpy, joblib")
    script = ("import numpy as np\nfrom joblib import Parallel, delayed\n"
              "def work(n):\n    a = np.ones((700, 700))\n"
              "    for _ in range(n): a = (a @ a) % 3\n    return float(a[0, 0])\n"
              "if __name__ == '__main__':\n"
              "    print(len(Parallel(n_jobs=2)(delayed(work)(40) for _ in range(4))))\n")
    result = run(folder, script, outer=TWO_CPUS)
    h.expect_rules(result, allowed=["EFF-05", "EFF-01", "PRC-06"])


@h.test
def thr_02_guard_hybrid_job_that_fits(folder):
    h.need_cpus(2)
    # As many workers as threads by chance: 1 x 1 fits, and so would 2 x 2 on four CPUs.
    h.expect_clean(run(folder, pool(), outer=TWO_CPUS, OMP_NUM_THREADS=1), "THR-02")


if __name__ == "__main__":
    h.main()
