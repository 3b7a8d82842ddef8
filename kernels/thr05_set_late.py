"""THR-05: the program itself sets OMP_NUM_THREADS, but numpy is there already.

usage: thr05_set_late.py [products, default 60] [matrix order, default 900]

OpenBLAS reads its variables once, when `import numpy` loads it: what is set afterwards
is not read any more. To expect: THR-05, with the line of the assignment. The good twin
is thr05_set_early.py.
"""
import os
import sys

import numpy

os.environ["OMP_NUM_THREADS"] = "1"

count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
order = int(sys.argv[2]) if len(sys.argv) > 2 else 900
a = numpy.random.default_rng(1).random((order, order)) / order
b = numpy.eye(order)
for _ in range(count):
    b = a @ b + 1.0
print(f"trace {numpy.trace(b):.3f}")
