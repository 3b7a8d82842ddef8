"""Products of matrices by OpenBLAS, in a program that has loaded an OpenMP runtime.

    thr08_bound_blas.py SECONDS [THREADS]

numpy starts with the one thread that OPENBLAS_NUM_THREADS allows, then an extension
brings libgomp (many do), then the program asks OpenBLAS for more threads. With
OMP_PROC_BIND set, libgomp bound the first thread to one core when it was loaded, and
the threads that OpenBLAS starts now inherit that core. Unset it, and they have all.

forksight: THR-08 with OMP_PROC_BIND=true; without it, nothing.
"""
import ctypes
import sys
import time

import numpy

ctypes.CDLL("libgomp.so.1")  # as an extension module would


def main():
    end = time.monotonic() + float(sys.argv[1])
    blas = ctypes.CDLL("libopenblas.so.0")
    blas.openblas_set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    matrix = numpy.full((800, 800), 0.001)
    rounds = 0
    while time.monotonic() < end:
        matrix @ matrix
        rounds += 1
    print(rounds, "products")


if __name__ == "__main__":
    main()
