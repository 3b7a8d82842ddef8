"""Jobs that follow the documentation: no finding, and a count of the rules that passed."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h


def clean(command, folder, *passed, **keywords):
    """The result of the command, of which the rules named must say that they passed."""
    result = h.under_forksight(command, cwd=folder, **keywords)
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_clean(result, *passed)
    return result


@h.test
def pool_that_fits(folder):
    h.need_cpus(2)
    clean([h.PYTHON, h.KERNELS / "k3_darts_pi.py", "40000000"], folder, "AFF-01", "OVS-02",
          env=h.environment(NUM_PROCS=2))


@h.test
def pool_that_fits_by_affinity(folder):
    clean([h.PYTHON, h.KERNELS / "k3_darts_pi.py", "20000000"], folder, "OVS-08", "PRC-03",
          outer=["taskset", "-c", "0"])


@h.test
def executor_and_spawned_pool_that_fit(folder):
    h.need_cpus(2)
    (folder / "two.py").write_text(
        "import multiprocessing as mp\n"
        "from concurrent.futures import ProcessPoolExecutor\n\n\n"
        "def work(n):\n    return sum(i * i for i in range(n))\n\n\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(2) as pool:\n"
        "        print(len(list(pool.map(work, [15_000_000] * 4))))\n"
        "    with mp.get_context('spawn').Pool(2) as pool:\n"
        "        print(len(pool.map(work, [15_000_000] * 4, chunksize=1)))\n")
    clean([h.PYTHON, "two.py"], folder, "AFF-01", "OVS-02")


@h.test
def short_static_helper(folder):
    """To find a library ctypes runs the static ldconfig: nothing is missing for that."""
    result = clean([h.PYTHON, "-c", "import ctypes.util; print(ctypes.util.find_library('c'))"],
                   folder, "PRC-03")
    h.check("complete: 2/2 processes" in result.stderr, f"not complete\n{result}")
    h.check("1 short-lived process not entered (ldconfig)" in result.stderr, f"not named\n{result}")


@h.test
def main_process_whose_fork_waited_for_a_cpu(folder):
    """It began long after forksight took the time of its fork, and is the main process still."""
    h.need_tool("strace", "busybox")
    forks = "clone,clone3,fork,vfork"
    late = ["strace", "-o", folder / "trace", "-e", f"trace={forks}", "-e",
            f"inject={forks}:delay_enter=200000"]
    result = h.under_forksight(["busybox", "sh", "-c", "busybox sleep 0.3; echo $?"], outer=late,
                               cwd=folder)
    h.equal((result.status, result.stdout), (0, "0\n"), f"{result}")
    h.check("2/2 processes" in result.report, f"its child was not seen\n{result}")


@h.test
def serial_script(folder):
    clean([h.PYTHON, "-c", "print(sum(i * i for i in range(30_000_000)))"], folder, "PRC-03", "MEM-02")


@h.test
def make_with_two_jobs(folder):
    h.need_cpus(2)
    h.need_tool("make", "cc")
    for number in range(8):
        body = "".join(f"double f{number}_{i}(double x) {{ double s = 0;\n"
                       f"  for (int k = 0; k < 100; k++) s += x * k / ({i} + 1.0 + s * s);\n"
                       "  return s; }\n" for i in range(150))
        (folder / f"part{number}.c").write_text(body)
    (folder / "main.c").write_text("double f0_0(double); int main(void) { return f0_0(0) > 1; }\n")
    (folder / "Makefile").write_text(
        "parts := $(patsubst %.c,%.o,$(wildcard *.c))\nprogram: $(parts)\n\t$(CC) -o $@ $^\n"
        "%.o: %.c\n\t$(CC) -O2 -c -o $@ $<\n")
    result = clean(["make", "-j2"], folder, "OVS-08", "PRC-03")
    h.check((folder / "program").exists(), f"not built\n{result}")
    h.expect_outcome(result, "na", "OVS-02")  # make's children compute in a child each


@h.test
def pipeline_in_bash(folder):
    script = ("seq 1 400000 | sed 's/1/one/g' | grep -v two | sort | uniq -c | awk '{n += $1} "
              "END {print n}'; for i in 1 2 3; do (echo $i | tr 1-3 a-c) & done; wait")
    result = clean(["bash", "-c", script], folder, "OVS-08", "PRC-03")
    h.check(result.stdout.startswith("400000\n"), f"output\n{result}")


@h.test
def server_with_fifty_idle_threads(folder):
    clean([h.PYTHON, h.PROGRAMS / "idle_server.py"], folder, "OVS-08")


@h.test
def program_that_makes_no_process(folder):
    clean(["true"], folder, "PRC-03")


@h.test
def input_and_output_bound_workers(folder):
    """They compute a little with each piece, enough in all to be looked at."""
    (folder / "wait.py").write_text(
        "import os, time\nfrom multiprocessing import Pool\n\n\n"
        "def fetch(number):\n    for _ in range(25):\n        time.sleep(0.02)\n"
        "        sum(range(20_000))\n    return number\n\n\n"
        "if __name__ == '__main__':\n    with Pool(16) as pool:\n"
        "        print(len(pool.map(fetch, range(96), chunksize=1)))\n")
    clean([h.PYTHON, "wait.py"], folder, "OVS-02", "FRK-06")


@h.test
def daemon_with_its_own_session(folder):
    script = "setsid -f sleep 3 </dev/null >/dev/null 2>&1; echo started"
    result = clean(["sh", "-c", script], folder, "PRC-06")
    h.equal(result.stdout, "started\n", "output")


@h.test
def report_reads_the_same_as_the_run_printed(folder):
    result = h.under_forksight([h.PYTHON, "-c", "pass"], cwd=folder)
    again = h.execute([h.FORKSIGHT, "report", folder / "job"], cwd=folder)
    h.equal(again.status, 0, f"status\n{again}")
    h.equal(again.stdout, result.report, "report")


if __name__ == "__main__":
    h.main()
