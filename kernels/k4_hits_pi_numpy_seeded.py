"""K4: pi by counting hits with numpy, each task with a generator of its own. The
seeds are spawned from one, so the run can be repeated, with any number of workers.

usage: k4_hits_pi_numpy_seeded.py [trials, default 1000000]

Prints each task's hits: they differ. The good twin of k4_hits_pi_numpy.py.
"""
import multiprocessing as mp
import os
import sys

import numpy as np


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def hit_count(trials, seed):
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(trials):
        if rng.random() ** 2 + rng.random() ** 2 < 1.0:
            hits += 1
    return hits


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    workers = pool_size()
    seeds = np.random.SeedSequence(2026).spawn(workers)
    with mp.Pool(workers) as pool:
        hits = pool.starmap(hit_count, [(trials // workers, seed) for seed in seeds], chunksize=1)
    print("hits", hits)
    print(4.0 * sum(hits) / (trials // workers * workers))
