"""forksight audit --capture and --root: what was copied of jobs on emulated machines is judged
as the jobs were, byte for byte the same on any machine (tests/data/captured); a capture that is
damaged or made to do harm does none."""
import difflib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import audits
import harness as h
import schema

DATA = h.ROOT / "tests" / "data" / "captured"
POOL = h.PROGRAMS / "busy_pool.py"
NAME = "smt-squeezed"  # where any will do


def unpack(name, place, backwards=False, lean=False):
    """The archive in a folder; backwards: with its files made in another order; lean: without
    those that few ask for, which saves time where it is done often."""
    place.mkdir(parents=True)
    with tarfile.open(DATA / f"{name}.tar.gz") as archive:
        members = [member for member in archive.getmembers()
                   if not lean or not re.search("/cache/|/cgroup/memory|/memory[.]", member.name)]
        for member in members[::-1] if backwards else members:
            archive.extract(member, place)
    return place


def audit(place, *options, before=(), forksight=h.FORKSIGHT, **keywords):
    return h.execute([*before, forksight, "audit", *options, "--root", "."], cwd=place,
                     env=h.environment(COLUMNS=80), **keywords)


def report_of(place, *options):
    result = audit(place, "--format", "json", *options)
    h.equal(result.status, 0, f"status\n{result}")
    return json.loads(result.stdout)


