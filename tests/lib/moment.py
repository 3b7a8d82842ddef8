"""Packs one moment of processes: moment.py ARCHIVE NUMBER PID..., into the folder NUMBER of the
archive, with what captured/pack.py packs of a system."""
import gzip
import os
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data" / "captured"))
import pack

pack.PROCESS += ["auxv"]


def members(archive):
    if not os.path.exists(archive):
        return []
    with tarfile.open(archive, "r:gz") as tar:
        return [(entry, tar.extractfile(entry).read() if entry.isfile() else None) for entry in tar]


def main(archive, number, pids):
    before = members(archive)
    with gzip.GzipFile(archive, "wb", mtime=0) as out, tarfile.open(fileobj=out, mode="w") as tar:
        for entry, data in before:
            tar.addfile(entry, pack.io.BytesIO(data) if data is not None else None)
        for path in sorted(set(pack.files(pids))):
            entry = tarfile.TarInfo(f"{number}{path}")
            if os.path.islink(path):
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(entry)
                continue
            try:
                data = pack.content(path)
            except OSError:
                continue
            entry.size = len(data)
            tar.addfile(entry, pack.io.BytesIO(data))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
