"""MPI, whoever's it is: ranks as they are recorded, and rules on calls of MPI."""
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import Cluster

LAUNCHERS = {"openmpi": "mpirun.openmpi", "mpich": "mpiexec.hydra"}
ROOT_OPTIONS = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
FORKS = ["FRK-01", "PRC-03"]  # they say that there was a fork at all


def installed():
    found = [mpi for mpi, launcher in LAUNCHERS.items()
             if shutil.which(launcher) and shutil.which(f"mpicc.{mpi}")]
    if not found:
        raise h.Skip("no MPI is installed")
    return found


def launch(folder, mpi, ranks, command, name="job", **environment):
    return h.under_forksight([LAUNCHERS[mpi], "-n", str(ranks), *command], cwd=folder,
                             directory=folder / f"{name}-{mpi}",
                             env=h.environment(**ROOT_OPTIONS, **environment))


def callers(mpi, *arguments):
    return [h.BUILD / "programs" / f"mpi_callers.{mpi}", *arguments]


def ranks_of(result):
    """The entries on MPI of a job's digest."""
    lines = [json.loads(line) for file in result.directory.glob("*.digest")
             for line in file.read_text().splitlines()]
    return [entry for line in lines for entry in line.get("mpi", [])]


@h.test
def mpi_08_fires_a_thread_that_did_not_initialise(folder):
    for mpi in installed():
        result = launch(folder, mpi, 1, callers(mpi, "init", "thread"), "init")
        h.expect_rules(result, ["MPI-08"])
        text = h.section(result.report, "MPI-08")
        for part in ("thread level SINGLE", "MPI_Iprobe", "mpi_callers.c:", "started at"):
            h.check(part in text, f"{mpi}: no '{part}'\n{result}")
        result = launch(folder, mpi, 1, callers(mpi, "funneled", "thread"), "funneled")
        h.expect_rules(result, ["MPI-08"])


@h.test
def mpi_08_guard_levels_and_threads_that_compute(folder):
    for mpi in installed():
        for arguments in (("init", "compute"), ("funneled", "compute"), ("multiple", "thread")):
            result = launch(folder, mpi, 1, callers(mpi, *arguments), "-".join(arguments))
            h.expect_rules(result, [])
            h.check("MPI-08" not in result.report, f"{arguments}\n{result}")


@h.test
def frk_05_fires_a_forked_child_that_calls(folder):
    for mpi in installed():
        result = launch(folder, mpi, 1, callers(mpi, "multiple", "child"))
        h.expect_rules(result, ["FRK-05"], allowed=FORKS)
        text = h.section(result.report, "FRK-05")
        for part in ("1 forked child", "MPI_Iprobe", "mpi_callers.c:", "forked at"):
            h.check(part in text, f"{mpi}: no '{part}'\n{result}")


@h.test
def frk_05_guard_children_with_an_mpi_of_their_own(folder):
    h.python_path("mpi4py")
    (folder / "job.py").write_text(
        "import subprocess, sys\nfrom mpi4py import MPI\n"
        "code = 'from mpi4py import MPI; MPI.COMM_WORLD.Barrier()'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)\n")
    result = h.under_forksight([h.PYTHON, "job.py"], cwd=folder,
                               env=h.environment(**ROOT_OPTIONS))
    h.equal(result.status, 0, f"status\n{result}")
    h.check("FRK-05" not in h.findings(result.report), f"{result}")
    h.equal(sum(entry["count"] for entry in ranks_of(result)), 2, "processes with MPI")


@h.test
def mpi_02_guard_ranks_behind_a_shell(folder):
    for mpi in installed():
        command = ["sh", "-c", f"{callers(mpi)[0]}; exit $?"]
        result = launch(folder, mpi, 2, command)
        h.check("MPI-02" not in h.findings(result.report), f"{result}")
        (entry,) = ranks_of(result)
        h.equal((entry["size"], entry["count"], entry["ranks"]), (2, 2, "0-1"), mpi)


