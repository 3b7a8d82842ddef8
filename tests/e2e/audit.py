"""forksight audit: the faulty kernels and programs, started bare and looked at while they run,
must come to the same primary finding as their records wherever it can be seen from outside,
and to `unknown` where it cannot; their good twins to no finding. Prints the table."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cgroup import Group
from cluster import Cluster

VARIANTS = {v["name"]: v for v in json.loads((h.KERNELS / "expectations.json").read_text())["variants"]}
# A shell that stays: what the job's starter may use is what the job was given.
STARTER = ["sh", "-c", '"$@"; exit', "sh"]
AUDITED = {}  # rule: what audits of this run came to


def cpu_seconds(sid):
    total = 0
    for pid in h.session_members(sid):
        try:
            fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


def children(pid):
    try:
        return [int(p) for p in (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except OSError:
        return []


class Bare:
    """A command that runs as a job does, without forksight; `pid` is its main process."""

    def __init__(self, command, folder, outer=(), **environment):
        self.shell = subprocess.Popen([*outer, *STARTER, *map(str, command)], cwd=folder,
                                      env=h.environment(**environment), start_new_session=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        h.wait_until(lambda: children(self.shell.pid), "the start of the job")
        self.pid = children(self.shell.pid)[0]

    def until_busy(self, seconds=0.8):
        h.wait_until(lambda: cpu_seconds(self.shell.pid) > seconds, "the job at work")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        h.kill_session(self.shell.pid)
        self.shell.wait()


def look(folder, *arguments, window="2.2", status=0):
    """The JSON report of an audit; what rules came to is kept for the table."""
    result = h.execute([h.FORKSIGHT, "audit", "--format", "json", "--window", window, *arguments],
                       cwd=folder)
    h.equal(result.status, status, f"status\n{result}")
    if status:
        return result
    report = json.loads(result.stdout)
    for rule in report["rules"]:
        AUDITED.setdefault(rule["id"], set()).add(rule["status"])
    return report


def found(report):
    return [finding["rule"] for finding in report["findings"]]


def status_of(report, rule):
    return next((r["status"], r["why"]) for r in report["rules"] if r["id"] == rule)


def bare_variant(name, folder, *args):
    variant = VARIANTS[name]
    h.need_cpus(variant["cpus"])
    h.need_files(*variant.get("files", []))
    file = h.KERNELS / variant["file"]
    for module in ("numpy", "numba"):
        if file.suffix == ".py" and f"import {module}" in file.read_text():
            h.python_path(module)
    program = [h.PYTHON, file] if file.suffix == ".py" else [h.BUILD / "kernels" / file.stem]
    return Bare([*variant.get("wrapper", []), *program, *(args or variant["args"])], folder,
                outer=variant.get("outer", ()), **variant["environment"])


def add_faulty(name, rule, *args, allowed=(), first=()):
    """A variant whose record has the finding `rule` first: so has its audit, and no other cause."""
    def body(folder):
        with bare_variant(name, folder, *args) as job:
            job.until_busy()
            report = look(folder, job.pid)
        h.check(found(report) and found(report)[0] in (first or [rule]) and rule in found(report),
                f"findings: {found(report)}; {status_of(report, rule)}")
        causes = [f["rule"] for f in report["findings"] if not f["follows_from"]]
        h.check(set(causes) <= {rule, *allowed}, f"other findings: {causes}")
    h.add(f"{name}: {rule} as in the record", body)


def add_good(name, *args):
    def body(folder):
        with bare_variant(name, folder, *args) as job:
            job.until_busy()
            report = look(folder, job.pid)
        h.equal(found(report), [], "findings of a good twin")
    h.add(f"{name}: nothing, as in the record", body)


def add_unknown(name, rule, *args):
    """What only the record tells is unknown: it neither passes nor finds."""
    def body(folder):
        with bare_variant(name, folder, *args) as job:
            job.until_busy()
            report = look(folder, job.pid)
        h.equal(status_of(report, rule)[0], "unknown", rule)
        h.equal(found(report), [], "findings")
    h.add(f"{name}: {rule} is unknown", body)


add_faulty("k3-squeezed", "AFF-01", "3000000000")
add_faulty("k3-c-squeezed", "AFF-01", "90000000000")
add_faulty("k3-more-workers-than-cpus", "OVS-02", "3000000000")
add_faulty("k3-cpu-count", "OVS-02", "3000000000")
add_faulty("k9-unset-threads", "OVS-01", "9000", "900")
add_faulty("k9-thread-variable", "THR-02", "9000", "900")
add_faulty("k9-overruled", "THR-04", "9000", "900", allowed=["OVS-01"], first=["OVS-01", "THR-04"])
add_faulty("thr-03-openmp-build", "THR-03", "90000", "900")
add_faulty("thr-07-four-threads-for-two-cpus", "OVS-06", "1000000")
add_good("k3-fits", "3000000000")
add_good("k9-one-thread", "9000", "900")
add_good("thr-03-openmp-build-obeyed", "90000", "900")
add_good("thr-07-two-threads-for-two-cpus", "1000000")
add_good("thr-08-not-bound", "60")
add_good("k6-scatter", "40000")
add_unknown("k4-numpy-generator", "FRK-10", "3000000000")
add_unknown("thr-05-set-early", "THR-05")
add_unknown("thr-08-bound", "THR-08", "60")  # who narrowed the mask is told by a record alone


# --- programs beside the kernels ---

POOL = h.PROGRAMS / "busy_pool.py"


@h.test
def aff_02_fires_audited_binding_inherited_through_fork(folder):
    h.need_cpus(2)
    with Bare([h.PYTHON, POOL, "4000"], folder, OMP_PROC_BIND="true", LOAD="libgomp.so.1",
              NUM_PROCS=2) as job:
        job.until_busy()
        report = look(folder, job.pid)
    h.equal(found(report)[:1], ["AFF-02"], "primary finding")
    h.equal(report["findings"][0]["confidence"], "inferred", "confidence")
    h.check(all(f["follows_from"] == "AFF-02" for f in report["findings"][1:]), "symptoms")


@h.test
def aff_02_guard_audited_mask_that_taskset_narrowed(folder):
    """Bound by the starter, with the runtime told to bind as well: nobody is to blame for it."""
    h.need_cpus(2)
    with Bare([h.PYTHON, POOL, "4000"], folder, outer=["taskset", "-c", "0"], NUM_PROCS=2,
              OMP_PROC_BIND="true", LOAD="libgomp.so.1") as job:
        job.until_busy()
        report = look(folder, job.pid)
    h.check("AFF-02" not in found(report), "a binding that took nothing away")


@h.test
def ovs_04_fires_audited_quota_of_half_a_cpu(folder):
    h.need_cpus(2)
    with Group("cpu", {"cpu.cfs_period_us": 100000, "cpu.cfs_quota_us": 50000},
               {"cpu.max": "50000 100000"}) as group:
        with Bare([h.PYTHON, POOL, "4000"], folder, outer=group.enter, NUM_PROCS=2) as job:
            job.until_busy()
            report = look(folder, job.pid)
    h.check("OVS-04" in [f["rule"] for f in report["findings"] if not f["follows_from"]],
            f"findings: {found(report)}")


THREADS = """
import threading
def work():
    while True: sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]
