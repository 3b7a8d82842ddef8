"""Where ranks and workers run: slots of mpirun, login nodes."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from login_node import on_login_node

AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": 1, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": 1}
# It asks for its rank: a program that does not is another rule's matter.
SPIN = """import os, time
rank = os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK"))
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    sum(range(1000))
"""


def mpi(folder, line, seconds=2, **variables):
    """forksight run -- line, of which SPIN is a program that computes for a while."""
    (folder / "spin.py").write_text(SPIN.format(seconds=seconds))
    words = line.replace("SPIN", f"{h.PYTHON} spin.py").split()
    h.need_tool(words[0])
    return h.under_forksight(words, cwd=folder, env=h.environment(**AS_ROOT, **variables))


@h.test
def mpi_05_fires_more_ranks_than_cores_and_its_fix(folder):
    slots = h.core_count()
    result = mpi(folder, f"mpirun.openmpi --bind-to none -n {slots + 1} SPIN", seconds=1)
    h.check(result.status != 0, f"mpirun started them\n{result}")
    h.expect_rules(result, ["MPI-05"])
    text = h.section(result.report, "MPI-05")
    h.check(f"{slots + 1} ranks for {slots} slot" in text, f"numbers\n{text}")
    h.check("no rank came up" in " ".join(text.split()) and f"status {result.status}" in text,
            f"evidence\n{text}")
    h.check_screen(result.report)
    fix = h.command_of(h.fixes(result.report, "MPI-05")[0])
    h.equal(fix, f"mpirun.openmpi --bind-to none -n {slots} {h.PYTHON} spin.py", "fix")
    again = h.under_forksight(fix.split(), cwd=folder, directory=folder / "again",
                              env=h.environment(**AS_ROOT))
    h.equal(again.status, 0, f"the pasted fix\n{again}")
    h.expect_clean(again, "MPI-05")
    h.equal(again.outcomes["MPI-05"], ("pass", "mpirun started its ranks"), "MPI-05")


@h.test
def mpi_05_fires_for_an_mpirun_in_a_script_with_a_hostfile(folder):
    (folder / "hosts").write_text("# one node\nlocalhost slots=2 max_slots=2\n")
    (folder / "job.sh").write_text("mpirun.openmpi --hostfile hosts -np 3 true || exit 7\n")
    result = mpi(folder, "sh job.sh")
    h.equal(result.status, 7, f"status\n{result}")
    h.expect_rules(result, ["MPI-05"])
    text = h.section(result.report, "MPI-05")
    h.check("3 ranks for 2 slots" in text and "the hostfile hosts" in text, f"numbers\n{text}")
    h.check("mpirun.openmpi --hostfile hosts -np 2 true" in text, f"fix\n{text}")


@h.test
def mpi_05_guard_other_failures_of_mpirun(folder):
    result = mpi(folder, "mpirun.openmpi --oversubscribe -n 2 ./missing")
    h.check(result.status != 0, f"it succeeded\n{result}")
    h.expect_outcome(result, "pass", "MPI-05")
    h.expect_rules(result, must_not=["MPI-05"])
    (folder / "fails.py").write_text("raise SystemExit(3)\n")
    words = ["mpirun.openmpi", "--host", "localhost:9", "-n", "3", h.PYTHON, "fails.py"]
    failing = h.under_forksight(words, cwd=folder, directory=folder / "fails",
                                env=h.environment(**AS_ROOT))
    h.equal(failing.status, 3, f"status of a rank\n{failing}")
    h.equal(failing.outcomes["MPI-05"], ("pass", "mpirun started its ranks"), "ranks failed")


@h.test
def mpi_05_guard_mpich_starts_what_it_is_told(folder):
    result = mpi(folder, f"mpirun.mpich -n {h.core_count() + 1} true")
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_clean(result, "PRC-03")
    h.expect_outcome(result, "na", "MPI-05")


# --- masks of ranks ---------------------------------------------------------------------

def pool_words(folder):
    h.need_cpus(2)
    return f"{h.PYTHON} {h.KERNELS / 'k3_darts_pi.py'} 20000000"


def paste(fix, folder, name, **variables):
    """Runs a fix that is one command line."""
    return h.under_forksight(h.command_of(fix).split(), cwd=folder, directory=folder / name,
                             env=h.environment(**AS_ROOT, **variables))


@h.test
def aff_05_fires_a_pool_in_a_bound_rank_and_its_fixes(folder):
    words = f"mpirun.openmpi -n 1 --bind-to core {pool_words(folder)}"
    result = mpi(folder, words, NUM_PROCS=2)
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, ["AFF-05"])
    h.equal(h.findings(result.report)["AFF-05"][0], "error", "severity")
    h.check("AFF-01" in h.folded(result.report), f"AFF-01 is not folded\n{result}")
    text = h.prose(result.report, "AFF-05")
    h.check("2 workers (2 busy at once)" in text and "1 CPU (1 core)" in text, f"numbers\n{text}")
    h.check("k3_darts_pi.py:40 in parallel_pi" in text, f"the fork is not named\n{text}")
    wait = int(re.search(r"run-queue wait: (\d+) %", text)[1])
    h.check(wait >= 40, f"two workers on a core wait half of their time\n{text}")
    h.check_screen(result.report)
    for name, fix in zip(("unbound", "wide"), h.fixes(result.report, "AFF-05")):
        again = paste(fix, folder, name, NUM_PROCS=2)
        h.equal(again.status, 0, f"the pasted fix {fix!r}\n{again}")
        h.expect_clean(again, "AFF-01", "AFF-05")


@h.test
def aff_06_fires_two_ranks_behind_one_taskset_and_its_fix(folder):
    h.need_cpus(2)
    result = mpi(folder, "mpirun.openmpi --bind-to none -n 2 taskset -c 0 SPIN")
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, ["AFF-06"])
    text = h.prose(result.report, "AFF-06")
    h.check("rank 0 has mask 0, rank 1 has 0" in text, f"masks\n{text}")
    h.check("sched_setaffinity by taskset" in text, f"who did it\n{text}")
    h.check("in no rank's mask: CPU 1" in text, f"what is unused\n{text}")
    h.check_screen(result.report)
    fix = h.command_of(h.fixes(result.report, "AFF-06")[0])
    h.equal(fix, f"mpirun.openmpi --bind-to none -n 2 {h.PYTHON} spin.py", "fix")
    again = paste(fix, folder, "apart")
    h.equal(again.status, 0, f"the pasted fix\n{again}")
    h.expect_clean(again, "AFF-06")


@h.test
def aff_05_06_07_ovs_05_guard_ranks_bound_to_a_core_each(folder):
    h.need_cpus(2)
    result = mpi(folder, "mpirun.openmpi --bind-to core -n 2 SPIN")
    h.expect_clean(result, "AFF-05", "AFF-06", "OVS-05")
    h.equal(result.outcomes["OVS-05"], ("pass", "no more ranks than cores"), "OVS-05")


@h.test
def ovs_05_fires_a_hostfile_with_more_slots_than_cores(folder):
    ranks = h.core_count() + 1
    (folder / "hosts").write_text(f"localhost slots={ranks}\n")
    result = mpi(folder, f"mpirun.openmpi --hostfile hosts --bind-to none -n {ranks} SPIN")
    h.expect_rules(result, ["OVS-05"])
    text = h.prose(result.report, "OVS-05")
    h.check(f"the hostfile hosts says {ranks} slots" in text, f"cause\n{text}")
    h.check(f"slots={h.core_count()}" in text, f"fix\n{text}")


# --- a login node -------------------------------------------------------------------------


def pool(folder):
    h.need_cpus(2)
    return [h.PYTHON, h.KERNELS / "k3_darts_pi.py", "8000000"]


@h.test
def slm_05_fires_a_pool_on_a_login_node(folder):
    with on_login_node(folder, ["ann", "bob", "ann"]) as outer:
        result = h.under_forksight(pool(folder), ["--threshold", "SLM-05.pool=0.5"], outer, cwd=folder,
                                   env=h.environment(NUM_PROCS=2))
    h.expect_rules(result, ["SLM-05"])
    text = h.section(result.report, "SLM-05")
    h.check("2 users are logged in" in text and "Slurm is set up here" in text, f"users\n{text}")
    h.check(f"srun -n 1 -c 2 {h.PYTHON}" in text, f"fix\n{text}")
    h.check("sbatch" in text, f"no batch script\n{text}")


@h.test
def slm_05_guard_alone_in_a_job_or_without_a_batch_system(folder):
    parts = {"alone": (["ann"], True, {}), "laptop": (["ann", "bob"], False, {}),
             "job": (["ann", "bob"], True, {"SLURM_JOB_ID": 7, "SLURM_CPUS_ON_NODE": 2})}
    for name, (users, slurm, variables) in parts.items():
        here = folder / name
        here.mkdir()
        with on_login_node(here, users, slurm) as outer:
            result = h.under_forksight(pool(here), ["--threshold", "SLM-05.pool=0.5"], outer, cwd=here,
                                       env=h.environment(NUM_PROCS=2, **variables))
        h.expect_rules(result, must_not=["SLM-05"])
        h.equal(result.outcomes["SLM-05"][0], "pass" if name == "alone" else "na", name)


if __name__ == "__main__":
    h.main()
