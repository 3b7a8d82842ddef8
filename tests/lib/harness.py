"""What the end-to-end tests share: a registry of tests, ways to run commands under
forksight, and readers of what it leaves behind.

A test is a function with the decorator @test. It returns when it passed, raises
AssertionError (see check) when it failed and Skip when something is missing that it
cannot do without. Each test gets a fresh folder. The environment names the build:
BUILD, the folder with forksight, libforksight.so, programs/ and kernels/.
"""
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

PYTHON = "/usr/bin/python3"
ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
FORKSIGHT = BUILD / "forksight"
PROGRAMS = ROOT / "tests" / "programs"
KERNELS = ROOT / "kernels"

# Nothing of these may leak from the caller into a test: they steer forksight, the
# kernels or thread libraries.
STEERING = re.compile(
    r"^(FORKSIGHT_.*|LD_PRELOAD|SLURM_.*|PBS_.*|NUM_PROCS|.*_NUM_THREADS|OMP_.*|GOMP_.*|KMP_.*"
    r"|NO_COLOR|CLICOLOR.*|PYTHON.*|MAKEFLAGS|MAKELEVEL|MFLAGS|LC_ALL|LANG)$"
)
HANG = 120  # seconds after which a command counts as hung; generous, never a measure


class Skip(Exception):
    """The test cannot run here; the text says what is missing."""


def check(condition, why):
    if not condition:
        raise AssertionError(why)


def equal(got, expected, what):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


def environment(**changes):
    """The environment of a test's command: the caller's without what steers; a value None unsets."""
    result = {k: v for k, v in os.environ.items() if not STEERING.match(k)}
    result["LC_ALL"] = "C"
    # Debian's interpreter and tools first: a private one may be in the caller's PATH.
    result["PATH"] = "/usr/bin:/bin:/usr/sbin:/sbin:" + result.get("PATH", "")
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = str(value)
    return result


class Result:
    """A finished command: stdout and stderr as text, status as subprocess gives it."""

    def __init__(self, arguments, status, stdout, stderr, directory, thresholds=()):
        self.arguments, self.status, self.directory = arguments, status, directory
        self.thresholds = thresholds  # options with which the record was judged
        self.raw_stdout, self.raw_stderr = stdout, stderr
        self.stdout = stdout.decode("utf-8", "replace")
        self.stderr = stderr.decode("utf-8", "replace")

    @property
    def report(self):
        """The report alone: stderr from its first line on (the application's stderr comes before)."""
        at = re.search(r"^forksight \d", self.stderr, re.M)
        return self.stderr[at.start():] if at else ""

    @functools.cached_property
    def outcomes(self):
        """{rule: (status, why)} of the record, as in a report: "pass", "na", "unknown", "fail"."""
        report = execute([FORKSIGHT, "report", "--format", "json", *self.thresholds, self.directory])
        equal(report.status, 0, f"status\n{report}")
        return {rule["id"]: (rule["status"], rule["why"]) for rule in json.loads(report.stdout)["rules"]}

    def __str__(self):
        return (f"$ {' '.join(map(str, self.arguments))}\nstatus {self.status}\n"
                f"--- stdout\n{self.stdout[-3000:]}--- stderr\n{self.stderr[-6000:]}")


def execute(arguments, cwd=None, env=None, stdin=None, timeout=HANG, directory=None, **options):
    """Runs a command to its end in its own process group; a hung one is killed and fails."""
    process = subprocess.Popen(
        [str(a) for a in arguments], cwd=cwd, env=env if env is not None else environment(),
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options)
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        stack = process_states(process.pid)
        kill_session(process.pid)
        stdout, stderr = process.communicate()
        result = Result(arguments, process.returncode, stdout, stderr, directory)
        raise AssertionError(f"hung for {timeout} s\n{stack}{result}") from None
    return Result(arguments, process.returncode, stdout, stderr, directory)


def session_members(sid):
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getsid(int(name)) == sid:
                    members.append(int(name))
            except OSError:
                pass
    return members


