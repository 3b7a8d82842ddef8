"""Rules that the kernels do not reach: a real program that fires each, and its twin that does not."""
import os
import re
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cgroup import Group, private_mounts


def run(folder, script, *, outer=(), options=(), name="job.py", directory=None, **environment):
    """A Python script under forksight."""
    (folder / name).write_text(script)
    return h.under_forksight([h.PYTHON, name], cwd=folder, outer=outer, options=options,
                             directory=directory, env=h.environment(**environment))


# --- PRC-03 -------------------------------------------------------------------------

ZOMBIES = """import os, time
pids = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    pids.append(pid)
time.sleep({sleep})
for pid in pids:
    {end}
"""


@h.test
@h.waits
def prc_03_fires_children_never_waited_for(folder):
    result = run(folder, ZOMBIES.format(sleep=1, end="pass"))
    h.expect_rules(result, ["PRC-03"])
    h.equal(h.findings(result.report)["PRC-03"][0], "note", "severity")
    h.check(re.search(r"\b6\b", h.section(result.report, "PRC-03")), f"6 are not stated\n{result}")
    h.check("job.py:4" in h.section(result.report, "PRC-03"), f"no place of the fork\n{result}")


@h.test
@h.waits
def prc_03_guard_children_waited_for_at_the_end(folder):
    h.expect_clean(run(folder, ZOMBIES.format(sleep=1, end="os.waitpid(pid, 0)")), "PRC-03")


@h.test
@h.waits
def prc_03_fires_zombies_for_a_long_time(folder):
    result = run(folder, ZOMBIES.format(sleep=4, end="os.waitpid(pid, 0)"),
                 options=["--threshold", "PRC-03.time=2"])
    h.expect_rules(result, ["PRC-03"])


@h.test
@h.waits
def prc_03_guard_children_of_a_parent_that_ignores_them(folder):
    script = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    h.expect_clean(run(folder, script + ZOMBIES.format(sleep=1, end="pass")), "PRC-03")


# --- PRC-06 -------------------------------------------------------------------------

ORPHANS = """import os, time
for _ in range(3):
    if os.fork() == 0:
        {before}
        end = time.monotonic() + 4
        while time.monotonic() < end:
            sum(range(1000))
        os._exit(0)
time.sleep(0.3)
os._exit(0)
"""


@h.test
def prc_06_fires_workers_that_outlive_the_main_process(folder):
    result = run(folder, ORPHANS.format(before="pass"))
    h.expect_rules(result, ["PRC-06"], allowed=["OVS-02", "PRC-03"])
    text = h.section(result.report, "PRC-06")
    h.check(re.search(r"\b3\b", text), f"3 workers are not stated\n{text}")
    pids = [int(p) for p in re.findall(r"\b\d{2,7}\b", " ".join(h.fixes(result.report, "PRC-06")))]
    h.check(pids, f"the fix names no pid\n{text}")


@h.test
def prc_06_guard_daemons_that_outlive_the_main_process(folder):
    h.expect_rules(run(folder, ORPHANS.format(before="os.setsid()")), allowed=["OVS-02"])


# --- MEM-02 -------------------------------------------------------------------------

SHARED = """import os, time
from multiprocessing import Pool, shared_memory
def fill(_):
    block = shared_memory.SharedMemory(create=True, size=24 << 20)
    try:
        for at in range(0, 24 << 20, 4096):
            block.buf[at] = 1
    finally:
        block.close()
        block.unlink()
if __name__ == "__main__":
    with Pool(1) as pool:
        result = pool.map_async(fill, [0])
        result.wait({wait})
        print("done", result.ready())
"""


def small_shm(mib, folder, options=()):
    script = f"mount -t tmpfs -o size={mib}m tmpfs /dev/shm"
    return private_mounts(script, [h.FORKSIGHT, "run", "-o", folder / "job", *options, "--",
                                   h.PYTHON, "shared.py"])


@h.test
@h.waits
def mem_02_fires_shared_memory_that_runs_out(folder):
    (folder / "shared.py").write_text(SHARED.format(wait=5))
    result = h.execute(small_shm(16, folder), cwd=folder)
    h.check("done False" in result.stdout, f"the worker was not lost\n{result}")
    h.expect_rules(result, ["MEM-02"], allowed=["PRC-02"])
    text = h.section(result.report, "MEM-02")
    h.check("SIGBUS" in text and "shm" in text, f"no evidence\n{text}")


