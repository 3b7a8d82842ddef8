"""Processes that make no progress: their stacks, read from outside, and what attaching does
to them (nothing)."""
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

STACKS = h.BUILD / "probes" / "stacks"
LOCKED = h.KERNELS / "frk08_progress_lock.py"


def digest(directory):
    lines = [json.loads(line) for file in Path(directory).glob("*.digest")
             for line in file.read_text().splitlines()]
    return next(line for line in lines if line["kind"] == "node")


def run_until_interrupted(folder, command, options=(), seconds=5, env=None):
    """Records a hanging command and interrupts it after some seconds; the report."""
    process = subprocess.Popen([h.FORKSIGHT, "run", "-o", folder / "job", *options, "--", *command],
                               cwd=folder, env=env or h.environment(), stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    try:
        time.sleep(seconds)
        begin = time.monotonic()
        while process.poll() is None and time.monotonic() - begin < h.HANG:
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(1)
        text = process.communicate(timeout=h.HANG)[1]
        h.check(time.monotonic() - begin < 40, "more than 40 s from the interrupt to the report")
    finally:
        h.kill_session(process.pid)
    return text[text.index("forksight 0."):] if "forksight 0." in text else text


@h.test
def frk_08_fires_on_a_lock_of_python(folder):
    text = run_until_interrupted(folder, [h.PYTHON, LOCKED])
    section = h.section(text, "FRK-08")
    # Pool may replace those that Ctrl-C ended before it ends itself.
    h.check(re.search(r"\b2 of [2-4] workers", section), f"population\n{text}")
    line = 1 + LOCKED.read_text().splitlines().index("    with progress_lock:")
    h.check(f"frk08_progress_lock.py:{line} in square" in section, f"where\n{section}")
    h.check("in main" in section, f"who forked\n{section}")
    whole = h.execute([h.FORKSIGHT, "report", "-v", folder / "job"]).stdout
    h.check(re.search(r"its parent, \d+\n(.*\n)*? +pool.py:\d+ in Pool.map\n", whole),
            f"the parent's stack\n{whole}")
    h.check(any("forkserver" in fix for fix in h.fixes(text, "FRK-08")), f"fix\n{section}")


@h.test
def frk_08_fires_on_a_mutex_and_names_its_owner(folder):
    text = run_until_interrupted(folder, [h.BUILD / "kernels" / "frk08_lock_held"])
    section = h.section(text, "FRK-08")
    h.check("sum_table" in section and "frk08_lock_held.c:" in section, f"where\n{section}")
    owner = re.search(r"the lock belongs to thread (\d+)", section)
    h.check(owner, f"the owner is not named\n{section}")
    stuck = digest(folder / "job")["stuck"]
    child = next(s for s in stuck if s.get("forked"))
    h.check(re.search(r"1 other thread: 1 started at\s+frk08_lock_held.c:\d+ in main", section),
            f"who lived beside the fork\n{section}")
    h.equal(child["holder"], int(owner[1]), "owner")
    h.check(child["holder"] not in (child["pid"], child["parent"]), f"owner\n{child}")
    h.check(0 < child["stop_max"] < 1_000_000_000, f"stop time\n{child}")


@h.test
def frk_08_fires_beside_others_that_compute(folder):
    """The hang threshold: the report on the running job has it, though the job is not idle."""
    (folder / "half.py").write_text(
        "import threading, time, os\n"
        "lock = threading.Lock()\n"
        "def hold():\n    with lock:\n        time.sleep(3600)\n"
        "threading.Thread(target=hold, daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "busy = os.fork()\n"
        "if busy == 0:\n    while True:\n        pass\n"
        "stuck = os.fork()\n"
        "if stuck == 0:\n    lock.acquire()\n    os._exit(0)\n"
        "os.waitpid(stuck, 0)\n")
    process = subprocess.Popen(
        [h.FORKSIGHT, "run", "-q", "--hang-after", "3", "-o", folder / "job", "--", h.PYTHON,
         "half.py"], cwd=folder, env=h.environment(), start_new_session=True)
    try:
        report = lambda: h.execute([h.FORKSIGHT, "report", "--threshold", "FRK-08.idle=3",
                                    folder / "job"]).stdout
        h.wait_until(lambda: "FRK-08" in h.findings(report()), "FRK-08 in the running job", 40)
        h.check("half.py:14" in h.section(report(), "FRK-08"), f"where\n{report()}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.5)
        h.kill_session(process.pid)
        process.wait()


@h.test
def frk_08_fires_without_a_stack_when_attaching_is_off(folder):
    text = run_until_interrupted(folder, [h.PYTHON, LOCKED], ["--no-attach"])
    section = h.section(text, "FRK-08")
    h.check("--no-attach" in section, f"the missing stack is not explained\n{text}")
    stuck = digest(folder / "job")["stuck"]
    h.check(all("stop_max" not in s for s in stuck), f"held all the same\n{stuck}")
    h.check(all("native" not in t and "python" not in t for s in stuck for t in s["threads"]),
            f"stacks all the same\n{stuck}")


@h.test
def frk_08_guard_no_permission_is_unknown(folder):
    """A process that may not be looked at (not dumpable, another user's eyes)."""
    prefix, forksight = h.as_user(folder, 65534)
    (folder / "closed.py").write_text(
        "import ctypes, threading, time, os\n"
        "lock = threading.Lock()\n"
        "def hold():\n    with lock:\n        time.sleep(3600)\n"
        "threading.Thread(target=hold, daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE\n"
        "    lock.acquire()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n")
    process = subprocess.Popen([*prefix, forksight, "run", "-o", folder / "job", "--", h.PYTHON,
                                "closed.py"], cwd=folder, env=h.environment(),
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        time.sleep(5)
        os.killpg(process.pid, signal.SIGINT)
        text = process.communicate(timeout=h.HANG)[1]
    finally:
        h.kill_session(process.pid)
    h.check("FRK-08" not in h.findings(text), f"a finding on nothing\n{text}")
    rules = h.execute([h.FORKSIGHT, "report", "--rules", folder / "job"]).stdout
    h.check(re.search(r"unknown +FRK-08: .*permission", rules), f"not unknown\n{rules}")


@h.test
def frk_08_guard_idle_pool_server_and_shell_are_not_touched(folder):
    (folder / "idle.py").write_text(
        "import socket, time, sys\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import Pool, Process, get_context\n"
        "def serve():\n"
        "    server = socket.socket()\n"
        "    server.bind(('127.0.0.1', 0))\n"
        "    server.listen()\n"
        "    server.accept()\n"
        "if __name__ == '__main__':\n"
        "    fork = get_context('fork')\n"
        "    server = fork.Process(target=serve, daemon=True)\n"
        "    server.start()\n"
        "    with fork.Pool(3) as pool, ProcessPoolExecutor(2, mp_context=fork) as executor:\n"
        "        print(pool.map(abs, [1, 2]), list(executor.map(abs, [3])))\n"
        "        time.sleep(5)\n"
        "        print(pool.map(abs, [4]))\n")
    result = h.under_forksight(["sh", "-c", f"{h.PYTHON} idle.py; sleep 3"], cwd=folder)
    h.equal(result.status, 0, f"status\n{result}")
    h.check("FRK-08" not in h.findings(result.report), f"a finding\n{result}")
    h.equal(digest(folder / "job").get("stuck"), None, "processes that were held")


@h.test
def prc_02_fires_with_the_place_of_the_wait(folder):
    program = h.PROGRAMS / "hung_pool.py"
    text = run_until_interrupted(folder, [h.PYTHON, program, folder / "log"], seconds=10)
    section = h.section(text, "PRC-02")
    line = 1 + program.read_text().splitlines().index(
        "        pool.map(compute, range(4), chunksize=1)")
    h.check(f"hung_pool.py:{line} in main" in section, f"where the parent waits\n{text}")


# --- attaching ---------------------------------------------------------------------------

def interpreters():
    """Debian's, and those of pyenv where a developer has some: the newest of each version."""
    found = {}
    for path in sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin/python3")):
        minor = int(path.parts[-3].split(".")[1])
        if 9 <= minor <= 13:
            found[minor] = path
    return [h.PYTHON, *found.values()]


@h.test
def python_frames_of_installed_versions(folder):
    program = folder / "frames.py"
    program.write_text("import threading, time\n"
                       "lock = threading.Lock()\n"
                       "def inner():\n"
                       "    lock.acquire()\n"
                       "lock.acquire()\n"
                       "threading.Thread(target=inner, daemon=True).start()\n"
                       "print('ready', flush=True)\n"
                       "time.sleep(3600)\n")
    for python in interpreters():
        target = subprocess.Popen([python, program], stdout=subprocess.PIPE, text=True)
        try:
            target.stdout.readline()
            time.sleep(0.3)
            text = h.execute([STACKS, target.pid]).stdout
        finally:
            target.kill()
            target.wait()
        for frame in ("frames.py:8:<module>", "frames.py:4:inner"):
            h.check(frame in text, f"{python}: {frame} is missing\n{text}")
        h.check(re.search(r"wait futex private held \d+ ns\n", text), f"{python}: wait\n{text}")


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def tracer(pid):
    return int(re.search(r"^TracerPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


@h.test
def attaching_leaves_states_as_they_were(folder):
    sleeper = subprocess.Popen(["sleep", "3600"])
    try:
        time.sleep(0.1)
        h.equal(h.execute([STACKS, "--copy", "100", sleeper.pid]).stdout.split()[:2], ["100", "0"],
                "stops of a sleeping process")
        h.equal(state(sleeper.pid), "S", "state of the sleeping one")
        os.kill(sleeper.pid, signal.SIGSTOP)
        h.wait_until(lambda: state(sleeper.pid) == "T", "the stop")
        h.execute([STACKS, "--copy", "100", sleeper.pid])
        time.sleep(0.1)
        h.equal(state(sleeper.pid), "T", "state of the stopped one")
        os.kill(sleeper.pid, signal.SIGCONT)
        h.wait_until(lambda: state(sleeper.pid) == "S", "the continuation")
        h.equal(tracer(sleeper.pid), 0, "tracer")
    finally:
        sleeper.kill()
        h.equal(sleeper.wait(), -9, "status")


@h.test
def target_of_a_killed_tracer_goes_on(_folder):
    counter = subprocess.Popen([h.PYTHON, "-c", "for n in range(10**9): print(n, flush=True)"],
                               stdout=subprocess.DEVNULL)
    try:
        holder = subprocess.Popen([STACKS, "--hold", str(counter.pid)], stdout=subprocess.PIPE,
                                  text=True)
        h.equal(holder.stdout.readline(), "held\n", "attached")
        h.wait_until(lambda: state(counter.pid) == "t", "the target's stop")
        holder.kill()
        holder.wait()
        h.wait_until(lambda: state(counter.pid) in "RS" and tracer(counter.pid) == 0,
                     "the target's going on")
    finally:
        counter.kill()
        counter.wait()


@h.test
def traced_process_is_said_to_be_one(_folder):
    sleeper = subprocess.Popen(["sleep", "3600"])
    holder = None
    try:
        holder = subprocess.Popen([STACKS, "--trace", str(sleeper.pid)], stdout=subprocess.PIPE,
                                  text=True)
        h.equal(holder.stdout.readline(), "held\n", "attached")
        text = h.execute([STACKS, sleeper.pid]).stdout
        h.check(f"process {holder.pid} traces it" in text, f"not said\n{text}")
        h.equal(tracer(sleeper.pid), holder.pid, "tracer")
    finally:
        for process in (holder, sleeper):
            if process:
                process.kill()
                process.wait()


@h.test
def signals_of_a_held_process_are_delivered(folder):
    (folder / "count.py").write_text(
        "import os, signal\n"
        "read, write = os.pipe()\n"
        "os.set_blocking(write, False)\n"
        "signal.set_wakeup_fd(write)  # a byte for each signal: none is missed\n"
        "signal.signal(signal.SIGRTMIN, lambda *_: None)\n"
        "print('ready', flush=True)\n"
        "while os.read(read, 1):\n    print('got', flush=True)\n")
    target = subprocess.Popen([h.PYTHON, "count.py"], cwd=folder, stdout=subprocess.PIPE, text=True)
    copier = None
    try:
        target.stdout.readline()
        copier = subprocess.Popen([STACKS, "--copy", "100000", str(target.pid)],
                                  stdout=subprocess.PIPE)
        for number in range(300):
            os.kill(target.pid, signal.SIGRTMIN)
            ready, _, _ = select.select([target.stdout], [], [], 20)
            h.check(ready, f"signal {number} never arrived")
            h.equal(target.stdout.readline(), "got\n", f"signal {number}")
        h.equal(copier.poll(), None, "the copier's status")
    finally:
        for process in (copier, target):
            if process:
                process.kill()
                process.wait()


@h.test
def busy_threads_compute_the_same_when_held(folder):
    """50 times every thread of a busy Python; `make soak` does it a thousand times."""
    result = h.execute([h.PYTHON, h.ROOT / "tests" / "lib" / "attach_soak.py", STACKS, "50"])
    h.equal(result.status, 0, f"{result}")


if __name__ == "__main__":
    h.main(lane="waits")
