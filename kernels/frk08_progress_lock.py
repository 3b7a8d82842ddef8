"""A thread holds a lock while Pool forks its workers: their copy of the lock is never
released, and the first task that wants it hangs. FRK-08 shows where; FRK-06 who held it.

usage: frk08_progress_lock.py [START_METHOD]     fork (the faulty one) or forkserver, spawn
"""
import multiprocessing
import sys
import threading
import time

progress_lock = threading.Lock()
progress = 0


def report_progress():
    while True:
        with progress_lock:
            time.sleep(0.2)  # writes to a slow terminal


def square(number):
    global progress
    with progress_lock:
        progress += 1
    return number * number


def main():
    context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else "fork")
    threading.Thread(target=report_progress, daemon=True).start()
    time.sleep(0.1)
    with context.Pool(2) as pool:
        print(sum(pool.map(square, range(100))))


if __name__ == "__main__":
    main()
