"""FRK-10: random numbers that forked workers share. Programs print what they drew, so
each test sees with its own eyes whether the numbers were the same."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h


def run(folder, script, *arguments, name="job.py", must=(), allowed=(), **environment):
    """A numpy script under forksight; its findings checked, and its numbers returned."""
    h.python_path("numpy")
    (folder / name).write_text(script)
    result = h.under_forksight([h.PYTHON, name, *arguments], cwd=folder,
                               directory=folder / f"{name}.job",
                               env=h.environment(OMP_NUM_THREADS=1, **environment))
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, must, allowed=allowed)
    h.check_screen(result.report)
    return result, re.findall(r"0\.\d+", result.stdout)


def passed(result):
    """FRK-10 looked at the processes and found nothing."""
    text = h.execute([h.FORKSIGHT, "report", "--rules", result.directory]).stdout
    h.check(re.search(r"^pass +FRK-10:", text, re.M), f"FRK-10 did not pass\n{text}")


def same(numbers):
    h.check(len(numbers) > 1 and len(set(numbers)) == 1, f"not the same numbers: {numbers}")


def different(numbers):
    h.check(len(numbers) > 1 and len(set(numbers)) == len(numbers), f"the same numbers: {numbers}")


POOL = """import time
from multiprocessing import Pool
import numpy as np
def work(count):
    first = np.random.rand(count)[0]
    time.sleep(0.2)
    return first
if __name__ == "__main__":
    with Pool(2{more}) as pool:
        print(pool.map(work, [{counts}], chunksize=1))
"""


@h.test
def frk_10_fires_pool_map_and_its_fix(folder):
    result, numbers = run(folder, POOL.format(more="", counts="1000, 1000"), must=["FRK-10"])
    same(numbers)
    text = h.section(result.report, "FRK-10")
    h.equal(h.findings(result.report)["FRK-10"][0], "warning", "severity")
    h.check("2 of 2 workers" in text and "2,000 numbers" in text, f"counts\n{text}")
    h.check("job.py:9" in text, f"no place of the fork\n{text}")
    fix = h.command_of(h.fixes(result.report, "FRK-10")[0])
    pasted = POOL.format(more="", counts="1000, 1000").replace("Pool(2)", fix)
    h.check(pasted.count("initializer") == 1, f"the fix is no pool: {fix}")
    result, numbers = run(folder, "import multiprocessing\n" + pasted, name="fixed.py")
    different(numbers)


@h.test
def frk_10_fires_unequal_shares(folder):
    """Workers that draw 3 and 5 million doubles share the first 3 million."""
    result, _ = run(folder, POOL.format(more="", counts="3_000_000, 5_000_000"), must=["FRK-10"])
    text = h.prose(result.report, "FRK-10")
    h.check("6,000,000 to 10,000,000 numbers" in text and "first 6,000,000" in text, f"counts\n{text}")


FORK = """import os, signal, sys, time
import numpy as np
{before}
for child in range(3):
    pid = os.fork()
    if pid == 0:
        {child}
        os._exit(0)
for child in range(3):
    os.wait()
"""


@h.test
def frk_10_fires_children_of_fork(folder):
    result, numbers = run(folder, FORK.format(before="", child="print(np.random.random(), flush=True)"),
                          must=["FRK-10"])
    same(numbers)
    text = h.section(result.report, "FRK-10")
    h.check("3 of 3 workers" in text and "drew 2 numbers" in " ".join(text.split()), f"counts\n{text}")
    fix = h.command_of(h.fixes(result.report, "FRK-10")[0])
    script = FORK.format(before="", child=fix + "; print(np.random.random(), flush=True)")
    different(run(folder, script, name="fixed.py")[1])


@h.test
def frk_10_fires_children_that_somebody_else_kills(folder):
    """Without an exit and without their parent's kill: a sample saw them draw."""
    child = ("print(np.random.random(), flush=True); time.sleep(2); "
             "sys.stdout.flush(); os.system(f'kill -9 {os.getpid()}')")
    result, numbers = run(folder, FORK.format(before="", child=child), must=["FRK-10"])
    same(numbers)
    h.check("at least 2 numbers" in h.prose(result.report, "FRK-10"), f"{result}")


@h.test
def frk_10_fires_processes_after_a_seed(folder):
    script = ("from multiprocessing import Process\nimport numpy as np\n"
              "def work():\n    print(np.random.normal(size=5)[4] % 1)\n"
              "if __name__ == '__main__':\n    np.random.seed(1)\n"
              "    ps = [Process(target=work) for _ in range(4)]\n"
              "    [p.start() for p in ps]\n    [p.join() for p in ps]\n")
    result, numbers = run(folder, script, must=["FRK-10"])
    same(numbers)
    h.check("4 of 4 workers" in h.section(result.report, "FRK-10"), f"{result}")