def kill_session(sid):
    for pid in session_members(sid):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def process_states(sid):
    lines = []
    for pid in session_members(sid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            status = Path(f"/proc/{pid}/status").read_text()
            where = Path(f"/proc/{pid}/wchan").read_text()
            lines.append(f"{pid} {re.search('State:.*', status)[0]} {where} {command[:120]}\n")
        except OSError:
            pass
    return "".join(lines)


def under_forksight(command, options=(), outer=(), directory=None, **keywords):
    """`forksight run -o directory options -- command`, behind outer (e.g. taskset)."""
    directory = directory or Path(keywords.get("cwd") or tempfile.mkdtemp()) / "job"
    arguments = [*outer, FORKSIGHT, "run", "-o", directory, *options, "--", *command]
    return execute(arguments, directory=directory, **keywords)


def as_user(folder, uid):
    """A command prefix that becomes uid, and a forksight for it: the build may lie where only
    its owner can read."""
    need_root()
    need_tool("setpriv")
    os.chmod(folder, 0o777)
    for part in ("forksight", "libforksight.so"):
        shutil.copy(BUILD / part, folder / part)
        os.chmod(folder / part, 0o755)
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"], folder / "forksight"


# --- what forksight says ------------------------------------------------------------

def plain(text):
    """Without colours: a report on a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


FINDING = re.compile(r"^ *(error|warning|note)\[([A-Z]{3}-\d\d)\](.*)$", re.M)


def findings(text):
    """{rule: (severity, rest of its line)} of a report; the symptoms it folds too."""
    return {m[2]: (m[1], m[3]) for m in FINDING.finditer(text)}


def folded(text):
    """Rules that the report folds into their cause ("follows from")."""
    return {rule for rule, (_, rest) in findings(text).items() if "follows from" in rest}


def section(text, rule):
    """The lines of one finding, its title line first."""
    lines, inside = [], False
    for line in text.splitlines():
        match = FINDING.match(line)
        if match or not line.strip():
            inside = bool(match) and match[2] == rule
        if inside:
            lines.append(line)
    return "\n".join(lines)


def prose(text, rule):
    """A finding on one line, for words that the page may break."""
    return " ".join(section(text, rule).split())


def fixes(text, rule):
    """The texts after "fix", "or" and "and" of a finding; wrapped ones (trailing backslash) joined."""
    result, collecting = [], False
    for line in section(text, rule).splitlines():
        match = re.match(r"^\s{0,8}(fix|or|and|seen|cause|gain|more)\s{1,8}(\S.*)$", line)
        if match and match[1] in ("fix", "or", "and"):
            result.append(match[2])
            collecting = True
        elif match:
            collecting = False
        elif collecting and line.strip():
            result[-1] = result[-1][:-1] + line.strip() if result[-1].endswith("\\") \
                else result[-1] + "\n" + line.strip()
    return result


def command_of(fix):
    """What of a fix is to be pasted: its first line, without the words on when it applies."""
    return re.split(r"\s+#", fix)[0].split("\n")[0].strip()


def expect_rules(result, must=(), must_not="any other", allowed=()):
    """Checks the report's findings; folded symptoms of a cause that must show are allowed."""
    check(result.report, f"no report\n{result}")
    found = findings(result.report)
    for rule in must:
        check(rule in found, f"{rule} is missing\n{result}")
    if must_not == "any other":
        extra = set(found) - set(must) - set(allowed) - (folded(result.report) if must else set())
    else:
        extra = set(found) & set(must_not)
    check(not extra, f"not expected: {sorted(extra)}\n{result}")


def expect_outcome(result, status, *rules):
    """Each of the rules came to that: "pass", "na" or "unknown"."""
    other = {rule: result.outcomes[rule] for rule in rules if result.outcomes[rule][0] != status}
    check(not other, f"must be {status}: {other}\n{result}")


def expect_clean(result, *passed):
    """No finding, and the rules which the job is there to guard were judged and passed: one that
    does not apply, because the job was too short or did something else, was not guarded."""
    check(passed, "which rules must have passed?")
    expect_rules(result)
    expect_outcome(result, "pass", *passed)
    verdict = re.search(r"no findings: (\d+) rules? passed, (\d+) not applicable", result.report)
    check(verdict, f"the verdict does not count rules\n{result}")
    check(int(verdict[1]) > 0, f"no rule passed\n{result}")
    check_screen(result.report)


def check_screen(text):
    lines = text.rstrip("\n").splitlines()
    check(len(lines) <= 40, f"{len(lines)} lines\n{text}")
    wide = [line for line in lines if len(line) > 80]
    check(not wide, f"wider than 80 columns: {wide}\n{text}")


def detail(directory):
    """Every process of a job directory: the JSON lines of its *.detail files with a pid."""
    records = []
    for file in sorted(Path(directory).glob("**/*.detail")):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            if record.get("pid") and "ppid" in record:
                records.append(record)
    return records


# --- small helpers ------------------------------------------------------------------

def wait_until(condition, what, timeout=HANG):
    """Polls until condition() is true; hanging is a failure."""
    end = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < end, f"waited {timeout} s for {what}")
        time.sleep(0.02)


