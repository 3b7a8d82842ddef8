"""FRK-01 to FRK-04: ranks of real MPIs that make children while MPI is in use. Networks that
this machine has not are stand-ins: libraries of the same name."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

RANKS = ["mpirun.openmpi", "--bind-to", "none", "-n", "2"]
SOURCE = h.PROGRAMS / "networks/rank_forks.c"


def environment(**changes):
    """Shared memory only, so that Open MPI looks for no card through the stand-ins."""
    return h.environment(OMPI_ALLOW_RUN_AS_ROOT=1, OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1,
                         OMPI_MCA_pml="ob1", OMPI_MCA_btl="self,vader", OMPI_MCA_mtl="^ofi",
                         OMPI_MCA_osc="^ucx", **changes)


def build(folder, *libraries):
    h.need_cpus(2)
    h.need_tool("mpicc.openmpi", "mpirun.openmpi")
    standins = h.BUILD / "standins"
    result = h.execute(["mpicc.openmpi", "-g", "-O1", SOURCE, "-o", folder / "rank_forks",
                        f"-L{standins}", f"-Wl,-rpath,{standins}", "-Wl,--no-as-needed",
                        *[f"-l:{library}" for library in libraries]])
    h.equal(result.status, 0, f"mpicc\n{result}")


def run(folder, name, words, ranks=RANKS, **variables):
    result = h.under_forksight([*ranks, folder / "rank_forks", *words], cwd=folder,
                               directory=folder / name, env=environment(**variables))
    h.equal(result.status, 0, f"status\n{result}")
    return result


def status_of(result, rule):
    rules = h.execute([h.FORKSIGHT, "report", "--rules", result.directory], env=h.environment())
    match = re.search(rf"^(\S+) +{rule}\b", rules.stdout, re.M)
    h.check(match, f"{rule} has no status\n{rules}")
    return match[1]


def line_of(text):
    return 1 + next(i for i, line in enumerate(SOURCE.read_text().splitlines()) if text in line)


def finding(result, rule, severity, *facts):
    h.check(rule in h.findings(result.report), f"{rule} is missing\n{result}")
    h.equal(h.findings(result.report)[rule][0], severity, f"severity\n{result}")
    h.check_screen(result.report)
    text = h.prose(result.report, rule)
    for fact in facts:
        h.check(fact in text, f"'{fact}' is not in\n{result}")


def export(result, rule):
    """The exports of the first fix, as a shell would take them."""
    line = h.command_of(h.fixes(result.report, rule)[0])
    h.check(line.startswith("export "), f"no export: {line}")
    return dict(word.split("=") for word in line.split()[1:])


def fires_and_fix_ends_it(folder, rule, words, *facts):
    """The rule with FRK-01 below it, and after its fix FRK-01 alone."""
    place = f"rank_forks.c:{line_of('pid = fork()')}"
    result = run(folder, "faulty", words)
    finding(result, rule, "error", "2 ranks of 2", "2 of 2 children", place, *facts)
    h.check("FRK-01" in h.folded(result.report), f"FRK-01 is not folded\n{result}")
    fixed = run(folder, "fixed", words, **export(result, rule))
    h.equal(status_of(fixed, rule), "pass", f"after the fix\n{fixed}")
    finding(fixed, "FRK-01", "warning", place)


# --- networks -------------------------------------------------------------------------

@h.test
def frk_02_fires_stand_in_of_libugni(folder):
    build(folder, "libugni.so.0")
    fires_and_fix_ends_it(folder, "FRK-02", ["fork"], "MPICH_GNI_FORK_MODE is not set")


@h.test
def frk_03_fires_stand_in_of_libcxi(folder):
    build(folder, "libcxi.so.1")
    fires_and_fix_ends_it(folder, "FRK-03", ["fork"], "CXI_FORK_SAFE is not set")


@h.test
def frk_04_fires_stand_in_of_libibverbs(folder):
    build(folder, "libibverbs.so.1")
    fires_and_fix_ends_it(folder, "FRK-04", ["register", "register", "fork"],
                          "2 memory registrations with libibverbs")


@h.test
def frk_04_fires_stand_in_of_efa(folder):
    build(folder, "libibverbs.so.1", "libefa.so.1", "libfabric.so.1")
    fires_and_fix_ends_it(folder, "FRK-04", ["fabric", "fork"], "fi_getinfo in libfabric.so.1",
                          "nor, for EFA, FI_EFA_FORK_SAFE")


@h.test
def frk_02_frk_03_guard_stand_ins_children_that_hold_the_parent(folder):
    build(folder, "libugni.so.0")
    h.equal(status_of(run(folder, "spawn", ["spawn", "system"]), "FRK-02"), "pass", "posix_spawn")
    h.equal(status_of(run(folder, "one", ["fork"], ranks=[*RANKS[:-1], "1"]), "FRK-02"), "pass",
            "one rank")
    build(folder, "libcxi.so.1", "libugni.so.0")
    result = run(folder, "both", ["fork"], FI_CXI_ODP=1)
    h.equal([status_of(result, rule) for rule in ("FRK-02", "FRK-03")], ["pass", "pass"],
            f"Slingshot with on-demand paging\n{result}")


@h.test
def frk_04_guard_stand_in_fork_support_on_demand_and_spawn(folder):
    build(folder, "libibverbs.so.1")
    for name, words in {"init": ["init", "register", "fork"], "demand": ["demand", "fork"],
                        "spawn": ["register", "spawn", "system"], "late": ["fork", "register"],
                        "before": ["finalize", "fork"]}.items():
        result = run(folder, name, words)
        h.check(status_of(result, "FRK-04") in ("pass", "n/a"), f"{name}\n{result}")


@h.test
def frk_04_guard_real_libraries_without_a_card(folder):
    program = h.BUILD / "kernels/k10_fork.mpich"
    h.need_files(program, "/usr/bin/mpiexec.hydra")
    result = h.under_forksight(["mpiexec.hydra", "-n", "2", program, "after"], cwd=folder,
                               env=h.environment())
    finding(result, "FRK-01", "warning")
    h.equal([status_of(result, rule) for rule in ("FRK-02", "FRK-03", "FRK-04")],
            ["n/a", "n/a", "pass"], f"libibverbs and libfabric are loaded\n{result}")


# --- FRK-01 ---------------------------------------------------------------------------

@h.test
def frk_01_fires_as_a_note_when_children_only_exec(folder):
    build(folder)
    result = run(folder, "exec", ["exec"])
    finding(result, "FRK-01", "note", "2 of 2 children",
            "each of them started another program", f"rank_forks.c:{line_of('pid = fork()')}")
    result = run(folder, "held", ["spawn", "system"])
    finding(result, "FRK-01", "note")
    h.check("warning" not in [s for s, _ in h.findings(result.report).values()], result)


@h.test
def frk_01_guard_one_rank_and_after_finalize(folder):
    build(folder)
    result = run(folder, "one", ["fork"], ranks=[*RANKS[:-1], "1"])
    h.equal(status_of(result, "FRK-01"), "pass", f"one rank\n{result}")
    result = run(folder, "after", ["finalize", "fork", "system"])
    h.equal(status_of(result, "FRK-01"), "pass", f"after MPI_Finalize\n{result}")


POOL = """from multiprocessing import Pool
# START
from mpi4py import MPI
def square(x):
    return x * x
