"""The matrix of process births and ends: what each program wrote down about its own
processes, held against the record. A cell is complete when every process is there
with parent, kind of birth, start, end, mask, CPU time and cause of death."""
import json
import shutil
import signal

import harness as h

METHODS = ("fork", "spawn", "forkserver", "executor")
ENDINGS = ("leave", "join", "exit", "kill")
KINDS = ("fork", "_Fork", "vfork", "clone", "posix_spawn", "posix_spawnp", "system", "popen",
         "daemon", "double-fork", "exec-chain", "env-i", "static")

# How a process of a Python pool may have been born. The interpreter starts a new
# one by vfork where it can, else by fork.
NEW_INTERPRETER = {"vfork", "fork"}
POOL_BIRTHS = {"fork": {"fork"}, "executor": {"fork"}, "forkserver": {"fork"},
               "spawn": NEW_INTERPRETER}


def truth_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def cause_agrees(record, status):
    """status: n >= 0 an exit, -n a signal, None: nobody waited, so nobody but itself knows."""
    cause = record.get("cause") or "alive"
    if cause.startswith(("alive", "ended unseen")):
        return False
    if status is None:
        return True
    name = signal.Signals(-status).name if status < 0 else f"exit {status}"
    return record.get("exit") == status and name in cause


def mask_cpus(text):
    cpus = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def faults(true, births, record):
    """What is missing or wrong in the record of one process, as a list of texts."""
    result = []
    if record["ppid"] != true["ppid"]:
        result.append(f"parent {record['ppid']} instead of {true['ppid']}")
    if births and record.get("birth") not in births:
        result.append(f"birth {record.get('birth')} instead of {'/'.join(sorted(births))}")
    start, end = record.get("start_ns"), record.get("end_ns")
    if start is None or end is None or start > end:
        result.append(f"start {start}, end {end}")
    if mask_cpus(record.get("mask")) != set(true["mask"]):
        result.append(f"mask {record.get('mask')} instead of {true['mask']}")
    cpu, least = record.get("cpu_ns"), true.get("cpu_ns", 0)
    if cpu is None or cpu < 0.98 * least:
        result.append(f"CPU time {cpu}, but it used {least}")
    if not cause_agrees(record, true["exit"]):
        result.append(f"cause {record.get('cause')!r}, exit {record.get('exit')} instead of {true['exit']}")
    return result


def compare(truth, births_of, directory):
    """Checks every process of the truth; nobody may be missing or invented. Returns their number."""
    records = {}
    for record in h.detail(directory):
        h.check(record["pid"] not in records, f"process {record['pid']} twice")
        records[record["pid"]] = record
    h.check(records, f"no detail in {list(directory.glob('**/*'))}")
    wrong = []
    for true in truth:
        record = records.pop(true["pid"], None)
        if record is None:
            wrong.append(f"{true} is missing")
            continue
        for fault in faults(true, births_of(true), record):
            wrong.append(f"{true}: {fault}\n      {json.dumps(record)[:400]}")
    wrong += [f"never existed: {json.dumps(record)[:400]}" for record in records.values()]
    h.check(not wrong, "\n  ".join(["incomplete:", *wrong]))
    return len(truth)


def python_cell(folder, method, ending):
    """One pool; returns the number of its processes."""
    result = h.under_forksight(
        [h.PYTHON, h.PROGRAMS / "pool_ends.py", method, ending, folder / "truth"],
        options=["-q"], cwd=folder, directory=folder / "job")
    h.equal(result.status, 0, f"status\n{result}")

    def births(true):
        return {"main": {"run"}, "worker": POOL_BIRTHS[method]}.get(true["role"], NEW_INTERPRETER)
    return compare(truth_of(folder / "truth"), births, folder / "job")


def static_copy(folder):
    """lineage.c linked statically: the shim cannot enter it."""
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if not compiler:
        raise h.Skip("no C compiler for the static program")
    copy = folder / "lineage-static"
    built = h.execute([compiler, "-static", "-O1", "-o", copy, h.PROGRAMS / "lineage.c"])
    h.equal(built.status, 0, f"static build\n{built}")
    return copy


def c_cell(folder, kind):
    """One way of making a process; returns the number of processes."""
    extra = [static_copy(folder)] if kind == "static" else []
    result = h.under_forksight([h.BUILD / "programs" / "lineage", kind, folder / "truth", *extra],
                               options=["-q"], cwd=folder, directory=folder / "job",
                               env=h.environment(PATH=str(h.BUILD / "programs") + ":/usr/bin:/bin"))
    h.equal(result.status, 0, f"status\n{result}")
    truth = truth_of(folder / "truth")
    for line in truth:
        line["mask"] = [cpu for cpu in range(64) if line["mask"] >> cpu & 1]
    names = {"main": "run", "posix_spawnp": "posix_spawn"}
    return compare(truth, lambda true: {names.get(true["birth"], true["birth"])}, folder / "job")
