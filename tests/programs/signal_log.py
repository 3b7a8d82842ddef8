"""Writes down every signal that it gets; ends on SIGTERM (status 9) or at the end of
its time (status 0).

usage: signal_log.py LOG [seconds, default 60]

LOG gets a line with the pid when the handlers are set, then a line for each signal.
"""
import os
import signal
import sys
import time

log = open(sys.argv[1], "a", buffering=1)
done = []


def note(number, _frame):
    print(signal.Signals(number).name, file=log)
    if number == signal.SIGTERM:
        done.append(number)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
               signal.SIGQUIT, signal.SIGCONT, signal.SIGWINCH):
    signal.signal(number, note)
print("pid", os.getpid(), file=log)
end = time.monotonic() + (float(sys.argv[2]) if len(sys.argv) > 2 else 60.0)
while not done and time.monotonic() < end:
    time.sleep(0.05)
sys.exit(9 if done else 0)
