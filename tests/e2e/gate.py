"""forksight check and the JSON report, on recorded jobs: statuses and lines, hostile names, and
what others make of the files."""
import base64
import json
import os
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
import junit
import schema


def check(folder, *arguments, **environment):
    return h.execute([h.FORKSIGHT, "check", *arguments], cwd=folder,
                     env=h.environment(**environment))


def numbers(result):
    """The members of the summary, which must be the first line."""
    word, *members = result.stdout.splitlines()[0].split()
    h.equal(word, "forksight-summary", f"first word\n{result}")
    return dict(member.split("=") for member in members)


def expect_lines(result, status, *words):
    """The status; behind the summary one line with all the words, or none."""
    h.equal(result.status, status, f"status\n{result}")
    h.equal(result.stderr, "", f"stderr\n{result}")
    lines = result.stdout.splitlines()[1:]
    h.equal(len(lines), 1 if words else 0, f"lines behind the summary\n{result}")
    for word in words:
        h.check(word in lines[0], f"{word!r} is not in the line\n{result}")


def refuses(result, status, *words):
    h.equal(result.status, status, f"status\n{result}")
    h.equal(result.stdout, "", f"stdout\n{result}")
    h.equal(len(result.stderr.splitlines()), 1, f"lines on stderr\n{result}")
    h.check(result.stderr.startswith("forksight check: "), f"who speaks\n{result}")
    for word in words:
        h.check(word in result.stderr, f"{word!r} is not in the line\n{result}")


def record(folder, *command, **environment):
    result = h.under_forksight(command, options=["-q"], cwd=folder,
                               env=h.environment(**environment))
    h.equal(result.status, 0, f"status\n{result}")
    return result.directory


def record_unjoined(folder):
    """A job with a note, PRC-03."""
    return record(folder, h.PYTHON, h.KERNELS / "k1_hello_unjoined.py", "1")


def json_report(folder, job="job"):
    result = h.execute([h.FORKSIGHT, "report", "--format", "json", job], cwd=folder)
    h.equal(result.status, 0, f"status\n{result}")
    h.check(result.raw_stdout.isascii(), "the report is not ASCII")
    h.check(not [c for c in result.stdout if ord(c) < 32 and c != "\n" or ord(c) == 127],
            "control characters in the report")
    report = json.loads(result.stdout)
    h.python_path("jsonschema")
    h.equal(schema.problems(report), [], "problems by the schema")
    return report


def digest_of(folder):
    return next((folder / "job").glob("**/*.digest"))


# --- the gate -----------------------------------------------------------------------

@h.test
def clean_job_passes(folder):
    record(folder, "sh", "-c", "true; true")
    result = check(folder, "--fail-on", "note", "job")
    expect_lines(result, 0)
    members = numbers(result)
    h.equal(list(members), ["v", "errors", "warnings", "notes", "unknown", "cpu_used", "complete"],
            "members of the summary")
    h.equal((members["errors"], members["notes"], members["complete"]), ("0", "0", "1"), "numbers")
    h.check(0 <= float(members["cpu_used"]) <= 1.05, f"cpu_used {members['cpu_used']}")


@h.test
def level_decides_what_fails(folder):
    record_unjoined(folder)
    expect_lines(check(folder, "job"), 0)
    expect_lines(check(folder, "--fail-on", "warning", "job"), 0)
    expect_lines(check(folder, "--fail-on=note", "job"), 1, "failed: note[PRC-03]")
    expect_lines(check(folder, "--fail-on=never", "job"), 0)
    h.equal(numbers(check(folder, "job"))["notes"], "1", "notes")


@h.test
def limit_of_a_rule(folder):
    record_unjoined(folder)
    expect_lines(check(folder, "--max", "PRC-03=0", "job"), 1, "PRC-03 was found 1 time, at most 0")
    expect_lines(check(folder, "--max", "PRC-03=1", "--fail-on", "note", "job"), 0)


