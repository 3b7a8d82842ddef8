"""Threads that work together, as samples show them, and tools that see some processes only: a
real program that fires each rule, and others on which it must keep silent."""
import functools
import os
import re
import resource
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

TEAM = h.BUILD / "kernels" / "thr07_team_size"
TRIES = 4


def user_seconds():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


@functools.cache
def rounds_per_second():
    """Of one CPU of this machine, for TEAM."""
    before = user_seconds()
    h.execute([TEAM, "40"], env=h.environment(OMP_NUM_THREADS=1))
    return 40 / (user_seconds() - before)


def work(seconds):
    """Rounds of TEAM that take so many seconds of one CPU. Rules want to see a second at least."""
    return max(1, int(seconds * rounds_per_second()))


def run(folder, script, *, outer=("taskset", "-c", "0,1"), name="job.py", arguments=(), **environment):
    """A Python script under forksight, with two CPUs for the job."""
    h.need_cpus(2)
    (folder / name).write_text(script)
    return h.under_forksight([h.PYTHON, name, *arguments], cwd=folder, outer=outer,
                             env=h.environment(**environment))


def busy_ticks():
    """CPU time that everybody on this machine used, in ticks."""
    numbers = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]))
    return sum(numbers) - numbers[3] - numbers[4]


def undisturbed(folder, body, rule):
    """The result of body(), again while other programs on the CPUs hide the answer. None: they
    always do, and the rule says that it does not know (bignode.py has the answer, too)."""
    for attempt in range(TRIES):
        before = busy_ticks()
        result = body()
        all_cpu = (busy_ticks() - before) / os.sysconf("SC_CLK_TCK")
        own_cpu = sum(process["cpu_ns"] or 0 for process in h.detail(result.directory)) / 1e9
        result.directory = result.directory.rename(folder / f"try{attempt}")
        status, why = result.outcomes[rule]
        if status != "unknown":
            return result
        h.check("waited for a CPU" in why, f"unknown for another reason\n{result}")
        h.check(all_cpu > 1.2 * own_cpu, f"nobody was there to wait for: {why}\n{result}")
    return None


def again(folder, result, rule, command, **environment):
    """Runs the job anew after the environment fix of a rule was pasted."""
    fix = next(f for f in h.fixes(result.report, rule) if f.startswith(("export", "unset")))
    line = f"{fix}\nexec '{h.FORKSIGHT}' run -o '{folder}/fixed' -- {command}"
    return h.execute(["taskset", "-c", "0,1", "sh", "-c", line], cwd=folder,
                     env=h.environment(**environment), directory=folder / "fixed")


# --- OVS-06 -------------------------------------------------------------------------

@h.test
def ovs_06_fires_for_a_team_on_one_cpu_and_its_fix_works(folder):
    h.need_cpus(2)
    command = ["taskset", "-c", "0", TEAM, work(2.5)]
    result = h.under_forksight(command, cwd=folder, env=h.environment(OMP_NUM_THREADS=4))
    h.expect_rules(result, ["OVS-06"])
    h.equal(h.findings(result.report)["OVS-06"][0], "error", "severity")
    text = h.section(result.report, "OVS-06")
    for words in ("4 OpenMP threads", "1 CPU", "libgomp", "OMP_NUM_THREADS=4", "taskset"):
        h.check(words in text, f"{words} is not stated\n{text}")
    h.expect_clean(again(folder, result, "OVS-06", " ".join(map(str, command)), OMP_NUM_THREADS=4), "THR-05")


@h.test
def ovs_06_fires_for_a_number_in_the_program_and_its_fix_works(folder):
    h.need_cpus(2)
    command = ["taskset", "-c", "0", TEAM, work(2.5), "3"]
    result = h.under_forksight(command, cwd=folder)
    h.expect_rules(result, ["OVS-06"])
    text = h.section(result.report, "OVS-06")
    h.check("the program itself asks for 3 threads" in text, f"no cause\n{text}")
    h.check("OMP_THREAD_LIMIT=1" in text, f"no fix that the program obeys\n{text}")
    h.expect_clean(again(folder, result, "OVS-06", " ".join(map(str, command))), "THR-05")


@h.test
def ovs_06_fires_for_a_team_of_llvm(folder):
    h.need_cpus(2)
    h.need_tool("clang")
    built = h.execute(["clang", "-O1", "-fopenmp", "-o", folder / "team",
                       h.KERNELS / "thr07_team_size.c"])
    if built.status != 0:
        raise h.Skip("clang has no OpenMP here")
    result = h.under_forksight(["taskset", "-c", "0", folder / "team", work(2.5)], cwd=folder,
                               env=h.environment(OMP_NUM_THREADS=4))
    h.expect_rules(result, ["OVS-06"])
    h.check("libomp" in h.section(result.report, "OVS-06"), f"libomp is not named\n{result}")


