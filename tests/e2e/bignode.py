"""Jobs on machines larger than this one, emulated: two sockets, up to 16 CPUs."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import emulator
import harness as h

LIMIT = 740  # seconds; the emulator is 10 to 30 times slower than this machine


@h.test
def ovs_01_fires_threaded_numpy_in_several_workers_of_16_cpus(folder):
    h.python_path("numpy")
    # Idle threads of OpenBLAS spin, which the emulator's two real CPUs pay for: let them sleep soon.
    result = emulator.execute(folder, LIMIT, "-t", "2:4:2", h.FORKSIGHT, "run", "-o", folder / "job",
                              "--", h.PYTHON, h.KERNELS / "k9_threaded_blas.py", "2", "200",
                              NUM_PROCS=4, OPENBLAS_THREAD_TIMEOUT=4)
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, ["OVS-01"])
    text = h.section(result.report, "OVS-01")
    product = re.search(r"(\d+) workers x (\d+)[^\n]*?= ?(\d+)[^\n]*?(\d+) CPUs", text)
    h.check(product, f"no workers x threads = total on CPUs\n{text}")
    workers, threads, total, cpus = map(int, product.groups())
    h.equal((workers, workers * threads, cpus), (4, total, 16), f"numbers\n{text}")
    h.check(threads > 4, f"not more threads than fit\n{text}")
    h.check("OPENBLAS_NUM_THREADS" in text or "OMP_NUM_THREADS" in text, f"no fix\n{text}")


# --- teams of threads on four CPUs in two NUMA domains: all jobs in one boot ----------------

GIL = """import threading, time
def work():
    end = time.monotonic() + 4
    while time.monotonic() < end:
        sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
TEAM = h.BUILD / "kernels" / "thr07_team_size"
TEAM_JOBS = """
job() { name=$1; shift; '%(forksight)s' run -o "$name" -- "$@" 2>"$name.txt"; }
beside="yes >/dev/null & %(team)s"
job moving sh -c "$beside 100; kill \\$!"
OMP_PROC_BIND=true OMP_PLACES=cores job bound sh -c "$beside 50; kill \\$!"
export SLURM_JOB_ID=4711 SLURM_CPUS_ON_NODE=4 SLURM_CPUS_PER_TASK=4
OMP_NUM_THREADS=2 job small %(team)s 60
job right %(team)s 60
unset SLURM_JOB_ID SLURM_CPUS_ON_NODE SLURM_CPUS_PER_TASK
job gil %(python)s gil.py
'%(forksight)s' report --threshold PYT-03.most=1.6 gil >gil.txt
"""
reports = {}


def team_report(folder, name):
    """The report of one of the jobs, as a Result; the first one who asks boots the machine."""
    if not reports:
        (folder / "gil.py").write_text(GIL)
        script = TEAM_JOBS % {"forksight": h.FORKSIGHT, "team": TEAM, "python": h.PYTHON}
        (folder / "jobs.sh").write_text(script)
        result = emulator.execute(folder, LIMIT, "-t", "2:2:1", "sh", "jobs.sh")
        for file in folder.glob("*.txt"):
            reports[file.stem] = h.Result([file.stem], result.status, b"", file.read_bytes(), folder / file.stem)
        h.check(len(reports) == 5, f"reports of {sorted(reports)}\n{result}")
        h.expect_outcome(reports["bound"], "pass", "AFF-09")  # while its record is there
    return reports[name]


@h.test
def aff_09_fires_for_a_team_that_the_kernel_moves(folder):
    result = team_report(folder, "moving")
    h.expect_rules(result, ["AFF-09"])
    text = h.section(result.report, "AFF-09")
    share = re.search(r"in (\d+) % of (\d+) samples", text)
    h.check(share and int(share[1]) >= 10 and int(share[2]) >= 20, f"no share of samples\n{text}")
    h.check("OMP_PROC_BIND=true OMP_PLACES=cores" in text, f"no fix\n{text}")


@h.test
def aff_09_guard_the_same_team_bound(folder):
    h.expect_clean(team_report(folder, "bound"), "AFF-09")


@h.test
def thr_07_fires_for_a_team_of_two_on_four_cpus_with_the_variables_of_slurm(folder):
    result = team_report(folder, "small")
    h.expect_rules(result, ["THR-07"], allowed=["OVS-03"])
    h.check("2 OpenMP threads, 4 CPUs per task" in h.section(result.report, "THR-07"),
            f"no numbers\n{result}")


@h.test
def thr_07_ovs_06_guard_a_team_of_all_cpus_with_the_variables_of_slurm(folder):
    h.expect_rules(team_report(folder, "right"), must_not=["THR-07", "OVS-06", "OVS-03", "THR-08"])


# An emulated CPU counts as running while the real one runs another, so the sum is above 1.
# Threads that did not wait for each other would make it 3.
@h.test
def pyt_03_fires_for_three_threads_on_four_cpus(folder):
    result = team_report(folder, "gil")
    h.expect_rules(result, ["PYT-03"])
    h.check("3 Python threads share 1" in h.section(result.report, "PYT-03"), f"no numbers\n{result}")


if __name__ == "__main__":
    h.main(lane="emulated")
