#!/usr/bin/python3
"""A busy multi-threaded Python computes the same, and ends the same, whether or not each of
its threads is held and copied again and again.

usage: attach_soak.py STACKS CYCLES      STACKS: the probe of tests/probes

Prints the stops and how long they took.
"""
import subprocess
import sys

PROGRAM = r"""
import hashlib, os, queue, select, socket, sys, threading, time
cycles_seen = threading.Event()
results = {}
def compute(name):                       # in the interpreter, with the GIL
    total = 0
    for i in range(3_000_000):
        total += i * i % 7
    results[name] = total
def digest(name):                        # in C, without it
    data = b"x" * 65536
    hash = hashlib.sha256()
    for _ in range(4000):
        hash.update(data)
    results[name] = hash.hexdigest()
def talk(name):                          # waits in locks, queues, poll, select, sockets, sleep
    jobs, (left, right) = queue.Queue(), socket.socketpair()
    left.settimeout(20)
    waiter = select.epoll()
    waiter.register(right, select.EPOLLIN)
    total = 0
    for i in range(1500):
        jobs.put(i)
        left.sendall(b"%06d" % jobs.get())
        waiter.poll(20)
        total += int(right.recv(6))
        select.select([], [], [], 0.0005)
        time.sleep(0.0005)
    results[name] = total
def pipe(name):
    r, w = os.pipe()
    def write():
        for i in range(3000):
            os.write(w, b"y" * 100)
        os.close(w)
    writer = threading.Thread(target=write)
    writer.start()
    length = 0
    while True:
        data = os.read(r, 4096)
        if not data:
            break
        length += len(data)
    writer.join()
    results[name] = length
threads = [threading.Thread(target=f, args=(f.__name__ + str(i),))
           for i in range(2) for f in (compute, digest, talk, pipe)]
for t in threads: t.start()
for t in threads: t.join()
if len(sys.argv) > 1:                    # until the observer has had its fill
    print("computed", flush=True)
    sys.stdin.readline()
print(sorted(results.items()))
sys.exit(3)
"""


def main():
    stacks, cycles = sys.argv[1], sys.argv[2]
    alone = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    done, missed, status = 0, 0, 0
    while done < int(cycles):
        target = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        rounds = 0
        while target.poll() is None and done < int(cycles):
            part = subprocess.run([stacks, "--copy", "10", str(target.pid)], capture_output=True,
                                  text=True)
            if not part.stdout:
                break
            stops, failed, median, p99, most = map(int, part.stdout.split())
            done += 10
            rounds += 10
        text, errors = target.communicate()
        if (text, errors, target.returncode) != (alone.stdout, alone.stderr, alone.returncode):
            print(f"with {rounds} cycles: {text!r} {errors!r} status {target.returncode}\n"
                  f"alone: {alone.stdout!r} {alone.stderr!r} status {alone.returncode}")
            status = 1
            break
        if rounds == 0:  # it ended before a look at it, on a busy machine
            missed += 1
            if missed > 20:
                print("no thread was held, in 20 programs")
                status = 1
                break
            continue
        print(f"{rounds} cycles unharmed; {stops} stops in the last ten, {failed} threads gone; "
              f"held {median / 1000:.0f} us (median), {p99 / 1000:.0f} us (99 %), "
              f"{most / 1000:.0f} us (longest)")
    sys.exit(status)


if __name__ == "__main__":
    main()