RANKS = ("for rank in 0 1; do OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=$rank {program} {rounds} & "
         "done; wait")


@h.test
def ovs_06_fires_for_ranks_together_with_the_variables_of_a_launcher(folder):
    h.need_cpus(2)
    script = RANKS.format(program=TEAM, rounds=work(2.2))
    result = h.under_forksight(["sh", "-c", script], cwd=folder, outer=["taskset", "-c", "0,1"],
                               env=h.environment(OMP_NUM_THREADS=2))
    # The two do the same work and have no MPI: they are copies, too.
    h.expect_rules(result, ["OVS-06", "MPI-03"])
    text = h.section(result.report, "OVS-06")
    h.check("2 ranks x 2 OpenMP threads on 2 CPUs" in text, f"ranks are not counted\n{text}")
    h.check("OVS-01" in h.folded(result.report), f"OVS-01 does not follow\n{result}")


@h.test
def ovs_06_guard_team_as_large_as_its_cpus(folder):
    h.need_cpus(2)
    h.expect_clean(h.under_forksight([TEAM, work(4.4)], cwd=folder, outer=["taskset", "-c", "0,1"]),
                   "OVS-06")


@h.test
def ovs_06_guard_forked_workers_with_teams_are_ovs_01(folder):
    h.need_cpus(2)
    script = ("import ctypes, multiprocessing, subprocess, sys\n"
              "def work(_): subprocess.run([sys.argv[1], sys.argv[2]])\n"
              "if __name__ == '__main__':\n"
              "    with multiprocessing.Pool(2) as pool: pool.map(work, [0, 1])\n")
    result = run(folder, script, arguments=[TEAM, work(2.2)], OMP_NUM_THREADS=2)
    h.expect_rules(result, must_not=["OVS-06", "THR-07"])


# --- no team at all -----------------------------------------------------------------

SERVER = """import socket, threading, time
pairs = [socket.socketpair() for _ in range({clients})]
def serve(end):
    while data := end.recv(100):
        end.sendall(data)
for a, _ in pairs:
    threading.Thread(target=serve, args=(a,), daemon=True).start()
until = time.monotonic() + 2
while time.monotonic() < until:
    for _, b in pairs:
        b.sendall(b"x" * 100); b.recv(100)
    time.sleep(0.01)
"""
QUIET = ["OVS-06", "OVS-07", "THR-07", "THR-08", "AFF-09", "PYT-03", "PRC-05"]


@h.test
def ovs_06_pyt_03_guard_server_with_many_threads(folder):
    result = run(folder, SERVER.format(clients=24), SLURM_JOB_ID=1, SLURM_CPUS_PER_TASK=1)
    h.expect_rules(result, must_not=QUIET)


@h.test
def ovs_06_thr_07_guard_serial_numpy_with_an_idle_pool(folder):
    h.python_path("numpy")
    script = ("import numpy, time\nend = time.monotonic() + 2\nx = numpy.ones(1000)\n"
              "while time.monotonic() < end: x = numpy.sqrt(x + 1)\n")
    result = run(folder, script, SLURM_JOB_ID=1, SLURM_CPUS_PER_TASK=2, OMP_PROC_BIND="true")
    h.expect_rules(result, must_not=QUIET)


@h.test
def ovs_06_ovs_07_guard_pipeline_on_one_cpu(folder):
    result = h.under_forksight(["sh", "-c", "timeout 2 yes | tr y z | gzip -1 >/dev/null"],
                               cwd=folder, outer=["taskset", "-c", "0"])
    h.expect_rules(result, must_not=QUIET)


# --- OVS-07 -------------------------------------------------------------------------

def two_programs(folder):
    """Two programs, unlike each other, at the same time."""
    shutil.copy(TEAM, folder / "one")
    shutil.copy(TEAM, folder / "other")
    return ["sh", "-c", f"./one {work(2)} & ./other {work(2)} & wait"]


