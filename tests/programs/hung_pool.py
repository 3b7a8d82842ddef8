"""A Pool that loses a worker to SIGKILL in the middle of a task: the result never
comes, and the parent waits for it for ever.

usage: hung_pool.py LOG [--by-parent]

LOG gets a line for the parent's pid, for the pid of the worker that is killed and for
each SIGINT that the parent gets. --by-parent: the parent sends the signal (a job that
ends its own workers), takes the loss and leaves.
"""
import os
import signal
import sys
import time
from multiprocessing import Pool


def compute(index):
    total = 0
    for i in range(5_000_000):
        total += i * i
    if index == 1 and "--by-parent" not in sys.argv:
        with open(sys.argv[1], "a") as log:
            print("killed", os.getpid(), file=log)
        os.kill(os.getpid(), signal.SIGKILL)
    return total


def busy(pid):
    """Whether it sleeps in a task; the idle ones wait for the queue's lock or its pipe."""
    with open(f"/proc/{pid}/wchan") as file:
        return "nanosleep" in file.read()


def main():
    log = open(sys.argv[1], "a", buffering=1)
    print("parent", os.getpid(), file=log)

    def interrupted(_number, _frame):
        print("SIGINT", file=log)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)
    # Workers leave the interrupt to the parent: one that dies of it between taking the
    # task queue's lock and knowing it would leave the parent waiting in Pool.terminate.
    with Pool(2, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        if "--by-parent" in sys.argv:
            # In the middle of a task: an idle worker may hold the task queue's lock.
            lost = pool.apply_async(time.sleep, (600,))
            for _ in range(1000):
                if busy(pool._pool[0].pid) or busy(pool._pool[1].pid):
                    break
                time.sleep(0.01)
            victim = pool._pool[0].pid if busy(pool._pool[0].pid) else pool._pool[1].pid
            os.kill(victim, signal.SIGKILL)
            lost.wait(3)
            return 0
        pool.map(compute, range(4), chunksize=1)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(77)