@h.test
@h.alone
def error_of_a_squeezed_pool(folder):
    h.need_cpus(2)
    record(folder, "taskset", "-c", "0", h.PYTHON, h.KERNELS / "k3_darts_pi.py", "20000000",
           NUM_PROCS=4)
    result = check(folder, "--junit", "all.xml", "job")
    expect_lines(result, 1, "failed: error[AFF-01] 4 workers squeezed onto 1 CPU")
    members = numbers(result)
    h.equal((members["errors"], members["complete"]), ("1", "1"), "numbers")
    h.check(0.1 < float(members["cpu_used"]) < 0.6, f"cpu_used {members['cpu_used']}")
    h.python_path("junitparser")
    cases = junit.cases(folder / "all.xml")
    h.equal([r for r, (state, _) in cases.items() if state == "failed"], ["AFF-01"], "failed cases")
    h.check("taskset" in cases["AFF-01"][1] and "fix" in cases["AFF-01"][1], "text of the failure")
    h.equal(cases["OVS-02"][0], "passed", "what follows from it")
    rules = h.execute([h.FORKSIGHT, "explain"]).stdout
    h.equal(sorted(cases), sorted(line.split()[0] for line in rules.splitlines()[:-1]), "cases")
    report = json_report(folder)
    h.equal([f["rule"] for f in report["findings"]], ["AFF-01", "OVS-02"], "findings")
    h.equal(report["findings"][0]["evidence"]["workers"]["value"], 4, "evidence")


@h.test
def broken_expectation_fails(folder):
    record_unjoined(folder)
    right = h.KERNELS / "expectations.json"
    variant = ("--variant", "k1-unjoined", "job")
    expect_lines(check(folder, "--expect", right, *variant), 0)
    expectations = json.loads(right.read_text())
    entry = next(v for v in expectations["variants"] if v["name"] == "k1-unjoined")

    entry["must"] = ["PRC-02"]
    (folder / "broken.json").write_text(json.dumps(expectations))
    result = check(folder, "--expect", "broken.json", *variant)
    h.equal(result.status, 1, f"status\n{result}")
    h.equal(len(result.stdout.splitlines()), 3, f"lines\n{result}")
    h.check("failed: PRC-02 must be found (k1-unjoined)" in result.stdout, f"missing rule\n{result}")
    h.check("failed: note[PRC-03]" in result.stdout, f"other rule\n{result}")

    entry["must"], entry["must_not"] = [], ["PRC-03"]
    (folder / "broken.json").write_text(json.dumps(expectations))
    expect_lines(check(folder, "--expect", "broken.json", *variant), 1, "PRC-03", "must not")

    entry["must"], entry["must_not"] = ["PRC-03"], "any other"
    entry["pass"], entry["not_applicable"] = ["OVS-08", "AFF-01"], ["MPI-05"]
    (folder / "broken.json").write_text(json.dumps(expectations))
    expect_lines(check(folder, "--expect", "broken.json", "--junit", "all.xml", *variant), 1,
                 "AFF-01 must pass (k1-unjoined), but it does not apply: no two like processes")
    h.python_path("junitparser")
    cases = junit.cases(folder / "all.xml")
    h.equal([cases[rule][0] for rule in ("AFF-01", "OVS-08", "MPI-05", "PRC-03")],
            ["failed", "passed", "skipped", "passed"], "cases")
    entry["not_applicable"].append("PRC-03")
    (folder / "broken.json").write_text(json.dumps(expectations))
    refuses(check(folder, "--expect", "broken.json", *variant), 2, '"not_applicable"', '"must"')
    del entry["pass"], entry["not_applicable"]

    refuses(check(folder, "--expect", right, "--variant", "k99", "job"), 2, "k99", "k1-joined")
    refuses(check(folder, "--expect", right, "job"), 2, "--variant")
    refuses(check(folder, "--expect", "missing.json", "job"), 2, "missing.json")
    entry["must"] = ["PRC-99"]
    (folder / "broken.json").write_text(json.dumps(expectations))
    refuses(check(folder, "--expect", "broken.json", *variant), 2, "PRC-99")


