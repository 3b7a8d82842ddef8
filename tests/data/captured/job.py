"""What the captured machines run: job.py FIFO. Writes its and its child's pid there."""
import os
import sys
import threading
import time

os.sched_setaffinity(0, {1, 3})


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


child = os.fork()
if child == 0:
    os.sched_setaffinity(0, {3})
    spin(3)
    time.sleep(600)
threads = [threading.Thread(target=time.sleep, args=(600,)) for _ in range(3)]
for thread in threads:
    thread.start()
spin(3)
with open(sys.argv[1], "w") as ready:
    print(os.getpid(), child, file=ready)
time.sleep(600)