def cpu_count():
    return len(os.sched_getaffinity(0))


def core_count():
    """Cores of this machine, by what the kernel says."""
    found = set()
    for cpu in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology"):
        found.add(((cpu / "physical_package_id").read_text(), (cpu / "core_id").read_text()))
    return len(found)


def need_cpus(count):
    if cpu_count() < count:
        raise Skip(f"needs {count} CPUs, has {cpu_count()}")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def need_tool(*names):
    for name in names:
        if not shutil.which(name, path=environment()["PATH"]):
            raise Skip(f"{name} is not installed")


def need_files(*paths):
    for path in paths:
        if not Path(path).exists():
            raise Skip(f"{path} is not there")


def python_path(module):
    status = execute([PYTHON, "-c", f"import {module}"]).status
    if status != 0:
        raise Skip(f"{PYTHON} has no {module}")


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"
    except OSError:
        return False


# --- registry -----------------------------------------------------------------------

TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", "-"), function))
    return function


def add(name, function):
    TESTS.append((name, function))


def waits(function):
    """A test that waits for most of its time, and whose verdict does not depend on free CPUs: it
    may run beside others. Where most tests of a file are such: main(lane="waits")."""
    function.lane = "waits"
    return function


def alone(function):
    """One that must have the machine for itself, in such a file."""
    function.lane = ""
    return function


def run_one(prefix, name, function):
    folder = Path(tempfile.mkdtemp(prefix="fs-test-"))
    before = time.monotonic()
    try:
        function(folder)
        line = f"ok {prefix}/{name}"
    except Skip as reason:
        line = f"skip {prefix}/{name}: {reason}"
    except AssertionError as error:
        line = f"not ok {prefix}/{name}: {error}"
    except Exception:
        line = f"not ok {prefix}/{name}: {traceback.format_exc()}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    first, _, rest = line.partition("\n")
    print(first + (f" ({time.monotonic() - before:.1f} s)" if line.startswith("ok") else ""))
    for more in rest.splitlines():
        print("#   " + more)
    sys.stdout.flush()
    return not line.startswith("not ok")


def main(lane=""):
    """Runs the tests of a file: all, or those whose name contains an argument; --list names them,
    and the lane of those that may run beside others: "waits" (see there), or "emulated", on an
    emulated machine, where nothing can be timed. --lane=LANE: the tests of one lane only."""
    prefix = Path(sys.argv[0]).stem
    patterns = [a for a in sys.argv[1:] if not a.startswith("--")]
    lanes = [a.removeprefix("--lane=") for a in sys.argv[1:] if a.startswith("--lane=")]
    good = True
    for name, function in TESTS:
        full, own = f"{prefix}/{name}", getattr(function, "lane", lane)
        if patterns and not any(p in full for p in patterns) or lanes and own not in lanes:
            continue
        if "--list" in sys.argv:
            print(f"{full}\t{own}" if own else full)
        else:
            good &= run_one(prefix, name, function)
    sys.exit(0 if good else 1)