"""


@h.test
def pyt_03_fires_audited_threads_that_compute(folder):
    h.need_cpus(2)
    with Bare([h.PYTHON, "-c", THREADS], folder) as job:
        job.until_busy()
        reports = []
        for _ in range(3):  # whoever else needs the CPUs makes the sum of waits too large to tell
            reports.append(look(folder, job.pid))
            if "PYT-03" in found(reports[-1]):
                break
    last = status_of(reports[-1], "PYT-03")
    h.check("PYT-03" in found(reports[-1]) or last[0] == "unknown" and "waited for a CPU" in last[1],
            f"PYT-03: {last}")


# --- jobs that hang ---

@h.test
def prc_02_fires_audited_hung_pool(folder):
    log = folder / "log"
    with Bare([h.PYTHON, h.PROGRAMS / "hung_pool.py", log], folder) as job:
        h.wait_until(lambda: log.exists() and "killed" in log.read_text(), "the death of the worker")
        settle(job)
        h.equal(status_of(look(folder, job.pid, window="2.5"), "PRC-02")[0], "unknown", "without stacks")
        report = look(folder, "--stacks", job.pid, window="2.5")
        h.equal(found(report), ["PRC-02"], f"findings; {status_of(report, 'PRC-02')}")
    finding = report["findings"][0]
    stacks = json.dumps(finding)
    h.check("in Pool.map" in stacks or "in map" in stacks, f"who waits is not told\n{stacks}")
    h.check("ProcessPoolExecutor" in stacks, "no fix")


def settle(job):
    """Until nobody computes any more."""
    last, since = -1.0, time.monotonic()
    end = time.monotonic() + h.HANG
    while time.monotonic() - since < 1.5:
        now = cpu_seconds(job.shell.pid)
        if now > last + 0.02:
            last, since = now, time.monotonic()
        h.check(time.monotonic() < end, "the job does not settle")
        time.sleep(0.1)


IDLE = """
import time
from multiprocessing import Pool
with Pool(2) as pool:
    pool.map(abs, [1, 2])
    time.sleep(600)
