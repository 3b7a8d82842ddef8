"""forksight as one task of many: `mpirun -n N forksight run -- CMD` on one node, with Open MPI's
and MPICH's launcher. One record for all, and each task ends as it would have ended bare."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

LAUNCHERS = {"openmpi": ["mpirun.openmpi", "--oversubscribe"], "mpich": ["mpirun.mpich"]}
RANK = "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}"


def environment(**changes):
    return h.environment(OMPI_ALLOW_RUN_AS_ROOT=1, OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1, **changes)


def local_place(folder):
    place = folder / "local"
    place.mkdir(exist_ok=True)
    return place


def launch(folder, launcher, tasks, script, options=("-q",), directory="job"):
    """Runs a shell script as so many tasks under forksight."""
    return h.execute([*LAUNCHERS[launcher], "-n", tasks, h.FORKSIGHT, "run", "-o",
                      folder / directory, *options, "--", "sh", "-c", script],
                     cwd=folder, env=environment(FORKSIGHT_LOCAL_DIR=local_place(folder)))


def report(folder, directory="job"):
    result = h.execute([h.FORKSIGHT, "report", folder / directory], env=environment())
    h.equal(result.status, 0, f"status of report\n{result}")
    return result.stdout


def node_meta(folder):
    files = list((folder / "job").glob("*.node.json"))
    return json.loads(files[0].read_text() or "null") if files else None


def expect_nothing_left(folder):
    h.wait_until(lambda: not list(local_place(folder).iterdir()), "the segments to be removed")
    collector = node_meta(folder)["collector"]
    h.wait_until(lambda: not h.alive(collector), "the collector to end")


def each_launcher(function):
    for launcher, command in LAUNCHERS.items():
        def run(folder, launcher=launcher, command=command):
            h.need_tool(command[0])
            function(folder, launcher)
        h.add(f"{function.__name__.replace('_', '-')}-{launcher}", run)


@each_launcher
def tasks_share_one_record(folder, launcher):
    """Every task and every child of it is counted in one digest; outputs are the tasks' own."""
    result = launch(folder, launcher, 4, f"echo rank {RANK}; sleep 0.2; (exit 0)", options=())
    h.equal(result.status, 0, f"status\n{result}")
    h.equal(sorted(result.stdout.split("\n")[:-1]), [f"rank {i}" for i in range(4)], "stdout")
    told = re.findall(r"^forksight: .*", result.stderr, re.M)
    h.equal(len(told), 1, f"lines of forksight\n{result}")
    h.check(str(folder / "job") in told[0], told[0])
    text = report(folder)
    h.check(re.search(r"complete: (8|12)/\1 processes", text), text)
    h.check("1 node " in text, text)
    h.equal(len(list((folder / "job").glob("*.digest"))), 1, "digests")
    roots = [p for p in h.detail(folder / "job") if p["birth"] == "run"]
    h.equal(len(roots), 4, "tasks")
    expect_nothing_left(folder)


@each_launcher
def many_short_tasks_are_all_there(folder, launcher):
    """Tasks that end while others only come: nobody is lost, nobody makes a second record."""
    result = launch(folder, launcher, 16, "exit 0")
    h.equal(result.status, 0, f"status\n{result}")
    h.check("complete: 16/16 processes" in report(folder), "record of 16 tasks")
    expect_nothing_left(folder)


@each_launcher
def question_to_the_launcher_is_a_whole_record(folder, launcher):
    """There is no record of tasks, but nor was a task to be started."""
    result = h.under_forksight([LAUNCHERS[launcher][0], "--version"], cwd=folder,
                               env=environment(FORKSIGHT_LOCAL_DIR=local_place(folder)))
    h.equal(result.status, 0, f"status\n{result}")
    h.check(re.search(r"complete: (\d+)/\1 processes", result.report), f"{result}")


@each_launcher
def bad_exit_ends_the_launch_as_bare(folder, launcher):
    """A supervisor that waited for the others would wait for ever: they wait for the launcher."""
    script = f"[ {RANK} = 2 ] && kill -9 $$; sleep 1000"
    for _ in range(5):  # MPICH's launcher alone says 255 instead of 9 one time in twelve
        bare = h.execute([*LAUNCHERS[launcher], "-n", 4, "sh", "-c", script], cwd=folder,
                         env=environment())
        shutil.rmtree(folder / "job", ignore_errors=True)
        result = launch(folder, launcher, 4, script)
        if result.status == bare.status:
            break
    h.equal(result.status, bare.status, f"status\n{result}")
    ended = [p for p in h.detail(folder / "job") if p["birth"] == "run"]
    text = report(folder)
    h.check("1 node " in text, text)
    h.check(len(ended) <= 4, f"tasks: {ended}")
    expect_nothing_left(folder)