@h.test
def mem_02_guard_shared_memory_that_suffices(folder):
    (folder / "shared.py").write_text(SHARED.format(wait=60))
    result = h.execute(small_shm(256, folder), cwd=folder, directory=folder / "job")
    h.check("done True" in result.stdout, f"the worker failed\n{result}")
    h.expect_clean(result, "MEM-02", "PRC-02")


LEFTOVER = """import _posixshmem, os
name = "/forksight-test-%d" % os.getpid()
fd = _posixshmem.shm_open(name, os.O_CREAT | os.O_RDWR, mode=0o600)
os.ftruncate(fd, 8192)
os.write(fd, b"x" * 8192)
print(name)
{end}
"""


@h.test
def mem_02_fires_shared_memory_left_behind(folder):
    result = run(folder, LEFTOVER.format(end=""))
    name = result.stdout.strip()
    try:
        h.expect_rules(result, ["MEM-02"])
        h.equal(h.findings(result.report)["MEM-02"][0], "warning", "severity")
        h.check(name[1:] in h.section(result.report, "MEM-02"), f"{name} is not named\n{result}")
    finally:
        Path("/dev/shm" + name).unlink(missing_ok=True)


@h.test
def mem_02_guard_shared_memory_unlinked(folder):
    h.expect_clean(run(folder, LEFTOVER.format(end="_posixshmem.shm_unlink(name)")), "MEM-02")


@h.test
def mem_02_guard_bus_error_of_a_file_is_not_shared_memory(folder):
    script = ("import mmap, os, time\npid = os.fork()\nif pid == 0:\n"
              "    f = open('f', 'w+b'); f.truncate(8192); m = mmap.mmap(f.fileno(), 8192)\n"
              "    f.truncate(0); f.flush()\n    m[0]\n"
              "print(os.waitpid(pid, 0)[1] & 127)\ntime.sleep(0.2)\n")
    result = run(folder, script)
    h.equal(result.stdout, f"{int(signal.SIGBUS)}\n", f"the child's death\n{result}")
    h.expect_rules(result, must_not=["MEM-02"])


# --- ENV-03, ENV-04 -----------------------------------------------------------------

CHILD = "[sys.executable, '-c', 'import ctypes; ctypes.CDLL(\"libgomp.so.1\")']"
LOST = ("import os, subprocess, sys\n"
        "subprocess.run(" + CHILD + ", env={env})\n")


@h.test
def env_03_fires_thread_setting_lost_at_exec(folder):
    result = run(folder, LOST.format(env="{'PATH': os.environ['PATH']}"), OMP_NUM_THREADS=2)
    h.expect_rules(result, ["ENV-03"])
    h.check("OMP_NUM_THREADS" in h.section(result.report, "ENV-03"), f"not named\n{result}")
    h.check("os.environ" in h.section(result.report, "ENV-03"), f"no fix\n{result}")


@h.test
def env_03_guard_thread_setting_handed_on(folder):
    h.expect_clean(run(folder, LOST.format(env="{**os.environ, 'MORE': '1'}"), OMP_NUM_THREADS=2),
                   "ENV-03")


@h.test
def env_03_guard_thread_setting_replaced_by_the_child_is_no_loss(folder):
    h.expect_clean(run(folder, LOST.format(env="{**os.environ, 'OMP_NUM_THREADS': '1'}"),
                       OMP_NUM_THREADS=2), "ENV-03")


@h.test
def env_03_guard_thread_setting_taken_out_on_purpose(folder):
    env = "{name: os.environ[name] for name in os.environ if name != 'OMP_NUM_THREADS'}"
    h.expect_clean(run(folder, LOST.format(env=env), OMP_NUM_THREADS=2), "ENV-03")


@h.test
def env_03_guard_thread_setting_lost_by_a_child_without_threads(folder):
    h.expect_clean(run(folder, "import subprocess; subprocess.run(['/bin/true'], env={})\n",
                       OMP_NUM_THREADS=2), "ENV-03")


LOAD = "import ctypes; ctypes.CDLL('libgomp.so.1')\n"
# Misspelt names are looked for in /proc: the program must live until the next look.
STAY = "import time; time.sleep(1)\n"


@h.test
def env_04_fires_thread_variable_that_is_empty_or_no_number(folder):
    for number, value in enumerate(("", "four", "2 threads")):
        result = run(folder, LOAD, name=f"job{number}.py", OMP_NUM_THREADS=value,
                     directory=folder / f"odd{number}")
        h.expect_rules(result, ["ENV-04"])
        h.check("OMP_NUM_THREADS" in h.section(result.report, "ENV-04"), f"not named\n{result}")


