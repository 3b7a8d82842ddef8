#!/usr/bin/python3
"""Digests of many nodes made from one real one.

usage: many_nodes.py DIGEST FOLDER NODES [SEED]

Every node did what the recorded one did, with numbers of its own: CPU time, wall time, clocks,
pids. A few differ: masks narrowed by a wrapper, workers that are missing, clocks that nobody
disciplines. The same arguments make the same digests.
"""
import copy
import json
import random
import sys
from pathlib import Path

HOUR = 3_600_000_000_000


def varied(value, chance, share):
    return int(value * chance.uniform(1 - share, 1 + share))


def clocks_of(line, chance, loose):
    """Marks as a node with NTP has them; loose: nobody disciplines its clock."""
    start, wall = line["start"], line["wall"]
    mark = {"read": chance.randrange(30, 200)}
    if not loose:
        mark.update(sync=True, error=chance.randrange(80_000, 400_000))
    return {"boot": f"{chance.getrandbits(128):032x}",
            "begin": dict(mark, t=-4_000_000, real=start - 4_000_000),
            "end": dict(mark, t=wall, real=start + wall)}


def narrow(group, chance):
    """The group on the first CPU of its mask, as if a wrapper had bound its parent."""
    first = str(group.get("mask", "0")).split(",", maxsplit=1)[0].split("-", maxsplit=1)[0]
    before = group.get("mask", "0")
    group.update(mask=first, mask_parent=first, masks=1, masks_known=True)
    run = group.get("run", 0)
    group["wait"] = run * 3 + chance.randrange(1000)
    group["narrowing"] = {"pid": 99, "exe": "/usr/bin/taskset", "t": -1000,
                          "place": {"module": "/usr/bin/taskset"}, "before": before,
                          "after": first}


def lines_of(template, name, chance, odd):
    """The lines of one node; odd: how it differs from the others (a set of words)."""
    result = []
    for original in template:
        line = copy.deepcopy(original)
        if "host" in line:
            line["host"] = name
        if line["kind"] == "node":
            line["start"] += chance.randrange(5_000_000)
            line["wall"] = varied(line["wall"], chance, 0.01)
            line["cpu"] = varied(line.get("cpu", 0), chance, 0.02)
            line["busy_mean"] = line["cpu"] / line["wall"]
            line["clocks"] = clocks_of(line, chance, "loose" in odd)
            if "slow" in odd:
                line["cpu"] //= 3
        if line["kind"] == "group":
            for member in ("cpu", "run", "window_cpu"):
                if member in line:
                    line[member] = varied(line[member], chance, 0.02)
            if "narrow" in odd:
                narrow(line, chance)
            if odd & {"short", "narrow"} == {"short"} and line.get("workers", 0) > 2:
                for member in ("workers", "peak", "busy_peak", "scheduled"):
                    line[member] -= 1
        result.append(line)
    return result


def odds_of(number, nodes):
    """How node `number` differs: in 12 or fewer of all nodes, whatever their number."""
    step = max(nodes // 12, 3)
    return {word for place, word in enumerate(("narrow", "slow", "loose", "short"))
            if number % step == place % step and number // step < (12, 3, 2, 5)[place]}


def nodes_of(template, nodes, seed=1, prefix="nid"):
    """Yields (name, text of the digest) for each node."""
    chance = random.Random(seed)
    width = len(str(nodes)) + 1
    for number in range(nodes):
        name = f"{prefix}{number + 1:0{width}}"
        lines = lines_of(template, name, chance, odds_of(number, nodes))
        yield name, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def template_of(path):
    with Path(path).open(encoding="utf-8") as digest:
        return [json.loads(line) for line in digest]


def main():
    source, folder, nodes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in nodes_of(template_of(source), nodes, seed):
        (folder / f"{name}.digest").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
