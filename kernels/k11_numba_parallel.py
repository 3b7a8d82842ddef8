"""K11, faulty: the darts of K11 in a loop that numba also runs on threads. The parent
tries it first, and libgomp's threads do not come along through the fork: numba ends
every worker that runs the loop, and the pool waits for results that never come.

usage: k11_numba_parallel.py [darts, default 2000000]

To expect: FRK-07 (libgomp before and after fork). NUMBA_THREADING_LAYER=forksafe starts
anew in the child; with NUMBA_NUM_THREADS=1 besides, the workers fit.
"""
import multiprocessing as mp
import os
import sys

import numba
import numpy as np

PATIENCE = 8  # seconds; a program without a limit would wait for ever


@numba.njit(parallel=True)
def hit_count(darts):
    hits = 0
    for _ in numba.prange(darts):
        x, y = np.random.random(), np.random.random()
        if x * x + y * y < 1.0:
            hits += 1
    return hits


def main():
    darts = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    workers = int(os.environ.get("NUM_PROCS", 2))
    print("tried", 4.0 * hit_count(darts) / darts)
    with mp.Pool(workers) as pool:
        result = pool.map_async(hit_count, [darts // workers] * workers, chunksize=1)
        result.wait(PATIENCE)
        print("pi", 4.0 * sum(result.get()) / darts if result.ready() else "was never computed")


if __name__ == "__main__":
    main()
