"""FRK-06 and what is kept of a place that forks: real programs that fork beside threads, and
those whose threads do no harm."""
import json
import os
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h


def script(folder, text, *, name="job.py", options=(), **environment):
    (folder / name).write_text(text)
    return h.under_forksight([h.PYTHON, name], cwd=folder, options=options,
                             env=h.environment(**environment))


def program(folder, name, *arguments):
    return h.under_forksight([h.BUILD / "programs" / name, *arguments], cwd=folder,
                             env=h.environment())


def compiled(folder, compiler, source, *flags):
    h.need_tool(compiler)
    target = folder / Path(source).stem
    result = h.execute([compiler, "-g", "-O1", h.PROGRAMS / source, "-o", target, *flags])
    if result.status != 0:
        raise h.Skip(f"{source} cannot be built here: {result.stderr.splitlines()[:1]}")
    return target


def sites(directory):
    found = []
    for file in Path(directory).glob("*.digest"):
        for line in file.read_text().splitlines():
            found += json.loads(line).get("fork_sites", [])
    return found


def line_of(file, text):
    lines = (h.PROGRAMS / file).read_text().splitlines()
    return 1 + next(i for i, line in enumerate(lines) if text in line)


def silent(result):
    """Other rules may have their say: the rule under test must have passed."""
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, must_not=["FRK-06"])
    rules = h.execute([h.FORKSIGHT, "report", "--rules", result.directory], env=h.environment())
    h.check(re.search(r"^(pass|n/a) +FRK-06", rules.stdout, re.M),
            f"FRK-06 was not decided\n{rules}")


# --- programs in C --------------------------------------------------------------------

@h.test
def frk_06_fires_in_c_with_both_lines(folder):
    result = program(folder, "beside", "alive")
    h.expect_rules(result, ["FRK-06"])
    text = h.prose(result.report, "FRK-06")
    fork, start = line_of("beside.c", "pid = fork();"), line_of("beside.c", "if (pthread_create(")
    h.check(re.search(r"2 threads? of beside, started at beside\.c:%d in" % start, text), text)
    h.check(re.search(r"beside forks at beside\.c:%d in" % fork, text), text)
    h.check("2 of 2 forks" in text and "pthread_create" in " ".join(h.fixes(result.report, "FRK-06")),
            text)
    h.check_screen(result.report)
    document = h.execute([h.FORKSIGHT, "report", "--format", "json", result.directory],
                         env=h.environment())
    place = json.loads(document.stdout)["findings"][0]["place"]
    h.equal((place["line"], place["function"]), (fork, "fork_once"), "place of the finding")
    frames = sites(result.directory)[0]["frames"].splitlines()
    h.check(re.match(r"fork_once \(beside\) at beside\.c:%d$" % fork, frames[0]), frames)
    h.check(any(re.match(r"main \(beside\) at beside\.c:\d+$", f) for f in frames), frames)
    h.check(len(frames) <= 64, frames)


@h.test
def frk_06_fires_when_a_thread_forks_beside_main(folder):
    result = program(folder, "beside", "by_thread")
    h.expect_rules(result, ["FRK-06"])
    text = h.prose(result.report, "FRK-06")
    h.check("main thread was alive" in text, text)


@h.test
def frk_06_guard_threads_that_were_joined(folder):
    silent(program(folder, "beside", "joined"))


@h.test
def frk_06_guard_threads_renewed_by_fork_handlers(folder):
    result = program(folder, "beside", "renewed")
    silent(result)
    h.equal([s["threaded"] for s in sites(result.directory)], [0], "forks beside threads")


@h.test
def stacks_are_kept_of_so_many_places(folder):
    result = program(folder, "beside", "many")
    found = sites(result.directory)
    h.equal((len(found), sum("frames" in s for s in found)), (18, 16), "sites, stacks")
    h.equal([p.name for p in Path("/dev/shm").glob("forksight-*/*.stk")
             if str(os.getpid()) in p.name], [], "snapshots left behind")


# --- TBB, Polars ----------------------------------------------------------------------

def tbb(folder, mode):
    target = compiled(folder, "g++", "tbb_fork.cpp", "-ltbb")
    result = h.under_forksight([target, mode], cwd=folder, env=h.environment())
    h.equal(result.status, 0, f"status\n{result}")
    return result


@h.test
def frk_06_fires_as_an_error_for_tbb_of_another_thread(folder):
    h.need_cpus(2)
    result = tbb(folder, "foreign")
    severity, _ = h.findings(result.report).get("FRK-06", ("none", ""))
    h.equal(severity, "error", f"severity\n{result}")
    text = h.prose(result.report, "FRK-06")
    h.check(re.search(r"\d+ threads? of TBB", text) and "not by the thread that forked" in text, text)


@h.test
def frk_06_fires_as_a_warning_for_tbb_of_the_same_thread(folder):
    h.need_cpus(2)
    result = tbb(folder, "launcher")
    severity, _ = h.findings(result.report).get("FRK-06", ("none", ""))
    h.equal(severity, "warning", f"severity\n{result}")


RUST_POOL = """import ctypes, multiprocessing
pool = ctypes.CDLL("./polars/polars.abi3.so")
pool.start_threads(3)
if __name__ == "__main__":
    with multiprocessing.Pool(2) as workers:
        print(workers.map(abs, [-1, -2]))
"""