@h.test
def frk_10_fires_executor(folder):
    script = ("from concurrent.futures import ProcessPoolExecutor\nimport time\nimport numpy as np\n"
              "def work(_):\n    x = np.random.rand()\n    time.sleep(0.3)\n    return x\n"
              "if __name__ == '__main__':\n    with ProcessPoolExecutor(2) as pool:\n"
              "        print(list(pool.map(work, range(2))))\n")
    result, numbers = run(folder, script, must=["FRK-10"], allowed=["FRK-06"])
    same(numbers)
    h.check("ProcessPoolExecutor(2, initializer" in h.section(result.report, "FRK-10"), f"{result}")


@h.test
def frk_10_fires_preloaded_fork_server(folder):
    script = ("import multiprocessing as mp\nimport numpy as np\nimport job_work\n"
              "if __name__ == '__main__':\n    context = mp.get_context('forkserver')\n"
              "    context.set_forkserver_preload(['job_work'])\n"
              "    with context.Pool(2) as pool:\n"
              "        print(pool.map(job_work.work, range(2), chunksize=1))\n")
    (folder / "job_work.py").write_text(
        "import time\nimport numpy as np\ndef work(_):\n"
        "    x = np.random.rand()\n    time.sleep(0.3)\n    return x\n")
    result, numbers = run(folder, script, must=["FRK-10"])
    same(numbers)


# --- guards -------------------------------------------------------------------------

@h.test
def frk_10_guard_seeded_in_the_initializer(folder):
    result, numbers = run(folder, POOL.format(more=", initializer=np.random.seed",
                                              counts="1000, 1000"))
    different(numbers)
    passed(result)


@h.test
def frk_10_guard_seeded_in_each_task(folder):
    script = POOL.format(more="", counts="1, 2").replace("    first =", "    np.random.seed(count)\n    first =")
    result, numbers = run(folder, script)
    different(numbers)
    passed(result)


@h.test
def frk_10_guard_one_seed_for_all_was_asked_for(folder):
    result, numbers = run(folder, POOL.format(more=", initializer=np.random.seed, initargs=(7,)",
                                              counts="1000, 1000"))
    same(numbers)
    passed(result)


@h.test
def frk_10_guard_seeded_anew_at_every_fork(folder):
    before = "os.register_at_fork(after_in_child=np.random.seed)"
    result, numbers = run(folder, FORK.format(before=before, child="print(np.random.random(), flush=True)"))
    different(numbers)
    passed(result)


@h.test
def frk_10_guard_generator_of_each_task(folder):
    script = POOL.format(more="", counts="1, 2").replace("np.random.rand(count)",
                                                         "np.random.default_rng(count).random(3)")
    result, numbers = run(folder, script)
    different(numbers)
    passed(result)


@h.test
def frk_10_guard_random_of_the_standard_library(folder):
    script = POOL.format(more="", counts="1, 2").replace("np.random.rand(count)[0]", "random.random()")
    result, numbers = run(folder, "import random\n" + script)
    different(numbers)
    passed(result)


@h.test
def frk_10_guard_workers_that_never_draw(folder):
    script = POOL.format(more="", counts="1, 2").replace("np.random.rand(count)[0]",
                                                         "float(np.ones(count).sum()) / 4")
    passed(run(folder, script)[0])


@h.test
def frk_10_guard_only_one_worker_draws(folder):
    child = "child == 1 and print(np.random.random(), flush=True)"
    passed(run(folder, FORK.format(before="", child=child))[0])


@h.test
def frk_10_guard_parent_draws_between_the_forks(folder):
    script = FORK.format(before="", child="print(np.random.random(), flush=True)")
    result, numbers = run(folder, script.replace("    pid =", "    np.random.random()\n    pid ="))
    different(numbers)
    passed(result)


@h.test
def frk_10_guard_numpy_imported_in_the_workers(folder):
    script = POOL.format(more="", counts="1000, 1000").replace("import numpy as np\n", "")
    script = script.replace("    first =", "    import numpy as np\n    first =")
    result, numbers = run(folder, script)
    different(numbers)
    text = h.execute([h.FORKSIGHT, "report", "--rules", result.directory]).stdout
    h.check(re.search(r"^n/a +FRK-10:", text, re.M), f"it applies\n{text}")


@h.test
def frk_10_guard_children_that_exec(folder):
    script = ("import subprocess, sys\nimport numpy as np\n"
              "for _ in range(3):\n    subprocess.run([sys.executable, '-c',\n"
              "        'import numpy as np; print(np.random.random())'], preexec_fn=lambda: None)\n")
    different(run(folder, script)[1])


@h.test
def another_generator_in_its_place_is_unknown(folder):
    before = "np.random.mtrand._rand = np.random.RandomState(np.random.PCG64(1))"
    child = "print(np.random.mtrand._rand.random_sample(), flush=True)"
    result, _ = run(folder, FORK.format(before=before, child=child))
    text = h.execute([h.FORKSIGHT, "report", "--rules", result.directory]).stdout
    h.check(re.search(r"^unknown +FRK-10:.*\n.*MT19937", text, re.M), f"not unknown\n{text}")


if __name__ == "__main__":
    h.main()
