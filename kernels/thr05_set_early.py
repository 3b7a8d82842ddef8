"""The good twin of thr05_set_late.py: OMP_NUM_THREADS is set before numpy is imported.

usage: thr05_set_early.py [products, default 60] [matrix order, default 900]

To expect: no finding.
"""
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"

import numpy  # after the variable, or OpenBLAS would not read it

count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
order = int(sys.argv[2]) if len(sys.argv) > 2 else 900
a = numpy.random.default_rng(1).random((order, order)) / order
b = numpy.eye(order)
for _ in range(count):
    b = a @ b + 1.0
print(f"trace {numpy.trace(b):.3f}")
