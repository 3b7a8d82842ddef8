"""A Pool whose workers compute, one task each.

usage: busy_pool.py [millions of steps of a task, default 30]

NUM_PROCS sets the number of workers, default 4. With LOAD the libraries that it
names (comma-separated) are loaded first, as an import would.
"""
import ctypes
import os
import sys
from multiprocessing import Pool


def compute(steps):
    total = 0
    for i in range(steps):
        total += i * i
    return total


def main():
    for library in filter(None, os.environ.get("LOAD", "").split(",")):
        ctypes.CDLL(library)
    workers = int(os.environ.get("NUM_PROCS", 4))
    steps = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 30_000_000
    with Pool(workers) as pool:
        print(len(pool.map(compute, [steps] * workers, chunksize=1)))


if __name__ == "__main__":
    main()