"""


@h.test
def prc_02_guard_audited_pool_without_work(folder):
    with Bare([h.PYTHON, "-c", IDLE], folder) as job:
        h.wait_until(lambda: len(children(job.pid)) == 2, "two workers")
        settle(job)
        h.equal(found(look(folder, "--stacks", job.pid, window="2.5")), [], "findings")


FEEDER = """
import time
from multiprocessing import Pool
def items():
    yield 1
    time.sleep(600)
    yield 2
with Pool(2) as pool:
    list(pool.imap(abs, items()))
"""


@h.test
def prc_02_guard_audited_pool_whose_items_are_slow(folder):
    with Bare([h.PYTHON, "-c", FEEDER], folder) as job:
        h.wait_until(lambda: len(children(job.pid)) == 2, "two workers")
        settle(job)
        h.equal(found(look(folder, "--stacks", job.pid, window="2.5")), [], "findings")


def add_stuck(name, kernel):
    def body(folder):
        with bare_variant(kernel, folder) as job:
            h.wait_until(lambda: children(job.pid), "a child")
            settle(job)
            report = look(folder, "--stacks", job.pid, window="2.5")
            h.equal(found(report), ["FRK-08"], f"findings; {status_of(report, 'FRK-08')}")
    h.add(name, body)


add_stuck("frk_08_fires_audited_lock_held", "frk-08-lock-held")
add_stuck("frk_08_fires_audited_progress_lock", "frk-08-progress-lock")

REGIONS = """
import ctypes, os
gomp = ctypes.CDLL("libgomp.so.1")
body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
region = lambda: gomp.GOMP_parallel(body, None, 2, 0)
region()
if os.fork() == 0:
    region()
