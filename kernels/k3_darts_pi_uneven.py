"""K3, faulty: integer division of the shares, and the first worker gets all that
is left over: three times as much work as any other.

usage: k3_darts_pi_uneven.py [throws, default 24000000]

To expect: EFF-01 (load imbalance).
"""
import os
import random
import sys
from multiprocessing import Pool


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def darts_in_circle(throws):
    inside = 0
    for _ in range(throws):
        x, y = random.random(), random.random()
        if x * x + y * y <= 1.0:
            inside += 1
    return inside


if __name__ == "__main__":
    throws = int(sys.argv[1]) if len(sys.argv) > 1 else 24_000_000
    workers = pool_size()
    share = throws // (workers + 2)
    shares = [throws - share * (workers - 1)] + [share] * (workers - 1)
    with Pool(processes=workers) as pool:
        inside = pool.map(darts_in_circle, shares, chunksize=1)
    print(4.0 * sum(inside) / throws)
