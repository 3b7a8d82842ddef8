"""K4: pi by counting hits; every worker gets the same number of trials, the last
one also the remainder (500 trials on 8 workers: seven times 62, once 66).

usage: k4_hits_pi.py [trials, default 1000000] [repetitions, default 1]

The standard library's generator, which reseeds in a forked child. To expect: no
finding (66 against 62 is no imbalance).
"""
import multiprocessing as mp
import os
import random
import sys


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def hit_count(trials):
    hits = 0
    for _ in range(trials):
        if random.random() ** 2 + random.random() ** 2 < 1.0:
            hits += 1
    return hits


def parallel_pi(trials, workers):
    each = trials // workers
    shares = [each] * (workers - 1) + [trials - each * (workers - 1)]
    with mp.Pool(workers) as pool:
        hits = pool.map(hit_count, shares)
    return 4.0 * sum(hits) / trials


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        print(parallel_pi(trials, pool_size()))