@h.test
def mpi_02_guard_an_mpi_that_is_called_by_handle(folder):
    """Nobody can see it begin: unknown, and nothing else."""
    library = "/usr/lib/x86_64-linux-gnu/libmpich.so.12"
    h.need_files(library)
    (folder / "job.py").write_text(
        f"import ctypes\nmpi = ctypes.CDLL('{library}')\n"
        "assert mpi.MPI_Init(None, None) == 0\nassert mpi.MPI_Finalize() == 0\n")
    result = h.under_forksight([h.PYTHON, "job.py"], cwd=folder)
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, [])
    rules = h.execute([h.FORKSIGHT, "report", "--rules", result.directory]).stdout
    h.check("nobody was seen to initialise it" in " ".join(rules.split()), rules)


@h.test
def ranks_are_recorded_with_what_they_did(folder):
    for mpi in installed():
        result = launch(folder, mpi, 2, callers(mpi, "funneled", "compute"))
        (entry,) = ranks_of(result)
        h.equal({name: entry.get(name) for name in ("library", "size", "count", "ranks", "asked",
                                                    "provided", "stage", "launcher_size", "calls")},
                {"library": mpi, "size": 2, "count": 2, "ranks": "0-1", "asked": 1,
                 "provided": 1, "stage": 4, "launcher_size": 2, "calls": True}, mpi)
        h.check(entry["version"].startswith("Open MPI v" if mpi == "openmpi" else "MPICH"),
                entry["version"])


@h.test
def profilers_go_on_working(folder):
    profiler = h.BUILD / "standins" / "libprofilesmpi.so"
    for mpi in installed():
        for order in (f"{profiler}:{h.BUILD}/libforksight.so",
                      f"{h.BUILD}/libforksight.so:{profiler}"):
            command = ["env", f"LD_PRELOAD={order}", *callers(mpi, "init", "thread")]
            result = launch(folder, mpi, 1, command, "before" if order[0] == "l" else "after")
            h.check("profiler: 1 begun, 2 probes" in result.stdout, f"{mpi} {order}\n{result}")
            h.equal([entry["size"] for entry in ranks_of(result)], [1], order)
            h.expect_rules(result, ["MPI-08"])
            shutil.rmtree(result.directory)


def hello(mpi):
    return h.BUILD / "kernels" / f"k7_rank_hello.{mpi}"


def report_of(cluster, command, job):
    """The report of what a batch script of two tasks recorded, and its output."""
    folder = cluster.shared / job
    result = cluster.batch(f"{h.FORKSIGHT} run -q -o {folder} -- {command}\n", "-N1", "-n2")
    report = h.execute([h.FORKSIGHT, "report", folder], env=h.environment(COLUMNS="200"))
    return report.stdout, result.stdout


@h.test
@h.waits
def mpi_01_mpi_02_fires_on_a_cluster_with_fixes_that_work(_folder):
    h.equal(sorted(installed()), sorted(LAUNCHERS), "both MPIs")
    with Cluster(1) as cluster:
        cases = [("MPI-02", "openmpi", f"srun --mpi=none -n 2 {hello('openmpi')}"),
                 ("MPI-02", "mpich", f"srun --mpi=pmix -n 2 {hello('mpich')}"),
                 ("MPI-01", "mpich", f"{hello('mpich')}"),
                 (None, "openmpi", f"srun --mpi=pmix -n 2 {hello('openmpi')}")]
        for number, (rule, mpi, command) in enumerate(cases):
            report, _ = report_of(cluster, command, f"job{number}")
            h.equal([name for name in h.findings(report) if name.startswith("MPI")],
                    [rule] if rule else [], f"{command}\n{report}")
            if not rule:
                continue
            fix = h.fixes(report, rule)[0]
            h.check(f"--mpi={'pmix' if mpi == 'openmpi' else 'pmi2'}" in fix, fix)
            _, output = report_of(cluster, h.command_of(fix), f"fixed{number}")
            for rank in range(2):
                h.check(f"Hello from rank {rank} of 2 " in output, f"{fix}\n{output}")


if __name__ == "__main__":
    h.main()
