"""The tests' own Slurm cluster: nodes of their own, and nothing is left of it."""
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import SCRIPT, Cluster


@h.test
def nodes_have_names_processes_and_memory_of_their_own(_folder):
    with Cluster(3) as cluster:
        base, roots = cluster.base, list(cluster.roots.values())
        result = cluster.batch('srun sh -c \'hostname >/dev/shm/mark; cat /dev/shm/mark; pwd\'\n'
                               "echo late >&2; exit 3\n", "-N3")
        h.equal(result.status, 3, f"status\n{result}")
        h.equal(sorted(result.stdout.split()), sorted(["n1", "n2", "n3"] + [str(cluster.shared)] * 3),
                f"hosts, and the folder they share\n{result}")
        h.equal(result.stderr, "late\n", "stderr")
        for node in cluster.names:
            h.equal(cluster.files(node), ["mark"], f"/dev/shm of {node}")
        h.wait_until(lambda: not cluster.processes("n1"), "the end of the job's last process")

        job = cluster.sbatch("srun sleep 98", "-N2", "-w", "n2,n3")
        h.wait_until(lambda: cluster.processes("n3", "sleep 98"), "the step on n3")
        h.equal([p.name for p in cluster.processes("n1")], [], "processes of n1")
        cluster.cancel(job)
        cluster.wait(job)
        h.equal(cluster.state(job), "CANCELLED", "state")
    h.check(not base.exists(), f"{base} is still there")
    h.check(not any(map(h.alive, roots)), "nodes live on")


@h.test
def a_killed_cluster_leaves_nothing(_folder):
    with Cluster(1):  # one that runs beside it
        process = subprocess.Popen([SCRIPT, "-n", "1", "sh", "-c", "echo $CLUSTER; sleep 97; true"],
                                   stdout=subprocess.PIPE, text=True, env=h.environment())
        base = Path(process.stdout.readline().strip())
        root = int((base / "n1.pid").read_text())
        process.send_signal(signal.SIGTERM)
        h.equal(process.wait(), 143, "status")
        process.stdout.close()
    h.check(not base.exists(), "a folder is left")
    h.wait_until(lambda: not h.alive(root), "the end of the killed node")  # the kernel ends the rest of it first


h.main(lane="waits")
