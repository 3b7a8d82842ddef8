"""What runs under forksight must not notice: output, status, signals, terminal,
descriptors, environment; and it survives forksight."""
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from terminal import Terminal


def both(folder, command, **keywords):
    """The command alone and under `run -q`."""
    bare = h.execute(command, cwd=folder, **keywords)
    under = h.under_forksight(command, options=["-q"], cwd=folder, **keywords)
    return bare, under


@h.test
def output_is_the_same_to_the_byte(folder):
    noise = random.Random(7).randbytes(700_000)
    (folder / "noise").write_bytes(noise)
    bare, under = both(folder, ["sh", "-c", "cat noise; echo to stderr >&2; cat noise | tail -c 9"])
    h.check(bare.raw_stdout == under.raw_stdout == noise + noise[-9:], "stdout differs")
    h.equal(under.raw_stderr, b"to stderr\n", "stderr with -q")


@h.test
def the_report_goes_to_stderr_after_the_application(folder):
    result = h.under_forksight(["sh", "-c", "echo out; echo err >&2"], cwd=folder)
    h.equal(result.raw_stdout, b"out\n", "stdout")
    h.check(result.stderr.startswith("err\n"), f"the application's stderr comes first\n{result}")
    h.expect_clean(result, "PRC-03", "ENV-03")


@h.test
def exit_status_is_the_applications(folder):
    for status in (0, 1, 2, 3, 7, 124, 125, 126, 127, 128, 255):
        result = h.under_forksight(["sh", "-c", f"exit {status}"], options=["-q"],
                                   directory=folder / f"s{status}", cwd=folder)
        h.equal(result.status, status, f"status\n{result}")


@h.test
def death_by_signal_is_128_and_its_number(folder):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT, signal.SIGPIPE,
                   signal.SIGABRT, 34):
        code = f"import os, signal; signal.signal({int(number)}, signal.SIG_DFL)\n" \
            if number != signal.SIGKILL else "import os\n"
        code += f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n" \
                f"os.kill(os.getpid(), {int(number)})"
        result = h.under_forksight([h.PYTHON, "-c", code], options=["-q"],
                                   directory=folder / f"n{int(number)}", cwd=folder)
        h.equal(result.status, 128 + number, f"status\n{result}")


@h.test
def stdin_and_arguments_arrive_untouched(folder):
    data = bytes(range(256)) * 500
    bare, under = both(folder, ["cat"], stdin=data)
    h.check(bare.raw_stdout == under.raw_stdout == data, "stdin differs")
    strange = ["", " a b ", "--help", "-o", "x\ny", "*", "$HOME", "é", "\x1b[31m", "--"]
    show = [h.PYTHON, "-c", "import sys; print(sys.argv[1:])", *strange]
    bare = h.execute(show, cwd=folder)
    under = h.under_forksight(show, options=["-q"], directory=folder / "second", cwd=folder)
    h.equal(under.stdout, bare.stdout, "argv")


@h.test
def environment_and_limits_are_the_same(folder):
    code = ("import os, resource, signal; e = dict(os.environ)\n"
            "[e.pop(k, None) for k in ('LD_PRELOAD', 'FORKSIGHT_SEGMENTS', 'FORKSIGHT_SHIM', '_')]\n"
            "print(sorted(e.items()), os.getcwd(), os.umask(0), os.nice(0))\n"
            "print([resource.getrlimit(r) for r in range(16)])\n"
            "print(signal.pthread_sigmask(0, []), [signal.getsignal(n) for n in range(1, 65)\n"
            "      if n not in (32, 33)])")
    bare, under = both(folder, [h.PYTHON, "-c", code])
    h.equal(under.stdout, bare.stdout, "environment, limits and signals")


@h.test
def ignored_signals_stay_ignored(folder):
    show = "import signal; print([n for n in range(1, 32) if signal.getsignal(n) == signal.SIG_IGN])"
    shell = "trap '' HUP USR1 INT; exec \"$@\""
    bare = h.execute(["sh", "-c", shell, "sh", h.PYTHON, "-c", show], cwd=folder)
    under = h.execute(["sh", "-c", shell, "sh", h.FORKSIGHT, "run", "-q", "-o", folder / "job",
                       "--", h.PYTHON, "-c", show], cwd=folder)
    h.equal(under.stdout, bare.stdout, "ignored signals")


