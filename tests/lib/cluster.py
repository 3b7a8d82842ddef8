"""A real Slurm cluster for a test: nodes n1, n2, ... on this machine (see tests/cluster).

    with Cluster(3) as cluster:
        result = cluster.run("srun", "-N3", "hostname")
        job = cluster.sbatch("srun hostname\\n", "-N3")
        cluster.wait(job)

Files below cluster.shared are the same on all nodes, as is the source tree; /tmp and
/dev/shm are a node's own.
"""
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import harness as h

SCRIPT = h.ROOT / "tests" / "cluster"
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE"}
# Open MPI refuses root unless told twice; here, as in most containers, there is nobody else.
OPEN_MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Process:
    """A process of a node: pid as this machine counts, inner_pid as its node does."""

    def __init__(self, pid):
        self.pid = pid
        status = Path(f"/proc/{pid}/status").read_text()
        self.inner_pid = int(re.search(r"^NSpid:.*\t(\d+)$", status, re.M)[1])
        self.name = re.search(r"^Name:\t(.*)$", status, re.M)[1]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        self.command = [word.decode("utf-8", "replace") for word in words]

    def __repr__(self):
        return f"{self.pid}({self.inner_pid}) {self.name}: {' '.join(self.command)[:120]}"


class Cluster:
    def __init__(self, nodes=3, layout=None):
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.options = ["-n", str(nodes), *(["-t", layout] if layout else [])]
        # Whatever of a test lies below /tmp must be seen by all nodes.
        for folder in (h.ROOT, h.BUILD):
            if str(folder).startswith("/tmp/"):
                self.options += ["-s", str(folder)]

    def __enter__(self):
        # The cluster lives until its standard input ends: not longer than this process.
        self.keeper = subprocess.Popen(
            [SCRIPT, *self.options, "sh", "-c", 'echo "$CLUSTER"; exec cat >/dev/null'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=h.environment(), start_new_session=True)
        self.base = self.keeper.stdout.readline().strip()
        if not self.base:
            self.keeper.stdin.close()
            words = self.keeper.stderr.read().strip()
            if self.keeper.wait() == 77:
                raise h.Skip(words.splitlines()[-1])
            raise AssertionError(f"the cluster did not start\n{words}")
        self.base = Path(self.base)
        self.roots = {name: int((self.base / f"{name}.pid").read_text()) for name in self.names}
        self.shared = self.base / "shared"
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.wait()
        self.keeper.stdout.close()
        self.keeper.stderr.close()

    # --- commands of a login node -----------------------------------------------------

    def environment(self, **changes):
        return h.environment(SLURM_CONF=self.base / "slurm.conf", **{**OPEN_MPI_AS_ROOT, **changes})

    def run(self, *command, cwd=None, env=None, **options):
        """A command with Slurm at hand, in the shared folder unless told, as a Result."""
        return h.execute(command, cwd=cwd or self.shared, env=env or self.environment(), **options)

    def sbatch(self, script, *options, env=None):
        """Submits a script for bash; returns the number of the job, whose output is in output()."""
        file = self.shared / f"batch-{time.monotonic_ns()}.sh"
        file.write_text("#!/bin/bash\n" + script)
        result = self.run("sbatch", "--parsable", "-o", f"{self.shared}/%j.out",
                          "-e", f"{self.shared}/%j.err", *options, file, env=env)
        h.equal(result.status, 0, f"sbatch\n{result}")
        return int(result.stdout)

    def batch(self, script, *options, env=None, timeout=h.HANG):
        """The same, waited for, as a Result: its status is 128 + n after signal n."""
        job = self.sbatch(script, *options, env=env)
        self.wait(job, timeout=timeout)
        code, number = map(int, self.field(job, "ExitCode").split(":"))
        out, error = ((self.shared / f"{job}.{which}").read_bytes() for which in ("out", "err"))
        return h.Result(["sbatch", *options, script], 128 + number if number else code, out, error,
                        self.shared)

    def output(self, job):
        return (self.shared / f"{job}.out").read_text()

    def field(self, job, name):
        text = self.run("scontrol", "show", "job", "-o", job).stdout
        found = re.search(rf"(?:^|\s){name}=(\S*)", text)
        h.check(found, f"no {name} of job {job}: {text}")
        return found[1]

    def state(self, job):
        return self.field(job, "JobState")

    def wait(self, job, states=None, timeout=h.HANG):
        """Until the job is in one of the states, or at its end."""
        h.wait_until(lambda: self.state(job) in (states or ENDED), f"job {job}", timeout)

    def cancel(self, job, *options):
        self.run("scancel", *options, job)

    # --- nodes from outside -----------------------------------------------------------

    def processes(self, node, containing=""):
        """What runs on a node, but process 1 and slurmd; containing: a part of its command line."""
        listing = 'cd /proc && for pid in [0-9]*; do echo $pid $(readlink $pid/ns/pid); done'
        spaces = {}  # of root's processes only root may know
        for line in subprocess.run([*AS_ROOT, "sh", "-c", listing], stdout=subprocess.PIPE,
                                   text=True).stdout.splitlines():
            pid, _, space = line.partition(" ")
            spaces[int(pid)] = space
        result = []
        for pid, space in spaces.items():
            if space != spaces[self.roots[node]] or pid == self.roots[node]:
                continue
            try:
                process = Process(pid)
            except (OSError, TypeError):  # it has ended
                continue
            if process.command and process.command[0] != "slurmd" and \
                    containing in " ".join(process.command):
                result.append(process)
        return result

    def kill(self, *processes, number=signal.SIGKILL):
        """In that order, at once. Some may have ended by themselves, or with others."""
        subprocess.run([*AS_ROOT, "kill", f"-{int(number)}", *(str(p.pid) for p in processes)],
                       stderr=subprocess.DEVNULL)

    def on_node(self, node, *command):
        """A command in all namespaces of a node, as root, as a Result."""
        return h.execute([*AS_ROOT, "nsenter", "-a", "--root", "-t", self.roots[node], *command])

    def files(self, node, folder="/dev/shm"):
        """Paths of everything below a folder as the node sees it."""
        found = self.on_node(node, "find", folder, "-mindepth", "1", "-printf", "%P\\0")
        return sorted(name for name in found.stdout.split("\0") if name)


def words(*command):
    """A line of a shell script."""
    return " ".join(shlex.quote(str(word)) for word in command) + "\n"
