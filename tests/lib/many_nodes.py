#!/usr/bin/python3
"""Digests of many nodes made from one real one.

usage: many_nodes.py DIGEST FOLDER NODES [RANKS [SEED]]

Every node did what the recorded one did, with numbers of its own: CPU time, wall time, clocks.
With RANKS, so many tasks of one srun were on each node, with a core of two hardware threads
each. A few nodes differ: masks narrowed by a wrapper or shared by two ranks, workers that are
missing, clocks that nobody disciplines. The same arguments make the same digests.
"""
import copy
import json
import random
import sys
from pathlib import Path


def varied(value, chance, share):
    return int(value * chance.uniform(1 - share, 1 + share))


def odds_of(number, nodes):
    """How node `number` differs: 12 nodes at most in one way, however many there are."""
    step = max(nodes // 12, 3)
    return {word for place, word in enumerate(("narrow", "slow", "loose", "short"))
            if number % step == place % step and number // step < (12, 3, 2, 5)[place]}


def clocks_of(line, chance, loose):
    """Marks as a node with NTP has them; loose: nobody disciplines its clock."""
    start, wall = line["start"], line["wall"]
    mark = {"read": chance.randrange(30, 200)}
    if not loose:
        mark.update(sync=True, error=chance.randrange(80_000, 400_000))
    return {"boot": f"{chance.getrandbits(128):032x}",
            "begin": dict(mark, t=-4_000_000, real=start - 4_000_000),
            "end": dict(mark, t=wall, real=start + wall)}


def topology_of(cores):
    """The line of a machine of so many cores, each with two hardware threads."""
    text = "P0{N0 " + "".join(f"C{i}{{U{i} U{i + cores}}}" for i in range(cores)) + "}"
    value = 0xcbf29ce484222325  # FNV-1a, as tracer/topology.c has it
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001b3) % 2**64
    return {"forksight": 1, "kind": "topology", "hash": f"{value:016x}", "text": text}


def steps(numbers, exponent):
    """A column of numbers in units of 10^exponent: tracer/digest_columns.h says how."""
    last, items = 0, []
    for number in numbers:
        number //= 10**exponent
        items.append(str(number - last))
        last = number
    return f"e{exponent}:" + ",".join(items)


def tasks_of(ranks, nodes, number, chance, odd):
    """The tasks of node `number` of an srun with -c 1 on cores of two hardware threads."""
    masks = [f"=0,{ranks}", f"+1x{ranks - 1}"]
    if "narrow" in odd:
        masks = [masks[0], f"+1x{ranks - 2}", f"=0,{ranks}"]
    cpu = [varied(60_000_000_000, chance, 0.01) for _ in range(ranks)]
    if "slow" in odd:
        cpu[-1] *= 2
    same = f"0x{ranks - 1}"
    return {"n": ranks, "launch": f"1,{same}", "step": f"0,{same}", "local": f"0,1x{ranks - 1}",
            "rank": f"{number * ranks},1x{ranks - 1}", "size": f"{nodes * ranks},{same}",
            "pid": f"{chance.randrange(10_000, 30_000)},1x{ranks - 1}", "status": f"0,{same}",
            "exe": {"words": ["/usr/bin/python3.11"], "at": f"0,{same}"},
            "processes": f"1,{same}", "workers": f"4,-4,0x{ranks - 2}", "threads": f"1,{same}",
            "cpu": steps(cpu, 6), "mask": ";".join(masks)}


def width_of(nodes):
    return len(str(nodes)) + 1


def change_node(line, ranks, nodes, number, chance, odd):
    line["start"] += chance.randrange(5_000_000)
    line["wall"] = varied(line["wall"], chance, 0.01)
    line["cpu"] = varied(line.get("cpu", 0), chance, 0.02) // (3 if "slow" in odd else 1)
    line["busy_mean"] = line["cpu"] / line["wall"]
    line["clocks"] = clocks_of(line, chance, "loose" in odd)
    if ranks == 0:
        return
    line.update(topology=topology_of(ranks)["hash"], mask_start=f"0-{2 * ranks - 1}",
                mask_job=f"0-{2 * ranks - 1}", tasks=tasks_of(ranks, nodes, number, chance, odd),
                scheduler={"name": "slurm", "job": "987700", "step": "0", "nodes": nodes,
                           "step_tasks": nodes * ranks, "step_tasks_on_node": ranks,
                           "step_node_list": f"nid[{1:0{width_of(nodes)}}-{nodes}]",
                           "tasks_per_node": f"{ranks}(x{nodes})", "in_step": True})
    for count in ("processes", "recorded"):
        line["complete"][count] += ranks


def change_group(line, chance, odd):
    for member in ("cpu", "run", "window_cpu"):
        if member in line:
            line[member] = varied(line[member], chance, 0.02)
    if "narrow" in odd:  # a wrapper bound the parent to the first CPU
        before = line.get("mask", "0")
        line.update(mask="0", mask_parent="0", masks=1, masks_known=True,
                    wait=line.get("run", 0) * 3 + chance.randrange(1000),
                    narrowing={"pid": 99, "exe": "/usr/bin/taskset", "t": -1000,
                               "place": {"module": "/usr/bin/taskset"}, "before": before,
                               "after": "0"})
    elif "short" in odd and line.get("workers", 0) > 2:
        for member in ("workers", "peak", "busy_peak", "scheduled"):
            line[member] -= 1


def stretched(value, factor):
    """A line with all that it says of time and CPU time times factor."""
    times = {"wall", "cpu", "active", "begin", "end", "busy", "overlap", "run", "wait", "window",
             "window_cpu", "first_idle", "last_busy", "min", "p50", "p90", "max", "sum"}
    return {name: stretched(part, factor) if isinstance(part, dict)
            else part * factor if name in times and isinstance(part, int) else part
            for name, part in value.items()}


def lines_of(template, name, number, chance, ranks, nodes):
    """The lines of one node."""
    odd = odds_of(number, nodes)
    for original in template:
        line = copy.deepcopy(original)
        if "host" in line:
            line["host"] = name
        if line["kind"] == "node":
            change_node(line, ranks, nodes, number, chance, odd)
        elif line["kind"] == "topology" and ranks:
            line = topology_of(ranks)
        elif line["kind"] == "group":
            change_group(line, chance, odd)
        yield line


def nodes_of(template, nodes, ranks=0, seed=1):
    """Yields (name, text of the digest) for each node."""
    chance = random.Random(seed)
    width = width_of(nodes)
    for number in range(nodes):
        name = f"nid{number + 1:0{width}}"
        lines = lines_of(template, name, number, chance, ranks, nodes)
        yield name, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def template_of(path, stretch=1):
    """The lines of a digest, of a job that took `stretch` times as long."""
    with Path(path).open(encoding="utf-8") as digest:
        return [stretched(json.loads(line), stretch) for line in digest]


def write_nodes(source, folder, nodes, ranks=0, seed=1):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in nodes_of(template_of(source), nodes, ranks, seed):
        (folder / f"{name}.digest").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_nodes(sys.argv[1], sys.argv[2], *(int(number) for number in sys.argv[3:]))