@h.test
def frk_06_fires_for_a_stand_in_of_polars(folder):
    (folder / "polars").mkdir()
    shutil.copy(h.BUILD / "standins/polars.abi3.so", folder / "polars/polars.abi3.so")
    result = script(folder, RUST_POOL)
    h.equal(h.findings(result.report).get("FRK-06", ("none", ""))[0], "error", f"severity\n{result}")
    h.check("3 threads of Polars (Rayon)" in h.section(result.report, "FRK-06"), f"owner\n{result}")


# --- Python ---------------------------------------------------------------------------

GUARDED = """import multiprocessing, os, sys, time
{imports}
def work(number):
    time.sleep(0.02)  # no worker is killed at its birth
    return number * number
def main():
{body}
if __name__ == "__main__":
    main()
"""


def guarded(folder, imports, body, **environment):
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    silent(script(folder, GUARDED.format(imports=imports, body=lines), **environment))


@h.test
def frk_06_guard_idle_openblas_pool(folder):
    """OpenBLAS ends its threads before a fork; those of an OpenMP build are another rule's."""
    h.python_path("numpy")
    guarded(folder, "import numpy", """
a = numpy.ones((500, 500))
a @ a
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(work, range(8))))
a @ a
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(work, range(8))))
""", OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")


@h.test
def frk_06_guard_children_that_exec(folder):
    guarded(folder, "import subprocess, threading, time", """
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
for _ in range(3):
    subprocess.run(["true"], check=True)
    subprocess.run(["true"], check=True, preexec_fn=os.getpid)
    os.system("true")
stop.set()
""")


@h.test
def frk_06_guard_workers_that_a_pool_replaces(folder):
    guarded(folder, "import time", """
with multiprocessing.Pool(2, maxtasksperchild=1) as pool, multiprocessing.Pool(2) as other:
    print(sum(pool.map(work, range(8), chunksize=1)), sum(other.map(work, range(8))))
""")


@h.test
def frk_06_guard_one_executor_beside_another(folder):
    guarded(folder, "from concurrent.futures import ProcessPoolExecutor", """
with ProcessPoolExecutor(2) as outer:
    print(sum(outer.map(work, range(20))))
    with ProcessPoolExecutor(2) as inner, multiprocessing.Pool(2) as pool:
        print(sum(inner.map(work, range(20))), sum(pool.map(work, range(20))))
""")


@h.test
def frk_06_guard_feeder_of_a_queue(folder):
    guarded(folder, "", """
queue = multiprocessing.Queue()
queue.put(1)
worker = multiprocessing.Process(target=queue.get)
worker.start()
worker.join()
""")


@h.test
def frk_06_guard_deep_call_of_a_pool(folder):
    """Its stack is longer than what is kept of one: the innermost frames are."""
    guarded(folder, "", """
def call(depth):
    if depth > 0:
        return call(depth - 1)
    with multiprocessing.Pool(2) as pool, multiprocessing.Pool(2) as other:
        return sum(pool.map(work, range(4))) + sum(other.map(work, range(4)))
print(call(60))
""")


@h.test
def frk_06_guard_joblib(folder):
    h.python_path("joblib")
    guarded(folder, "from joblib import Parallel, delayed", """
print(sum(Parallel(n_jobs=2)(delayed(work)(i) for i in range(8))))
print(sum(Parallel(n_jobs=2, backend="multiprocessing")(delayed(work)(i) for i in range(8))))
""")


@h.test
def frk_06_guard_numexpr(folder):
    h.python_path("numexpr")
    guarded(folder, "import numexpr, numpy", """
numexpr.set_num_threads(2)
a = numpy.arange(1e6)
print(numexpr.evaluate("sum(a)"))
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(work, range(4))))
""")


@h.test
def frk_06_guard_numba_workqueue(folder):
    h.python_path("numba")
    guarded(folder, "import numba, numpy", """
@numba.njit(parallel=True)
def total(a):
    s = 0.0
    for i in numba.prange(a.size):
        s += a[i]
    return s
print(total(numpy.ones(1000)))
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(work, range(4))))
""", NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="2")


REPLACED = """import multiprocessing, threading, time
def work(number):
    time.sleep(0.02)
    return number
if __name__ == "__main__":
    with multiprocessing.Pool(1, maxtasksperchild=1) as pool:
        stop = threading.Event()
        threading.Thread(target=stop.wait).start()
        print(pool.map(work, range(4), chunksize=1))
        stop.set()
"""


@h.test
def frk_06_fires_when_a_pool_replaces_workers_beside_a_thread(folder):
    result = script(folder, REPLACED)
    h.expect_rules(result, ["FRK-06"])
    text = h.prose(result.report, "FRK-06")
    h.check("1 thread of Python threading, started at job.py:8 in" in text, text)
    h.check("pool.py:" in text and "forkserver" in text, text)


@h.test
def python_and_c_stack_of_a_site(folder):
    result = script(folder, REPLACED)
    of_pool = [s for s in sites(result.directory) if s["place"].get("stack", "").count("job.py:6:")]
    h.check(of_pool and "frames" not in of_pool[0], f"a stack where no thread was alive: {of_pool}")
    replaced = [s for s in sites(result.directory) if s.get("threaded")]
    h.check("pool.py:" in replaced[0]["place"]["stack"], replaced)
    h.check("_PyEval_EvalFrameDefault (python3" in replaced[0]["frames"], replaced)


if __name__ == "__main__":
    h.main()
