"""Runtimes on both sides of a fork (FRK-07, FRK-09), and the calls by which they are counted."""
import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from terminal import Terminal

OPENBLAS_OPENMP = Path("/usr/lib/x86_64-linux-gnu/openblas-openmp")
LLVM = Path("/usr/lib/llvm-14/lib")


def python(folder, script, **environment):
    (folder / "job.py").write_text(script)
    return h.under_forksight([h.PYTHON, "job.py"], cwd=folder, env=h.environment(**environment))


def node(result):
    """The digest's line with the facts of the node."""
    for file in Path(result.directory).glob("*.digest"):
        for line in file.read_text().splitlines():
            facts = json.loads(line)
            if facts["kind"] == "node":
                return facts
    raise AssertionError(f"no digest\n{result}")


def sweep(result):
    """Removes what libomp leaves in /dev/shm when a process of the job ends by _exit."""
    for record in h.detail(result.directory):
        for file in Path("/dev/shm").glob(f"__KMP_REGISTERED_LIB_{record['pid']}_*"):
            file.unlink(missing_ok=True)


def pasted(folder, script, result, rule, want):
    """The script once more, behind the printed fix with `want` in it: an export line in the
    shell, a line of Python before the pool is made."""
    fix = next((f for f in h.fixes(result, rule) if want in f), None)
    h.check(fix, f"{rule} prints no fix with {want}\n{result}")
    line = h.command_of(fix)
    if not line.startswith("export "):
        script, line = script.replace("# START\n", f"import multiprocessing\n    {line}\n"), "true"
    (folder / "job.py").write_text(script)
    return line


# --- FRK-07 -------------------------------------------------------------------------

PRODUCTS = """import multiprocessing, sys
import numpy
matrix = numpy.ones((400, 400))
def product(_):
    return (matrix @ matrix).sum()
if __name__ == "__main__":
    # START
    first = product(0)
    print("parent", first, flush=True)
    with multiprocessing.Pool(2) as pool:
        print("workers", pool.map(product, range(4)) == 4 * [first])
"""


def need_openblas_openmp():
    h.need_cpus(2)
    h.python_path("numpy")
    if not OPENBLAS_OPENMP.is_dir():
        raise h.Skip("libopenblas0-openmp is not installed")
    return {"LD_LIBRARY_PATH": str(OPENBLAS_OPENMP)}


def check_hang(text):
    text = h.plain(text)
    h.check("FRK-07" in h.findings(text), f"FRK-07 is missing\n{text}")
    h.equal(h.findings(text)["FRK-07"][0], "error", "severity")
    finding = h.prose(text, "FRK-07")
    for fact in ("ran 1 libgomp region", "with 2 threads", "in libopenblas", "job.py:10",
                 "never left it until SIGTERM"):
        h.check(fact in finding, f"'{fact}' is not in\n{text}")


@h.test
def frk_07_fires_openblas_in_a_pool_that_is_interrupted(folder):
    environment = h.environment(**need_openblas_openmp())
    (folder / "job.py").write_text(PRODUCTS)
    command = [h.FORKSIGHT, "run", "-o", folder / "job", "--", h.PYTHON, "job.py"]
    with Terminal(command, cwd=folder, env=environment) as terminal:
        terminal.expect(b"parent")
        time.sleep(5)
        interrupted = time.monotonic()
        terminal.send(b"\x03")
        terminal.finish()
        h.check(time.monotonic() - interrupted < 40, "the report took 40 s")
        check_hang(terminal.text())
        report = h.plain(terminal.text()).replace("\r", "")
    for want in ("OMP_NUM_THREADS", "forkserver"):
        line = pasted(folder, PRODUCTS, report, "FRK-07", want)
        result = h.under_forksight(["sh", "-c", f"{line}; exec {h.PYTHON} job.py"], cwd=folder,
                                   directory=folder / want, env=environment)
        h.check("workers True" in result.stdout, f"{want} did not end the hang\n{result}")
        h.check("FRK-07" not in h.findings(result.report), f"with {want}\n{result}")


@h.test
def frk_07_fires_with_the_stack_of_the_child(folder):
    h.need_cpus(2)
    result = h.under_forksight([h.BUILD / "kernels/frk07_openmp_fork"], cwd=folder)
    finding = h.prose(result.report, "FRK-07")
    for fact in ("until SIGALRM", "it hung in libgomp"):
        h.check(fact in finding, f"'{fact}' is not in\n{result}")
    h.check("libforksight" not in finding, f"frames of the recorder\n{result}")


