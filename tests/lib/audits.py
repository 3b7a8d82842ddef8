"""Jobs that run bare and are looked at, beside records of the same programs.

    with Bare(command, folder) as job:
        job.until_busy()
        report = look(folder, job.pid)

A Verdicts keeps what each rule came to in both, and prints the table of it.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness as h

# A shell that stays: what the job's starter may use is what the job was given.
STARTER = ["sh", "-c", '"$@"; exit', "sh"]
WINDOW = "2.2"  # seconds; less than 2 decides nothing
WORDS = {"fail": "finding", "pass": "pass", "na": "n/a", "unknown": "unknown"}


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
        self.shell = subprocess.Popen([*map(str, outer), *STARTER, *map(str, command)], cwd=folder,
                                      env=h.environment(**environment), start_new_session=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        h.wait_until(lambda: children(self.shell.pid), "the start of the job")
        self.pid = children(self.shell.pid)[0]

    def until_busy(self, seconds=0.8):
        h.wait_until(lambda: cpu_seconds(self.shell.pid) > seconds, "the job at work")

    def until_settled(self, seconds=1.5):
        """Until nobody computes any more."""
        last, since = -1.0, time.monotonic()
        end = time.monotonic() + h.HANG
        while time.monotonic() - since < seconds:
            now = cpu_seconds(self.shell.pid)
            if now > last + 0.02:
                last, since = now, time.monotonic()
            h.check(time.monotonic() < end, "the job does not settle")
            time.sleep(0.1)

    def interrupt(self):
        """The key, again and again until it ends."""
        for _ in range(10):
            try:
                os.killpg(self.shell.pid, signal.SIGINT)
                self.shell.wait(3)
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                pass
            return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        h.kill_session(self.shell.pid)
        self.shell.wait()


def look(folder, *arguments, window=WINDOW, status=0, outer=()):
    """The JSON report of an audit."""
    result = h.execute([*outer, h.FORKSIGHT, "audit", "--format", "json", "--window", window, *arguments],
                       cwd=folder)
    h.equal(result.status, status, f"status\n{result}")
    return result if status else json.loads(result.stdout)


def report_of(directory, *options):
    """The JSON report of a job directory."""
    result = h.execute([h.FORKSIGHT, "report", "--format", "json", *options, directory])
    h.equal(result.status, 0, f"report\n{result}")
    return json.loads(result.stdout)


def record(command, folder, outer=(), options=(), name="record", **environment):
    """The JSON report of a command that is recorded to its end."""
    result = h.under_forksight(list(map(str, command)), ["-q", *options], outer=list(map(str, outer)),
                               directory=folder / name, cwd=folder, env=h.environment(**environment))
    h.check((folder / name).exists(), f"no record\n{result}")
    return report_of(folder / name, *options)


def found(report):
    return [finding["rule"] for finding in report["findings"]]


def causes(report):
    return [f["rule"] for f in report["findings"] if not f["follows_from"]]


def status_of(report, rule):
    return next((r["status"], r["why"]) for r in report["rules"] if r["id"] == rule)


class Verdicts:
    """What rules came to: in records, and in audits."""

    def __init__(self):
        self.recorded, self.audited = {}, {}  # rule: statuses
        self.unknown = {}                     # rule: why an audit did not know

    def add_record(self, report):
        for rule in report["rules"]:
            self.recorded.setdefault(rule["id"], set()).add(rule["status"])
        return report

    def add_audit(self, report):
        for rule in report["rules"]:
            self.audited.setdefault(rule["id"], set()).add(rule["status"])
            if rule["status"] == "unknown":
                self.unknown.setdefault(rule["id"], rule["why"])
        return report

    def compare(self, record, audit, finds=(), unknown=(), may=()):
        """Of one program. finds: its faults, the primary one first, which both must find. unknown:
        those that only the record can. may: what may come or not, as the machine is busy. All else
        must be in neither."""
        self.add_record(record)
        self.add_audit(audit)
        faults = [*finds, *unknown]
        for what, report, wanted in (("record", record, faults), ("audit", audit, finds)):
            text = f"findings of the {what}: {found(report)}; " + \
                   "; ".join(f"{r}: {status_of(report, r)}" for r in faults)
            h.check(set(wanted) <= set(found(report)), text)
            h.check(not wanted or found(report)[0] in (wanted[0], *may), f"the first one: {text}")
            h.check(set(causes(report)) <= {*wanted, *may}, f"others: {text}")
        for rule in unknown:
            status, why = status_of(audit, rule)
            h.equal(status, "unknown", f"{rule} from outside ({why})")
            self.unknown[rule] = why

    def print(self, rules):
        """Rule by rule; what an audit promises, and what its audits came to, must agree."""
        statuses = lambda seen: ", ".join(WORDS[s] for s in WORDS if s in seen) or "-"
        print(f"# {'rule':7} {'recorded':30} {'audited':36} where a record finds and an audit cannot")
        for rule in rules:
            recorded, audited = self.recorded.get(rule, set()), self.audited.get(rule, set())
            text = h.plain(h.execute([h.FORKSIGHT, "explain", rule]).stdout)
            promise = re.search(r"^audit +(decides|may find|cannot)", text, re.M)[1]
            lacks = self.unknown.get(rule, "") if "fail" in recorded - audited else ""
            print(f"# {rule:7} {statuses(recorded):30} {statuses(audited):36} {lacks}".rstrip())
            h.check(recorded and audited, f"{rule} is in no record or in no audit")
            allowed = {"decides": {"fail", "pass", "na", "unknown"}, "may find": {"fail", "na", "unknown"},
                       "cannot": {"unknown"}}[promise]
            h.check(audited <= allowed, f"{rule}: an audit {promise}, and came to {audited}")