@h.test
def ovs_07_fires_for_teams_that_spin_and_its_fix_works(folder):
    h.need_cpus(2)
    command = two_programs(folder)
    steer = {"OMP_NUM_THREADS": 2, "OMP_WAIT_POLICY": "active"}
    result = h.under_forksight(command, cwd=folder, outer=["taskset", "-c", "0,1"],
                               env=h.environment(**steer))
    h.expect_rules(result, ["OVS-07"])
    text = h.section(result.report, "OVS-07")
    h.check("2 spinning OpenMP teams on 2 CPUs" in text and "4 threads" in text, f"no numbers\n{text}")
    h.check("OMP_WAIT_POLICY=active" in text, f"the setting is not named\n{text}")
    fixed = again(folder, result, "OVS-07", f"sh -c '{command[2]}'", **steer)
    h.expect_rules(fixed, must_not=["OVS-07"])
    h.expect_outcome(fixed, "pass", "OVS-07")


@h.test
def ovs_07_guard_teams_with_the_default_of_libgomp(folder):
    h.need_cpus(2)
    result = h.under_forksight(two_programs(folder), cwd=folder, outer=["taskset", "-c", "0,1"],
                               env=h.environment(OMP_NUM_THREADS=2))
    h.expect_rules(result, must_not=QUIET)
    h.expect_outcome(result, "pass", "OVS-07")


@h.test
def ovs_07_guard_one_team_after_the_other(folder):
    h.need_cpus(2)
    command = ["sh", "-c", f"{TEAM} {work(2.6)}; {TEAM} {work(2.6)}"]
    result = h.under_forksight(command, cwd=folder, outer=["taskset", "-c", "0,1"],
                               env=h.environment(OMP_NUM_THREADS=2, OMP_WAIT_POLICY="active"))
    h.expect_clean(result, "OVS-06")
    h.expect_outcome(result, "na", "OVS-07")


# --- THR-08: OpenBLAS is in the kernels ----------------------------------------------

BLIS = """import ctypes, sys, time
if len(sys.argv) > 1:
    ctypes.CDLL("libgomp.so.1")
blis = ctypes.CDLL("/usr/lib/x86_64-linux-gnu/blis-pthread/libblis.so.4")
n, one, no = ctypes.c_int(1000), ctypes.c_double(1), ctypes.c_char(b"N")
a, b, c = [(ctypes.c_double * (n.value * n.value))() for _ in range(3)]
n, one, no = map(ctypes.byref, (n, one, no))
end = time.monotonic() + 2.5
while time.monotonic() < end:
    blis.dgemm_(no, no, n, n, n, one, a, n, b, n, one, c, n)
"""


def need_blis():
    if not Path("/usr/lib/x86_64-linux-gnu/blis-pthread/libblis.so.4").exists():
        raise h.Skip("libblis4-pthread is not installed")


@h.test
def thr_08_fires_for_blis(folder):
    need_blis()
    result = run(folder, BLIS, arguments=["bind"], BLIS_NUM_THREADS=2, OMP_PROC_BIND="close",
                 OMP_PLACES="cores")
    h.expect_rules(result, ["THR-08"])
    text = h.section(result.report, "THR-08")
    for words in ("2 threads of BLIS", "one core", "OMP_PROC_BIND=close", "libgomp.so.1",
                  "unset OMP_PROC_BIND OMP_PLACES"):
        h.check(words in text, f"{words} is not stated\n{text}")


@h.test
def thr_08_guard_blis_without_a_runtime_that_binds(folder):
    need_blis()
    h.expect_clean(run(folder, BLIS, BLIS_NUM_THREADS=2, OMP_PROC_BIND="close", OMP_PLACES="cores"),
                   "THR-08")


@h.test
def thr_08_aff_09_guard_openmp_places_its_own_threads(folder):
    h.need_cpus(2)
    result = h.under_forksight([TEAM, work(4.4)], cwd=folder, outer=["taskset", "-c", "0,1"],
                               env=h.environment(OMP_PROC_BIND="true", OMP_PLACES="cores"))
    h.expect_clean(result, "AFF-09", "OVS-06")
    h.expect_outcome(result, "na", "THR-08")


# --- PYT-03 -------------------------------------------------------------------------