PARALLEL = """import multiprocessing, sys
import numba, numpy
@numba.njit(parallel=True)
def total(values):
    sum = 0.0
    for i in numba.prange(values.size):
        sum += values[i]
    return sum
def work(n):
    return total(numpy.ones(n))
if __name__ == "__main__":
    # START
    print("parent", work(1000), flush=True)
    child = multiprocessing.Process(target=work, args=(1000,))
    child.start()
    child.join()
    print("exit code", child.exitcode)
"""


@h.test
def frk_07_fires_numba_ends_a_forked_child(folder):
    h.need_cpus(2)
    h.python_path("numba.np.ufunc.omppool")
    result = python(folder, PARALLEL, NUMBA_THREADING_LAYER="omp")
    h.check("exit code -15" in result.stdout, f"numba did not end the child\n{result}")
    h.expect_rules(result, ["FRK-07"])
    finding = h.prose(result.report, "FRK-07")
    for fact in ("ended by numba", "raised SIGTERM on itself", "omppool", "job.py:15"):
        h.check(fact in finding, f"'{fact}' is not in\n{result}")
    line = pasted(folder, PARALLEL, result.report, "FRK-07", "NUMBA_THREADING_LAYER")
    again = h.under_forksight(["sh", "-c", f"{line}; exec {h.PYTHON} job.py"], cwd=folder,
                              directory=folder / "again", env=h.environment())
    h.check("exit code 0" in again.stdout, f"the fix did not help\n{again}")
    h.check("FRK-07" not in h.findings(again.report), f"after the fix\n{again}")


def compiled(folder, name, source, *flags, compiler="gcc"):
    h.need_tool(compiler)
    if source:
        (folder / f"{name}.c").write_text(source)
    path = folder / f"{name}.c" if source else h.KERNELS / f"{name}.c"
    built = h.execute([compiler, "-O1", "-g", "-o", folder / name, path, *flags], cwd=folder)
    h.equal(built.status, 0, f"compiler\n{built}")
    return folder / name


@h.test
def frk_07_guard_libomp_starts_anew(folder):
    h.need_cpus(2)
    program = compiled(folder, "frk07_openmp_fork", None, "-fopenmp", compiler="clang")
    result = h.under_forksight([program], cwd=folder)
    sweep(result)
    h.equal(result.stdout.count("worker:"), 2, f"workers\n{result}")
    h.expect_clean(result, "FRK-06", "FRK-08")
    h.expect_outcome(result, "na", "FRK-07")  # clang's regions are none of libgomp's


@h.test
def frk_07_guard_libomp_behind_the_name_of_libgomp(folder):
    """What conda's distributions do: a program of GCC's, run by LLVM's runtime."""
    h.need_cpus(2)
    if not (LLVM / "libomp.so.5").exists():
        raise h.Skip("libomp is not installed")
    (folder / "libgomp.so.1").symlink_to(LLVM / "libomp.so.5")
    result = h.under_forksight([h.BUILD / "kernels/frk07_openmp_fork"], cwd=folder,
                               env=h.environment(LD_LIBRARY_PATH=folder))
    sweep(result)
    h.equal(result.stdout.count("worker:"), 2, f"workers\n{result}")
    h.expect_clean(result, "FRK-07")
    uses = node(result)["regions"]
    h.check(uses[0]["runtime"] == 1 and uses[0]["regions"] == 3, f"regions of libomp: {uses}")


OTHER_THREAD = """#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static int team(void) {
    int n = 0;
#pragma omp parallel reduction(+ : n)
    n += 1;
    return n;
}
static void *forks(void *unused) {
    pid_t child = fork();
    if (child == 0) {
        printf("child %d\\n", team());
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return unused;
}
int main(void) {
    pthread_t thread;
    printf("parent %d\\n", team());
    fflush(stdout);
    pthread_create(&thread, NULL, forks, NULL);
    pthread_join(thread, NULL);
    return 0;
}
"""


@h.test
def frk_07_guard_another_thread_forks(folder):
    h.need_cpus(2)
    program = compiled(folder, "other", OTHER_THREAD, "-fopenmp", "-pthread")
    result = h.under_forksight([program], cwd=folder)
    h.check("child 2" in result.stdout, f"the child's team\n{result}")
    h.check("FRK-07" not in h.findings(result.report), f"a finding\n{result}")
    forks = node(result)["runtime_forks"]
    h.equal([(f["reuse"], f["threads"]) for f in forks], [(1, 1)], "what the child did")


# --- FRK-09 -------------------------------------------------------------------------

@h.test
def frk_09_fires_stand_in_hip_memory_before_a_fork(folder):
    result = h.under_forksight([h.BUILD / "programs/hip_fork", "memory"], cwd=folder)
    h.equal(result.status, 0, f"calls were not passed on unchanged\n{result}")
    h.expect_rules(result, ["FRK-09"])
    finding = h.prose(result.report, "FRK-09")
    h.check("ROCm context before the fork: 2 calls" in finding, f"no count\n{result}")


