"""K9: matrix products in a Pool, each by a BLAS that starts threads of its own.

usage: k9_threaded_blas.py [products of a task, default 10] [matrix order, default 700]

One task for each worker. To expect: OVS-01 (workers x threads) when the thread
variables are unset; no finding with OMP_NUM_THREADS=1.
"""
import os
import sys
from multiprocessing import Pool

import numpy


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def products(task):
    seed, count, order = task
    generator = numpy.random.default_rng(seed)
    a = generator.random((order, order)) / order
    b = numpy.eye(order)
    for _ in range(count):
        b = a @ b + 1.0
    return float(numpy.trace(b))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    order = int(sys.argv[2]) if len(sys.argv) > 2 else 700
    workers = pool_size()
    with Pool(workers) as pool:
        traces = pool.map(products, [(seed, count, order) for seed in range(workers)], chunksize=1)
    print(workers, "workers", " ".join(f"{trace:.3f}" for trace in traces))
