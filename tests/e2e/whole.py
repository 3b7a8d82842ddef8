"""Rules that look at all nodes of a job at once, on a real Slurm cluster and under mpirun."""
import json
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import OPEN_MPI_AS_ROOT, Cluster

BURN = """import os, sys, time
def burn(seconds):
    while time.process_time() < seconds:
        sum(range(1000))
"""
# The same in every task.
SERIAL = BURN + "burn(1.2)\n"
# A task that knows which one it is.
RANKED = BURN + 'print("part", os.environ["SLURM_PROCID"])\nburn(1.2)\n'
# Two workers, wherever they are started.
POOL = BURN + """import multiprocessing
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        pool.map(burn, [2, 2], chunksize=1)
"""
# The pool on the first node, nothing on the others, as a script does that checks its rank.
FIRST_ONLY = POOL.replace('"__main__":', '"__main__" and os.environ["SLURM_PROCID"] == "0":')
SHORT_POOL = POOL.replace("[2, 2]", "[1.2, 1.2]")
PROGRAMS = {"short_pool.py": SHORT_POOL, "serial.py": SERIAL, "ranked.py": RANKED, "pool.py": POOL, "first.py": FIRST_ONLY}


class Job:
    """What forksight says of a job directory: findings by rule, outcomes of all rules, text."""

    def __init__(self, folder):
        self.folder = folder
        result = h.execute([h.FORKSIGHT, "report", "--format", "json", folder])
        h.equal(result.status, 0, f"report\n{result}")
        self.report = json.loads(result.stdout)
        self.findings = {f["rule"]: f for f in self.report["findings"]}
        h.check_screen(h.execute([h.FORKSIGHT, "report", folder]).stdout)
        result = h.execute([h.FORKSIGHT, "report", "--rules", folder])
        self.text = result.stdout
        self.outcomes = {rule: (status, " ".join(why.split())) for status, rule, why in re.findall(
            r"^(pass|n/a|unknown)\s+([A-Z]{3}-\d\d): (.*)$", result.stdout,
            re.M)}

    def evidence(self, rule):
        h.check(rule in self.findings, f"{rule} is not found, but {self.outcomes.get(rule)}\n{self.text}")
        return json.dumps(self.findings[rule], indent=1, ensure_ascii=False)

    def expect(self, rule, *texts):
        for text in texts:
            h.check(text in self.evidence(rule), f"{rule}: no '{text}' in\n{self.evidence(rule)}")

    def expect_silent(self, rule, why=None):
        h.check(rule not in self.findings, f"{rule} is found\n{self.text}")
        if why:
            h.equal(self.outcomes[rule], why, rule)


def programs(folder):
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)


def record(cluster, options, *lines):
    """Runs a batch script, and keeps in jobs what its lines `forksight run -o NAME ...` record."""
    programs(cluster.shared)
    script = f"export PATH={h.BUILD}:$PATH\n" + "".join(line + "\n" for line in lines)
    result = cluster.batch(script, "--exclusive", *options)
    h.equal(result.status, 0, f"the batch job\n{result}")
    for line in lines:
        if "forksight run" in line:
            name = re.search(r"-o (\S+)", line)[1]
            jobs[name] = Job(cluster.shared / name)


jobs = {}  # by name, and what `check` said of some
gate = {}


def job(name):
    """One of the jobs that were recorded on three nodes; the first one who asks starts them."""
    h.need_cpus(2)
    if "missing" not in jobs:
        with Cluster(3) as cluster:
            record(
                cluster, ["-N3"],
                f"forksight run -q -o plain -- {h.PYTHON} pool.py",
                f"forksight run -q -o step -- srun -n1 -c2 {h.PYTHON} pool.py",
                f"forksight run -q -o first -- srun -N3 -n3 {h.PYTHON} first.py",
                f"forksight run -q -o each -- srun -N3 -n3 -c2 {h.PYTHON} pool.py",
                "srun -N2 -n2 -w n2,n3 sleep 60 &",
                f"forksight run -q -o beside -- {h.PYTHON} pool.py",
                "kill %1; wait")
            packed = f"srun -n1 -c1 --exact {h.PYTHON} short_pool.py &"
            record(cluster, ["-N1"], f"forksight run -q -o one -- {h.PYTHON} pool.py",
                   f"forksight run -q -o packed -- sh -c '{packed} {packed} wait'")
            record(
                cluster, ["-N2"],
                f"forksight run -q -o copies -- srun -n4 {h.PYTHON} serial.py",
                f"forksight run -q -o ranked -- srun -n4 {h.PYTHON} ranked.py",
                f"forksight run -q -o narrow -- srun -N2 -n2 -c1 {h.PYTHON} ranked.py",
                f"forksight run -q -o full -- srun -n2 -c2 {h.PYTHON} ranked.py")
            record(
                cluster, ["-N1"],
                *(f"srun -n1 -c1 --exact forksight run -q -o half{i} -- {h.PYTHON} pool.py &"
                  for i in (1, 2)),
                "wait")
            copy = cluster.shared / "missing"
            shutil.copytree(cluster.shared / "full", copy)
            (copy / "n2.digest").unlink()
            jobs["missing"] = Job(copy)
            gate["missing"] = h.execute([h.FORKSIGHT, "check", copy])
    return jobs[name]


