"""K2: the ways to hand work to a Pool: map, map_async, starmap, apply, apply_async.

Squares and cubes of 1 to 10; the pool is closed and joined. To expect: no finding.
"""
import os
from multiprocessing import Pool


def pool_size():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def square(x):
    return x * x


def power(x, y):
    return x**y


if __name__ == "__main__":
    pool = Pool(processes=pool_size())
    print("map", pool.map(square, range(1, 11)))
    pending = pool.map_async(square, range(1, 11))
    print("map_async", pending.get())
    print("starmap", pool.starmap(power, [(x, 3) for x in range(1, 11)]))
    print("apply", [pool.apply(power, (x, 3)) for x in range(1, 11)])
    results = [pool.apply_async(power, (x, 3)) for x in range(1, 11)]
    print("apply_async", [result.get() for result in results])
    pool.close()
    pool.join()
