"""FRK-06: a Pool is made while a thread of the program runs.

usage: frk06_thread_before_pool.py [tasks, default 8]

The thread notes the progress twice a second and holds a lock for that. A worker is
a copy of the program without the thread, but with its locks as they are at the fork:
here nothing in the workers needs the lock, so the job ends. With one log line in
work() it would hang now and then. To expect: FRK-06 with the line that started the
thread. Its twin is frk06_thread_after_pool.py.
"""
import sys
import threading
import time
from multiprocessing import Pool

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


if __name__ == "__main__":
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    watcher = threading.Thread(target=note_progress)
    watcher.start()
    with Pool(2) as pool:
        print(sum(pool.map(work, range(tasks))))
    stop.set()
    watcher.join()