@h.test
@h.waits
def env_04_fires_thread_variable_that_is_misspelt(folder):
    result = run(folder, LOAD + STAY, OMP_NUM_THREAD=2)
    h.expect_rules(result, ["ENV-04"])
    text = h.section(result.report, "ENV-04")
    h.check("OMP_NUM_THREAD" in text and "OMP_NUM_THREADS" in text, f"not named\n{text}")


@h.test
@h.waits
def env_04_guard_thread_variables_that_are_right(folder):
    h.expect_clean(run(folder, LOAD + STAY, OMP_NUM_THREADS="4,2"), "ENV-04")


@h.test
@h.waits
def env_04_guard_thread_variable_that_nobody_reads(folder):
    h.expect_clean(run(folder, STAY, OMP_NUM_THREADS="four"), "ENV-04")


@h.test
@h.waits
def env_04_guard_misspelt_beside_the_right_one(folder):
    h.expect_clean(run(folder, LOAD + STAY, OMP_NUM_THREAD=2, OMP_NUM_THREADS=2), "ENV-04")


# --- OVS-08 -------------------------------------------------------------------------

FORKS = """import os, time
pids = []
try:
    for _ in range({count}):
        pid = os.fork()
        if pid == 0:
            time.sleep(2)
            os._exit(0)
        pids.append(pid)
except OSError as error:
    print("no more", error.errno)
for pid in pids:
    os.waitpid(pid, 0)
"""


def pids_group():
    return Group("pids", {"pids.max": 20}, {"pids.max": 20})


@h.test
@h.waits
def ovs_08_fires_process_limit_of_the_control_group(folder):
    with pids_group() as group:
        result = run(folder, FORKS.format(count=40), outer=group.enter)
    h.check("no more 11" in result.stdout, f"the limit was not hit\n{result}")
    h.expect_rules(result, ["OVS-08"])
    h.equal(h.findings(result.report)["OVS-08"][0], "error", "severity")


@h.test
@h.waits
def ovs_08_guard_process_limit_that_is_not_reached(folder):
    with pids_group() as group:
        h.expect_clean(run(folder, FORKS.format(count=6), outer=group.enter), "OVS-08")


@h.test
@h.waits
def ovs_08_guard_process_limit_that_is_retried(folder):
    script = ("import os, time\npids = []\nwhile len(pids) < 30:\n    try:\n        pid = os.fork()\n"
              "    except OSError:\n        os.wait(); pids.append(0); time.sleep(0.05); continue\n"
              "    if pid == 0:\n        time.sleep(0.5)\n        os._exit(0)\n    pids.append(pid)\n"
              "try:\n    while True:\n        os.wait()\nexcept ChildProcessError:\n    pass\n")
    with pids_group() as group:
        result = run(folder, script, outer=group.enter)
    h.check(result.report, f"no report\n{result}")
    severity = h.findings(result.report).get("OVS-08", ("none",))[0]
    h.check(severity != "error", f"an error, though the job went on\n{result}")


@h.test
@h.waits
def ovs_08_fires_thread_limit_of_a_user(folder):
    h.need_tool("prlimit")
    user, forksight = h.as_user(folder, 61234)
    (folder / "job.py").write_text(
        "import threading, time\nts = []\ntry:\n    for _ in range(60):\n"
        "        t = threading.Thread(target=time.sleep, args=(1,)); t.start(); ts.append(t)\n"
        "except RuntimeError as e:\n    print('no more')\nfor t in ts: t.join()\n")
    result = h.execute(["prlimit", "--nproc=25", *user, forksight, "run", "-o", folder / "job", "--",
                        h.PYTHON, "job.py"], cwd=folder, directory=folder / "job")
    if "no more" not in result.stdout:
        raise h.Skip("RLIMIT_NPROC has no effect here")
    h.expect_rules(result, ["OVS-08"])


# --- SLM-02, OVS-03: the scheduler's facts from the environment --------------------------

