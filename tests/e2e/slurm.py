"""Jobs on a real Slurm cluster of three nodes: the forms of launching give one record each, and
the same verdict; what the user set for tasks still holds."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
from cluster import Cluster, words

RUN = [h.FORKSIGHT, "run", "-o"]


def kernel(mpi):
    """With Open MPI ranks fork while MPI is in use. With MPICH on several nodes such a program
    hangs now and then, bare as well: there ranks only say who they are."""
    return [h.BUILD / "kernels" / f"k10_fork.{mpi}", "after"] if mpi == "openmpi" else \
        [h.BUILD / "kernels" / f"k7_rank_hello.{mpi}"]


# A step of srun, and mpirun of two MPIs in a batch job of three nodes; forksight in front of
# the launcher, and as each of its tasks.
SRUN = ["srun", "--mpi=pmix", "-N3", "-n6"]
FORMS = {
    "outer-srun": lambda c: c.run(*RUN, "outer-srun", "--", *SRUN, *kernel("openmpi")),
    "inner-srun": lambda c: c.run(*SRUN, *RUN, "inner-srun", "--", *kernel("openmpi")),
    **{f"outer-{mpi}": lambda c, mpi=mpi: c.batch(
        words(*RUN, f"outer-{mpi}", "--", f"mpirun.{mpi}", "-n", "6", *kernel(mpi)), "-N3", "-n6")
       for mpi in ("openmpi", "mpich")},
    **{f"inner-{mpi}": lambda c, mpi=mpi: c.batch(
        words(f"mpirun.{mpi}", "-n", "6", *RUN, f"inner-{mpi}", "--", *kernel(mpi)), "-N3", "-n6")
       for mpi in ("openmpi", "mpich")},
}


def expect_nothing_left(cluster, hosts=None):
    for node in hosts or cluster.names:
        h.wait_until(lambda: not cluster.processes(node, "forksight"), f"collectors of {node} to end")
        files = [name for name in cluster.files(node) if "forksight" in name and
                 not name.endswith(".lock")]
        h.equal(files, [], f"left in /dev/shm of {node}")


def report(cluster, directory, *options):
    result = cluster.run(h.FORKSIGHT, "report", *options, cluster.shared / directory)
    h.equal(result.status, 0, f"status of report\n{result}")
    return result.stdout


@h.test
def frk_01_fires_in_every_form_for_every_rank(_folder):
    """The forms give the same findings, and count every rank and worker on its node."""
    h.need_tool("mpirun.openmpi", "mpirun.mpich")
    found = {}
    with Cluster(3) as cluster:
        for form, launch in FORMS.items():
            result = launch(cluster)
            h.equal(result.status, 0, f"{form}: status\n{result}")
            lines = re.findall(r"^pi 3\.|^Hello from rank \d of 6", result.stdout, re.M)
            h.equal(len(lines), 6 if "mpich" in form else 1, f"{form}: stdout\n{result}")
            text = report(cluster, form)
            h.check(re.search(r"complete: (\d+)/\1 processes, 6/6 ranks", text), f"{form}\n{text}")
            for node, ranks in (("n1", "0-1"), ("n2", "2-3"), ("n3", "4-5")):
                h.check(re.search(rf"^{node} .* {ranks} ", text, re.M),
                        f"{form}: ranks {ranks} are not on {node}\n{text}")
            h.check("exit status 0" in " ".join(text.split()), f"{form}: end\n{text}")
            h.check_screen(text)
            title = h.section(text, "FRK-01").splitlines()[:1]
            h.check("mpich" in form or (title and "12 of 12 children, 3 of 3 nodes" in title[0]),
                    f"{form}\n{text}")
            found[form] = sorted(set(h.findings(text)) - h.folded(text))
            expect_nothing_left(cluster)
    h.equal(found, {form: [] if "mpich" in form else ["FRK-01"] for form in FORMS}, "findings")


@h.test
@h.waits
def users_prolog_and_epilog_run_and_export_is_told(_folder):
    """Both are Slurm's own, the variables' and the options'; stdout of the prolog sets variables."""
    with Cluster(2) as cluster:
        for name in ("prolog", "epilog"):
            file = cluster.shared / name
            file.write_text(f"#!/bin/sh\necho $SLURM_PROCID >>{cluster.shared}/{name}.$(hostname)\n"
                            "echo export GIVEN=by the prolog\n")
            file.chmod(0o755)
        own = cluster.environment(SLURM_TASK_PROLOG=cluster.shared / "prolog",
                                  SLURM_TASK_EPILOG=cluster.shared / "epilog")
        task = ["/bin/sh", "-c", 'echo "$SLURM_PROCID $GIVEN $ONLY"; /bin/sleep 0.1; exit 0']
        job = [*RUN, "own", "--", "srun", "-N2", "-n2", *task]
        result = cluster.run(*job, env=own)
        h.equal(result.status, 0, f"status\n{result}")
        h.equal(sorted(result.stdout.splitlines()),
                ["0 by the prolog ", "1 by the prolog "], f"stdout\n{result}")
        for name in ("prolog", "epilog"):
            for rank, node in enumerate(cluster.names):
                file = cluster.shared / f"{name}.{node}"
                h.wait_until(file.exists, f"the user's {name} on {node}")
                h.equal(file.read_text(), f"{rank}\n", f"calls of the user's {name} on {node}")
        h.check("2/2 ranks" in result.report and "complete" in result.report, f"{result}")

        for directory, export in (("none", "NONE"), ("one", "ONLY=7")):
            result = cluster.run(*RUN, directory, "--", "srun", f"--export={export}", "-N2", "-n2", *task)
            h.equal(result.status, 0, f"status\n{result}")
            expected = "7" if export != "NONE" else ""
            h.equal({line.split(" ")[2] for line in result.stdout.splitlines()}, {expected},
                    f"--export={export}\n{result}")
            h.check("2/2 ranks" in result.report, f"--export={export}\n{result}")
            h.check("--export kept the variables of the job from 2 tasks" in
                    " ".join(result.report.split()), f"--export={export} is not told\n{result}")
        # Two steps of one script are not four nodes.
        step = words("srun", "-N2", "-n2", *task)
        result = cluster.batch(words(*RUN, "steps", "--", "sh", "-c", step + step), "-N2", "-n2")
        h.equal(result.status, 0, f"status\n{result}")
        h.check(re.search(r"^forksight \S+  job \d+  .*  2 nodes  2 steps  4 ranks ", result.report,
                          re.M), f"{result}")
        for row in ("n1.0-1 ", "n2.0 ", "n2.1 "):
            h.check(re.search(f"^{re.escape(row)}", result.report, re.M), f"no row {row}\n{result}")

        # How the command ended is known where it was started, not where its tasks were.
        result = cluster.run(*RUN, "ended", "--", "salloc", "-Q", "-N2", "sh", "-c",
                             "srun -n2 /bin/true; exit 3")
        h.equal(result.status, 3, f"status\n{result}")
        h.check("exit status 3" in result.report and "2/2 ranks" in result.report, f"{result}")

        # Who only asks starts no task: nothing is missing.
        for number, question in enumerate((["srun", "--version"], ["srun", "--help"], ["sinfo"],
                                           ["squeue"])):
            result = cluster.run(*RUN, f"question-{number}", "--", *question)
            h.equal(result.status, 0, f"status\n{result}")
            h.check(re.search(r"complete: (\d+)/\1 processes", result.report), f"{result}")
        expect_nothing_left(cluster)


h.main()
