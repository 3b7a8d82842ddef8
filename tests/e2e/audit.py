"""forksight audit: the faulty kernels and programs, recorded, and started bare and looked at
while they run: the audit must come to the same primary finding as the record wherever it can be
seen from outside, and to `unknown` where it cannot; their good twins to no finding in either.
Prints the table."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import audits
import harness as h
from audits import Bare, children, cpu_seconds, found, record, status_of
from cgroup import Group
from cluster import OPEN_MPI_AS_ROOT, Cluster
from login_node import on_login_node

VARIANTS = {v["name"]: v for v in json.loads((h.KERNELS / "expectations.json").read_text())["variants"]}
VERDICTS = audits.Verdicts()


def look(*arguments, **keywords):
    report = audits.look(*arguments, **keywords)
    return report if isinstance(report, h.Result) else VERDICTS.add_audit(report)


def variant_of(name):
    variant = VARIANTS[name]
    h.need_cpus(variant["cpus"])
    h.need_files(*variant.get("files", []))
    file = h.KERNELS / variant["file"]
    for module in ("numpy", "numba", "mpi4py"):
        if file.suffix == ".py" and re.search(rf"(import|from) {module}", file.read_text()):
            h.python_path(module)
    return variant


def command_of(variant, args):
    file = h.KERNELS / variant["file"]
    program = h.BUILD / "kernels" / (f"{file.stem}.{variant['mpi']}" if "mpi" in variant else file.stem)
    cores = h.core_count()
    wrapper = [word.replace("{cores+1}", str(cores + 1)).replace("{cores}", str(cores))
               for word in variant.get("wrapper", [])]
    return [*wrapper, *([h.PYTHON, file] if file.suffix == ".py" else [program]),
            *(args if args is not None else variant["args"])]


def bare_variant(name, folder, *args):
    variant = variant_of(name)
    return Bare(command_of(variant, args or None), folder, outer=variant.get("outer", ()),
                **variant["environment"])


def record_variant(name, folder, *args):
    variant = variant_of(name)
    return record(command_of(variant, args or None), folder, variant.get("outer", ()), name=name,
                  **variant["environment"])


def add_pair(name, short, long, finds=(), unknown=(), may=()):
    """A variant, recorded with the arguments `short`, audited with `long`. A good twin has no faults."""
    def body(folder):
        recorded = record_variant(name, folder, *short)
        with bare_variant(name, folder, *long) as job:
            job.until_busy()
            audited = look(folder, job.pid)
        VERDICTS.compare(recorded, audited, finds, unknown, may)
    h.add(f"{name}: {', '.join([*finds, *unknown]) or 'nothing'}, recorded and audited", body)


add_pair("k3-squeezed", ["20000000"], ["3000000000"], ["AFF-01"])
add_pair("k3-c-squeezed", ["500000000"], ["90000000000"], ["AFF-01"])
add_pair("k3-more-workers-than-cpus", ["30000000"], ["3000000000"], ["OVS-02"])
add_pair("k3-cpu-count", ["20000000"], ["3000000000"], ["OVS-02"])
add_pair("k9-unset-threads", ["24", "900"], ["9000", "900"], ["OVS-01"])
add_pair("k9-thread-variable", ["24", "900"], ["9000", "900"], ["THR-02"], may=["OVS-01"])
add_pair("k9-overruled", ["24", "900"], ["9000", "900"], ["THR-04"], may=["OVS-01"])
add_pair("thr-03-openmp-build", ["30", "900"], ["90000", "900"], ["THR-03"])
add_pair("thr-07-four-threads-for-two-cpus", ["500"], ["1000000"], ["OVS-06", "THR-07"])
# Who narrowed the mask is told by a record alone.
add_pair("thr-08-bound", ["2"], ["60"], unknown=["THR-08"])
add_pair("k3-fits", ["30000000"], ["3000000000"])
add_pair("k9-one-thread", ["24", "900"], ["9000", "900"])
add_pair("thr-03-openmp-build-obeyed", ["30", "900"], ["90000", "900"])
add_pair("thr-07-two-threads-for-two-cpus", ["500"], ["1000000"])
add_pair("thr-08-not-bound", ["2"], ["60"])


# --- programs beside the kernels ---

POOL = h.PROGRAMS / "busy_pool.py"


def pool_pair(folder, finds, outer=(), wrapper=(), may=(), **environment):
    """Of busy_pool.py: the report of its audit."""
    h.need_cpus(2)
    recorded = record([*wrapper, h.PYTHON, POOL, "20"], folder, outer, **environment)
    with Bare([*wrapper, h.PYTHON, POOL, "4000"], folder, outer, **environment) as job:
        job.until_busy()
        report = look(folder, job.pid)
    VERDICTS.compare(recorded, report, finds, may=may)
    return report


@h.test
def aff_02_fires_audited_binding_inherited_through_fork(folder):
    report = pool_pair(folder, ["AFF-02"], OMP_PROC_BIND="true", LOAD="libgomp.so.1", NUM_PROCS=2)
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
    with Group("cpu", {"cpu.cfs_period_us": 100000, "cpu.cfs_quota_us": 50000},
               {"cpu.max": "50000 100000"}) as group:
        pool_pair(folder, ["OVS-04"], outer=group.enter, may=["OVS-02", "AFF-01"], NUM_PROCS=2)


THREADS = """
import sys, threading, time
end = time.monotonic() + float(sys.argv[1])
def work():
    while time.monotonic() < end: sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]
