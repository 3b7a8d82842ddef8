"""Slurm on an emulated node of two sockets, 8 cores and 16 CPUs: what srun gives a task there,
and what the rules say of it. All jobs run in one boot."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import emulator
import harness as h

CLUSTER = h.ROOT / "tests" / "cluster"
LIMIT = 600  # seconds; booted, with Slurm up, in 40, of which an idle machine needs 20
POOL = f"{h.PYTHON} {h.PROGRAMS / 'busy_pool.py'}"

# It asks for its rank: a program that does not is another rule's matter.
SPIN = """import os, sys, time
rank = int(os.environ["SLURM_PROCID"])
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    sum(range(1000))
"""
# Steps of two tasks each, whose places the user says, and what the fixes make of them.
TASKS = f"{h.PYTHON} spin.py"
STEPS = {
    "same_core": f"srun -n 2 --cpu-bind=map_cpu:2,2 {TASKS} 1.5",
    "apart": f"srun --exact --cpu-bind=cores -c 8 -n 2 {TASKS} 1.5",
    "straddling": f"srun -n 2 --cpu-bind=mask_cpu:0x3f,0xfc0 {TASKS} 1.5",
    "whole": f"srun -c 6 --cpu-bind=cores --distribution=block:cyclic -n 2 {TASKS} 1.5",
    "siblings": f"srun --cpu-bind=map_cpu:0,1 -n 2 {TASKS} 7",
}

# Job name: options of sbatch, then the lines of its script. `$record NAME` begins the command
# that records, of a step or of each of its tasks. One that fails does not stop the others.
JOBS = {
    "one_core": ("--exclusive -n 1", f"NUM_PROCS=16 $record one_core -- srun -n 1 {POOL} 1.5\n"),
    "dropped": ("-n 1 -c 8", f"NUM_PROCS=8 srun --cpu-bind=cores $record dropped -- {POOL} 3\n"),
    "taken": ("-n 1 -c 8", "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK NUM_PROCS=2\n"
                           f"srun --cpu-bind=cores $record taken -- {POOL} 3\n"),
    "steps": ("--exclusive -n 2", "".join(f"$record {name} -q -- {step}\n"
                                          for name, step in STEPS.items())),
}
RECORDS = [name for job in JOBS for name in (STEPS if job == "steps" else [job])]
RUN = """cd '{folder}'
export record='{forksight} run -o'
for job in {jobs}; do
    read -r options <$job.options
    sbatch -W -o $job.out $options $job.sh || echo "sbatch of $job: $?"
done
for record in {records}; do
    '{forksight}' report --threshold AFF-08.samples=2 $record >$record.txt 2>&1
