"""Ends by force on a real Slurm cluster of three nodes: what the others recorded is whole, the
report names what is missing, and nothing of forksight stays on any node."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import Cluster, words

RUN = [h.FORKSIGHT, "run", "-o"]
# Each rank has a worker; both wait until they are killed.
TASK = ["sh", "-c", "sleep 321 & echo up; wait"]
FORMS = {
    "outer": lambda name: words(*RUN, name, "--", "srun", "-N3", "-n3", *TASK),
    "inner": lambda name: words("srun", "-N3", "-n3", *RUN, name, "--", *TASK),
}


def start(cluster, form, name):
    """A job that is up on all nodes; returns its number."""
    job = cluster.sbatch(FORMS[form](name), "-N3", "-n3")
    for node in cluster.names:
        h.wait_until(lambda node=node: cluster.processes(node, "sleep 321"), f"{name} on {node}")
    h.wait_until(lambda: cluster.output(job).count("up") == 3, f"{name} to be up")
    return job


def report(cluster, name):
    result = cluster.run(h.FORKSIGHT, "report", cluster.shared / name)
    h.equal(result.status, 0, f"status of report\n{result}")
    return result.stdout


def segments(cluster, node):
    return [name for name in cluster.files(node) if "forksight" in name and
            not name.endswith(".lock")]


def expect_gone(cluster, nodes=None):
    for node in nodes or cluster.names:
        h.wait_until(lambda node=node: not cluster.processes(node, "forksight"),
                     f"forksight to leave {node}")
        h.equal(segments(cluster, node), [], f"left in /dev/shm of {node}")


def expect_whole(text, what, nodes=("n1", "n2", "n3")):
    for node in nodes:
        h.check(re.search(rf"^{node} ", text, re.M), f"{what}: no row of {node}\n{text}")
    h.check("3/3 ranks" in text, f"{what}: ranks\n{text}")


def by_scancel(cluster, job):
    cluster.cancel(job)


def by_time_limit(cluster, job):
    # As at the end of the time that was asked for, which nobody wants to wait for.
    result = cluster.run("scontrol", "update", f"JobId={job}", "EndTime=now")
    h.equal(result.status, 0, f"{result}")


def by_kill_of_a_rank(cluster, _job):
    rank = [p for p in cluster.processes("n2", "sleep 321") if p.name == "sh"]
    h.check(rank, f"no rank on n2: {cluster.processes('n2')}")
    # The innermost: forksight run has the command in its command line, too.
    cluster.kill(rank[-1])


ENDS = {"scancel": by_scancel, "time-limit": by_time_limit, "killed-rank": by_kill_of_a_rank}


def test_ends(form):
    def test(_folder):
        with Cluster(3) as cluster:
            for end, act in ENDS.items():
                if end == "time-limit" and form == "inner":
                    continue  # Slurm looks at limits twice a minute; the signals are scancel's
                name = f"{form}-{end}"
                job = start(cluster, form, name)
                act(cluster, job)
                if end == "killed-rank":
                    h.wait_until(lambda: not cluster.processes("n2", "sleep 321") or
                                 len([p for p in cluster.processes("n2", "sleep 321")
                                      if p.name == "sh"]) == 0, "the rank to die")
                    # Nobody's child any more: Slurm's process tracking loses it, without us, too.
                    for orphan in cluster.processes("n2", "sleep 321"):
                        if orphan.name == "sleep":
                            cluster.kill(orphan)
                    cluster.cancel(job)
                cluster.wait(job)
                h.wait_until(lambda: (cluster.shared / name / "meta.json").exists(), name)
                expect_gone(cluster)
                text = report(cluster, name)
                expect_whole(text, name)
                h.check("no record of" not in text, f"{name}: a node is missing\n{text}")
    return test


for form in FORMS:
    h.add(f"the-record-is-whole-after-scancel-time-limit-and-kill-{form}", test_ends(form))


@h.test
def a_killed_collector_and_a_killed_node_are_named_and_swept(_folder):
    with Cluster(3) as cluster:
        # The collector of n2, in the middle of the job.
        job = start(cluster, "inner", "collector")
        for process in cluster.processes("n2", "forksight-collector"):
            cluster.kill(process)
        cluster.cancel(job)
        cluster.wait(job)
        expect_gone(cluster)
        expect_whole(report(cluster, "collector"), "killed collector")

        # All of a step on n3 at once, as when a node dies. A collector that outlives its tasks
        # would tidy up.
        job = start(cluster, "inner", "node")
        collectors = cluster.processes("n3", "forksight-collector")
        cluster.kill(*collectors, *reversed(cluster.processes("n3")))
        h.check(segments(cluster, "n3"), "nothing was left on n3: the test shows nothing")
        cluster.cancel(job)
        cluster.wait(job)
        expect_gone(cluster, ["n1", "n2"])
        text = report(cluster, "node")
        for node in ("n1", "n2"):
            h.check(re.search(rf"^{node} ", text, re.M), f"no row of {node}\n{text}")
        h.check("incomplete" in text and "no record of 1 node (n3)" in " ".join(text.split()),
                f"n3 is not named\n{text}")

        # The user's next run there removes what the killed one left.
        result = cluster.run("srun", "-w", "n3", "-n1", *RUN, "next", "--", "/bin/true")
        h.equal(result.status, 0, f"status\n{result}")
        expect_gone(cluster)


def kill_tasks(cluster, node):
    """Nobody's child any more: Slurm does not end them, without forksight, too."""
    for process in reversed(cluster.processes(node, "sleep 321")):
        if process.name in ("sh", "sleep"):
            cluster.kill(process)


