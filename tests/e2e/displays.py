"""ENV-01: hwloc and an X server that refuses it, with a real server, hwloc and MPI."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

HWLOC = [h.BUILD / "programs/displays", "hwloc"]
MESSAGE = "Invalid MIT-MAGIC-COOKIE-1 key"


class Server:
    """An X server with a key of its own, and files of keys beside it: its own one, a wrong one."""

    def __init__(self, folder):
        h.need_tool("Xvfb", "xauth")
        h.need_files("/usr/lib/x86_64-linux-gnu/hwloc/hwloc_gl.so")
        self.files = {}
        for name in ("right", "wrong"):
            self.files[name] = folder / name
            self.files[name].touch(mode=0o600)
        self.add("right", 0)  # before the number is known: the server takes any entry
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-auth", self.files["right"], "-nolisten", "tcp",
             "-screen", "0", "64x64x8"], pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as numbers:
            self.number = int(numbers.readline() or -1)
        if not 0 <= self.number <= 9:
            self.__exit__()
            raise h.Skip("no X display below :10 is free")
        self.add("right", self.number, self.key)
        self.add("wrong", self.number)

    def add(self, name, number, key=None):
        key = key or os.urandom(16).hex()
        if name == "right":
            self.key = key
        result = h.execute(["xauth", "-q", "-f", self.files[name], "add", f":{number}", ".", key])
        h.equal(result.status, 0, f"xauth\n{result}")

    def environment(self, name, **changes):
        return h.environment(XAUTHORITY=self.files[name], DISPLAY=None, **changes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def status_of(result):
    rules = h.execute([h.FORKSIGHT, "report", "--rules", result.directory], env=h.environment())
    return next(line.split()[0] for line in rules.stdout.splitlines() if " ENV-01" in line)


def finding(result):
    h.check("ENV-01" in h.findings(result.report), f"ENV-01 is missing\n{result}")
    h.equal(h.findings(result.report)["ENV-01"][0], "note", "severity")
    return h.prose(result.report, "ENV-01")


@h.test
def env_01_fires_in_open_mpi_and_its_fix_ends_it(folder):
    h.need_tool("mpicc.openmpi", "mpirun.openmpi")
    (folder / "hello.c").write_text("#include <mpi.h>\nint main(int c, char **v) "
                                    "{ MPI_Init(&c, &v); MPI_Finalize(); return 0; }\n")
    built = h.execute(["mpicc.openmpi", "hello.c", "-o", "hello"], cwd=folder)
    h.equal(built.status, 0, f"mpicc\n{built}")
    job = ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", "2", "./hello"]
    with Server(folder) as server:
        result = h.under_forksight(job, cwd=folder, env=server.environment("wrong"))
        text = finding(result)
        h.check(MESSAGE in result.stderr.split("forksight ")[0], f"hwloc was silent\n{result}")
        for fact in (f"could not open display :{server.number}", f"says: {MESSAGE}"):
            h.check(fact in text, f"'{fact}' is not in\n{result}")
        fix = h.command_of(h.fixes(result.report, "ENV-01")[0])
        again = h.under_forksight(["sh", "-c", f"{fix}; exec {' '.join(job)}"], cwd=folder,
                                  directory=folder / "again", env=server.environment("wrong"))
        h.check(MESSAGE not in again.stderr, f"the fix did not help\n{again}")
        h.check("ENV-01" not in h.findings(again.report), f"after the fix\n{again}")


@h.test
def env_01_fires_without_any_key(folder):
    with Server(folder) as server:
        environment = dict(server.environment("wrong"), XAUTHORITY=str(folder / "none"))
        text = finding(h.under_forksight(HWLOC, cwd=folder, env=environment))
        h.check("says: Authorization required" in text, text)


@h.test
def env_01_fires_beside_other_components_and_keeps_them(folder):
    with Server(folder) as server:
        result = h.under_forksight(HWLOC, cwd=folder,
                                   env=server.environment("wrong", HWLOC_COMPONENTS="x86"))
        finding(result)
        h.check("export HWLOC_COMPONENTS=-gl,x86" in h.fixes(result.report, "ENV-01")[0], result)


@h.test
def env_01_guard_no_server_right_key_and_real_clients(folder):
    result = h.under_forksight(HWLOC, cwd=folder, directory=folder / "no-server",
                               env=h.environment(XAUTHORITY=folder / "none"))
    h.check(status_of(result) in ("pass", "n/a"), f"without a server\n{result}")
    with Server(folder) as server:
        result = h.under_forksight(HWLOC, cwd=folder, directory=folder / "right-key",
                                   env=server.environment("right"))
        h.check(status_of(result) in ("pass", "n/a"), f"with the right key\n{result}")
        client = [h.BUILD / "programs/displays", "client", f":{server.number}"]
        result = h.under_forksight(client, cwd=folder, directory=folder / "client",
                                   env=server.environment("wrong"))
        h.check("display closed" in result.stdout, f"the client was not refused\n{result}")
        h.equal(status_of(result), "pass", f"a real X client\n{result}")


if __name__ == "__main__":
    h.main()