@h.test
def incomplete_record_does_not_pass(folder):
    h.need_tool("busybox")
    record(folder, "sh", "-c", "busybox sleep 0.3; true")
    result = check(folder, "--fail-on", "never", "--junit", "all.xml", "job")
    expect_lines(result, 3, "unknown: the record is incomplete", "statically linked", "busybox")
    h.equal(numbers(result)["complete"], "0", "complete")
    h.python_path("junitparser")
    h.check("passed" not in {state for state, _ in junit.cases(folder / "all.xml").values()},
            "a rule passed on an incomplete record")
    (folder / "site").write_text("allow-incomplete = busybox is part of every job here\n")
    expect_lines(check(folder, "--policy", "site", "job"), 0)


@h.test
def interim_record_does_not_pass(folder):
    record(folder, "sh", "-c", "true; true")
    digest = digest_of(folder)
    lines = [json.loads(line) for line in digest.read_text().splitlines()]
    next(line for line in lines if line["kind"] == "node")["complete"]["interim"] = True
    digest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    expect_lines(check(folder, "job"), 3, "the collector of ", " never finished")


@h.test
def empty_directory_does_not_pass(folder):
    (folder / "job").mkdir()
    refuses(check(folder, "--junit", "all.xml", "job"), 3, "job")
    h.python_path("junitparser")
    h.equal({state for state, _ in junit.cases(folder / "all.xml").values()}, {"error"}, "cases")
    refuses(check(folder, "missing"), 3, "missing")


@h.test
def digest_of_a_newer_version_does_not_pass(folder):
    record(folder, "sh", "-c", "true; true")
    digest = digest_of(folder)
    digest.write_text(digest.read_text().replace('"forksight":1', '"forksight":2')
                      .replace('"forksight": 1', '"forksight": 2'))
    refuses(check(folder, "job"), 3, digest.name, "version 2", "reads version 1")


@h.test
def damaged_digest_does_not_pass(folder):
    record(folder, "sh", "-c", "true; true")
    digest = digest_of(folder)
    digest.write_bytes(digest.read_bytes()[:-20])
    refuses(check(folder, "job"), 3, digest.name)


@h.test
def baseline_lets_known_findings_pass(folder):
    record_unjoined(folder)
    known = json_report(folder)
    (folder / "known.json").write_text(json.dumps(known))
    shutil.move(folder / "job", folder / "before")
    record_unjoined(folder)
    expect_lines(check(folder, "--fail-on", "note", "--baseline", "known.json", "job"), 0)
    again = json_report(folder)
    h.equal([f["fingerprint"] for f in again["findings"]],
            [f["fingerprint"] for f in known["findings"]], "fingerprints of two runs")
    known["findings"] = []
    (folder / "known.json").write_text(json.dumps(known))
    expect_lines(check(folder, "--fail-on", "note", "--baseline", "known.json", "job"), 1, "PRC-03")
    refuses(check(folder, "--baseline", h.KERNELS / "expectations.json", "job"), 2, "report")


@h.test
def policy_of_a_site(folder):
    record_unjoined(folder)
    (folder / "site").write_text("# all jobs\nfail-on = note\n")
    expect_lines(check(folder, "--policy", "site", "job"), 1, "PRC-03")
    expect_lines(check(folder, "--policy", "site", "--fail-on", "error", "job"), 0)
    (folder / "site").write_text("fail-on = note\ndisable PRC-03 = init reaps them here\n")
    result = check(folder, "--policy", "site", "--junit", "all.xml", "job")
    expect_lines(result, 0)
    h.equal(numbers(result)["disabled"], "1", "disabled")
    h.python_path("junitparser")
    h.equal(junit.cases(folder / "all.xml")["PRC-03"][0], "skipped", "the disabled rule")
    (folder / "site").write_text("fail-on = note\nnonsense\n")
    refuses(check(folder, "--policy", "site", "job"), 2, "site:2")


