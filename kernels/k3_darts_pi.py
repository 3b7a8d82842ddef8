"""K3: pi by throwing darts, the throws dealt out evenly, the remainder spread.

usage: k3_darts_pi.py [throws, default 1000000] [--serial]

NUM_PROCS sets the number of workers, then SLURM_CPUS_PER_TASK, else the CPUs that
the process may use. --serial also times one process. To expect: no finding when
the workers fit the CPUs; AFF-01 with NUM_PROCS=4 under `taskset -c 0`.
"""
import os
import random
import sys
import time
from multiprocessing import Pool


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def deal(throws, workers):
    each, remainder = divmod(throws, workers)
    return [each + 1] * remainder + [each] * (workers - remainder)


def darts_in_circle(throws):
    inside = 0
    for _ in range(throws):
        x, y = random.random(), random.random()
        if x * x + y * y <= 1.0:
            inside += 1
    return inside


def parallel_pi(throws, workers):
    shares = deal(throws, workers)
    print("Points:", shares, flush=True)
    with Pool(processes=workers) as pool:
        inside = pool.map(darts_in_circle, shares)
    return 4.0 * sum(inside) / throws


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--serial"]
    throws = int(arguments[0]) if arguments else 1_000_000
    workers = pool_size()
    print(f"ncpus={workers}")
    start = time.perf_counter()
    print(parallel_pi(throws, workers))
    print(f"Parallel time on {workers} cores: {time.perf_counter() - start:.4f}")
    if "--serial" in sys.argv:
        start = time.perf_counter()
        print(4.0 * darts_in_circle(throws) / throws)
        print(f"Serial time: {time.perf_counter() - start:.4f}")
