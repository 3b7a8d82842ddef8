"""A control group for a test: made, entered by a command, removed again."""
import os
import subprocess
import time
import uuid
from pathlib import Path

import harness as h

V1 = Path("/sys/fs/cgroup")
ENTER = 'printf %s $$ > "$0" && exec "$@"'  # moves a shell into the group, then becomes the command


def controller_v2(name):
    """The unified hierarchy when it has the controller, with it handed down; else None."""
    for base in (V1, V1 / "unified"):
        try:
            if name in (base / "cgroup.controllers").read_text().split():
                (base / "cgroup.subtree_control").write_text("+" + name)
                return base
        except OSError:
            pass
    return None


class Group:
    """`with Group("cpu", {...v1 files}, {...v2 files}) as group`: group.enter goes in front of a command."""

    def __init__(self, controller, v1, v2):
        h.need_root()
        unified = controller_v2(controller)
        base = unified or V1 / controller
        if not base.is_dir():
            raise h.Skip(f"no cgroup controller {controller} here")
        self.version = 2 if unified else 1
        self.path = base / f"forksight-test-{uuid.uuid4().hex[:8]}"
        self.settings = v2 if unified else v1

    def __enter__(self):
        try:
            self.path.mkdir()
            for file, value in self.settings.items():
                (self.path / file).write_text(str(value))
        except OSError as error:
            self.__exit__()
            raise h.Skip(f"cannot set up {self.path}: {error.strerror}") from None
        return self

    @property
    def enter(self):
        return ["sh", "-c", ENTER, str(self.path / "cgroup.procs")]

    def __exit__(self, *_):
        for _ in range(100):
            try:
                for pid in (self.path / "cgroup.procs").read_text().split():
                    os.kill(int(pid), 9)
            except OSError:
                pass
            try:
                self.path.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)


def private_mounts(script, command):
    """A command in a mount namespace of its own, after a shell script made mounts there."""
    h.need_root()
    h.need_tool("unshare", "mount")
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    if probe.returncode != 0:
        raise h.Skip("cannot make a mount namespace")
    return ["unshare", "-m", "sh", "-ec", f'{script}\nexec "$@"', "sh", *map(str, command)]
