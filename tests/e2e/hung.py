"""Jobs that hang, and jobs that somebody else ends: the record and the verdict."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cgroup import Group
from terminal import Terminal

HUNG = "hung_pool.py"


def hung_test(body):
    """A test whose folder holds hung_pool.py: by its short name the report's header can tell it."""
    def with_program(folder):
        shutil.copy(h.PROGRAMS / HUNG, folder)
        body(folder)
    with_program.__name__ = body.__name__
    return h.test(with_program)


def await_worker_death(log):
    h.wait_until(lambda: log.exists() and "killed" in log.read_text(), "the death of the worker")
    return int(re.search(r"killed (\d+)", log.read_text())[1])


def check_dead_worker(text, pid):
    text = h.plain(text)
    h.check("PRC-02" in h.findings(text), f"PRC-02 is missing\n{text}")
    h.equal(h.findings(text)["PRC-02"][0], "error", "severity")
    finding = h.section(text, "PRC-02")
    h.check("SIGKILL" in finding, f"the signal is not named\n{finding}")
    h.check(re.search(rf"\b{pid}\b", finding), f"worker {pid} is not named\n{finding}")
    h.check("ProcessPoolExecutor" in finding, f"no fix\n{finding}")


@hung_test
def prc_02_fires_interrupt_key_on_a_hung_pool(folder):
    log = folder / "log"
    command = [h.FORKSIGHT, "run", "-o", folder / "job", "--", h.PYTHON, HUNG, log]
    with Terminal(command, cwd=folder) as terminal:
        dead = await_worker_death(log)
        time.sleep(6)
        terminal.send(b"\x03")
        h.equal(terminal.finish(), 77, f"status\n{terminal.text()}")
        check_dead_worker(terminal.text(), dead)
    h.equal(log.read_text().count("SIGINT"), 1, "interrupts that the application got")


@hung_test
def prc_02_fires_interrupt_sent_to_run_on_a_hung_pool(folder):
    log = folder / "log"
    process = subprocess.Popen([h.FORKSIGHT, "run", "-o", folder / "job", "--", h.PYTHON, HUNG, log],
                               cwd=folder, env=h.environment(), stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        dead = await_worker_death(log)
        time.sleep(6)
        os.kill(process.pid, signal.SIGINT)
        _, text = process.communicate(timeout=h.HANG)
    finally:
        h.kill_session(process.pid)
    h.equal(process.returncode, 77, f"status\n{text}")
    check_dead_worker(text, dead)
    h.equal(log.read_text().count("SIGINT"), 1, "interrupts that the application got")


@hung_test
def prc_02_fires_record_of_a_job_killed_at_its_time_limit(folder):
    log = folder / "log"
    process = subprocess.Popen([h.FORKSIGHT, "run", "-q", "-o", folder / "job", "--", h.PYTHON,
                                HUNG, log], cwd=folder, env=h.environment(), start_new_session=True)
    try:
        dead = await_worker_death(log)
        time.sleep(6)
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        process.wait()
        h.kill_session(process.pid)
    report = h.execute([h.FORKSIGHT, "report", folder / "job"])
    h.check("VERDICT" in report.stdout, f"no report\n{report}")
    h.check(re.search(r"hung_pool\.py", report.stdout), f"the job is not named\n{report}")
    check_dead_worker(report.stdout, dead)


@hung_test
def record_of_a_job_killed_without_warning(folder):
    log = folder / "log"
    process = subprocess.Popen([h.FORKSIGHT, "run", "-q", "-o", folder / "job", "--", h.PYTHON,
                                HUNG, log], cwd=folder, env=h.environment(), start_new_session=True)
    try:
        await_worker_death(log)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.wait()
        h.kill_session(process.pid)
    report = h.execute([h.FORKSIGHT, "report", folder / "job"])
    h.check("VERDICT" in report.stdout and "hung_pool.py" in report.stdout, f"no report\n{report}")
    h.check(re.search(r"[^\n]*Data.*", report.stdout), f"completeness is not stated\n{report}")


@hung_test
def prc_02_guard_worker_that_its_parent_ended_is_no_finding(folder):
    result = h.under_forksight([h.PYTHON, HUNG, folder / "log", "--by-parent"], cwd=folder)
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result)


