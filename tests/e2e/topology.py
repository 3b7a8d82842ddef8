"""Slurm on an emulated node of two sockets, 8 cores and 16 CPUs: what srun gives a task there,
and what the rules say of it. All jobs run in one boot."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

BIGNODE, CLUSTER = h.ROOT / "tests" / "bignode", h.ROOT / "tests" / "cluster"
LIMIT = 600  # seconds; booted, with Slurm up, in 40, of which an idle machine needs 20
POOL = f"{h.PYTHON} {h.PROGRAMS / 'busy_pool.py'}"

# Job name: options of sbatch, then the lines of its script. `record NAME` begins the command
# that a step runs. A record that is not made does not stop the others.
JOBS = {
    "one_core": ("--exclusive -n 1", f"NUM_PROCS=16 srun -n 1 $record one_core -- {POOL} 1.5\n"),
    "dropped": ("-n 1 -c 8", f"NUM_PROCS=8 srun --cpu-bind=cores $record dropped -- {POOL} 3\n"),
    "taken": ("-n 1 -c 8", "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK NUM_PROCS=2\n"
                           f"srun --cpu-bind=cores $record taken -- {POOL} 3\n"),
}
RUN = """cd '{folder}'
export record='{forksight} run -o'
for job in {jobs}; do
    read -r options <$job.options
    sbatch -W -o $job.out $options $job.sh || echo "sbatch of $job: $?"
    '{forksight}' report $job >$job.txt 2>&1
done
"""
reports = {}


def job_report(folder, name):
    """The report of a job, as a Result; the first one who asks boots the machine."""
    if not reports:
        for job, (options, script) in JOBS.items():
            (folder / f"{job}.options").write_text(options + "\n")
            (folder / f"{job}.sh").write_text("#!/bin/bash\n" + script)
        (folder / "run.sh").write_text(RUN.format(folder=folder, forksight=h.FORKSIGHT,
                                                  jobs=" ".join(JOBS)))
        result = h.execute([BIGNODE, "-s", LIMIT, "-o", folder, CLUSTER, "-n", 1, "-s", folder,
                            "bash", folder / "run.sh"], cwd=folder, env=h.environment(),
                           timeout=LIMIT + 60)
        if result.status == 77:
            raise h.Skip(result.stderr.strip().splitlines()[-1])
        for job in JOBS:
            texts = [folder / f"{job}.{kind}" for kind in ("txt", "out")]
            texts = [file.read_bytes() if file.exists() else b"" for file in texts]
            reports[job] = h.Result([job], result.status, texts[1] + result.raw_stderr, texts[0],
                                    folder / job)
    return reports[name]


@h.test
def slm_02_fires_pool_of_16_on_the_core_that_srun_gave(folder):
    result = job_report(folder, "one_core")
    h.expect_rules(result, ["SLM-02"])
    h.check_screen(result.report)
    text = h.section(result.report, "SLM-02")
    h.check("step of 16 workers was given 2 of 16 CPUs" in text, text)
    h.check("mask 0-1: 2 CPUs (1 core)" in text, text)
    fixes = "\n".join(h.fixes(result.report, "SLM-02"))
    h.check("srun -n 1 -c 16" in fixes and "busy_pool.py 1.5" in fixes, f"no fix\n{text}")
    strip = re.search(r"^CPUs n1 .*\n  socket 0  (.*)\n  socket 1  (.*)$", result.report, re.M)
    h.check(strip, f"no strip of CPUs\n{result}")
    # The hardware threads of a socket's four cores: the first of each, then the second.
    h.equal(strip[1].replace("#", "."), ".---.---", "CPUs that the workers may use")
    h.check("#" in strip[1] and set(strip[2]) == {"-"}, f"busy CPUs of the strip\n{result}")


@h.test
def slm_01_fires_cpus_per_task_that_srun_dropped(folder):
    result = job_report(folder, "dropped")
    h.expect_rules(result, ["SLM-01"])
    h.check_screen(result.report)
    text = h.section(result.report, "SLM-01")
    h.check("srun dropped -c 8: 2 CPUs for 8 workers" in text, text)
    h.check("task 0 was given CPUs 0-1" in text, text)
    h.equal(h.fixes(result.report, "SLM-01")[0].split("\n")[0],
            "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK", "fix")
    h.check("SLM-02" in h.folded(result.report), f"SLM-02 is not its symptom\n{result}")


@h.test
def slm_01_slm_02_guard_the_variable_gives_the_cpus(folder):
    result = job_report(folder, "taken")
    h.expect_rules(result, [], ["SLM-01", "SLM-02", "AFF-01", "OVS-02"])
    h.check("1/1 ranks" in result.report, f"the rank is not counted\n{result}")


h.main(lane="emulated")
