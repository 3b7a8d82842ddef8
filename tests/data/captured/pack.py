"""Packs what describes a job on this machine: pack.py ARCHIVE MAIN_PID PID...

The archive has the files under their own paths, as readers with another root want
them. proc/self leads to MAIN_PID. One process and no child does it, for on an
emulated machine a thousand of them take minutes.
"""
import glob
import gzip
import io
import os
import re
import sys
import tarfile

TASK = ["stat", "status", "schedstat", "comm"]
PROCESS = ["cgroup", "mountinfo", "mounts", "cmdline", "environ", "maps", "exe"]
SYSTEM = [
    "/proc/{stat,loadavg,uptime,meminfo,mounts,cpuinfo}",
    "/proc/sys/kernel/{pid_max,threads-max,osrelease}",
    "/sys/devices/system/cpu/{online,possible,present,kernel_max,smt/active,cpu[0-9]*/online}",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/{physical_package_id,core_id,die_id}",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/{thread,core}_siblings",
    "/sys/devices/system/cpu/cpu[0-9]*/topology/{core,package,die}_cpus",
    "/sys/devices/system/cpu/cpu[0-9]*/cache/index*/{level,type,size,shared_cpu_map,id}",
    "/sys/devices/system/node/{online,possible,has_cpu,has_memory}",
    "/sys/devices/system/node/node[0-9]*/{cpumap,cpulist,distance,meminfo}",
    # Control groups: of version 2, and of version 1 with its links.
    "/sys/fs/cgroup/{,job/,job/step/}{cgroup,cpu,cpuset,memory,pids}.*",
    "/sys/fs/cgroup/{cpu,cpuacct}",
    "/sys/fs/cgroup/{cpu,cpuacct,cpuset,memory,pids}/{,job/,job/step/}"
    "{cgroup,cpu,cpuset,memory,pids}.*",
]


def alternatives(pattern):
    """Braces as in a shell, not nested."""
    match = re.search(r"\{([^}]*)\}", pattern)
    if not match:
        return [pattern]
    return [one for word in match[1].split(",")
            for one in alternatives(pattern[:match.start()] + word + pattern[match.end():])]


def files(pids):
    for pid in pids:
        for task in [f"/proc/{pid}", *glob.glob(f"/proc/{pid}/task/*")]:
            yield from (f"{task}/{name}" for name in TASK)
        yield from (f"/proc/{pid}/{name}" for name in PROCESS)
    for pattern in SYSTEM:
        for one in alternatives(pattern):
            # The files of cpu,cpuacct belong where they are mounted, not under the links.
            yield from map(resolved, glob.glob(one))


def resolved(path):
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def content(path):
    with open(path, "rb") as file:
        data = file.read()
    if path == "/proc/cpuinfo":
        data = re.sub(rb"(?m)^(flags|bugs|vmx flags)\b.*\n", b"", data)
    # What the tests were started with is nobody's business.
    if path.endswith("/environ") and b"OMP_NUM_THREADS=" not in data[:16]:
        data = b""
    return data


def pack(archive, main, pids):
    with gzip.GzipFile(archive, "wb", mtime=0) as out, tarfile.open(fileobj=out, mode="w") as tar:
        link = tarfile.TarInfo("proc/self")
        link.type, link.linkname = tarfile.SYMTYPE, main
        tar.addfile(link)
        for path in sorted(set(files(pids))):
            entry = tarfile.TarInfo(path[1:])
            if os.path.islink(path):
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(entry)
                continue
            try:
                data = content(path)
            except OSError:
                continue
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


if __name__ == "__main__":
    pack(sys.argv[1], sys.argv[2], sys.argv[2:])