@h.test
def mpi_04_fires_for_a_pool_on_one_node_of_three(_folder):
    for name in ("plain", "step", "first"):
        job(name).expect("MPI-04", "2 workers on 1 of 3 nodes; 2 idle", "idle: n[2-3]; in use: n1")
    h.equal(job("first").report["scope"]["nodes"], 3, "nodes with a record")
    h.check("#SBATCH --nodes=1" in json.dumps(job("plain").findings["MPI-04"]), "fix")


@h.test
def mpi_04_guard_one_node_another_step_on_the_rest_a_pool_on_each(_folder):
    job("one").expect_silent("MPI-04", ("n/a", "the job has not several nodes"))
    job("beside").expect_silent("MPI-04", ("pass", "other steps of the job ran beside it"))
    job("each").expect_silent("MPI-04")


@h.test
def mpi_03_fires_for_four_serial_tasks(_folder):
    job("copies").expect("MPI-03", "4 identical copies", "4 tasks run the same command",
                         "serial.py", "names no rank")
    h.check("srun -n 1 -c 2" in json.dumps(job("copies").findings["MPI-03"]), "fix")


@h.test
def mpi_03_guard_tasks_that_ask_which_they_are(_folder):
    job("ranked").expect_silent("MPI-03", ("pass", "the program can tell its tasks apart"))


@h.test
def slm_03_fires_for_cpus_without_a_task(_folder):
    job("narrow").expect("SLM-03", "2 tasks use 2 of the 4 CPUs of 2 nodes", "1 tasks on each node")
    h.check("srun -n 2 -c 2" in json.dumps(job("narrow").findings["SLM-03"]), "fix")


@h.test
def slm_03_guard_tasks_that_fill_the_nodes(_folder):
    for name in ("ranked", "full"):
        job(name).expect_silent("SLM-03", ("pass", "the tasks fill the CPUs that the job was given"))


@h.test
def slm_02_aff_01_ovs_03_guard_two_steps_that_share_the_node(_folder):
    half = job("half1")
    half.expect_silent("SLM-02", ("n/a", "other steps of the job ran beside it"))
    half.expect_silent("AFF-01", ("pass", "the other CPUs may be those of the job's other steps"))
    half.expect_silent("OVS-03", ("n/a", "other steps of the job ran beside it"))
    half.expect("OVS-02", "2 workers on 1 CPU")
    packed = job("packed")  # both by one script, in one record
    packed.expect_silent("SLM-02", ("n/a", "other steps of the job ran beside it"))
    packed.expect_silent("AFF-01", ("pass", "the other CPUs may be those of the job's other steps"))
    packed.expect("OVS-02", "2 workers on 1 CPU")
    h.check("2/2 ranks" in packed.text, f"text\n{packed.text}")


@h.test
def a_node_that_left_nothing_is_named_and_no_gate_lets_the_record_pass(_folder):
    missing = job("missing")
    h.check("no record of 1 node (n2)" in missing.text, f"text\n{missing.text}")
    h.equal((missing.report["data"]["complete"], missing.report["data"]["missing_hosts"]),
            (False, "n2"), "data")
    h.equal(gate["missing"].status, 3, f"status of check\n{gate['missing']}")


@h.test
def mpi_03_fires_for_copies_under_mpirun(folder):
    h.need_tool("mpirun.openmpi")
    programs(folder)
    (folder / "ranked.py").write_text(RANKED.replace("SLURM_PROCID", "OMPI_COMM_WORLD_RANK"))
    under = {}
    for name in ("serial.py", "ranked.py"):
        result = h.under_forksight(
            ["mpirun.openmpi", "--oversubscribe", "-n", "2", h.PYTHON, name], cwd=folder,
            directory=folder / name.split(".")[0], env=h.environment(**OPEN_MPI_AS_ROOT))
        h.equal(result.status, 0, f"{result}")
        under[name] = Job(result.directory)
    under["serial.py"].expect("MPI-03", "2 identical copies", "serial.py")
    under["serial.py"].expect("MPI-03", f'"{h.PYTHON} serial.py"')
    under["ranked.py"].expect_silent("MPI-03", ("pass", "the program can tell its tasks apart"))


h.main(lane="waits")