@h.test
def no_descriptor_is_left_open(folder):
    code = ("import os, sys\n"
            "def listing():\n"
            "    names = [int(n) for n in os.listdir('/proc/self/fd')]\n"
            "    return sorted(n for n in names if os.path.exists(f'/proc/self/fd/{n}'))\n"
            "print(listing(), flush=True)\n"
            "pid = os.fork()\n"
            "if pid == 0:\n    print(listing(), flush=True)\n    os._exit(0)\n"
            "os.waitpid(pid, 0)\n"
            "os.execv('/bin/sh', ['sh', '-c', 'ls /proc/self/fd; ls /proc/$$/fd'])\n")
    bare, under = both(folder, [h.PYTHON, "-c", code])
    h.equal(under.stdout, bare.stdout, "open descriptors")
    h.check(bare.stdout.startswith("["), f"no listing\n{bare}")


@h.test
def parent_and_process_group_are_as_without(folder):
    code = "import os; print(os.getpgid(0) == os.getpgid(os.getppid()), os.getsid(0) == os.getsid(os.getppid()))"
    bare, under = both(folder, [h.PYTHON, "-c", code])
    h.equal(under.stdout, "True True\n", "process group and session of the parent")
    del bare


class Running:
    """A program under forksight, started and not yet at its end; log is signal_log.py's."""

    def __init__(self, folder, seconds=60):
        self.log = folder / "log"
        self.directory = folder / "job"
        self.process = subprocess.Popen(
            [h.FORKSIGHT, "run", "-q", "-o", self.directory, "--", h.PYTHON,
             h.PROGRAMS / "signal_log.py", self.log, str(seconds)],
            cwd=folder, env=h.environment(), stdin=subprocess.DEVNULL,
            process_group=0)  # no new session: the kernel stops no orphaned process group
        h.wait_until(lambda: self.log.exists() and "pid" in self.log.read_text(), "the program")
        self.pid = int(self.lines()[0].split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def lines(self):
        return self.log.read_text().splitlines()

    def signals(self):
        return [line for line in self.lines() if not line.startswith("pid")]

    def state(self, pid):
        return re.search(r"^State:\s+(\S)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]


@h.test
def signals_sent_to_run_reach_the_application_once(folder):
    with Running(folder) as job:
        expected = []
        for name in ("SIGINT", "SIGUSR1", "SIGHUP", "SIGUSR2", "SIGQUIT", "SIGWINCH", "SIGINT"):
            os.kill(job.process.pid, getattr(signal, name))
            expected.append(name)
            h.wait_until(lambda: len(job.signals()) >= len(expected), name)
        os.kill(job.process.pid, signal.SIGTERM)
        h.equal(job.process.wait(h.HANG), 9, "status of the application that caught SIGTERM")
        h.equal(job.signals(), expected + ["SIGTERM"], "signals that the application got")


@h.test
def sigterm_ends_an_application_that_does_not_catch_it(folder):
    process = subprocess.Popen([h.FORKSIGHT, "run", "-o", folder / "job", "--", "sleep", "300"],
                               cwd=folder, env=h.environment(), stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    h.wait_until(lambda: len(h.session_members(process.pid)) > 1, "the application")
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGTERM)
    _, report = process.communicate(timeout=h.HANG)
    h.equal(process.returncode, 128 + signal.SIGTERM, f"status\n{report}")
    h.check("VERDICT" in report, f"no report\n{report}")


@h.test
def stop_and_continue_by_signals(folder):
    with Running(folder) as job:
        os.kill(job.process.pid, signal.SIGTSTP)
        h.wait_until(lambda: job.state(job.pid) == "T", "the application to stop")
        h.wait_until(lambda: job.state(job.process.pid) == "T", "run to stop with it")
        os.kill(job.process.pid, signal.SIGCONT)
        h.wait_until(lambda: job.state(job.pid) in "SR", "the application to go on")
        h.wait_until(lambda: "SIGCONT" in job.signals(), "SIGCONT in the application")
        os.kill(job.process.pid, signal.SIGTERM)
        h.equal(job.process.wait(h.HANG), 9, "status")
        h.equal(job.signals(), ["SIGCONT", "SIGTERM"], "signals that the application got")


@h.test
def interrupt_key_reaches_the_application_once(folder):
    log = folder / "log"
    command = [h.FORKSIGHT, "run", "-o", folder / "job", "--", h.PYTHON,
               h.PROGRAMS / "signal_log.py", log]
    with Terminal(command, cwd=folder) as terminal:
        h.wait_until(lambda: log.exists() and "pid" in log.read_text(), "the program")
        terminal.send(b"\x03")
        h.wait_until(lambda: "SIGINT" in log.read_text(), "the interrupt")
        time.sleep(0.5)
        terminal.send(b"\x1c")
        h.wait_until(lambda: "SIGQUIT" in log.read_text(), "the quit key")
        time.sleep(0.5)
        os.kill(int(log.read_text().split()[1]), signal.SIGTERM)
        h.equal(terminal.finish(), 9, f"status\n{terminal.text()}")
    h.equal(log.read_text().split()[2:], ["SIGINT", "SIGQUIT", "SIGTERM"], "signals")


@h.test
def stop_key_and_foreground_in_a_shell(folder):
    log = folder / "log"
    command = f"'{h.FORKSIGHT}' run -q -o job -- {h.PYTHON} '{h.PROGRAMS / 'signal_log.py'}' log\n"
    with Terminal(["bash", "--norc", "--noprofile", "-i"], cwd=folder,
                  env=h.environment(PS1="prompt> ", TERM="dumb")) as terminal:
        at = terminal.expect(b"prompt> ")
        terminal.send(command.encode())
        h.wait_until(lambda: log.exists() and "pid" in log.read_text(), "the program")
        terminal.send(b"\x1a")
        at = terminal.expect(b"Stopped", at)
        at = terminal.expect(b"prompt> ", at)
        terminal.send(b"fg\n")
        h.wait_until(lambda: "SIGCONT" in log.read_text(), "the program to go on")
        time.sleep(0.3)
        terminal.send(b"\x03")
        h.wait_until(lambda: "SIGINT" in log.read_text(), "the interrupt")
        os.kill(int(log.read_text().split()[1]), signal.SIGTERM)
        at = terminal.expect(b"prompt> ", at)
        terminal.send(b"echo status $?\n")
        terminal.expect(b"status 9", at)
        terminal.send(b"exit\n")
        terminal.finish()
    h.equal(log.read_text().split()[2:], ["SIGCONT", "SIGINT", "SIGTERM"], "signals")


@h.test
def interactive_shell(folder):
    command = [h.FORKSIGHT, "run", "-q", "-o", folder / "job", "--", "bash", "--norc",
               "--noprofile", "-i"]
    with Terminal(command, cwd=folder, env=h.environment(PS1="prompt> ", TERM="dumb")) as terminal:
        at = terminal.expect(b"prompt> ")
        terminal.send(b"echo $((6*7)) answer\n")
        at = terminal.expect(b"42 answer", at)
        terminal.send(b"tty && test -t 0 && echo on a terminal\n")
        at = terminal.expect(b"\non a terminal", at)
        terminal.send(b"sleep 300\n")
        time.sleep(0.5)
        terminal.send(b"\x1a")
        at = terminal.expect(b"Stopped", at)
        terminal.send(b"kill %1; wait; echo job gone\n")
        at = terminal.expect(b"\njob gone", at)
        terminal.send(b"exit 3\n")
        h.equal(terminal.finish(), 3, f"status\n{terminal.text()}")
        h.check("job control" not in terminal.text(), f"no job control\n{terminal.text()}")


@h.test
def curses_program(folder):
    h.python_path("curses")
    command = [h.FORKSIGHT, "run", "-q", "-o", folder / "job", "--", h.PYTHON,
               h.PROGRAMS / "curses_keys.py"]
    with Terminal(command, cwd=folder, env=h.environment(TERM="vt100", LINES=24, COLUMNS=80)) as terminal:
        at = terminal.expect(b"ready")
        terminal.send(b"a")
        at = terminal.expect(b"1 a", at)
        terminal.send(b"\x1bOA")
        at = terminal.expect(b"up", at)
        terminal.send(b"q")
        h.equal(terminal.finish(), 4, f"status\n{terminal.text()}")
        h.check("keys a,up size 24 80" in terminal.text(), terminal.text())


@h.test
def application_survives_the_kill_of_run(folder):
    with Running(folder, seconds=3) as job:
        os.kill(job.process.pid, signal.SIGKILL)
        job.process.wait()
        time.sleep(0.5)
        h.check(h.alive(job.pid), "the application died with run")
        while_running = h.execute([h.FORKSIGHT, "report", job.directory])
        h.check("VERDICT" in while_running.stdout + while_running.stderr,
                f"no report while the application runs\n{while_running}")
        h.wait_until(lambda: not h.alive(job.pid), "the application's end")
    after = h.execute([h.FORKSIGHT, "report", job.directory])
    h.check("signal_log.py" in after.stdout and "VERDICT" in after.stdout, f"no record\n{after}")
    h.equal(job.signals(), [], "signals that the application got")


@h.test
def pool_survives_the_kill_of_run_and_is_recovered(folder):
    (folder / "pool.py").write_text(
        "import time\nfrom multiprocessing import Pool\nif __name__ == '__main__':\n"
        "    with Pool(3) as pool:\n        pool.map(time.sleep, [2] * 3, chunksize=1)\n"
        "    open('done', 'w').close()\n")
    process = subprocess.Popen([h.FORKSIGHT, "run", "-q", "-o", "job", "--", h.PYTHON, "pool.py"],
                               cwd=folder, env=h.environment(), start_new_session=True)
    h.wait_until(lambda: len(h.session_members(process.pid)) >= 5, "the workers")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    h.wait_until(lambda: (folder / "done").exists(), "the application's end")
    time.sleep(0.5)
    report = h.execute([h.FORKSIGHT, "report", "job"], cwd=folder)
    h.check("VERDICT" in report.stdout, f"no report\n{report}")
    h.check(re.search(r"\b4(?:/4)? processes", report.stdout), f"not 4 processes\n{report}")


@h.test
def preload_objects_of_the_user(folder):
    """They are called as without forksight, and a sanitizer's runtime comes first, as it must."""
    h.need_tool("cc")
    (folder / "own.c").write_text(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n#include <sys/types.h>\n"
        "pid_t waitpid(pid_t pid, int *status, int options) {\n"
        "    pid_t (*next)(pid_t, int *, int) = (pid_t(*)(pid_t, int *, int))dlsym(RTLD_NEXT, \"waitpid\");\n"
        "    dprintf(2, \"own\\n\");\n    return next(pid, status, options);\n}\n")
    h.execute(["cc", "-shared", "-fPIC", "-o", "own.so", "own.c"], cwd=folder)
    runtime = h.execute(["cc", "-print-file-name=libasan.so"]).stdout.strip()
    fork = [h.PYTHON, "-c", "import os\np = os.fork()\nif p == 0: os._exit(0)\nos.waitpid(p, 0)\nprint(1)"]
    for name, preload in (("own", folder / "own.so"), ("sanitizer", os.path.realpath(runtime))):
        if not os.path.isabs(preload):
            continue
        variables = h.environment(LD_PRELOAD=preload, ASAN_OPTIONS="detect_leaks=0")
        bare = h.execute(fork, cwd=folder, env=variables)
        under = h.under_forksight(fork, ["-q"], directory=folder / name, cwd=folder, env=variables)
        h.equal((under.status, under.stdout, under.stderr), (0, bare.stdout, bare.stderr), name)
        text = h.execute([h.FORKSIGHT, "report", folder / name]).stdout
        h.check("complete: 2/2 processes" in text, f"{name}\n{text}")


@h.test
def program_in_another_root(folder):
    """Its loader does not find the preload object, and has nothing to complain about."""
    h.need_root()
    for program in ("sh", "true"):
        libraries = h.execute(["ldd", f"/bin/{program}"]).stdout
        for file in [f"/bin/{program}", *re.findall(r"(/\S+) \(0x", libraries)]:
            copy = folder / "root" / file[1:]
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    bare, under = both(folder, ["chroot", folder / "root", "/bin/sh", "-c",
                                "echo out; /bin/true; echo err >&2; exit 3"])
    h.equal((under.status, under.stdout, under.stderr), (bare.status, bare.stdout, bare.stderr),
            "status and output")
    h.equal(bare.status, 3, f"status\n{bare}")


@h.test
def short_form_is_the_same(folder):
    result = h.execute([h.FORKSIGHT, "sh", "-c", "echo out; exit 6"], cwd=folder)
    h.equal((result.status, result.raw_stdout), (6, b"out\n"), f"status and stdout\n{result}")
    h.equal(len(list(folder.glob("forksight-*"))), 1, "job directories in the working directory")
    h.check("VERDICT" in result.report, f"no report\n{result}")


if __name__ == "__main__":
    h.main()