@h.test
@h.alone
def thresholds_as_in_report(folder):
    h.need_cpus(2)
    record(folder, "taskset", "-c", "0", h.PYTHON, h.KERNELS / "k3_darts_pi.py", "20000000",
           NUM_PROCS=4)
    high = ("--threshold", "AFF-01.wait=1", "--threshold", "OVS-02.wait=1")
    result = check(folder, *high, "job")
    h.check("AFF-01" not in result.stdout, f"the threshold changed nothing\n{result}")
    (folder / "conf").write_text("AFF-01.wait = 1\n")
    h.check("AFF-01" not in check(folder, "--config", "conf", "job").stdout, "--config")
    h.check("AFF-01" not in check(folder, "job", FORKSIGHT_CONFIG="conf").stdout, "FORKSIGHT_CONFIG")
    refuses(check(folder, "--threshold", "AFF-01.nothing=1", "job"), 2, "AFF-01.nothing")


@h.test
def wrong_usage(folder):
    record(folder, "sh", "-c", "true; true")
    refuses(check(folder), 2, "directory")
    refuses(check(folder, "--no-such-option", "job"), 2, "--no-such-option")
    refuses(check(folder, "job", "--max"), 2, "--max")
    refuses(check(folder, "--fail-on", "sometimes", "job"), 2, "--fail-on")
    for limit in ("PRC-03", "PRC-03=", "PRC-03=x", "PRC-03=-1", "NOT-01=1", "=1"):
        refuses(check(folder, "--max", limit, "job"), 2, "--max")
    refuses(check(folder, "--variant", "x", "job"), 2, "--expect")


@h.test
def junit_file_that_cannot_be_written(folder):
    record(folder, "sh", "-c", "true; true")
    result = check(folder, "--junit", "no/such/place.xml", "job")
    h.equal(result.status, 3, f"status\n{result}")
    h.check("no/such/place.xml" in result.stderr, f"not said\n{result}")
    result = check(folder, "--junit", "/dev/full", "job")
    h.equal(result.status, 3, f"status\n{result}")


# --- reports in several forms -------------------------------------------------------

@h.test
def reports_go_where_they_are_wanted(folder):
    record(folder, "sh", "-c", "true; true")
    run = lambda *arguments: h.execute([h.FORKSIGHT, "report", *arguments, "job"], cwd=folder)
    (folder / "out").mkdir()
    for arguments, files in ((("-o", "out"), {"out/report.txt"}),
                             (("-o", "out", "--format", "json,text"), {"out/report.txt", "out/report.json"}),
                             (("-o", "a", "--format", "text,json"), {"a.txt", "a.json"}),
                             (("-o", "b.json", "--format", "text,json"), {"b.txt", "b.json"}),
                             (("-o", "c.x", "--format", "json"), {"c.x"})):
        result = run(*arguments)
        h.equal((result.status, result.stdout), (0, ""), f"status, stdout\n{result}")
        for name in files:
            text = (folder / name).read_text()
            h.equal(text.startswith("{"), "json" in name or name == "c.x", f"form of {name}")
            h.equal((folder / name).stat().st_mode & 0o777, 0o666 & ~current_umask(), "permissions")
    left = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "job" not in p.parts}
    h.equal(left, {"out/report.txt", "out/report.json", "a.txt", "a.json", "b.txt", "b.json", "c.x"},
            "files")
    for arguments in (("--format", "text,json"), ("--format", "pdf"), ("--format", "text,"),
                      ("--format", "")):
        result = run(*arguments)
        h.equal(result.status, 2, f"status\n{result}")
        h.equal(len(result.stderr.splitlines()), 1, f"lines\n{result}")
    h.equal(run("--format", "json", "-o", "/dev/null").status, 0, "a device")
    h.check(not Path("/dev/null").is_file(), "/dev/null was replaced")


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- hostile names ------------------------------------------------------------------

