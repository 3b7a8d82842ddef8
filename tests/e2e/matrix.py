"""Nobody is lost: every way of making and ending a process, once; the matrix is printed."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import harness as h
import lineage

CELLS = {}


def cell(key, function, *arguments):
    def body(folder):
        CELLS[key] = "incomplete"
        CELLS[key] = f"{function(folder, *arguments)} of {len(lineage.truth_of(folder / 'truth'))}"
    h.add("-".join(key), body)


for method in lineage.METHODS:
    for ending in lineage.ENDINGS:
        cell((method, ending), lineage.python_cell, method, ending)
for kind in lineage.KINDS:
    cell(("c", kind), lineage.c_cell, kind)


def print_matrix():
    print("# processes recorded whole" + "".join(f"{e:>14}" for e in lineage.ENDINGS))
    for row in lineage.METHODS:
        print(f"#   Python {row:<16}" + "".join(f"{CELLS.get((row, e), '-'):>14}" for e in lineage.ENDINGS))
    for kind in lineage.KINDS:
        print(f"#   C {kind:<21}{CELLS.get(('c', kind), '-'):>14}")


@h.test
def print_the_matrix(_folder):
    if len(CELLS) > 1:
        print_matrix()
    missing = [key for key, value in CELLS.items() if value == "incomplete"]
    h.check(not missing, f"incomplete: {missing}")


if __name__ == "__main__":
    h.main(lane="waits")