os.wait()
"""


@h.test
def frk_07_fires_audited_region_before_and_after_fork(folder):
    with Bare([h.PYTHON, "-c", REGIONS], folder) as job:
        h.wait_until(lambda: children(job.pid), "a child")
        settle(job)
        h.equal(status_of(look(folder, job.pid, window="2.5"), "FRK-07")[0], "unknown", "without stacks")
        report = look(folder, "--stacks", job.pid, window="2.5")
    h.equal(found(report)[:1], ["FRK-07"], f"findings; {status_of(report, 'FRK-07')}")


# --- who is audited, and who is not ---

def words(folder, *arguments):
    result = h.execute([h.FORKSIGHT, "audit", *arguments], cwd=folder)
    h.equal(result.stdout, "", "stdout")
    h.equal(len(result.stderr.splitlines()), 1, f"lines\n{result}")
    return result.status, result.stderr


@h.test
def bad_targets_are_told_in_one_line(folder):
    gone = subprocess.Popen(["true"])
    gone.wait()
    zombie = subprocess.Popen([h.PYTHON, "-c", "import subprocess, time; print(subprocess.Popen(['true']).pid, "
                               "flush=True); time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    try:
        dead = zombie.stdout.readline().strip()
        h.wait_until(lambda: "Z" in Path(f"/proc/{dead}/stat").read_text().rpartition(")")[2][:3], "a zombie")
        for arguments, status, text in (
                (["0"], 2, "neither a process nor a job"), (["x"], 2, "neither a process nor a job"),
                (["99999999999"], 2, "neither a process nor a job"), ([], 2, "nothing to look at"),
                (["--window", "0", "1"], 2, "--window"), (["--nonsense", "1"], 2, "unknown option"),
                (["--format", "sarif", "1"], 2, "--format"),
                (["--user", "root", "1"], 2, "either"),
                (["--user", "no such user"], 3, "there is no user"),
                ([str(gone.pid)], 3, f"there is no process {gone.pid}"),
                ([dead], 3, f"process {dead} is a zombie"),
                (["-o", "/proc/nowhere", str(os.getpid())], 3, "/proc/nowhere")):
            got, line = words(folder, *arguments)
            h.equal(got, status, f"status of {arguments}: {line}")
            h.check(text in line, f"{arguments}: {line}")
    finally:
        zombie.kill()
        zombie.wait()


@h.test
def processes_of_others_are_not_read(folder):
    h.need_root()
    with Bare(["sleep", "600"], folder) as job:
        result = h.execute(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", h.FORKSIGHT,
                            "audit", job.pid], cwd="/")
        h.equal(result.status, 3, f"status\n{result}")
        h.check("belongs to root" in result.stderr, f"why\n{result}")
        result = h.execute(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", h.FORKSIGHT,
                            "audit", "--user", "root"], cwd="/")
        h.equal(result.status, 3, f"status\n{result}")
        # In namespaces of its own: a remount of this /proc would be everybody's.
        inside = ("mount -o remount,hidepid=2 /proc || exit 77; sleep 600 & pid=$!; "
                  f"setpriv --reuid=65534 --regid=65534 --clear-groups {h.FORKSIGHT} audit $pid; status=$?; "
                  "kill $pid; exit $status")
        result = h.execute(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", inside], cwd="/")
        if result.status != 77:
            h.equal(result.status, 3, f"status\n{result}")
            h.check("hidepid" in result.stderr, f"why\n{result}")


@h.test
def processes_that_come_and_go_are_no_trouble(folder):
    storm = "import os\nwhile True:\n    pids = [os.fork() for _ in range(1)]\n    pids[0] or os._exit(0)\n    os.wait()\n"
    with Bare([h.PYTHON, "-c", storm], folder) as job:
        job.until_busy(0.3)
        h.equal(found(look(folder, job.pid)), [], "findings")


@h.test
def a_main_thread_that_ended_before_the_others(folder):
    source = folder / "leader.c"
    source.write_text("#include <pthread.h>\nstatic void *work(void *none) { for (volatile long i = 0;; i++) {}"
                      " return none; }\nint main(void) { pthread_t t; pthread_create(&t, 0, work, 0);"
                      " pthread_exit(0); }\n")
    h.need_tool("cc")
    subprocess.run(["cc", "-O1", "-o", folder / "leader", source, "-pthread"], check=True)
    with Bare([folder / "leader"], folder) as job:
        job.until_busy(0.3)
        report = look(folder, job.pid)
        h.check(report["metrics"] is not None and report["scope"]["processes"] == 1, "not seen")


@h.test
def a_job_of_slurm_is_looked_at_on_all_its_nodes(folder):
    with Cluster(3) as cluster:
        script = (f"srun -N3 --ntasks-per-node=1 env NUM_PROCS=4 taskset -c 0 {h.PYTHON} {POOL} 4000\n")
        job = cluster.sbatch(script, "-N3")
        for node in cluster.names:
            h.wait_until(lambda: len(cluster.processes(node, "busy_pool.py")) >= 5, f"workers on {node}")
        result = cluster.run(h.FORKSIGHT, "audit", "--format", "json", "--window", "2.2", "--job", job)
        h.equal(result.status, 0, f"status\n{result}")
        report = json.loads(result.stdout)
        h.equal(report["scope"]["nodes"], 3, "nodes")
        h.equal(report["data"]["audited"]["nodes"], 3, "nodes that were looked at")
        first = report["findings"][0]
        h.equal((first["rule"], first["population"]["nodes"]), ("OVS-02", 3), "primary finding")
        h.equal(list(cluster.shared.glob("forksight-audit-*")), [], "what is left behind")
        result = cluster.run(h.FORKSIGHT, "audit", "--job", job + 100)
        h.equal(result.status, 3, f"status of a job that is not there\n{result}")


@h.test
def nothing_is_stopped_without_stacks(folder):
    h.need_tool("strace")
    log = folder / "log"
    with Bare([h.PYTHON, h.PROGRAMS / "hung_pool.py", log], folder) as job:
        h.wait_until(lambda: log.exists() and "killed" in log.read_text(), "the death of the worker")
        settle(job)
        trace = folder / "trace"
        h.execute(["strace", "-f", "-e", "trace=ptrace,kill,tkill,tgkill,pidfd_send_signal", "-o", trace,
                   h.FORKSIGHT, "audit", "--window", "2.5", job.pid], cwd=folder)
        calls = [l for l in trace.read_text().splitlines() if re.search(r"ptrace\(|kill\(|pidfd_send", l)]
        h.equal(calls, [], "calls that touch a process")


@h.test
def a_recorded_job_is_read_from_inside(folder):
    h.need_cpus(2)
    command = [h.FORKSIGHT, "run", "-q", "-o", "job", "--", "taskset", "-c", "0", h.PYTHON, POOL, "4000"]
    with Bare(command, folder, NUM_PROCS=2) as job:
        h.wait_until(lambda: children(job.pid), "the recorded job")
        job.until_busy()
        text = h.execute([h.FORKSIGHT, "audit", "--window", "2.2", job.pid], cwd=folder).stdout
    h.check("sched_setaffinity by taskset" in text, f"who narrowed the mask is not told\n{text}")
    h.check(re.search(r"Data +complete: 3/3", text), f"data\n{text}")


@h.test
def what_was_seen_can_be_kept(folder):
    with Bare(["sleep", "600"], folder) as job:
        h.equal(h.execute([h.FORKSIGHT, "audit", "--window", "2.2", "-o", "kept", job.pid], cwd=folder).status,
                0, "status")
    h.equal(h.execute([h.FORKSIGHT, "report", "kept"], cwd=folder).status, 0, "report")
    gate = h.execute([h.FORKSIGHT, "check", "kept"], cwd=folder)
    h.equal(gate.status, 3, f"an audit is no whole record: status\n{gate}")


@h.test
def captured_moments_are_judged_as_the_job_was(folder):
    """Two moments of a job, packed by moment.py and looked at with --root: its window lies
    between them, its CPUs are those of its starter, which was packed, too."""
    h.need_cpus(2)
    archive = folder / "moments.tar.gz"
    with Bare(["taskset", "-c", "0", h.PYTHON, POOL, "4000"], folder, NUM_PROCS=2) as job:
        job.until_busy()
        pids = [str(p) for p in (job.shell.pid, job.pid, *children(job.pid))]
        for moment in "1", "2":
            subprocess.run([h.PYTHON, h.ROOT / "tests/lib/moment.py", archive, moment, *pids], check=True)
            used = cpu_seconds(job.shell.pid)
            h.wait_until(lambda: moment == "2" or cpu_seconds(job.shell.pid) > used + 1.8, "work between them")
        main = job.pid
    h.check(archive.stat().st_size < 100_000, "the archive is large")
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    again = [h.execute([h.FORKSIGHT, "audit", "--format", "json", "--root", folder, main], cwd=folder)
             for _ in range(2)]
    reports = [json.loads(result.stdout) for result in again]
    h.equal(found(reports[0])[:1], ["AFF-01"], f"primary finding\n{again[0]}")
    h.equal(reports[0]["findings"], reports[1]["findings"], "the same moments, looked at twice")
    h.equal(reports[0]["scope"]["processes"], 3, "processes")


@h.test
def captured_machines_are_read(folder):
    """The archives of emulated machines have one moment: tree and topology, but no window."""
    for name in "smt-v1", "smt-v2", "numa-v1", "numa-v2":
        place = folder / name / "1"
        place.mkdir(parents=True)
        subprocess.run(["tar", "-xzf", h.ROOT / f"tests/data/captured/{name}.tar.gz", "-C", place], check=True)
        main = os.readlink(place / "proc/self")
        result = h.execute([h.FORKSIGHT, "audit", "--format", "json", "--root", place.parent, main], cwd=folder)
        h.equal(result.status, 0, f"status\n{result}")
        report = json.loads(result.stdout)
        h.equal((report["scope"]["processes"], report["data"]["audited"]["threads"]), (2, 5), name)
        h.equal(found(report), [], f"findings without a window: {name}")


@h.test
def every_rule_is_in_the_table(_folder):
    listed = re.findall(r"^ +X\((\w+)\)", (h.ROOT / "report/rule_list.h").read_text(), re.M)
    h.check(AUDITED, "no audit ran before")
    print(f"# {'rule':8}{'recorded':11}audited (what its audits came to here)")
    for rule in (name.upper().replace("_", "-") for name in listed):
        seen = AUDITED.get(rule, set())
        text = h.plain(h.execute([h.FORKSIGHT, "explain", rule]).stdout)
        promise = re.search(r"^audit +(decides|may find|cannot)", text, re.M)[1]
        words = {"fail": "finding", "pass": "pass", "na": "n/a", "unknown": "unknown"}
        print(f"# {rule:8}{'decides':11}{promise:10}({', '.join(words[s] for s in words if s in seen)})")
        h.check(seen, f"{rule} is in no report")
        allowed = {"decides": {"fail", "pass", "na", "unknown"}, "may find": {"fail", "na", "unknown"},
                   "cannot": {"unknown"}}[promise]
        h.check(seen <= allowed, f"{rule}: an audit {promise}, and came to {seen}")


if __name__ == "__main__":
    h.main()
