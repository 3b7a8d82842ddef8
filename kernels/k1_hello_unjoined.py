"""K1, faulty: four Processes say hello, and nobody ever joins them.

usage: k1_hello_unjoined.py [seconds of further work, default 2]

The parent goes on, then leaves by os._exit: the interpreter's exit handlers, which
would join for it, do not run. To expect: PRC-03 (children never waited for).
"""
import os
import sys
import time
from multiprocessing import Process


def hello(name):
    print("hello from " + name, flush=True)


if __name__ == "__main__":
    further_work = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    # All are made before the first ends: Process.start reaps those that are done.
    processes = [Process(target=hello, args=(str(i),)) for i in range(4)]
    for process in processes:
        process.start()
    time.sleep(further_work)
    sys.stdout.flush()
    os._exit(0)
