"""A job on a machine larger than this one, emulated: two sockets, 16 CPUs."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h

BIGNODE = h.ROOT / "tests" / "bignode"
BOOT_LIMIT = 800  # seconds; the emulator is 10 to 30 times slower than this machine


def on_bignode(folder, topology, *command, **environment):
    result = h.execute([BIGNODE, "-t", topology, "-o", folder, "-s", BOOT_LIMIT - 60, *command],
                       cwd=folder, env=h.environment(**environment), timeout=BOOT_LIMIT)
    if result.status == 77:
        raise h.Skip(result.stderr.strip().splitlines()[-1])
    return result


@h.test
def ovs_01_fires_threaded_numpy_in_several_workers_of_16_cpus(folder):
    h.python_path("numpy")
    # Idle threads of OpenBLAS spin, which the emulator's two real CPUs pay for: let them sleep soon.
    result = on_bignode(folder, "2:4:2", h.FORKSIGHT, "run", "-o", folder / "job", "--", h.PYTHON,
                        h.KERNELS / "k9_threaded_blas.py", "2", "200", NUM_PROCS=4,
                        OPENBLAS_THREAD_TIMEOUT=4)
    h.equal(result.status, 0, f"status\n{result}")
    h.expect_rules(result, ["OVS-01"])
    text = h.section(result.report, "OVS-01")
    product = re.search(r"(\d+) workers x (\d+)[^\n]*?= ?(\d+)[^\n]*?(\d+) CPUs", text)
    h.check(product, f"no workers x threads = total on CPUs\n{text}")
    workers, threads, total, cpus = map(int, product.groups())
    h.equal((workers, workers * threads, cpus), (4, total, 16), f"numbers\n{text}")
    h.check(threads > 4, f"not more threads than fit\n{text}")
    h.check("OPENBLAS_NUM_THREADS" in text or "OMP_NUM_THREADS" in text, f"no fix\n{text}")


if __name__ == "__main__":
    h.main()
