"""K3, faulty: the pool is sized by os.cpu_count(), which counts the CPUs of the
machine and not those that the job may use.

usage: k3_darts_pi_cpu_count.py [throws, default 20000000]

To expect, in a job that has fewer CPUs than the machine: OVS-02 (cause cpu_count).
"""
import os
import random
import sys
from multiprocessing import Pool


def darts_in_circle(throws):
    inside = 0
    for _ in range(throws):
        x, y = random.random(), random.random()
        if x * x + y * y <= 1.0:
            inside += 1
    return inside


if __name__ == "__main__":
    throws = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    workers = os.cpu_count()
    each, remainder = divmod(throws, workers)
    shares = [each + 1] * remainder + [each] * (workers - remainder)
    with Pool(processes=workers) as pool:
        inside = pool.map(darts_in_circle, shares)
    print(4.0 * sum(inside) / throws)
