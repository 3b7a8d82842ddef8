"""K11: pi by throwing darts with a loop that numba compiles, in a pool. Every worker
compiles it once, which takes as long on any number of workers: the speedup stays
below the number of workers (documented: 12.8 s alone, 5.8 s on four).

usage: k11_numba_pi.py [darts, default 40000000] [--serial]

--serial also times the same darts in this process, and prints the speedup.
"""
import multiprocessing as mp
import os
import sys
import time

import numba
import numpy as np


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


@numba.njit
def hit_count(darts, seed):
    np.random.seed(seed)
    hits = 0
    for _ in range(darts):
        x, y = np.random.random(), np.random.random()
        if x * x + y * y < 1.0:
            hits += 1
    return hits


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--serial"]
    darts = int(arguments[0]) if arguments else 40_000_000
    workers = pool_size()
    tasks = [(darts // workers, seed) for seed in range(workers)]
    start = time.perf_counter()
    with mp.Pool(workers) as pool:
        hits = pool.starmap(hit_count, tasks, chunksize=1)
    parallel = time.perf_counter() - start
    print("pi", 4.0 * sum(hits) / (darts // workers * workers))
    print(f"parallel {parallel:.2f} s on {workers} workers")
    if "--serial" in sys.argv:
        start = time.perf_counter()
        assert [hit_count(*task) for task in tasks] == hits
        serial = time.perf_counter() - start
        print(f"serial {serial:.2f} s, speedup {serial / parallel:.2f}")
