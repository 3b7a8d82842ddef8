"""K4, faulty: pi by counting hits with numpy's global generator. The workers
inherit its state through fork, so all of them draw the same numbers.

usage: k4_hits_pi_numpy.py [trials, default 1000000]

Prints each worker's hits: they are equal. To expect: FRK-10 (identical random
streams).
"""
import multiprocessing as mp
import os
import sys

import numpy.random as rng


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def hit_count(trials):
    hits = 0
    for _ in range(trials):
        if rng.random() ** 2 + rng.random() ** 2 < 1.0:
            hits += 1
    return hits


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    workers = pool_size()
    with mp.Pool(workers) as pool:
        hits = pool.map(hit_count, [trials // workers] * workers, chunksize=1)
    print("hits", hits)
    print(4.0 * sum(hits) / (trials // workers * workers))