HOSTILE = ["\x1b[31mred\x1b]0;title\x07", "quote\"back\\slash'`$(x)", "line\nfeed\r\t", "é\u202e\u200b中",
           "</testcase><!-- & ]]> -->", "\x7f\x01\x9b", "%s%n%d"]
BYTES = [b"\xff\xfe\x80", b"caf\xe9", b"\xed\xa0\x80", b"\xf0\x9f\x98"]


@h.test
def hostile_arguments_and_names(folder):
    name = folder / "evil\x1b[31m\n\"<&>.py"
    name.write_text("import os, sys\npids = [os.fork() for _ in range(1)]\n"
                    "if 0 in pids:\n    os._exit(0)\nimport time\ntime.sleep(1)\n")
    command = [h.PYTHON, name, *(s.encode() for s in HOSTILE), *BYTES, b"x" * 100_000]
    environment = {**{k.encode(): v.encode() for k, v in h.environment().items()},
                   b"OMP_NUM_THREADS": b"\x1b[2J\xff\n\"", b"OMP_PLACES": b"</x>" * 1000}
    arguments = [str(h.FORKSIGHT), "run", "-q", "-o", "job\x1b[31m\xff", "--"]
    result = raw_execute([*arguments, *command], folder, environment)
    h.equal(result.returncode, 0, f"status {result}")
    job = "job\x1b[31m\xff"
    report = json_report(folder, job)
    given = [a if isinstance(a, bytes) else str(a).encode() for a in command]
    h.equal(len(report["job"]["cmd"]), len(given), "arguments")
    codes = report["job"].get("cmd_base64") or [None] * len(given)
    for text, code, argument in zip(report["job"]["cmd"], codes, given):
        kept = base64.b64decode(code) if code else text.encode()
        h.check(kept == argument or (kept[:1000] == argument[:1000] and len(argument) > 8000),
                f"{argument!r} became {text!r}, {code!r}")
    h.equal(sum(code is not None for code in codes), len(BYTES), "arguments in base64")

    result = check(folder, "--fail-on", "note", "--name", HOSTILE[0] + HOSTILE[4], "--junit", "all.xml", job)
    for line in result.raw_stdout, result.raw_stderr:
        h.check(line.isascii() and not [c for c in line if c < 32 and c != 10 or c == 127],
                f"control characters\n{result}")
    h.equal(len([l for l in result.stdout.splitlines() if not l.startswith(("failed:", "unknown:"))]), 1,
            f"a line was broken\n{result}")
    h.python_path("junitparser")
    junit.cases(folder / "all.xml")


def raw_execute(arguments, folder, environment):
    import subprocess
    return subprocess.run([a if isinstance(a, bytes) else os.fsencode(str(a)) for a in arguments],
                          cwd=folder, env=environment, capture_output=True, timeout=h.HANG, check=False)


@h.test
def megabyte_of_environment_and_arguments(folder):
    many = [b"y" * 100_000] * 10
    environment = {**{k.encode(): v.encode() for k, v in h.environment().items()},
                   b"LONG": b"\xff" * 100_000, b"OMP_NUM_THREADS": b"7" * 100_000}
    result = raw_execute([h.FORKSIGHT, "run", "-q", "-o", "job", "--", "true", *many], folder, environment)
    h.equal(result.returncode, 0, f"status {result.stderr[-300:]}")
    report = json_report(folder)
    h.equal(len(report["job"]["cmd"]), 11, "arguments")
    h.check(len(json.dumps(report)) < 1_000_000, "the report is larger than 1 MB")
    result = check(folder, "--fail-on", "note", "--junit", "all.xml", "job")
    h.check(result.status in (0, 1, 3), f"status\n{result}")
    h.check(all(len(line) <= 400 for line in result.stdout.splitlines()), f"long lines\n{result}")
    ElementTree.parse(folder / "all.xml")


if __name__ == "__main__":
    h.main(lane="waits")