@h.test
def prc_02_guard_executor_that_reports_the_death_is_no_finding(folder):
    (folder / "executor.py").write_text(
        "import os, time\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "def die(_):\n    os.kill(os.getpid(), 9)\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(2) as pool:\n"
        "        print(type(pool.submit(die, 0).exception()).__name__)\n"
        "    time.sleep(3)\n")
    result = h.under_forksight([h.PYTHON, "executor.py"], cwd=folder)
    h.equal(result.stdout, "BrokenProcessPool\n", f"stdout\n{result}")
    h.expect_rules(result)


# A pipeline whose first part dies of SIGPIPE, and a program that lost a child without a word and
# waits for another one, which works: nobody hangs when the job is ended.
WORKING_ON = """import os, signal, subprocess, sys
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGKILL)
burn = "import sys\\nopen(sys.argv[1], 'w')\\nwhile True: sum(range(1000))"
subprocess.run(["sh", "-c", "\\"$@\\"; true", "sh", sys.executable, "-c", burn, "begun"])
"""


@h.test
def prc_02_guard_others_below_the_parent_work_on_until_the_job_is_ended(folder):
    (folder / "parent.py").write_text(WORKING_ON)
    script = f"yes | head -n 1 >first\n{h.PYTHON} parent.py\n"
    process = subprocess.Popen([h.FORKSIGHT, "run", "-q", "-o", folder / "job", "--", "bash", "-c",
                                script], cwd=folder, env=h.environment(), start_new_session=True)
    try:
        h.wait_until(lambda: (folder / "begun").exists(), "the work after both deaths")
        time.sleep(6)
        os.killpg(process.pid, signal.SIGTERM)
    finally:
        process.wait()
        h.kill_session(process.pid)
    report = h.execute([h.FORKSIGHT, "report", "--rules", folder / "job"])
    h.check(re.search(r"^pass +PRC-02:", report.stdout, re.M), f"PRC-02\n{report}")
    h.check("SIGPIPE" not in report.stdout, f"a pipeline's end\n{report}")


def interrupt_until_it_ends(process):
    """Python may wait once more, for a lock that the lost worker held: a user presses again."""
    for _ in range(6):
        os.kill(process.pid, signal.SIGINT)
        try:
            return process.communicate(timeout=h.HANG / 6)[1]
        except subprocess.TimeoutExpired:
            pass
    raise AssertionError("interrupts did not end the job")


@h.test
def mem_01_fires_worker_killed_by_the_out_of_memory_killer(folder):
    (folder / "grow.py").write_text(
        "import signal, time\nfrom multiprocessing import Pool\n"
        "def grow(mib):\n    kept = []\n"
        "    for _ in range(mib):\n        kept.append(bytearray(b'x' * 1048576))\n"
        "        time.sleep(0.002)\n    return len(kept)\n"
        "if __name__ == '__main__':\n"
        "    with Pool(2, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:\n"
        "        print(pool.map(grow, [4, 4000], chunksize=1))\n")
    limit = 256 << 20
    v2 = {"memory.max": limit, "memory.swap.max": 0}
    with Group("memory", {"memory.limit_in_bytes": limit}, v2) as group:
        process = subprocess.Popen([*group.enter, h.FORKSIGHT, "run", "-o", folder / "job", "--",
                                    h.PYTHON, "grow.py"], cwd=folder, env=h.environment(),
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            control = group.path / ("memory.events" if group.version == 2 else "memory.oom_control")
            h.wait_until(lambda: re.search(r"^oom_kill [1-9]", control.read_text(), re.M),
                         "the out-of-memory killer")
            time.sleep(6)
            text = interrupt_until_it_ends(process)
        finally:
            h.kill_session(process.pid)
    found = h.findings(text)
    h.check("MEM-01" in found and found["MEM-01"][0] == "error", f"MEM-01 is missing\n{text}")
    h.check("PRC-02" in found, f"PRC-02 does not name it\n{text}")
    h.check("256" in h.section(text, "MEM-01"), f"the limit is not stated\n{text}")


@h.test
def mem_01_guard_memory_limit_that_is_not_reached(folder):
    limit = 256 << 20
    with Group("memory", {"memory.limit_in_bytes": limit}, {"memory.max": limit}) as group:
        result = h.under_forksight([h.PYTHON, "-c", "print(1)"], outer=group.enter, cwd=folder)
    h.expect_clean(result, "MEM-01")


if __name__ == "__main__":
    h.main(lane="waits")
