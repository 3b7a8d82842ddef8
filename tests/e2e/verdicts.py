"""The verdicts on squeezed and crowded jobs: what the report must say, and that the
fix that it prints makes the job clean."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cgroup import Group

# Long enough for the rules, on one CPU or two: they want to see a second.
POOL = """import os
import time
from multiprocessing import Pool


def compute(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))
    return seconds


def main():
    workers = {workers}
    with Pool(workers) as pool:
        print(len(pool.map(compute, [0.9] * workers, chunksize=1)))


if __name__ == "__main__":
    main()
"""
POOL_LINE = 1 + POOL.splitlines().index("    with Pool(workers) as pool:")


def write_pool(folder, workers):
    (folder / "pool.py").write_text(POOL.format(workers=workers))


def paste(fix, directory):
    """The shell text of a fix with forksight in front of its command, as a user would paste it."""
    match = re.match(r"^((?:export .*\n|unset .*\n|[A-Za-z_]\w*=\S+ )*)(.*)$", fix, re.S)
    return f"{match[1]}'{h.FORKSIGHT}' run -o '{directory}' -- {match[2]}"


def command_fix(result, rule, word):
    """The fix of a rule that is a command with word in it."""
    fixes = h.fixes(result.report, rule)
    commands = [fix for fix in fixes if word in fix]
    h.check(commands, f"{rule} has no command as fix: {fixes}\n{result}")
    return commands[0]


def check_squeeze(result):
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, ["AFF-01"])
    h.equal(h.findings(result.report)["AFF-01"][0], "error", "severity of the squeeze")
    text = h.section(result.report, "AFF-01")
    h.check(re.search(r"\b4\b[^\n]*\bworkers\b", text), f"4 workers are not stated\n{text}")
    h.check(re.search(r"\b1 CPU\b", text), f"1 CPU is not stated\n{text}")
    wait = [float(p) for p in re.findall(r"(\d+(?:\.\d+)?) ?%", text)]
    # 75 % when nothing else runs on that CPU, more beside other programs.
    h.check(any(60 <= p < 100 for p in wait), f"no run-queue wait near 75 %: {wait}\n{text}")
    h.check("taskset" in text, f"the narrowing call's program is not named\n{text}")
    h.check("sched_setaffinity" in text, f"the narrowing call is not named\n{text}")
    h.check(f"pool.py:{POOL_LINE}" in text, f"pool.py:{POOL_LINE} is not named\n{text}")
    h.check_screen(result.report)


@h.test
def aff_01_fires_squeeze_by_taskset_and_its_fix(folder):
    h.need_cpus(2)
    write_pool(folder, 'int(os.environ["NUM_PROCS"])')
    result = h.under_forksight(["taskset", "-c", "0", h.PYTHON, "pool.py"], cwd=folder,
                               env=h.environment(NUM_PROCS=4))
    check_squeeze(result)
    fix = command_fix(result, "AFF-01", "pool.py")
    again = h.execute(["sh", "-c", paste(fix, folder / "fixed")], cwd=folder,
                      env=h.environment(NUM_PROCS=4), directory=folder / "fixed")
    h.equal(again.status, 0, f"status of the pasted fix {fix!r}\n{again}")
    h.expect_clean(again, "AFF-01", "OVS-02")


@h.test
def aff_01_fires_squeeze_with_a_literal_worker_count_and_its_fix(folder):
    h.need_cpus(2)
    write_pool(folder, "4")
    result = h.under_forksight(["taskset", "-c", "0", h.PYTHON, "pool.py"], cwd=folder)
    check_squeeze(result)
    count = re.search(r"Pool\((len\(os\.sched_getaffinity\(0\)\))\)", result.report)
    h.check(count, f"the fix has no worker count\n{result}")
    write_pool(folder, count[1])
    fix = command_fix(result, "AFF-01", "pool.py")
    again = h.execute(["sh", "-c", paste(fix, folder / "fixed")], cwd=folder,
                      directory=folder / "fixed")
    h.equal(again.status, 0, f"status of the pasted fix {fix!r}\n{again}")
    h.expect_clean(again, "AFF-01", "OVS-02")


@h.test
def ovs_02_fires_one_given_cpu_is_oversubscription_not_a_squeeze(folder):
    write_pool(folder, "4")
    result = h.under_forksight([h.PYTHON, "pool.py"], outer=["taskset", "-c", "0"], cwd=folder)
    h.expect_rules(result, ["OVS-02"])
    h.equal(h.findings(result.report)["OVS-02"][0], "error", "severity of 4 workers on 1 CPU")


@h.test
def ovs_02_fires_four_workers_on_two_cpus(folder):
    h.need_cpus(2)
    write_pool(folder, "4")
    result = h.under_forksight([h.PYTHON, "pool.py"], outer=["taskset", "-c", "0,1"], cwd=folder)
    h.expect_rules(result, ["OVS-02"])
    text = h.section(result.report, "OVS-02")
    h.check(re.search(r"\b4\b", text) and re.search(r"\b2 CPUs\b", text), f"no 4 and 2 CPUs\n{text}")


@h.test
def aff_02_fires_openmp_binding_inherited_through_fork(folder):
    h.need_cpus(2)
    script = h.PROGRAMS / "busy_pool.py"
    steer = {"OMP_PROC_BIND": "true", "LOAD": "libgomp.so.1", "NUM_PROCS": 2}
    result = h.under_forksight([h.PYTHON, script, "40"], cwd=folder, env=h.environment(**steer))
    h.expect_rules(result, ["AFF-02"])
    h.equal(h.findings(result.report)["AFF-02"][0], "error", "severity")
    text = h.section(result.report, "AFF-02")
    h.check("libgomp" in text, f"the library is not named\n{text}")
    h.check("OMP_PROC_BIND=false" in text, f"no fix\n{text}")
    h.check("AFF-01" not in h.findings(result.report) or "AFF-01" in h.folded(result.report),
            f"the symptom is not folded\n{result}")
    shell = ("export OMP_PROC_BIND=false; unset GOMP_CPU_AFFINITY OMP_PLACES\n"
             f"exec '{h.FORKSIGHT}' run -o clean -- {h.PYTHON} '{script}' 40")
    clean = h.execute(["sh", "-c", shell], cwd=folder, env=h.environment(**steer),
                      directory=folder / "clean")
    h.expect_clean(clean, "AFF-01")
    h.expect_outcome(clean, "na", "AFF-02")


@h.test
def aff_02_guard_openmp_binding_after_the_fork_is_no_matter(folder):
    h.need_cpus(2)
    result = h.under_forksight(
        [h.PYTHON, h.PROGRAMS / "busy_pool.py", "40"], cwd=folder,
        env=h.environment(OMP_PROC_BIND="true", NUM_PROCS=2))
    h.expect_clean(result, "AFF-02")


@h.test
def aff_01_guard_workers_that_pin_themselves_apart_are_not_squeezed(folder):
    h.need_cpus(2)
    (folder / "apart.py").write_text(
        "import os\nfrom multiprocessing import Process\n\n"
        "def work(cpu):\n    os.sched_setaffinity(0, {cpu})\n"
        "    sum(i * i for i in range(30_000_000))\n\n"
        "ps = [Process(target=work, args=(c,)) for c in sorted(os.sched_getaffinity(0))[:2]]\n"
        "for p in ps: p.start()\nfor p in ps: p.join()\n")
    h.expect_clean(h.under_forksight([h.PYTHON, "apart.py"], cwd=folder), "AFF-01", "OVS-02")


@h.test
def ovs_02_guard_sleeping_workers_do_not_crowd(folder):
    h.need_cpus(2)
    # Together they compute for longer than the half second from which load is looked at.
    (folder / "sleep.py").write_text(
        "import time\nfrom multiprocessing import Pool\n\n"
        "def wait(seconds):\n    while time.process_time() < seconds:\n"
        "        time.sleep(0.02)\n        sum(range(80_000))\n\n"
        "if __name__ == '__main__':\n    with Pool(8) as pool:\n"
        "        pool.map(wait, [0.11] * 8, chunksize=1)\n")
    result = h.under_forksight([h.PYTHON, "sleep.py"], cwd=folder, outer=["taskset", "-c", "0,1"])
    h.expect_clean(result, "OVS-02")


def quota_group():
    return Group("cpu", {"cpu.cfs_period_us": 100000, "cpu.cfs_quota_us": 50000},
                 {"cpu.max": "50000 100000"})


@h.test
def ovs_04_fires_quota_of_half_a_cpu(folder):
    h.need_cpus(2)
    with quota_group() as group:
        result = h.under_forksight([h.PYTHON, h.PROGRAMS / "busy_pool.py", "25"],
                                   outer=group.enter, cwd=folder, env=h.environment(NUM_PROCS=2))
    h.expect_rules(result, ["OVS-04"], allowed=["OVS-02"])
    text = h.section(result.report, "OVS-04")
    h.check("0.5" in text, f"the quota is not stated\n{text}")
    h.check(re.search(r"\d ?% [^\n]*(?:throttl|period)|throttl[^\n]*\d ?%", text),
            f"the throttled share is not stated\n{text}")


@h.test
def ovs_04_guard_quota_that_is_not_reached(folder):
    # Something to run in more than the ten periods that the rule wants to see.
    script = ("import time\nend = time.monotonic() + 1.8\nwhile time.monotonic() < end:\n"
              "    sum(range(100_000)); time.sleep(0.07)\n")
    with quota_group() as group:
        result = h.under_forksight([h.PYTHON, "-c", script], outer=group.enter, cwd=folder)
    h.expect_clean(result, "OVS-04")


@h.test
def thresholds_can_be_set(folder):
    h.need_cpus(2)
    write_pool(folder, "4")
    directory = folder / "job"
    h.under_forksight([h.PYTHON, "pool.py"], outer=["taskset", "-c", "0,1"], cwd=folder)
    explained = h.execute([h.FORKSIGHT, "explain", "OVS-02"])
    names = re.findall(r"OVS-02\.(\w+)", explained.stdout)
    h.check(names, f"explain names no threshold of OVS-02\n{explained}")
    arguments = [part for name in set(names) for part in ("--threshold", f"OVS-02.{name}=1000")]
    lenient = h.execute([h.FORKSIGHT, "report", *arguments, directory])
    h.check("OVS-02" not in h.findings(lenient.stdout + lenient.stderr), f"still found\n{lenient}")
    (folder / "limits").write_text("# lenient\n" + "".join(f"OVS-02.{n} = 1000\n" for n in set(names)))
    by_file = h.execute([h.FORKSIGHT, "report", "--config", folder / "limits", directory])
    h.check("OVS-02" not in h.findings(by_file.stdout + by_file.stderr), f"still found\n{by_file}")


if __name__ == "__main__":
    h.main()