@each_launcher
def record_of_another_launch_is_refused(folder, launcher):
    """No task starts when the directory holds another record."""
    h.equal(launch(folder, launcher, 2, "exit 0").status, 0, "status of the first launch")
    result = launch(folder, launcher, 2, "touch started")
    h.equal(result.status, 125, f"status\n{result}")
    h.check("holds an earlier record" in result.stderr, result)
    h.check(not (folder / "started").exists(), "a task was started")


def wait_until_listed(place, tasks):
    """A task is told to the collector when it runs; the collector lists it."""
    h.wait_until(lambda: any("tasks" == f.name and len(f.read_text().splitlines()) == tasks
                             for f in place.glob("*/*")), "the tasks to be listed")


@each_launcher
def killed_collector_is_made_good(folder, launcher):
    """The last task out folds the segments that the killed collector left."""
    script = "touch up.$$; while [ ! -e go ]; do sleep 0.05; done; exit 0"
    command = [*LAUNCHERS[launcher], "-n", "2", h.FORKSIGHT, "run", "-q", "-o", folder / "job",
               "--", "sh", "-c", script]
    place = local_place(folder)
    job = subprocess.Popen([str(c) for c in command], cwd=folder, stdin=subprocess.DEVNULL,
                           env=environment(FORKSIGHT_LOCAL_DIR=place))
    try:
        h.wait_until(lambda: len(list(folder.glob("up.*"))) == 2, "both tasks")
        collector = node_meta(folder)["collector"]
        wait_until_listed(place, 2)
        h.check(b"forksight-collector" in Path(f"/proc/{collector}/cmdline").read_bytes(),
                "not the collector")
        os.kill(collector, signal.SIGKILL)
        h.wait_until(lambda: not h.alive(collector), "the collector to be gone")
        (folder / "go").touch()
        h.equal(job.wait(timeout=h.HANG), 0, "status")
    finally:
        (folder / "go").touch()
        job.wait(timeout=h.HANG)
    text = report(folder)
    h.check("recovered without the collector" in text, text)
    roots = [p for p in h.detail(folder / "job") if p["birth"] == "run"]
    h.equal(len(roots), 2, "tasks")
    expect_nothing_left(folder)


@h.test
def what_killed_tasks_left_is_removed_by_the_next_run(folder):
    """Launcher, tasks and collector die at once, as on a node that crashed; the next run of the
    user makes a record of it and removes the segments."""
    h.need_tool("mpirun.mpich")
    place = local_place(folder)
    env = environment(FORKSIGHT_LOCAL_DIR=place)
    command = ["mpirun.mpich", "-n", "2", h.FORKSIGHT, "run", "-q", "-o", folder / "job", "--",
               "sh", "-c", "touch up.$$; exec sleep 1000"]
    job = subprocess.Popen([str(c) for c in command], cwd=folder, stdin=subprocess.DEVNULL, env=env,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        h.wait_until(lambda: len(list(folder.glob("up.*"))) == 2, "both tasks")
        collector = node_meta(folder)["collector"]
        wait_until_listed(place, 2)
        os.kill(collector, signal.SIGKILL)
    finally:
        for pid in [int(f.suffix[1:]) for f in folder.glob("up.*")]:
            for victim in (int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), pid):
                os.kill(victim, signal.SIGKILL)
        job.kill()
        job.wait(timeout=h.HANG)
    h.wait_until(lambda: not any(h.alive(int(f.suffix[1:])) for f in folder.glob("up.*")), "the end")
    h.check(list(place.iterdir()), "nothing was left: not what was to be tested")
    writers = [int(f.name.split("-")[0]) for f in place.glob("*/*.seg")]
    h.wait_until(lambda: not any(map(h.alive, writers)), "the end of all who wrote")
    result = h.execute([h.FORKSIGHT, "run", "-q", "-o", folder / "next", "--", "true"], env=env)
    h.equal(result.status, 0, f"status\n{result}")
    h.equal(list(place.iterdir()), [], "what is left")
    text = report(folder)
    h.check("recovered without the collector" in text, text)


@h.test
def others_file_in_the_way_is_told(folder):
    """A lock file of somebody else is no reason to wait, and no place to write."""
    h.need_root()
    h.need_tool("mpirun.mpich")
    lock = local_place(folder) / "forksight-0.lock"
    lock.touch(mode=0o600)
    os.chown(lock, 12345, 12345)
    result = launch(folder, "mpich", 2, "touch started")
    h.equal(result.status, 125, f"status\n{result}")
    h.check("FORKSIGHT_LOCAL_DIR" in result.stderr, result)
    h.check(not (folder / "started").exists(), "a task was started")
    h.equal(lock.stat().st_uid, 12345, "owner of the lock file")


h.main(lane="waits")