def cpu_seconds(pid):
    """Of a process's children, and its own."""
    total = 0
    for child in [pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]:
        total += sum(map(int, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def causes(report):
    return [finding["rule"] for finding in report["findings"] if not finding["follows_from"]]


# --- goldens ------------------------------------------------------------------------

def neutral(text):
    """As the goldens are: the version of forksight is not what they are about."""
    return re.sub(r'("version": )"[^"]*"', r'\1"VERSION"',
                  re.sub(r"\Aforksight \S+", "forksight VERSION", text))


def check_golden(name, place):
    for ending, options in ("txt", ()), ("json", ("--format", "json")):
        result = audit(place, *options)
        h.equal((result.status, result.stderr), (0, ""), f"status and stderr\n{result}")
        golden = (DATA / f"{name}.{ending}").read_text(encoding="utf-8")
        differences = difflib.unified_diff(golden.splitlines(), neutral(result.stdout).splitlines(),
                                           f"{name}.{ending}", "now", lineterm="", n=1)
        h.check(golden == neutral(result.stdout),
                "\n".join(["if this is as it should be: tests/data/captured/make goldens", *differences]))
        if ending == "txt":
            h.check_screen(result.stdout)
        else:
            h.equal(schema.problems(json.loads(result.stdout)), [], "held against the schema")


def add_golden(test, name, expected):
    """expected: the causes that a report names, whatever its words."""
    def body(folder):
        place = unpack(name, folder / name)
        h.equal(causes(report_of(place)), expected, "causes")
        check_golden(name, place)
    h.add(test, body)


add_golden("aff_01_fires_captured_pool_on_one_core_of_four", "smt-squeezed", ["AFF-01"])
add_golden("aff_01_guard_captured_pool_on_all_cores", "smt-fits", [])
add_golden("ovs_01_fires_captured_teams_of_all_cpus_each", "numa-teams", ["OVS-01"])
add_golden("ovs_01_guard_captured_teams_that_fit_two_sockets", "numa-teams-fit", [])
add_golden("ovs_04_fires_captured_quota_of_version_1", "quota-v1", ["OVS-04"])
add_golden("ovs_04_guard_captured_quota_of_version_1", "quota-v1-fits", [])
add_golden("ovs_04_fires_captured_quota_of_version_2", "quota-v2", ["OVS-04"])
add_golden("ovs_04_guard_captured_quota_of_version_2", "quota-v2-fits", [])
add_golden("slm_02_fires_captured_step_on_one_core", "slurm-one-core", ["SLM-02"])
add_golden("slm_02_guard_captured_step_with_all_cpus", "slurm-fits", [])
for machine in "smt-v1", "smt-v2", "numa-v1", "numa-v2":
    add_golden(f"{machine}-a-job-that-waits", machine, [])


@h.test
def archives_are_small(_folder):
    archives = sorted(DATA.glob("*.tar.gz"))
    h.check(len(archives) >= 14, f"archives: {archives}")
    large = [(file.name, file.stat().st_size) for file in archives if file.stat().st_size > 80_000]
    h.equal(large, [], "large archives")


# --- nothing of this machine ---------------------------------------------------------

def paths_asked_for(trace):
    """Absolute paths of files that system calls named; strace -y tells where a folder lies."""
    for line in trace.splitlines():
        match = re.search(r'\((?:AT_FDCWD<[^>]*>|\d+<([^>]*)>)?(?:, )?"([^"]*)"', line)
        if match and match[2] and not match[2].startswith("/") and match[1]:
            yield f"{match[1]}/{match[2]}", line
        elif match and match[2].startswith("/"):  # "" is a descriptor itself
            yield match[2], line


@h.test
def nothing_of_this_machine_is_read(folder):
    h.need_tool("strace")
    place = unpack(NAME, folder / "captured")
    own = folder / "own"
    own.mkdir()
    calls = "%file,%network,kill,tgkill,ptrace,process_vm_readv,sched_getaffinity,adjtimex"
    result = h.execute(["strace", "-f", "-y", "-s", "300", "-e", f"trace={calls}", "-o", folder / "trace",
                        h.FORKSIGHT, "audit", "--root", place], cwd="/",
                       env=h.environment(TMPDIR=own))
    h.equal(result.status, 0, f"status\n{result}")
    # hwloc asks glibc how many CPUs there are before it reads any file; jansson wants a seed.
    harmless = "/sys/devices/system/cpu/possible", "/dev/urandom", "/dev/null"
    allowed = (str(folder), *harmless, "/lib/", "/lib64/", "/usr/lib/", "/usr/local/lib/", "/etc/ld.so.", str(h.FORKSIGHT))
    trace = (folder / "trace").read_text(errors="replace")
    asked = list(paths_asked_for(trace))
    inside = sum(path.startswith(str(place)) for path, _ in asked)
    h.check(inside > 500, f"only {inside} files of the capture were seen to be read")
    strange = [line for path, line in asked if not path.startswith(allowed)]
    h.equal(strange, [], "files of this machine")
    other = [line for line in trace.splitlines()
             if re.search(r"\b(kill|tgkill|ptrace|process_vm_readv|sched_getaffinity|socket|adjtimex)\(", line)
             and "SIGKILL" not in line and "affinity(0," not in line]  # its own child and itself
    h.equal(other, [], "questions to this machine")


@h.test
def the_same_on_any_machine(folder):
    """Another host name, clock of the monotonic kind, user, and order of files."""
    h.need_root()
    place = unpack(NAME, folder / "captured", backwards=True)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    user, forksight = h.as_user(folder, 65534)
    inside = "hostname elsewhere && exec \"$@\""
    result = audit(place, before=["unshare", "--uts", "--time", "--monotonic", "90000", "--boottime",
                                  "800000", "--fork", "sh", "-c", inside, "sh", *user,
                                  "env", "TMPDIR=/tmp"], forksight=forksight)
    if "unshare" in result.stderr:
        raise h.Skip(result.stderr.strip().splitlines()[-1])
    h.equal(neutral(result.stdout), (DATA / f"{NAME}.txt").read_text(), f"the report\n{result}")


# --- a capture from here -------------------------------------------------------------

@h.test
def a_job_that_runs_is_captured(folder):
    """Its report is that of the job as it was, also when the job is gone."""
    h.need_cpus(2)
    env = h.environment(NUM_PROCS=2, SECRET_TOKEN="geheim", OMP_NUM_THREAD="3")
    shell = subprocess.Popen(["sh", "-c", '"$@"; exit', "sh", "taskset", "-c", "0", h.PYTHON, POOL, "4000"],
                             cwd=folder, env=env, start_new_session=True)
    children = lambda pid: Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    try:
        h.wait_until(lambda: children(shell.pid), "the job")
        main = children(shell.pid)[0]
        h.wait_until(lambda: len(children(main)) == 2, "its workers")
        # As long as they need for two seconds of work, however little others leave them of the CPU.
        work, begin = cpu_seconds(main), time.monotonic()
        h.wait_until(lambda: cpu_seconds(main) > work + 1, "a second of work")
        window = min(max(2.2, 2.5 * (time.monotonic() - begin)), 100)
        result = h.execute([h.FORKSIGHT, "audit", "--capture", "--window", f"{window:.1f}", "-o", "captured",
                            main], cwd=folder)
        h.equal((result.status, result.stderr), (0, ""), f"status\n{result}")
        h.check(f"3 processes captured; look at it with: forksight audit --root {folder}/captured\n" in result.stdout,
                f"what it says\n{result}")
        again = h.execute([h.FORKSIGHT, "audit", "--capture", "-o", "captured", main], cwd=folder)
        h.check(again.status == 3 and "not empty" in again.stderr, f"into a capture\n{again}")
    finally:
        h.kill_session(shell.pid)
        shell.wait()
    everything = subprocess.run(["grep", "-rac", "geheim", folder / "captured"], stdout=subprocess.PIPE,
                                text=True).stdout
    h.equal([line for line in everything.splitlines() if not line.endswith(":0")], [], "secrets")
    text = audit(folder / "captured").stdout
    h.check("error[AFF-01] 2 workers squeezed onto 1 CPU" in text, text)
    h.check(re.search(r"^Data +captured for [\d.]+ s: 3 processes", text, re.M), text)
    first, second = (report_of(folder / "captured") for _ in range(2))
    h.equal(first, second, "the same moments, looked at twice")
    h.equal(schema.problems(first), [], "held against the schema")
    h.check(first["data"]["audited"]["captured"], "it is not marked")
    h.equal(report_of(folder / "captured", main)["findings"], first["findings"], "by its number")
    h.equal(audits.found(report_of(folder / "captured", "--user", str(os.geteuid())))[:1], ["AFF-01"], "by user")


@h.test
def wrong_usage_is_told(folder):
    for arguments, status, words in (
            (["--capture"], 2, "nothing to look at"),
            (["--capture", "--job", "1"], 2, "--capture"),
            (["--capture", "--root", ".", "1"], 2, "--root"),
            (["--root", ".", "--job", "1"], 2, "--root"),
            (["--capture", "-o", "/proc/nowhere", str(os.getpid())], 3, "/proc/nowhere")):
        result = h.execute([h.FORKSIGHT, "audit", *arguments], cwd=folder)
        h.check(result.status == status and words in result.stderr, f"{arguments}\n{result}")


# --- captures that are damaged, or made to do harm -----------------------------------

BIT = "sys/devices/system/cpu/online"


def main_of(place):
    return (place / "targets").read_text().split()[0]


def workers_of(place):
    return sorted(p.name for p in (place / "1/proc").glob("[0-9]*")
                  if (p / "maps").exists() and p.name != main_of(place))


def files_of(place):
    return [p for p in sorted(place.rglob("*")) if p.is_file() and not p.is_symlink()]


def exchange(place):
    (place / "1").rename(place / "0")
    (place / "2").rename(place / "1")
    (place / "0").rename(place / "2")


def write(place, name, data):
    path = place / name
    if path.is_symlink() or path.exists():
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def link(place, name, target):
    path = place / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    path.symlink_to(target)


def pipe(place, name):
    (place / name).unlink()
    os.mkfifo(place / name)


def huge(place, name):
    with open(place / name, "r+b") as file:
        file.truncate(1 << 40)


def chain(place):
    """Each link alone stays inside; together they would lead out."""
    folder = place / "1/sys/devices/system/cpu"
    (folder / "up").symlink_to("../../../..")
    link(place, f"1/{BIT}", "up/../../../../../../../../etc/passwd")


# What is done to a capture: the status then, and words of the one line that tells why.
REFUSED = {
    "moments exchanged": (exchange, "not later than the moment before"),
    "the same moment twice": (lambda p: (shutil.rmtree(p / "2"), shutil.copytree(p / "1", p / "2", symlinks=True)),
                              "not later than"),
    "another boot": (lambda p: write(p, "2/proc/sys/kernel/random/boot_id", "0-0\n"), "another boot"),
    "no first moment": (lambda p: shutil.rmtree(p / "1"), "captured system?"),
    "a moment without proc": (lambda p: shutil.rmtree(p / "2/proc"), "captured system?"),
    "a file for a moment": (lambda p: (shutil.rmtree(p / "2"), write(p, "2", "")), "is no folder"),
    "no time": (lambda p: (p / "1/proc/uptime").unlink(), "has no time"),
    "time nan": (lambda p: write(p, "1/proc/uptime", "nan nan\n"), "has no time"),
    "time before the boot": (lambda p: write(p, "1/proc/uptime", "-5 0\n"), "has no time"),
    "time without end": (lambda p: write(p, "2/proc/uptime", "1e300 0\n"), "has no time"),
    "a folder for the time": (lambda p: ((p / "1/proc/uptime").unlink(), (p / "1/proc/uptime").mkdir()),
                              "has no time"),
    "no such process": (lambda p: write(p, "targets", "4000000\n"), "no process 4000000 in ."),
    "the target without stat": (lambda p: (p / f"1/proc/{main_of(p)}/stat").unlink(), "no process"),
    "no targets": (lambda p: (p / "targets").unlink(), "name a process"),
    "targets that are none": (lambda p: write(p, "targets", "\x1b[31m\n"), "neither a process"),
    "targets elsewhere": (lambda p: link(p, "targets", "/etc/passwd"), "name a process"),
    "a link out": (lambda p: link(p, f"1/{BIT}", "/etc/passwd"), "leads out"),
    "a link up and out": (lambda p: link(p, f"1/{BIT}", "../../../../../online"), "leads out"),
    "links that together lead out": (chain, "leads out"),
    "a moment elsewhere": (lambda p: link(p, "1", "/"), "leads out"),
    "proc elsewhere": (lambda p: link(p, "1/proc", "/proc"), "leads out"),
    "a pipe": (lambda p: pipe(p, f"1/{BIT}"), "neither a file nor"),
    "a huge file": (lambda p: huge(p, f"1/{BIT}"), "larger than any file"),
}


def add_refused(name, harm, words):
    def body(folder):
        place = unpack(NAME, folder / "captured", lean=True)
        harm(place)
        result = audit(place)
        h.equal((result.status, result.stdout), (3, ""), f"status\n{result}")
        h.check(words in result.stderr, f"{words!r} is not said\n{result}")
        h.equal(len(result.stderr.splitlines()), 1, f"lines\n{result}")
        h.check("\x1b" not in result.stderr, "an escape sequence")
    h.add(f"refused-{name}".replace(" ", "-"), body)


for refused, (harmed, said) in REFUSED.items():
    add_refused(refused, harmed, said)


def later_processes(place):
    """The numbers of all processes were given to others between the moments."""
    for file in (place / "2/proc").glob("[0-9]*/**/stat"):
        before, end, fields = file.read_text().rpartition(")")
        words = fields.split(" ")
        words[20] = str(int(words[20]) + 1000)
        write(place, file.relative_to(place), before + end + " ".join(words))


def folders_for_files(place):
    for file in files_of(place):
        if file.name != "uptime" and file.name != "targets" and file.parent.name != main_of(place):
            file.unlink()
            file.mkdir()


def large_numbers(place):
    for file in files_of(place):
        if file.name in ("stat", "schedstat", "cpu.stat", "cpu.max", "memory.current"):
            text = file.read_text()
            head, end, fields = text.rpartition(")")
            write(place, file.relative_to(place), head + end + re.sub(r"\b[0-9]{5,}\b", "18446744073709551615", fields))


def circle(place):
    """Every process is its own parent's parent."""
    main, worker = main_of(place), workers_of(place)[0]
    for moment in "12":
        file = f"{moment}/proc/{main}/stat"
        text = (place / file).read_text()
        write(place, file, re.sub(r"\) (\S) \d+ ", rf") \1 {worker} ", text))


# What can be looked at all the same, and what the report must not say then.
KEPT = {
    "one moment": lambda p: shutil.rmtree(p / "2"),
    "later processes of these numbers": later_processes,
    "workers without stat": lambda p: [(p / f"{m}/proc/{w}/stat").unlink() for m in "12" for w in workers_of(p)],
    "no sys": lambda p: [shutil.rmtree(p / m / "sys", ignore_errors=True) for m in "12"],
    "empty files": lambda p: [f.write_bytes(b"") for f in files_of(p)
                              if f.name not in ("uptime", "targets", "stat", "status")],
    "folders for files": folders_for_files,
    "large numbers": large_numbers,
    "a circle of parents": circle,
    "links in a circle": lambda p: (link(p, f"1/{BIT}", "present"),
                                    link(p, "1/sys/devices/system/cpu/present", "online")),
}


def add_kept(name, harm):
    def body(folder):
        place = unpack(NAME, folder / "captured", lean=True)
        harm(place)
        for options in (), ("--format", "json"), ("--rules", "--verbose"):
            result = audit(place, *options)
            h.equal((result.status, result.stderr), (0, ""), f"status\n{result}")
        report = report_of(place)
        h.equal(schema.problems(report), [], "held against the schema")
        if name == "no sys":  # masks and times are in proc: only cores are not known
            h.equal(audits.found(report), ["OVS-02"], "findings")
        elif name not in ("links in a circle", "a circle of parents", "large numbers"):
            h.equal(audits.found(report), [], "findings without their facts")
    h.add(f"looked-at-{name}".replace(" ", "-"), body)


for kept, harmed in KEPT.items():
    add_kept(kept, harmed)


@h.test
def cut_and_garbled_files_do_no_harm(folder):
    """As many ways as there is time for: files are cut, or some of their bytes are others."""
    generator = random.Random(5)
    place = unpack(NAME, folder / "captured")
    files = [file for file in files_of(place) if file.stat().st_size > 0]
    contents = {file: file.read_bytes() for file in files}
    for round_number in range(24):
        for file in generator.sample(files, len(files) // 3):
            data = bytearray(contents[file])
            if round_number % 2:
                data = data[:generator.randrange(len(data))]
            for _ in range(generator.randrange(4)):
                if data:
                    data[generator.randrange(len(data))] = generator.choice(b"\x00\xff\x1b 0919-,:)\n")
            file.write_bytes(data)
        result = audit(place)
        h.check(result.status in (0, 2, 3), f"status, round {round_number}\n{result}")
        h.check(len(result.stderr.splitlines()) <= 1 and "\x1b" not in result.stdout + result.stderr,
                f"stderr, round {round_number}\n{result}")
        for file in files:
            file.write_bytes(contents[file])


if __name__ == "__main__":
    h.main()