"""


@h.test
def pyt_03_fires_audited_threads_that_compute(folder):
    h.need_cpus(2)
    VERDICTS.add_record(record([h.PYTHON, "-c", THREADS, "2"], folder))
    with Bare([h.PYTHON, "-c", THREADS, "600"], folder) as job:
        job.until_busy()
        reports = []
        for _ in range(3):  # whoever else needs the CPUs makes the sum of waits too large to tell
            reports.append(look(folder, job.pid))
            if "PYT-03" in found(reports[-1]):
                break
    last = status_of(reports[-1], "PYT-03")
    h.check("PYT-03" in found(reports[-1]) or last[0] == "unknown" and "waited for a CPU" in last[1],
            f"PYT-03: {last}")


# --- ranks of MPI, tasks of Slurm ---

# It asks for its rank: a program that does not is another rule's matter.
RANKED = """import os, sys, time
rank = [os.environ.get(name) for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")]
while time.process_time() < float(sys.argv[1]):
    sum(range(1000))
"""
SERIAL = RANKED.replace("RANK", "ABC").replace("PROCID", "XYZ")
# The window is short, and the nodes of a cluster are one machine: their tasks share its CPUs.
LOW = ["--threshold", "MPI-03.cpu=0.3"]
CALLS = ["MPI-01", "MPI-02", "MPI-08", "FRK-01", "FRK-02", "FRK-03", "FRK-04", "FRK-05"]


def mpi_pair(folder, words, program, finds, options=()):
    """mpirun of a Python program, which gets the seconds to run as its last argument: the report
    of its audit."""
    h.need_tool("mpirun.openmpi")
    (folder / "program.py").write_text(program)
    command = ["mpirun.openmpi", *words, h.PYTHON, folder / "program.py"]
    recorded = record([*command, "1.4"], folder, options=options, **OPEN_MPI_AS_ROOT)
    with Bare([*command, "600"], folder, **OPEN_MPI_AS_ROOT) as job:
        job.until_busy()
        report = look(folder, *options, job.pid)
    VERDICTS.compare(recorded, report, finds)
    return report


@h.test
def aff_05_fires_audited_pool_in_a_bound_rank(folder):
    h.need_cpus(2)
    h.need_tool("mpirun.openmpi")
    command = ["mpirun.openmpi", "-n", "1", "--bind-to", "core", h.PYTHON, POOL]
    environment = {**OPEN_MPI_AS_ROOT, "NUM_PROCS": "2"}
    recorded = record([*command, "20"], folder, **environment)
    with Bare([*command, "4000"], folder, **environment) as job:
        job.until_busy()
        report = look(folder, job.pid)
    VERDICTS.compare(recorded, report, ["AFF-05"])
    h.equal(report["findings"][0]["confidence"], "inferred", "confidence")


@h.test
def aff_06_fires_audited_ranks_behind_one_taskset(folder):
    h.need_cpus(2)
    report = mpi_pair(folder, ["--bind-to", "none", "-n", "2", "taskset", "-c", "0"], RANKED, ["AFF-06"])
    h.check("taskset stands in front" in json.dumps(report), "who did it")


@h.test
def mpi_03_fires_audited_copies_under_mpirun(folder):
    h.need_cpus(2)
    mpi_pair(folder, ["--oversubscribe", "--bind-to", "none", "-n", "2"], SERIAL, ["MPI-03"], LOW)


@h.test
def ovs_05_fires_audited_more_ranks_than_cores(folder):
    recorded = record_variant("k8-oversubscribed", folder)
    with bare_variant("k8-oversubscribed", folder, "900000000000") as job:
        job.until_busy()
        report = look(folder, job.pid)
    VERDICTS.compare(recorded, report, ["OVS-05"])


@h.test
def aff_05_06_ovs_05_mpi_01_02_frk_01_guard_audited_ranks_that_fit(folder):
    """A rank for each core: nothing. Of one rank alone nobody knows what the others do."""
    recorded = record_variant("k8-fits", folder)
    with bare_variant("k8-fits", folder, "900000000000") as job:
        job.until_busy()
        rank = max(pid for pid in h.session_members(job.shell.pid)
                   if "k8_ranks_pi" in Path(f"/proc/{pid}/comm").read_text())
        with concurrent.futures.ThreadPoolExecutor() as threads:
            report, alone = threads.map(lambda pid: look(folder, pid), [job.pid, rank])
    VERDICTS.compare(recorded, report)
    for rule in ("AFF-06", "OVS-05", "AFF-05"):
        h.equal(status_of(report, rule)[0], "pass", rule)
        h.equal(status_of(alone, rule)[0], "unknown", f"{rule} of one rank")
    for rule in CALLS:
        h.equal(status_of(report, rule)[0], "unknown", rule)
    h.equal(found(alone), [], "findings of one rank")


@h.test
def slm_05_fires_audited_pool_on_a_login_node(folder):
    h.need_cpus(2)
    low = ["--threshold", "SLM-05.pool=0.5"]
    with on_login_node(folder, ["ann", "bob"]) as outer:
        recorded = record([h.PYTHON, POOL, "20"], folder, outer, low, NUM_PROCS=2)
        with Bare([h.PYTHON, POOL, "4000"], folder, outer, NUM_PROCS=2) as job:
            job.until_busy()
            inside = ["nsenter", "-m", "--root", "-t", str(job.pid)]
            report = look(folder, *low, job.pid, outer=inside)
    VERDICTS.compare(recorded, report, ["SLM-05"])


SCRIPT = """export PATH={build}:$PATH NUM_PROCS=2
forksight run -q -o {name} -- {command} {short}
touch {name}.recorded
{command} {long}
"""


def slurm_pair(cluster, name, options, command, finds, short="1.3", long="600", tasks=1, **keywords):
    """A job that records a command and then runs it bare, for an audit of all its nodes. The
    bare command must have `tasks` processes of it on each node where it has any."""
    script = SCRIPT.format(build=h.BUILD, name=name, command=command, short=short, long=long)
    job = cluster.sbatch(script, *options)
    part = command.split()[-1] + " " + long
    h.wait_until((cluster.shared / f"{name}.recorded").exists, f"the record of {name}")
    h.wait_until(lambda: any(len(cluster.processes(node, part)) >= tasks for node in cluster.names),
                 f"the processes of {name}")
    result = cluster.run(h.FORKSIGHT, "audit", "--format", "json", "--window", "2.2", *LOW, "--job", job)
    cluster.cancel(job)
    h.equal(result.status, 0, f"status\n{result}")
    report = json.loads(result.stdout)
    VERDICTS.compare(audits.report_of(cluster.shared / name, *LOW), report, finds, **keywords)
    cluster.wait(job)
    return report


@h.test
def slm_01_slm_03_mpi_03_mpi_04_fires_audited_jobs_of_slurm(_folder):
    """All nodes in one report, as in the records."""
    h.need_cpus(2)
    with Cluster(3) as cluster:
        (cluster.shared / "serial.py").write_text(SERIAL)
        (cluster.shared / "ranked.py").write_text(RANKED)
        whole = ["-N3", "--exclusive"]
        report = slurm_pair(cluster, "copies", whole, f"srun -N3 -n3 -c1 {h.PYTHON} serial.py",
                            ["MPI-03", "SLM-03"])
        h.equal(report["scope"]["nodes"], 3, "nodes")
        h.equal(report["data"]["audited"]["nodes"], 3, "nodes that were looked at")
        slurm_pair(cluster, "full", whole, f"srun -N3 -n3 -c2 {h.PYTHON} ranked.py", [], may=["OVS-03"])
        pool = f"{h.PYTHON} {POOL}"
        slurm_pair(cluster, "pool", whole, pool, ["MPI-04"], short="40", long="4000", tasks=3)
        slurm_pair(cluster, "dropped", ["-N1", "-n1", "-c2"], f"srun -n1 --cpu-bind=cores {pool}", ["SLM-01"],
                   short="40", long="4000", tasks=3)
        h.equal(list(cluster.shared.glob("forksight-audit-*")), [], "what is left behind")
        result = cluster.run(h.FORKSIGHT, "audit", "--job", "99999")
        h.equal(result.status, 3, f"status of a job that is not there\n{result}")


# --- jobs that hang: all at once, for nobody computes ---

IDLE = """
import time
from multiprocessing import Pool
with Pool(2) as pool:
    pool.map(abs, [1, 2])
    time.sleep(600)
"""
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
REGIONS = """
import ctypes, os
ctypes.CDLL("libgomp.so.1", ctypes.RTLD_GLOBAL)
gomp = ctypes.CDLL(None)
body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
region = lambda: gomp.GOMP_parallel(body, None, 2, 0)
region()
if os.fork() == 0:
    region()
os.wait()
"""
HANGING = {
    "hung": lambda folder: [h.PYTHON, h.PROGRAMS / "hung_pool.py", folder / "log"],
    "idle": lambda folder: [h.PYTHON, "-c", IDLE],
    "feeder": lambda folder: [h.PYTHON, "-c", FEEDER],
    "lock": lambda folder: command_of(variant_of("frk-08-lock-held"), None),
    "progress": lambda folder: command_of(variant_of("frk-08-progress-lock"), None),
    "regions": lambda folder: [h.PYTHON, "-c", REGIONS],
}
RECORDED = ["hung", "lock", "progress", "regions"]
hanging = {}  # (name, "record", "plain" or "stacks"): report; "trace": calls of an audit


def hang(name, folder):
    (folder / name).mkdir()
    job = Bare(HANGING[name](folder / name), folder / name)
    h.wait_until(lambda: len(h.session_members(job.shell.pid)) > 2, f"children of {name}")
    log = folder / name / "log"
    if name == "hung":
        h.wait_until(lambda: log.exists() and "killed" in log.read_text(), "the death of the worker")
    job.until_settled()
    return job


def hang_all(folder):
    trace = folder / "trace"
    strace = ["strace", "-f", "-e", "trace=ptrace,kill,tkill,tgkill,pidfd_send_signal", "-o", trace]
    if not shutil.which("strace"):
        strace = []
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        records = {name: threads.submit(hang_recorded, name, folder) for name in RECORDED}
        jobs = dict(zip(HANGING, threads.map(lambda name: hang(name, folder), HANGING)))
        try:
            plain = {name: threads.submit(look, folder, jobs[name].pid, window="2.5",
                                          outer=strace if name == "hung" else ())
                     for name in ("hung", "regions")}
            hanging.update({(name, "plain"): report.result() for name, report in plain.items()})
            stacks = {name: threads.submit(look, folder, "--stacks", job.pid, window="2.5")
                      for name, job in jobs.items()}
            hanging.update({(name, "stacks"): report.result() for name, report in stacks.items()})
        finally:
            for job in jobs.values():
                job.__exit__()
        hanging.update({(name, "record"): report.result() for name, report in records.items()})
    hanging["trace"] = trace.read_text().splitlines() if strace else None


def hang_recorded(name, folder):
    """The report of a record that somebody ended with the key, some seconds after it hung."""
    place = folder / f"recorded-{name}"
    place.mkdir()
    command = [h.FORKSIGHT, "run", "-q", "-o", place / "job", "--", *HANGING[name](place)]
    with Bare(command, place) as job:
        h.wait_until(lambda: len(h.session_members(job.shell.pid)) > 3, f"children of {name}")
        job.until_settled(4.5)
        job.interrupt()
    return audits.report_of(place / "job")


def hung(name, kind="stacks"):
    """A report; the first one who asks makes all of them."""
    if not hanging:
        with tempfile.TemporaryDirectory(prefix="fs-test-") as folder:
            hang_all(Path(folder))
    return hanging[name, kind]


@h.test
def prc_02_fires_audited_hung_pool(_folder):
    VERDICTS.compare(hung("hung", "record"), hung("hung"), ["PRC-02"])
    h.equal(status_of(hung("hung", "plain"), "PRC-02")[0], "unknown", "without stacks")
    stacks = json.dumps(hung("hung")["findings"][0])
    h.check("in Pool.map" in stacks or "in map" in stacks, f"who waits is not told\n{stacks}")
    h.check("ProcessPoolExecutor" in stacks, "no fix")


@h.test
def prc_02_guard_audited_pools_that_wait_for_work(_folder):
    for name in "idle", "feeder":
        h.equal(found(hung(name)), [], f"findings of {name}")


@h.test
def frk_08_fires_audited_locks_held_at_a_fork(_folder):
    for name in "lock", "progress":
        VERDICTS.compare(hung(name, "record"), hung(name), ["FRK-08"], ["FRK-06"])


@h.test
def frk_07_fires_audited_region_before_and_after_fork(_folder):
    h.equal(status_of(hung("regions", "plain"), "FRK-07")[0], "unknown", "without stacks")
    VERDICTS.compare(hung("regions", "record"), hung("regions"), ["FRK-07"], may=["FRK-08", "FRK-06", "PRC-06"])


@h.test
def nothing_is_stopped_without_stacks(_folder):
    hung("hung", "plain")
    if hanging["trace"] is None:
        raise h.Skip("strace is not installed")
    calls = [l for l in hanging["trace"] if re.search(r"ptrace\(|kill\(|pidfd_send", l)]
    h.equal(calls, [], "calls that touch a process")


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
        h.equal(h.execute([h.FORKSIGHT, "audit", "--window", "0.5", "-o", "kept", job.pid], cwd=folder).status,
                0, "status")
    h.equal(h.execute([h.FORKSIGHT, "report", "kept"], cwd=folder).status, 0, "report")
    gate = h.execute([h.FORKSIGHT, "check", "kept"], cwd=folder)
    h.equal(gate.status, 3, f"an audit is no whole record: status\n{gate}")


# Faults that only a record tells, of programs that end too soon to be looked at.
QUICK = {"k1-unjoined": "PRC-03", "k4-numpy-generator": "FRK-10", "frk-06-thread-before-pool": "FRK-06",
         "frk05-child": "FRK-05", "frk-09-context-before-fork-stand-in": "FRK-09",
         "k7-mpich-under-openmpi": "MPI-02", "k7-unlaunched": "MPI-01", "k8-not-enough-slots": "MPI-05",
         "k10-c-after-openmpi": "FRK-01"}


@h.test
def every_rule_is_in_the_table(folder):
    listed = re.findall(r"^ +X\((\w+)\)", (h.ROOT / "report/rule_list.h").read_text(), re.M)
    h.check(VERDICTS.audited, "no audit ran before")
    for name, rule in QUICK.items():
        try:
            report = VERDICTS.add_record(record_variant(name, folder))
        except h.Skip as reason:
            print(f"# no record of {name}: {reason}")
            continue
        h.check(rule in found(report), f"{name}: {found(report)}; {status_of(report, rule)}")
    VERDICTS.print(name.upper().replace("_", "-") for name in listed)


if __name__ == "__main__":
    h.main()
