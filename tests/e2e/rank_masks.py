"""Masks of ranks on an emulated node of two sockets (NUMA domains), 8 cores and 16 CPUs: the
hardware threads of a core are neighbours there (0 and 1, 2 and 3 ...). All jobs run in one boot;
two of them also bare, at the same time, while audits look at them."""
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import audits
import emulator
import harness as h

LIMIT = 560  # seconds; an idle machine of two CPUs needs 60, and others run beside it
# It asks for its rank: a program that does not is another rule's matter.
SPIN = """import os, sys, time
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
open(f"/tmp/rank.{rank}", "w").close()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    sum(range(1000))
"""
SPINNING = f"{h.PYTHON} spin.py"
# The emulated collector takes few samples: it keeps its cost low, and is slow there.
JOBS = {
    "straddling": f"mpirun.openmpi -n 2 --map-by slot:PE=3 --bind-to core {SPINNING} 2",
    "whole": f"mpirun.openmpi --map-by numa:PE=3 --bind-to core -n 2 {SPINNING} 2",
    "siblings": f"taskset -c 0,1 {h.PYTHON} {h.PROGRAMS / 'busy_pool.py'} 8",
    "spread": f"taskset -c 0,2 {h.PYTHON} {h.PROGRAMS / 'busy_pool.py'} 8",
    "threads": f"mpirun.openmpi -n 2 --map-by hwthread --bind-to hwthread {SPINNING} 14",
    "twice": "sh twice.sh",
    "bound": f"mpirun.openmpi -n 1 --bind-to core {h.PYTHON} {h.PROGRAMS / 'busy_pool.py'} 3",
}
TWICE = f"""mpirun.openmpi -n 1 --bind-to hwthread {SPINNING} 4 &
mpirun.openmpi -n 1 --bind-to hwthread {SPINNING} 4 &
wait
"""
RUN = """export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl=self,vader
export OMPI_MCA_oob_tcp_if_include=lo
job() {{ name=$1; shift; NUM_PROCS=$workers '{forksight}' run --threshold AFF-08.samples=2 \\
    -o $name -- "$@" >$name.out 2>$name.txt; }}
workers=2
{jobs}
rm -f /tmp/rank.*
sh -c '{straddling}; exit' &
straddling=$!
NUM_PROCS=2 sh -c '{siblings}; exit' &
siblings=$!
while [ ! -e /tmp/rank.0 ] || [ ! -e /tmp/rank.1 ]; do sleep 1; done
for name in straddling siblings; do
    eval "pid=\$$name"
    '{forksight}' audit --window 6 --threshold AFF-08.samples=2 --format json \
        $(cat /proc/$pid/task/$pid/children) >$name.json 2>$name.said &
    waited="$waited $!"
done
wait $waited
kill $straddling $siblings
"""
# Bare: the same on CPUs of their own, for as long as they are looked at.
BARE = {
    "straddling": f"mpirun.openmpi -n 2 --map-by slot:PE=3 --bind-to core {SPINNING} 600",
    "siblings": f"taskset -c 12,13 {h.PYTHON} {h.PROGRAMS / 'busy_pool.py'} 4000",
}
reports, audited = {}, {}


def job_report(folder, name):
    """The report of a job, as a Result; the first one who asks boots the machine."""
    if not reports:
        h.need_tool("mpirun.openmpi")
        (folder / "spin.py").write_text(SPIN)
        (folder / "twice.sh").write_text(TWICE)
        lines = [f"{'workers=4; ' if job == 'bound' else ''}job {job} {words}"
                 for job, words in JOBS.items()]
        (folder / "run.sh").write_text(RUN.format(forksight=h.FORKSIGHT, jobs="\n".join(lines), **BARE))
        result = emulator.execute(folder, LIMIT, "-t", "2:4:2", "sh", "run.sh")
        for job in BARE:
            text = (folder / f"{job}.json").read_text()
            audited[job] = json.loads(text) if text else (folder / f"{job}.said").read_text()
        for job in JOBS:
            text = folder / f"{job}.txt"
            reports[job] = h.Result([job], result.status, result.raw_stderr,
                                    text.read_bytes() if text.exists() else b"", folder / job,
                                    ["--threshold", "AFF-08.samples=2"])
        h.expect_outcome(reports["spread"], "pass", "AFF-08")  # while its record is there
    return reports[name]


