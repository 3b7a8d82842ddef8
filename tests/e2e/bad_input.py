"""Wrong usage, files that are no record, places that cannot be written: one line that
says what is wrong and what to do, the right status, nothing left behind."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cgroup import private_mounts


def refuses(result, status, *words):
    """One line on stderr with every word in it, nothing on stdout, and the status."""
    h.equal(result.status, status, f"status\n{result}")
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    h.equal(len(lines), 1, f"lines on stderr\n{result}")
    h.check(lines[0].startswith("forksight"), f"the line does not say who speaks\n{result}")
    for word in words:
        h.check(str(word) in lines[0], f"{word!r} is not in the line\n{result}")
    h.equal(result.stdout, "", f"stdout\n{result}")


def run(folder, *arguments):
    """forksight with these arguments, which must leave no file and no segment folder behind."""
    files = set(folder.rglob("*"))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as local:
        result = h.execute([h.FORKSIGHT, *arguments], cwd=folder,
                           env=h.environment(FORKSIGHT_LOCAL_DIR=local))
        h.equal(os.listdir(local), [], f"left in node-local memory\n{result}")
    h.equal(set(folder.rglob("*")) - files, set(), f"files left behind\n{result}")
    return result


@h.test
def unknown_option(folder):
    refuses(run(folder, "run", "--no-such-option", "--", "true"), 2, "--no-such-option")
    refuses(run(folder, "report", "--no-such-option", "."), 2, "--no-such-option")
    refuses(run(folder, "--no-such-option"), 2, "--no-such-option")
    refuses(run(folder, "explain", "--no-such-option"), 2, "--no-such-option")


@h.test
def missing_argument(folder):
    refuses(run(folder, "run"), 2)
    refuses(run(folder, "run", "--"), 2)
    refuses(run(folder, "run", "-o"), 2)
    refuses(run(folder, "report"), 2)


@h.test
def values_that_are_no_values(folder):
    refuses(run(folder, "run", "--threshold", "AFF-01.nothing=1", "--", "true"), 2, "AFF-01.nothing")
    refuses(run(folder, "run", "--threshold", "nonsense", "--", "true"), 2, "nonsense")
    refuses(run(folder, "run", "--period", "soon", "--", "true"), 2, "soon")
    refuses(run(folder, "run", "--config", "missing.conf", "--", "true"), 2, "missing.conf")
    refuses(run(folder, "explain", "XYZ-99"), 2, "XYZ-99")


@h.test
def config_with_an_error_names_its_line(folder):
    (folder / "bad.conf").write_text("# limits\n\nAFF-01.wait = often\n")
    refuses(run(folder, "run", "--config", "bad.conf", "--", "true"), 2, "bad.conf", "3")


@h.test
def command_not_found(folder):
    refuses(run(folder, "run", "--", "no-such-command"), 127, "no-such-command")
    refuses(run(folder, "run", "--", "./missing"), 127, "missing")


@h.test
def command_not_executable(folder):
    (folder / "data").write_text("text\n")
    refuses(run(folder, "run", "--", "./data"), 126, "data")
    refuses(run(folder, "run", "--", "/tmp"), 126, "/tmp")


@h.test
def script_without_interpreter_line(folder):
    (folder / "script").write_text("exit 4\n")
    (folder / "script").chmod(0o755)
    bare = h.execute(["env", "./script"], cwd=folder)
    result = h.execute([h.FORKSIGHT, "run", "-q", "-o", "job", "--", "./script"], cwd=folder)
    h.equal(result.status, bare.status, f"status as under env\n{result}")


@h.test
def report_of_nothing(folder):
    refuses(run(folder, "report", "missing"), 3, "missing")
    (folder / "empty").mkdir()
    refuses(run(folder, "report", "empty"), 3, "empty")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "notes.txt").write_text("nothing of ours\n")
    refuses(run(folder, "report", "foreign"), 3, "foreign")
    refuses(run(folder, "report", "foreign/notes.txt"), 3, "notes.txt")


def record(folder):
    """A job directory with a finished record; returns its digest."""
    result = h.under_forksight(["sh", "-c", "true; true"], options=["-q"], cwd=folder)
    h.equal(result.status, 0, f"status\n{result}")
    digests = list((folder / "job").glob("**/*.digest"))
    h.equal(len(digests), 1, "digests")
    return digests[0]


@h.test
def truncated_digest(folder):
    digest = record(folder)
    whole = digest.read_bytes()
    lengths = [0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 2]
    lengths += [whole.index(b"\n") + 1] if whole.count(b"\n") > 1 else []
    for length in lengths:
        digest.write_bytes(whole[:length])
        refuses(run(folder, "report", "job"), 3, digest.name)


@h.test
def digest_that_is_something_else(folder):
    digest = record(folder)
    for text in (b"hello\n", b"{}\n", b"[1, 2\n", b"\0" * 5000, b"{\"forksight\": 1}\n",
                 b"{\"forksight\": 1, \"kind\": \"node\", \"host\": 7}\n",
                 b"[" * 100000, b"\xff\xfe{}\n"):
        digest.write_bytes(text)
        refuses(run(folder, "report", "job"), 3, digest.name)


@h.test
def digest_of_another_version(folder):
    digest = record(folder)
    text = digest.read_text()
    h.check('"forksight":1' in text.replace(" ", ""), "the digest has no version")
    digest.write_text(text.replace(" ", "").replace('"forksight":1', '"forksight":2'))
    refuses(run(folder, "report", "job"), 3, digest.name, "version")


@h.test
def meta_that_is_something_else(folder):
    digest = record(folder)
    digest.unlink()
    for text in ("", "{", "[]", "{\"forksight\": 1}", "{\"finished\": \"maybe\"}", "x" * 100000):
        (folder / "job" / "meta.json").write_text(text)
        refuses(run(folder, "report", "job"), 3, "job")


@h.test
def directory_that_is_in_use(folder):
    record(folder)
    refuses(run(folder, "run", "-o", "job", "--", "true"), 125, "job")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "notes.txt").write_text("keep me\n")
    refuses(run(folder, "run", "-o", "foreign", "--", "true"), 125, "foreign")
    (folder / "file").write_text("keep me\n")
    refuses(run(folder, "run", "-o", "file", "--", "true"), 125, "file")
    refuses(run(folder, "run", "-o", "no/such/place", "--", "true"), 125, "no/such/place")


@h.test
def output_place_that_cannot_be_written(folder):
    place = folder / "place"
    place.mkdir()
    mounted = private_mounts(f"mount -t tmpfs -o ro tmpfs '{place}'",
                             [h.FORKSIGHT, "run", "-o", place / "job", "--", "touch", folder / "ran"])
    refuses(h.execute(mounted, cwd=folder), 125, "job")
    h.check(not (folder / "ran").exists(), "the application was started")


@h.test
def output_place_that_is_full(folder):
    place = folder / "place"
    place.mkdir()
    setup = (f"mount -t tmpfs -o size=16k tmpfs '{place}'\n"
             f"dd if=/dev/zero of='{place}/fill' bs=4k count=8 2>/dev/null || true")
    mounted = private_mounts(setup, [h.FORKSIGHT, "run", "-o", place / "job", "--", "true"])
    refuses(h.execute(mounted, cwd=folder), 125, "job")


@h.test
def output_place_that_fills_up_later(folder):
    place = folder / "place"
    place.mkdir()
    fill = f"dd if=/dev/zero of='{place}/fill' bs=4k count=99 2>/dev/null; echo still running; exit 5"
    script = (f"mount -t tmpfs -o size=64k tmpfs '{place}'\n'{h.FORKSIGHT}' run -o '{place}/job' -- "
              f"sh -c \"{fill}\" || echo status $?\nfind '{place}/job' -type f -empty\n"
              f"find '{place}/job' -name '*tmp*' -o -name '*.new'\n")
    result = h.execute(private_mounts(script, ["true"]), cwd=folder)
    h.check(result.stdout.startswith("still running\n"), f"the application was disturbed\n{result}")
    h.equal(result.stdout, "still running\nstatus 5\n", f"half-written files, or the status\n{result}")
    h.check("job" in result.stderr and "space" in result.stderr.lower(), f"not said\n{result}")


@h.test
def full_node_local_memory(folder):
    place = folder / "local"
    place.mkdir()
    script = f"mount -t tmpfs -o size=128k tmpfs '{place}'"
    command = private_mounts(script, [h.FORKSIGHT, "run", "-o", folder / "job", "--", h.PYTHON,
                                      h.PROGRAMS / "pool_ends.py", "fork", "join", folder / "truth"])
    result = h.execute(command, cwd=folder, env=h.environment(FORKSIGHT_LOCAL_DIR=place))
    h.check(result.status in (0, 125), f"the application was disturbed\n{result}")
    h.check(result.status == 0 or not (folder / "truth").exists(), f"started, then given up\n{result}")


@h.test
def unreadable_proc(folder):
    command = private_mounts("mount -t tmpfs -o ro tmpfs /proc",
                             [h.FORKSIGHT, "run", "-o", folder / "job", "--", "sh", "-c", "exit 3"])
    result = h.execute(command, cwd=folder)
    h.check(result.status in (3, 125), f"status\n{result}")
    if result.status == 125:
        refuses(result, 125, "/proc")


@h.test
def odd_surroundings_of_the_command(folder):
    """A limit on the size of files, a umask that takes everything, no topology: the command
    has them as ever, and forksight says what it cannot do, or goes on."""
    h.need_root()
    user, forksight = h.as_user(folder, 65534)
    shell = "umask; ulimit -f; echo err >&2; exit 7"
    local = folder / "local"
    local.mkdir()
    local.chmod(0o777)

    def run(setting, *outer, name="job"):
        return h.execute([*outer, "sh", "-c", f'{setting}; exec "$@"', "sh", *user, forksight, "run",
                          "-q", "-o", folder / name, "--", "sh", "-c", shell], cwd=folder,
                         env=h.environment(FORKSIGHT_LOCAL_DIR=local))
    for place, limit, status in (("none", 0, 125), ("little", 2, 7)):
        result = run(f"ulimit -f {limit}", name=place)
        h.equal(result.status, status, f"status with files of {limit} blocks\n{result}")
        h.check("File too large" in result.stderr, f"not said\n{result}")
    h.equal(result.stdout, "0022\n2\n", f"the limit of the command\n{result}")
    result = run("umask 0777", name="umask")
    h.equal((result.status, result.stdout), (7, "0777\nunlimited\n"), f"umask of the command\n{result}")
    h.check("complete: " in h.execute([h.FORKSIGHT, "report", folder / "umask"]).stdout, "record")
    result = run("mount -t tmpfs -o ro tmpfs /sys", "unshare", "-m", name="sys")
    h.equal((result.status, result.stderr), (7, "err\n"), f"without /sys\n{result}")
    h.equal(os.listdir(local), [], "left in node-local memory")


@h.test
def proc_of_another_namespace(folder):
    h.need_root()
    result = h.execute(["unshare", "-pf", h.FORKSIGHT, "run", "-o", "job", "--", "true"], cwd=folder)
    refuses(result, 125, "/proc")
    h.check(not (folder / "job").exists(), "a job directory was left behind")


@h.test
def hostile_segments_in_the_folder(folder):
    """A job that writes rubbish into its own segment folder harms the record, not the report."""
    script = ("d=$FORKSIGHT_SEGMENTS; cd \"$d\" || exit 9\n"
              "head -c 65536 /dev/urandom > 1-1.seg; : > 2-2.seg; ln -s /etc/passwd 3-3.seg\n"
              "mkdir 4-4.seg; head -c 100 /dev/zero > 5-5.seg; mkfifo 6-6.seg; echo x > owner2\n"
              "for f in *-*.seg; do [ -f \"$f\" ] && cp \"$f\" \"9$f\" && truncate -s 5000 \"9$f\"; done\n"
              "exit 0")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as local:
        result = h.under_forksight(["sh", "-c", script], cwd=folder,
                                   env=h.environment(FORKSIGHT_LOCAL_DIR=local))
        h.equal(os.listdir(local), [], f"left in node-local memory\n{result}")
    h.equal(result.status, 0, f"status\n{result}")
    h.check("VERDICT" in result.report, f"no report\n{result}")


@h.test
def control_characters_of_the_job_stay_out_of_the_report(folder):
    name = folder / "evil\x1b[31m\nname.sh"
    name.write_text("#!/bin/sh\nexit 0\n")
    name.chmod(0o755)
    result = h.under_forksight([name, "\x1b]0;title\x07", "é\u202e", b"\xff".decode("latin-1")],
                               cwd=folder)
    h.check(not [c for c in result.report if ord(c) < 32 and c != "\n"], f"control characters\n{result}")
    h.check(result.report.isascii(), f"not ASCII in the C locale\n{result}")
    h.check_screen(result.report)


@h.test
def preload_library_that_is_missing(folder):
    alone = folder / "alone"
    alone.mkdir()
    shutil.copy(h.FORKSIGHT, alone / "forksight")
    result = h.execute([alone / "forksight", "run", "-o", "job", "--", "true"], cwd=folder)
    refuses(result, 125, "libforksight.so")
    h.check(not (folder / "job").exists(), "a job directory was left behind")


@h.test
def ordinary_user(folder):
    user, forksight = h.as_user(folder, 65534)
    result = h.execute([*user, forksight, "run", "-o", "job", "--", "sh", "-c", "id -u; true"],
                       cwd=folder, directory=folder / "job")
    h.equal(result.stdout, "65534\n", f"output\n{result}")
    h.expect_clean(result, "PRC-03", "ENV-03")


if __name__ == "__main__":
    h.main()
