"""K1: a Process for each number says hello; the order of the lines is anybody's.

Every process is joined. To expect: no finding.
"""
import os
from multiprocessing import Process


def process_count():
    for name in ("NUM_PROCS", "SLURM_CPUS_PER_TASK"):
        if os.environ.get(name):
            return int(os.environ[name])
    return len(os.sched_getaffinity(0))


def hello(name):
    print("hello from " + name, flush=True)


if __name__ == "__main__":
    processes = [Process(target=hello, args=(str(i),)) for i in range(process_count())]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