def is_n3_alone_missing(text):
    """Of n1 and n2 all is there, and n3 is named as the one that is not whole."""
    named = re.search(r"incomplete.*(collector of n3 never finished|no record of 1 node \(n3\))",
                      " ".join(text.split()))
    return named and all(re.search(rf"^{node} ", text, re.M) for node in ("n1", "n2"))


@h.test
def a_killed_slurmstepd_leaves_the_other_nodes_whole(_folder):
    with Cluster(3) as cluster:
        for form in FORMS:
            name = f"{form}-stepd"
            job = start(cluster, form, name)
            for daemon in cluster.processes("n3", "slurmstepd"):
                cluster.kill(daemon)
            h.wait_until(lambda: not cluster.processes("n3", "slurmstepd"), "the daemon to die")
            # Without it srun waits for ever, without forksight, too.
            cluster.cancel(job)
            cluster.wait(job)
            # The collectors of the others may still be about to write.
            page = [h.FORKSIGHT, "report", cluster.shared / name]
            h.wait_until(lambda page=page: is_n3_alone_missing(cluster.run(*page).stdout),
                         f"{name} without n3")
            if form == "outer":
                # Its tasks end late: their record is whole all the same.
                kill_tasks(cluster, "n3")
                expect_gone(cluster)
                text = report(cluster, name)
                expect_whole(text, name)
                h.check("Data      complete" in text, f"{name}: after all have ended\n{text}")
                continue
            expect_gone(cluster, ["n1", "n2"])
            # The collector dies as well: the user's next run there tidies up.
            for process in cluster.processes("n3", "forksight-collector"):
                cluster.kill(process)
            for process in cluster.processes("n3", "forksight run"):
                cluster.kill(process)
            kill_tasks(cluster, "n3")
            h.wait_until(lambda: not cluster.processes("n3"), "all of it on n3 to end")
            h.check(segments(cluster, "n3"), "nothing was left on n3: the test shows nothing")
            result = cluster.run("srun", "-w", "n3", "-n1", *RUN, "tidy", "--", "/bin/true")
            h.equal(result.status, 0, f"status\n{result}")
            expect_gone(cluster)
            expect_whole(report(cluster, name), name)


h.main(lane="waits")