done
"""
reports = {}


def job_report(folder, name):
    """The report of a record, as a Result; the first one who asks boots the machine."""
    if not reports:
        (folder / "spin.py").write_text(SPIN)
        for job, (options, script) in JOBS.items():
            (folder / f"{job}.options").write_text(options + "\n")
            (folder / f"{job}.sh").write_text("#!/bin/bash\n" + script)
        (folder / "run.sh").write_text(RUN.format(folder=folder, forksight=h.FORKSIGHT,
                                                  jobs=" ".join(JOBS), records=" ".join(RECORDS)))
        result = emulator.execute(folder, LIMIT, CLUSTER, "-n", 1, "-s", folder,
                                  "bash", folder / "run.sh")
        for record in RECORDS:
            job = "steps" if record in STEPS else record
            texts = [folder / f"{record}.txt", folder / f"{job}.out"]
            texts = [file.read_bytes() if file.exists() else b"" for file in texts]
            reports[record] = h.Result([record], result.status, texts[1] + result.raw_stderr,
                                       texts[0], folder / record)
    return reports[name]


def strip_of(result):
    """The strip of CPUs, of each socket: the first hardware thread of its four cores, then the
    second."""
    strip = re.search(r"^CPUs n1 .*\n  socket 0  (.*)\n  socket 1  (.*)$", result.report, re.M)
    h.check(strip, f"no strip of CPUs\n{result}")
    return strip.groups()


@h.test
def slm_02_fires_pool_of_16_on_the_core_that_srun_gave(folder):
    result = job_report(folder, "one_core")
    h.expect_rules(result, ["SLM-02"])
    h.check_screen(result.report)
    text = h.section(result.report, "SLM-02")
    h.check("step of 16 workers was given 2 of 16 CPUs" in text, text)
    h.check("mask 0-1: 2 CPUs (1 core)" in text, text)
    fixes = "\n".join(h.fixes(result.report, "SLM-02"))
    # The job's command is the srun line: it is put right, not wrapped in another one.
    h.check("srun -c 16 --cpu-bind=cores -n 1" in fixes and "busy_pool.py 1.5" in fixes,
            f"no fix\n{text}")
    first, second = strip_of(result)
    h.equal(first.replace("#", "."), ".---.---", "CPUs that the workers may use")
    h.check("#" in first and set(second) == {"-"}, f"busy CPUs of the strip\n{result}")


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


def flat(result, rule):
    # Two tasks leave most of the node idle, which other rules tell.
    h.expect_rules(result, [rule], allowed=["SLM-03", "OVS-03"])
    h.check_screen(result.report)
    return h.prose(result.report, rule)


def expect_ranks(result, masks):
    """The row of the node: both ranks, their masks."""
    row = re.search(r"^n1 .*? 0-1 +(.*?)  ", result.report, re.M)
    h.check(row, f"no row of ranks 0-1\n{result}")
    h.equal(row[1], masks, "masks of the ranks")


def expect_strip(result, *cpus):
    """The job may use all CPUs, and was seen busy on none but these places of the strip."""
    strip = "".join(strip_of(result))
    h.equal(strip.replace("#", "."), 16 * ".", f"strip\n{result}")
    h.check({at for at, what in enumerate(strip) if what == "#"} <= set(cpus),
            f"busy CPUs of the strip\n{result}")


def expect_fix(result, rule, command):
    h.equal(h.command_of(h.fixes(result.report, rule)[0]), command, "fix")


def expect_fixed(folder, result, rule, twin):
    """The fix is the command line of another step, of which no rule on places says anything."""
    expect_fix(result, rule, STEPS[twin])
    h.expect_rules(job_report(folder, twin), must_not=["AFF-05", "AFF-06", "AFF-07", "AFF-08"])


@h.test
def aff_06_fires_two_tasks_that_srun_puts_on_one_cpu(folder):
    result = job_report(folder, "same_core")
    text = flat(result, "AFF-06")
    h.check("2 ranks share CPU 2" in text, text)
    h.check("rank 0 has mask 2, rank 1 has 2; the job has CPU 0-15" in text, text)
    h.check("in no rank's mask: CPU 0-1,3-15" in text, text)
    h.check("srun binds them so: map_cpu:2,2" in text, text)
    expect_ranks(result, "2 shared, 1core/1pu")
    expect_strip(result, 1)
    expect_fixed(folder, result, "AFF-06", "apart")


@h.test
def aff_07_fires_a_task_of_three_cores_in_both_sockets(folder):
    result = job_report(folder, "straddling")
    text = flat(result, "AFF-07")
    h.check("1 rank on 3 cores of 2 NUMA domains" in text and "1 of 2 ranks" in text, text)
    h.check("rank 1 has mask 6-11: 6 CPUs (3 cores) in 2 NUMA domains; 4 cores" in text, text)
    h.check("srun gave it those CPUs" in text, text)
    expect_ranks(result, "2 disjoint, 3core/6pu")
    expect_fixed(folder, result, "AFF-07", "whole")


@h.test
def aff_08_fires_two_tasks_on_the_hardware_threads_of_a_core(folder):
    result = job_report(folder, "siblings")
    text = flat(result, "AFF-08")
    h.check("two busy threads on a core, 7 cores idle" in text, text)
    h.check("shared: CPU 0-1 (1 core)" in text, text)
    h.check("srun binds the tasks so: map_cpu:0,1" in text, text)
    expect_ranks(result, "2 disjoint, 1core/1pu")
    expect_strip(result, 0, 4)
    expect_fix(result, "AFF-08", f"srun --hint=nomultithread -n 2 {TASKS} 7")


h.main(lane="emulated")