def slurm(cpus, per_task=None, **more):
    """What Slurm sets in a step of one task on one node."""
    return {"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
            "SLURM_NTASKS": "1", "SLURM_NPROCS": "1", "SLURM_STEP_NUM_TASKS": "1",
            "SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_TASKS_PER_NODE": "1", "SLURM_JOB_NUM_NODES": "1",
            "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_STEP_NUM_NODES": "1",
            "SLURM_CPUS_ON_NODE": str(cpus), "SLURM_JOB_CPUS_PER_NODE": str(cpus),
            "SLURM_CPUS_PER_TASK": per_task, **more}


@h.test
def slm_02_fires_step_without_its_cpus(folder):
    h.need_cpus(2)
    result = h.under_forksight(
        [h.PYTHON, h.PROGRAMS / "busy_pool.py", "30"], outer=["taskset", "-c", "0"], cwd=folder,
        env=h.environment(**slurm(h.cpu_count()), NUM_PROCS=2))
    h.expect_rules(result, ["SLM-02"])
    h.equal(h.findings(result.report)["SLM-02"][0], "error", "severity")
    fix = "\n".join(h.fixes(result.report, "SLM-02"))
    h.check(f"srun -n 1 -c {h.cpu_count()}" in fix, f"no srun line with its CPUs\n{fix}")
    h.check("4711" in result.report, f"the job's number is not stated\n{result}")


@h.test
def slm_02_guard_step_with_its_cpus(folder):
    h.need_cpus(2)
    result = h.under_forksight(
        [h.PYTHON, h.PROGRAMS / "busy_pool.py", "40"], outer=["taskset", "-c", "0,1"], cwd=folder,
        env=h.environment(**slurm(2, per_task=2), NUM_PROCS=2))
    h.expect_clean(result, "SLM-02", "OVS-02")


@h.test
def ovs_03_fires_allocation_that_idles(folder):
    h.need_cpus(2)
    script = "end = __import__('time').monotonic() + 7\nwhile __import__('time').monotonic() < end: pass\n"
    result = run(folder, script, outer=["taskset", "-c", "0,1"], **slurm(2, per_task=2))
    h.expect_rules(result, ["OVS-03"])
    text = h.section(result.report, "OVS-03")
    busy = re.search(r"(\d+\.\d+) cores? busy on average", text)
    h.check(busy, f"the busy cores are not stated\n{text}")
    # On a crowded machine the script gets less than the one CPU that makes it "serial".
    h.check("serial" in text or float(busy[1]) < 0.85, f"not called serial\n{text}")


@h.test
def ovs_03_guard_serial_script_without_a_scheduler_wastes_nothing(folder):
    result = run(folder, "sum(range(30_000_000))\n")
    h.expect_clean(result, "PRC-03")
    h.expect_outcome(result, "na", "OVS-03")


# --- EFF-01, EFF-05: twins of the kernels' faulty variants ------------------------------

BALANCE = """from multiprocessing import Pool
def compute(steps):
    total = 0
    for i in range(steps):
        total += i * i
    return total
if __name__ == "__main__":
    with Pool(2) as pool:
        pool.{call}
"""


@h.test
def eff_01_guard_uneven_tasks_of_a_balancing_pool(folder):
    h.need_cpus(2)
    call = "map(compute, [(20 - n) * 1_000_000 for n in range(20)], chunksize=1)"
    h.expect_clean(run(folder, BALANCE.format(call=call)), "EFF-01")


@h.test
def eff_01_fires_one_long_task(folder):
    h.need_cpus(2)
    result = run(folder, BALANCE.format(call="map(compute, [50_000_000, 200_000_000], chunksize=1)"))
    h.expect_rules(result, ["EFF-01"], allowed=["EFF-05"])
    h.check(re.search(r"1\.[5-7]", h.section(result.report, "EFF-01")), f"max/mean not stated\n{result}")


@h.test
def eff_05_ovs_03_guard_asynchronous_apply_uses_all_workers_and_the_allocation(folder):
    h.need_cpus(2)
    # Both rules want to see five seconds of work.
    call = ("map(abs, [])\n        rs = [pool.apply_async(compute, (8_000_000,)) for _ in range(52)]\n"
            "        [r.get() for r in rs]")
    result = run(folder, BALANCE.format(call=call), outer=["taskset", "-c", "0,1"], **slurm(2, per_task=2))
    h.expect_clean(result, "OVS-03")
    # It lasted for long enough; where other programs have the CPUs nothing can be told of their use.
    status, why = result.outcomes["EFF-05"]
    h.check(status == "pass" or "the CPUs were taken" in why, f"EFF-05 is {status}: {why}\n{result}")


if __name__ == "__main__":
    h.main()
