"""The good twin of frk06_thread_before_pool.py: the Pool is made first.

usage: frk06_thread_after_pool.py [tasks, default 8]

The workers are forked while the program has one thread; the thread that notes the
progress comes afterwards. To expect: no finding. With --forkserver the thread may
come first: workers are forked by a server that has no threads.
"""
import multiprocessing
import sys
import threading
import time

lock = threading.Lock()
stop = threading.Event()
notes = []


def note_progress():
    while not stop.is_set():
        with lock:
            notes.append(time.monotonic())
            stop.wait(0.5)


def work(number):
    return number * number


def compute(pool, tasks):
    print(sum(pool.map(work, range(tasks))))


if __name__ == "__main__":
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    watcher = threading.Thread(target=note_progress)
    if "--forkserver" in sys.argv:
        watcher.start()
        with multiprocessing.get_context("forkserver").Pool(2) as pool:
            compute(pool, tasks)
    else:
        with multiprocessing.Pool(2) as pool:
            watcher.start()
            compute(pool, tasks)
    stop.set()
    watcher.join()
