"""A login node, made of this machine by a mount namespace."""
import contextlib
import os
import struct
from pathlib import Path

import harness as h

UTMP = struct.Struct("<hxxi32s4s32s256shhiii4i20s")
LOGIN = """mount --bind '{folder}/utmp' "$(readlink -f /run/utmp)" &&
mount --bind '{folder}/etc' /etc && exec "$@"
"""


def session(user):
    return UTMP.pack(7, os.getpid(), b"pts/0", b"0", user.encode(), b"", 0, 0, 0, 0, 0,
                     0, 0, 0, 0, b"")


@contextlib.contextmanager
def on_login_node(folder, users, slurm=True):
    """A command prefix: where users are logged in and slurm.conf says that there is a Slurm."""
    h.need_root()
    h.need_tool("unshare", "mount")
    created = not Path("/run/utmp").exists()
    if created:
        Path("/run/utmp").touch()
    try:
        (folder / "utmp").write_bytes(b"".join(map(session, users)))
        copy = h.execute(["cp", "-a", "/etc", folder / "etc"])
        h.equal(copy.status, 0, f"a copy of /etc\n{copy}")
        for name in ("slurm", "slurm-llnl"):
            h.execute(["rm", "-rf", folder / "etc" / name])
        if slurm:
            (folder / "etc" / "slurm").mkdir()
            (folder / "etc" / "slurm" / "slurm.conf").write_text("ClusterName=test\n")
        probe = h.execute(["unshare", "-m", "true"])
        if probe.status != 0:
            raise h.Skip("no mount namespaces here")
        yield ["unshare", "-m", "sh", "-c", LOGIN.format(folder=folder), "sh"]
    finally:
        if created:
            Path("/run/utmp").unlink()
