"""MPI-06: a rank whose program an exception ended, and ranks that wait for it for ever."""
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import Cluster

AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
RAISES = """import sys, time
from mpi4py import MPI
comm = MPI.COMM_WORLD

def share():
    if comm.rank == 1:
        raise ValueError("no data")
    return comm.recv(source=1)

print(share())
"""
# The same, but the others have work for a while yet.
COMPUTES = RAISES.replace("    return comm.recv(source=1)", """    while True:
        sum(range(1000))""")
# Rank 1 is done early; the others take their time.
EARLY = """import sys, time
from mpi4py import MPI
if MPI.COMM_WORLD.rank == 1:
    sys.exit(int(sys.argv[1]))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    sum(range(1000))
"""


def mpirun(*command, ranks=3):
    h.need_tool("mpirun.openmpi")
    h.python_path("mpi4py")
    return ["mpirun.openmpi", "--oversubscribe", "-n", str(ranks), h.PYTHON, *command]


def default_interrupt():
    """Tests may run in the background: where SIGINT is ignored Python's end is not seen."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ranks_of(directory):
    lines = [json.loads(line) for file in directory.glob("*.digest")
             for line in file.read_text().splitlines()]
    return [entry for line in lines for entry in line.get("mpi", [])]


def report(directory, *options):
    return h.execute([h.FORKSIGHT, "report", *options, directory],
                     env=h.environment(COLUMNS="200")).stdout


def await_looks(directory, looks):
    """Until the others' stacks were read so often."""
    h.wait_until(lambda: any(entry.get("looks", 0) >= looks for entry in ranks_of(directory)),
                 f"{looks} looks at ranks", 60)


class Hanging:
    """A job that does not end by itself."""

    def __init__(self, folder, name, text, ranks=3):
        (folder / f"{name}.py").write_text(text)
        self.directory = folder / name
        self.process = subprocess.Popen(
            [h.FORKSIGHT, "run", "-q", "-o", self.directory, "--",
             *mpirun(f"{name}.py", ranks=ranks)], cwd=folder, env=h.environment(**AS_ROOT),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=default_interrupt)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        h.kill_session(self.process.pid)
        self.process.wait()

    def interrupt(self):
        os.kill(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=h.HANG)


@h.test
def mpi_06_fires_an_exception_that_others_wait_for_with_a_fix_that_works(folder):
    with Hanging(folder, "raises", RAISES) as job:
        await_looks(job.directory, 3)
        text = report(job.directory, "--threshold", "MPI-06.wait=2")
        h.check("MPI-06" in h.findings(text), f"in the running job\n{text}")
        h.check("MPI-06" not in h.findings(report(job.directory)), "30 s are not over")
        job.interrupt()
        text = report(job.directory)
    section = h.section(text, "MPI-06")
    for part in ("rank 1 raised ValueError and left 2 others waiting", "raises.py:7 in share",
                 "uncaught ValueError", "2 others did not come there; 2 looked at",
                 "always in MPI_Mprobe"):
        h.check(part in " ".join(section.split()), f"no '{part}'\n{text}")
    failed, = [entry for entry in ranks_of(job.directory) if entry.get("ending") == 2]
    h.equal((failed["exception"], failed["stage"], failed["count"]), ("ValueError", 3, 1), "facts")
    fix = shlex.split(h.fixes(text, "MPI-06")[0], comments=True)
    h.check("-m mpi4py raises.py" in " ".join(fix), f"{fix}")
    fixed = h.under_forksight(fix, cwd=folder, directory=folder / "fixed",
                              env=h.environment(**AS_ROOT))
    h.check(fixed.status != 0, f"the job did not abort\n{fixed}")
    h.check("MPI-06" not in h.findings(fixed.report), f"{fixed}")


@h.test
def mpi_06_guard_others_that_compute(folder):
    with Hanging(folder, "computes", COMPUTES, ranks=2) as job:
        await_looks(job.directory, 2)
        job.interrupt()
        text = report(job.directory, "--rules")
    h.check("MPI-06" not in h.findings(text), text)
    h.check("others are still at work" in " ".join(text.split()), text)


@h.test
def mpi_06_guard_ranks_that_are_done_early(folder):
    (folder / "early.py").write_text(EARLY)
    def run(name, command, preexec_fn):
        result = h.under_forksight(command, cwd=folder,
                                   directory=folder / name,
                                   options=["--threshold", "MPI-06.wait=1"],
                                   env=h.environment(**AS_ROOT), preexec_fn=preexec_fn)
        h.check("MPI-06" not in h.findings(result.report), f"{result}")
        return {entry.get("ending") for entry in ranks_of(result.directory)}

    for status in ("0", "3"):
        command = mpirun("early.py", status, "2", ranks=2)
        h.equal(run(f"early{status}", command, default_interrupt), {1},
                f"endings: sys.exit({status}) is one like another")
    # mpirun gives its ranks a SIGINT of their own; other launchers hand down what they have.
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    h.equal(run("ignored", [h.PYTHON, "early.py", "0", "0"], ignore), {None},
            "endings that nobody can see")


@h.test
def mpi_06_fires_on_two_nodes_of_a_cluster(_folder):
    """Two ranks on each; what those beside the one with the exception do is seen at once."""
    h.python_path("mpi4py")
    with Cluster(2) as cluster:
        (cluster.shared / "raises.py").write_text(RAISES)
        folder = cluster.shared / "job"
        job = cluster.sbatch(f"cd {cluster.shared}\n{h.FORKSIGHT} run -q -o {folder} -- "
                             f"srun --mpi=pmix {h.PYTHON} raises.py\n", "-N2", "-n4")
        await_looks(folder, 2)
        cluster.cancel(job)
        cluster.wait(job)
        h.wait_until(lambda: (folder / "meta.json").exists(), "the record's end")
        text = report(folder, "--threshold", "MPI-06.wait=2")
        h.check("rank 1 raised ValueError and left 3 others waiting" in text, text)
        h.check("-m mpi4py" in h.section(text, "MPI-06"), text)


if __name__ == "__main__":
    h.main()
