"""Programs in a container, of which a root directory of their own is the stand-in: they run as
bare, and are recorded or named with what their container lacks."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import Cluster, words

# The programs of this machine in another root directory, in a mount namespace; then each
# folder that is named, up to a word --, and the command.
ENTER = """set -e
root=$1; shift
for name in bin lib lib64; do ln -sfn usr/$name "$root/$name"; done
mkdir -p "$root/usr" "$root/proc" "$root/dev/shm"
mount --bind /usr "$root/usr"
mount --rbind /proc "$root/proc"
mount -t tmpfs shm "$root/dev/shm"
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --rbind "$1" "$root$1"; shift; done
shift
exec $CHROOT "$root" "$@"
"""
POOL = """import multiprocessing, time
def burn(_):
    end = time.process_time() + 0.3
    while time.process_time() < end:
        sum(range(1000))
with multiprocessing.Pool(2) as pool:
    pool.map(burn, range(2), chunksize=1)
print("pooled")
"""


def enter(folder, bound=()):
    """The words that begin a command in the container."""
    h.need_root()
    h.need_tool("unshare", "chroot", "busybox")
    root = folder / "root"
    root.mkdir(exist_ok=True)
    (root / "pool.py").write_text(POOL)
    (folder / "enter.sh").write_text(ENTER)
    words = ["unshare", "-m", "sh", folder / "enter.sh", root, *bound, "--"]
    if h.execute([*words, "true"], env=h.environment(CHROOT="chroot")).status != 0:
        raise h.Skip("no mount namespaces here")
    return words


def in_container(folder, bound, *command, options=(), chroot="busybox chroot"):
    """A static program opens the container, as most of them do, unless told otherwise."""
    result = h.under_forksight([*enter(folder, bound), *command], options, cwd=folder,
                               env=h.environment(CHROOT=chroot))
    h.equal(result.status, 0, f"status\n{result}")
    h.check_screen(result.report)
    return result


def data(result):
    """What the page says of the data, in one line; a long word goes on behind a backslash."""
    text = re.search(r"^Data .*", result.report, re.M | re.S)[0]
    return " ".join(re.sub(r"\\\n\s*", "", text).split())


def unrecorded(folder, chroot, complaints):
    command = ["sh", "-c", f"{h.PYTHON} /pool.py; busybox sleep 0.4"]
    result = in_container(folder, [], *command, chroot=chroot)
    h.equal(result.stdout, "pooled\n", "stdout")
    # The container's own loader says that, of each program that it starts.
    said = re.findall(r"^ERROR: ld.so: object '(.*)' from LD_PRELOAD cannot be preloaded",
                      result.stderr, re.M)
    h.equal(said, [str(h.BUILD / "libforksight.so")] * complaints, f"the loader says\n{result}")
    text = data(result)
    h.check("incomplete" in text, text)
    h.check(re.search(r"\d in another root directory \(\S+\)", text), text)
    h.check(re.search(r"\d statically linked \(busybox\)", text), text)
    h.check("their container lacks " in text and "libforksight.so; bind it:" in text, text)
    h.check(f"export APPTAINER_BIND={h.BUILD},/dev/shm" in text, text)


@h.test
def without_the_preload_object_they_are_named_with_what_to_do(folder):
    unrecorded(folder, "busybox chroot", 1)  # its shell is static, too


@h.test
def where_the_recorder_saw_the_way_in_no_loader_complains(folder):
    unrecorded(folder, "chroot", 0)


@h.test
def without_the_folder_of_records_they_are_named_with_what_to_do(folder):
    result = in_container(folder, [h.BUILD], h.PYTHON, "/pool.py")
    h.equal(result.stderr.count("cannot be preloaded"), 0, f"the loader is silent\n{result}")
    text = data(result)
    h.check(re.search(r"3 in another root directory \(\S+\)", text), text)
    h.check("their container lacks /dev/shm/forksight-" in text, text)
    h.check(f"export APPTAINER_BIND={h.BUILD},/dev/shm" in text, text)


@h.test
def without_the_variable_they_are_named_with_what_to_do(folder):
    # As a set-user-ID starter does, through which the loader lets no such variable pass.
    result = in_container(folder, [h.BUILD, "/dev/shm"], "env", "-u", "LD_PRELOAD",
                          "sh", "-c", "sleep 0.4; true", options=["--no-env-repair"],
                          chroot="chroot")
    text = data(result)
    h.check("their container lacks LD_PRELOAD=" in text, text)
    h.check(f"export APPTAINERENV_LD_PRELOAD={h.BUILD}/libforksight.so export" in text, text)
    h.check(f"export APPTAINER_BIND={h.BUILD},/dev/shm" in text, text)


@h.test
def with_both_folders_bound_they_are_recorded(folder):
    result = in_container(folder, [h.BUILD, "/dev/shm"], h.PYTHON, "/pool.py")
    h.equal(result.stdout, "pooled\n", "stdout")
    h.check(re.search(r"complete: (\d+)/\1 processes", data(result)), data(result))
    h.check("2 workers (fork)" in result.report, f"the pool\n{result}")


@h.test
def processes_with_numbers_of_their_own_are_nobody_elses(folder):
    """In a PID namespace the first process is 1: not the one that this machine calls so."""
    h.need_root()
    h.need_tool("unshare")
    words = ["unshare", "-p", "-f", "--mount-proc"]
    if h.execute([*words, "true"]).status != 0:
        raise h.Skip("no PID namespaces here")
    result = h.under_forksight([*words, "sh", "-c", "sleep 0.5 & sleep 0.4; wait; echo out"],
                               cwd=folder)
    h.equal((result.status, result.stdout), (0, "out\n"), f"{result}")
    h.expect_rules(result)
    counted = re.search(r"incomplete: \d+/(\d+) processes", data(result))
    h.check(counted and int(counted[1]) <= 8, data(result))


@h.test
def a_run_with_numbers_of_its_own_leaves_the_records_of_others_alone(folder):
    """It finds their folders in /dev/shm, and none of their processes in its /proc."""
    h.need_root()
    words = ["unshare", "-p", "-f", "--mount-proc"]
    if h.execute([*words, "true"]).status != 0:
        raise h.Skip("no PID namespaces here")
    script = f"touch begun; until [ -e go ]; do sleep 0.05; done; {h.PYTHON} -c 'print(1)'"
    with subprocess.Popen([h.FORKSIGHT, "run", "-o", "job", "--", "sh", "-c", script], cwd=folder,
                          env=h.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as job:
        h.wait_until((folder / "begun").exists, "the job to begin")
        other = h.execute([*words, h.FORKSIGHT, "run", "-q", "-o", "other", "--", "echo", "in"],
                          cwd=folder)
        h.equal((other.status, other.stdout), (0, "in\n"), f"{other}")
        h.execute([*words, h.FORKSIGHT, "report", "job"], cwd=folder)
        (folder / "go").touch()
        printed, page = job.communicate(timeout=h.HANG)
    h.equal((job.returncode, printed), (0, "1\n"), page)
    h.check(re.search(r"\bcomplete: (\d+)/\1 processes", page), page)
    h.check("python3" in page.partition("Tree")[2], f"who came after it\n{page}")


@h.test
def tasks_of_srun_in_containers_are_named_or_recorded(folder):
    """A container on each of two nodes, without what the recorder needs and with it."""
    enter(folder)
    with Cluster(2) as cluster:
        (cluster.shared / "enter.sh").write_text(ENTER)
        for task in "01":
            root = cluster.shared / f"root{task}"
            root.mkdir()
            (root / "pool.py").write_text(POOL)
        pages = {}
        for name, bound in ("lacking", []), ("bound", [h.BUILD, "/dev/shm"]):
            script = "exec unshare -m sh enter.sh root$SLURM_PROCID " + \
                     words(*bound, "--", h.PYTHON, "/pool.py")
            result = cluster.run(h.FORKSIGHT, "run", "-o", name, "--", "srun", "-N2", "-n2", "sh", "-c",
                                 script, env=cluster.environment(CHROOT="busybox chroot"))
            h.equal((result.status, result.stdout), (0, "pooled\n" * 2), f"{name}\n{result}")
            h.check("2/2 ranks" in result.report, f"{name}\n{result}")
            h.check_screen(result.report)
            pages[name] = data(result)
        h.check("their container lacks " in pages["lacking"] and
                f"export APPTAINER_BIND={h.BUILD},/dev/shm" in pages["lacking"], pages["lacking"])
        h.check("another root directory" not in pages["bound"], pages["bound"])
        h.check(re.search(r"\d in another root directory \(", pages["lacking"]), pages["lacking"])
        detail = [p for p in h.detail(cluster.shared / "bound") if p["birth"] == "fork"]
        h.check(len(detail) >= 4, f"workers: {detail}")


h.main()