THREADS = """import threading, time
{prepare}
def work():
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        {step}
threads = [threading.Thread(target=work) for _ in range({threads})]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def threads(folder, step, count=3, prepare="", **keywords):
    script = THREADS.format(step=step, threads=count, prepare=prepare)
    return run(folder, script, **keywords)


@h.test
def pyt_03_fires_for_threads_that_compute(folder):
    result = undisturbed(folder, lambda: threads(folder, "sum(range(1000))"), "PYT-03")
    if not result:
        return
    h.expect_rules(result, ["PYT-03"])
    text = h.section(result.report, "PYT-03")
    h.check(re.search(r"\b3 Python threads share (0\.[89]|1\.[012]) CPUs", text), f"no numbers\n{text}")
    h.check("ProcessPoolExecutor" in text, f"no fix\n{text}")


def silent(folder, step, **keywords):
    result = undisturbed(folder, lambda: threads(folder, step, **keywords), "PYT-03")
    if result:
        h.expect_clean(result, "PYT-03")


@h.test
def pyt_03_guard_threads_that_give_up_the_lock(folder):
    silent(folder, "hashlib.sha256(data)", prepare="import hashlib\ndata = bytes(1 << 22)")


@h.test
def pyt_03_guard_threads_that_wait(folder):
    silent(folder, "sum(range(40000)); time.sleep(0.002)")


@h.test
def pyt_03_guard_one_busy_thread(folder):
    prepare = ("def idle():\n    while True: sum(range(6000)); time.sleep(0.001)\n"
               "threading.Thread(target=idle, daemon=True).start()")
    silent(folder, "sum(range(1000))", count=1, prepare=prepare)


@h.test
def pyt_03_guard_one_cpu(folder):
    result = threads(folder, "sum(range(1000))", outer=["taskset", "-c", "0"])
    h.expect_clean(result, "PRC-03")
    h.expect_outcome(result, "na", "PYT-03")


# --- PRC-05 -------------------------------------------------------------------------

# Equal work for the clock of the CPUs, not for a count of steps: those of a virtual machine are
# not always equally fast, which is a load imbalance (EFF-01) as well.
POOL = """from multiprocessing import get_context
from time import process_time
def work(seconds):
    until = process_time() + seconds
    while process_time() < until:
        sum(i * i for i in range(10_000))
if __name__ == "__main__":
    with get_context("{method}").Pool(2) as pool:
        pool.map(work, [0.7] * 2, chunksize=1)
"""


def traced(folder, *options):
    h.need_cpus(2)
    h.need_tool("strace")
    (folder / "pool.py").write_text(POOL.format(method="fork"))
    command = ["strace", *options, "-o", "/dev/null", h.PYTHON, "pool.py"]
    result = h.under_forksight(command, cwd=folder, outer=["taskset", "-c", "0,1"])
    if "Operation not permitted" in result.stderr:
        raise h.Skip("strace may not trace here")
    return result


@h.test
def prc_05_fires_for_a_tracer_that_does_not_follow(folder):
    result = traced(folder)
    h.expect_rules(result, ["PRC-05"])
    h.equal(h.findings(result.report)["PRC-05"][0], "note", "severity")
    text = h.section(result.report, "PRC-05")
    h.check("strace misses 2 of 2 children" in text, f"not counted\n{text}")
    h.check("pool.py:" in text, f"no place of the fork\n{text}")
    h.check("strace -f -o /dev/null" in "\n".join(h.fixes(result.report, "PRC-05")), f"no fix\n{text}")


@h.test
def prc_05_guard_tracer_that_follows(folder):
    result = traced(folder, "-f")
    h.expect_rules(result, must_not=["PRC-05"])
    h.expect_outcome(result, "pass", "PRC-05")


def profiled(folder, command, **environment):
    """A job whose profiler is preloaded: an object of HPCToolkit's name that does nothing but
    to take itself out of the environment."""
    h.need_cpus(2)
    (folder / "pool.py").write_text(POOL.format(method="spawn"))
    profiler = h.BUILD / "standins" / "libhpcrun.so"
    return h.under_forksight(["env", f"LD_PRELOAD={profiler}:{h.BUILD}/libforksight.so", *command],
                             cwd=folder, outer=["taskset", "-c", "0,1"],
                             env=h.environment(**environment))


@h.test
def prc_05_fires_for_a_stand_in_of_a_profiler_that_leaves_the_environment(folder):
    result = profiled(folder, [h.PYTHON, "pool.py"])
    h.expect_rules(result, ["PRC-05"])
    text = h.section(result.report, "PRC-05")
    h.check("libhpcrun.so" in text and "python3" in text, f"not named\n{text}")


@h.test
def prc_05_guard_stand_in_of_a_profiler_that_stays(folder):
    result = profiled(folder, [h.PYTHON, "pool.py"], STAY=1)
    h.expect_rules(result, must_not=["PRC-05"])
    h.expect_outcome(result, "pass", "PRC-05")


@h.test
def prc_05_guard_environment_removed_by_the_program_with_a_stand_in(folder):
    (folder / "clean.py").write_text(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, 'pool.py'], env={'PATH': '/usr/bin:/bin'})\n")
    result = profiled(folder, [h.PYTHON, "clean.py"], STAY=1)
    h.expect_rules(result, must_not=["PRC-05"])
    h.expect_outcome(result, "pass", "PRC-05")


if __name__ == "__main__":
    h.main()