@h.test
def frk_09_guard_stand_in_hip_device_chosen_before_a_fork(folder):
    result = h.under_forksight([h.BUILD / "programs/hip_fork", "queried"], cwd=folder)
    h.equal(result.status, 0, f"calls were not passed on unchanged\n{result}")
    h.expect_clean(result, "FRK-09")


BY_HANDLE = """import ctypes, os, sys
cuda = ctypes.CDLL("libcuda.so.1")
context = ctypes.c_void_p()
print(cuda.cuInit(0), cuda.cuCtxCreate_v2(ctypes.byref(context), 0, 0) if "use" in sys.argv else 0)
if os.fork() == 0:
    os._exit(0)
os.wait()
"""


@h.test
def frk_09_guard_stand_in_cuda_called_by_handle_is_unknown(folder):
    for argument in ("use", "load"):
        (folder / "job.py").write_text(BY_HANDLE)
        result = h.under_forksight([h.PYTHON, "job.py", argument], cwd=folder,
                                   directory=folder / argument,
                                   env=h.environment(LD_LIBRARY_PATH=h.BUILD / "standins"))
        h.check("0 0" in result.stdout, f"the stand-in was not called\n{result}")
        h.check("FRK-09" not in h.findings(result.report), f"a finding\n{result}")
        listed = h.execute([h.FORKSIGHT, "report", "--rules", result.directory]).stdout
        h.check(re.search(r"FRK-09\W+unknown|unknown\W+FRK-09", listed), f"not unknown\n{listed}")


# --- how calls are counted ------------------------------------------------------------

TEAM = """#include <omp.h>
int team(void) {
    int size = 0;
#pragma omp parallel num_threads(2)
#pragma omp master
    size = omp_get_num_threads();
    return size;
}
"""


def objects(folder):
    """One shared object on libgomp and one on libomp, both compiled by GCC."""
    if not (LLVM / "libomp.so.5").exists():
        raise h.Skip("libomp is not installed")
    gnu = compiled(folder, "gnu.so", TEAM, "-fopenmp", "-shared", "-fPIC")
    compiled(folder, "llvm.o", TEAM, "-fopenmp", "-c", "-fPIC")
    built = h.execute(["gcc", "-shared", "-o", folder / "llvm.so", folder / "llvm.o",
                       LLVM / "libomp.so.5", f"-Wl,-rpath,{LLVM}"])
    h.equal(built.status, 0, f"linker\n{built}")
    return [gnu, folder / "llvm.so"]


def check_teams(folder, how, order, expected):
    result = h.under_forksight([h.BUILD / "programs/two_runtimes", how, *order], cwd=folder,
                               directory=folder / f"{how}-{order[0].stem}",
                               env=h.environment(KMP_WARNINGS="0"))
    sweep(result)
    h.equal(result.status, 0, f"{how}\n{result}")
    h.equal(result.stdout.split(), expected, f"teams, {how}\n{result}")
    return node(result)


@h.test
def each_caller_gets_the_runtime_that_it_was_linked_with(folder):
    pair = objects(folder)
    for how in ("now", "fork", "thread"):
        for order in (pair, pair[::-1]):
            facts = check_teams(folder, how, order, ["2", "2"])
            uses = sorted((u.get("runtime", 0), u["regions"], u["team"]) for u in facts["regions"])
            h.equal(uses, [(0, 1, 2), (1, 1, 2)], f"regions, {how}")


@h.test
def first_region_in_the_child_of_bare_fork(folder):
    gnu, _ = objects(folder)
    facts = check_teams(folder, "_Fork", [gnu], ["2"])
    h.equal([(u["regions"], u["team"]) for u in facts["regions"]], [(1, 2)], "regions")


@h.test
def two_runtimes_in_the_child_of_bare_fork_still_get_an_answer(folder):
    """Whose function it is cannot be asked there: a team of one is right for both."""
    pair = objects(folder)
    check_teams(folder, "_Fork", pair, ["1", "1"])


@h.test
def programs_without_openmp_see_no_runtime(folder):
    """Nothing is loaded for them."""
    result = h.under_forksight(["/bin/cat", "/proc/self/maps"], cwd=folder)
    h.check("libforksight" in result.stdout, f"not recorded\n{result}")
    for library in ("libgomp", "libomp", "libcuda", "libdl"):
        h.check(library not in result.stdout, f"{library} is there\n{result}")


if __name__ == "__main__":
    h.main()