@h.test
def aff_07_fires_a_rank_of_three_cores_in_both_sockets(folder):
    result = job_report(folder, "straddling")
    h.expect_rules(result, ["AFF-07"])
    h.check_screen(result.report)
    text = h.prose(result.report, "AFF-07")
    h.check("1 rank on 3 cores of 2 NUMA domains" in text and "1 of 2 ranks" in text, text)
    h.check("rank 1 has mask 6-11: 6 CPUs (3 cores) in 2 NUMA domains; 4 cores" in text, text)
    h.check("mpirun.openmpi --map-by numa:PE=3 --bind-to core -n 2" in text, f"fix\n{text}")


@h.test
def aff_07_aff_08_fires_audited_as_in_the_record(folder):
    for job, rule in ("straddling", "AFF-07"), ("siblings", "AFF-08"):
        h.expect_rules(job_report(folder, job), [rule])
        h.equal(audits.causes(audited[job]), [rule],
                f"audit of {job}: {audits.status_of(audited[job], rule)}")


@h.test
def aff_05_06_07_08_guard_the_fix_of_the_straddling_rank(folder):
    h.expect_rules(job_report(folder, "whole"),
                   must_not=["AFF-05", "AFF-06", "AFF-07", "AFF-08", "OVS-05"])


@h.test
def aff_08_fires_two_workers_on_one_core_of_eight(folder):
    result = job_report(folder, "siblings")
    h.expect_rules(result, ["AFF-08"])
    h.check_screen(result.report)
    h.equal(h.findings(result.report)["AFF-08"][0], "warning", "severity")
    text = h.prose(result.report, "AFF-08")
    h.check("two busy threads on a core, 7 cores idle" in text, f"idle cores\n{text}")
    h.check("shared: CPU 0-1 (1 core)" in text, f"shared core\n{text}")
    h.check(int(re.search(r"in (\d+) % of \d+ samples", text)[1]) >= 20, f"share\n{text}")
    h.check("sched_setaffinity by taskset" in text, f"who did it\n{text}")
    h.check("taskset -c 0,2" in text, f"fix\n{text}")


@h.test
def aff_08_guard_a_core_for_each_of_the_two_workers(folder):
    h.expect_clean(job_report(folder, "spread"), "AFF-08", "AFF-01")


@h.test
def aff_08_fires_as_a_note_where_hardware_threads_were_asked_for(folder):
    result = job_report(folder, "threads")
    h.expect_rules(result, ["AFF-08"])
    h.equal(h.findings(result.report)["AFF-08"][0], "note", "severity")
    text = h.prose(result.report, "AFF-08")
    h.check("mpirun.openmpi was asked for hardware threads" in text, f"cause\n{text}")
    h.check("mpirun.openmpi --map-by core --bind-to core -n 2" in text, f"fix\n{text}")


@h.test
def aff_06_fires_two_mpiruns_that_both_begin_at_the_first_cpu(folder):
    result = job_report(folder, "twice")
    h.expect_rules(result, ["AFF-06"])
    h.check_screen(result.report)
    text = h.prose(result.report, "AFF-06")
    h.check("2 tasks of several launches share CPU 0" in text, f"numbers\n{text}")
    h.check("the job has CPU 0-15" in text and "in no rank's mask: CPU 1-15" in text, text)
    h.check("mpirun.openmpi" in text and "--bind-to core" in text, f"fix\n{text}")


@h.test
def aff_05_fires_a_pool_of_four_on_the_core_of_its_rank(folder):
    result = job_report(folder, "bound")
    h.expect_rules(result, ["AFF-05"])
    h.check_screen(result.report)
    text = h.prose(result.report, "AFF-05")
    h.check("4 workers of rank 0 on the 1 core that mpirun.openmpi gave it" in text
            or "may use CPU 0-1 only: 2 CPUs (1 core)" in text, text)
    h.check("mpirun.openmpi --bind-to none -n 1" in text, f"fix\n{text}")
    h.check("--map-by slot:PE=8 --bind-to core -n 1" in text, f"fix\n{text}")


if __name__ == "__main__":
    h.main(lane="emulated")
