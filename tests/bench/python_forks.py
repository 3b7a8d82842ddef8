"""Forks from Python, whose stack the recorder reads: nanoseconds per fork and wait.

usage: python_forks.py COUNT [cpu] [first] [beside]
    cpu: in CPU time of the process and its children
    first: COUNT forks from the very first on
    beside: while another thread is there
"""
import os
import resource
import sys
import threading
import time

WARM_UP = 8


def fork_once():
    child = os.fork()
    if child == 0:
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.exit(f"a child ended with wait status {status}")


def cpu_ns():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns() + (children.ru_utime + children.ru_stime) * 1e9


def main():
    count = int(sys.argv[1])
    clock_ns = cpu_ns if "cpu" in sys.argv else time.monotonic_ns
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if "beside" in sys.argv:
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    for _ in range(0 if "first" in sys.argv else WARM_UP):
        fork_once()
    begin = clock_ns()
    for _ in range(count):
        fork_once()
    print((clock_ns() - begin) / count)


if __name__ == "__main__":
    main()
