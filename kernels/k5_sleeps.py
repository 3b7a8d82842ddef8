"""K5: five equal tasks that only sleep, on a pool of three: two rounds, in which
one worker has nothing to do in the second. 10 s each: 20 s instead of 50.

usage: k5_sleeps.py [seconds of a task, default 10]

To expect: EFF-02 (the tasks do not divide); the workers use no CPU, so no rule
about load has anything to say.
"""
import multiprocessing
import sys
import time

WORKERS, TASKS = 3, 5


def expensive(task):
    index, seconds = task
    time.sleep(seconds)
    return index


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    start = time.perf_counter()
    pool = multiprocessing.Pool(processes=WORKERS)
    print(pool.map(expensive, [(i, seconds) for i in range(TASKS)], chunksize=1))
    pool.close()
    pool.join()
    print(f"{time.perf_counter() - start:.1f} s")
