"""K2, faulty: a loop of Pool.apply. Each call waits for its own result, so one
worker computes at a time, whatever the size of the pool.

usage: k2_pool_blocking_apply.py [tasks, default 16] [steps of a task, default 4000000]

To expect: EFF-05 (low utilisation, concurrency 1).
"""
import os
import sys
from multiprocessing import Pool


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def sum_of_cubes(steps):
    total = 0
    for x in range(steps):
        total += x * x * x
    return total


if __name__ == "__main__":
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 4_000_000
    pool = Pool(processes=pool_size())
    results = [pool.apply(sum_of_cubes, (steps,)) for _ in range(tasks)]
    pool.close()
    pool.join()
    print(len(results), "equal results:", len(set(results)) == 1)
