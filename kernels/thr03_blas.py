"""THR-03: matrix products in one process, by whatever OpenBLAS the loader finds.

usage: thr03_blas.py [products, default 40] [matrix order, default 900]

Debian has OpenBLAS built for OpenMP in /usr/lib/<machine>/openblas-openmp:
LD_LIBRARY_PATH selects it. To expect: THR-03 when only OPENBLAS_NUM_THREADS is set for
that one, which OpenMP builds do not obey; no finding with OMP_NUM_THREADS, or with the
build that has threads of its own.
"""
import sys

import numpy

count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
order = int(sys.argv[2]) if len(sys.argv) > 2 else 900
a = numpy.random.default_rng(1).random((order, order)) / order
b = numpy.eye(order)
for _ in range(count):
    b = a @ b + 1.0
print(f"trace {numpy.trace(b):.3f}")
