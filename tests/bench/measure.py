"""Paired measurements: the same command bare and recorded, one after the other.

A machine's speed drifts; two runs next to each other share most of the drift.
So a result is the median of the ratios (or differences) of pairs whose order
alternates, with the bootstrap 95 % interval of that median.
"""
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RESAMPLES = 2000
HANG_LIMIT = 300  # seconds


@dataclass
class Estimate:
    """The median of some values, and where it lies with 95 % confidence."""
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        chance = random.Random(1)
        medians = sorted(statistics.median(chance.choices(values, k=len(values)))
                         for _ in range(RESAMPLES))
        return cls(statistics.median(values), medians[int(RESAMPLES * 0.025)],
                   medians[int(RESAMPLES * 0.975)])


def finish(command, environment):
    """Runs command to its end. Returns its status and what it printed."""
    job = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = job.communicate(timeout=HANG_LIMIT)
    except BaseException:
        os.killpg(job.pid, signal.SIGTERM)  # workers of a pool outlive it; a recorder tidies up
        job.wait()
        raise
    return job.returncode, out, err.strip()


class Others:
    """How much of the machine others used since this was made: they blur every time."""

    def __init__(self):
        self.began, self.busy, self.own = time.monotonic(), self.busy_now(), self.own_now()

    @staticmethod
    def busy_now():
        ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return (sum(ticks[:8]) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def own_now():
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF,
                                                      resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    def share(self):
        used = self.busy_now() - self.busy - (self.own_now() - self.own)
        return max(0.0, used / (time.monotonic() - self.began) / os.cpu_count())


class Bench:
    """Runs commands bare, with an empty preload, with the shim alone, and recorded."""

    def __init__(self, build):
        self.build = Path(build)
        self.forksight = self.build / "forksight"
        self.shim = self.build / "libforksight.so"
        self.folder = Path(tempfile.mkdtemp(prefix="forksight-bench-"))
        self.count = 0

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self):
        """Ours without what would steer forksight, or make it record itself."""
        return {name: value for name, value in os.environ.items()
                if not name.startswith("FORKSIGHT_") and name != "LD_PRELOAD"}

    def run(self, mode, command, timed):
        """Runs command in a mode. Returns the number that it prints or, when timed,
        the seconds that it took."""
        environment, before, segments = self.environment(), [], None
        if mode == "empty":
            environment["LD_PRELOAD"] = str(self.build / "bench/empty.so")
        elif mode == "shim":
            segments = tempfile.mkdtemp(prefix="forksight-bench-", dir="/dev/shm")
            environment.update(LD_PRELOAD=str(self.shim), FORKSIGHT_SEGMENTS=segments,
                               FORKSIGHT_SHIM="1")
        elif mode == "recorded":
            self.count += 1
            before = [str(self.forksight), "run", "-q", "-o",
                      str(self.folder / f"job{self.count}"), "--"]
        start = time.perf_counter()
        try:
            status, out, err = finish(before + command, environment)
        finally:
            if segments:
                shutil.rmtree(segments, ignore_errors=True)
        took = time.perf_counter() - start
        if mode == "recorded":
            shutil.rmtree(self.folder / f"job{self.count}", ignore_errors=True)
        if status != 0:
            raise RuntimeError(f"{mode}: {' '.join(command)}: status {status}: {err[-300:]}")
        return took if timed else float(out.split()[-1])

    def pairs(self, command, count, modes, timed=False):
        """Returns for each mode a list of count values; values of one index were
        measured next to each other, in an order that alternates."""
        values = {mode: [] for mode in modes}
        for mode in () if timed else modes:  # files into the page cache; a whole job is long enough
            self.run(mode, command, timed)
        for index in range(count):
            for mode in modes if index % 2 == 0 else tuple(reversed(modes)):
                values[mode].append(self.run(mode, command, timed))
        return values


def ratio(values, mode):
    return Estimate.of([a / b for a, b in zip(values[mode], values["bare"])])


def difference(values, mode):
    return Estimate.of([a - b for a, b in zip(values[mode], values["bare"])])


def cpu_seconds(pid):
    """CPU time of a process's own threads so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_peak_mib(pid):
    """Of the program that the process runs now; 0 once it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0