if __name__ == "__main__":
    with Pool(2) as pool:
        total = sum(pool.map(square, range(10)))
    # INIT
    total = MPI.COMM_WORLD.allreduce(total)
    print("total", total)
"""


@h.test
def frk_01_fires_in_mpi4py_with_both_lines_and_its_fixes_work(folder):
    h.need_cpus(2)
    h.need_tool("mpirun.openmpi")
    h.python_path("mpi4py")

    def job(name, script):
        (folder / "job.py").write_text(script)
        return h.under_forksight([*RANKS, h.PYTHON, "job.py"], cwd=folder,
                                 directory=folder / name, env=environment())

    result = job("faulty", POOL)
    finding(result, "FRK-01", "warning", "4 of 4 children", "2 ranks of 2 made 4 children",
            "job.py:7 in <module>", "MPI began at job.py:3 in <module>")
    first, second = map(h.command_of, h.fixes(result.report, "FRK-01"))
    again = job("rc", POOL.replace("# START", first).replace("# INIT", "MPI.Init()"))
    h.equal(again.status, 0, f"status\n{again}")
    h.check("total 570" in again.stdout, f"output\n{again}")
    h.equal(status_of(again, "FRK-01"), "pass", f"after the fix\n{again}")
    h.equal(second, "from mpi4py.futures import MPIPoolExecutor", "the other fix")
    (folder / "job.py").write_text(
        POOL.replace("# START", second).replace("Pool(2)", "MPIPoolExecutor()")
            .replace("allreduce(total)", "Get_rank()"))
    again = h.under_forksight([*RANKS, h.PYTHON, "-m", "mpi4py.futures", "job.py"], cwd=folder,
                              directory=folder / "futures", env=environment())
    h.equal(again.status, 0, f"futures\n{again}")
    h.equal(status_of(again, "FRK-01"), "pass", f"with mpi4py.futures\n{again}")


if __name__ == "__main__":
    h.main(lane="waits")
