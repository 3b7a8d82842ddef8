"""A multiprocessing.Pool, or an executor, that ends in one of several ways and
writes down what is true about every process.

usage: pool_ends.py {fork|spawn|forkserver|executor} {leave|join|exit|kill} TRUTH

leave: the `with` block ends while the workers live. join: closed and joined.
exit: one worker leaves by os._exit(7) in a task. kill: one worker is killed by
SIGKILL. TRUTH gets a JSON line for each process: pid, ppid, role, exit (status of
the process as its parent learned it: n >= 0 an exit, -n a signal; null: nobody
waited), mask (the CPUs that it may use).
"""
import concurrent.futures
import json
import multiprocessing as mp
import os
import signal
import sys
import time
from multiprocessing import forkserver, resource_tracker

WORKERS = 3
killed = set()  # pids that kill_busy() ended


def exit_of(worker, method):
    """The worker's exit status; null where the parent cannot know it: a fork server may
    close the pipe before it has told how a child ended, and Python then says 255."""
    if worker.pid in killed:
        return -signal.SIGKILL
    return None if method == "forkserver" and worker.exitcode == 255 else worker.exitcode


def own_identity(_):
    time.sleep(0.05)  # so that every worker gets one of the tasks
    total = sum(i * i for i in range(20000))
    return os.getpid(), os.getppid(), sorted(os.sched_getaffinity(0)), total


def leave_at_once(_):
    os._exit(7)


def announce_and_wait(path):
    with open(path + ".new", "w") as out:
        out.write(str(os.getpid()))
    os.rename(path + ".new", path)
    time.sleep(600)


def kill_busy(submit, workers, path):
    """Kills a worker in the middle of a task: an idle one may hold the lock of the
    task queue, and all the others would wait for it for ever."""
    submit(announce_and_wait, path)
    while not os.path.exists(path):
        time.sleep(0.01)
    with open(path) as file:
        pid = int(file.read())
    os.unlink(path)
    os.kill(pid, signal.SIGKILL)
    killed.add(pid)
    wait_for_end(next(w for w in workers if w.pid == pid))


def identities(run_map):
    """{pid: (ppid, mask)} of all workers; asked until each has answered."""
    known = {}
    while len(known) < WORKERS:
        for pid, ppid, mask, _ in run_map(own_identity, range(WORKERS * 2)):
            known[pid] = (ppid, mask)
    return known


def wait_for_end(process):
    while process.exitcode is None:
        time.sleep(0.01)


def end_pool(pool, workers, ending, scratch):
    if ending == "join":
        pool.close()
        pool.join()
        return
    if ending == "exit":
        pool.apply_async(leave_at_once, (0,))
        while all(w.exitcode is None for w in workers):
            time.sleep(0.01)
    elif ending == "kill":
        kill_busy(lambda f, a: pool.apply_async(f, (a,)), workers, scratch)
    time.sleep(0.3)  # a pool replaces the worker that it lost
    workers.extend(w for w in pool._pool if w not in workers)


def use_pool(method, ending, scratch):
    context = mp.get_context(method)
    with context.Pool(WORKERS) as pool:
        workers = list(pool._pool)
        known = identities(lambda f, r: pool.map(f, r, chunksize=1))
        end_pool(pool, workers, ending, scratch)
    for worker in workers:
        worker.join()
    return workers, known


def use_executor(ending, scratch):
    with concurrent.futures.ProcessPoolExecutor(WORKERS, mp.get_context("fork")) as executor:
        known = identities(executor.map)
        workers = list(executor._processes.values())
        if ending == "exit":
            executor.submit(leave_at_once, 0).exception()
        elif ending == "kill":
            kill_busy(executor.submit, workers, scratch)
    for worker in workers:
        worker.join()
    return workers, known


def main():
    method, ending, truth = sys.argv[1:4]
    mask = sorted(os.sched_getaffinity(0))
    scratch = truth + ".pid"
    workers, known = (use_executor(ending, scratch) if method == "executor"
                      else use_pool(method, ending, scratch))
    helpers = {"tracker": resource_tracker._resource_tracker._pid,
               "forkserver": forkserver._forkserver._forkserver_pid}
    parent = helpers["forkserver"] or os.getpid()
    lines = [{"pid": os.getpid(), "ppid": os.getppid(), "role": "main", "exit": 0, "mask": mask}]
    lines += [{"pid": w.pid, "ppid": known.get(w.pid, (parent,))[0], "role": "worker",
               "exit": exit_of(w, method), "mask": known.get(w.pid, (0, mask))[1]} for w in workers]
    lines += [{"pid": pid, "ppid": os.getpid(), "role": role, "exit": None, "mask": mask}
              for role, pid in helpers.items() if pid]
    with open(truth, "w") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
